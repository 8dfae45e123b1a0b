"""Calibration: what error is legitimate at each tap, measured on legitimate ways to compute the reference."""
