"""How alike frames look: PSNR and SSIM."""

import math

import torch
from torch import Tensor

from parity.errors import BadInputError

# Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
# IEEE Transactions on Image Processing 13(4), 2004, section III.C: the window and both constants.
WINDOW, DEVIATION = 11, 1.5
_LUMINANCE, _CONTRAST = 0.01, 0.03


def psnr(frames: Tensor, reference: Tensor, peak: float = 1.0) -> float:
    """Give the peak signal-to-noise ratio in decibels over all elements; infinite for equal frames."""
    _require_alike(frames, reference)
    error = float((frames.double() - reference.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def ssim(frames: Tensor, reference: Tensor, peak: float = 1.0) -> float:
    """Give the mean structural similarity of frames [..., height, width, colours], 1 for equal frames.

    Computed in float64 for each colour on its own, where the 11x11 Gaussian window fits wholly, and averaged.
    BadInputError for frames smaller than the window.
    """
    _require_alike(frames, reference)
    height, width = frames.shape[-3:-1]
    if min(height, width) < WINDOW:
        got = f"frames of {height}x{width}"
        raise BadInputError("ssim", got, f"{WINDOW}x{WINDOW} or larger", "measure larger frames, or their PSNR")
    x, y = (_planes(given) for given in (frames, reference))
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x, var_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = (_LUMINANCE * peak) ** 2, (_CONTRAST * peak) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def _planes(frames: Tensor) -> Tensor:
    """Give [planes, 1, height, width] in float64: each frame's each colour."""
    return frames.double().movedim(-1, -3).reshape(-1, 1, *frames.shape[-3:-1])


def _windowed(planes: Tensor) -> Tensor:
    """Average with the Gaussian window, first along rows, then along columns."""
    offset = torch.arange(WINDOW, dtype=torch.float64, device=planes.device) - WINDOW // 2
    weights = torch.exp(-(offset**2) / (2 * DEVIATION**2))
    weights = weights / weights.sum()
    rows = torch.nn.functional.conv2d(planes, weights.view(1, 1, 1, -1))
    return torch.nn.functional.conv2d(rows, weights.view(1, 1, -1, 1))


def _require_alike(frames: Tensor, reference: Tensor) -> None:
    if frames.shape != reference.shape or frames.numel() == 0:
        got = f"shape {tuple(frames.shape)}"
        raise BadInputError("frames", got, f"the reference's, {tuple(reference.shape)}, not empty", "give both whole")
