"""The journal of a campaign: what was found is kept through a kill, and nothing of other code counts."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from parity.blame import Blame, FaultOutcome, HintKind, expectations
from parity.errors import BadInputError
from parity.report.journal import digest, open_journal

BLAME = Blame("a.b", "gate", "all differ", "equals the reference times 0.5", "seen", HintKind.FACTOR)


def outcome(identifier: str, blame: Blame | None = BLAME) -> FaultOutcome:
    return FaultOutcome(identifier, "a", "wrong", "a.b", expectations("factor: 0.5"), True, blame, 0.25, ("b",), "bug")


def write(path: Path, *identifiers: str) -> None:
    with open_journal(path, "code") as journal:
        for identifier in identifiers:
            journal.add(outcome(identifier))


def test_what_was_found_is_there_when_the_journal_is_opened_again(tmp_path):
    path = tmp_path / "j"
    write(path, "A1")
    write(path, "A2")
    with open_journal(path, "code") as journal:
        assert list(journal.outcomes.values()) == [outcome("A1"), outcome("A2")]
        assert journal.outcomes["A1"].hinted


def test_an_outcome_is_on_the_disk_before_the_next_is_sought(tmp_path, monkeypatch):
    path, synced = tmp_path / "j", []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    with open_journal(path, "code") as journal:
        journal.add(outcome("A1"))
        assert [raw.count(b"\n") for raw in synced] == [2]


def test_a_line_cut_by_a_kill_is_dropped_and_sought_again(tmp_path):
    path = tmp_path / "j"
    write(path, "A1", "A2")
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last, len(whole) - 1, 7):
        path.write_bytes(whole[:cut])
        with open_journal(path, "code") as journal:
            assert list(journal.outcomes) == ["A1"]
            journal.add(outcome("A2"))
        assert path.read_bytes() == whole


def test_outcomes_of_other_code_are_refused(tmp_path):
    path = tmp_path / "j"
    write(path, "A1")
    with pytest.raises(BadInputError, match="other code"), open_journal(path, "newer code"):
        pass


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: raw.replace(b'"hinted":true', b'"hinted":false'),
        lambda raw: raw.replace(b"ltx-parity/faults/1", b"ltx-parity/faults/9"),
        lambda raw: raw.replace(b'"seconds":0.25', b'"seconds":null'),
        lambda raw: raw.replace(b'"kind":"factor"', b'"kind":"factors"'),
        lambda raw: raw.replace(b"factor: 0.5", b"factor"),
        lambda raw: raw[: raw.index(b"\n") // 2],
        lambda raw: b"\n" + raw,
        lambda raw: raw + b"{}\n",
        lambda raw: raw + b"\xff\n",
    ],
)
def test_what_is_no_journal_is_refused_and_kept(tmp_path, edit):
    path = tmp_path / "j"
    write(path, "A1")
    path.write_bytes(edit(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(BadInputError), open_journal(path, "code"):
        pass
    assert path.read_bytes() == before


def test_a_journal_that_cannot_be_written_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent" / "j"):
        with pytest.raises(BadInputError, match="check the path"), open_journal(path, "code"):
            pass


def _hold(path: str, held: object, done: object) -> None:
    with open_journal(Path(path), "code"):
        held.set()
        done.wait(30)


def test_two_campaigns_do_not_share_a_journal(tmp_path):
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path / "j"), held, done))
    holder.start()
    try:
        assert held.wait(30)
        with pytest.raises(BadInputError, match="another process"), open_journal(tmp_path / "j", "code"):
            pass
    finally:
        done.set()
        holder.join()


def test_the_digest_tells_any_change_of_a_source(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("x")
    first = digest([tmp_path], "2.13")
    assert digest([tmp_path], "2.13") == first
    assert digest([tmp_path], "2.11") != first
    (tmp_path / "notes.txt").write_text("y")
    assert digest([tmp_path], "2.13") == first
    (tmp_path / "a.py").write_text("x = 2\n")
    changed = digest([tmp_path], "2.13")
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, changed, digest([tmp_path], "2.13")}) == 3


def test_a_journal_is_lines_of_json(tmp_path):
    write(tmp_path / "j", "A1")
    head, line = (json.loads(line) for line in (tmp_path / "j").read_text().splitlines())
    assert head == {"schema": "ltx-parity/faults/1", "source": "code"}
    assert (line["id"], line["blame"]["kind"], line["hinted"]) == ("A1", "factor", True)
