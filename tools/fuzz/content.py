"""Bytes without regard to what they mean: flips, cuts, repeats, and lengths that lie."""

from collections.abc import Callable
from random import Random

Mutation = Callable[[Random, bytes], bytes]

# What a whole other file begins with, or is.
FOREIGN = (
    b"",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe{\0}\0",
    b"PK\x03\x04" + b"\0" * 60,
    b"PK\x05\x06" + b"\0" * 18,
    b"\x1f\x8b\x08\0",
    b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    b"\x89HDF\r\n\x1a\n",
    b"\x89HDF\r\n\x1a\n" * 40,
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    b"<!DOCTYPE html><html></html>",
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b"{}",
    b"null",
    b"\n" * 5000,
)
_LENGTHS = (0, 1, 7, 8, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)


def _place(random: Random, raw: bytes) -> int:
    # Headers are where meaning is densest, in files whose bulk is numbers.
    dense = random.random() < 0.5
    return random.randrange(max(1, min(len(raw), 4096) if dense else len(raw)))


def _span(random: Random, raw: bytes) -> tuple[int, int]:
    start = _place(random, raw)
    return start, min(len(raw), start + int(2 ** random.uniform(0, 12)))


def flip(random: Random, raw: bytes) -> bytes:
    """Change single bits."""
    changed = bytearray(raw)
    for _ in range(random.choice((1, 1, 1, 2, 8)) if raw else 0):
        changed[_place(random, raw)] ^= 1 << random.randrange(8)
    return bytes(changed)


def overwrite(random: Random, raw: bytes) -> bytes:
    """Put other bytes in the place of some."""
    start, stop = _span(random, raw)
    fill = random.choice((b"\0", b"\xff", b'"', b"\n", None))
    return raw[:start] + (random.randbytes(stop - start) if fill is None else fill * (stop - start)) + raw[stop:]


def lie_about_length(random: Random, raw: bytes) -> bytes:
    """Overwrite what may be a length field of 2, 4 or 8 bytes."""
    size = random.choice((2, 4, 8))
    start = random.choice((0, 8, 16, 24, _place(random, raw)))
    value = random.choice((*_LENGTHS, len(raw), len(raw) + 1, max(0, len(raw) - 1))) % 256**size
    return raw[:start] + value.to_bytes(size, random.choice(("little", "big"))) + raw[start + size :]


def cut(random: Random, raw: bytes) -> bytes:
    """Lose the end."""
    return raw[: random.choice((_place(random, raw), max(0, len(raw) - 1 - random.randrange(16))))]


def extend(random: Random, raw: bytes) -> bytes:
    """Add something behind the end."""
    return raw + random.choice((b"\0", b" ", b"\n", b"{}", random.randbytes(64), raw[:512], raw))


def remove(random: Random, raw: bytes) -> bytes:
    """Lose some bytes in the middle."""
    start, stop = _span(random, raw)
    return raw[:start] + raw[stop:]


def repeat(random: Random, raw: bytes) -> bytes:
    """Have some bytes twice."""
    start, stop = _span(random, raw)
    return raw[:stop] + raw[start:]


def move(random: Random, raw: bytes) -> bytes:
    """Copy some bytes over others."""
    start, stop = _span(random, raw)
    target = _place(random, raw)
    return raw[:target] + raw[start:stop] + raw[target + stop - start :]


def foreign(random: Random, _: bytes) -> bytes:
    """Be another file altogether."""
    return random.choice(FOREIGN)


ANY_BYTES: tuple[Mutation, ...] = (
    flip, flip, flip, overwrite, lie_about_length, lie_about_length, cut, extend, remove, repeat, move, foreign,
)  # fmt: skip
