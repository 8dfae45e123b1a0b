"""No code path turns a file into objects of the file's choice."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ltx_port", "parity", "reference_dumps", "tools", "benchmarks")
UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "pandas", "yaml"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# Modules of which `load` reads pickles unless told otherwise.
LOADERS = {"torch", "np", "numpy"}


def breaches(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (f"import {name}" for name in names if name.partition(".")[0] in UNPICKLERS)
        if isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(call: ast.Call) -> Iterator[str]:
    told = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    if isinstance(call.func, ast.Name) and call.func.id in BUILTINS:
        yield call.func.id
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        module, name = call.func.value.id, call.func.attr
        if module in LOADERS and name == "load" and not (module == "torch" and told.get("weights_only") is True):
            yield f"{module}.load"
        if module == "torch" and name in ("hub", "package"):
            yield f"torch.{name}"
    for key in ("allow_pickle", "trust_remote_code"):
        if key in told and told[key] is not False:
            yield key
    if told.get("weights_only", True) is not True:
        yield "weights_only"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_unpickles(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = [f"{path.relative_to(ROOT)}: {what}" for path in files for what in breaches(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)", "np.load('x')", "np.load('x', allow_pickle=True)", "eval('1')",
        "import joblib.numpy_pickle", "Model.from_pretrained('x', trust_remote_code=True)", "load(x, weights_only=no)",
    ],
)  # fmt: skip
def test_the_law_sees_a_breach(source: str) -> None:
    assert list(breaches(source))


def test_the_law_lets_be_what_reads_no_pickle() -> None:
    assert not list(breaches("torch.load('x', weights_only=True)\nre.compile('x')\njson.load(x)\nmodel.eval()"))
