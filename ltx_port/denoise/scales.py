"""How strongly a prediction is pushed away from worse ones."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class GuidanceScales:
    """The scales of one stream.

    `cfg`: away from the negative prompt, 1 for not at all. `stg`: away from a pass that skips self-attention in
    `stg_blocks` (None: in every block), 0 for not at all. `modality`: away from a pass in which the streams do not hear
    each other, 1 for not at all. `rescale`: how far the contrast of the result is brought back to the conditioned
    prediction's, in [0, 1]. After each guided step, the stream keeps its prediction for `skip_step` steps.
    """

    cfg: float
    stg: float
    stg_blocks: tuple[int, ...] | None
    modality: float
    rescale: float
    skip_step: int

    @property
    def needs_negative(self) -> bool:
        """Whether the pass with the negative prompt is run."""
        return not math.isclose(self.cfg, 1.0)

    @property
    def needs_perturbed(self) -> bool:
        """Whether the pass without self-attention in some blocks is run."""
        return not math.isclose(self.stg, 0.0)

    @property
    def needs_isolated(self) -> bool:
        """Whether the pass without audio-video attention is run."""
        return not math.isclose(self.modality, 1.0)

    def skips(self, step: int) -> bool:
        """Whether the stream keeps its last prediction in that step."""
        return self.skip_step != 0 and step % (self.skip_step + 1) != 0
