"""Two implementations side by side through one pass: each tap is compared when both show it, and none is kept."""

from parity.lockstep.judging import judge_all_in_lockstep, judge_in_lockstep

__all__ = ["judge_all_in_lockstep", "judge_in_lockstep"]
