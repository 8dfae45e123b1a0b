"""LTX-2.3 bound to the harness: its catalogue, cases, budgets, faults, and the two implementations."""
