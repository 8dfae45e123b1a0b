"""What a run keeps out of garbage collections it gives back, unless somebody around still spares."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from parity.run import collecting
from parity.run.collecting import seldom_collected, spare_what_came, spared_by_collections


@pytest.fixture(autouse=True)
def nobody_spares(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(collecting, "_SPARING", [])
    gc.unfreeze()
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def fail() -> None:
    raise ValueError("over")


def test_what_exists_is_spared_and_given_back_after_an_error_too() -> None:
    with spared_by_collections():
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
    with pytest.raises(ValueError, match="over"), spared_by_collections():
        fail()
    assert gc.get_freeze_count() == 0


def test_what_came_since_is_spared_when_asked_for() -> None:
    with spared_by_collections():
        before = gc.get_freeze_count()
        kept = [[] for _ in range(1000)]
        assert gc.get_freeze_count() <= before
        spare_what_came()
        assert gc.get_freeze_count() >= before + len(kept)
    spare_what_came()
    assert gc.get_freeze_count() == 0


def test_one_within_another_spares_what_came_and_gives_nothing_back() -> None:
    with spared_by_collections():
        before = gc.get_freeze_count()
        kept = [[] for _ in range(1000)]
        with spared_by_collections():
            assert gc.get_freeze_count() >= before + len(kept)
        assert gc.get_freeze_count() >= before
        spare_what_came()
        assert gc.get_freeze_count() >= before + len(kept)
    assert gc.get_freeze_count() == 0


class Cycle:
    def __init__(self) -> None:
        self.own = self


def test_garbage_that_came_since_is_collected_and_not_kept() -> None:
    with spared_by_collections():
        gone = weakref.ref(Cycle())
        assert gone() is not None
        spare_what_came()
        assert gone() is None


def test_thresholds_are_given_back_after_an_error_too() -> None:
    gc.set_threshold(700, 10, 10)
    with seldom_collected():
        assert gc.get_threshold()[0] > 10_000
    assert gc.get_threshold() == (700, 10, 10)
    with pytest.raises(ValueError, match="over"), seldom_collected():
        fail()
    assert gc.get_threshold() == (700, 10, 10)
