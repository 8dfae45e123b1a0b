"""Functions of torch itself can be watched, though they have no signature to read."""

import torch
from engine_cases import observed
from torch import nn


class Mixing(nn.Module):
    def forward(self, start, end):
        return torch.lerp(torch.lerp(start, end, 0.25), end, 0.5)


def test_a_builtin_is_captured_call_by_call_its_inputs_by_number():
    before, start, end = torch.lerp, torch.zeros(3), torch.full((3,), 8.0)
    ports = {"fed": "::lerp@second>in.args.0", "first": "::lerp@first>out", "second": "::lerp@second>out"}
    seen = observed(Mixing(), ports, start, end, sites=(("lerp", "torch:lerp", {"": ("first", "second")}),))
    assert {name: tensor.tolist()[0] for name, tensor in seen.items()} == {"fed": 2.0, "first": 2.0, "second": 5.0}
    assert torch.lerp is before
