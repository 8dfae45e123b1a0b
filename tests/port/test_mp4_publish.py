"""A clip's file is there whole or not at all: errors, Ctrl-C, kills, full disks."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from mp4_cases import facts, frames, read, sound

from ltx_port.errors import InputError
from ltx_port.mp4 import mp4_bytes, png_bytes, wav_bytes, write_mp4, write_png_frames, write_wav
from ltx_port.mp4.publish import published
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, Release

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def failing(error: BaseException, after: int = 1) -> Iterator[torch.Tensor]:
    for number, chunk in enumerate(frames(facts(frames=17))):
        if number == after:
            raise error
        yield chunk


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), MemoryError()], ids=repr)
@pytest.mark.parametrize("after", [0, 2])
def test_an_error_of_the_frames_leaves_what_was_there(tmp_path: Path, error: BaseException, after: int) -> None:
    path, given = tmp_path / "clip.mp4", facts(frames=17)
    path.write_bytes(b"an earlier clip")
    with pytest.raises(type(error)):
        write_mp4(path, failing(error, after), sound(given), given, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]
    assert path.read_bytes() == b"an earlier clip"


def test_an_earlier_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path, given, seen = tmp_path / "clip.mp4", facts(), list[bytes]()
    path.write_bytes(b"an earlier clip")
    write_mp4(path, frames(given), sound(given), given, {}, lambda _: seen.append(path.read_bytes()))
    assert seen == [b"an earlier clip"] * 3
    assert len(read(path).video) == 9
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_error_of_the_callback_leaves_nothing(tmp_path: Path) -> None:
    def stop(written: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_mp4(tmp_path / "clip.mp4", frames(facts()), sound(facts()), facts(), {}, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("release", [RELEASE_1_0_0, RELEASE_1_2_0], ids=lambda release: release.name)
def test_ctrl_c_at_any_moment_leaves_a_whole_file_or_none(tmp_path: Path, release: Release) -> None:
    """The interrupt comes after so many milliseconds of computing."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    path, given, before = tmp_path / "clip.mp4", facts(17, 128, 128, release=release), set[bool]()
    usual = signal.signal(signal.SIGVTALRM, interrupt)
    try:
        # 0: never.
        for milliseconds in (1, 2, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 70, 100, 150, 0):
            signal.setitimer(signal.ITIMER_VIRTUAL, milliseconds / 1000)
            with suppress(KeyboardInterrupt):
                write_mp4(path, frames(given), sound(given), given, {})
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            before.add(path.exists())
            if path.exists():
                assert len(read(path).video) == 17
                path.unlink()
            assert list(tmp_path.iterdir()) == [], milliseconds
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, usual)
    assert before == {False, True}, "some were interrupted, and some came through"


SLOW = """
import sys, time
from pathlib import Path
from mp4_cases import facts, frames, sound
from ltx_port.mp4 import write_mp4

def slowly(given):
    for chunk in frames(given):
        yield chunk
        print("written", flush=True)
        time.sleep(60)

given = facts()
write_mp4(Path(sys.argv[1]), slowly(given), sound(given), given, {})
"""


def test_a_kill_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    command = [sys.executable, "-c", SLOW, str(tmp_path / "clip.mp4")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".clip.mp4.")
    assert left.suffix == ".partial"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Stand in for a full disk: the system's error comes in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_grow_is_refused_in_one_line_and_removed(tmp_path: Path) -> None:
    given = facts(frames=121, height=128, width=128)
    heard, lines = sound(given), list[str]()
    for write in (
        lambda: write_mp4(tmp_path / "clip.mp4", frames(given), heard, given, {}),
        lambda: write_wav(tmp_path / "clip.wav", heard),
        lambda: write_png_frames(tmp_path / "frames", frames(given)),
    ):
        with files_of_at_most(4_096), pytest.raises(InputError) as refusal:
            write()
        lines.append(str(refusal.value))
    assert all(line.endswith("not written (File too large); expected room and leave to write; make room, or choose "
                             "another place") for line in lines), lines  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["mp4", "wav"])
def test_a_target_that_cannot_be_is_refused_first(tmp_path: Path, kind: str) -> None:
    def write(path: Path) -> None:
        if kind == "mp4":
            write_mp4(path, failing(AssertionError("asked"), 0), sound(facts(frames=17)), facts(frames=17), {})
        else:
            write_wav(path, sound(facts()))

    with pytest.raises(InputError, match="no such folder; expected the folder to write to; make it"):
        write(tmp_path / "none" / "clip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="a folder; expected the name of a file"):
        write(tmp_path / "folder")


def test_a_disk_without_room_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    given = facts(frames=17)
    least = mp4_bytes(given)
    for free, expected in ((least - 1, InputError), (least, AssertionError)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, free))
        with pytest.raises(expected, match=r"MB left on the disk|asked"):
            write_mp4(tmp_path / "clip.mp4", failing(AssertionError("asked"), 0), sound(given), given, {})


@pytest.mark.parametrize("release", [RELEASE_1_0_0, RELEASE_1_2_0], ids=lambda release: release.name)
@pytest.mark.parametrize(("count", "height", "width"), [(1, 32, 32), (9, 64, 96), (17, 128, 128)])
def test_the_most_that_is_asked_for_is_enough_for_noise(
    tmp_path: Path, release: Release, count: int, height: int, width: int
) -> None:
    given = facts(count, height, width, 24.0, release)
    black_and_white = (torch.rand(count, height, width, 3) > 0.5).float()
    chunk = (black_and_white * 255).to(torch.uint8) if release.frames_uint8 else black_and_white
    noise = sound(given)
    noise.waveform.uniform_(-1, 1)
    write_mp4(tmp_path / "clip.mp4", iter([chunk]), noise, given, {})
    assert (tmp_path / "clip.mp4").stat().st_size <= mp4_bytes(given)
    write_png_frames(tmp_path / "frames", iter([torch.randint(0, 256, chunk.shape, dtype=torch.uint8)]))
    assert sum(file.stat().st_size for file in (tmp_path / "frames").iterdir()) <= png_bytes(given)
    write_wav(tmp_path / "clip.wav", noise)
    assert (tmp_path / "clip.wav").stat().st_size == wav_bytes(noise.waveform.shape[1])


def test_a_folder_takes_its_name_with_all_its_files(tmp_path: Path) -> None:
    with published(tmp_path / "whole") as partial:
        partial.mkdir()
        (partial / "file").write_text("x")
        assert not (tmp_path / "whole").exists()
    assert [entry.name for entry in tmp_path.rglob("*")] == ["whole", "file"]
