"""Calibration runs of LTX-2.3: every case, its precisions, several inputs, the whole ensemble; shared by processes."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import torch

from parity.binding import Progress
from parity.calibrate.arithmetic import threads
from parity.calibrate.band import Bands
from parity.calibrate.bands_file import write_bands
from parity.calibrate.build import Source, bands_of
from parity.calibrate.journal import Journal, Run, RunKey
from parity.calibrate.request import CalibrateRequest, Calibration, TightenedRow
from parity.calibrate.tighten import Suite, rewritten, tightened
from parity.errors import BadInputError
from parity.judge import Budgets
from parity.ltx23.choice import installed
from parity.ltx23.stage import SEED, Case, Stage
from parity.ltx23.stages import CASES, STAGES, Choice, chosen_cases, stage_of
from parity.ltx23.variants import MOVED, members, yardstick
from parity.ltx23.world import World, dtype_named
from parity.metrics import engine_name
from parity.store.bits import dtype_name
from parity.store.whole_file import publish

# Beside the budgets of each stage, one for each release.
BAND_FILES = "bands-*.json"
BUDGET_LOCK = Path(str(files("parity.ltx23"))) / "budgets.lock.json"


@dataclass(frozen=True)
class Round:
    """All members of the ensemble of one case in one precision, on inputs drawn from one seed."""

    case: str
    dtype: torch.dtype
    release: str
    seed: int

    @property
    def label(self) -> str:
        """What progress shows."""
        return f"{self.case} {self._dtype} inputs {self.seed - SEED}"

    @property
    def _dtype(self) -> str:
        return dtype_name(self.dtype)

    @property
    def where(self) -> Case:
        """The case itself."""
        return CASES[self.case]

    def keys(self, world: World) -> list[RunKey]:
        """Name the runs of the round; the world has the round's inputs."""
        stage = stage_of(self.where).id
        return [
            RunKey(stage, self.case, self._dtype, self.release, self.seed, member.name)
            for member in members(world, self.where, self.dtype)
        ]


def rounds(cases: Sequence[Case], dtypes: Sequence[torch.dtype], release: str, runs: int) -> list[Round]:
    """Lay out at least so many runs of each case and precision, in whole rounds."""
    found = []
    with World(release=release) as world:
        for case in cases:
            for dtype in case.dtypes:
                if dtypes and dtype not in dtypes:
                    continue
                count = math.ceil(runs / len(members(world, case, dtype)))
                found += [Round(case.id, dtype, release, SEED + number) for number in range(count)]
    return found


def measure(planned: Sequence[Round], folder: Path, jobs: int, progress: Progress) -> None:
    """Measure what the folder does not have yet, in so many processes of one thread."""
    if jobs == 1:
        for done, one in enumerate(planned):
            progress(one.label, done, len(planned))
            _measure_round(one, folder)
        progress("calibrated", len(planned), len(planned))
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        orders = {pool.submit(_measure_round, one, folder): one for one in planned}
        try:
            for done, future in enumerate(as_completed(orders), start=1):
                future.result()
                progress(orders[future].label, done, len(planned))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _measure_round(one: Round, folder: Path) -> None:
    journal, case = Journal(folder), one.where
    with threads(1), World(release=one.release, inputs=one.seed) as world:
        names = tuple(name for forward in world.forwards(case, one.dtype) for name in forward.plan.names)
        wanted = list(zip(one.keys(world), members(world, case, one.dtype), strict=True))
        missing = [(key, member) for key, member in wanted if not journal.has(key, names)]
        if not missing:
            return
        held = yardstick(world, case, one.dtype)
        for key, member in missing:
            journal.write(Run.of(key, held, held.measure(member)))


def measured(planned: Sequence[Round], folder: Path) -> Iterator[Run]:
    """Read every run of the rounds back; BadInputError where one is missing or stale."""
    journal = Journal(folder)
    for one in planned:
        with World(release=one.release, inputs=one.seed) as world:
            names = tuple(name for forward in world.forwards(one.where, one.dtype) for name in forward.plan.names)
            for key in one.keys(world):
                yield journal.read(key, names)


def calibrate(request: CalibrateRequest, progress: Progress) -> Calibration:
    """Measure the cases of a request and write the bands of their stages, and tighter budgets where asked for."""
    release = installed()
    if release is None:
        raise BadInputError(
            "calibrate",
            "no official code that the port follows",
            "an installed reference",
            "pip install '.[reference]'",
        )
    cases = chosen_cases(Choice(request.cases, request.stages))
    planned = rounds(cases, tuple(map(dtype_named, request.dtypes)), release, request.runs)
    if not planned:
        raise BadInputError("calibrate", "no case in these precisions", "at least one", "choose others, or none")
    folder = request.output / "measured"
    measure(planned, folder, request.jobs, progress)
    by_stage = groupby(planned, key=lambda one: stage_of(one.where).id)
    written = [_write(STAGES[stage], list(part), folder, request) for stage, part in by_stage]
    return Calibration(
        {stage.id: path for stage, path, _, _, _ in written},
        sum(runs for *_, runs in written),
        {stage.id: path for stage, _, path, _, _ in written if path is not None},
        tuple(row for *_, rows, _ in written for row in rows),
    )


def _write(
    stage: Stage, planned: list[Round], folder: Path, request: CalibrateRequest
) -> tuple[Stage, Path, Path | None, list[TightenedRow], int]:
    """Write what one stage's runs give."""
    told = {"command": _command(stage, request), "engine": engine_name(), "threads": "1", "truth": _truths(stage)}
    file = bands_of(measured(planned, folder), Source(stage.id, planned[0].release, told))
    path = request.output / f"{stage.id}.bands-{file.release}.json"
    write_bands(file, path)
    runs = sum(count for counts in file.cases.values() for count in counts.values())
    if not request.tighten:
        return stage, path, None, [], runs
    own = Budgets.load(stage.budgets, f"{stage.id}.")
    rows = tightened(own, measured(planned, folder), file, Suite("drift", torch.bfloat16, MOVED))
    budgets = request.output / f"{stage.id}.budgets.toml"
    publish(budgets, rewritten(stage.budgets.read_text(encoding="utf-8"), rows, str(stage.budgets)).encode())
    return stage, path, budgets, rows, runs


def _command(stage: Stage, request: CalibrateRequest) -> str:
    """Give the command that measures this stage alone."""
    chosen = {"--case": request.cases, "--dtype": request.dtypes}
    options = [f"{name} {','.join(values)}" for name, values in chosen.items() if values]
    return " ".join(["ltx-parity calibrate --output FOLDER --stage", stage.id, *options, "--runs", str(request.runs)])


def _truths(stage: Stage) -> str:
    names = {dtype: dtype_name(stage.truths.get(dtype, torch.float64)) for dtype in (torch.bfloat16, torch.float32)}
    return ", ".join(f"{dtype_name(dtype)} against {truth}" for dtype, truth in names.items())


@cache
def committed_bands() -> Bands:
    """Give the bands that came with the package, of all stages and releases."""
    paths = [path for stage in STAGES.values() for path in sorted(stage.budgets.parent.glob(BAND_FILES))]
    return Bands.merged(map(Bands.load, paths))
