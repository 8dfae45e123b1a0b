"""A small model of another kind, bound in a few lines: every verb works on it or says in one line that it cannot."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from foreign_cases import write_port

from examples.second_model import candidate, reference
from examples.second_model.binding import BINDING
from parity.binding import Binding, load_binding
from parity.cli import main
from parity.errors import BadInputError
from parity.foreign.export import check_inputs
from parity.run.forward import observe
from parity.run.statistics import read_statistics
from parity.store import Dump

ROOT = Path(__file__).parents[2]
MODEL = "examples.second_model.binding:BINDING"
FIRST = {
    "G1": "language_model.pass_short.layer00.mlp.activation",
    "G2": "language_model.pass_short.layer00.attention.attended",
    "G3": "language_model.pass_short.layer00.attention.k",
    "G4": "language_model.pass_short.layer00.in",
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = main(["run", "--model", MODEL, *arguments, "--json", "--quiet"])
    return code, json.loads(capsys.readouterr().out)


def test_the_port_is_within_its_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys)
    assert code == 0
    assert {(case["suite"], case["dtype"]) for case in told["cases"]} == {  # type: ignore[index]
        ("live", "float32"), ("live", "bfloat16"), ("drift", "bfloat16"),
    }  # fmt: skip


@pytest.mark.parametrize(("fault", "tap"), FIRST.items())
def test_every_fault_is_found_where_it_is(fault: str, tap: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys, "--fault", fault, "--suite", "live", "--dtype", "float32")
    assert code == 1
    assert told["outcome"]["first_divergence"]["tap"] == tap  # type: ignore[index]


def test_every_fault_has_its_place_here() -> None:
    assert BINDING.faults().keys() == FIRST.keys()


def test_the_two_implementations_share_no_code() -> None:
    """The port imports torch and the standard library; the original as well, and neither the other."""
    for module in (candidate, reference):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported <= {"torch", "torch.nn.functional", "collections.abc", "types"}


def test_weights_keep_every_step_alive() -> None:
    """A fault in a step that does nothing would not be seen."""
    weights = reference.weights()
    tokens = torch.arange(reference.CONTEXT)[None]
    before = reference.load(weights)(tokens)
    for name, tensor in weights.items():
        # A token that is in the text, a place, a row of a matrix.
        moved = tensor.clone()
        moved[1] += 0.5
        after = reference.load({**weights, name: moved})(tokens)
        # The softmax does not see what a key's bias adds to all logits of a query.
        assert torch.equal(before, after) == False or name.endswith("key.bias"), name  # noqa: E712


def test_a_plain_binding_is_a_binding() -> None:
    bound: Binding = BINDING
    for name in (entry for entry in vars(Binding) if not entry.startswith("_")):
        assert callable(getattr(bound, name)), name


@pytest.mark.parametrize(
    "arguments",
    [
        ["gate"],
        ["forecast", "--numerics", "bf16"],
        ["trajectory", "--candidate", "bf16"],
        ["run", "--device", "cuda"],
        ["run", "--release", "2"],
        ["run", "--real-size"],
        ["run", "--reference", "recorded"],
        ["run", "--stage", "none"],
        ["run", "--case", "none"],
        ["run", "--suite", "none"],
        ["run", "--dtype", "float64"],
        ["run", "--fault", "none"],
        ["run", "--suite", "drift", "--dtype", "float32"],
        ["capture", "{new}", "--case", "text", "--side", "port"],
        ["capture", "{new}", "--case", "text", "--side", "candidate", "--device", "cuda"],
    ],
)
def test_what_the_model_does_not_have_is_refused_in_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one.format(new=tmp_path / "new.h5") for one in arguments]
    assert main([*given, "--model", MODEL, "--quiet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", ["candidate", "reference"])
def test_a_dump_is_judged_against_the_live_port(side: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dump.h5"
    common = ["--model", MODEL, "--quiet"]
    assert main(["capture", str(path), "--case", "text", "--side", side, "--dtype", "float32", *common]) == 0
    assert main(["compare", str(path), "--live", *common]) == 0
    with Dump.open(path) as dump:
        assert dump.names == tuple(BINDING.taps("text"))
    other = tmp_path / "other.h5"
    options = [
        "--case",
        "text",
        "--side",
        "candidate",
        "--dtype",
        "float32",
        "--taps",
        "*.layer01.*",
        "--max-tokens",
        "4",
    ]
    assert main(["capture", str(other), *options, *common]) == 0
    with Dump.open(other) as dump:
        assert all("layer01" in name for name in dump.names)
        assert len(dump.manifest.dropped) == len(dump.names)
    assert main(["compare", str(other), "--live", *common]) == 3
    capsys.readouterr()


def test_statistics_alone_are_captured(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    options = ["--case", "text", "--side", "candidate", "--dtype", "float32", "--taps", "*.layer01.*", "--statistics"]
    assert main(["capture", str(path), *options, "--model", MODEL, "--quiet"]) == 0
    found = read_statistics(path)
    assert list(found.taps) == [name for name in BINDING.taps("text") if "layer01" in name]
    assert found.manifest.tap_count == len(found.taps)


NOT_FOUND = {
    "an unknown name": "none",
    "no such module": "no.such.module:BINDING",
    "no such attribute": "examples.second_model.binding:NONE",
    "nothing behind the colon": "examples.second_model.binding:",
    "nothing before it": ":BINDING",
    "no binding": "examples.second_model.binding:Path",
}


@pytest.mark.parametrize("name", NOT_FOUND.values(), ids=NOT_FOUND.keys())
def test_a_binding_that_cannot_be_had_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        load_binding(name)
    assert str(refusal.value).startswith(f"model {name!r}")
    assert "\n" not in str(refusal.value)


def test_a_binding_of_another_project_is_found_where_the_command_runs(tmp_path: Path) -> None:
    """With what is installed and a file beside it, and nothing on the path."""
    (tmp_path / "mine.py").write_text(
        "from examples.second_model.binding import BINDING as FOUND\nfrom dataclasses import replace\n"
        "BINDING = replace(FOUND, name='mine')\n",
        encoding="utf-8",
    )
    path = f"import sys; sys.path[:] = [p for p in sys.path if p]; sys.path.append({str(ROOT)!r})"
    code = "from parity.cli import main; sys.exit(main(['run', '--list', '--model', 'mine:BINDING']))"
    done = subprocess.run(
        [sys.executable, "-c", f"{path}; {code}"],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "G4" in done.stdout


def test_a_binding_without_a_verb_is_refused_naming_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_a_binding.py").write_text(
        "class Half:\n    def stages(self): return {}\nBINDING = Half()\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(BadInputError, match="a Half without suites"):
        load_binding("half_a_binding:BINDING")
    assert sys.path == before


@pytest.mark.parametrize("fault", ["G2", "G3"])
def test_a_foreign_port_is_blamed_where_it_is_wrong(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The faulty port's tensors in a file of another language's making: fused, and under other names."""
    forwards = BINDING._forwards("text", torch.float32)
    model = BINDING._model("candidate", torch.float32, fault)
    seen = {name: tensor for forward in forwards for name, tensor in observe(model, forward).items()}
    assert main(["inputs", "--model", MODEL, "--case", "text", "--output", str(tmp_path / "inputs"), "--quiet"]) == 0
    write_port(
        tmp_path / "port.safetensors",
        {name.replace(".", "/"): tensor.transpose(0, 1) for name, tensor in seen.items()},
        check_inputs(tmp_path / "inputs").identity,
    )
    entries = [
        f'[[tap]]\ntap = "{name}"\nfrom = "{name.replace(".", "/")}"\nsteps = [{{ transpose = [0, 1] }}]\n'
        for name in seen
    ]
    (tmp_path / "map.toml").write_text("schema = 1\n" + "".join(entries), encoding="utf-8")
    common = ["--model", MODEL, "--quiet"]
    reference = str(tmp_path / "reference.h5")
    assert main(["capture", reference, "--case", "text", "--side", "reference", "--dtype", "float32", *common]) == 0
    files = [reference, str(tmp_path / "port.safetensors"), "--mapping", str(tmp_path / "map.toml")]
    capsys.readouterr()
    assert main(["compare", *files, "--suite", "live", "--json", *common]) == 1
    told = json.loads(capsys.readouterr().out)
    (blame,) = [forward["blame"] for case in told["cases"] for forward in case["forwards"]]
    assert blame["tap"] == FIRST[fault]
    if fault == "G3":
        assert "attention.v" in blame["hint"]
