"""From a picture file to its pixels."""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageCms
from torch import Tensor

from ltx_port.errors import InputError
from ltx_port.picture.refusals import picture_refusals
from ltx_port.release import NEWEST, Release

# DIFFERS: upstream lets Pillow try every format that it knows, some of which hardly anybody maintains.
FORMATS = ("JPEG", "PNG", "WEBP")
_ORIENTATION = 0x0112
# The turns that the EXIF tag asks for. Upstream leaves the mirrored orientations (2, 4, 5, 7) as they are stored.
_TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
_WITHOUT_ALPHA = {"RGBA": "RGB", "LA": "L"}


def read_picture(path: Path, release: Release = NEWEST) -> UInt8[Tensor, "height width 3"]:
    """Decode a whole JPEG, PNG or WebP file to red, green and blue levels, on the CPU.

    Where the release takes pictures upright and in sRGB, any kind of picture gives RGB: turned as its EXIF orientation
    says (3, 6 and 8), without its transparency, converted to sRGB from its colour profile; a profile that cannot be
    used is left out with a warning. Else it is the first three channels as they are stored: transparency, orientation
    and profile are ignored, a CMYK picture gives cyan, magenta and yellow. Of an animation, the first picture.

    Raises InputError for a file that is missing, of another format, damaged, larger than Pillow's limit against
    decompression bombs, or (release 1.0.0) without three channels of 8 bits.
    Source: decode_image of ltx-pipelines 1.0.0 and 1.2.0.
    """
    with picture_refusals(path), Image.open(path, formats=FORMATS) as stored:
        # Either way decodes to the end: a file that is cut off fails here, not after minutes of other work.
        if release.pictures_upright_in_srgb:
            return torch.from_numpy(np.array(_in_srgb(_upright(stored), path)))
        pixels = np.array(stored)
    if pixels.ndim != 3 or pixels.shape[2] < 3:
        raise _without_colours(path, stored.mode)
    return torch.from_numpy(pixels[..., :3].copy())


def _upright(stored: Image.Image) -> Image.Image:
    turn = _TURNS.get(stored.getexif().get(_ORIENTATION, 1))
    return stored if turn is None else stored.transpose(turn)


def _in_srgb(picture: Image.Image, path: Path) -> Image.Image:
    profile = picture.info.get("icc_profile")
    # The levels below transparent places count as they are: nothing is blended.
    opaque = picture.convert(_WITHOUT_ALPHA.get(picture.mode, picture.mode))
    if profile:
        try:
            own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(opaque, own, srgb, outputMode="RGB")
            assert converted is not None, "Pillow gives a new picture unless told to change the old one"
            return converted
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            warnings.warn(f"{path}: colour profile not used ({error}); taken for sRGB", stacklevel=3)
    return opaque.convert("RGB")


def _without_colours(path: Path, mode: str) -> InputError:
    kinds = {"1": "black and white", "L": "grey", "LA": "grey", "I;16": "grey with 16 bits", "P": "a palette"}
    return InputError(
        str(path),
        f"a picture with {kinds.get(mode, 'other channels')} (mode {mode})",
        "red, green and blue channels, which is all that release 1.0.0 reads",
        "save it as RGB, or use release 1.2.0",
    )
