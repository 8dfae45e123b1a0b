"""Runs: two implementations go through the same passes, and every tap of both is judged."""
