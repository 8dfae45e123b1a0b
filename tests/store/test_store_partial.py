import fcntl

import pytest

from parity.errors import BadInputError
from parity.store.partial import PartialFile, TargetLock


def test_a_lock_that_changes_hands_while_it_is_taken_is_not_taken_twice(tmp_path, monkeypatch):
    target = tmp_path / "dump.h5"
    first, next_owner, late = TargetLock(target), TargetLock(target), TargetLock(target)
    first.acquire()
    take = fcntl.flock

    def changing_hands(descriptor, operation):
        monkeypatch.setattr(fcntl, "flock", take)
        first.release()
        next_owner.acquire()
        take(descriptor, operation)

    # `late` has opened the file of `first` by now, and will lock what no longer has a name.
    monkeypatch.setattr(fcntl, "flock", changing_hands)
    with pytest.raises(BadInputError, match="a writer is at work"):
        late.acquire()
    assert next_owner.held
    assert not late.held
    next_owner.release()
    late.acquire()
    late.release()
    assert not list(tmp_path.iterdir())


def test_a_published_partial_has_no_say_over_the_next_one(tmp_path):
    first, second = PartialFile(tmp_path / "dump.h5"), PartialFile(tmp_path / "dump.h5")
    first.claim()
    first.path.write_text("one")
    first.publish()
    second.claim()
    second.path.write_text("two")
    first.discard()
    second.publish()
    assert first.target.read_text() == "two"
    assert list(tmp_path.iterdir()) == [first.target]


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    (tmp_path / ".dump.h5.lock").symlink_to(outside)
    with pytest.raises(OSError, match=r"\.dump\.h5\.lock"):
        TargetLock(tmp_path / "dump.h5").acquire()
    assert not outside.exists()
