"""Whole inputs of every kind, written by the project's own writers."""

import json
import math
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from ltx_port.certificate import Certificate, Compared, Evidence, Reference, Scope, Versions, certificate_path
from ltx_port.certificate.port_hash import port_sha256
from ltx_port.release import RELEASE_1_2_0
from ltx_port.transformer.attention import AttentionBackend
from parity.blame import Blame, FaultOutcome, HintKind
from parity.blame.expectation import Expectation
from parity.calibrate.band import Bands
from parity.calibrate.bands_file import PLACES, BandsFile, Row, levels, write_bands
from parity.calibrate.journal import Journal, Run, RunKey
from parity.calibrate.ratchet import write_lock as write_budget_lock
from parity.calibrate.reading import AGAINST, COLUMNS, JUDGED
from parity.history.shelf import keep
from parity.judge import Allowance, Budget, Budgets, Measurement, Rule, judge
from parity.judge.verdict import TapPlace
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.gemma import write_gemma
from parity.ltx23.synthetic.lora_file import LoraSpec
from parity.ltx23.synthetic.model_folder import CONFIG, write_upsampler
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint
from parity.metrics import HeadAxis, compare, error_map, fingerprints
from parity.report import as_report, write_report
from parity.report.journal import open_journal
from parity.run.forward import Mode
from parity.run.record import CaseResult, ForwardResult, RunResult
from parity.run.statistics import Statistics, write_statistics
from parity.sketch.file import write_sketch
from parity.sketch.plain import read_plain
from parity.sketch.recipe import Recipe
from parity.sketch.row import Reading, rows_of
from parity.sketch.sketch import Book, Sketch
from parity.store import DroppedTap, DumpWriter, Manifest
from reference_dumps.lock import write_lock

TENSORS = {
    "transformer.pass_cond.video.x0": torch.linspace(-1, 1, 120).reshape(2, 3, 20),
    "transformer.pass_cond.audio.x0": torch.linspace(0, 3, 12).to(torch.bfloat16).reshape(3, 4),
    "again": torch.linspace(-1, 1, 120).reshape(2, 3, 20),
    "flag": torch.tensor(True),
    "none": torch.empty(0, 4),
}
_STAGES = Path(str(files("parity.ltx23"))) / "stages"


def manifest(**changes: object) -> Manifest:
    """Give a manifest in which every field says something."""
    told: dict[str, object] = {
        "producer": "port", "release": "1.0.0", "commit": None, "case": "small", "checkpoint_sha256": "a" * 64,
        "input_sha256": {"cond.video": "b" * 64}, "torch_version": "2.13.0", "device": "cpu", "seed": 7,
        "determinism": {"deterministic_algorithms": True, "num_threads": 1}, "dtype": "bfloat16", "command": "capture",
        "created": "2026-01-02T03:04:05+00:00", "sizes": {"layers": 2}, "extra": {"binding": "ltx23"},
    }  # fmt: skip
    return Manifest(**(told | changes))  # type: ignore[arg-type]


def dump(path: Path, compression: int | None = None) -> Path:
    """Write a dump of a few small tensors."""
    with DumpWriter(path, compression=compression) as writer:
        writer.set_manifest(manifest())
        for name, tensor in TENSORS.items():
            writer.write(name, tensor)
    return path


def hdf5(folder: Path) -> list[Path]:
    """Write HDF5 dumps, plain and compressed."""
    return [dump(folder / "plain.h5"), dump(folder / "gzip.h5", 4)]


def safetensors(folder: Path) -> list[Path]:
    """Write a safetensors dump."""
    return [dump(folder / "dump.safetensors")]


def sketches(folder: Path) -> list[Path]:
    """Write a sketch of the same tensors, and of one with channels."""
    book, tensors = Book(), {**TENSORS, "wide": torch.linspace(-1, 1, 3 * 128).reshape(3, 128)}
    readings = [Reading(t.dtype, tuple(t.shape), read_plain(t, Recipe(7, 16))) for t in tensors.values()]
    book.add(zip(tensors, rows_of(readings), strict=True))
    path = folder / "a.sketch.safetensors"
    write_sketch(Sketch(manifest(), Recipe(7, 16), "float64", ("*",), book.rows, book.taps), path)
    return [path]


def statistics(folder: Path) -> list[Path]:
    """Write a document of statistics."""
    taken = fingerprints()
    for name, tensor in TENSORS.items():
        if tensor.numel() and tensor.dtype is not torch.bool:
            taken.add(name, tensor)
    taps = taken.finish()
    told = manifest(tap_count=len(taps), dropped=(DroppedTap("x", "first 2 of 3 tokens"),))
    write_statistics(Statistics(told, taps), folder / "statistics.json")
    return [folder / "statistics.json"]


