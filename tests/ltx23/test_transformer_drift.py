"""bfloat16 against float32: legitimate variants stay within the budget, wherever they differ."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from parity.binding import RunRequest
from parity.capture import Recording
from parity.errors import ExitCode
from parity.judge import Measurement, Verdict, judge
from parity.judge.verdict import TapPlace
from parity.ltx23.binding import BINDING
from parity.ltx23.stage import Setting
from parity.ltx23.stages import CASES
from parity.ltx23.stages.transformer import plan
from parity.ltx23.stages.transformer.passes import ForwardPass, StreamInput
from parity.ltx23.world import World
from parity.metrics import compare
from parity.run.forward import Forward, Mode, observe
from parity.run.oracle import DriftOracle
from parity.run.record import RunResult

pytestmark = pytest.mark.reference
BF16 = torch.bfloat16


def drift(attention: str = "auto", threads: int = 1) -> RunResult:
    """Run the case; one thread is what all tests run under."""
    return drift_once(attention, threads)


@cache
def drift_once(attention: str, threads: int) -> RunResult:
    request = RunRequest(suites=("drift",), cases=("batched",), attention=attention, threads=threads)
    return BINDING.run(request)


def differing(result: RunResult) -> int:
    return sum(tap.verdict is Verdict.WITHIN for tap in result.taps)


def test_the_port_drifts_exactly_as_the_reference_does() -> None:
    result = drift()
    assert result.exit_code is ExitCode.WITHIN_BUDGET
    assert differing(result) == 0
    peers = [tap.measurement.peer for tap in result.taps if tap.measurement.peer is not None]
    assert max(peer.relative_l2 for peer in peers) > 1e-3, "bfloat16 must round, or nothing is shown"


def test_another_attention_kernel_stays_within_the_budget() -> None:
    result = drift(attention="math")
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence
    assert differing(result) > 300, "the control must differ, or it controls nothing"


@pytest.mark.parametrize("threads", [1, 2])
def test_another_thread_count_stays_within_the_budget(threads: int) -> None:
    result = drift(threads=threads)
    assert result.exit_code is ExitCode.WITHIN_BUDGET, result.first_divergence


def test_guidance_passes_in_one_batch_stay_within_the_budget() -> None:
    """Four single passes of the reference against one pass of the port over a batch of four."""
    case = CASES["guided-b1"]
    with World() as world:
        port, peer, truth = world.port(case, BF16), world.official(case, BF16), world.official(case, torch.float32)
        singles = world.forwards(case, BF16)
        batched = observe(port, in_one_batch([single.inputs for single in singles], world.setting(case, BF16)))
        for index, single in enumerate(singles):
            oracle = DriftOracle((peer, single), (truth, world.widened(single)))
            names = {name: renamed(name) for name in single.plan.names}
            part = sample_of(batched, oracle.values, index, names)
            assert over_budget(part, oracle, single) == []


def renamed(name: str) -> str:
    stage, _, rest = name.split(".", 2)
    return f"{stage}.pass_all.{rest}"


def in_one_batch(passes: list[ForwardPass], setting: Setting) -> Forward:
    def stacked(streams: list[StreamInput]) -> StreamInput:
        names = streams[0].tensors()
        return replace(streams[0], **{name: torch.cat([vars(s)[name] for s in streams]) for name in names})

    videos = [forward.video for forward in passes if forward.video is not None]
    audios = [forward.audio for forward in passes if forward.audio is not None]
    skips = tuple(sample for forward in passes for sample in forward.skips)
    whole = ForwardPass("pass_all", stacked(videos), stacked(audios), skips)
    return Forward(whole.name, whole, plan(whole, setting))


def sample_of(batched: Recording, single: Recording, index: int, names: dict[str, str]) -> Recording:
    """Cut one sample's part out of every tap that has a batch."""
    found = {}
    for name, batched_name in names.items():
        whole, alone = batched[batched_name], single[name]
        has_batch = whole.shape != alone.shape
        found[name] = whole.chunk(4)[index] if has_batch else whole
        assert found[name].shape == alone.shape, name
    return found


def over_budget(recording: Recording, oracle: DriftOracle, forward: Forward) -> list[str]:
    budgets, truth = BINDING.budgets(), oracle.truth(Mode.CHAINED)
    over = []
    for tap in forward.plan:
        own, reference = recording[tap.name], oracle.values[tap.name]
        measured = Measurement(compare(own, truth[tap.name]), compare(reference, truth[tap.name]), False)
        place = TapPlace("guided-b1", forward.name, tap.name, tap.group, "chained")
        result = judge(place, measured, budgets.row("drift", tap.name, "chained", "bfloat16"), BF16)
        if result.verdict is Verdict.OVER:
            over.append(f"{tap.name}: {dict(result.exceeded)}")
    return over
