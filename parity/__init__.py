"""The harness: capture, align, compare and judge the activations of two implementations of one model."""
