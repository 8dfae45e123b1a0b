"""The audio autoencoder: waveform or log-mel frames to the latent, and the latent to log-mel frames."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

import torch

from parity.ltx23.stage import Setting, Stage, TensorPass
from parity.ltx23.stages.audio_vae.cases import AUDIO_VAE_CASES
from parity.ltx23.stages.audio_vae.faults import FAULTS
from parity.ltx23.stages.audio_vae.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "audio_vae"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(forward: TensorPass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass: it takes one way, forth or back, and forth with or without the front end."""
    params = setting.config.audio_vae.model.params
    part, levels = params.ddconfig, range(len(params.ddconfig.ch_mult))
    if "latent" in forward.working:
        widths = [*part.ch_mult, part.ch_mult[-1]]
        items = _blocks(
            ((level, widths[level + 1], widths[level]) for level in reversed(levels)), part.num_res_blocks + 1
        )
        return _TAPS.expand(forward.name, frozenset({"decode"}), {"up": _closing(items, 0), "down": ()})
    widths = [1, *part.ch_mult]
    items = _blocks(((level, widths[level], widths[level + 1]) for level in levels), part.num_res_blocks)
    flags = {"encode"}
    if "sampling_rate" in forward.settings:
        flags |= {"wave"} if forward.settings["sampling_rate"] == params.sampling_rate else {"wave", "resample"}
    return _TAPS.expand(forward.name, frozenset(flags), {"down": _closing(items, levels[-1]), "up": ()})


def _blocks(levels: Iterable[tuple[int, int, int]], count: int) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Give (level, block, flags) of every residual block, from levels of (number, width before, width)."""
    for level, before, width in levels:
        for block in range(count):
            found = {"widens": block == 0 and before != width, "last": block == count - 1}
            yield level, block, frozenset(name for name, holds in found.items() if holds)


def _closing(blocks: Iterable[tuple[int, int, frozenset[str]]], final: int) -> tuple[Item, ...]:
    """Make items of them; behind the level `final` there is no change of resolution."""
    return tuple(
        Item(
            {"level": str(level), "block": str(block), "nn": f"{level}_{block}"},
            flags - {"last"} if level == final else flags,
        )
        for level, block, flags in blocks
    )


AUDIO_VAE = Stage(
    id="audio_vae",
    shows="sound to latent, from a waveform at any rate, and latent to log-mel frames",
    cases=AUDIO_VAE_CASES,
    plan=plan,
    load=load,
    call=call,
    official="audio_vae",
    budgets=_HERE / "budgets.toml",
    components=("audio_encoder", "audio_decoder"),
    faults=tuple(FAULTS),
    # The front end of a narrow waveform multiplies by a filter that stays float32.
    truths={torch.bfloat16: torch.float32},
)
