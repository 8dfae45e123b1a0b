"""Toy models, plans and recordings which the engine's tests have in common."""

import torch
from torch import nn

from parity.judge import Budgets
from parity.run.forward import Forward, Implementation, observe
from parity.run.record import CaseResult, RunResult
from parity.taps import CallSite, Port, TapPlan, TapPoint

WIDTH = 4
DOUBLED = "engine_cases:doubled"


def doubled(x, *, by=2.0):
    return x * by


class Shapes(nn.Module):
    """Gives its inputs back in the shape that it was made with."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, a, *rest, b=None, **named):
        return self.make(a)


class Caller(nn.Module):
    """Calls `doubled` once for each number, looked up where it is patched; then runs its parts."""

    def __init__(self, by, *parts):
        super().__init__()
        self.by, self.parts = by, nn.ModuleList(parts)

    def forward(self, x):
        for by in self.by:
            x = doubled(x, by=by)
        for part in self.parts:
            x = part(x)
        return doubled(x, by=self.by[-1]) if self.parts else x


class Wrapped(nn.Module):
    def __init__(self, inner, run):
        super().__init__()
        self.inner, self.run = inner, run

    def forward(self, x):
        return self.run(self.inner, x)


class Block(nn.Module):
    """A residual step of two layers, with a constant."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.scale = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), 0.5

    def forward(self, tokens):
        return tokens + self.second(torch.tanh(self.first(tokens)) * self.scale)


class Tower(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(depth))

    def forward(self, tokens):
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


class OtherBlock(nn.Module):
    """The same arithmetic under other names: a dict comes in, a dict goes out."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, state):
        x = state["x"]
        return {"x": x + self.down(torch.tanh(self.up(x)) * 0.5)}


class OtherTower(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.layers = nn.ModuleList(OtherBlock() for _ in range(depth))

    def forward(self, x):
        state = {"x": x}
        for layer in self.layers:
            state = layer(state)
        return state["x"]


def towers(depth=3, dtype=torch.float32):
    """Build both implementations with the same weights."""
    torch.manual_seed(0)
    reference, candidate = Tower(depth), OtherTower(depth)
    for block, layer in zip(reference.blocks, candidate.layers, strict=True):
        layer.up.load_state_dict(block.first.state_dict())
        layer.down.load_state_dict(block.second.state_dict())
    return candidate.to(dtype), reference.to(dtype)


def tower_plan(depth=3):
    """Lay out the taps of the towers: what each block receives, its two layers, what it hands on."""
    taps = []
    for i in range(depth):
        own, other, group = f"layers.{i}", f"blocks.{i}", f"block{i}"
        taps += [
            point(f"{group}.in", group, boundary=True, own=f"{own}>in.state.x", ref=f"{other}>in.tokens"),
            point(f"{group}.first", group, own=f"{own}.up>out", ref=f"{other}.first>out"),
            point(f"{group}.second", group, own=f"{own}.down>out", ref=f"{other}.second>out"),
            point(f"{group}.out", group, output=True, own=f"{own}>out.x", ref=f"{other}>out"),
        ]
    return TapPlan(tuple(taps))


def point(name, group="all", *, boundary=False, output=False, **ports):
    return TapPoint(name, group, {side: Port.parse(text) for side, text in ports.items()}, boundary, output)


def plan_of(ports, sites=()):
    """Make a plan for the one implementation `own`: names to ports, and its call sites."""
    taps = tuple(point(name, own=port) for name, port in ports.items())
    return TapPlan(taps, {"own": tuple(CallSite(name, target, calls) for name, target, calls in sites)})


def call(module, inputs):
    module(*inputs)


def observed(module, ports, *inputs, sites=()):
    return observe(Implementation("own", module, call), Forward("toy", inputs, plan_of(ports, sites)))


def tower_forward(depth=3, dtype=torch.float32):
    tokens = torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(1)).to(dtype)
    return Forward("toy", (tokens,), tower_plan(depth))


EXACT = """
schema = 1
[[budget]]
suite = "toy"
rule = "bit-identical"
taps = ["*"]
reason = "a test"
"""


def budgets(folder, text=EXACT):
    path = folder / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    return Budgets.load(path)


def run_of(*forwards):
    return RunResult((CaseResult("toy", "case", "a test", "float32", forwards),), {})


def one_line(error, *parts):
    """Require a refusal in one line which says each of the parts."""
    text = str(error)
    assert len(text.splitlines()) == 1
    for part in parts:
        assert part in text
    return True
