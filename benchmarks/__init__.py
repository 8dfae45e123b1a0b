"""Measurements against what else there is: `python -m benchmarks.compare`, `python -m benchmarks.capture`."""
