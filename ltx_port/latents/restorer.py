"""From the denoised tokens back to latents that a decoder takes."""

import torch
from torch import nn

from ltx_port.latents.geometry import AudioGrid, Clip, VideoGrid
from ltx_port.latents.patchify import UnpatchifyAudio, UnpatchifyVideo
from ltx_port.latents.state import LatentState, RestoredLatent


class ClearConditions(nn.Module):
    """Drops appended tokens, and forgets which of the others were given."""

    def forward(self, state: LatentState, grid: VideoGrid | AudioGrid) -> LatentState:
        """Give the clip's own tokens, with a mask of ones; copies, which lie in memory without gaps."""
        return LatentState(
            latent=state.latent[:, : grid.tokens].clone(),
            clean=state.clean[:, : grid.tokens].clone(),
            mask=torch.ones_like(state.mask)[:, : grid.tokens].clone(),
            positions=state.positions[:, :, : grid.tokens].clone(),
        )


class StreamRestorer(nn.Module):
    """One stream back in its grid."""

    def __init__(self, unpatchify: UnpatchifyVideo | UnpatchifyAudio):
        super().__init__()
        self.clear = ClearConditions()
        self.unpatchify = unpatchify

    def forward(self, state: LatentState, grid: VideoGrid | AudioGrid) -> RestoredLatent:
        """Give the latents of the clip; the grid must be the stream's own."""
        state = self.clear(state, grid)
        lay = self.unpatchify
        return RestoredLatent(lay(state.latent, grid), lay(state.clean, grid), lay(state.mask, grid), state.positions)


class LatentRestorer(nn.Module):
    """Both streams, as a stage hands them on."""

    def __init__(self) -> None:
        super().__init__()
        self.video = StreamRestorer(UnpatchifyVideo())
        self.audio = StreamRestorer(UnpatchifyAudio())

    def forward(self, clip: Clip, video: LatentState, audio: LatentState) -> tuple[RestoredLatent, RestoredLatent]:
        """Give (video, audio): latents of shape (batch, 128, F, H, W) and (batch, 8, T, 16)."""
        restored: RestoredLatent = self.video(video, clip.video)
        return restored, self.audio(audio, clip.audio)
