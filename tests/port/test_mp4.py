"""The MP4 writer: what encoders receive, what is in the file, and what is refused before the first frame."""

import json
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from mp4_cases import RATE, facts, frames, read, sound, streams

from ltx_port.errors import InputError
from ltx_port.mp4 import EncoderFrames, PcmSamples, RgbBytes, exact_rate, read_metadata, write_mp4
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, Release
from ltx_port.vocoder.sound import Sound

BOTH = [RELEASE_1_0_0, RELEASE_1_2_0]
each_release = pytest.mark.parametrize("release", BOTH, ids=lambda release: release.name)


def write(path: Path, release: Release = RELEASE_1_0_0, metadata: dict[str, str] | None = None, **clip: Any) -> Path:
    given = facts(release=release, **clip)
    write_mp4(path, frames(given), sound(given), given, metadata or {})
    return path


# ---------------------------------------------------------------- conversions


def flat(*colour: float) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.float32).expand(1, 2, 4, 3)


@pytest.mark.parametrize(
    ("colour", "luma", "blue", "red"),
    [((0, 0, 0), 16, 128, 128), ((1, 1, 1), 235, 128, 128), ((1, 0, 0), 62, 102, 240), ((0, 1, 0), 172, 41, 26),
     ((0, 0, 1), 31, 240, 117)],
)  # fmt: skip
def test_planes_are_bt709_in_limited_range(colour: tuple[float, ...], luma: int, blue: int, red: int) -> None:
    """Levels of ITU-R BT.709, table 3, cut off: 62.56, 172.63 and 31.81 for the luma of the primaries."""
    planes = EncoderFrames(RELEASE_1_2_0)(flat(*colour))
    # Two rows of luma, then one of both differences.
    assert planes.tolist() == [[[luma] * 4, [luma] * 4, [blue, blue, red, red]]]


def test_chroma_is_the_mean_of_four_pixels() -> None:
    picture = torch.zeros(1, 2, 2, 3)
    picture[0, 0, 0, 2] = 1.0
    planes = EncoderFrames(RELEASE_1_2_0)(picture)
    assert planes[0, 2].tolist() == [int(128 + 224 * 0.5 / 4), int(128 - 224 * 0.0458 / 4)]


def test_the_first_release_hands_bytes_on() -> None:
    chunk = next(frames(facts()))
    assert EncoderFrames(RELEASE_1_0_0)(chunk) is chunk
    assert RgbBytes()(chunk) is chunk


def test_bytes_are_cut_off_and_not_rounded() -> None:
    shares = torch.tensor([0.0, 0.999, 1.0, -0.5, 1.5, 0.5]).view(1, 1, 2, 3)
    assert RgbBytes()(shares).flatten().tolist() == [0, 254, 255, 0, 255, 127]


def test_samples_are_clipped_scaled_and_cut_off_towards_zero() -> None:
    left, right = [0.0, 1.0, -1.0, 1.5, -2.0], [0.5 / 32767, -0.99 / 32767, 0.99999, 1.2 / 32767, -1.9 / 32767]
    found = PcmSamples()(torch.tensor([left, right]))
    assert found.T.tolist() == [[0, 32767, -32767, 32767, -32767], [0, 0, 32766, 1, -1]]
    assert found.is_contiguous()


@pytest.mark.parametrize(
    ("release", "chunk", "match"),
    [
        (RELEASE_1_0_0, torch.zeros(1, 2, 2, 3), "frames: float32; expected bytes"),
        (RELEASE_1_2_0, torch.zeros(1, 2, 2, 3, dtype=torch.uint8), "frames: uint8; expected values from 0 to 1"),
        (RELEASE_1_0_0, torch.zeros(1, 3, 2, 3, dtype=torch.uint8), "3x2 pixels; expected an even"),
        (RELEASE_1_2_0, torch.zeros(1, 2, 5, 3), "2x5 pixels; expected an even"),
        (RELEASE_1_2_0, torch.full((1, 2, 2, 3), torch.nan), "NaN or infinity"),
    ],
)
def test_frames_of_another_kind_are_refused(release: Release, chunk: torch.Tensor, match: str) -> None:
    with pytest.raises(InputError, match=match):
        EncoderFrames(release)(chunk)


