"""Measure how many tensors `ltx-parity map` gives their right partner, when a port's names say nothing.

The reference is the official code (taps) or the official files (weights); the candidate is the port's taps or state
dict under random words: some transposed, query, key and value fused, some in another dtype. A tensor is right by value
where it was given the values of its true partner, right by name where it was given that partner itself: the two differ
only for tensors that hold the same numbers as another, which under names and an order that say nothing nobody can tell
apart. Right by value means that the proposed steps lay those values out as the reference has them, number by number.
Exit code 1 where fewer than 99 % are right by value, or of the tensors that are like no other by name, or where
one pair is wrong by name with high confidence.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console
from safetensors.torch import save_file
from torch import Tensor, nn

from ltx_port.checkpoint.strict import Part, load_strictly
from ltx_port.checkpoint.tensor_file import TensorSource
from parity.binding import CaptureRequest
from parity.foreign.files import ForeignFile
from parity.foreign.grammar import read_steps
from parity.foreign.mapping import HIGH
from parity.foreign.proposal import Proposal, ProposedPair, propose
from parity.foreign.steps import run_steps
from parity.ltx23.binding import BINDING
from parity.ltx23.stages import Choice, chosen_cases
from parity.ltx23.world import World, dtype_named
from parity.store import Dump, content_hash
from parity.store.bits import STORED_DTYPES, dtype_name

# Of each stage the case that shows most of its taps in little time; what is measured unless cases are named.
TAP_CASES = (
    "text-small", "picture-small", "latents-small", "guided-b1", "denoise-small", "upsampler-small", "vae-small",
    "audio-vae-small", "vocoder-small", "mp4-small", "lora-small", "pipeline-two-stage-small",
)  # fmt: skip
# The stages that have weights of their own; text-prompts loads the text encoder, text-small the connectors.
WEIGHT_CASES = (
    "text-prompts", "text-small", "guided-b1", "upsampler-small", "vae-small", "audio-vae-small", "vocoder-small",
)  # fmt: skip
_SYLLABLES = [first + second for first in "bdfklmnprst" for second in "aeio"]
_OTHERS = {
    torch.float32: (torch.float64, torch.bfloat16, torch.float16),
    torch.bfloat16: (torch.float32, torch.float16),
}
_STEMS = (".to_q", ".to_k", ".to_v"), (".q", ".k", ".v"), (".q_proj", ".k_proj", ".v_proj")


@dataclass
class Scrambled:
    """A candidate's tensors under new names; `truth` maps each to the old names that it holds, in their order."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    truth: dict[str, tuple[str, ...]] = field(default_factory=dict)
    turned: int = 0
    fused: int = 0
    recast: int = 0


@dataclass(frozen=True)
class Scramble:
    """How a candidate is disguised.

    `names`: `opaque` gives every tensor words of its own, `parts` every part of a name one word throughout. `shuffled`:
    the file's order is that of the new names. `turned` is the share of tensors with exchanged axes, `fused` of
    attentions with one tensor for query, key and value, `recast` of tensors in another floating-point type (a wider or
    a narrower one), `noise` what is added, over each tensor's spread.
    """

    seed: int = 0
    names: str = "opaque"
    shuffled: bool = True
    turned: float = 0.2
    fused: float = 0.5
    recast: float = 0.2
    noise: float = 0.0

    def run(self, tensors: Mapping[str, Tensor]) -> Scrambled:
        """Disguise tensors."""
        draw, made = random.Random(self.seed), Scrambled()
        words = _Words(draw, self.names)
        entries = list(self._fuse(tensors, draw, made))
        for number, (names, tensor) in enumerate(entries):
            turned = self._recast(self._turn(self._disturb(tensor, number), draw, made), draw, made)
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

    def _recast(self, tensor: Tensor, draw: random.Random, made: Scrambled) -> Tensor:
        if tensor.dtype not in _OTHERS or draw.random() >= self.recast:
            return tensor
        cast = tensor.to(draw.choice(_OTHERS[tensor.dtype]))
        if not bool(cast.isfinite().all()):
            return tensor
        made.recast += 1
        return cast


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
    """What proposals got right; `alone` counts the tensors whose values no other tensor has."""

    tensors: int = 0
    pairs: int = 0
    by_value: int = 0
    by_name: int = 0
    alone: int = 0
    alone_by_name: int = 0
    high: int = 0
    wrong_high: int = 0

    def __add__(self, other: "Score") -> "Score":
        """Add up."""
        return Score(*(getattr(self, one) + getattr(other, one) for one in Score.__dataclass_fields__))

    @property
    def passes(self) -> bool:
        """At least 99 % right, and none wrong with high confidence."""
        right = self.by_value >= 0.99 * self.tensors and self.alone_by_name >= 0.99 * self.alone
        return right and self.wrong_high == 0 and self.tensors > 0


