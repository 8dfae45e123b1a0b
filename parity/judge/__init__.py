"""Judgement: tolerance budgets, and the verdict on each tap."""

from parity.judge.budget import Allowance, Budget, Budgets, Rule
from parity.judge.verdict import Measurement, TapResult, Verdict, judge

__all__ = ["Allowance", "Budget", "Budgets", "Measurement", "Rule", "TapResult", "Verdict", "judge"]
