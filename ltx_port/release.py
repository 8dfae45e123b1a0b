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
    noise_by_lerp: bool
    """Noise is mixed in by two lerps in float32, first by its scale and then by the mask from the clean latent; else
    by one weighted sum of noise and noisy latent, whose weight is mask times scale."""
    conditions_only_clean: bool
    """A condition is written into the clean latent alone, and appended tokens start at zero; else into both latents."""
    keyframe_spans_one_frame: bool
    """An appended keyframe lasts one pixel frame; else the eight of a latent frame, unless it is at frame 0."""
    vocoder_float32: bool
    """The vocoder computes in float32, with weights rounded to the working dtype, and rounds its sound to it; else it
    computes in the working dtype."""
    decoder_channels_last: bool
    """The video decoder keeps weights and activations channels-last, as its memory-efficient form does: other kernels,
    so sums in another order."""
    tile_masks_float32: bool
    """Tiles are weighted by their mask axis by axis in float32; else by one mask rounded to the working dtype."""
    tiles_divided_if_needed: bool
    """The sum of tiles is divided by that of their masks only where that is not 1 everywhere; else always."""
    encode_tiles_overlap: bool
    """Tiles of a clip to encode are cut on the latent grid and blend; else cut on pixels, and one ends where the next
    begins."""
    frames_uint8: bool
    """Decoded frames are handed on as bytes, cut off and not rounded; else as 0 to 1 in the working dtype."""
    spatial_tile: int
    """Pixels along the long side of a tile, by default; tiles overlap by 64."""
    temporal_tile: int
    """Frames of a tile, by default; tiles overlap by 24."""
    guidance_batched: bool
    """Guidance passes are joined into one batch, which the model gets a few samples at a time (one, by default); else
    each pass is a call of its own."""
    skipped_stream_off_in_negative: bool
    """A stream that keeps its prediction for a step is not enabled in the pass with the negative prompt either; else
    that pass, and no other, has both streams enabled."""
    guidance_float32: bool
    """Guidance is computed in float32 and its result rounded; else each operation rounds to the latent's dtype."""
    sigma_per_sample: bool
    """Each sample has its noise level, so the float64 level of a res_2s midpoint makes float64 timesteps; else one
    level without axes, which is rounded to float32 when the masks are multiplied."""
    held_stream_is_clean: bool
    """A stream that is held as it is tells the model the noise level 0; else that of the step."""
    lora_fused_in_bfloat16: bool
    """A LoRA's factors are rounded to bfloat16, and so are their product and the fused weight, before that is cast to
    the working dtype; else factors keep their file's dtype, and all behind them has the working dtype."""
    lora_products_accumulated: bool
    """Each further LoRA's product is added by one fused step that scales it by the strength; else all products are
    made and rounded, their B scaled beforehand, and then summed."""
    pictures_upright_in_srgb: bool
    """A picture is turned as its orientation tag says, and taken to sRGB by its colour profile; else its first three
    channels are used as they are stored."""
    one_stage_tiled: bool
    """Generation in one stage decodes the video in tiles; else at once."""
    sound_of_first_stage: bool
    """Guided generation in two stages decodes the sound of its first stage; else that of its second."""
    encoder_shares_out_frames: bool
    """libx264's threads take whole frames; else slices of one frame, one for each CPU and 64 rows. Either way the
    stream depends on the number of threads, and so of CPUs."""
    encoded_as_bt709: bool
    """Frames go to the video encoder as BT.709 planes, computed in the frames' dtype; else as RGB bytes, which it
    converts itself."""
    video_crf: int
    """The quality that libx264 is asked for."""
    video_preset: str
    """The speed that libx264 is asked for."""
    negative_tags: str
    """What the default negative prompt begins with: tags of the training data."""


RELEASE_1_0_0 = Release(
    "1.0.0",
    video_positions_float32=False,
    av_cross_own_timesteps=False,
    cudnn_attention_first=False,
    prompt_start_ensured=False,
    prompts_batched=False,
    text_sorted_to_front=False,
    noise_by_lerp=False,
    conditions_only_clean=False,
    keyframe_spans_one_frame=False,
    vocoder_float32=False,
    decoder_channels_last=False,
    tile_masks_float32=False,
    tiles_divided_if_needed=False,
    encode_tiles_overlap=False,
    frames_uint8=True,
    spatial_tile=512,
    temporal_tile=64,
    guidance_batched=False,
    skipped_stream_off_in_negative=False,
    guidance_float32=False,
    sigma_per_sample=False,
    held_stream_is_clean=False,
    lora_fused_in_bfloat16=False,
    lora_products_accumulated=False,
    pictures_upright_in_srgb=False,
    one_stage_tiled=False,
    sound_of_first_stage=False,
    encoder_shares_out_frames=False,
    encoded_as_bt709=False,
    # libx264's own defaults.
    video_crf=23,
    video_preset="medium",
    negative_tags="",
)
RELEASE_1_2_0 = Release(
    "1.2.0",
    video_positions_float32=True,
    av_cross_own_timesteps=True,
    cudnn_attention_first=True,
    prompt_start_ensured=True,
    prompts_batched=True,
    text_sorted_to_front=True,
    noise_by_lerp=True,
    conditions_only_clean=True,
    keyframe_spans_one_frame=True,
    vocoder_float32=True,
    decoder_channels_last=True,
    tile_masks_float32=True,
    tiles_divided_if_needed=True,
    encode_tiles_overlap=True,
    frames_uint8=False,
    spatial_tile=768,
    temporal_tile=80,
    guidance_batched=True,
    skipped_stream_off_in_negative=True,
    guidance_float32=True,
    sigma_per_sample=True,
    held_stream_is_clean=True,
    lora_fused_in_bfloat16=True,
    lora_products_accumulated=True,
    pictures_upright_in_srgb=True,
    one_stage_tiled=True,
    sound_of_first_stage=True,
    encoder_shares_out_frames=True,
    encoded_as_bt709=True,
    video_crf=19,
    video_preset="veryfast",
    negative_tags="has_subtitles, has_blurbox, transition from black, transition to black, speech_ending_short, ",
)
RELEASES = {release.name: release for release in (RELEASE_1_0_0, RELEASE_1_2_0)}
NEWEST = RELEASE_1_2_0


def release_named(name: str) -> Release:
    """Give a release by name; InputError for one that this port does not follow."""
    if name not in RELEASES:
        raise InputError(f"release {name!r}", "unknown", f"one of {', '.join(RELEASES)}", "choose one")
    return RELEASES[name]
