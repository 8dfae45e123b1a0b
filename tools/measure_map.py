"""Measure how many tensors `ltx-parity map` gives their right partner, when a port's names say nothing.

The reference is the official code (taps) or the official checkpoint (weights), the candidate the port's taps or state
dict under random words, some transposed, some permuted to heads first, query, key and value fused. Exit code 1 where
fewer than 99 % of the pairs are right, or one is wrong with high confidence.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import save_file
from torch import Tensor

from parity.binding import CaptureRequest
from parity.foreign.files import ForeignFile
from parity.foreign.proposal import Proposal, propose
from parity.ltx23.binding import BINDING
from parity.ltx23.stages import chosen_cases
from parity.ltx23.world import World, dtype_named
from parity.store import Dump, content_hash

_SYLLABLES = [first + second for first in "bdfklmnprst" for second in "aeio"]
_STEMS = (".to_q", ".to_k", ".to_v"), (".q", ".k", ".v")


@dataclass
class Scrambled:
    """A candidate's tensors under new names; `truth` maps each to the old names that it holds, in their order."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    truth: dict[str, tuple[str, ...]] = field(default_factory=dict)
    turned: int = 0
    fused: int = 0


@dataclass(frozen=True)
class Scramble:
    """How a candidate is disguised.

    `names`: `opaque` gives every tensor words of its own, `parts` every part of a name one word throughout. `shuffled`:
    the file's order is that of the new names. `turned` is the share of tensors with exchanged axes, `noise` what is
    added, over each tensor's spread.
    """

    seed: int = 0
    names: str = "opaque"
    shuffled: bool = True
    turned: float = 0.2
    fused: float = 0.5
    noise: float = 0.0

    def run(self, tensors: Mapping[str, Tensor]) -> Scrambled:
        """Disguise tensors."""
        draw, made = random.Random(self.seed), Scrambled()
        words = _Words(draw, self.names)
        entries = list(self._fuse(tensors, draw, made))
        for number, (names, tensor) in enumerate(entries):
            turned = self._turn(self._disturb(tensor, number), draw, made)
            new = words.name(names[0])
            made.tensors[new], made.truth[new] = turned, names
        if self.shuffled:
            made.tensors = dict(sorted(made.tensors.items()))
        return made

    def _fuse(
        self, tensors: Mapping[str, Tensor], draw: random.Random, made: Scrambled
    ) -> Iterable[tuple[tuple[str, ...], Tensor]]:
        threes = [three for name in tensors if (three := _thirds(name, tensors)) and draw.random() < self.fused]
        fused = {name: three for three in threes for name in three}
        made.fused = len(threes)
        for name, tensor in tensors.items():
            if name not in fused:
                yield (name,), tensor
            elif name == fused[name][0]:
                axis = 0 if name.endswith((".weight", ".bias")) else -1
                yield fused[name], torch.cat([tensors[one] for one in fused[name]], axis)

    def _disturb(self, tensor: Tensor, number: int) -> Tensor:
        if not self.noise or not tensor.dtype.is_floating_point:
            return tensor
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        spread = float(tensor.double().std(correction=0)) if tensor.numel() > 1 else 0.0
        moved = tensor + torch.randn(tensor.shape, generator=generator).to(tensor.dtype) * (self.noise * spread)
        # A mask's most negative number has no number below it.
        return moved.clamp(torch.finfo(tensor.dtype).min, torch.finfo(tensor.dtype).max)

    def _turn(self, tensor: Tensor, draw: random.Random, made: Scrambled) -> Tensor:
        moving = [axis for axis, size in enumerate(tensor.shape) if size > 1]
        if len(moving) < 2 or draw.random() >= self.turned:
            return tensor
        made.turned += 1
        first, second = draw.sample(moving, 2)
        return tensor.transpose(first, second).contiguous()


class _Words:
    def __init__(self, draw: random.Random, names: str):
        self._draw, self._names = draw, names
        self._known: dict[str, str] = {}
        self._used: set[str] = set()

    def name(self, old: str) -> str:
        if self._names == "opaque":
            return self._word()
        # Numbers count in any port.
        parts = [part if part.isdecimal() else self._known.setdefault(part, self._word()) for part in old.split(".")]
        return "/".join(parts)

    def _word(self) -> str:
        while (word := "".join(self._draw.choices(_SYLLABLES, k=5))) in self._used:
            continue
        self._used.add(word)
        return word


def _thirds(name: str, tensors: Mapping[str, Tensor]) -> tuple[str, ...] | None:
    """Give query, key and value of one attention, where `name` is the first of the three and they fit together."""
    for stems in _STEMS:
        for ending in ("", ".weight", ".bias"):
            if name.endswith(stems[0] + ending):
                stem = name.removesuffix(stems[0] + ending)
                three = tuple(f"{stem}{part}{ending}" for part in stems)
                if all(one in tensors and tensors[one].shape == tensors[name].shape for one in three):
                    return three
    return None


@dataclass(frozen=True)
class Score:
    """What a proposal got right: by name, or by value, where equal tensors stand for each other."""

    tensors: int
    pairs: int
    right_by_name: int
    right_by_value: int
    high: int
    wrong_high: int
    tied: int
    tied_right_by_name: int

    @property
    def passes(self) -> bool:
        """At least 99 % of all tensors right by value, and none wrong with high confidence by name."""
        return self.right_by_value >= 0.99 * self.tensors and self.wrong_high == 0


