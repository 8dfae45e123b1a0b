"""Mutated inputs for everything that reads a file, and what each reader makes of them (tools/fuzz_readers.py)."""
