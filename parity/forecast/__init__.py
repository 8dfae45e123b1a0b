"""The drift at the end of a run, predicted from its links measured one by one. The mathematics: docs/FORECAST.md."""

from parity.forecast.allocate import Allowance, Share, allocate, with_local_errors
from parity.forecast.check import Checked, check
from parity.forecast.predict import Plan, forecast
from parity.forecast.record import Combination, ComponentForecast, Distribution, Forecast, Gain

__all__ = [
    "Allowance",
    "Checked",
    "Combination",
    "ComponentForecast",
    "Distribution",
    "Forecast",
    "Gain",
    "Plan",
    "Share",
    "allocate",
    "check",
    "forecast",
    "with_local_errors",
]
