"""What one modality brings to a forward pass."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ltx_port.errors import InputError


@dataclass(frozen=True)
class ModalityInput:
    """Latent tokens of one stream (video or audio) and all that conditions them.

    `sigma` is the noise level of the sample, in [0, 1]; `timesteps` is the noise level of each token
    (denoise mask times sigma, float32). `positions` holds the start and end of each token: seconds and
    pixels (time, height, width) for video, seconds for audio, in the dtype that the release gives them.
    `attention_mask` weighs self-attention between tokens in [0, 1]; `context_mask` is an integer mask
    (1 = attend) or a ready additive bias. A stream that is not `enabled` is left as it is, but the other
    stream still attends to it.
    """

    latent: Float[Tensor, "batch tokens channels"]
    sigma: Float[Tensor, " batch"]
    timesteps: Float[Tensor, "batch tokens 1"]
    positions: Float[Tensor, "batch axes tokens 2"]
    context: Float[Tensor, "batch text_tokens dim"]
    enabled: bool = True
    context_mask: Int[Tensor, "batch text_tokens"] | Float[Tensor, "batch 1 #tokens text_tokens"] | None = None
    attention_mask: Float[Tensor, "batch tokens tokens"] | None = None


@dataclass(frozen=True)
class StreamWidths:
    """What the model fixes of a modality: latent channels, position axes, width of the text."""

    channels: int
    axes: int
    context: int


def check_modality(name: str, modality: ModalityInput, widths: StreamWidths) -> None:
    """Refuse a modality whose tensors do not fit each other or the model; `name` says which stream."""
    batch, tokens, _ = _rank(f"{name}.latent", modality.latent, 3)
    if tokens == 0:
        raise InputError(f"{name}.latent", "no tokens", "one or more", "leave the modality out instead")
    _expect(f"{name}.latent", modality.latent, (batch, tokens, widths.channels))
    _expect(f"{name}.sigma", modality.sigma, (batch,))
    _expect(f"{name}.timesteps", modality.timesteps, (batch, tokens, 1))
    _expect(f"{name}.positions", modality.positions, (batch, widths.axes, tokens, 2))
    _, text_tokens, _ = _rank(f"{name}.context", modality.context, 3)
    _expect(f"{name}.context", modality.context, (batch, text_tokens, widths.context))
    if modality.attention_mask is not None:
        _expect(f"{name}.attention_mask", modality.attention_mask, (batch, tokens, tokens))
    if modality.context_mask is not None and not modality.context_mask.is_floating_point():
        _expect(f"{name}.context_mask", modality.context_mask, (batch, text_tokens))


def _rank(where: str, tensor: Tensor, rank: int) -> tuple[int, ...]:
    if tensor.ndim != rank:
        raise InputError(where, f"{tensor.ndim} axes {tuple(tensor.shape)}", f"{rank} axes", "reshape it")
    return tuple(tensor.shape)


def _expect(where: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise InputError(
            where,
            f"shape {tuple(tensor.shape)}",
            f"{shape}",
            "give every tensor of a modality the same batch and tokens",
        )
