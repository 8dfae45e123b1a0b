"""Ports in any language: exact inputs for them, their tensors under names and layouts of their own, and judgement."""
