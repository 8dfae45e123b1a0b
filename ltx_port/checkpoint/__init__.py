"""Reading the official checkpoint file: its configuration, its tensors, and the keys they have."""
