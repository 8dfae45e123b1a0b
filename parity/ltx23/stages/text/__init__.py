"""The text stage: prompts through Gemma, its hidden states to features, features to the context of both streams."""

from importlib.resources import files
from pathlib import Path

from ltx_port.checkpoint.config import parse_config
from parity.ltx23.configs import config_text
from parity.ltx23.stage import SEED, Case, Setting, Stage
from parity.ltx23.stages.text.cases import TEXT_CASES
from parity.ltx23.stages.text.faults import FAULTS
from parity.ltx23.stages.text.passes import Part, TextPass
from parity.ltx23.stages.text.port import call, load
from parity.ltx23.synthetic.components.text import TEXT_COMPONENTS, gemma_layers
from parity.ltx23.synthetic.gemma import write_gemma, write_gemma_shape
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "text"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(given: TextPass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    flags = {given.part.value, *given.part.streams, f"r{setting.release.replace('.', '_')}"}
    if given.part in (Part.ENCODER, Part.EMBEDDINGS):
        flags |= {"features", "context"}
    flags |= {"together"} if given.together else {"single"}
    layers = [
        Item({"s": stream, "layer": str(index), "nn": f"{index:02d}"})
        for stream in given.part.streams
        for index in range(setting.config.transformer.connector_num_layers)
    ]
    repeats = {
        "gemma": Item.numbered("layer", gemma_layers(setting.config)),
        "prompt": Item.numbered("call", max(len(given.prompts), 1)),
        # Several prompts pass the same blocks one after the other: they are watched at the ends of the connectors.
        "block": [] if given.together else layers,
    }
    return _TAPS.expand(given.name, frozenset(flags), repeats)


def _gemma(path: Path, case: Case) -> None:
    """Write the Gemma root: whole and tiny, or at real size what the official loader reads of it."""
    if case.real_size:
        config = parse_config(config_text(case.config), case.id)
        write_gemma_shape(path, config.transformer.caption_channels, gemma_layers(config))
    else:
        write_gemma(path, SEED, case.options.get("starts", True))


TEXT = Stage(
    id="text",
    shows="prompts through Gemma and the connectors, to the context of both streams",
    cases=TEXT_CASES,
    plan=plan,
    load=load,
    call=call,
    official="text",
    budgets=_HERE / "budgets.toml",
    components=tuple(component.name for component in TEXT_COMPONENTS),
    faults=tuple(FAULTS),
    files={"gemma": _gemma},
    # What these give, the official code shows nowhere; what they feed is tapped right behind them.
    seen_behind={
        "front": "filled",
        "positions": "rope.fraction",
        "full_attention": "block00.video.bias",
        "rotary_emb": "layer00.cos",
        "tokenizer": "tokens.ids",
        "output_mask": "context.mask",
    },
)
