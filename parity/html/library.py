"""The plotting library that stands in each page: Bokeh's own minified files, from its package."""

from functools import cache
from importlib import metadata

from parity.errors import BadInputError

# The core draws; the API makes figures by name. Nothing else of Bokeh is needed.
_SCRIPTS = ("bokeh.min.js", "bokeh-api.min.js")
_NEXT = "install the versions of constraints.txt again"


@cache
def scripts() -> tuple[str, ...]:
    """Give the library's scripts in the order in which they must run; BadInputError where they are not installed."""
    return tuple(_text(f"bokeh/server/static/js/{name}") for name in _SCRIPTS)


def require_plots() -> None:
    """Refuse to go on without the library: BadInputError before a long run, not after it."""
    scripts()


@cache
def notice() -> str:
    """Give the library's name, version and licence, which goes wherever its code goes."""
    return f"Charts by Bokeh {_distribution().version}.\n\n{_text('bokeh/LICENSE.txt')}"


def _distribution() -> metadata.Distribution:
    try:
        return metadata.distribution("bokeh")
    except metadata.PackageNotFoundError:
        raise BadInputError("plotting library", "bokeh is not installed", "bokeh as pinned", _NEXT) from None


def _text(name: str) -> str:
    # Read as files: to import Bokeh would take half a second, for code that only its own server runs.
    path = _distribution().locate_file(name)
    try:
        with open(str(path), encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise BadInputError(str(path), error.strerror or "unreadable", "a file of bokeh as pinned", _NEXT) from error
