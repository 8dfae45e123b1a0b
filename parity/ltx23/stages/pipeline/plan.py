"""The taps of one generation: its pictures, evaluations and stretches of time."""

from importlib.resources import files
from pathlib import Path

from parity.ltx23.stage import Setting
from parity.ltx23.stages.pipeline.passes import Generation
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

HERE = Path(str(files("parity.ltx23"))) / "stages" / "pipeline"
_TAPS = Catalogue.load(HERE / "taps.toml")
# Frames of a tile, and what it shares with the next, by default. Source: both releases, run.
_TILES = {"1.0.0": (64, 24), "1.2.0": (80, 24)}


def plan(given: Generation, setting: Setting) -> TapPlan:
    """Lay out the taps of one generation."""
    stages = 2 if given.two_stages else 1
    flags = {name for name, holds in (("guided", given.guided), ("two_stages", given.two_stages)) if holds}
    repeats = {
        "picture": [_picture(stage, number, given) for stage in range(stages) for number in range(len(given.pictures))],
        "first": _evaluations(given, 1),
        "second": _evaluations(given, 2) if stages == 2 else [],
        "stretch": [Item({"g": str(g), "nn": f"{g:02d}"}) for g in range(stretches(given, setting.release))],
    }
    return _TAPS.expand(given.name, frozenset(flags), repeats)


def _picture(stage: int, number: int, given: Generation) -> Item:
    place = stage * len(given.pictures) + number
    return Item({"n": str(stage + 1), "p": str(place), "nn": f"{number:02d}"})


def _evaluations(given: Generation, stage: int) -> list[Item]:
    return [Item({"e": str(e), "nn": f"{e:02d}"}) for e in range(given.evaluations(stage))]


def stretches(given: Generation, release: str) -> int:
    """Give the number of stretches of time that a clip is decoded in."""
    if not given.two_stages and release == "1.0.0":
        return 1
    latent_frames, (size, overlap) = (given.frames - 1) // 8 + 1, (length // 8 for length in _TILES[release])
    return 1 if latent_frames <= size else -(-(latent_frames - overlap) // (size - overlap))
