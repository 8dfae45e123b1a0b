"""The cases of the video autoencoder: sizes without symmetry, all forms of tiles, one frame and many."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, input_seed
from parity.ltx23.stages.video_vae.passes import Does, Tiles, VaePass
from parity.ltx23.synthetic.weights import normal_like

Size = tuple[int, int, int, int]
"""Batch, then frames, rows and columns: of the latent to decode, of the pixels to encode."""
Row = tuple[str, Does, Size, Tiles | None]


def _drawn(label: str, *shape: int) -> Tensor:
    values = normal_like(input_seed(), f"video_vae.{label}", 0, torch.Size(shape).numel(), torch.device("cpu"))
    # The same numbers in every working precision, so that precisions differ by their arithmetic alone.
    return values.view(shape).to(torch.bfloat16).float()


def _pixels(label: str, *shape: int) -> Tensor:
    # The range of a real clip, with both ends reached.
    return (_drawn(label, *shape) * 0.5).clamp(-1.0, 1.0).to(torch.bfloat16).float()


def _case(identifier: str, guards: str, rows: Sequence[Row], **more: Any) -> Case:
    return Case(f"vae-{identifier}", guards, _builder(identifier, rows, more.pop("plain", False)), **more)


def _builder(identifier: str, rows: Sequence[Row], plain: bool) -> Callable[[Setting], list[Pass]]:
    def build(setting: Setting) -> list[Pass]:
        vae = setting.config.vae
        found: list[Pass] = []
        for name, does, (batch, *size), tiles in rows:
            encodes = does in (Does.ENCODE, Does.ENCODE_TILES)
            channels, draw = (vae.in_channels, _pixels) if encodes else (vae.latent_channels, _drawn)
            value = draw(f"{identifier}.{name}", batch, channels, *size)
            found.append(VaePass(f"pass_{name}", does, value.to(setting.dtype), tiles, plain))
        return found

    return build


_TWO_PLAIN: list[Row] = [
    ("decode", Does.DECODE, (1, 2, 1, 1), None),
    ("encode", Does.ENCODE, (1, 9, 32, 32), None),
]
# No code has these as its default; both lists still make 32 pixels and 8 frames of one latent position.
_ODD_BLOCKS = {
    "vae.decoder_base_channels": 4,
    "vae.out_channels": 2,
    "vae.in_channels": 2,
    "vae.encoder_blocks": [
        ["compress_all_res", {"multiplier": 4}],
        ["res_x", {"num_layers": 1}],
        ["compress_space_res", {"multiplier": 1}],
        ["compress_time_res", {"multiplier": 1}],
        ["compress_all_res", {"multiplier": 2}],
    ],
    "vae.decoder_blocks": [
        ["compress_time", {"multiplier": 1}],
        ["compress_all", {"multiplier": 4}],
        ["res_x", {"num_layers": 3}],
        ["compress_space", {"multiplier": 1}],
        ["compress_all", {"multiplier": 2}],
    ],
}

# Every kind of step, each as narrow as it can be.
_NARROW = {
    "vae.decoder_base_channels": 2,
    "vae.encoder_blocks": [
        ["compress_space_res", {"multiplier": 1}],
        ["res_x", {"num_layers": 1}],
        ["compress_time_res", {"multiplier": 1}],
        ["compress_all_res", {"multiplier": 1}],
        ["res_x", {"num_layers": 2}],
        ["compress_all_res", {"multiplier": 1}],
    ],
    "vae.decoder_blocks": [
        ["compress_space", {"multiplier": 2}],
        ["res_x", {"num_layers": 1}],
        ["compress_time", {"multiplier": 2}],
        ["compress_all", {"multiplier": 1}],
        ["res_x", {"num_layers": 2}],
        ["compress_all", {"multiplier": 2}],
    ],
}
# Tiles do not care for depth: the same halvings and doublings, and nothing between them.
_SHALLOW = {
    "vae.decoder_base_channels": 2,
    "vae.encoder_blocks": [[f"compress_{kind}_res", {"multiplier": 1}] for kind in ("space", "time", "all", "all")],
    "vae.decoder_blocks": [
        ["compress_space", {"multiplier": 2}],
        ["compress_time", {"multiplier": 2}],
        ["compress_all", {"multiplier": 1}],
        ["compress_all", {"multiplier": 2}],
    ],
}

_FULL: dict[str, Row] = {
    release: ("tiles", Does.DECODE_TILES, (1, 16, 32, 48), Tiles(None, None, counts, default=True))
    for release, counts in {"1.0.0": (3, 4, 4), "1.2.0": (2, 3, 3)}.items()
}

VIDEO_VAE_CASES = (
    _case(
        "small",
        "every kind of step of both halves: small enough to be recorded",
        [("decode", Does.DECODE, (1, 2, 1, 1), None), ("encode", Does.ENCODE, (1, 9, 32, 32), None)],
        config_edits=_NARROW,
        recorded=True,
    ),
    _case(
        "decode",
        "17 frames, which the newest release convolves in two parts; two samples of one frame",
        [("clip", Does.DECODE, (1, 3, 2, 1), None), ("batch", Does.DECODE_BATCH, (2, 1, 2, 3), None)],
    ),
    _case(
        "encode",
        "11 frames, of which 2 are dropped; a single image; two samples",
        [
            ("clip", Does.ENCODE, (1, 11, 32, 32), None),
            ("image", Does.ENCODE, (1, 1, 64, 32), None),
            ("batch", Does.ENCODE, (2, 1, 32, 64), None),
        ],
    ),
    _case(
        "odd-config",
        "block lists and widths that no code has as its default",
        [("decode", Does.DECODE_BATCH, (1, 2, 1, 2), None), ("encode", Does.ENCODE, (1, 9, 32, 64), None)],
        config_edits=_ODD_BLOCKS,
    ),
    _case(
        "tiles",
        "tiles in time and space: masks, seams, and frames as soon as they are final",
        [("tiles", Does.DECODE_TILES, (1, 4, 2, 3), Tiles((64, 32), (24, 8), (2, 1, 2)))],
        config_edits=_SHALLOW,
    ),
    _case(
        "tiles-time",
        "tiles in time only, two samples: each later one starts a latent frame earlier",
        [("tiles", Does.DECODE_BATCH_TILES, (2, 5, 1, 2), Tiles(None, (24, 8), (2, 1, 1)))],
        config_edits=_SHALLOW,
    ),
    _case(
        "tiles-space",
        "tiles in space only, in both directions",
        [("tiles", Does.DECODE_TILES, (1, 1, 3, 4), Tiles((64, 32), (16, 8), (1, 2, 3)))],
        config_edits=_SHALLOW,
        recorded=True,
    ),
    _case(
        "tiles-crowded",
        "three tiles on one place: masks that do not sum to one",
        [("tiles", Does.DECODE_TILES, (1, 1, 1, 5), Tiles((96, 64), (16, 8), (1, 1, 3), crowded=True))],
        config_edits=_SHALLOW,
        recorded=True,
    ),
    _case(
        "tiles-default",
        "a wide clip and a long one, in the tiles of the release's pipelines",
        [
            ("wide", Does.DECODE_TILES, (1, 1, 1, 25), Tiles(None, None, (1, 1, 2), default=True)),
            ("long", Does.DECODE_TILES, (1, 11, 1, 1), Tiles(None, None, (2, 1, 1), default=True)),
        ],
        config_edits=_SHALLOW,
    ),
    _case(
        "encode-tiles",
        "tiles of pictures to encode, two samples; three tiles on one place",
        [
            ("space", Does.ENCODE_TILES, (2, 1, 128, 96), Tiles((96, 64), None, (1, 2, 1))),
            ("crowded", Does.ENCODE_TILES, (1, 1, 32, 160), Tiles((96, 64), None, (1, 1, 3), crowded=True)),
        ],
        config_edits=_SHALLOW,
        recorded=True,
    ),
    _case(
        "encode-tiles-long",
        "tiles of a clip to encode, in space and in time",
        [("both", Does.ENCODE_TILES, (1, 27, 32, 128), Tiles((96, 64), (24, 16), (2, 1, 2)))],
        config_edits=_SHALLOW,
    ),
    _case(
        "drift",
        "rounding through both halves at the tiny depth, step by step",
        _TWO_PLAIN,
        options={"plain": True},
        plain=True,
        drifts=True,
    ),
    _case(
        "real-encoder",
        "the encoder at full width: 318,936,897 parameters",
        [("encode", Does.ENCODE, (1, 9, 32, 32), None)],
        config="ltx-2.3-22b",
        components=("video_encoder",),
        options={"halves": ("encoder",)},
        real_size=True,
    ),
    _case(
        "real-decoder",
        "the decoder at full width: 407,169,072 parameters",
        [("decode", Does.DECODE, (1, 2, 1, 1), None)],
        config="ltx-2.3-22b",
        components=("video_decoder",),
        options={"halves": ("decoder",)},
        real_size=True,
    ),
    Case(
        "vae-full",
        "121 frames of 1024x1536, in the tiles of the release's pipelines",
        lambda setting: _builder("full", [_FULL[setting.release]], False)(setting),
        config="ltx-2.3-22b",
        components=("video_decoder",),
        options={"halves": ("decoder",)},
        dtypes=(torch.bfloat16,),
        real_size=True,
        thorough=True,
    ),
)
