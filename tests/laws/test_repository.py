"""Laws of the repository itself."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    try:
        listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def test_committed_data_is_small() -> None:
    data = [path for path in tracked() if path.suffix in {".h5", ".safetensors", ".json", ".png", ".mp4"}]
    assert sum(path.stat().st_size for path in data) < 25e6


def test_no_machine_path_is_committed() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".json", ".txt", ""} and path != Path(__file__)
        for match in re.finditer(
            r"(/home/\w+|/work/\w+|/root/|/opt/pypi)", path.read_text(encoding="utf-8", errors="replace")
        )
    ]
    assert found == []


def test_no_junk_drawers() -> None:
    assert [path for path in tracked() if path.stem in {"utils", "helpers", "common", "misc"}] == []


def test_files_and_functions_have_a_reasonable_size() -> None:
    code = [path for path in tracked() if path.suffix == ".py" and "tests" not in path.parts]
    assert [path for path in code if path.read_text(encoding="utf-8").count("\n") > 400] == []
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in code
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or node.lineno) - node.lineno >= 50
    ]
    assert long == []
