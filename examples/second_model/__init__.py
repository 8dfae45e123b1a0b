"""A small language model in two implementations, bound to the harness."""
