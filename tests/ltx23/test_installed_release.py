"""Which official release is found: the installed one, or the sources in front of it; never a guess."""

import importlib
import sys
from pathlib import Path

import pytest

from parity.errors import BadInputError
from parity.ltx23.choice import installed
from reference_dumps.official.installed import COMMITS, installed_release, require_release

PACKAGES = {"ltx_core": "ltx-core", "ltx_pipelines": "ltx-pipelines"}


@pytest.fixture
def nothing_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where neither package is installed or imported."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not list(Path(path).glob("ltx_*"))])
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def front(nothing_found: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks into first."""
    look_into(tmp_path, monkeypatch)
    return tmp_path


def look_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    importlib.invalidate_caches()


def package(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise RuntimeError('looked for, not imported')\n")
    return folder


def distribution(folder: Path, name: str, release: str) -> None:
    """Lay a package out as pip does."""
    package(folder, name)
    info = folder / f"{name}-{release}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGES[name]}\nVersion: {release}\n")


def sources(root: Path, name: str, project: str | None, monkeypatch: pytest.MonkeyPatch, inside: str = "src") -> None:
    """Lay a package out as in a repository, in front of what is there."""
    look_into(package(root / name / inside, name), monkeypatch)
    if project is not None:
        (root / name / "pyproject.toml").write_text(project)


def project(name: str, release: str) -> str:
    return f'[project]\nname = "{PACKAGES[name]}"\nversion = "{release}"\n'


@pytest.mark.usefixtures("nothing_found")
def test_nothing_is_found_where_nothing_is() -> None:
    assert installed_release() is None
    with pytest.raises(BadInputError, match=r"ltx-core is not installed.*pip install"):
        require_release("1.0.0")


def test_a_distribution_says_its_release(front: Path) -> None:
    for name in PACKAGES:
        distribution(front, name, "1.0.0")
    assert installed_release() == installed() == "1.0.0"
    require_release("1.0.0")
    with pytest.raises(BadInputError, match=r"ltx-core 1\.0\.0; expected ltx-core 1\.2\.0.*PYTHONPATH"):
        require_release("1.2.0")


def test_ltx_core_alone_is_enough(front: Path) -> None:
    distribution(front, "ltx_core", "1.0.0")
    assert installed_release() == "1.0.0"


def test_ltx_pipelines_alone_is_not(front: Path) -> None:
    distribution(front, "ltx_pipelines", "1.0.0")
    assert installed_release() is None
    with pytest.raises(BadInputError, match="ltx-pipelines 1"):
        require_release("1.0.0")


@pytest.mark.parametrize("inside", ["src", "."])
def test_sources_in_front_of_a_distribution_say_their_own_release(
    front: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    """The metadata of the distribution is still there, and is about code that is not imported."""
    for name in PACKAGES:
        distribution(front, name, "1.0.0")
        sources(front / "repository", name, project(name, "1.2.0"), monkeypatch, inside)
    assert installed_release() == installed() == "1.2.0"
    require_release("1.2.0")
    with pytest.raises(BadInputError, match=r"ltx-core 1\.2\.0; expected ltx-core 1\.0\.0"):
        require_release("1.0.0")


def test_two_releases_at_once_are_refused_naming_both(front: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PACKAGES:
        distribution(front, name, "1.0.0")
    sources(front / "repository", "ltx_core", project("ltx_core", "1.2.0"), monkeypatch)
    assert installed_release() is None
    for release in COMMITS:
        with pytest.raises(BadInputError, match=r"ltx-core 1\.2\.0 beside ltx-pipelines 1\.0\.0"):
            require_release(release)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not toml",
        "[project]\n",
        "project = 1\n",
        project("ltx_core", "1.2.0").replace("ltx-core", "another"),
        '[project]\nname = "ltx-core"\nversion = 1\n',
    ],
)
def test_sources_that_do_not_say_are_refused_in_one_line(
    front: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    distribution(front, "ltx_core", "1.0.0")
    sources(front / "repository", "ltx_core", text, monkeypatch)
    assert installed_release() is None
    with pytest.raises(BadInputError, match=r"ltx-core of unknown release in .*repository") as refusal:
        require_release("1.0.0")
    assert "\n" not in str(refusal.value)


def test_a_release_that_the_port_does_not_follow_is_not_taken_for_one(front: Path) -> None:
    distribution(front, "ltx_core", "9.9.9")
    assert installed_release() == "9.9.9"
    assert installed() is None
    with pytest.raises(BadInputError, match=r"ltx-core 9\.9\.9; expected ltx-core 1\.0\.0"):
        require_release("1.0.0")
