"""The comparison of one run of elements on the CPU, compiled by numba: one pass, no lock held while it works."""
