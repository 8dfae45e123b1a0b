"""Not only the same numbers: laid out in memory as the reference lays them out."""

from typing import Any

import pytest
import torch
from torch import nn

from parity.ltx23.stages.latents.cases import LATENTS_CASES
from parity.ltx23.stages.latents.port import Latents
from parity.ltx23.world import World

CASES = [case for case in LATENTS_CASES if not case.real_size]
STREAMS = [
    ("prepare.video", "video", lambda found: found[0]),
    ("prepare.audio", "audio", lambda found: found[0]),
    ("restore.video", "video_end", lambda found: found),
    ("restore.audio", "audio_end", lambda found: found),
]
FIELDS = [("latent", "latent"), ("clean", "clean_latent"), ("mask", "denoise_mask"), ("positions", "positions")]


def outputs(root: nn.Module, paths: list[str], request: object) -> list[Any]:
    found: dict[str, Any] = {}
    hooks = [
        root.get_submodule(path).register_forward_hook(lambda _m, _a, out, path=path: found.update({path: out}))
        for path in paths
    ]
    root(request)
    for hook in hooks:
        hook.remove()
    return [found[path] for path in paths]


@pytest.mark.reference
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_strides_are_those_of_the_reference(case: Any) -> None:
    """A convolution or a matrix product that reads a latent may choose its kernel by them."""
    dtype = torch.bfloat16
    with World() as world:
        port, official = world.port(case, dtype).root, world.official(case, dtype).root
        for request in world.passes(case, dtype):
            own = outputs(port, [path for path, _, _ in STREAMS], request)
            other = outputs(official, [path for _, path, _ in STREAMS], request)
            for (path, _, part), ours, theirs in zip(STREAMS, own, other, strict=True):
                for name, official_name in FIELDS:
                    left, right = getattr(ours, name), getattr(part(theirs), official_name)
                    assert left.stride() == right.stride(), f"{request.name}: {path}.{name}"
                    assert torch.equal(left, right)


def test_a_recorded_pass_stays_on_the_host() -> None:
    """The noise of a seed is another on another kind of device."""
    case = next(case for case in LATENTS_CASES if case.recorded)
    with World() as world:
        for request in world.passes(case, torch.float32):
            assert request.on(torch.device("meta")).device == torch.device("cpu")
        other = world.passes(CASES[0], torch.float32)[0]
        assert other.on(torch.device("meta")).device == torch.device("meta")


def test_a_stage_without_weights_is_loaded_from_metadata_alone() -> None:
    with World() as world:
        path = world.checkpoint(CASES[0])
        assert path.stat().st_size < 20_000
        assert world.setting(CASES[0], torch.float32).config.transformer.num_layers == 4
        assert (
            list(Latents(world.port(CASES[0], torch.float32).root.prepare.video.positions.release).parameters()) == []
        )
