"""Sound and frames alone: WAV files and folders of PNG files."""

import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from mp4_cases import RATE, facts, frames, sound
from PIL import Image

from ltx_port.errors import InputError
from ltx_port.mp4 import PcmSamples, RgbBytes, write_png_frames, write_wav
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, Release
from ltx_port.vocoder.sound import Sound

each_release = pytest.mark.parametrize("release", [RELEASE_1_0_0, RELEASE_1_2_0], ids=lambda release: release.name)


def test_a_wav_holds_the_samples_that_an_mp4_would_encode(tmp_path: Path) -> None:
    given = sound(facts())
    write_wav(tmp_path / "clip.wav", given)
    with wave.open(str(tmp_path / "clip.wav")) as file:
        assert file.getparams()[:4] == (2, 2, RATE, given.waveform.shape[1])
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.array_equal(samples, PcmSamples()(given.waveform).numpy())


def test_a_sound_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NaN or infinity"):
        write_wav(tmp_path / "clip.wav", Sound(torch.full((2, 9), torch.inf), RATE))
    assert list(tmp_path.iterdir()) == []


@each_release
def test_frames_come_back_without_loss_and_in_order(tmp_path: Path, release: Release) -> None:
    given, seen = facts(release=release), list[int]()
    write_png_frames(tmp_path / "frames", frames(given), seen.append)
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files] == [f"frame_{number:06d}.png" for number in range(given.frames)]
    expected = torch.cat([RgbBytes()(chunk) for chunk in frames(given)]).numpy()
    assert np.array_equal(np.stack([np.array(Image.open(file)) for file in files]), expected)
    assert seen == [4, 8, 9]


def test_an_empty_folder_is_filled_and_any_other_one_refused(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    write_png_frames(folder, frames(facts(frames=1)))
    with pytest.raises(InputError, match="there already; expected a new or an empty folder"):
        write_png_frames(folder, frames(facts(frames=1)))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="there already"):
        write_png_frames(tmp_path / "file", frames(facts()))
    with pytest.raises(InputError, match="no such folder"):
        write_png_frames(tmp_path / "none" / "frames", frames(facts()))


def test_frames_that_fail_leave_no_folder(tmp_path: Path) -> None:
    def failing():
        yield next(frames(facts()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_png_frames(tmp_path / "frames", failing())
    with pytest.raises(InputError, match="frames: none; expected one or more"):
        write_png_frames(tmp_path / "frames", iter([]))
    assert list(tmp_path.iterdir()) == []
