"""Watching changes nothing."""

from collections.abc import Callable
from importlib import import_module

import pytest
import torch
from torch import Tensor

from parity.capture import Probe, Recorder
from parity.capture.probe import hooks_of
from parity.ltx23.stages import CASES
from parity.ltx23.world import World
from parity.run.forward import Implementation

SMALL = CASES["small"]


def outputs(implementation: Implementation, inputs: object, watched: Callable[[], Probe] | None) -> list[Tensor]:
    seen: list[Tensor] = []
    hook = implementation.root.register_forward_hook(lambda _module, _args, output: seen.extend(output))
    with torch.no_grad():
        if watched is None:
            implementation.call(implementation.root, inputs)
        else:
            with watched():
                implementation.call(implementation.root, inputs)
    hook.remove()
    return seen


@pytest.mark.reference
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("side", ["port", "official"])
def test_capturing_changes_no_bit_and_leaves_no_trace(side: str, dtype: torch.dtype) -> None:
    with World() as world:
        implementation = world.port(SMALL, dtype) if side == "port" else world.official(SMALL, dtype)
        for forward in world.forwards(SMALL, dtype):
            sites = forward.plan.call_sites[side]
            before = [function(site.target) for site in sites]
            plain = outputs(implementation, forward.inputs, None)
            probed = outputs(
                implementation, forward.inputs, lambda f=forward: Probe(implementation.root, side, f.plan, Recorder())
            )
            assert all(torch.equal(a, b) for a, b in zip(plain, probed, strict=True))
            assert set(hooks_of(implementation.root).values()) == {0}
            assert [function(site.target) for site in sites] == before


def function(target: str) -> object:
    module, _, path = target.partition(":")
    owner: object = import_module(module)
    for name in path.split("."):
        owner = vars(owner)[name]
    return owner
