"""Bad input: one clear line and exit 2, before anything long starts."""

import json
import shutil
from pathlib import Path

import pytest
from generate_cases import certify, words
from safetensors import safe_open
from safetensors.torch import save_file

from ltx_port.cli import command, main
from ltx_port.cli.options import build_parser
from parity.ltx23.synthetic.components import COMPONENTS
from parity.ltx23.synthetic.model_folder import CONFIG, ModelFolder
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

FLAGS = [
    "--attention", "--audio-cfg", "--audio-modality", "--audio-rescale", "--audio-skip-step", "--audio-stg",
    "--audio-stg-blocks", "--certificates", "--check", "--checkpoint", "--device", "--distilled-checkpoint",
    "--distilled-lora", "--dtype", "--dump-intermediates", "--fps", "--gemma-root", "--height", "--help",
    "--hidden-states", "--hq-strengths", "--image", "--json", "--lora", "--lora-leave", "--negative-prompt",
    "--num-frames", "--offload", "--output", "--pipeline", "--prompt", "--quiet", "--release", "--save-frames",
    "--save-hidden-states", "--save-latents", "--save-wav", "--seed", "--spatial-upsampler", "--steps", "--threads",
    "--unverified", "--video-cfg", "--video-modality", "--video-rescale", "--video-skip-step", "--video-stg",
    "--video-stg-blocks", "--width",
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals come before the pipeline is even made."""

    def run(*_: object) -> None:
        raise AssertionError("the pipeline was started")

    monkeypatch.setattr(command, "Pipeline", run)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("ltx-generate: ")
    assert "; expected " in line
    return line


def test_the_options_are_frozen() -> None:
    found = {flag for action in build_parser()._actions for flag in action.option_strings if flag.startswith("--")}
    assert sorted(found) == FLAGS


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--height", "100"), "clip height: 100; expected a multiple of 64 for two stages; use 64 or 128"),
        (("--width", "32"), "clip width: 32; expected a multiple of 64 for two stages; use 64"),
        (("--num-frames", "10"), "clip frames: 10; expected 8k + 1; use 9 or 17"),
        (("--num-frames", "0"), "use 1"),
        (("--fps", "0"), "clip fps: 0.0"),
        (("--fps", "nan"), "clip fps: nan"),
        (("--num-frames", "1", "--fps", "60"), "no audio latent"),
        (("--steps", "1"), "steps: 1; expected two or more"),
        (("--video-stg-blocks", "2"), "--video-stg-blocks: block 2; expected some of 0 to 1"),
        (("--video-cfg", "inf"), "--video-cfg: inf"),
        (("--audio-rescale", "2"), "guidance of the audio"),
        (("--threads", "0"), "--threads: 0"),
        (("--hq-strengths", "1", "1"), "--hq-strengths: given with --pipeline two-stage"),
        (("--hidden-states", "x.safetensors"), "--prompt: beside --hidden-states"),
    ],
)
def test_a_request_that_cannot_be_generated(
    more: tuple[str, ...], told: str, model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(words(model, tmp_path / "clip.mp4", *more), capsys)


def test_one_stage_takes_multiples_of_32(
    model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = ("--distilled-lora", "--spatial-upsampler")
    route = ("--pipeline", "one-stage", "--check")
    assert main(words(model, tmp_path / "clip.mp4", *route, "--height", "96", without=without)) == 0
    capsys.readouterr()
    told = refused(words(model, tmp_path / "clip.mp4", *route, "--height", "80", without=without), capsys)
    assert "clip height: 80; expected a multiple of 32; use 64 or 96" in told


@pytest.mark.parametrize(
    ("without", "more", "told"),
    [
        (("--checkpoint",), (), "--checkpoint: none; expected an LTX-2.3 checkpoint"),
        (("--distilled-lora",), (), "no distilled model for the second stage"),
        (("--spatial-upsampler",), (), "pipeline two-stage: no upsampler"),
        (("--gemma-root",), (), "prompt: neither"),
        (("--distilled-lora",), ("--pipeline", "hq", "--distilled-checkpoint", "{distilled}"), "--distilled-lora"),
        ((), ("--distilled-checkpoint", "{distilled}"), "--distilled-checkpoint and --distilled-lora"),
        ((), ("--pipeline", "one-stage"), "--distilled-lora, which it does not use"),
        ((), ("--pipeline", "distilled"), "--steps: given with --pipeline distilled"),
    ],
)
def test_files_that_a_route_lacks_or_does_not_use(
    without: tuple[str, ...],
    more: tuple[str, ...],
    told: str,
    model: ModelFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [word.format(distilled=model.distilled) for word in more]
    assert told in refused(words(model, tmp_path / "clip.mp4", *given, without=without), capsys)


def test_a_checkpoint_that_is_missing_truncated_or_foreign(
    model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(path: Path) -> str:
        found = words(model, tmp_path / "clip.mp4", "--checkpoint", str(path), without=("--checkpoint",))
        return refused(found, capsys)

    assert "no such file" in told(tmp_path / "none.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(model.checkpoint.read_bytes()[:-1])
    assert "unreadable or truncated" in told(cut)
    assert "no 'config' in its metadata" in told(model.distilled_lora)
    assert "a folder" in told(tmp_path)
    text = tmp_path / "text.safetensors"
    text.write_text("not a checkpoint at all")
    assert "unreadable or truncated" in told(text)


def test_a_checkpoint_of_another_model_version(
    model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.safetensors"
    write_checkpoint(path, CheckpointSpec(CONFIG, 1, components=("vocoder",), model_version="2.0.0"))
    found = words(model, tmp_path / "clip.mp4", "--checkpoint", str(path), without=("--checkpoint",))
    assert "model_version: '2.0.0'; expected 2.3 or 2.3.x" in refused(found, capsys)


def test_checkpoints_of_two_models_do_not_go_together(
    model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.safetensors"
    write_checkpoint(path, CheckpointSpec(CONFIG, 1, components=tuple(COMPONENTS)[:1], num_layers=1))
    found = words(model, tmp_path / "clip.mp4", "--distilled-checkpoint", str(path), without=("--distilled-lora",))
    assert "another configuration of the transformer" in refused(found, capsys)


def test_a_lora_whose_keys_do_not_fit(model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with safe_open(model.distilled_lora, framework="pt") as opened:
        tensors = {key.replace("blocks.1.", "blocks.7."): opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    path = tmp_path / "lora.safetensors"
    save_file(tensors, path)
    told = refused(words(model, tmp_path / "clip.mp4", "--lora", str(path), "0.5"), capsys)
    assert "no layer of the transformer" in told
    assert "transformer_blocks.7." in told
    left = words(model, tmp_path / "clip.mp4", "--lora", str(path), "--lora-leave", "transformer_blocks.7.", "--check")
    assert main(left) == 0
    assert "STRENGTH" in refused(words(model, tmp_path / "clip.mp4", "--lora", str(path), "strong"), capsys)


def test_an_upsampler_for_another_width(model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = words(
        model,
        tmp_path / "clip.mp4",
        "--spatial-upsampler",
        str(model.checkpoint),
        without=("--spatial-upsampler",),
    )
    assert "config" in refused(found, capsys)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (("{folder}/none.png",), "none.png"),
        (("{folder}/text.png",), "text.png"),
        (("{picture}", "9"), "picture 1: frame 9; expected one of 0 to 8"),
        (("{picture}", "x"), "FRAME: 'x'; expected a whole number"),
        (("{picture}", "0", "1.5"), "strength 1.5"),
        (("{picture}", "0", "1.0", "52"), "picture crf: 52"),
        (("{picture}", "0", "1.0", "33", "7"), "PATH [FRAME] [STRENGTH] [CRF]"),
    ],
)
def test_a_picture_that_cannot_be_used(
    image: tuple[str, ...], told: str, model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    given = [word.format(folder=tmp_path, picture=model.picture) for word in image]
    assert told in refused(words(model, tmp_path / "clip.mp4", "--image", *given), capsys)


def test_places_that_cannot_be_written(
    model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no folder" in refused(words(model, tmp_path / "none" / "clip.mp4"), capsys)
    assert "expected .mp4" in refused(words(model, tmp_path / "clip.avi"), capsys)
    (tmp_path / "folder.mp4").mkdir()
    assert "a folder" in refused(words(model, tmp_path / "folder.mp4"), capsys)
    assert "no folder" in refused(words(model, tmp_path / "clip.mp4", "--save-wav", "none/sound.wav"), capsys)
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "1,048,576 bytes free" in refused(words(model, tmp_path / "clip.mp4"), capsys)


def test_no_proof_no_clip(model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says the command to run, and a certificate that was edited is none."""
    proven = [word for word in words(model, tmp_path / "clip.mp4") if word != "--unverified"]
    proven += ["--certificates", str(tmp_path)]
    told = refused(proven, capsys)
    assert "run: ltx-parity gate --device cpu --dtype bfloat16" in told
    path = certify(tmp_path)
    assert main([*proven, "--check"]) == 0
    capsys.readouterr()
    document = json.loads(path.read_text())
    document["created"] = "2026-11-26T04:00:00+00:00"
    path.write_text(json.dumps(document))
    assert "edited" in refused(proven, capsys)
    certify(tmp_path)
    assert "run: ltx-parity gate" in refused([*proven, "--release", "1.0.0"], capsys)
