"""Checkpoints in the official format with weights that are alive, the same on every machine."""
