"""Chains whose gains are known: random linear maps, and steps with a guided combination of two passes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from parity.chain import Chain, Link, Outcome, OutcomeKind, State

WIDTH = 48
Error = Callable[[str, Tensor], Tensor]


def generator(label: str) -> torch.Generator:
    return torch.Generator().manual_seed(sum(ord(letter) * 31**place for place, letter in enumerate(label)) % 2**60)


def matrix(label: str, width: int = WIDTH) -> Tensor:
    """A random map without a preferred direction, that keeps the length of a random vector in the mean."""
    return torch.randn(width, width, generator=generator(label)) / math.sqrt(width)


def vector(label: str, width: int = WIDTH) -> Tensor:
    return torch.randn(width, generator=generator(label))


def no_error(_name: str, x: Tensor) -> Tensor:
    return torch.zeros_like(x)


def fresh(sizes: Mapping[str, float], seed: int = 0) -> Error:
    """An error of another direction in every link, of a size relative to what the link gives."""

    def error(name: str, x: Tensor) -> Tensor:
        direction = vector(f"{name}.{seed}", x.numel()).view(x.shape)
        return direction / direction.norm() * x.norm() * sizes.get(name, 0.0)

    return error


def linear(name: str, maps: Mapping[str, Tensor], error: Error = no_error) -> Chain:
    """x -> map x, a component for each link."""

    def link(label: str, weight: Tensor) -> Link:
        def forward(state: State) -> State:
            made = weight @ state["x"]
            return {"x": made + error(label, made)}

        return Link(label, label, ("x",), ("x",), forward)

    return Chain(name, tuple(link(*each) for each in maps.items()), (Outcome("x", OutcomeKind.LATENT),))


def start(seed: int = 0) -> State:
    return {"x": vector(f"start{seed}")}


@dataclass(frozen=True)
class Guided:
    """Steps of two passes a and b: x -> (map_a x, map_b x) -> 3a - 2b -> x + 0.5 * that."""

    steps: int = 4
    error: Error = no_error
    weights: tuple[float, float] = (3.0, -2.0)

    def chain(self, name: str) -> Chain:
        links = [link for step in range(self.steps) for link in self._step(step)]
        return Chain(name, tuple(links), (Outcome("x", OutcomeKind.LATENT),))

    def _step(self, step: int) -> list[Link]:
        at = f"step{step:02d}"
        maps = {"a": matrix("a"), "b": 0.9 * matrix("a") + 0.1 * matrix("b")}

        def passes(state: State) -> State:
            made = {key: weight @ state["x"] for key, weight in maps.items()}
            return {key: tensor + self.error(f"{at}.passes.{key}", tensor) for key, tensor in made.items()}

        def guide(state: State) -> State:
            return {"guided": self.weights[0] * state["a"] + self.weights[1] * state["b"]}

        def advance(state: State) -> State:
            return {"x": 0.8 * state["x"] + 0.2 * state["guided"]}

        def combines(_: State) -> dict[str, dict[str, float]]:
            return {"guided": {"a": self.weights[0], "b": self.weights[1]}}

        return [
            Link(f"{at}.passes", "passes", ("x",), ("a", "b"), passes, step),
            Link(f"{at}.guidance", "guidance", ("a", "b"), ("guided",), guide, step, combines),
            Link(f"{at}.advance", "advance", ("x", "guided"), ("x",), advance, step),
        ]


def counted(chain: Chain, calls: list[tuple[str, dict[str, Tensor]]]) -> Chain:
    """The chain, and what each of its links was called with."""

    def noting(link: Link) -> Link:
        def forward(state: State) -> State:
            calls.append((link.name, dict(state)))
            return link.forward(state)

        return replace(link, forward=forward)

    return replace(chain, links=tuple(map(noting, chain.links)))