def score(proposal: Proposal, made: Scrambled, partner: Mapping[str, str], reference: ForeignFile) -> Score:
    """Hold a proposal to the truth; `partner` maps old names of the candidate to the reference's."""
    hashes = {name: _numbers(reference.read(name)) for name in reference.names}
    truth = {new: [partner[old] for old in olds] for new, olds in made.truth.items()}
    names = [name for olds in truth.values() for name in olds]
    like = Counter(hashes[name] for name in names)
    found: Counter[str] = Counter(tensors=len(names), alone=sum(like[hashes[name]] == 1 for name in names))
    for pair in proposal.pairs:
        named = _held(pair, truth)
        exact, high = named == pair.reference, pair.confidence >= HIGH
        found["pairs"] += 1
        found["by_name"] += exact
        alike = named is not None and hashes[named] == hashes[pair.reference]
        found["by_value"] += alike and _makes(pair, made.tensors, reference.read(pair.reference))
        found["alone_by_name"] += exact and like[hashes[pair.reference]] == 1
        found["high"] += high
        found["wrong_high"] += high and not exact
    return Score(**{name: found[name] for name in Score.__dataclass_fields__})


def _held(pair: ProposedPair, truth: Mapping[str, Sequence[str]]) -> str | None:
    """Give the reference's name of what a pair takes from the candidate."""
    if len(pair.sources) != 1:
        return None
    parts = truth[pair.sources[0][0]]
    takes = [step["take"] for step in pair.steps if "split" in step]
    if len(parts) == 1:
        return parts[0] if not takes else None
    return parts[takes[0]] if takes else None


def _numbers(tensor: Tensor) -> str:
    """Give one hash for the numbers that a tensor holds, in whatever order and dtype."""
    return content_hash(tensor.double().flatten().sort().values)


def _makes(pair: ProposedPair, tensors: Mapping[str, Tensor], wanted: Tensor) -> bool:
    """Whether a pair's steps give the reference's tensor, each number in its place, but for what a cast rounds."""
    sources = [(tensors[name].double(), steps) for name, steps in pair.sources]
    moved = [run_steps(read_steps(list(steps), "pair"), [tensor], "pair") for tensor, steps in sources]
    found = run_steps(read_steps(list(pair.steps), "pair"), moved, "pair")
    rms = float(wanted.double().square().mean().sqrt())
    return found.shape == wanted.shape and bool((found.double() - wanted.double()).abs().max() <= 0.05 * rms)


@dataclass
class Sides:
    """The reference's file, the candidate's tensors under the port's names, and the reference's name of each."""

    reference: Path
    tensors: dict[str, Tensor]
    partner: dict[str, str]


def taps(case: str, dtype: str, folder: Path) -> Sides:
    """Record a case of the official code and of the port."""
    paths = {side: folder / f"{side}.h5" for side in ("official", "port")}
    for side, path in paths.items():
        BINDING.capture(CaptureRequest(case, side, dtype, path, "tools/measure_map.py"))
    with Dump.open(paths["port"]) as dump:
        tensors = {name: dump.read(name) for name in dump.names}
    return Sides(paths["official"], tensors, {name: name for name in tensors})


def weights(case: str, folder: Path) -> Sides:
    """Give what the official files hold, in their dtype, and the port's state dict in float32, which holds that."""
    (chosen,) = chosen_cases(Choice(ids=(case,)))
    found = Sides(folder / "official.safetensors", {}, {})
    official: dict[str, Tensor] = {}

    def watched(model: nn.Module, file: TensorSource, part: Part, *more: Any, **named: Any) -> None:
        load_strictly(model, file, part, *more, **named)
        for name, tensor in model.state_dict().items():
            key = part.keys[name]
            # Statistics are loaded by both halves of a VAE.
            if key not in official:
                official[key] = file.read(key, "cpu").clone()
                found.tensors[f"{part.name.replace(' ', '_')}.{name}"] = tensor.detach().clone()
                found.partner[f"{part.name.replace(' ', '_')}.{name}"] = key

    with World() as world, _in_place_of_load_strictly(watched):
        world.port(chosen, torch.float32)
    save_file(official, found.reference)
    return found


