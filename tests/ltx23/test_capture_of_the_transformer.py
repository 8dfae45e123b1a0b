"""Watching changes nothing, and nothing of the port is left unwatched."""

from collections.abc import Callable
from importlib import import_module

import pytest
import torch
from torch import Tensor

from parity.capture import Probe, Recorder
from parity.capture.probe import hooks_of
from parity.ltx23.cases import TRANSFORMER_CASES
from parity.ltx23.world import World, transformer_catalogue
from parity.run.forward import Implementation

SMALL = TRANSFORMER_CASES["small"]
# Modules whose own output the official code shows nowhere; what they feed is tapped right behind them.
SEEN_BEHIND = {
    "text_cross.prompt_modulation.rows": "text_cross.context",
    "head.modulation": "head.modulated",
    "timestep_scale": "timestep_adaln.timestep",
    "prompt_scale": "prompt_adaln.timestep",
    "av_scale_shift_scale": "av_scale_shift_adaln.timestep",
    "av_gate_scale": "av_gate_adaln.timestep",
    "self_bias": "self_bias",
    "context_bias": "context_bias",
}


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


def test_every_module_of_the_port_is_tapped() -> None:
    """A step that no tap shows could be wrong without anybody seeing where."""
    with World() as world:
        root = world.port(SMALL, torch.float32).root
        tapped: set[str] = set()
        names: set[str] = set()
        for case in TRANSFORMER_CASES.values():
            layers = world.config(case).num_layers
            for forward in case.passes(world.config(case), torch.float32):
                plan = transformer_catalogue().expand(forward.name, layers, forward.flags)
                tapped |= {tap.ports["port"].module for tap in plan}
                names |= set(plan.names)
    leaves = {path for path, module in root.named_modules() if not list(module.children()) and path}
    hidden = {leaf for leaf in leaves - tapped if not any(leaf.endswith(end) for end in SEEN_BEHIND)}
    assert hidden == set()
    for behind in SEEN_BEHIND.values():
        assert any(name.endswith(behind) for name in names), behind
