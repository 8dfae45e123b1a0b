"""Which release of the official packages Python would import, if any.

Either the installed distributions, or the official repository's sources in front of them on PYTHONPATH: then the
distributions' metadata is about other code, and the source tree's own pyproject.toml says what it is.
"""

import tomllib
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from parity.errors import BadInputError

# Lightricks/LTX-2. PyPI's 1.0.0 is byte-identical to its commit (2026-03-05, the LTX-2.3 release); 1.2.0 is a tag.
COMMITS = {"1.0.0": "9e8a28e", "1.2.0": "2362161"}
_FROM_SOURCE = "put packages/ltx-core/src and packages/ltx-pipelines/src of its sources first on PYTHONPATH"
_HOW_TO_GET = {"1.0.0": 'install it (pip install -c constraints.txt ".[reference]")'}
_PACKAGES = {"ltx_core": "ltx-core", "ltx_pipelines": "ltx-pipelines"}


@dataclass(frozen=True)
class _Found:
    """A package as Python would import it; `release` is None where nothing says which it is."""

    distribution: str
    folder: Path
    release: str | None

    def __str__(self) -> str:
        return f"{self.distribution} {self.release or f'of unknown release in {self.folder}'}"


def installed_release() -> str | None:
    """Give the release that is imported, None where there is none, or no single known one."""
    found = _found()
    releases = {package.release for package in found}
    # The transformer and its like need ltx-core alone.
    return releases.pop() if len(releases) == 1 and found[0].distribution == "ltx-core" else None


def require_release(release: str) -> None:
    """Refuse, in one line, when another release, none, or a mixture of several would be imported."""
    if installed_release() == release:
        return
    found = _found()
    # One release in both: named once.
    told = found[:1] if installed_release() is not None else found
    raise BadInputError(
        "official LTX-2 code",
        " beside ".join(map(str, told)) if found else "ltx-core is not installed",
        f"ltx-core {release}, and ltx-pipelines of that release",
        f"{_HOW_TO_GET.get(release, _FROM_SOURCE)}, or use --reference recorded",
    )


def _found() -> list[_Found]:
    return [
        _Found(distribution, folder, _release_of(distribution, folder))
        for package, distribution in _PACKAGES.items()
        if (folder := _folder_of(package)) is not None
    ]


def _folder_of(package: str) -> Path | None:
    spec = find_spec(package)
    # No origin: a folder of that name without code in it.
    return None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent


def _release_of(distribution: str, folder: Path) -> str | None:
    try:
        installed = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        installed = None
    if installed is not None and Path(str(installed.locate_file(folder.name))).resolve() == folder:
        return installed.version
    # A source tree: the project file is two folders up, or three with a folder `src` between.
    for project in (folder.parent / "pyproject.toml", folder.parent.parent / "pyproject.toml"):
        if project.is_file():
            return _release_in(project, distribution)
    return None


def _release_in(project: Path, distribution: str) -> str | None:
    try:
        table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        release = table["version"] if table["name"] == distribution else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return release if isinstance(release, str) else None
