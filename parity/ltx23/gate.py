"""The gate: every suite that applies to one way to run the port, on every stage, and the certificate of a pass."""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from ltx_port.certificate import (
    Certificate,
    Compared,
    Evidence,
    Reference,
    Scope,
    Versions,
    certificate_path,
    default_folder,
    port_sha256,
)
from ltx_port.release import NEWEST, release_named
from ltx_port.transformer.attention import AttentionBackend
from parity.binding import GateOutcome, GateRequest, Progress, RunRequest
from parity.errors import BadInputError, ExitCode, IncompleteError, ParityError
from parity.ltx23.calibration import committed_bands
from parity.ltx23.choice import gate_suites
from parity.ltx23.refusals import refusals
from parity.ltx23.stages import STAGES, chosen_cases, stage_of
from parity.ltx23.suites import LIVE_SUITES, Job, jobs
from parity.ltx23.world import device_named, dtype_named
from parity.report import Report, as_report, report_bytes
from parity.report.summary import case_lines
from parity.run.record import RunResult
from parity.store.whole_file import publish
from reference_dumps.official.installed import COMMITS

Run = Callable[[RunRequest, Progress], RunResult]


@dataclass(frozen=True)
class Gate:
    """What has to pass for one scope: the run that judges it, and where its certificate goes."""

    scope: Scope
    run: RunRequest
    certificate: Path

    @staticmethod
    def of(request: GateRequest, recordings: Path) -> "Gate":
        """Lay out a gate; BadInputError for an unknown name, or where no suite can judge what is asked for here."""
        device, dtype = device_named(request.device), dtype_named(request.dtype)
        with refusals():
            release = NEWEST if request.release is None else release_named(request.release)
            scope = Scope.of(device, dtype, _attention(request.attention), release)
            folder = default_folder() if request.certificates is None else request.certificates
        run = RunRequest(
            suites=gate_suites(scope, recordings),
            dtypes=(request.dtype,),
            release=release.name,
            device=request.device,
            attention=request.attention,
            # The cases are tiny: a second thread gains nothing, and beside other work it waits in a loop, which made a
            # live gate of 27 CPU seconds take 150.
            threads=1,
            jobs=request.jobs,
        )
        _require_writable(folder)
        return Gate(scope, run, certificate_path(scope, folder))

    def judge(self, run: Run, progress: Progress) -> GateOutcome:
        """Run it. A pass writes the certificate; anything else removes an older one, an error included.

        IncompleteError where not every stage was compared, or the port changed meanwhile.
        """
        try:
            report, certificate = self._judged(run, progress)
            if certificate is None:
                return GateOutcome(report, None, self.certificate if self._revoke() else None)
            publish(self.certificate, certificate.to_json().encode())
        except ParityError as error:
            told = f"; the older certificate {self.certificate} is removed" if self._revoke() else ""
            raise type(error)(error.where, error.got, error.expected, f"{error.next_step}{told}") from error
        except Exception:
            self._revoke()
            raise
        return GateOutcome(report, self.certificate, None)

    def _judged(self, run: Run, progress: Progress) -> tuple[Report, Certificate | None]:
        planned, port = self._planned(), port_sha256()
        started = time.monotonic()
        report = as_report(run(self.run, progress), committed_bands())
        seconds = time.monotonic() - started
        if report.exit_code is not ExitCode.WITHIN_BUDGET:
            return report, None
        evidence = Evidence(
            scope=self.scope,
            port_sha256=port,
            stages=self._stages(),
            compared=_compared(report, planned),
            budgets_sha256=_budgets_sha256(),
            reference=self._reference(),
            versions=Versions.here(torch.device(self.run.device)),
            seconds=round(seconds, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            report_sha256=hashlib.sha256(report_bytes(report)).hexdigest(),
        )
        if evidence.fault is not None:
            raise IncompleteError("certificate", evidence.fault, "every stage compared", "run all stages")
        if port_sha256() != port:
            raise IncompleteError("ltx_port", "its files changed during the run", "one port throughout", "run it again")
        return report, Certificate.sealing(evidence)

    def _planned(self) -> list[Job]:
        """Give the jobs of the run; IncompleteError where they leave a stage out."""
        suites = [(suite, self.scope.release) for suite in self.run.suites]
        planned = jobs(suites, chosen_cases(), tuple(map(dtype_named, self.run.dtypes)), named=False)
        found = {stage_of(job.case).id for job in planned}
        missing = [stage for stage in self._stages() if stage not in found]
        if missing:
            raise IncompleteError(
                f"gate for {self.scope}",
                f"no case of {', '.join(missing)} in the suites {', '.join(self.run.suites)}",
                "at least one of every stage",
                "install the official code of that release, or record the stage",
            )
        return planned

    def _stages(self) -> tuple[str, ...]:
        """Name the stages that exist in the precision: whole generations do in bfloat16 alone, as upstream's."""
        dtypes = set(map(dtype_named, self.run.dtypes))
        return tuple(stage.id for stage in STAGES.values() if any(dtypes & set(case.dtypes) for case in stage.cases))

    def _reference(self) -> Reference:
        kinds = {suite: "live" if suite in LIVE_SUITES else "recorded" for suite in self.run.suites}
        # Each once, in the order of the suites; Literal types cannot follow this.
        oracles = tuple(dict.fromkeys(kinds.values()))
        return Reference(self.scope.release, COMMITS[self.scope.release], oracles)  # type: ignore[arg-type]

    def _revoke(self) -> bool:
        """Remove the certificate of an earlier run, and say whether there was one."""
        try:
            self.certificate.unlink()
        except FileNotFoundError:
            return False
        return True


def _attention(name: str) -> AttentionBackend:
    try:
        return AttentionBackend(name)
    except ValueError:
        known = ", ".join(backend.value for backend in AttentionBackend)
        raise BadInputError(f"attention {name!r}", "unknown", f"one of {known}", "choose one") from None


def _require_writable(folder: Path) -> None:
    """Make the folder now: a run of a minute must not end on a certificate that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(folder), got, "a folder for certificates", "give another one") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(str(folder), "cannot be written to", "a folder for certificates", "give another one")


def _compared(report: Report, planned: list[Job]) -> tuple[Compared, ...]:
    """Count what was compared; IncompleteError where that is not what was planned."""
    stages = {(job.suite, job.case_label): stage_of(job.case).id for job in planned}
    lines = case_lines(report)
    if [(line.suite, line.case) for line in lines] != list(stages):
        raise IncompleteError("gate", f"{len(lines)} cases ran", f"the {len(stages)} that it consists of", "run all")
    return tuple(
        Compared(
            stage=stages[line.suite, line.case],
            suite=line.suite,
            case=line.case,
            taps=line.tally.taps,
            elements=line.tally.elements,
            identical=line.tally.identical,
            within=line.tally.within,
            over=line.tally.over,
            incomplete=line.tally.incomplete,
        )
        for line in lines
    )


def _budgets_sha256() -> str:
    digest = hashlib.sha256()
    for stage in STAGES.values():
        digest.update(f"{stage.id} {hashlib.sha256(stage.budgets.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
