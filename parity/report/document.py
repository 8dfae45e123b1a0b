"""A run as one JSON document, and back."""

import dataclasses
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from parity.calibrate.reading import AGAINST
from parity.judge import Rule, Verdict
from parity.judge.budget import GATES
from parity.judge.verdict import TapPlace
from parity.metrics.error_map import LETTERS, NOTHING, SIDE, STEPS
from parity.metrics.summary import QUANTILE_LEVELS
from parity.report import class_rows, figure_row, map_row, noise_row
from parity.report.blame_row import decode_blame, encode_blame
from parity.report.classes import class_counts, class_of_tap
from parity.report.noise import Noise
from parity.report.origin import first_divergence
from parity.report.record import Report, ReportedCase, ReportedForward, ReportedTap, Subject
from parity.report.reduction import as_report
from parity.report.strict import Fields, each, items, json_number, mapping, number, refusal, same, shown, text, whole
from parity.report.tally import VERDICT_WORDS, whole_tally
from parity.run.record import RunResult

SCHEMA = "ltx-parity/run/3"
IDENTICAL_COLUMNS = ("tap", "mode", "rule", "subject")
MEASURED_COLUMNS = (*IDENTICAL_COLUMNS, "verdict", *figure_row.COLUMNS)
_KEYS = ("schema", "outcome", "provenance", "layout", "modes", "groups", "taps", "subjects", "bands", "cases")
_CASE_KEYS = ("suite", "case", "guards", "dtype", "forwards")
_FORWARD_KEYS = ("name", "incomplete", "gains", "blame", "results", "classes", "bands", "mapped")
_SUBJECT_COLUMNS = ("shape", "candidate_dtype", "reference_dtype")
_RULES, _VERDICTS = tuple(Rule), tuple(Verdict)

Entry = TypeVar("Entry", bound=Hashable)


def to_document(run: RunResult | Report) -> dict[str, Any]:
    """Give the JSON value of a run (`docs/REPORT.md` says what each field means), the same for the same run.

    BadInputError where the run's records contradict each other.
    """
    report = as_report(run)
    writer = _Writer()
    cases = [writer.case(case) for case in report.cases]
    return {
        "schema": SCHEMA,
        "outcome": _outcome(report),
        "provenance": dict(report.provenance),
        "layout": _layout(),
        "modes": writer.modes.entries,
        "groups": writer.groups.entries,
        "taps": [list(entry) for entry in writer.taps.entries],
        "subjects": [_encode_subject(subject) for subject in writer.subjects.entries],
        "bands": [noise_row.encode(noise) for noise in writer.bands.entries],
        "cases": cases,
    }


def from_document(value: object, where: str = "report") -> Report:
    """Read what `to_document` gave; BadInputError for anything else, or where its parts contradict each other."""
    if isinstance(value, dict) and value.get("schema") != SCHEMA:
        raise refusal(where, f"schema {shown(value.get('schema'))}", repr(SCHEMA))
    top = Fields.of_object(value, where, _KEYS)
    if not same(top.read("layout", lambda layout, _: layout), _layout()):
        raise refusal(f"{where}.layout", "another layout", f"that of {SCHEMA}")
    reader = _Reader(top)
    cases = top.read("cases", lambda v, w: each(v, w, reader.case))
    report = Report(cases, top.read("provenance", lambda v, w: mapping(v, w, text)))
    if not same(top.read("outcome", lambda outcome, _: outcome), _outcome(report)):
        raise refusal(f"{where}.outcome", "an outcome that its results do not give", f"{_outcome(report)!r:.200}")
    _require_own_words(value, report, where)
    return report


def _require_own_words(value: Any, report: Report, where: str) -> None:
    """Refuse what `to_document` would not write of the report: a table's entry that is doubled, or used nowhere."""
    written = to_document(report)
    for key in ("modes", "groups", "taps", "subjects", "bands"):
        if not same(value[key], written[key]):
            raise refusal(f"{where}.{key}", "entries twice, unused, or in another order", "each once, as first used")


def _layout() -> dict[str, object]:
    # Constants of the schema, repeated in each document so that a row can be read without this file.
    return {
        "identical": list(IDENTICAL_COLUMNS),
        "measured": list(MEASURED_COLUMNS),
        "rules": [rule.value for rule in _RULES],
        "verdicts": [verdict.value for verdict in _VERDICTS],
        "classes": list(class_rows.KINDS),
        "class_rows": list(class_rows.COLUMNS),
        "bands": list(noise_row.COLUMNS),
        "against": list(AGAINST),
        "mapped": list(map_row.COLUMNS),
        "cells": {"side": SIDE, "letters": LETTERS, "nothing": NOTHING, "steps": STEPS},
        "gates": list(GATES),
        "quantile_levels": list(QUANTILE_LEVELS),
    }


def _outcome(report: Report) -> dict[str, object]:
    found = report.first_divergence
    first = None
    if found is not None:
        case, tap = found
        divergence = first_divergence(report)
        blame = None if divergence is None else divergence.blame_sentence
        kind = class_of_tap(case, tap)
        place = {"suite": case.suite, "dtype": case.dtype, **dataclasses.asdict(tap.place)}
        first = {**place, "blame": blame, "class": None if kind is None else kind.kind.value}
    return {
        "verdict": VERDICT_WORDS[report.exit_code],
        "exit_code": int(report.exit_code),
        **dataclasses.asdict(whole_tally(report)),
        "classes": class_counts(report),
        "first_divergence": first,
    }


