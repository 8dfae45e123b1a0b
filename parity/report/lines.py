"""What a report says in sentences: the verdict, the first divergence, what is incomplete."""

from parity.report.numbers import count_text, counted, plain
from parity.report.origin import first_divergence
from parity.report.record import Report
from parity.report.tally import VERDICT_WORDS, whole_tally

REASONS_SHOWN = 5


def verdict_line(report: Report) -> str:
    """The verdict, how many taps and elements were compared, and how the taps stand."""
    counts = whole_tally(report)
    told = (
        (counts.identical, "identical"),
        (counts.within, "within budget"),
        (counts.over, "over budget"),
        (counts.incomplete, "not compared"),
    )
    standing = ", ".join(f"{count_text(count)} {word}" for count, word in told)
    compared = f"{counted(counts.taps, 'tap')}, {counted(counts.elements, 'element')} compared"
    return f"{VERDICT_WORDS[report.exit_code].upper()}: {compared} ({standing})"


def divergence_lines(report: Report) -> tuple[str, ...] | None:
    """The first tap over budget, the evidence, and what is blamed if that is known; None where no tap is over."""
    found = first_divergence(report)
    if found is None:
        return None
    place, case = found.tap.place, found.case
    where = f"{place.tap} ({case.suite}/{case.case}, {case.dtype}, {place.mode})"
    blamed = [] if found.blame_sentence is None else [f"blame: {plain(found.blame_sentence)}"]
    return plain(where), plain(found.sentence), *blamed


def incomplete_lines(report: Report) -> list[str]:
    """The first reasons for which something could not be compared, and how many more there are."""
    reasons = report.incomplete
    told = [plain(reason) for reason in reasons[:REASONS_SHOWN]]
    if len(reasons) > REASONS_SHOWN:
        told.append(f"and {count_text(len(reasons) - REASONS_SHOWN)} more")
    return told


def provenance_lines(report: Report) -> list[tuple[str, str]]:
    """What was compared with what, and where."""
    return [(plain(key), plain(value)) for key, value in report.provenance.items()]
