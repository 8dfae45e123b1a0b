"""Audio-video cross-attention: each stream attends to the other along the shared time axis."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.transformer.attention import Attention, AttentionShape
from ltx_port.transformer.conditioning import CrossConditioning, StreamState
from ltx_port.transformer.modulation import (
    AVCrossModulation,
    GatedResidual,
    Modulate,
    ScaleShift,
    TableRows,
    TokenNorm,
)
from ltx_port.transformer.perturbation import BlockSkips, Skip
from ltx_port.transformer.stream import StreamShape


@dataclass(frozen=True)
class CrossSide:
    """One stream as a direction of the exchange sees it: normed tokens, their modulation, rotary table."""

    normed: Float[Tensor, "batch tokens dim"]
    modulation: ScaleShift
    conditioning: CrossConditioning


class CrossDirection(nn.Module):
    """One direction of the exchange: a receiving stream queries the other."""

    def __init__(self, receiver: StreamShape, source: StreamShape, audio: StreamShape, skip: Skip):
        super().__init__()
        self.skip = skip
        self.modulate = Modulate()
        self.modulate_context = Modulate()
        # Heads have the audio stream's width in both directions.
        shape = AttentionShape(receiver.dim, source.dim, audio.heads, audio.head_dim, rotary=True)
        self.attn = Attention(shape, receiver.eps)
        self.residual = GatedResidual()

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        receiver: CrossSide,
        source: CrossSide,
        gate: Float[Tensor, "batch 1 dim"],
        skips: BlockSkips,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Add to `x` what the receiver takes from the source."""
        query = self.modulate(receiver.normed, receiver.modulation.scale, receiver.modulation.shift)
        context = self.modulate_context(source.normed, source.modulation.scale, source.modulation.shift)
        update = self.attn(query, context, rope=(receiver.conditioning.rope, source.conditioning.rope))
        return self.residual(x, update, gate, skips.keep_mask(self.skip, x))


class AudioVideoCross(nn.Module):
    """Both directions of the exchange; both see the streams as they were before either."""

    def __init__(self, video: StreamShape, audio: StreamShape):
        super().__init__()
        self.video_norm = TokenNorm(video.eps)
        self.audio_norm = TokenNorm(audio.eps)
        self.audio_to_video = CrossDirection(video, audio, audio, Skip.AUDIO_TO_VIDEO)
        self.video_to_audio = CrossDirection(audio, video, audio, Skip.VIDEO_TO_AUDIO)

    def forward(
        self,
        video: StreamState,
        audio: StreamState,
        rows: tuple[AVCrossModulation, AVCrossModulation],
        skips: BlockSkips,
    ) -> tuple[StreamState, StreamState]:
        """Give (video, audio) after the exchange; `rows` are the tables of (video, audio)."""
        if not (video.enabled or audio.enabled):
            return video, audio
        streams = (video, audio)
        normed = (self.video_norm(video.tokens), self.audio_norm(audio.tokens))
        new_video, new_audio = video, audio
        if video.enabled and not skips.all(Skip.AUDIO_TO_VIDEO):
            receiver, source = _sides(rows, [table.audio_to_video for table in rows], normed, streams)
            gate = _gate(rows[0], receiver.conditioning)
            new_video = video.moved_to(self.audio_to_video(video.tokens, receiver, source, gate, skips))
        if audio.enabled and not skips.all(Skip.VIDEO_TO_AUDIO):
            source, receiver = _sides(rows, [table.video_to_audio for table in rows], normed, streams)
            gate = _gate(rows[1], receiver.conditioning)
            new_audio = audio.moved_to(self.video_to_audio(audio.tokens, receiver, source, gate, skips))
        return new_video, new_audio


def _sides(
    tables: tuple[AVCrossModulation, AVCrossModulation],
    rows: list[TableRows],
    normed: tuple[Tensor, Tensor],
    streams: tuple[StreamState, StreamState],
) -> tuple[CrossSide, CrossSide]:
    """Give (video, audio) as one direction of the exchange sees them; `rows` are that direction's."""
    video, audio = (_side(*given) for given in zip(tables, rows, normed, streams, strict=True))
    return video, audio


def _side(
    table: AVCrossModulation,
    rows: TableRows,
    normed: Float[Tensor, "batch tokens dim"],
    stream: StreamState,
) -> CrossSide:
    cross = stream.conditioning.cross
    assert cross is not None, "a stream that meets another is always given the other's sigma"
    scale, shift = rows(table.table, cross.scale_shift)
    return CrossSide(normed, ScaleShift(scale=scale, shift=shift), cross)


def _gate(table: AVCrossModulation, cross: CrossConditioning) -> Float[Tensor, "batch 1 dim"]:
    (gate,) = table.gate(table.table, cross.gate)
    return gate
