"""The taps of one pass: its blocks, layers, tiles and stretches of time, and what the newest release calls in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from parity.ltx23.stage import Setting
from parity.ltx23.stages.video_vae.passes import Does, Tiles, VaePass
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item
from parity.taps.plan import CallSite

HERE = Path(str(files("parity.ltx23"))) / "stages" / "video_vae"
_TAPS = Catalogue.load(HERE / "taps.toml")
Blocks = Sequence[tuple[str, Mapping[Any, int]]]

# Up to this many frames, with one more on either side, the newest release convolves at once; more, part by part.
_AT_ONCE = 16
_IN_PLACE = "ltx_core.model.video_vae.memory_efficient_decode"
_FUNCTIONS = {
    "norm": f"{_IN_PLACE}:_norm_inplace",
    "silu": "torch.nn.functional:silu",
    "stack": f"{_IN_PLACE}:_midblock_forward_efficient",
    "upsample": f"{_IN_PLACE}:_upsample_forward_efficient",
    "rearrange_up": f"{_IN_PLACE}:rearrange",
    "unpatchify": f"{_IN_PLACE}:unpatchify",
}


def plan(forward: VaePass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    vae, at_once = setting.config.vae, forward.does in (Does.DECODE, Does.DECODE_BATCH)
    in_place = setting.release == "1.2.0" and not forward.plain
    down = list(_down(vae.encoder_blocks)) if forward.does is Does.ENCODE else []
    frames = forward.value.shape[2]
    limit = _AT_ONCE - 2 if in_place else None
    up = list(_up(vae.decoder_blocks[::-1], frames, limit)) if at_once else []
    tiles = _tiles(forward.tiles, forward.encodes)
    stretches = _stretches(forward.tiles) if forward.tiles and not forward.encodes else []
    flags = {
        "encode": forward.does is Does.ENCODE,
        "decode": at_once,
        "encode_tiles": forward.does is Does.ENCODE_TILES,
        "frames": forward.shows_frames,
        "divided": forward.tiles is not None and (setting.release == "1.0.0" or forward.tiles.crowded),
        "whole": limit is None or (frames - 1) * 8 + 1 <= limit,
    }
    held = frozenset(name for name, holds in flags.items() if holds)
    repeats = {"down": down, "up": up, "tile": tiles, "stretch": stretches}
    found = _TAPS.expand(forward.name, held, repeats)
    if not in_place:
        return _by_module(found)
    calls = tuple(_calls(up)) if at_once else ()
    return TapPlan(found.taps, {**found.call_sites, "newest": (*found.call_sites["newest"], *calls)})


def _by_module(found: TapPlan) -> TapPlan:
    """Give the plan with the newest release watched where the first is: what is not in place has the same modules."""
    taps = tuple(replace(tap, ports={**tap.ports, "newest": tap.ports["official"]}) for tap in found)
    return TapPlan(taps, {**found.call_sites, "newest": found.call_sites["official"]})


def _down(blocks: Blocks) -> Iterator[Item]:
    for turn, block, layer, _ in _steps(blocks):
        at = f"down{block}" if layer is None else f"down{block}.layer{layer}"
        yield _item(turn, block, layer, {"at": at})


def _up(blocks: Blocks, frames: int, limit: int | None) -> Iterator[Item]:
    for turn, block, layer, last in _steps(blocks):
        at = f"up{block}" if layer is None else f"up{block}.layer{layer}"
        after = f"decoder::stack@up{block}>out" if last else f"decoder::norm@up{block}.layer{(layer or 0) + 1}.1>in.x"
        whole = frozenset({"whole"}) if limit is None or frames <= limit else frozenset[str]()
        yield _item(turn, block, layer, {"at": at, "after": after}, whole)
        if layer is None and blocks[block][0] != "compress_space":
            frames = 2 * frames - 1


def _steps(blocks: Blocks) -> Iterator[tuple[int, int, int | None, bool]]:
    """Give (number, block, layer in it, whether it is the last) of each residual block; no layer for other blocks."""
    numbers = count()
    for block, (kind, parameters) in enumerate(blocks):
        depth = parameters.get("num_layers", 0)
        layers = range(depth) if kind == "res_x" else (None,)
        yield from ((next(numbers), block, layer, layer == depth - 1) for layer in layers)


def _item(
    turn: int, block: int, layer: int | None, bind: Mapping[str, str], more: frozenset[str] = frozenset()
) -> Item:
    kind = "resample" if layer is None else "residual"
    return Item({"nn": f"{turn:02d}", "block": str(block), "layer": str(layer or 0), **bind}, more | {kind})


def _tiles(tiles: Tiles | None, encodes: bool) -> list[Item]:
    if tiles is None:
        return []
    half = ("coder", "coder.encoder", "pixels") if encodes else ("clip.tiled", "clip.tiled.decoder", "latent")
    bind = dict(zip(("layout", "half", "argument"), (f"{half[0]}.layout", *half[1:]), strict=True))
    frames, rows, columns = tiles.count
    return [Item({"k": str(k), "nn": f"{k:02d}", **bind}) for k in range(frames * rows * columns)]


def _stretches(tiles: Tiles) -> list[Item]:
    frames, rows, columns = tiles.count
    return [Item({"g": str(g), "nn": f"{g:02d}", "last": str((g + 1) * rows * columns - 1)}) for g in range(frames)]


def _calls(up: Sequence[Item]) -> Iterator[CallSite]:
    layers = [item.bind["at"] for item in up if "residual" in item.flags]
    twice = (*(f"{at}.{turn}" for at in layers for turn in (1, 2)), "out")
    doublings = tuple(item.bind["at"] for item in up if "resample" in item.flags)
    stacks = tuple(dict.fromkeys(at.partition(".")[0] for at in layers))
    named = {"norm": twice, "silu": twice, "stack": stacks, "unpatchify": ("out",)}
    for function, target in _FUNCTIONS.items():
        yield CallSite(function, target, {"decoder": named.get(function, doublings)})
