"""The meter: times add up, peaks do not, and the peak of one phase is not that of the phase before it."""

import sys
import time
from itertools import count

import pytest
import torch

from ltx_port.pipeline import meter as meter_module
from ltx_port.pipeline import peak as peak_module
from ltx_port.pipeline.meter import Meter, PhaseRecord
from ltx_port.pipeline.peak import CudaPeak, KernelPeak, Peak, SampledPeak, peak_of

CPU = torch.device("cpu")
MIB = 1 << 20


class Scripted:
    """Gives peaks as told."""

    def __init__(self, *peaks: int):
        self.peaks = iter(peaks)
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1

    def end(self) -> int:
        return next(self.peaks)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is one second later each time that it is read."""
    ticks = count()
    monkeypatch.setattr(meter_module.time, "perf_counter", lambda: float(next(ticks)))


def scripted(*peaks: int) -> tuple[Meter, Scripted]:
    meter = Meter(CPU)
    meter._peak = script = Scripted(*peaks)
    return meter, script


@pytest.mark.usefixtures("clock")
def test_times_add_up_and_peaks_are_the_largest() -> None:
    meter, script = scripted(7, 9, 5)
    for name in ("stage 1", "decode", "stage 1"):
        with meter.phase(name) as phase:
            with phase.loading():
                pass
            for _ in range(2):
                with phase.executing():
                    pass
    assert meter.rows == (PhaseRecord("stage 1", None, 2.0, 4.0, 7), PhaseRecord("decode", None, 1.0, 2.0, 9))
    assert script.begun == 3


@pytest.mark.usefixtures("clock")
def test_compiling_is_none_until_something_is_compiled() -> None:
    meter, _ = scripted(1, 1, 1)
    for compiles in (False, True, True):
        with meter.phase("stage 1") as phase:
            if compiles:
                with phase.compiling():
                    pass
    (row,) = meter.rows
    assert row == PhaseRecord("stage 1", 2.0, 0.0, 0.0, 1)


@pytest.mark.usefixtures("clock")
def test_a_phase_that_fails_is_recorded_as_far_as_it_went_and_the_next_one_may_begin() -> None:
    meter, _ = scripted(3, 4)
    with pytest.raises(ZeroDivisionError), meter.phase("stage 1") as phase, phase.executing():
        _ = 1 / 0
    with meter.phase("decode") as phase, phase.loading():
        pass
    assert meter.rows == (PhaseRecord("stage 1", None, 0.0, 1.0, 3), PhaseRecord("decode", None, 1.0, 0.0, 4))


def test_what_would_count_twice_is_refused() -> None:
    meter, _ = scripted(1, 1)
    with meter.phase("outer") as phase:
        with pytest.raises(AssertionError, match="'inner' begins inside 'outer'"), meter.phase("inner"):
            pass
        with phase.loading(), pytest.raises(AssertionError, match="execute is timed inside load"), phase.executing():
            pass
        with phase.executing():
            pass


@pytest.mark.usefixtures("clock")
def test_only_what_is_inside_a_clock_is_timed() -> None:
    meter, _ = scripted(1)
    with meter.phase("stage 1") as phase:
        a_second()
        with phase.executing():
            a_second()
        a_second()
    assert meter.rows == (PhaseRecord("stage 1", None, 0.0, 2.0, 1),)


def a_second() -> None:
    meter_module.time.perf_counter()


KINDS = {"kernel": KernelPeak, "sampled": SampledPeak}


@pytest.mark.parametrize("kind", KINDS)
def test_a_peak_is_seen_after_it_has_passed_and_forgotten_by_the_next(kind: str) -> None:
    if kind == "kernel" and not isinstance(peak_of(CPU), KernelPeak):
        pytest.skip("this system does not reset a process's peak: sampled instead")
    peak: Peak = KINDS[kind]()
    peak.begin()
    quiet = peak.end()
    peak.begin()
    memory = torch.ones(96 * MIB, dtype=torch.uint8)
    while isinstance(peak, SampledPeak) and peak._peak < quiet + 90 * MIB:
        time.sleep(0.001)  # until its thread has had a look
    del memory
    high = peak.end()
    peak.begin()
    after = peak.end()
    assert 90 * MIB < high - quiet < 200 * MIB
    assert high - after > 60 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_where_linux_does_not_reset_the_peak_it_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(peak_of(CPU), KernelPeak)
    monkeypatch.setattr(peak_module, "_CLEAR", peak_module.Path("/proc/self/no such file/clear_refs"))
    assert isinstance(peak_of(CPU), SampledPeak)
    monkeypatch.undo()
    monkeypatch.setattr(peak_module, "_STATUS", peak_module.Path("/proc/self/limits"))
    assert isinstance(peak_of(CPU), SampledPeak)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: none is visible to torch")
def test_on_a_gpu_the_peak_is_the_devices_and_launched_work_is_waited_for() -> None:
    device = torch.device("cuda")
    assert isinstance(peak_of(device), CudaPeak)
    meter = Meter(device)
    for name, nbytes in (("large", 64 * MIB), ("small", MIB)):
        with meter.phase(name) as phase, phase.executing():
            held_there = torch.empty(nbytes, dtype=torch.uint8, device=device)
            torch.cuda._sleep(100_000_000)
            assert not torch.cuda.current_stream().query()
            del held_there
        assert torch.cuda.current_stream().query()
    large, small = meter.rows
    # The allocator may round each of the two up by a MiB, to a block that it has already.
    assert abs(large.peak_bytes - small.peak_bytes - 63 * MIB) <= 2 * MIB
