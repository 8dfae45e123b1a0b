"""Nothing of the port is unproven: every module is tapped, and every function of it is run by some case."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import ltx_port
from parity.ltx23.stage import Case
from parity.ltx23.stages import CASES, STAGES, stage_of
from parity.ltx23.world import World
from parity.run.forward import observe

PORT = Path(ltx_port.__file__).parent
# What a case need not run, each with the reason: a folder, a file, or one function of a file.
UNPROVEN = {
    "certificate": "computes no tensor, and says whether the rest was proven: tests/certificate",
    "checkpoint": "reads files: tests/checkpoint",
    "errors.py": "refusals: tested where they are raised",
    "footprint": "counts bytes: tests/port/test_footprint.py",
    "lora/fusion.py: LoraFusion.read_to_host": "gives the bits of `read`, which is proven: tests/port/test_offload.py",
    "offload": "gives the bits of layers that are not streamed: tests/port/test_offload.py, and on a GPU with -m gpu",
    "cli": "the command line: tests/generate",
    "latents/geometry.py: _nearest": "words of a refusal: tests/generate",
    "pipeline/determinism.py": "settings of torch, made before a case runs: tests/generate",
    "pipeline/hidden_states.py": "a file: tests/generate",
    "pipeline/meter.py": "measures seconds and bytes: tests/port/test_meter.py",
    "pipeline/negative.py": "a text: tests/generate",
    "pipeline/peak.py": "measures bytes: tests/port/test_meter.py",
    "pipeline/watch.py": "who is told of a run: tests/generate",
    "release.py": "names of releases",
    "text/gemma.py: check_gemma_root": "refusals before anything is loaded: tests/generate",
    "text/gemma_weights.py: GemmaWeights.read_to_host": "as in `offload`",
    "text/transformers_import.py": "runs once in a process, when transformers is first imported: tests/port",
    "picture/refusals.py": "what is wrong with a file: tests/port/test_picture.py",
    "mp4/publish.py": "names and disks, no numbers: tests/port/test_mp4_publish.py",
    "mp4/write.py": "one call of Mp4Writer, which the cases make: tests/port/test_mp4.py",
    "mp4/metadata.py": "texts, no numbers: tests/port/test_mp4.py",
    "mp4/disk.py": "estimates: tests/port/test_mp4_publish.py",
    "mp4/wav.py": "samples that the cases show, in a file of another kind: tests/port/test_mp4_others.py",
    "mp4/png.py": "bytes that the cases show, in a file of another kind: tests/port/test_mp4_others.py",
}


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_of_the_port_is_tapped(stage: str) -> None:
    """A step that no tap shows could be wrong without anybody seeing where."""
    tapped, leaves, names, paths = set[str](), set[str](), set[str](), set[str]()
    elsewhere = STAGES[stage].proven_elsewhere
    with World() as world:
        for case in (case for case in STAGES[stage].cases if not case.real_size):
            dtype = case.dtypes[0]
            root = world.port(case, dtype).root
            paths |= {path for path, _ in root.named_modules()}
            leaves |= {path for path, module in root.named_modules() if not list(module.children()) and path}
            for forward in world.forwards(case, dtype):
                tapped |= {tap.ports["port"].module for tap in forward.plan}
                names |= set(forward.plan.names)
    behind = STAGES[stage].seen_behind
    unseen = {leaf for leaf in leaves - tapped if not any(leaf.startswith((p, f"{p}.")) for p in elsewhere)}
    assert {leaf for leaf in unseen if not any(leaf.endswith(end) for end in behind)} == set()
    assert set(elsewhere) <= paths
    for end, tap in behind.items():
        assert any(leaf.endswith(end) for leaf in leaves), f"{end}: no such module"
        assert any(name.endswith(tap) for name in names), f"{tap}: no such tap"


def test_every_function_of_the_port_is_run_by_some_case() -> None:
    """A component without its reference case fails here: what no case runs, nothing proves.

    Release 1.0.0 is proven live in every tiny case, 1.2.0 by the recorded ones. Once every function has run the other
    cases can add nothing.
    """
    ran: set[tuple[str, str]] = set()
    wanted = set(defined())
    forget_cached()
    with World(release="1.0.0") as older, World(release="1.2.0") as newer, recording_calls(ran):
        for world, case in runs(older, newer):
            run_port(world, case)
            if wanted <= ran:
                break
    assert [f"{file}: {name}" for file, name in sorted(wanted - ran)] == []


def runs(older: World, newer: World) -> list[tuple[World, Case]]:
    """Give every case that proves something of a release; whole generations last, the shortest of them first."""
    tiny = [case for case in CASES.values() if not (case.real_size or case.thorough)]
    every = [*((older, case) for case in tiny), *((newer, case) for case in tiny if case.recorded)]
    return sorted(every, key=lambda run: (stage_of(run[1]).id == "pipeline") * (1 + (not run[1].recorded)))


def forget_cached() -> None:
    """Let functions run again that remember what they gave to an earlier test."""
    for name in [name for name in sys.modules if name.partition(".")[0] == ltx_port.__name__]:
        for value in list(vars(sys.modules[name]).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def run_port(world: World, case: Case) -> None:
    for forward in world.forwards(case, case.dtypes[0]):
        observe(world.port(case, case.dtypes[0]), forward)


def test_a_component_that_no_case_runs_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "unproven.py").write_text("class Step:\n    def forward(self, x):\n        return x\n")
    assert list(defined(tmp_path)) == [("unproven.py", "Step.forward")]


def defined(folder: Path = PORT) -> Iterator[tuple[str, str]]:
    """Give (file, qualified name) of every function, but those that need no case."""
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if not {inside.parts[0], str(inside)} & UNPROVEN.keys():
            for name in functions(ast.parse(path.read_text(encoding="utf-8")), ""):
                if f"{inside}: {name}" not in UNPROVEN:
                    yield str(inside), name


def functions(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef) and not is_refusal(child):
            yield f"{prefix}{child.name}"


def is_refusal(function: ast.FunctionDef) -> bool:
    """Whether a function only makes an error: one that no good input reaches."""
    return ast.unparse(function.returns or ast.Constant(None)) in {"InputError", "NoReturn"}


@contextmanager
def recording_calls(ran: set[tuple[str, str]]) -> Iterator[None]:
    root = f"{PORT}/"

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            file = frame.f_code.co_filename
            if file.startswith(root):
                ran.add((file.removeprefix(root), frame.f_code.co_qualname))

    before = sys.gettrace()
    # Tells of calls alone, where a profile tells of returns and of functions in C as well.
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)
