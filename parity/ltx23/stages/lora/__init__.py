"""LoRA fusion: each changed weight from its factors to its sum, and the transformer that is loaded with them."""

from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path

from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX, TransformerKeyMap
from parity.ltx23.stage import Setting, Stage
from parity.ltx23.stages.lora.cases import FILES, LORA_CASES, write_adapter
from parity.ltx23.stages.lora.faults import FAULTS
from parity.ltx23.stages.lora.passes import FusePass, file_name, fused_layers
from parity.ltx23.stages.lora.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "lora"
_TAPS = Catalogue.load(_HERE / "taps.toml")
_COUNTS = ("second", "third", "fourth")


def plan(forward: FusePass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    release = f"r{setting.release.replace('.', '_')}"
    loaded = _loaded(forward, TransformerKeyMap(setting.config.transformer.num_layers))
    return _TAPS.expand(forward.name, frozenset({release}), {"layer": tuple(_layers(forward)), "loaded": tuple(loaded)})


def _layers(forward: FusePass) -> Iterator[Item]:
    for number, (layer, adapters) in enumerate(fused_layers(forward.adapters).items()):
        bind = {"layer": str(number), "name": layer, "nn": f"{number:02d}"}
        yield Item(bind, frozenset(_COUNTS[: len(adapters) - 1]))


def _loaded(forward: FusePass, keys: TransformerKeyMap) -> Iterator[Item]:
    for key in keys.official_keys():
        name = key.removeprefix(TRANSFORMER_PREFIX)
        if forward.shown is None or name in forward.shown:
            # Tables have no module of their own in the official code.
            *official, leaf = ("", *name.split("."))
            *port, port_leaf = ("", *keys.to_port(key).split("."))
            ports = {"o": ".".join(official), "p": ".".join(port), "leaf": leaf, "port_leaf": port_leaf}
            yield Item({"name": name, "nn": "", **ports})


LORA = Stage(
    id="lora",
    shows="low-rank changes fused into the transformer's weights as it is loaded",
    cases=LORA_CASES,
    plan=plan,
    load=load,
    call=call,
    official="lora",
    budgets=_HERE / "budgets.toml",
    components=("transformer",),
    faults=tuple(FAULTS),
    files={file_name(number): partial(write_adapter, number) for number in range(FILES)},
    drawn=tuple(map(file_name, range(FILES))),
)
