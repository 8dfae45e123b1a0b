"""Sketches: what is kept of every tap of a run too large to keep its tensors, and how two of them are compared."""
