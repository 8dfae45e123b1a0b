"""The port, as the harness runs it."""

from pathlib import Path

from torch import Tensor, nn

from ltx_port.picture import PictureConditioning, read_picture
from ltx_port.release import Release, release_named
from parity.ltx23.refusals import refusals
from parity.ltx23.stages.picture.passes import PicturePass
from parity.ltx23.terms import Load


class Read(nn.Module):
    """A module for `read_picture` to be called by."""

    def __init__(self, release: Release):
        super().__init__()
        self.release = release

    def forward(self, path: Path) -> Tensor:
        """Give the picture."""
        return read_picture(path, self.release)


class Picture(nn.Module):
    """From a file to pixels, as one root."""

    def __init__(self, folder: Path, release: Release):
        super().__init__()
        self.folder = folder
        self.read = Read(release)
        self.conditioning = PictureConditioning()

    def forward(self, request: PicturePass) -> Tensor:
        """Make one picture ready."""
        picture = self.read(self.folder / request.file)
        return self.conditioning(picture, request.size, request.crf, request.dtype, request.device)


def load(request: Load) -> Picture:
    """Give the port on the case's pictures; it has no weights."""
    with refusals():
        return Picture(request.files["pictures"], release_named(request.release))


def call(model: nn.Module, request: PicturePass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(request)
