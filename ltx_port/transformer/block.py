"""One transformer block: self-attention and text cross-attention per stream, audio-video exchange, feed-forward."""

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.transformer.attention import Attention, AttentionShape
from ltx_port.transformer.av_cross import AudioVideoCross
from ltx_port.transformer.conditioning import StreamState
from ltx_port.transformer.feed_forward import FeedForward
from ltx_port.transformer.modulation import (
    AVCrossModulation,
    GatedResidual,
    Modulate,
    Modulation,
    PromptModulation,
    StreamModulation,
    TokenNorm,
)
from ltx_port.transformer.perturbation import BlockSkips, Skip
from ltx_port.transformer.stream import StreamShape


class SelfAttentionLayer(nn.Module):
    """Self-attention of a stream with its norm, modulation and gated residual."""

    def __init__(self, shape: StreamShape, skip: Skip):
        super().__init__()
        self.skip = skip
        self.norm = TokenNorm(shape.eps)
        self.modulate = Modulate()
        self.attn = Attention(AttentionShape(shape.dim, shape.dim, shape.heads, shape.head_dim, rotary=True), shape.eps)
        self.residual = GatedResidual()

    def forward(
        self, stream: StreamState, modulation: Modulation, skips: BlockSkips
    ) -> Float[Tensor, "batch tokens dim"]:
        """Attend within the stream, or pass the values through where a sample skips it."""
        x, conditioning = stream.tokens, stream.conditioning
        modulated = self.modulate(self.norm(x), modulation.scale, modulation.shift)
        if skips.all(self.skip):
            update = self.attn.pass_values(modulated)
        else:
            update = self.attn(
                modulated,
                modulated,
                bias=conditioning.self_bias,
                rope=(conditioning.rope, conditioning.rope),
                keep_mask=skips.keep_mask(self.skip, x),
            )
        return self.residual(x, update, modulation.gate)


class TextCrossLayer(nn.Module):
    """Attention from a stream to the text, both sides modulated."""

    def __init__(self, shape: StreamShape):
        super().__init__()
        self.norm = TokenNorm(shape.eps)
        self.modulate = Modulate()
        self.prompt_modulation = PromptModulation(shape.dim)
        self.modulate_context = Modulate()
        self.attn = Attention(
            AttentionShape(shape.dim, shape.dim, shape.heads, shape.head_dim, rotary=False), shape.eps
        )
        self.residual = GatedResidual()

    def forward(self, stream: StreamState, modulation: Modulation) -> Float[Tensor, "batch tokens dim"]:
        """Attend to the text; the text is modulated by the prompt's timestep and is not normed."""
        x, conditioning = stream.tokens, stream.conditioning
        prompt = self.prompt_modulation(conditioning.prompt_timestep)
        query = self.modulate(self.norm(x), modulation.scale, modulation.shift)
        context = self.modulate_context(conditioning.context, prompt.scale, prompt.shift)
        update = self.attn(query, context, bias=conditioning.context_bias)
        return self.residual(x, update, modulation.gate)


class FeedForwardLayer(nn.Module):
    """Feed-forward of a stream with its norm, modulation and gated residual."""

    def __init__(self, shape: StreamShape):
        super().__init__()
        self.norm = TokenNorm(shape.eps)
        self.modulate = Modulate()
        self.ff = FeedForward(shape.dim)
        self.residual = GatedResidual()

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], modulation: Modulation
    ) -> Float[Tensor, "batch tokens dim"]:
        """Transform each token alone."""
        update = self.ff(self.modulate(self.norm(x), modulation.scale, modulation.shift))
        return self.residual(x, update, modulation.gate)


class StreamBlock(nn.Module):
    """What one stream does in a block by itself."""

    def __init__(self, shape: StreamShape, skip: Skip):
        super().__init__()
        self.modulation = StreamModulation(shape.dim)
        self.self_attn = SelfAttentionLayer(shape, skip)
        self.text_cross = TextCrossLayer(shape)
        self.av_modulation = AVCrossModulation(shape.dim)
        self.feed_forward = FeedForwardLayer(shape)

    def attend(self, stream: StreamState, skips: BlockSkips) -> StreamState:
        """Self-attention, then text cross-attention."""
        rows, timestep = self.modulation, stream.conditioning.timestep
        x = self.self_attn(stream, Modulation(*rows.self_attn(rows.table, timestep)), skips)
        stream = stream.moved_to(x)
        return stream.moved_to(self.text_cross(stream, Modulation(*rows.text_cross(rows.table, timestep))))

    def transform(self, stream: StreamState) -> StreamState:
        """Feed-forward."""
        rows = self.modulation.feed_forward(self.modulation.table, stream.conditioning.timestep)
        return stream.moved_to(self.feed_forward(stream.tokens, Modulation(*rows)))


class Block(nn.Module):
    """Both streams and their exchange; a stream that is absent or not enabled leaves as it came."""

    def __init__(self, video: StreamShape, audio: StreamShape):
        super().__init__()
        self.video = StreamBlock(video, Skip.VIDEO_SELF_ATTENTION)
        self.audio = StreamBlock(audio, Skip.AUDIO_SELF_ATTENTION)
        self.av_cross = AudioVideoCross(video, audio)

    def forward(
        self, video: StreamState | None, audio: StreamState | None, skips: BlockSkips
    ) -> tuple[StreamState | None, StreamState | None]:
        """Give (video, audio) after the block."""
        if video is not None and video.enabled:
            video = self.video.attend(video, skips)
        if audio is not None and audio.enabled:
            audio = self.audio.attend(audio, skips)
        if video is not None and audio is not None:
            rows = (self.video.av_modulation, self.audio.av_modulation)
            video, audio = self.av_cross(video, audio, rows, skips)
        if video is not None and video.enabled:
            video = self.video.transform(video)
        if audio is not None and audio.enabled:
            audio = self.audio.transform(audio)
        return video, audio
