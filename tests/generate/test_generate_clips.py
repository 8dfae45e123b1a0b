"""`ltx-generate` on a tiny model: what is in the clip, and what is beside it."""

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
import pytest
import torch
from generate_cases import certify, generated, words
from PIL import Image
from safetensors.torch import load_file

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.cli import main
from ltx_port.mp4 import Mp4Writer, read_metadata
from parity.cli import main as parity
from parity.ltx23.synthetic.model_folder import ModelFolder
from parity.store import Dump


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux()]


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_clip_is_what_was_asked_for(model: ModelFolder, tmp_path: Path) -> None:
    """Read by an independent reader: counts, rates, channels and durations; and two runs give the same streams."""
    path = tmp_path / "clip.mp4"
    result = generated(model, path, "--fps", "23.976", "--num-frames", "17")
    with av.open(str(path)) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.frames == 17 == len(frames_of(path))
        assert video.average_rate == Fraction(24000, 1001)
        assert (video.width, video.height, video.pix_fmt) == (128, 64, "yuv420p")
        assert (audio.sample_rate, audio.channels, audio.layout.name) == (48000, 2, "stereo")
        seconds = [float(stream.duration * stream.time_base) for stream in (video, audio)]
        assert abs(seconds[0] - 17 * 1001 / 24000) < 1e-3
        assert abs(seconds[0] - seconds[1]) < 1001 / 24000
    assert result["frames"] == 17
    assert [row["name"] for row in result["phases"]][-1] == "mp4"
    assert all(row["peak_bytes"] > 0 for row in result["phases"])
    again = tmp_path / "again.mp4"
    generated(model, again, "--fps", "23.976", "--num-frames", "17")
    assert packets(path) == packets(again)
    assert sorted(os.listdir(tmp_path)) == ["again.mp4", "clip.mp4"]