def _run(*errors: float, incomplete: tuple[str, ...] = ()) -> RunResult:
    truth = TENSORS["again"]
    loose = {"relative_l2": Allowance(1.0, 0.0, 0.01), "max_abs": Allowance(0.0, 1e5, 1.0)}
    budget = Budget("drift", Rule.PEER, ("*",), (), (), loose, "why", 1)
    taps = []
    for number, error in enumerate(errors):
        own, peer = (truth + error).bfloat16(), (truth + 0.01).bfloat16()
        found, heads = compare(own, truth), HeadAxis(truth.ndim - 1, 4)
        seen = error_map(own, truth, found.max_abs, heads)
        measurement = Measurement(found, compare(peer, truth), torch.equal(own, peer), seen)
        place = TapPlace("small", "pass_cond", f"transformer.tap{number}", "transformer.block00", "chained")
        taps.append(judge(place, measurement, budget, torch.bfloat16))
    one = ForwardResult("pass_cond", tuple(taps), incomplete, {"transformer.block00": 1.25})
    return RunResult((CaseResult("drift", "small", "what it guards", "bfloat16", (one,)),), {"engine": "torch"})


def _bands() -> Bands:
    cell = tuple(tuple(0.01 * level for level in levels(column)) for column in JUDGED)
    row = Row("transformer.*", "bfloat16", 64, (0.0,) * len(JUDGED), dict.fromkeys(PLACES, cell))
    ratios = {"bfloat16": {(*place, column): 1.5 for place in PLACES for column in JUDGED}}
    return Bands((BandsFile("transformer", "", {}, {"small": {"bfloat16": 64}}, ratios, (row,)),))


def runs(folder: Path) -> list[Path]:
    """Write runs within budget, over budget, not finite, incomplete, and calibrated; with maps of their errors."""
    kinds = {"within": _run(0.001, 0.0), "over": _run(0.0, 0.5), "nan": _run(float("nan"), 0.0),
             "incomplete": _run(0.001, incomplete=("transformer.x: missing",))}  # fmt: skip
    reports = {name: as_report(run) for name, run in kinds.items()}
    reports["calibrated"] = as_report(_run(0.001, 0.5), _bands())
    for name, report in reports.items():
        write_report(report, folder / f"{name}.json")
    return [folder / f"{name}.json" for name in reports]


def catalogues(folder: Path) -> list[Path]:
    """Copy catalogues of stages."""
    return _copied(folder, "taps.toml", ("transformer", "text", "upsampler", "picture"))


def budgets(folder: Path) -> list[Path]:
    """Copy budget files of stages."""
    return _copied(folder, "budgets.toml", ("lora", "transformer", "denoise", "video_vae"))


def _copied(folder: Path, name: str, stages: tuple[str, ...]) -> list[Path]:
    found = []
    for stage in stages:
        found.append(folder / f"{stage}-{name}")
        found[-1].write_bytes((_STAGES / stage / name).read_bytes())
    return found


def certificates(folder: Path) -> list[Path]:
    """Write a certificate that holds here."""
    cpu = torch.device("cpu")
    scope = Scope.of(cpu, torch.bfloat16, AttentionBackend.AUTO, RELEASE_1_2_0)
    row = Compared(stage="lora", suite="recorded", case="lora-small", taps=30, elements=900, identical=28, within=2,
                   over=0, incomplete=0)  # fmt: skip
    evidence = Evidence(
        scope=scope, port_sha256=port_sha256(), stages=("lora",), compared=(row,), budgets_sha256="1" * 64,
        reference=Reference("1.2.0", "2362161", ("recorded",)), versions=Versions.here(cpu), seconds=41.5,
        created="2026-11-25T04:00:00+00:00", report_sha256="2" * 64,
    )  # fmt: skip
    path = certificate_path(scope, folder)
    path.write_text(Certificate.sealing(evidence).to_json(), encoding="utf-8")
    return [path]


def locks(folder: Path) -> list[Path]:
    """Write the lock file of a folder with one dump."""
    dump(folder / "x.h5")
    write_lock(folder)
    return [folder / "LOCK.json"]


def local_errors(folder: Path) -> list[Path]:
    """Write local errors by component."""
    path = folder / "local.json"
    path.write_text(json.dumps({"transformer": 1e-2, "video_vae": 0, "audio_vae": 0.5, "vocoder": 1.0}))
    return [path]


def bands(folder: Path) -> list[Path]:
    """Write bands of two taps, one that reads infinity among them."""
    ratios = {(*place, column): 1.25 for place in PLACES for column in JUDGED}
    rows = []
    for tap, most in (("toy.*.a", 1e-3), ("toy.*.b", math.inf)):
        cell = tuple(tuple(most * level for level in levels(column)) for column in JUDGED)
        rows.append(Row(tap, "bfloat16", 64, (2.0**-9, 0.0, 0.0, 0.0), dict.fromkeys(PLACES, cell)))
    told = {"command": "calibrate", "torch": "2.13.0"}
    found = BandsFile("toy", "1.0.0", told, {"small": {"bfloat16": 64}}, {"bfloat16": ratios}, tuple(rows))
    write_bands(found, folder / "bands.json")
    return [folder / "bands.json"]


def briefs(folder: Path) -> list[Path]:
    """Keep runs within budget, over budget, and incomplete, in brief."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    kinds = (_run(0.001, 0.0), _run(0.0, 0.5), _run(0.001, incomplete=("transformer.x: missing",)))
    return [keep(as_report(run), folder, now) for run in kinds]


def budget_locks(folder: Path) -> list[Path]:
    """Write the lock of a stage's budgets."""
    write_budget_lock(Budgets.load(_STAGES / "denoise" / "budgets.toml", "denoise."), folder / "budgets.lock.json")
    return [folder / "budgets.lock.json"]


