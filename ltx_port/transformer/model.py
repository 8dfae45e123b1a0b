"""The whole transformer: two streams in, 48 blocks, two heads out."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.config import TransformerConfig
from ltx_port.errors import InputError
from ltx_port.release import NEWEST, Release
from ltx_port.transformer.attention import AttentionBackend, AttentionKernel, kernels_for
from ltx_port.transformer.block import Block
from ltx_port.transformer.conditioning import StreamState
from ltx_port.transformer.inputs import ModalityInput, check_modality
from ltx_port.transformer.perturbation import NO_PERTURBATION, BlockSkips, Perturbation
from ltx_port.transformer.stream import Stream, StreamShape


def stream_shapes(config: TransformerConfig) -> tuple[StreamShape, StreamShape]:
    """Give the shapes of (video, audio) that a checkpoint's configuration describes."""
    video = StreamShape(
        dim=config.num_attention_heads * config.attention_head_dim,
        heads=config.num_attention_heads,
        head_dim=config.attention_head_dim,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        max_pos=config.positional_embedding_max_pos,
        rope_theta=config.positional_embedding_theta,
        cross_dim=config.audio_cross_attention_dim,
        # One clock for both streams: the longer of the two nominal extents.
        cross_max_pos=max(config.positional_embedding_max_pos[0], config.audio_positional_embedding_max_pos[0]),
        timestep_multiplier=config.timestep_scale_multiplier,
        av_gate_multiplier=config.av_ca_timestep_scale_multiplier,
        eps=config.norm_eps,
    )
    audio = replace(
        video,
        dim=config.audio_num_attention_heads * config.audio_attention_head_dim,
        heads=config.audio_num_attention_heads,
        head_dim=config.audio_attention_head_dim,
        in_channels=config.resolved_audio_in_channels,
        out_channels=config.audio_out_channels,
        max_pos=config.audio_positional_embedding_max_pos,
    )
    return video, audio


class Transformer(nn.Module):
    """Predicts the velocity of the latent tokens of both streams."""

    def __init__(self, config: TransformerConfig, release: Release = NEWEST):
        super().__init__()
        self.release = release
        video, audio = stream_shapes(config)
        self.video = Stream(video, release)
        self.audio = Stream(audio, release)
        self.blocks = nn.ModuleList(Block(video, audio) for _ in range(config.num_layers))
        self.set_attention_backend(AttentionBackend.AUTO)

    def set_attention_backend(self, backend: AttentionBackend) -> None:
        """Choose the attention kernel; all but `AUTO`, the release's own choice, depart from the reference."""
        for module in self.modules():
            if isinstance(module, AttentionKernel):
                module.kernels = kernels_for(backend, self.release)

    def forward(
        self,
        video: ModalityInput | None,
        audio: ModalityInput | None,
        perturbations: Sequence[Perturbation] | None = None,
    ) -> tuple[
        Float[Tensor, "batch video_tokens channels"] | None,
        Float[Tensor, "batch audio_tokens audio_channels"] | None,
    ]:
        """Give the velocities of (video, audio), None for a stream that was not given.

        `perturbations` has one entry for each sample of the batch. Raises InputError where shapes disagree.
        """
        samples = self._check(video, audio, perturbations)
        video_state = None if video is None else self.video(video, None if audio is None else audio.sigma)
        audio_state = None if audio is None else self.audio(audio, None if video is None else video.sigma)
        for index, block in enumerate(self.blocks):
            video_state, audio_state = block(video_state, audio_state, BlockSkips(index, samples))
        return _velocity(self.video, video_state), _velocity(self.audio, audio_state)

    def _check(
        self,
        video: ModalityInput | None,
        audio: ModalityInput | None,
        perturbations: Sequence[Perturbation] | None,
    ) -> Sequence[Perturbation]:
        given = [
            (name, modality, stream)
            for name, modality, stream in (("video", video, self.video), ("audio", audio, self.audio))
            if modality is not None
        ]
        if not given:
            raise InputError("transformer", "no modality", "video, audio or both", "give at least one")
        for name, modality, stream in given:
            check_modality(name, modality, stream.shape.widths)
        batch = given[0][1].latent.shape[0]
        if given[-1][1].latent.shape[0] != batch:
            found = f"batches {[modality.latent.shape[0] for _, modality, _ in given]}"
            raise InputError("transformer", found, "the same batch in both streams", "pair the samples")
        if perturbations is not None and len(perturbations) != batch:
            found = f"{len(perturbations)} perturbations"
            raise InputError("transformer", found, f"one for each of {batch} samples", "give one per sample")
        return perturbations if perturbations is not None else [NO_PERTURBATION] * batch


def _velocity(stream: Stream, state: StreamState | None) -> Float[Tensor, "batch tokens channels"] | None:
    if state is None:
        return None
    return stream.head(state.tokens, state.conditioning.embedded_timestep)
