"""The transformer: one forward pass from latent tokens to velocity and x0."""

from importlib.resources import files
from pathlib import Path

from parity.ltx23.stage import Setting, Stage
from parity.ltx23.stages.transformer.cases import TRANSFORMER_CASES
from parity.ltx23.stages.transformer.faults import FAULTS
from parity.ltx23.stages.transformer.passes import ForwardPass, in_one_batch
from parity.ltx23.stages.transformer.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "transformer"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(forward: ForwardPass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    blocks = [
        Item(item.bind, forward.flags(index))
        for index, item in enumerate(Item.numbered("block", setting.config.transformer.num_layers))
    ]
    release = f"r{setting.release.replace('.', '_')}"
    return _TAPS.expand(forward.name, forward.flags(None) | {release}, {"block": blocks})


TRANSFORMER = Stage(
    id="transformer",
    shows="both streams through every block, to velocity and x0",
    cases=TRANSFORMER_CASES,
    plan=plan,
    load=load,
    call=call,
    official="transformer",
    budgets=_HERE / "budgets.toml",
    components=("transformer",),
    faults=tuple(FAULTS),
    # Masks exclude by the most negative number of the precision.
    set_by_precision=("*.self_bias", "*.context_bias"),
    join=in_one_batch,
    # What these give, the official code shows nowhere; what they feed is tapped right behind them.
    seen_behind={
        "text_cross.prompt_modulation.rows": "text_cross.context",
        "head.modulation": "head.modulated",
        "timestep_scale": "timestep_adaln.timestep",
        "prompt_scale": "prompt_adaln.timestep",
        "av_scale_shift_scale": "av_scale_shift_adaln.timestep",
        "av_sigma_scale": "av_gate_adaln.timestep",
        "av_gate_scale": "av_gate_adaln.timestep",
        "self_bias": "self_bias",
        "context_bias": "context_bias",
    },
)
