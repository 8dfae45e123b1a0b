"""The official way of a picture, called as its pipelines do.

It is a chain of functions that hand on arrays. Each is replaced by one that calls it and shows what it gives, as a
tensor, to modules that hooks can go on; nothing in this file computes.
"""

# Before any official module that imports torchaudio, or OpenImageIO in its stead.
import reference_dumps.official.openimageio_stand_in

import reference_dumps.official.torchaudio_without_extension  # noqa: F401  isort: skip

from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import av
import torch
from torch import Tensor, nn

from parity.ltx23.stages.picture.passes import PicturePass
from parity.ltx23.terms import Load
from reference_dumps.official.operations import Operations, Shown

_RANGE = {"share": "div", "ranged": "sub"}


class OfficialPicture(nn.Module):
    """One picture from its file to pixels."""

    def __init__(self, folder: Path, release: str):
        super().__init__()
        self._folder, self._first = folder, release == "1.0.0"
        self.picture, self.even, self.degraded = Shown(), Shown(), Shown()
        self.range = Operations("the step to the encoder's range", _RANGE)

    def forward(self, request: PicturePass) -> Tensor:
        """Give the official function's result."""
        media: Any = import_module("ltx_pipelines.utils.media_io" + ("" if self._first else ".decode"))
        plain = {"range": "normalize_latent" if self._first else "normalize_images"}
        names = {"read": "decode_image", "degrade": "preprocess", **plain}
        found = {part: getattr(media, name) for part, name in names.items()}
        watched: dict[str, Callable[..., Any]] = {
            "read": lambda **given: self._shown(self.picture, found["read"](**given)),
            "degrade": lambda **given: self._shown(self.degraded, found["degrade"](**given)),
            "range": lambda *given: self.range.watch(found["range"], *given),
        }
        run = media.load_image_conditioning if self._first else media.load_image_and_preprocess
        with ExitStack() as stack:
            for part, name in names.items():
                stack.enter_context(mock.patch.object(media, name, watched[part]))
            stack.enter_context(mock.patch.object(media, "av", self._watched_av()))
            return run(str(self._folder / request.file), *request.size, request.dtype, request.device, request.crf)

    def _watched_av(self) -> SimpleNamespace:
        """Give what the official code uses of PyAV, with a look at what its encoder is given."""

        def from_ndarray(array: Any, **given: Any) -> Any:
            return av.VideoFrame.from_ndarray(self._shown(self.even, array), **given)

        return SimpleNamespace(open=av.open, VideoFrame=SimpleNamespace(from_ndarray=from_ndarray))

    def _shown(self, place: nn.Module, array: Any) -> Any:
        return place(torch.from_numpy(array)).numpy()


def load(request: Load) -> nn.Module:
    """Give the official functions of a release as a module; there are no weights to load."""
    return OfficialPicture(request.files["pictures"], request.release)


def call(model: nn.Module, request: PicturePass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(request)
