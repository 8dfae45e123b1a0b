"""HDF5's checksum of its own metadata, so that a change of it need not be found out by that."""

from random import Random

_SIZE = 4
_WORD = 0xFFFFFFFF


def lookup3(raw: bytes) -> int:
    """Give Bob Jenkins' lookup3 hash (hashlittle, initial value 0), which HDF5 uses."""
    a = b = c = (0xDEADBEEF + len(raw)) & _WORD
    body, tail = raw, b""
    if len(raw) % 12 or not raw:
        at = len(raw) // 12 * 12
        body, tail = raw[:at], raw[at:]
    else:
        body, tail = raw[:-12], raw[-12:]
    for at in range(0, len(body), 12):
        a, b, c = _mixed(*_added(a, b, c, body[at : at + 12]))
    return _last(*_added(a, b, c, tail.ljust(12, b"\0"))) if tail else c


def _added(a: int, b: int, c: int, block: bytes) -> tuple[int, int, int]:
    x, y, z = (int.from_bytes(block[at : at + 4], "little") for at in (0, 4, 8))
    return (a + x) & _WORD, (b + y) & _WORD, (c + z) & _WORD


def _rotated(value: int, count: int) -> int:
    return ((value << count) | (value >> (32 - count))) & _WORD


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for count in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _WORD) ^ _rotated(c, count)
        c = (c + b) & _WORD
        a, b, c = b, c, a
    return a, b, c


def _last(a: int, b: int, c: int) -> int:
    for count in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotated(b, count)) & _WORD
        a, b, c = b, c, a
    # After seven turns the last one computed is in the place of b.
    return b


def blocks(raw: bytes) -> list[tuple[int, int]]:
    """Find the superblock and the object headers: where each begins, and where its checksum lies."""
    found = [(0, 44)] if raw[8:9] in (b"\2", b"\3") else []
    at = raw.find(b"OHDR")
    while at >= 0:
        flags = raw[at + 5]
        start = at + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
        width = 1 << (flags & 3)
        found.append((at, start + width + int.from_bytes(raw[start : start + width], "little")))
        at = raw.find(b"OHDR", at + 4)
    return [(begin, end) for begin, end in found if end + _SIZE <= len(raw)]


def covered(random: Random, raw: bytes) -> bytes:
    """Change bytes of the superblock or of an object header, and make its checksum true."""
    found = blocks(raw)
    if not found:
        return raw
    begin, end = random.choice(found)
    block = bytearray(raw[begin:end])
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(block))
        block[at] = random.choice((block[at] ^ (1 << random.randrange(8)), 0, 1, 255, random.randrange(256)))
    return raw[:begin] + bytes(block) + lookup3(bytes(block)).to_bytes(_SIZE, "little") + raw[end + _SIZE :]