def test_the_metadata_says_what_made_it(model: ModelFolder, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    generated(model, path, "--release", "1.0.0", "--seed", "7")
    told = read_metadata(path)
    assert told["ltx_release"] == "1.0.0"
    assert told["ltx_seed"] == "7"
    assert told["ltx_numerics"].startswith("cpu bfloat16 attention=auto torch=2.")
    assert json.loads(told["ltx_settings"])["pipeline"] == "two-stage"
    hashes = json.loads(told["ltx_sha256"])
    assert hashes["checkpoint"] == CheckpointFile.open(model.checkpoint).sha256()
    assert set(hashes) == {"checkpoint", "distilled_lora", "upsampler", "gemma"}
    assert "none" in told["ltx_certificate"], "a clip without proof says so"
    assert not any("the sea" in value for value in told.values()), "the prompt is not told"


def test_a_certificate_is_named_in_the_metadata(model: ModelFolder, tmp_path: Path) -> None:
    digest = json.loads(certify(tmp_path).read_text())["digest"]
    chosen = [word for word in words(model, tmp_path / "clip.mp4") if word != "--unverified"]
    assert main([*chosen, "--certificates", str(tmp_path)]) == 0
    assert read_metadata(tmp_path / "clip.mp4")["ltx_certificate"] == digest


@pytest.mark.parametrize(
    ("route", "without", "more"),
    [
        ("one-stage", ("--distilled-lora", "--spatial-upsampler"), ()),
        ("hq", (), ("--video-stg", "0.5", "--hq-strengths", "0.3", "0.6")),
        ("two-stage", ("--distilled-lora",), ("--distilled-checkpoint", "{distilled}", "--lora", "{lora}", "0.5")),
    ],
)
def test_every_route_writes_a_clip(
    route: str, without: tuple[str, ...], more: tuple[str, ...], model: ModelFolder, tmp_path: Path
) -> None:
    given = [word.format(distilled=model.distilled, lora=model.distilled_lora) for word in more]
    path = tmp_path / "clip.mp4"
    generated(model, path, "--pipeline", route, "--image", str(model.picture), "4", *given, without=without)
    assert len(frames_of(path)) == 9


def test_the_distilled_route_has_its_own_steps(model: ModelFolder, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    command = [
        "--pipeline", "distilled", "--distilled-checkpoint", str(model.distilled), "--spatial-upsampler",
        str(model.upsampler), "--gemma-root", str(model.gemma), "--prompt", "x", "--height", "64", "--width", "64",
        "--num-frames", "9", "--fps", "50", "--device", "cpu", "--unverified", "--quiet", "--output", str(path),
    ]  # fmt: skip
    assert main(command) == 0
    assert len(frames_of(path)) == 9


def test_what_is_saved_beside_the_clip_is_what_was_computed(model: ModelFolder, tmp_path: Path) -> None:
    """Sound, frames, latents and hidden states, each equal to the tap of the same run's dump."""
    places = [
        "--save-wav", "sound.wav", "--save-frames", "frames", "--save-latents", "latents.safetensors",
        "--save-hidden-states", "states.safetensors", "--dump-intermediates", "dump",
    ]  # fmt: skip
    given = [word if word.startswith("--") else str(tmp_path / word) for word in places]
    result = generated(model, tmp_path / "clip.mp4", "--release", "1.0.0", *given)
    with Dump.open(Path(result["dump"])) as dump:
        sources = {name: dump.source(name) for name in dump.names}
        values = {name: source.read(0, math.prod(source.shape)).view(source.shape) for name, source in sources.items()}
    sound = values["pipeline.run.sound.waveform"].double().numpy()
    with wave.open(str(tmp_path / "sound.wav")) as stored:
        assert (stored.getframerate(), stored.getnchannels()) == (48000, 2)
        pcm = numpy.frombuffer(stored.readframes(stored.getnframes()), dtype="<i2").reshape(-1, 2).T
    assert pcm.shape == sound.shape
    assert numpy.abs(pcm / 32767 - sound).max() <= 1 / 32767
    frames = values["pipeline.run.stretch00.frames"]
    names = sorted(os.listdir(tmp_path / "frames"))
    assert len(names) == len(frames) == 9
    for name, frame in zip(names, frames, strict=True):
        assert numpy.array_equal(numpy.array(Image.open(tmp_path / "frames" / name)), frame.numpy())
    latents = load_file(tmp_path / "latents.safetensors")
    assert torch.equal(latents["video"], values["pipeline.run.stage2.video.latent"])
    assert torch.equal(latents["audio"], values["pipeline.run.stage2.audio.latent"])
    states = load_file(tmp_path / "states.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in states.items()} == {
        "prompt.states": (4, 1024, 24),
        "prompt.mask": (1024,),
        "negative.states": (4, 1024, 24),
        "negative.mask": (1024,),
    }
    assert parity(["compare", result["dump"], result["dump"], "--quiet", "--json"]) == 0


def test_dumps_of_two_runs_are_compared(model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Gemma or its saved states, streamed weights or not: the same bits. Another seed: another run, refused."""

    def dumped(name: str, *more: str, without: tuple[str, ...] = ()) -> str:
        path = tmp_path / name
        result = generated(model, tmp_path / f"{name}.mp4", "--dump-intermediates", str(path), *more, without=without)
        return str(result["dump"])

    first = dumped("first", "--save-hidden-states", str(tmp_path / "states.safetensors"))
    streamed = dumped("streamed", "--offload", "blocks")
    capsys.readouterr()
    assert parity(["compare", first, streamed, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"]["exit_code"] == 0
    assert parity(["compare", first, dumped("other", "--seed", "11"), "--quiet"]) == 3
    assert "input_sha256" in capsys.readouterr().err
    with Dump.open(Path(first)) as dump, Dump.open(Path(streamed)) as other:
        assert all(dump.entry(name).sha256 == other.entry(name).sha256 for name in dump.names)


def test_hidden_states_stand_in_for_gemma(model: ModelFolder, tmp_path: Path) -> None:
    states = tmp_path / "states.safetensors"
    latents = [tmp_path / f"{name}.safetensors" for name in ("gemma", "states")]
    clip = tmp_path / "clip.mp4"
    generated(model, clip, "--save-hidden-states", str(states), "--save-latents", str(latents[0]))
    chosen = words(model, clip, "--hidden-states", str(states), "--save-latents", str(latents[1]))
    without_prompt = [word for word in chosen if word not in ("--prompt", "the sea", "--gemma-root", str(model.gemma))]
    assert main(without_prompt) == 0
    first, second = (load_file(path) for path in latents)
    assert all(torch.equal(first[name], second[name]) for name in first)


def interrupted_while_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Mp4Writer, "_write_frames", stop)


def failing_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise OSError(28, "No space left on device", "clip.mp4")

    monkeypatch.setattr(Mp4Writer, "_write_frames", stop)


def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(Mp4Writer, "_write_frames", stop)


@pytest.mark.parametrize(
    ("happens", "code", "told"),
    [
        (interrupted_while_writing, 130, "interrupted"),
        (failing_disk, 4, "No space left"),
        (no_memory, 4, "out of memory"),
    ],
)
def test_nothing_half_is_left(
    happens: Callable[[pytest.MonkeyPatch], None],
    code: int,
    told: str,
    model: ModelFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An older clip of that name stays; dump, frames and clip are there whole or not at all."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"an older clip")
    happens(monkeypatch)
    places = ["--save-frames", str(tmp_path / "frames"), "--dump-intermediates", str(tmp_path / "dump")]
    assert main(words(model, path, *places)) == code
    assert told in capsys.readouterr().err
    assert path.read_bytes() == b"an older clip"
    left = sorted(str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*"))
    assert left == ["clip.mp4", "dump"]


def test_ctrl_c_leaves_no_half_clip(model: ModelFolder, tmp_path: Path) -> None:
    """The whole command, stopped while it denoises."""
    folder = tmp_path / "out"
    folder.mkdir()
    code = "import sys; from ltx_port.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [word for word in words(model, folder / "clip.mp4", "--steps", "3000") if word != "--quiet"]
    # Tests that a shell started in the background inherit a SIGINT that is ignored, and hand it on.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    with subprocess.Popen([sys.executable, "-c", heard + code, *command], stderr=subprocess.PIPE, text=True) as run:
        try:
            time.sleep(4)
            run.send_signal(signal.SIGINT)
            _, printed = run.communicate(timeout=60)
        finally:
            run.kill()
    # Stopped before Python could say so, or by us.
    assert run.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in printed or run.returncode == -signal.SIGINT
    assert os.listdir(folder) == []


@pytest.mark.reference
def test_the_default_negative_prompt_is_the_official_one() -> None:
    from ltx_port.pipeline.negative import default_negative_prompt
    from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0
    from reference_dumps.official.pipeline import default_negative_prompt as official

    assert default_negative_prompt(RELEASE_1_0_0) == official()
    # Of release 1.2.0, whose sources are not installed: SHA-256 of its text, taken from its tag.
    found = hashlib.sha256(default_negative_prompt(RELEASE_1_2_0).encode()).hexdigest()
    assert found == "5d3fc170ddbab647fd3baf4694dfcca44dd817fe489bc3ab0684e12505472be4"
