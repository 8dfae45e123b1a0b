"""A foreign port's tensors as the declared taps: each made by the one entry that maps it, and nothing left over."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property

import torch
from torch import Tensor

from parity.errors import BadInputError, IncompleteError
from parity.foreign.files import ForeignFile
from parity.foreign.mapping import Entry, Exemption, TapMapping
from parity.foreign.steps import TAKING, run_steps


class MappedCandidate:
    """The taps that a mapping makes of a foreign file, for a reference that shows the taps `declared`.

    `covered` are the declared taps that the mapping speaks for, in their order. BadInputError for a pattern of the
    mapping that matches nothing.
    """

    def __init__(self, mapping: TapMapping, foreign: ForeignFile, declared: Sequence[str]):
        self.mapping, self.foreign = mapping, foreign
        self._declared = set(declared)
        for pattern in mapping.covers:
            _require_match([pattern], declared, f"{mapping.where}: covers", "tap of the reference")
        for exemption in mapping.skipped:
            _require_match(exemption.patterns, declared, exemption.at, "tap of the reference")
        for exemption in mapping.ignored:
            _require_match(exemption.patterns, foreign.names, exemption.at, f"tensor of {foreign.path.name}")
        self.covered = tuple(filter(self.speaks_for, declared))
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        for entry in mapping.entries:
            self._entries[entry.tap].append(entry)

    def speaks_for(self, tap: str) -> bool:
        """Whether the mapping covers a tap, and does not skip it."""
        skipped = any(_matches(tap, exemption.patterns) for exemption in self.mapping.skipped)
        return _matches(tap, self.mapping.covers) and not skipped

    def tensor(self, tap: str) -> Tensor:
        """Make a covered tap; IncompleteError where no entry, or more than one, or one that does not fit, maps it."""
        entries = self._entries.get(tap, [])
        if len(entries) != 1:
            got = "mapped by no entry" if not entries else f"mapped twice ({entries[0].at}, {entries[1].at})"
            raise IncompleteError(tap, got, "exactly one entry", "correct the mapping")
        (entry,) = entries
        where = f"{tap} ({entry.at})"
        tensors = [
            run_steps(source.steps, [self.foreign.read(self._existing(source.name, where))], where)
            for source in entry.sources
        ]
        return run_steps(entry.steps, tensors, where).contiguous()

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What keeps the mapping from being whole, a line each: taps that it makes in vain, tensors left or read twice.

        What is wrong with a single covered tap is told by `tensor`.
        """
        return (*self._vain_entries(), *self._unread(), *self._misread())

    def _vain_entries(self) -> Iterable[str]:
        wanted = set(self.covered)
        vain = [entry for entry in self.mapping.entries if entry.tap not in wanted]
        for entry in vain[:1]:
            got = "left out by covers or skip" if entry.tap in self._declared else "not in the reference"
            yield _line(
                f"{entry.tap} ({entry.at})",
                f"mapped, but {got} ({len(vain)} entries)",
                "entries for taps that are compared",
                "correct the mapping, or capture the reference with this tap",
            )

    def _unread(self) -> Iterable[str]:
        read = {source.name for entry in self.mapping.entries for source in entry.sources}
        unread = [name for name in self.foreign.names if name not in read and not self._is_ignored(name)]
        for name in unread[:1]:
            yield _line(
                f"{name!r:.100} of {self.foreign.path.name}",
                f"used by no entry ({len(unread)} tensors)",
                "every tensor used, or under [[ignore]] with a reason",
                "map it",
            )

    def _misread(self) -> Iterable[str]:
        """Count how often each element of a tensor is read, where that can be anything but once."""
        readers: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.mapping.entries:
            for name in dict.fromkeys(source.name for source in entry.sources):
                readers[name].append(entry)
        known = set(self.foreign.names)
        for name, entries in readers.items():
            if name in known and (len(entries) > 1 or any(map(_takes, entries)) or _repeats(entries[0])):
                yield from self._misread_of(name, entries)

    def _misread_of(self, name: str, entries: Sequence[Entry]) -> Iterable[str]:
        _, shape = self.foreign.spec(name)
        elements = torch.Size(shape).numel()
        counts = torch.zeros(elements, dtype=torch.int32)
        once = torch.zeros(elements, dtype=torch.int32)
        try:
            for entry in entries:
                found = self._elements_read(entry, name)
                counts += found
                once += found if entry.shared is None else 0
        except IncompleteError:
            # The tap of that entry is reported as what it is; what it would have read cannot be told.
            return
        where = f"{name!r:.100} of {self.foreign.path.name}"
        double = int((once > 1).sum())
        if double:
            yield _line(
                where,
                f"{double} of {elements} elements read more than once",
                "each element in one tap, or `shared` with a reason in all entries but one",
                "correct the mapping",
            )
        unread = int((counts == 0).sum())
        if unread and not self._is_ignored(name):
            yield _line(
                where,
                f"{unread} of {elements} elements used by no entry",
                "every element used, or the tensor under [[ignore]] with a reason",
                "map the rest",
            )

    def _elements_read(self, entry: Entry, name: str) -> Tensor:
        """Count how often an entry reads each element of a tensor, by moving the elements' numbers as it moves them."""
        where = f"{entry.tap} ({entry.at})"
        tensors, begin, own = [], 0, []
        for source in entry.sources:
            _, shape = self.foreign.spec(self._existing(source.name, where))
            size = torch.Size(shape).numel()
            own += [begin] if source.name == name else []
            numbers = torch.arange(begin, begin + size).reshape(shape)
            tensors.append(run_steps(source.steps, [numbers], where, moving_only=True))
            begin += size
        read = run_steps(entry.steps, tensors, where, moving_only=True).flatten()
        every = torch.bincount(read, minlength=begin)
        size = torch.Size(self.foreign.spec(name)[1]).numel()
        return sum((every[start : start + size] for start in own), torch.zeros(size)).int()

    def _existing(self, name: str, where: str) -> str:
        if name not in self._known:
            expected = f"a tensor of {self.foreign.path.name}"
            raise IncompleteError(where, f"no tensor {name!r:.100}", expected, "write it, or correct the mapping")
        return name

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.foreign.names)

    def _is_ignored(self, name: str) -> bool:
        return any(_matches(name, exemption.patterns) for exemption in self.mapping.ignored)


def exempted(exemptions: Sequence[Exemption], names: Iterable[str]) -> str:
    """Say how many names are left out, and why, for a report."""
    listed = list(names)
    counts = [(sum(_matches(name, e.patterns) for name in listed), e.reason) for e in exemptions]
    return "; ".join(f"{count}: {reason}" for count, reason in counts)


def _takes(entry: Entry) -> bool:
    every = (*(step for source in entry.sources for step in source.steps), *entry.steps)
    return any(isinstance(step, TAKING) for step in every)


def _repeats(entry: Entry) -> bool:
    return len({source.name for source in entry.sources}) < len(entry.sources)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _require_match(patterns: Iterable[str], names: Iterable[str], at: str, what: str) -> None:
    listed = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in listed):
            raise BadInputError(at, f"{pattern!r:.80} matches no {what}", "patterns that match", "correct it")


def _line(where: str, got: str, expected: str, next_step: str) -> str:
    return str(IncompleteError(where, got, expected, next_step))
