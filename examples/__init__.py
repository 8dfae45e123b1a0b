"""Examples: what `ltx-parity` does for other models and in other runtimes."""
