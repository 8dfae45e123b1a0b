"""`ltx-parity locate`: where a wrong value is born, what pattern it has, and what it equals instead."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parity.binding import Binding, LocateRequest, Progress, load_binding
from parity.blame import Blame, Located, locate
from parity.capture import Mode
from parity.cli.screen import Screen
from parity.errors import BadInputError, ExitCode, IncompleteError
from parity.judge import Verdict
from parity.report.blame_row import encode_blame
from parity.run.dumps import DumpPair, Recorded, compare_dumps
from parity.store import Dump


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "locate",
        help="name where a wrong value is born",
        description="Blame the first tap whose error its inputs do not explain: live, against a dump, or in two dumps.",
    )
    parser.add_argument("reference", type=Path, nargs="?", metavar="REFERENCE", help="the reference's dump")
    parser.add_argument("candidate", type=Path, nargs="?", metavar="CANDIDATE", help="the candidate's dump")
    parser.add_argument("--live", action="store_true", help="run the candidate against REFERENCE alone")
    parser.add_argument("--case", help="the case to run live, in the place of dumps")
    parser.add_argument("--dtype", help="working precision (default: the fault's, or the case's first)")
    parser.add_argument("--fault", metavar="ID", help="plant a known fault (without --case: in the case that shows it)")
    parser.add_argument("--suite", help="the budgets that say what is wrong (default: exact live, recorded for dumps)")
    parser.add_argument("--release", help="the reference's release (default: the installed one)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace, screen: Screen) -> ExitCode:
    """Search, tell, and give 1 where something is blamed, 3 where something could not be compared, else 0."""
    binding = load_binding(arguments.model)
    _require_one_way(arguments)
    if arguments.reference is None:
        with screen.progress() as progress:
            found = binding.locate(_request(arguments), progress)
    elif arguments.live:
        with screen.progress() as progress:
            found = _against_dump(binding, arguments.reference, progress)
    else:
        found = _in_dumps(binding, arguments)
    if arguments.json:
        screen.json(_document(found))
    else:
        for line in _lines(found):
            screen.line(line)
    if found.blame is not None:
        return ExitCode.OVER_BUDGET
    return ExitCode.INCOMPLETE if found.incomplete or not found.passes else ExitCode.WITHIN_BUDGET


def _request(arguments: argparse.Namespace) -> LocateRequest:
    return LocateRequest(
        case=arguments.case,
        dtype=arguments.dtype,
        fault=arguments.fault,
        suite=arguments.suite,
        release=arguments.release,
        device=arguments.device,
    )


def _require_one_way(arguments: argparse.Namespace) -> None:
    """Refuse what says how to search in two ways, or in none."""
    dumps = sum(dump is not None for dump in (arguments.reference, arguments.candidate))
    asked = arguments.case is not None or arguments.fault is not None
    if dumps != (0 if asked else 1 if arguments.live else 2) or (asked and arguments.live):
        got = f"{dumps} dump{'' if dumps == 1 else 's'}{', a case or a fault' * asked}{', --live' * arguments.live}"
        expected = "--case, --fault, one dump with --live, or two dumps"
        raise BadInputError("locate", got, expected, "give one of the four")
    given = [name for name in ("dtype", "release", "suite") if getattr(arguments, name) is not None and dumps]
    if arguments.candidate is not None and given == ["suite"]:
        return
    if given:
        raise BadInputError("locate", f"--{given[0]} with a dump", "what the dump says", "leave it out")


def _against_dump(binding: Binding, path: Path, progress: Progress) -> Located:
    with Dump.open(path) as reference:
        manifest = reference.manifest
    result = binding.compare_live(path, progress)
    (case,) = result.cases
    blame = next((forward.blame for forward in case.forwards if forward.blame is not None), None)
    incomplete = tuple(reason for forward in case.forwards for reason in forward.incomplete)
    names = (result.provenance["candidate"], binding.implementation(manifest.producer, manifest.release))
    return Located(manifest.case, manifest.dtype, len(case.forwards), *names, blame, incomplete)


def _in_dumps(binding: Binding, arguments: argparse.Namespace) -> Located:
    suite = arguments.suite or "recorded"
    if suite not in binding.suites():
        raise BadInputError(f"suite {suite!r}", "unknown", f"one of {', '.join(binding.suites())}", "choose one")
    with Dump.open(arguments.reference) as reference, Dump.open(arguments.candidate) as candidate:
        manifest = reference.manifest
        plans = binding.plans(manifest.case, manifest.dtype, manifest.release)
        groups = {tap.name: tap.group for plan in plans for tap in plan}
        result = compare_dumps(DumpPair(candidate, reference, binding.budgets(), suite, groups))
        over = {tap.place.tap for tap in result.taps if tap.verdict is Verdict.OVER}
        blame, passes = None, 0
        for plan in plans:
            passes += 1
            values = {Mode.CHAINED: Recorded(candidate)}
            blame = locate(plan, values, Recorded(reference), lambda tap, _: tap in over, binding.operations())
            if blame is not None:
                break
        if over and blame is None:
            told = f"{sorted(over)[0]}: over budget, and in no pass of the case"
            raise IncompleteError("locate", told, "declared taps", "record the dumps again")
        own, other = (binding.implementation(told.producer, told.release) for told in (candidate.manifest, manifest))
        return Located(manifest.case, manifest.dtype, passes, own, other, blame, tuple(result.incomplete))


def _document(found: Located) -> dict[str, Any]:
    return {
        "case": found.case,
        "dtype": found.dtype,
        "passes": found.passes,
        "candidate": found.candidate,
        "reference": found.reference,
        "blame": None if found.blame is None else encode_blame(found.blame),
        "incomplete": list(found.incomplete),
    }


def _lines(found: Located) -> Iterator[str]:
    where = f"{found.case}, {found.dtype}"
    if found.blame is None:
        passes = f"{found.passes} pass{'' if found.passes == 1 else 'es'}"
        yield f"nothing to blame: no tap is over budget in {passes} ({where})"
    else:
        yield f"blamed: {found.blame.tap} ({where}, {found.blame.mode})"
        yield from _told(found, found.blame)
    yield from (f"  not compared: {reason}" for reason in found.incomplete[:5])


def _told(found: Located, blame: Blame) -> Iterator[str]:
    for side, name in (("candidate", found.candidate), ("reference", found.reference)):
        if name in blame.places:
            yield f"  {side}: {blame.places[name]} ({name})"
    rows = {"part": blame.part, "pattern": blame.pattern, "evidence": blame.evidence}
    hint = "none: no statement about the value held" if blame.hint is None else f"the candidate {blame.hint}"
    yield from (f"  {name}: {text}" for name, text in {**rows, "hint": hint}.items() if text is not None)
