"""Local errors as random vectors.

A component errs alike wherever it is used with like input: the rounded weights of a block push all tokens, the
conditioned and the negative pass, and every step the same way. So an error is drawn from the measured ones by giving
each channel (index of the last axis) a random sign, the same in all uses of a component: sizes, channel by channel, and
correlations between tokens, tensors and links stay as measured; between channels, and between components, they are
drawn anew.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from parity.chain.vectors import white
from parity.forecast.local import Use

SAMPLE = 1 << 16
"""How many elements of an error, evenly spaced, are looked at to see what it has in common with others."""

Injection = Mapping[int, Mapping[str, Tensor]]
"""For each link: the error to add to each tensor that it gives."""


def drawn_signs(uses: Iterable[Use], seed: int, scale: float = 1.0) -> Injection:
    """Draw an error for every use that errs, `scale` times as large as measured.

    A component's errors are the same whether it is drawn alone or with others.
    """
    found: dict[int, dict[str, Tensor]] = defaultdict(dict)
    signs: dict[tuple[str, int], Tensor] = {}
    for use in uses:
        if use.vector is None:
            continue
        channels = use.vector.shape[-1] if use.vector.ndim else 1
        if (use.component, channels) not in signs:
            generator = torch.Generator().manual_seed(_stream(seed, use.component, channels))
            drawn = torch.randint(0, 2, (channels,), generator=generator, dtype=torch.float32)
            signs[use.component, channels] = (drawn * 2 - 1).to(use.vector.device)
        found[use.link][use.key] = (use.vector * signs[use.component, channels] * scale).view(use.vector.shape)
    return found


def drawn_white(sized: Iterable[tuple[Use, float]], seed: int, scale: float = 1.0) -> Injection:
    """Draw white noise for every use, of the norm given with it times `scale`, independently of all others."""
    found: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for use, size in sized:
        if size > 0:
            generator = torch.Generator().manual_seed(_stream(seed, use.component, use.link, use.key))
            found[use.link][use.key] = white(torch.empty(use.shape), size * scale, generator)
    return found


def together(*injections: Injection) -> dict[int, dict[str, Tensor]]:
    """Add up injections."""
    found: dict[int, dict[str, Tensor]] = {}
    for injection in injections:
        for link, errors in injection.items():
            here = found.setdefault(link, {})
            for key, error in errors.items():
                here[key] = here[key] + error.to(here[key].device) if key in here else error
    return found


def mean_correlations(uses: Iterable[Use]) -> tuple[float | None, float | None]:
    """Give the mean correlation of a component's errors (across links, across the tensors of one link).

    Across links the same tensor is compared: block 7 of one step with block 7 of another. Across tensors those of one
    shape: the passes of guidance. None where there are no two.
    """
    alike: dict[tuple[int, ...], list[Use]] = defaultdict(list)
    for use in uses:
        if use.vector is not None:
            alike[use.shape].append(use)
    found: dict[str, list[float]] = {"links": [], "tensors": []}
    for same in alike.values():
        cosines = _cosines(same)
        for i, j in combinations(range(len(same)), 2):
            if same[i].key == same[j].key:
                found["links"].append(cosines[i][j])
            elif same[i].link == same[j].link:
                found["tensors"].append(cosines[i][j])
    links, tensors = (sum(values) / len(values) if values else None for values in found.values())
    return links, tensors


def _cosines(uses: Sequence[Use]) -> list[list[float]]:
    vectors = [use.vector.flatten() for use in uses if use.vector is not None]
    stride = -(-vectors[0].numel() // SAMPLE)
    samples = torch.nn.functional.normalize(torch.stack([vector[::stride].double() for vector in vectors]))
    cosines: list[list[float]] = (samples @ samples.T).tolist()
    return cosines


def _stream(seed: int, *of: object) -> int:
    """Give the seed of a stream of numbers of its own."""
    digest = hashlib.sha256("\0".join(map(str, (seed, *of))).encode()).digest()
    return int.from_bytes(digest[:7], "little")
