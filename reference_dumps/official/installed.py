"""Which release of the official packages is installed, if any."""

from importlib import metadata

from parity.errors import BadInputError

# PyPI's 1.0.0 is byte-identical to this commit of Lightricks/LTX-2 (2026-03-05, the LTX-2.3 release).
COMMITS = {"1.0.0": "9e8a28e"}


def installed_release() -> str | None:
    """Give the installed release of ltx-core, None where there is none."""
    try:
        return metadata.version("ltx-core")
    except metadata.PackageNotFoundError:
        return None


def require_release(release: str) -> None:
    """Refuse, in one line, when another release or none is installed."""
    found = installed_release()
    if found != release:
        raise BadInputError(
            "official LTX-2 code",
            "ltx-core is not installed" if found is None else f"ltx-core {found}",
            f"ltx-core {release}",
            'install it (pip install -c constraints.txt ".[reference]"), or use --reference recorded',
        )