class _Table(Generic[Entry]):
    """Entries in the order in which they were first met."""

    def __init__(self) -> None:
        self._index: dict[Entry, int] = {}

    @property
    def entries(self) -> list[Entry]:
        return list(self._index)

    def index(self, entry: Entry) -> int:
        return self._index.setdefault(entry, len(self._index))


class _Writer:
    """Encodes cases, collecting what their rows refer to."""

    def __init__(self) -> None:
        self.modes: _Table[str] = _Table()
        self.groups: _Table[str] = _Table()
        self.taps: _Table[tuple[str, int]] = _Table()
        self.subjects: _Table[Subject] = _Table()
        self.bands: _Table[Noise] = _Table()

    def case(self, case: ReportedCase) -> dict[str, object]:
        forwards = [self._forward(forward) for forward in case.forwards]
        head = {"suite": case.suite, "case": case.case, "guards": case.guards, "dtype": case.dtype}
        return {**head, "forwards": forwards}

    def _forward(self, forward: ReportedForward) -> dict[str, object]:
        return {
            "name": forward.name,
            "incomplete": list(forward.incomplete),
            "gains": {group: json_number(gain) for group, gain in forward.gains.items()},
            "blame": None if forward.blame is None else encode_blame(forward.blame),
            "results": [self._row(tap) for tap in forward.taps],
            "classes": class_rows.encode(forward),
            "bands": noise_row.encode_places([tap.noise for tap in forward.taps], self.bands.index),
            "mapped": map_row.encode(forward.taps),
        }

    def _row(self, tap: ReportedTap) -> list[object]:
        row: list[object] = [
            self.taps.index((tap.place.tap, self.groups.index(tap.place.group))),
            self.modes.index(tap.place.mode),
            _RULES.index(tap.rule),
            self.subjects.index(tap.subject),
        ]
        if tap.measured is not None:
            row += [_VERDICTS.index(tap.verdict), *figure_row.encode_measured(tap.measured, tap.place.tap)]
        return row


class _Reader:
    """Decodes cases by what their rows refer to."""

    def __init__(self, top: Fields):
        self._modes = top.read("modes", lambda v, w: each(v, w, text))
        self._groups = top.read("groups", lambda v, w: each(v, w, text))
        self._taps = top.read("taps", lambda v, w: each(v, w, self._tap_and_group))
        self._subjects = top.read("subjects", lambda v, w: each(v, w, _decode_subject))
        self._bands = top.read("bands", lambda v, w: each(v, w, noise_row.decode))

    def case(self, value: object, where: str) -> ReportedCase:
        parts = Fields.of_object(value, where, _CASE_KEYS)
        name = parts.read("case", text)
        return ReportedCase(
            suite=parts.read("suite", text),
            case=name,
            guards=parts.read("guards", text),
            dtype=parts.read("dtype", text),
            forwards=parts.read("forwards", lambda v, w: each(v, w, lambda a, b: self._forward(a, b, name))),
        )

    def _forward(self, value: object, where: str, case: str) -> ReportedForward:
        parts = Fields.of_object(value, where, _FORWARD_KEYS)
        home = case, parts.read("name", text)
        taps = parts.read("results", lambda v, w: each(v, w, lambda a, b: self._tap(a, b, home)))
        noise = parts.read("bands", lambda v, w: noise_row.decode_places(v, w, self._bands, len(taps)))
        taps = (
            tuple(dataclasses.replace(tap, noise=one) for tap, one in zip(taps, noise, strict=True))
            if any(noise)
            else taps
        )
        taps = parts.read("mapped", lambda v, w: map_row.decode(v, w, taps))
        incomplete = parts.read("incomplete", lambda v, w: each(v, w, text))
        return ReportedForward(
            name=home[1],
            taps=taps,
            incomplete=incomplete,
            gains=parts.read("gains", lambda v, w: mapping(v, w, number)),
            blame=parts.read("blame", decode_blame),
            classes=parts.read("classes", lambda v, w: class_rows.decode(v, w, taps, len(incomplete))),
        )

    def _tap(self, value: object, where: str, home: tuple[str, str]) -> ReportedTap:
        identical = len(items(value, where)) == len(IDENTICAL_COLUMNS)
        row = Fields.of_row(value, where, IDENTICAL_COLUMNS if identical else MEASURED_COLUMNS)
        place = TapPlace(*home, *row.pick("tap", self._taps), row.pick("mode", self._modes))
        rule, subject = row.pick("rule", _RULES), row.pick("subject", self._subjects)
        if identical:
            return ReportedTap(place, rule, Verdict.IDENTICAL, subject, None)
        measured = figure_row.decode_measured(row, subject.shape)
        return ReportedTap(place, rule, row.pick("verdict", _VERDICTS), subject, measured)

    def _tap_and_group(self, value: object, where: str) -> tuple[str, str]:
        row = Fields.of_row(value, where, ("tap", "group"))
        return row.read("tap", text), row.pick("group", self._groups)


def _encode_subject(subject: Subject) -> list[object]:
    return [list(subject.shape), subject.candidate_dtype, subject.reference_dtype]


def _decode_subject(value: object, where: str) -> Subject:
    row = Fields.of_row(value, where, _SUBJECT_COLUMNS)
    shape = row.read("shape", lambda v, w: each(v, w, whole))
    return Subject(shape, row.read("candidate_dtype", text), row.read("reference_dtype", text))