def score(proposal: Proposal, made: Scrambled, partner: Mapping[str, str], hashes: Mapping[str, str]) -> Score:
    """Hold a proposal to the truth; `partner` maps old names of the candidate to the reference's."""
    origin = {partner[old]: (new, place) for new, olds in made.truth.items() for place, old in enumerate(olds)}
    counts: dict[str, int] = {}
    for name in origin:
        counts[hashes[name]] = counts.get(hashes[name], 0) + 1
    by_new = {new: [partner[old] for old in olds] for new, olds in made.truth.items()}
    found = dict.fromkeys(("name", "value", "high", "wrong", "tied", "tied_name"), 0)
    for pair in proposal.pairs:
        named = _held(pair, by_new)
        exact, alike = named == pair.reference, named is not None and hashes[named] == hashes[pair.reference]
        tied = counts[hashes[pair.reference]] > 1
        found["name"] += exact
        found["value"] += alike
        found["high"] += pair.confidence >= 0.95
        found["wrong"] += pair.confidence >= 0.95 and not exact
        found["tied"] += tied
        found["tied_name"] += tied and exact
    return Score(len(origin), len(proposal.pairs), found["name"], found["value"], found["high"], found["wrong"],
                 found["tied"], found["tied_name"])  # fmt: skip


def _held(pair: Any, by_new: Mapping[str, Sequence[str]]) -> str | None:
    """Give the reference's name of what a pair takes from the candidate."""
    ((new, _),) = pair.sources[:1]
    parts = by_new[new]
    takes = [step["take"] for step in pair.steps if "split" in step]
    if len(parts) == 1:
        return parts[0] if not takes else None
    return parts[takes[0]] if takes else None


def _taps(case: str, dtype: str, folder: Path) -> tuple[Path, dict[str, Tensor], dict[str, str]]:
    paths = {side: folder / f"{side}.h5" for side in ("official", "port")}
    for side, path in paths.items():
        BINDING.capture(CaptureRequest(case, side, dtype, path, "tools/measure_map.py"))
    with Dump.open(paths["port"]) as dump:
        tensors = {name: dump.read(name) for name in dump.names}
    return paths["official"], tensors, {name: name for name in tensors}


def _weights(case: str, folder: Path) -> tuple[Path, dict[str, Tensor], dict[str, str]]:
    """Give the official checkpoint, and the port's state dict in float32, which holds bfloat16 exactly."""
    from ltx_port.checkpoint.key_map import TransformerKeyMap

    (chosen,) = chosen_cases((case,))
    with World() as world:
        port = world.port(chosen, torch.float32).root.get_submodule("transformer")
        layers = world.setting(chosen, torch.float32).config.transformer.num_layers
        path = folder / "official.safetensors"
        path.write_bytes(world.checkpoint(chosen).read_bytes())
        tensors = {name: tensor.detach().clone() for name, tensor in port.state_dict().items()}
    keys = TransformerKeyMap(layers)
    return path, tensors, {name: keys.to_official(name) for name in tensors}


def measure(what: str, case: str, dtype: str, scramble: Scramble) -> tuple[Scrambled, Score]:
    """Disguise the port, propose a mapping, and hold it to the truth."""
    with tempfile.TemporaryDirectory(prefix="measure-map-") as name:
        folder = Path(name)
        path, tensors, partner = _weights(case, folder) if what == "weights" else _taps(case, dtype, folder)
        made = scramble.run(tensors)
        target = folder / "candidate.safetensors"
        if scramble.shuffled:
            save_file(made.tensors, target)
        else:
            _write_in_order(made.tensors, target)
        with ForeignFile.open(path) as reference, ForeignFile.open(target) as candidate:
            proposal = propose(reference, candidate)
            hashes = {one: content_hash(reference.read(one)) for one in reference.names}
    return made, score(proposal, made, partner, hashes)


def _write_in_order(tensors: Mapping[str, Tensor], target: Path) -> None:
    """Write a plain safetensors file in the order given: the library's own writer sorts by name."""
    header: dict[str, Any] = {}
    begin, blobs = 0, []
    codes = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64"}
    for name, tensor in tensors.items():
        raw = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        offsets = [begin, begin + len(raw)]
        header[name] = {"dtype": codes[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        begin += len(raw)
        blobs.append(raw)
    encoded = json.dumps(header).encode()
    target.write_bytes(len(encoded).to_bytes(8, "little") + encoded + b"".join(blobs))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(prog="measure_map", description=__doc__)
    parser.add_argument("--what", choices=("taps", "weights"), default="taps")
    parser.add_argument("--case", default="guided-b1", help="a case of the transformer (default: %(default)s)")
    parser.add_argument("--dtype", default="float32", type=lambda text: str(dtype_named(text)).removeprefix("torch."))
    parser.add_argument("--names", choices=("opaque", "parts"), default="opaque")
    parser.add_argument("--in-order", action="store_true", help="keep the order of the port's run")
    parser.add_argument("--turned", type=float, default=0.2, help="share of tensors with exchanged axes")
    parser.add_argument("--fused", type=float, default=0.5, help="share of fused query, key and value")
    parser.add_argument("--noise", type=float, default=0.0, help="error of the candidate, over each tensor's spread")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    scramble = Scramble(given.seed, given.names, not given.in_order, given.turned, given.fused, given.noise)
    made, result = measure(given.what, given.case, given.dtype, scramble)
    told = [
        f"{given.what} {given.case} {given.dtype}, {given.names} names, {'in order' if given.in_order else 'shuffled'}",
        f"noise {given.noise:g}, {made.turned} turned, {made.fused} fused",
        f"{result.tensors} tensors, {result.pairs} pairs, right by value {result.right_by_value}",
        f"by name {result.right_by_name}; high confidence {result.high}, wrong {result.wrong_high}",
        f"tied {result.tied}, by name {result.tied_right_by_name} of them",
    ]
    Console(soft_wrap=True, highlight=False).print("; ".join(told))
    return 0 if result.passes else 1


if __name__ == "__main__":
    sys.exit(main())
