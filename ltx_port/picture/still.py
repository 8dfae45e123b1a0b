"""A picture as the single frame of a video: what compression leaves of it.

The model was trained on frames of compressed videos, and takes a flawless picture for something else.
"""

from io import BytesIO

import av
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from ltx_port.errors import InputError

# The range of libx264's constant rate factor for 8 bits.
CRF_LEAST, CRF_MOST = 0, 51
Levels = npt.NDArray[np.uint8]


class EvenSize(nn.Module):
    """Drops the last row or column where there is an odd number: chroma has half as many of each."""

    def forward(self, picture: UInt8[Tensor, "height width 3"]) -> UInt8[Tensor, "even_height even_width 3"]:
        """Give the picture, cut at its lower and right edges; InputError where nothing would be left."""
        height, width = (side - side % 2 for side in picture.shape[:2])
        if not (height and width):
            got = f"{picture.shape[0]}x{picture.shape[1]} pixels"
            # DIFFERS: 1.2.0 hands such a picture on without loss; 1.0.0 fails in the encoder.
            raise InputError("picture", got, "at least 2x2 to compress", "use a larger picture, or crf 0")
        return picture[:height, :width]


class H264Still(nn.Module):
    """Encodes one frame with libx264 and decodes it again, in memory.

    libx264 cuts a frame into slices, one for each CPU and 64 rows, and does not predict across them: a picture of more
    than 112 rows comes out another on a machine with another number of CPUs. Both steps compute with integers, but the
    conversions from and to RGB round otherwise where a processor is neither x86 with SSSE3 nor newer.
    """

    def forward(
        self, picture: UInt8[Tensor, "even_height even_width 3"], crf: int
    ) -> UInt8[Tensor, "even_height even_width 3"]:
        """Give the decoded frame on the CPU; InputError for a size that libx264 refuses."""
        pixels: Levels = picture.cpu().numpy()
        try:
            return torch.from_numpy(_decoded(_encoded(pixels, crf)))
        except av.FFmpegError as error:
            got = f"{pixels.shape[0]}x{pixels.shape[1]} pixels ({error.strerror})"
            raise InputError("picture", got, "a size that libx264 encodes", "make the picture smaller") from None


def check_crf(crf: int) -> None:
    """Refuse, by InputError, a quality that libx264 does not know."""
    if not CRF_LEAST <= crf <= CRF_MOST:
        expected = f"{CRF_LEAST} (no loss) to {CRF_MOST} (most)"
        raise InputError("picture crf", f"{crf}", expected, "choose one, 33 by default")


class H264Degradation(nn.Module):
    """What a picture loses in a compressed video."""

    def __init__(self) -> None:
        super().__init__()
        self.even = EvenSize()
        self.still = H264Still()

    def forward(self, picture: UInt8[Tensor, "height width 3"], crf: int) -> UInt8[Tensor, "kept_height kept_width 3"]:
        """Give the compressed picture, of even size; with crf 0 the picture itself, whatever its size.

        InputError for a crf below 0 or above 51, and for a picture too small to compress.
        """
        check_crf(crf)
        return picture if crf == 0 else self.still(self.even(picture), crf)


def _encoded(pixels: Levels, crf: int) -> bytes:
    with BytesIO() as file:
        with av.open(file, "w", format="mp4") as container:
            # Threads are left to the libraries, as upstream leaves them: they decide where the slices are.
            stream = container.add_stream("libx264", rate=1, options={"crf": str(crf), "preset": "veryfast"})
            stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            for given in (frame, None):
                container.mux(stream.encode(given))
        return file.getvalue()


def _decoded(video: bytes) -> Levels:
    with av.open(BytesIO(video), "r") as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), dtype=np.uint8)
