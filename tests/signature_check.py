"""The checker of annotations that the tests run the port under."""

from beartype import BeartypeConf, beartype

# The numeric tower of PEP 484: an int is a float, as type checkers and a checkpoint's JSON have it.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