@contextmanager
def _in_place_of_load_strictly(watched: Any) -> Iterator[None]:
    """Put a function in the place of the one that every loader of the port fills its modules with."""
    known = [module for module in list(sys.modules.values()) if module.__name__ != __name__]
    places = [module for module in known if getattr(module, "load_strictly", None) is load_strictly]
    patches = [patch.object(module, "load_strictly", watched) for module in places]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def measure(sides: Sides, scramble: Scramble, folder: Path) -> tuple[Scrambled, Score]:
    """Disguise the port, propose a mapping, and hold it to the truth."""
    made, target = scramble.run(sides.tensors), folder / "candidate.safetensors"
    if scramble.shuffled:
        save_file(made.tensors, target)
    else:
        _write_in_order(made.tensors, target)
    with ForeignFile.open(sides.reference) as reference, ForeignFile.open(target) as candidate:
        proposal = propose(reference, candidate)
        return made, score(proposal, made, sides.partner, reference)


def _write_in_order(tensors: Mapping[str, Tensor], target: Path) -> None:
    """Write a plain safetensors file in the order given: the library's own writer sorts by name."""
    header: dict[str, Any] = {}
    begin, blobs = 0, []
    for name, tensor in tensors.items():
        raw = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        offsets = [begin, begin + len(raw)]
        code = STORED_DTYPES[dtype_name(tensor.dtype)].safetensors
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": offsets}
        begin += len(raw)
        blobs.append(raw)
    encoded = json.dumps(header).encode()
    target.write_bytes(len(encoded).to_bytes(8, "little") + encoded + b"".join(blobs))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each case, with the sums over all seeds."""
    parser = argparse.ArgumentParser(prog="measure_map", description=__doc__)
    parser.add_argument("--what", choices=("taps", "weights"), default="taps")
    parser.add_argument("--case", action="append", help="a case; may be repeated (default: one of each stage)")
    parser.add_argument("--dtype", default="float32", type=lambda text: dtype_name(dtype_named(text)))
    parser.add_argument("--names", choices=("opaque", "parts"), default="opaque")
    parser.add_argument("--in-order", action="store_true", help="keep the order of the port's run")
    parser.add_argument("--turned", type=float, default=0.2, help="share of tensors with exchanged axes")
    parser.add_argument("--fused", type=float, default=0.5, help="share of fused query, key and value")
    parser.add_argument("--recast", type=float, default=0.2, help="share of tensors in another dtype")
    parser.add_argument("--noise", type=float, default=0.0, help="error of the candidate, over each tensor's spread")
    parser.add_argument("--seeds", type=int, default=5, help="how often names, layouts and dtypes are drawn")
    given = parser.parse_args(argv)
    total = Score()
    for case in given.case or (WEIGHT_CASES if given.what == "weights" else TAP_CASES):
        with tempfile.TemporaryDirectory(prefix="measure-map-") as name:
            found = _of_case(given, case, Path(name))
        total = total + found
    _print("all", total)
    return 0 if total.passes else 1


def _of_case(given: argparse.Namespace, case: str, folder: Path) -> Score:
    sides = weights(case, folder) if given.what == "weights" else taps(case, _dtype(case, given.dtype), folder)
    total, disguised = Score(), Counter[str]()
    for seed in range(given.seeds):
        scramble = Scramble(seed, given.names, not given.in_order, given.turned, given.fused, given.recast, given.noise)
        made, found = measure(sides, scramble, folder)
        total = total + found
        disguised.update(turned=made.turned, fused=made.fused, recast=made.recast)
    _print(f"{given.what} {case}", total, ", ".join(f"{count} {how}" for how, count in disguised.items()))
    return total


def _dtype(case: str, wanted: str) -> str:
    """Give the precision that was asked for, or the one that the case has."""
    (chosen,) = chosen_cases(Choice(ids=(case,)))
    known = [dtype_name(dtype) for dtype in chosen.dtypes]
    return wanted if wanted in known else known[0]


def _print(what: str, found: Score, disguised: str = "") -> None:
    Console(soft_wrap=True, highlight=False).print(
        f"{what}: {found.tensors} tensors{f' ({disguised})' if disguised else ''}, right by value {found.by_value}, "
        f"by name {found.by_name}; like no other {found.alone}, of them by name {found.alone_by_name}; "
        f"high confidence {found.high}, wrong {found.wrong_high}"
    )


if __name__ == "__main__":
    sys.exit(main())