MEASURED_KEY, MEASURED_NAMES = RunKey("toy", "small", "bfloat16", "1.0.0", 7, "plain"), ("toy.p.a", "toy.p.b")


def measured_runs(folder: Path) -> list[Path]:
    """Write a measured run of two taps."""
    readings = np.linspace(0, 1, len(Mode) * 2 * len(AGAINST) * len(COLUMNS))
    table = readings.reshape(len(Mode), 2, len(AGAINST), len(COLUMNS))
    Journal(folder).write(Run(MEASURED_KEY, MEASURED_NAMES, table, np.zeros((2, len(COLUMNS)))))
    return [folder / MEASURED_KEY.file]


CAMPAIGN_SOURCE = "0" * 64


def campaigns(folder: Path) -> list[Path]:
    """Write the journal of a campaign with a fault that was found, and one that was not."""
    blame = Blame("tap", "gate", "all of 4 elements differ", "equals half", "seen", HintKind.FACTOR, places={"a": "b"})
    with open_journal(folder / "campaign.jsonl", CAMPAIGN_SOURCE) as journal:
        journal.add(
            FaultOutcome(
                "A1", "transformer", "a gate", "tap", (Expectation(HintKind.FACTOR, ("0.5",)),), True, blame, 1.5
            )
        )
        journal.add(FaultOutcome("A2", "transformer", "a mask", "tap", (), False, None, 0.5, ("missing",), "noise"))
    return [folder / "campaign.jsonl"]


def operations(folder: Path) -> list[Path]:
    """Copy a model's table of operations."""
    path = folder / "operations.toml"
    path.write_bytes((_STAGES.parent / "operations.toml").read_bytes())
    return [path]


def projects(folder: Path) -> list[Path]:
    """Write what a source tree of the official code says of itself."""
    path = folder / "pyproject.toml"
    path.write_text('[project]\nname = "ltx-core"\nversion = "1.2.0"\n[tool.x]\nlist = ["a", 1]\n')
    return [path]


def checkpoints(folder: Path) -> list[Path]:
    """Write a checkpoint with a transformer of one block, and the projections of text."""
    components = ("transformer", "text_projection", "video_statistics")
    write_checkpoint(folder / "checkpoint.safetensors", CheckpointSpec("tiny", 1, components=components, num_layers=1))
    return [folder / "checkpoint.safetensors"]


def loras(folder: Path) -> list[Path]:
    """Write a LoRA of two layers."""
    config = CheckpointSpec(config_text("tiny"), 1).resolved_config()
    layers = ("transformer_blocks.0.attn1.to_q", "transformer_blocks.0.attn1.to_v")
    write_checkpoint(folder / "lora.safetensors", LoraSpec(config, layers, 2, 1))
    return [folder / "lora.safetensors"]


def upsamplers(folder: Path) -> list[Path]:
    """Write an upsampler, and a checkpoint that is its companion."""
    write_checkpoint(folder / "statistics.safetensors", CheckpointSpec(CONFIG, 1, components=("video_statistics",)))
    write_upsampler(folder / "upsampler.safetensors", 1)
    return [folder / "upsampler.safetensors"]


def hidden_states(folder: Path) -> list[Path]:
    """Write hidden states of a prompt and a negative prompt."""
    states = {
        f"{role}.states": torch.linspace(-1, 1, 3 * 128 * 4).reshape(3, 128, 4) for role in ("prompt", "negative")
    }
    masks = {f"{role}.mask": (torch.arange(128) > 100).float() for role in ("prompt", "negative")}
    save_file(states | masks, folder / "states.safetensors")
    return [folder / "states.safetensors"]


def gemma(folder: Path, name: str) -> list[Path]:
    """Write a Gemma root, and give one of its files."""
    write_gemma(folder / "gemma", 1)
    return [folder / "gemma" / name]


def pictures(folder: Path) -> list[Path]:
    """Write a picture in each format, one with a profile and an orientation."""
    levels = np.arange(21 * 33 * 3, dtype=np.uint32).reshape(21, 33, 3) * 7 % 256
    picture = Image.fromarray(levels.astype(np.uint8), "RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(folder / "a.png")
    picture.save(folder / "b.jpg", exif=turned, icc_profile=_srgb())
    picture.save(folder / "c.webp", lossless=True)
    picture.convert("P").save(folder / "d.png", transparency=0)
    return [folder / name for name in ("a.png", "b.jpg", "c.webp", "d.png")]


def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def clips(folder: Path) -> list[Path]:
    """Write a small clip with texts in it."""
    import av

    path = folder / "clip.mp4"
    with av.open(str(path), "w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        stream = container.add_stream("libx264", rate=1)
        stream.height, stream.width = 32, 32
        container.metadata["prompt"] = "the sea"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for given in (frame, None):
            container.mux(stream.encode(given))
    return [path]
