"""The synthetic weights are alive: each of them changes what the transformer gives."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from parity.ltx23.stages import CASES
from parity.ltx23.stages.transformer.port import call
from parity.ltx23.world import World

SMALL = CASES["small"]
ONE_BLOCK = replace(SMALL, layers=1)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def x0_of(world: World) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    model = world.port(ONE_BLOCK, torch.float32).root
    hooks = [
        step.register_forward_hook(lambda _module, _args, output: seen.append(output))
        for step in (model.denoise_video, model.denoise_audio)
    ]
    with torch.no_grad():
        call(model, world.forwards(ONE_BLOCK, torch.float32)[0].inputs)
    for hook in hooks:
        hook.remove()
    return seen


def test_every_parameter_matters(world: World) -> None:
    """Moved by a tenth of its spread, every tensor moves x0 by far more than float32 rounds."""
    before = x0_of(world)
    silent = []
    for name, parameter in world.port(ONE_BLOCK, torch.float32).root.named_parameters():
        kept = parameter.detach().clone()
        parameter.data += 0.1 * kept.std() * torch.linspace(-1, 1, kept.numel()).view_as(kept)
        after = x0_of(world)
        parameter.data.copy_(kept)
        moved = max(float((a - b).norm() / b.norm()) for a, b in zip(after, before, strict=True))
        if moved < 1e-5:
            silent.append((name, moved))
    assert silent == []


def test_blocks_differ(world: World) -> None:
    first, second = world.port(SMALL, torch.float32).root.transformer.blocks
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert not torch.equal(a, b), name
