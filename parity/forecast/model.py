"""Local errors as random vectors: of the measured sizes, correlated as measured, without a preferred direction.

A component errs alike wherever it is used with like input: the rounded weights of a block push the conditioned and
the negative pass the same way, in every step. So the uses of one component whose errors have one shape are drawn
together, with the matrix of inner products that was measured between them. Errors of different components, and of
different shapes, are drawn independently.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from parity.forecast.local import Use

Injection = Mapping[int, Mapping[str, Tensor]]
"""For each link: the error to add to each tensor that it gives."""


class Group(NamedTuple):
    """Uses that are drawn together, and the factor H of their inner products H H^T, float64 [uses, uses]."""

    component: str
    uses: tuple[Use, ...]
    factor: Tensor


class ErrorModel:
    """The distribution that local errors are drawn from."""

    def __init__(self, groups: Iterable[Group]):
        self.groups = tuple(groups)

    @classmethod
    def measured(cls, uses: Iterable[Use]) -> "ErrorModel":
        """Give the model of the errors that were measured."""
        alike: dict[tuple[str, tuple[int, ...]], list[Use]] = defaultdict(list)
        for use in uses:
            if use.error > 0:
                alike[use.component, use.shape].append(use)
        return cls(
            Group(component, tuple(found), _factor(inner_products(found))) for (component, _), found in alike.items()
        )

    @classmethod
    def independent(cls, sized: Iterable[tuple[Use, float]]) -> "ErrorModel":
        """Give a model in which each use errs by a vector of this norm, independently of all others."""
        return cls(
            Group(use.component, (use,), torch.tensor([[size]], dtype=torch.float64)) for use, size in sized if size > 0
        )

    def components(self) -> tuple[str, ...]:
        """Name the components that err."""
        return tuple(dict.fromkeys(group.component for group in self.groups))

    def draw(self, seed: int, scale: float = 1.0, only: str | None = None) -> Injection:
        """Draw an error for every use, `scale` times as large; of one component `only`, or of all.

        A component's errors are the same whether it is drawn alone or with the others.
        """
        found: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for group in self.groups:
            if only in (None, group.component):
                for use, error in zip(group.uses, _drawn(group, seed), strict=True):
                    found[use.link][use.key] = error.mul_(scale).view(use.shape)
        return found


def inner_products(uses: Sequence[Use]) -> Tensor:
    """Give the inner products of the errors of uses of one shape, float64 [uses, uses], from their samples."""
    samples = torch.stack([use.sample.double() for use in uses])
    norms = torch.tensor([use.error for use in uses], dtype=torch.float64)
    cosines = torch.nn.functional.normalize(samples) @ torch.nn.functional.normalize(samples).T
    # Also where the sample missed the few elements that differ.
    cosines.fill_diagonal_(1.0)
    return cosines * norms * norms.view(-1, 1)


def _factor(products: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(products)
    # What rounding leaves below zero is zero: inner products have no negative directions.
    return vectors * values.clamp(min=0).sqrt()


def _drawn(group: Group, seed: int) -> Tensor:
    """Draw float32 [uses, elements]."""
    shape = group.uses[0].shape
    generator = torch.Generator().manual_seed(_stream(seed, group))
    elements = max(1, torch.Size(shape).numel())
    white = torch.randn(len(group.uses), elements, generator=generator, dtype=torch.float32)
    return (group.factor.float() @ white) / elements**0.5


def _stream(seed: int, group: Group) -> int:
    first = group.uses[0]
    digest = hashlib.sha256(f"{seed}\0{first.component}\0{first.link}\0{first.key}\0{first.shape}".encode()).digest()
    return int.from_bytes(digest[:7], "little")


def mean_correlations(uses: Iterable[Use]) -> tuple[float | None, float | None]:
    """Give the mean correlation of a component's errors (across links, across the tensors of one link).

    Across links the same tensor is compared: block 7 of one step with block 7 of another. Across tensors those of one
    shape: the passes of guidance. None where there are no two.
    """
    found: dict[str, list[float]] = {"links": [], "tensors": []}
    for group in ErrorModel.measured(uses).groups:
        products = inner_products(group.uses)
        lengths = products.diagonal().sqrt()
        cosines = (products / lengths / lengths.view(-1, 1)).tolist()
        for i, j in combinations(range(len(group.uses)), 2):
            one, other = group.uses[i], group.uses[j]
            if one.key == other.key:
                found["links"].append(cosines[i][j])
            elif one.link == other.link:
                found["tensors"].append(cosines[i][j])
    links, tensors = (sum(values) / len(values) if values else None for values in found.values())
    return links, tensors


def together(*injections: Injection) -> dict[int, dict[str, Tensor]]:
    """Add up injections."""
    found: dict[int, dict[str, Tensor]] = {}
    for injection in injections:
        for link, errors in injection.items():
            here = found.setdefault(link, {})
            for key, error in errors.items():
                here[key] = here[key] + error if key in here else error
    return found
