"""Oracles: recordings that may be stale, and a peer beside a truth in a wider precision."""

import pytest
import torch
from engine_cases import EXACT, OtherTower, budgets, call, one_line, run_of, tower_forward, tower_plan, towers
from torch import nn

from parity.errors import ExitCode
from parity.run.forward import Forward, Implementation, Mode, observe
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import DriftOracle, RecordedOracle
from parity.store import Dump, DumpWriter, Manifest
from parity.taps import TapPlan


def manifest():
    return Manifest(
        "test", "1", None, "case", "0" * 64, {}, "2", "cpu", {}, 0, "float32", "pytest", "2026-01-01T00:00:00+00:00", {}
    )  # fmt: skip


def recorded(path, recording):
    with DumpWriter(path) as writer:
        writer.set_manifest(manifest())
        for name, tensor in recording.items():
            writer.write(name, tensor)
    return Dump.open(path)


def judged_by_dump(tmp_path, change):
    """Record the reference, change the recording, and judge a faithful candidate by it."""
    candidate, reference = towers()
    forward = tower_forward()
    recording = observe(Implementation("ref", reference, call), forward)
    change(recording)
    with recorded(tmp_path / "toy.safetensors", recording) as dump:
        bar = Bar("toy", "case", budgets(tmp_path), torch.float32)
        oracle = RecordedOracle(dump, forward)
        return run_of(judge_forward(Implementation("own", candidate, call), oracle, forward, bar))


def test_a_whole_recording_passes(tmp_path):
    assert judged_by_dump(tmp_path, lambda recording: None).exit_code is ExitCode.WITHIN_BUDGET


@pytest.mark.parametrize("name", ["block0.in", "block1.first", "block2.out"])
def test_a_stale_recording_that_lacks_a_tensor_is_incomplete(tmp_path, name):
    run = judged_by_dump(tmp_path, lambda recording: recording.pop(name))
    assert run.exit_code is ExitCode.INCOMPLETE
    assert not run.taps
    assert one_line(run.incomplete[0], name, "not in the dump (1 of 12 taps")


def test_a_recording_of_another_shape_or_dtype_is_incomplete(tmp_path):
    for new in (torch.zeros(2, 2, 4), torch.zeros(2, 3, 4, dtype=torch.float64)):
        run = judged_by_dump(tmp_path, lambda recording, new=new: recording.update({"block2.out": new}))
        assert run.exit_code is ExitCode.INCOMPLETE


def drift_oracle(peer, truth, forward):
    wide = Forward("toy", tuple(x.float() for x in forward.inputs), tower_plan())
    return DriftOracle((Implementation("ref", peer, call), forward), (Implementation("ref", truth, call), wide))


def test_forced_the_truth_is_one_step_from_the_values_of_the_peer():
    _, peer = towers(dtype=torch.bfloat16)
    _, truth = towers()
    oracle = drift_oracle(peer, truth, tower_forward(dtype=torch.bfloat16))
    received = oracle.values["block2.in"].float()
    stepped = truth.blocks[2].first(received)
    for mode in (Mode.TEACHER_FORCED, Mode.ISOLATED):
        assert torch.equal(oracle.truth(mode)["block2.first"], stepped)
    assert not torch.equal(oracle.truth(Mode.CHAINED)["block2.first"], stepped)


def drift(tmp_path, own_dtype, candidate=None):
    """Judge in bfloat16 against float32 as the truth, with bfloat16 as the peer."""
    other, peer = towers(dtype=own_dtype)
    _, truth = towers()
    forward = tower_forward(dtype=own_dtype)
    oracle = drift_oracle(peer, truth, forward)
    rule = 'rule = "peer"\nrelative_l2 = { ratio = 1.0, floor = 0.0, ceiling = 1e9 }'
    bar = Bar("toy", "case", budgets(tmp_path, EXACT.replace('rule = "bit-identical"', rule)), own_dtype)
    return run_of(judge_forward(Implementation("own", candidate or other, call), oracle, forward, bar))


def test_bfloat16_is_recorded_compared_and_judged_as_bfloat16(tmp_path):
    run = drift(tmp_path, torch.bfloat16)
    assert run.exit_code is ExitCode.WITHIN_BUDGET
    assert len(run.taps) == 36
    for tap in run.taps:
        found = tap.measurement
        assert (found.comparison.candidate_dtype, found.comparison.reference_dtype) == ("bfloat16", "float32")
        assert found.against_reference
    # A silent cast on either side would leave no error at all to compare.
    assert max(tap.measurement.peer.relative_l2 for tap in run.taps) > 1e-4


def test_the_same_model_in_a_wider_precision_is_not_a_pass_in_the_narrow_one(tmp_path):
    class Upcasts(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.layers, self.inner = inner.layers, [inner]

        def forward(self, x):
            return self.inner[0](x.float())

    candidate, _ = towers()
    run = drift(tmp_path, torch.bfloat16, Upcasts(candidate))
    assert run.exit_code is ExitCode.INCOMPLETE
    assert "dtype torch.float32" in run.incomplete[0]


def test_a_candidate_worse_than_the_peer_is_over(tmp_path):
    torch.manual_seed(7)
    assert drift(tmp_path, torch.bfloat16, OtherTower().bfloat16()).exit_code is ExitCode.OVER_BUDGET


@pytest.mark.parametrize("narrow", [True, False])
def test_an_oracle_that_lacks_a_tap_is_incomplete(tmp_path, narrow):
    candidate, reference = towers()
    forward, tapless = tower_forward(), TapPlan(tower_plan().taps[:-1])
    implementation = Implementation("ref", reference, call)
    lacking = Forward("toy", forward.inputs, tapless)
    oracle = DriftOracle((implementation, lacking if narrow else forward), (implementation, lacking))
    bar = Bar("toy", "case", budgets(tmp_path), torch.float32, (Mode.CHAINED,))
    run = run_of(judge_forward(Implementation("own", candidate, call), oracle, forward, bar))
    assert run.exit_code is ExitCode.INCOMPLETE
    assert one_line(run.incomplete[0], "block2.out", "not in the reference")
