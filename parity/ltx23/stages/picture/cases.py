"""The cases of the pictures: kinds of files, sizes, and strengths of compression."""

from collections.abc import Sequence
from typing import Any

from parity.ltx23.stage import Case, Pass, Setting
from parity.ltx23.stages.picture.passes import PicturePass
from parity.ltx23.stages.picture.pictures import PICTURES

# As the pipelines have it; written out, so that a change of the port's constant shows.
CRF = 33
SMALL = (16, 16)


def _small() -> list[PicturePass]:
    return [
        PicturePass("turned", "turned6.png", SMALL, CRF),
        PicturePass("profile", "profile.png", SMALL, CRF),
        PicturePass("transparent", "transparent.png", SMALL, 0),
    ]


def _kinds() -> list[PicturePass]:
    return [
        PicturePass("photograph", "photograph.jpg", (32, 64), CRF),
        PicturePass("print", "print.jpg", (64, 32), CRF),
        PicturePass("web", "web.webp", (32, 32), CRF),
        PicturePass("turned3", "turned3.png", SMALL, 0),
        PicturePass("turned8", "turned8.png", SMALL, 0),
        PicturePass("mirrored", "mirrored.png", SMALL, 0),
    ]


# What release 1.0.0 does not read.
_COLOURLESS = [
    PicturePass("grey", "grey.png", SMALL, 0),
    PicturePass("grey_transparent", "grey_transparent.png", SMALL, 0),
    PicturePass("grey16", "grey16.png", SMALL, 0),
    PicturePass("palette", "palette.png", SMALL, 0),
]


def _sizes() -> list[PicturePass]:
    """Larger and smaller, either way round, odd surpluses on each side, and the size that it has."""
    return [
        PicturePass("shrunk", "landscape.png", (32, 32), CRF),
        PicturePass("grown", "small.png", (64, 96), CRF),
        PicturePass("portrait", "portrait.png", (32, 64), CRF),
        PicturePass("upright", "landscape.png", (96, 32), CRF),
        PicturePass("odd", "portrait.png", (31, 27), CRF),
        PicturePass("exact", "exact.png", (32, 48), CRF),
        PicturePass("uncompressed", "landscape.png", (64, 32), 0),
        PicturePass("hardly", "landscape.png", (32, 64), 1),
        PicturePass("most", "landscape.png", (32, 64), 51),
        PicturePass("slices", "large.png", (64, 64), CRF),
    ]


def _case(identifier: str, guards: str, passes: Sequence[PicturePass], **more: Any) -> Case:
    """Give a case; `newer` are passes under the releases behind 1.0.0 alone."""
    newer: Sequence[PicturePass] = more.pop("newer", ())
    files = tuple(dict.fromkeys(one.file for one in (*passes, *newer)))

    def build(setting: Setting) -> list[Pass]:
        return [*passes, *(newer if setting.release != "1.0.0" else ())]

    return Case(f"picture-{identifier}", guards, build, components=(), options={PICTURES: files}, **more)


PICTURE_CASES = (
    _case(
        "small",
        "orientation, colour profile, transparency, and pictures without colours: small enough to be recorded",
        _small(),
        newer=_COLOURLESS,
        recorded=True,
    ),
    _case(
        "kinds",
        "JPEG, WebP and PNG; CMYK; every turn, and a mirrored picture",
        _kinds(),
        newer=_COLOURLESS,
    ),
    _case(
        "sizes",
        "odd sizes made even, resizing both ways, crops with a remainder, no and all compression, slices",
        _sizes(),
        drifts=True,
    ),
    _case(
        "real-size",
        "a frame of full HD to 1024x1536: as many slices as CPUs",
        [PicturePass("full_hd", "full_hd.png", (1024, 1536), CRF)],
        real_size=True,
    ),
)
