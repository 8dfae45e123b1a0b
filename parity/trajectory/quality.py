"""Which measures an outcome has."""

from torch import Tensor

from parity.chain import Outcome, OutcomeKind
from parity.trajectory.frames import WINDOW as SMALLEST_SIDE
from parity.trajectory.frames import psnr, ssim
from parity.trajectory.record import Quality
from parity.trajectory.sound import WINDOW as LEAST_SAMPLES
from parity.trajectory.sound import log_spectral_distance, snr


def qualities(outcome: Outcome, reference: Tensor, candidate: Tensor) -> list[Quality]:
    """Measure an outcome by what its kind can be measured by; a latent has no such measure.

    Frames or sound too small for a measure's window go without that one.
    """
    if outcome.kind is OutcomeKind.FRAMES:
        found = [Quality(outcome.key, "PSNR", "dB", psnr(candidate, reference))]
        if min(reference.shape[-3:-1]) >= SMALLEST_SIDE:
            found.append(Quality(outcome.key, "SSIM", "", ssim(candidate, reference)))
        return found
    if outcome.kind is OutcomeKind.SOUND:
        found = [Quality(outcome.key, "SNR", "dB", snr(candidate, reference))]
        if reference.shape[-1] >= LEAST_SAMPLES:
            distance = log_spectral_distance(candidate, reference)
            found.append(Quality(outcome.key, "log-spectral distance", "dB", distance))
        return found
    return []