# ---------------------------------------------------------------- rates


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (24, Fraction(24)),
        (25.0, Fraction(25)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
        (24.5, Fraction(49, 2)),
        (0.5, Fraction(1, 2)),
        (1, Fraction(1)),
    ],
)
def test_a_rate_is_exact(fps: float, rate: Fraction) -> None:
    assert exact_rate(fps) == rate


@pytest.mark.parametrize(
    ("change", "match"),
    [({"fps": 0}, "clip fps: 0"), ({"fps": -24.0}, "clip fps"), ({"fps": float("nan")}, "clip fps: nan"),
     ({"fps": float("inf")}, "clip fps"), ({"fps": 1e-9}, "clip fps"), ({"frames": 0}, "clip frames: 0"),
     ({"height": 31}, "clip height: 31; expected an even number"), ({"width": 0}, "clip width: 0")],
)  # fmt: skip
def test_facts_that_are_none_are_refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        facts(**change)


# ---------------------------------------------------------------- files


@each_release
def test_frames_and_sound_come_back(tmp_path: Path, release: Release) -> None:
    given = facts(frames=9, fps=25, release=release)
    found = read(write(tmp_path / "clip.mp4", release, frames=9, fps=25))
    shown = torch.cat([RgbBytes()(chunk) for chunk in frames(given)]).numpy()
    assert found.video.shape == shown.shape
    assert np.abs(found.video.astype(int) - shown).mean() < 6
    waveform = sound(given).waveform.numpy()
    heard = found.audio[:, : waveform.shape[1]]
    # AAC is lossy, and its first and last packets are edges.
    assert np.abs(heard - waveform)[:, 2048:-2048].max() < 0.05


@each_release
@pytest.mark.parametrize("fps", [24, 23.976, 29.97, 12.5, 60])
def test_times_are_those_of_the_exact_rate(tmp_path: Path, release: Release, fps: float) -> None:
    found = read(write(tmp_path / "clip.mp4", release, frames=17, fps=fps))
    assert found.rate == exact_rate(fps)
    assert found.times == [number / exact_rate(fps) for number in range(17)]


def test_the_newest_release_says_which_colours_it_encodes(tmp_path: Path) -> None:
    """Numbers of ISO/IEC 23091-2: matrix 1 is BT.709, 2 unspecified; of libav: range 1 is limited, 0 unspecified."""
    for release, expected in ((RELEASE_1_0_0, (2, 0)), (RELEASE_1_2_0, (1, 1))):
        with av.open(str(write(tmp_path / "clip.mp4", release)), "r") as container:
            decoder = container.streams.video[0].codec_context
            assert (decoder.colorspace, decoder.color_range) == expected


@pytest.mark.parametrize(("count", "fps"), [(9, 24), (121, 24), (17, 30), (9, 50), (25, 25), (33, 60), (9, 23.976)])
def test_sound_and_frames_last_equally_long_to_within_a_frame(tmp_path: Path, count: int, fps: float) -> None:
    found = read(write(tmp_path / "clip.mp4", frames=count, fps=fps))
    video, audio = found.durations
    assert video == count / exact_rate(fps)
    assert abs(video - audio) <= 1 / exact_rate(fps)


def test_a_sound_that_ends_early_gets_a_longer_last_packet_and_no_other_sample(tmp_path: Path) -> None:
    """The same sound with 8 and with 9 frames: to within a frame with 8, more than that with 9."""
    short, long = facts(frames=8), facts(frames=9)
    for given in (short, long):
        write_mp4(tmp_path / f"{given.frames}.mp4", frames(given), sound(long), given, {})
    packets = {count: streams(tmp_path / f"{count}.mp4")["audio"] for count in (8, 9)}
    assert packets[8][:-1] == packets[9][:-1]
    assert packets[8][-1][:3] == packets[9][-1][:3]
    missing = long.duration - Fraction(sound(long).waveform.shape[1], RATE)
    assert packets[9][-1][3] - packets[8][-1][3] == missing * RATE


@each_release
@pytest.mark.parametrize("width", [96, 128, 320])
def test_the_same_clip_gives_the_same_file(tmp_path: Path, release: Release, width: int) -> None:
    """libx264's AVX-512 kernels give others at widths that are no multiple of 128: the writer keeps it from them."""
    written = {
        write(tmp_path / "clip.mp4", release, {"seed": "1"}, frames=25, width=width).read_bytes() for _ in range(4)
    }
    assert len(written) == 1


