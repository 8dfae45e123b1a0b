"""Who may import whom: the laws hold, and each of them can fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A law of pyproject.toml, the file to break it in, and the import that does.
BREACHES = [
    ("The model does not know that it is watched", "ltx_port/transformer/block.py", "import parity.errors"),
    ("The engine knows no model", "parity/run/forward.py", "import ltx_port.errors"),
    ("The engine knows no model", "parity/cli/run.py", "import parity.ltx23.world"),
    ("The engine knows no model", "parity/cli/gate.py", "import ltx_port.certificate.search"),
    ("The model does not know that it is watched", "ltx_port/certificate/search.py", "import parity.errors"),
    ("A stage computes with or without a certificate", "ltx_port/text/encoder.py", "import ltx_port.certificate"),
    ("Only the gate deals in certificates", "parity/ltx23/workers.py", "import ltx_port.certificate.search"),
    ("The reference shares no code with the port", "reference_dumps/official/positions.py", "import ltx_port.errors"),
    ("Only the adapter imports the official packages", "parity/ltx23/world.py", "import ltx_core"),
    ("The parts of the engine are in layers", "parity/taps/plan.py", "import parity.run.forward"),
    ("The parts of the engine are in layers", "parity/blame/locate.py", "import parity.run.forward"),
    ("The parts of the engine are in layers", "parity/run/oracle.py", "import parity.sketch.read"),
    ("The engine knows no model", "parity/sketch/recipe.py", "import parity.ltx23.operations"),
    ("The engine knows no model", "parity/blame/operations.py", "import parity.ltx23.operations"),
    ("Parts of the transformer import in one direction", "ltx_port/transformer/rope.py",
     "import ltx_port.transformer.block"),
    ("The ends of the pipeline know nothing of what lies between them", "ltx_port/mp4/frames.py",
     "import ltx_port.video_vae.frames"),
]  # fmt: skip


def lint(folder: Path) -> str:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    environment = {"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 0) == ("BROKEN" not in done.stdout), done.stdout
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for package in ("ltx_port", "parity", "reference_dumps"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.h5"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_laws_hold(tree: Path) -> None:
    assert "BROKEN" not in lint(tree)


def test_every_law_can_fail(tree: Path) -> None:
    """All breaches at once, each in its own file: every law must be reported broken."""
    for _, file, statement in BREACHES:
        path = tree / file
        path.write_text(path.read_text(encoding="utf-8") + f"\n{statement}\n", encoding="utf-8")
    report = lint(tree)
    for law in {law for law, _, _ in BREACHES}:
        assert f"{law} BROKEN" in report, report


def test_every_law_has_a_breach() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    laws = {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}
    assert laws == {law for law, _, _ in BREACHES}


def test_the_engine_law_covers_every_part_of_the_engine() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (law,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["name"] == "The engine knows no model"]
    parts = {p.stem for p in (ROOT / "parity").iterdir() if (p.is_dir() and any(p.glob("*.py"))) or p.suffix == ".py"}
    parts -= {"__init__", "__main__", "ltx23"}
    assert {f"parity.{part}" for part in parts} == set(law["source_modules"])


def test_only_the_adapter_mentions_the_official_packages() -> None:
    """Imports by name inside functions included."""
    offenders = [
        str(path.relative_to(ROOT))
        for folder in ("ltx_port", "parity", "reference_dumps", "tools", "examples")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("import ltx_", "from ltx_core", "from ltx_pipelines"))
        and ("ltx_core" in line or "ltx_pipelines" in line)
        and "official" not in path.parts
    ]
    assert offenders == []


def test_nothing_loads_pickles() -> None:
    folders = ("ltx_port", "parity", "reference_dumps", "tools", "examples")
    sources = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
    assert sources
    for path in sources:
        text = path.read_text(encoding="utf-8")
        for call in ("torch.load(", "pickle", "np.load(", "joblib", "shelve", "marshal"):
            assert call not in text, f"{path}: {call}"
