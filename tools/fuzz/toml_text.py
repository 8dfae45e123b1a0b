"""TOML, line by line and value by value."""

import re
from random import Random

_VALUES = (
    "nan", "inf", "-inf", "1e999", "-1", "0", "1", "1e-400", "1" + "0" * 400, "true", "1979-05-27T07:32:00Z",
    '"x"', "''", '"*"', '"\\u0000"', '"""a\nb"""', "[]", "[[]]", "{}", '{ratio = "1"}', '["*"]', '["transformer.*", 1]',
    "[" * 2000 + "]" * 2000, '"{x"', '"{}"', '"{0}"', '"{a.__class__}"', '"{a!r}"', '"{a:>999999999}"', '["!"]',
    '"[]>out"', '"a>in"', '"peer"', '"bit-identical"',
)  # fmt: skip
_VALUE = re.compile(r"(=\s*)([^\n#]+)")
_TEXT = re.compile(r'"([^"\n]*)"')


def _lines(random: Random, text: str) -> str:
    lines = text.split("\n")
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    kind = random.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(to, lines[at])
    elif kind == 2:
        lines[at], lines[to] = lines[to], lines[at]
    else:
        count = random.randrange(1, 12)
        lines[to:to] = lines[at : at + count]
    return "\n".join(lines)


def _value(random: Random, text: str) -> str:
    return _replaced(random, text, _VALUE, lambda match: match[1] + random.choice(_VALUES))


def _key(random: Random, text: str) -> str:
    kinds = ("x", "schema", '""', '"a.b"', "a.b", "when", "name", "suite", "taps", "[x]", "[[x]]", "x")
    return _replaced(random, text, re.compile(r"(?m)^\s*(\w+)"), lambda _: random.choice(kinds))


def _inside(random: Random, text: str) -> str:
    kinds = ("", "*", "\\n", "{", "}", "{nn}", "@", "@x", "!", ">", "::", "#9", ">out.0", "x" * 5000, "\\u200b")
    return _replaced(random, text, _TEXT, lambda match: f'"{_spliced(random, match[1], random.choice(kinds))}"')


def _spliced(random: Random, text: str, piece: str) -> str:
    at = random.randrange(len(text) + 1)
    return random.choice((piece, text[:at] + piece + text[at:], text[:at]))


def _replaced(random: Random, text: str, pattern: "re.Pattern[str]", change: "object") -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = random.choice(found)
    assert callable(change)
    return text[: match.start()] + change(match) + text[match.end() :]


def mutation(random: Random, raw: bytes) -> bytes:
    """Mutate the bytes of a TOML file."""
    text = raw.decode("utf-8")
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        text = random.choice((_lines, _value, _value, _key, _inside))(random, text)
    return text.encode("utf-8")