def test_sound_lies_beside_the_frames_that_it_belongs_to(tmp_path: Path) -> None:
    """Twelve seconds: libav by itself stops waiting for the other stream after ten."""
    write(tmp_path / "clip.mp4", frames=49, fps=4)
    with av.open(str(tmp_path / "clip.mp4"), "r") as container:
        order = sorted((p.pos, p.stream.type, float(p.dts * p.time_base)) for p in container.demux() if p.size)
    latest = {"video": -1.0, "audio": -1.0}
    for _, kind, time in order:
        latest[kind] = time
        assert abs(latest["video"] - latest["audio"]) < 2.0


def test_only_one_stretch_of_frames_is_held(tmp_path: Path) -> None:
    given, alive = facts(frames=16, release=RELEASE_1_2_0), list[int]()
    held: list[weakref.ref[torch.Tensor]] = []

    def watched() -> Iterator[torch.Tensor]:
        for chunk in frames(given):
            held.append(weakref.ref(chunk))
            yield chunk
            del chunk
            alive.append(sum(ref() is not None for ref in held))

    write_mp4(tmp_path / "clip.mp4", watched(), sound(given), given, {})
    assert alive == [0, 0, 0, 0]


def test_progress_counts_frames(tmp_path: Path) -> None:
    given, seen = facts(), list[int]()
    write_mp4(tmp_path / "clip.mp4", frames(given), sound(given), given, {}, seen.append)
    assert seen == [4, 8, 9]


# ---------------------------------------------------------------- metadata


def test_metadata_comes_back_as_it_was(tmp_path: Path) -> None:
    metadata = {
        "prompt": 'A "cat"\nin two lines, ünï 🎬; \\ and =',
        "settings": json.dumps({"seed": 7, "sigmas": [1.0, 0.5]}),
        "title": "T",
        "comment": "",
        "com.example.key": "dotted",
        "Two Words": "x" * 100_000,
    }
    assert read_metadata(write(tmp_path / "clip.mp4", metadata=metadata)) == metadata


@pytest.mark.parametrize(
    ("metadata", "match"),
    [({"": "x"}, "the key ''"), ({"encoder": "x"}, "the key 'encoder'"), ({"Creation_Time": "x"}, "the key"),
     ({"seed": "1", "Seed": "2"}, "the key 'Seed'"), ({"a": "nul\0"}, "metadata 'a': a text with NUL"),
     ({"a": "\ud800"}, "half a character")],
)  # fmt: skip
def test_metadata_that_would_not_come_back_is_refused(tmp_path: Path, metadata: dict[str, str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        write(tmp_path / "clip.mp4", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


def test_metadata_of_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no clip")
    for path in (tmp_path / "text.mp4", tmp_path / "none.mp4", tmp_path):
        with pytest.raises(InputError, match=r"unreadable .*expected an MP4 file") as refusal:
            read_metadata(path)
        assert "\n" not in str(refusal.value)


# ---------------------------------------------------------------- refusals


def never() -> Iterator[torch.Tensor]:
    raise AssertionError("a frame was asked for")
    yield


def _cut(samples: int) -> Sound:
    return Sound(sound(facts()).waveform[:, :samples], RATE)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (Sound(torch.zeros(2, 0), RATE), r"sound: 0.000 s"),
        (Sound(torch.full((2, 15840), torch.nan), RATE), "sound: NaN or infinity"),
        (Sound(torch.zeros(2, 15840), 12345), "sound: 12345 samples a second"),
        (_cut(15000), "sound: 0.312 s; expected the 0.375 s of the frames, or up to 60 ms less"),
        (Sound(torch.zeros(2, 21000), RATE), "sound: 0.438 s"),
    ],
)
def test_a_sound_of_another_clip_is_refused_before_any_frame(tmp_path: Path, given: Sound, match: str) -> None:
    with pytest.raises(InputError, match=match):
        write_mp4(tmp_path / "clip.mp4", never(), given, facts(), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shown", "match"),
    [
        (facts(frames=8), r"frames: 8; expected 9 of \(64, 96\)"),
        (facts(frames=13), r"frames: 12 or more of \(64, 96\); expected 9"),
        (facts(width=64), r"frames: 4 or more of \(64, 64\)"),
    ],
)
def test_other_frames_than_were_stated_leave_no_file(tmp_path: Path, shown: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        write_mp4(tmp_path / "clip.mp4", frames(shown), sound(facts()), facts(), {})
    assert list(tmp_path.iterdir()) == []
