"""Compiled code on disk: never stale, never required, safe to write from two processes."""

import subprocess
import sys
from pathlib import Path

import metrics_cases as cases
import numba
import numpy as np
import pytest
import torch

from parity.metrics.compiled import cached as module
from parity.metrics.compiled import drive, fingerprint, layout
from parity.metrics.compiled.kinds import KINDS
from parity.metrics.exactness import SUPPORTED
from parity.metrics.fingerprint import PROJECTION_COUNT, SIGN_TILE
from parity.metrics.scaled import LEAST_SQUARES, MOST_SQUARES

pytestmark = cases.compiled
PROGRAM = "import torch; from parity.metrics import compare; print(compare(torch.ones(3), torch.zeros(3)).max_abs)"


@pytest.mark.parametrize("outermost", [drive._outermost, fingerprint._outermost])
def test_a_pass_encloses_the_hash_of_all_its_sources(outermost):
    # numba's key for what is on disk has the values that a function encloses, and nothing of what it calls.
    (cell,) = outermost("a hash").__closure__
    assert cell.cell_contents == "a hash"


def test_the_hash_follows_every_source(monkeypatch, tmp_path):
    folder = Path(module.__file__).parent
    for source in folder.glob("*.py"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(module, "__file__", str(tmp_path / "cached.py"))
    seen = {module._sources.__wrapped__()}
    for source in sorted(tmp_path.glob("*.py")):
        source.write_bytes(source.read_bytes() + b"# changed\n")
        seen.add(module._sources.__wrapped__())
    assert len(seen) == 1 + len(list(folder.glob("*.py")))


def answer(_sources):
    def pass_(number):
        return number + 1

    return pass_


@pytest.mark.parametrize("error", [RuntimeError("no locator"), OSError(28, "disk full"), EOFError("cut short")])
def test_where_nothing_can_be_kept_a_pass_is_compiled_all_the_same(monkeypatch, error):
    def njit(*args, cache=False, **options):
        if cache:
            raise error
        return numba.njit(*args, **options)

    monkeypatch.setattr(module, "njit", njit)
    assert module.cached(answer, "int64(int64)")(41) == 42


def test_every_supported_dtype_has_a_kind():
    assert KINDS.keys() == SUPPORTED


def test_what_both_engines_share_is_the_same():
    assert (layout.LEAST_SQUARES, layout.MOST_SQUARES) == (LEAST_SQUARES, MOST_SQUARES)
    assert layout.TILE <= 512 >= SIGN_TILE
    assert fingerprint.PROJECTION_COUNT == PROJECTION_COUNT
    assert layout.STEP_COUNT <= 1 << layout.STEP_BITS


def test_the_tables_of_keys_are_left_all_zero():
    from parity.metrics import CompareOptions
    from parity.metrics.compiled.engine import CompiledEngine
    from parity.metrics.exactness import Pair
    from parity.metrics.found import Subject

    engine = CompiledEngine()
    generator = torch.Generator().manual_seed(0)
    for dtype in SUPPORTED:
        pair = Pair(*((torch.randn(2000, generator=generator) * 3).to(dtype) for _ in range(2)))
        engine.measure(Subject((2000,), dtype, dtype), CompareOptions(), 0, pair, 0.0)
        room = engine._own.desk._room
        assert not room[layout.TABLES_AT :].any()
        assert np.any(room[: layout.TABLES_AT])


@pytest.mark.slow
def test_two_processes_may_compile_at_once(tmp_path):
    root = Path(__file__).parents[2]
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root), "PATH": ""}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=200) for process in running] == [("1.0\n", "")] * 2
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=True)
    assert again.stdout == "1.0\n"
    assert len(list(tmp_path.rglob("*.nbc"))) == 1
