"""The local errors of a port that is elsewhere, as a JSON file names them."""

from pathlib import Path

from parity.errors import BadInputError
from parity.report.strict import shown
from parity.store import strict_json
from parity.store.refusal import unreadable

# Beyond any error relative to something; squares of it are still numbers.
_MOST = 1e100


def read_local_errors(path: Path) -> dict[str, float]:
    """Read an object of component: relative L2, each a finite number from 0 up; BadInputError for anything else."""
    try:
        document = strict_json.decode(str(path), path.read_bytes())
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    expected, remedy = "an object of component: relative L2", "write one number for each component"
    if not isinstance(document, dict):
        raise BadInputError(str(path), shown(document), expected, remedy)
    for name, value in document.items():
        # The largest whole numbers of JSON have no float64; NaN fails the comparison.
        if type(value) not in (int, float) or not 0 <= value <= _MOST:
            raise BadInputError(f"{path}: {name!r:.80}", shown(value), f"{expected}, finite, 0 or more", remedy)
    return {name: float(value) for name, value in document.items()}
