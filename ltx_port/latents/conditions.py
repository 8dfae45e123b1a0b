"""Images that condition a video, as latents that are already encoded: in the place of frames, or appended."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.latents.geometry import Clip, VideoGrid
from ltx_port.latents.patchify import PatchifyVideo
from ltx_port.latents.positions import KeyframePositions
from ltx_port.latents.state import LatentState
from ltx_port.release import Release


@dataclass(frozen=True)
class Replacement:
    """A latent in the place of the clip's own, from `latent_frame` on.

    `strength` in [0, 1]: 1 keeps it as it is, 0 leaves it to be denoised wholly.
    """

    latent: Float[Tensor, "batch channels frames rows columns"]
    latent_frame: int
    strength: float

    def __post_init__(self) -> None:
        _require_strength(self.strength)


@dataclass(frozen=True)
class Keyframe:
    """A latent whose tokens are appended to the clip's, placed at the pixel frame `frame`; `strength` as above."""

    latent: Float[Tensor, "batch channels frames rows columns"]
    frame: int
    strength: float

    def __post_init__(self) -> None:
        _require_strength(self.strength)


Condition = Replacement | Keyframe


def image_condition(
    latent: Float[Tensor, "batch channels 1 rows columns"], frame: int, strength: float
) -> Replacement | Keyframe:
    """Give the condition that the text-and-image-to-video pipelines make of an image at a pixel frame.

    At frame 0 it takes the place of the first latent frame, which covers just that frame; later it is appended.
    """
    return Replacement(latent, 0, strength) if frame == 0 else Keyframe(latent, frame, strength)


class ReplaceFrames(nn.Module):
    """Applies a `Replacement`."""

    def __init__(self, release: Release):
        super().__init__()
        self.only_clean = release.conditions_only_clean
        self.patchify = PatchifyVideo()

    def forward(self, state: LatentState, grid: VideoGrid, condition: Replacement) -> LatentState:
        """Give a state with those tokens replaced; InputError where the latent does not fit the clip."""
        _require_sides("replacement", condition.latent, grid)
        first, count = condition.latent_frame, condition.latent.shape[2]
        if first < 0 or first + count > grid.frames:
            got, expected = f"latent frames {first} to {first + count - 1}", f"some of 0 to {grid.frames - 1}"
            raise InputError("replacement", got, expected, "place it inside the clip")
        tokens = self.patchify(condition.latent)
        place = slice(first * grid.tokens_per_frame, (first + count) * grid.tokens_per_frame)
        latent, clean, mask = state.latent.clone(), state.clean.clone(), state.mask.clone()
        if not self.only_clean:
            latent[:, place] = tokens
        clean[:, place] = tokens
        mask[:, place] = 1.0 - condition.strength
        return replace(state, latent=latent, clean=clean, mask=mask)


class AppendKeyframe(nn.Module):
    """Applies a `Keyframe`."""

    def __init__(self, release: Release):
        super().__init__()
        self.only_clean = release.conditions_only_clean
        self.patchify = PatchifyVideo()
        self.positions = KeyframePositions(release)

    def forward(self, state: LatentState, clip: Clip, condition: Keyframe) -> LatentState:
        """Give a state with the keyframe's tokens behind all others; InputError where it does not fit the clip."""
        _require_sides("keyframe", condition.latent, clip.video)
        if not 0 <= condition.frame < clip.frames:
            raise InputError(
                "keyframe", f"frame {condition.frame}", f"one of 0 to {clip.frames - 1}", "place it inside the clip"
            )
        tokens: Tensor = self.patchify(condition.latent)
        grid = replace(clip.video, frames=condition.latent.shape[2])
        positions = self.positions(grid, condition.frame, clip.fps, tokens.device)
        # In the latent's dtype as in the reference, so that 1 - strength is rounded to it before it joins the mask.
        mask = torch.full((*tokens.shape[:2], 1), 1.0 - condition.strength, dtype=tokens.dtype, device=tokens.device)
        noisy = torch.zeros_like(tokens) if self.only_clean else tokens
        return LatentState(
            latent=torch.cat([state.latent, noisy], dim=1),
            clean=torch.cat([state.clean, tokens], dim=1),
            mask=torch.cat([state.mask, mask], dim=1),
            # Promotes positions that the release has rounded back to float32, with the rounded numbers.
            positions=torch.cat([state.positions, positions], dim=2),
        )


def _require_strength(strength: float) -> None:
    if not (math.isfinite(strength) and 0.0 <= strength <= 1.0):
        raise InputError("condition strength", f"{strength}", "a number from 0 to 1", "choose one")


def _require_sides(what: str, latent: Tensor, grid: VideoGrid) -> None:
    batch, channels, frames, rows, columns = latent.shape
    if (batch, channels, rows, columns) != (grid.batch, grid.channels, grid.rows, grid.columns) or frames == 0:
        expected = f"({grid.batch}, {grid.channels}, 1 or more, {grid.rows}, {grid.columns})"
        raise InputError(
            what, f"latent of shape {tuple(latent.shape)}", expected, "encode the image at the clip's size"
        )
