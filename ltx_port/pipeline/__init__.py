"""Whole generation: from a request to a clip with sound."""
