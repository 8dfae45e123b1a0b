"""The releases of the official code that this port follows, by exactly what differs in their numbers."""

from dataclasses import dataclass

from ltx_port.errors import InputError


@dataclass(frozen=True)
class Release:
    """One release: each field is a difference in the numbers, never in speed.

    Source: Lightricks/LTX-2 at 9e8a28e (1.0.0) and at tag v1.2.0, run at the LTX-2.3 configuration.
    """

    name: str
    video_positions_float32: bool
    """Video token positions stay float32; else they are rounded to the working dtype."""
    av_cross_own_timesteps: bool
    """Scale and shift of audio-video cross-attention follow the stream's own timesteps, token by token; else the
    other stream's sigma, one for the sample. The gate follows the other stream's sigma in both."""
    cudnn_attention_first: bool
    """On a GPU, attention takes the first kernel that fits of cuDNN, flash, memory-efficient and plain arithmetic;
    else the first in torch's own order. On a CPU both choose alike."""
    prompt_start_ensured: bool
    """A prompt begins with the start token even where the tokenizer sets none (Gemma 3's does)."""
    prompts_batched: bool
    """Gemma reads all prompts in one batch; else one by one, which rounds otherwise."""
    text_sorted_to_front: bool
    """Text is sorted in front of its padding, for any padding and batch; else taken out, for one left-padded prompt."""


RELEASE_1_0_0 = Release(
    "1.0.0",
    video_positions_float32=False,
    av_cross_own_timesteps=False,
    cudnn_attention_first=False,
    prompt_start_ensured=False,
    prompts_batched=False,
    text_sorted_to_front=False,
)
RELEASE_1_2_0 = Release(
    "1.2.0",
    video_positions_float32=True,
    av_cross_own_timesteps=True,
    cudnn_attention_first=True,
    prompt_start_ensured=True,
    prompts_batched=True,
    text_sorted_to_front=True,
)
RELEASES = {release.name: release for release in (RELEASE_1_0_0, RELEASE_1_2_0)}
NEWEST = RELEASE_1_2_0


def release_named(name: str) -> Release:
    """Give a release by name; InputError for one that this port does not follow."""
    if name not in RELEASES:
        raise InputError(f"release {name!r}", "unknown", f"one of {', '.join(RELEASES)}", "choose one")
    return RELEASES[name]
