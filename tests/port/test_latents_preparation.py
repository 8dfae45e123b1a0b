"""Conditions and noise, and the way back."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ltx_port.errors import InputError
from ltx_port.latents import (
    AudioRequest,
    Clip,
    Keyframe,
    LatentPreparer,
    LatentRestorer,
    LatentState,
    Replacement,
    VideoRequest,
    image_condition,
)
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, Release

CLIP = Clip(17, 64, 96, 24.0)
RELEASES = [RELEASE_1_0_0, RELEASE_1_2_0]
of_each_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def image(frames: int = 1, clip: Clip = CLIP) -> Tensor:
    return torch.linspace(-2, 2, clip.batch * 128 * frames * 6).view(clip.batch, 128, frames, 2, 3)


def prepared(
    release: Release, video: VideoRequest, audio: AudioRequest | None = None, clip: Clip = CLIP, seed: int = 5
) -> tuple[LatentState, LatentState]:
    generator = torch.Generator().manual_seed(seed)
    return LatentPreparer(release)(clip, video, audio or AudioRequest(), generator, torch.float32)


@of_each_release
def test_without_conditions_a_latent_is_the_noise_video_first(release: Release) -> None:
    video, audio = prepared(release, VideoRequest())
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(video.latent, torch.randn(1, CLIP.video.tokens, 128, generator=generator))
    assert torch.equal(audio.latent, torch.randn(1, CLIP.audio.tokens, 128, generator=generator))


@of_each_release
def test_a_condition_of_strength_one_starts_clean(release: Release) -> None:
    given_image = image()
    video, _ = prepared(release, VideoRequest((Replacement(given_image, 1, 1.0), Keyframe(given_image, 8, 1.0))))
    tokens = given_image.flatten(2).transpose(1, 2)
    for place in (slice(6, 12), slice(18, 24)):
        assert torch.equal(video.latent[:, place], tokens)
        assert torch.equal(video.clean[:, place], tokens)
        assert torch.count_nonzero(video.mask[:, place]) == 0
    assert video.mask.sum() == 12


@of_each_release
def test_a_condition_of_strength_zero_leaves_the_noise(release: Release) -> None:
    video, _ = prepared(release, VideoRequest((Replacement(image(), 0, 0.0), Keyframe(image(), 8, 0.0))))
    noise = torch.randn(1, 24, 128, generator=torch.Generator().manual_seed(5))
    assert torch.equal(video.latent, noise)


def test_the_releases_mix_an_image_into_an_earlier_latent_in_different_ways() -> None:
    """1.0.0 forgets the earlier latent where the image is, 1.2.0 mixes all three."""
    earlier = torch.full(CLIP.video.shape, 3.0)
    request = VideoRequest((Replacement(image(), 0, 0.5),), earlier, 0.5)
    noise = torch.randn(1, 18, 128, generator=torch.Generator().manual_seed(5))[:, :6]
    tokens = image().flatten(2).transpose(1, 2)
    older, newer = (prepared(release, request)[0].latent[:, :6] for release in RELEASES)
    torch.testing.assert_close(older, 0.25 * noise + 0.75 * tokens)
    torch.testing.assert_close(newer, 0.5 * tokens + 0.5 * (0.5 * noise + 0.5 * 3.0))


@of_each_release
def test_a_keyframe_lasts_as_long_as_its_release_has_it(release: Release) -> None:
    video, _ = prepared(release, VideoRequest((Keyframe(image(), 8, 1.0),)))
    frames = (video.positions[0, 0, 18:] * 24).round()
    end = 9 if release is RELEASE_1_2_0 else 16
    assert frames.tolist() == [[8, end]] * 6


def test_a_keyframe_at_the_start_lasts_one_frame_in_both_releases() -> None:
    for release in RELEASES:
        video, _ = prepared(release, VideoRequest((Keyframe(image(), 0, 1.0),)))
        assert (video.positions[0, 0, 18:] * 24).round().tolist() == [[0, 1]] * 6


def test_an_image_is_a_replacement_at_frame_zero_and_a_keyframe_later() -> None:
    assert isinstance(image_condition(image(), 0, 1.0), Replacement)
    assert isinstance(image_condition(image(), 8, 1.0), Keyframe)


@of_each_release
def test_what_is_given_is_not_changed(release: Release) -> None:
    given_image, earlier, sound = image(), torch.zeros(CLIP.video.shape), torch.ones(CLIP.audio.shape)
    before = [tensor.clone() for tensor in (given_image, earlier, sound)]
    conditions = (Replacement(given_image, 0, 0.5), Keyframe(given_image, 8, 0.5))
    prepared(release, VideoRequest(conditions, earlier, 0.5), AudioRequest(sound, 0.5))
    assert all(torch.equal(now, then) for now, then in zip((given_image, earlier, sound), before, strict=True))


@of_each_release
def test_restoring_drops_appended_tokens_and_lays_the_rest_out(release: Release) -> None:
    video, audio = prepared(release, VideoRequest((Keyframe(image(), 8, 1.0),)))
    restored, sound = LatentRestorer()(CLIP, video, audio)
    assert restored.latent.shape == CLIP.video.shape
    assert sound.latent.shape == CLIP.audio.shape
    assert torch.equal(restored.latent.flatten(2).transpose(1, 2), video.latent[:, :18])
    assert torch.equal(sound.latent.transpose(1, 2).flatten(2), audio.latent)
    assert bool((restored.mask == 1).all())
    assert torch.equal(restored.positions, video.positions[:, :, :18])


@given(
    frames=st.integers(0, 3), rows=st.integers(1, 3), columns=st.integers(1, 3), batch=st.integers(1, 2),
    fps=st.sampled_from((22.0, 23.976, 24.0, 29.97, 30.0)), release=st.sampled_from(RELEASES),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_any_latent_survives_preparation_without_noise(
    frames: int, rows: int, columns: int, batch: int, fps: float, release: Release
) -> None:
    clip = Clip(8 * frames + 1, 32 * rows, 32 * columns, fps, batch)
    earlier = torch.randn(clip.video.shape, generator=torch.Generator().manual_seed(1))
    sound = torch.randn(clip.audio.shape, generator=torch.Generator().manual_seed(2))
    states = prepared(release, VideoRequest((), earlier, 0.0), AudioRequest(sound, 0.0), clip)
    restored = LatentRestorer()(clip, *states)
    assert torch.equal(restored[0].latent, earlier)
    assert torch.equal(restored[1].latent, sound)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("kind", [Replacement, Keyframe])
def test_a_strength_outside_zero_to_one_is_refused(kind: type, strength: float) -> None:
    with pytest.raises(InputError, match=rf"condition strength: {strength}; expected a number from 0 to 1"):
        kind(image(), 0, strength)


@pytest.mark.parametrize("scale", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("kind", [VideoRequest, AudioRequest])
def test_a_noise_scale_outside_zero_to_one_is_refused(kind: type, scale: float) -> None:
    with pytest.raises(InputError, match=rf"noise scale: {scale}; expected a noise level from 0 to 1"):
        kind(noise_scale=scale)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Replacement(image(), 3, 1.0), "latent frames 3 to 3; expected some of 0 to 2"),
        (Replacement(image(), -1, 1.0), "latent frames -1 to -1; expected some of 0 to 2"),
        (Replacement(image(2), 2, 1.0), "latent frames 2 to 3; expected some of 0 to 2"),
        (Keyframe(image(), 17, 1.0), "frame 17; expected one of 0 to 16"),
        (Keyframe(image(), -1, 1.0), "frame -1; expected one of 0 to 16"),
        (Replacement(image()[..., :2], 0, 1.0), r"shape \(1, 128, 1, 2, 2\); expected \(1, 128, 1 or more, 2, 3\)"),
        (Keyframe(image()[:, :64], 0, 1.0), r"shape \(1, 64, 1, 2, 3\); expected \(1, 128, 1 or more, 2, 3\)"),
        (Keyframe(image().expand(2, -1, -1, -1, -1), 8, 1.0), r"shape \(2, 128, 1, 2, 3\)"),
        (Keyframe(image()[:, :, :0], 8, 1.0), r"shape \(1, 128, 0, 2, 3\)"),
    ],
)
def test_a_condition_that_does_not_fit_is_refused_in_one_line(condition: Replacement | Keyframe, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        prepared(RELEASE_1_2_0, VideoRequest((condition,)))
    assert "\n" not in str(refusal.value)


def test_an_earlier_latent_of_another_shape_or_dtype_is_refused() -> None:
    other = torch.zeros(CLIP.video.shape).transpose(3, 4)
    with pytest.raises(InputError, match=r"initial latent: shape \(1, 128, 3, 3, 2\)"):
        prepared(RELEASE_1_2_0, VideoRequest((), other))
    with pytest.raises(InputError, match=r"initial latent: dtype torch\.bfloat16"):
        prepared(RELEASE_1_2_0, VideoRequest((), torch.zeros(CLIP.video.shape, dtype=torch.bfloat16)))


def test_samples_of_a_batch_differ_in_their_noise() -> None:
    clip = replace(CLIP, batch=2)
    video, audio = prepared(RELEASE_1_2_0, VideoRequest(), clip=clip)
    assert not torch.equal(video.latent[0], video.latent[1])
    assert not torch.equal(audio.latent[0], audio.latent[1])
