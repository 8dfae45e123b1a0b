"""The reference: adapters to the official code, recorders, and recorded tensors with their provenance."""
