"""JSON, by its structure: keys lost, doubled and renamed, values of other types, numbers and texts that provoke."""

import gzip
import hashlib
import json
from collections.abc import Callable
from random import Random
from typing import Any

_TEXTS = (
    "", "\0", "\n", "a\nb", "\x1b[31m", "\u2028", "../../../etc/passwd", "/etc/passwd", "..", "nan", "inf", "1.0.0",
    "cuda", "x" * 70_000, "[/red]", "%s%n", "{0.__class__}", "transformer.\N{ZERO WIDTH SPACE}x", "0" * 64, "f" * 64,
)  # fmt: skip
# As they are written: what no encoder writes, and what Python and other readers understand differently.
_TOKENS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400, "1" + "0" * 5000, "-0", "-1", "0", "1", "2",
    "0.1", "1e-400", "1.0", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1e15", "true",
    "false", "null", "[]", "{}", "[[]]", '"\\ud800"', '"\\u0000"', "'x'", "01", "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000, "", "\N{FULLWIDTH DIGIT ONE}", "1,", "// x\n1",
)  # fmt: skip
Parts = list[Any]


class Token(str):
    """Text that is written as it is."""


class Table(list[Parts]):
    """An object as a list of its [key, value] pairs, which may repeat."""


def parsed(text: str) -> Any:
    """Read JSON text, its objects as tables."""
    return json.loads(text, object_pairs_hook=lambda pairs: Table([key, value] for key, value in pairs))


def written(value: Any) -> str:
    """Write what `parsed` gave and mutations changed."""
    if isinstance(value, Token):
        return value
    if isinstance(value, Table):
        return "{" + ", ".join(f"{written(key)}: {written(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def places(value: Any) -> list[tuple[Parts, int]]:
    """List every place of a value, as (the list that holds it, its position there)."""
    found: list[tuple[Parts, int]] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Table):
            found += [(pair, 1) for pair in here]
            waiting += [pair[1] for pair in here]
        elif isinstance(here, list):
            found += [(here, at) for at in range(len(here))]
            waiting += here
    return found


def _tables(value: Any) -> list[Parts]:
    """List the objects and lists that hold something."""
    inner = [holder[at] for holder, at in places(value)]
    return [part for part in (value, *inner) if isinstance(part, list) and part]


def _lose(random: Random, document: Any) -> None:
    if tables := _tables(document):
        table = random.choice(tables)
        del table[random.randrange(len(table))]


def _double(random: Random, document: Any) -> None:
    if tables := _tables(document):
        table = random.choice(tables)
        table.insert(random.randrange(len(table) + 1), random.choice(table))


def _swap(random: Random, document: Any) -> None:
    (one, at), (other, there) = random.choices(places(document) or [([None], 0)], k=2)
    one[at], other[there] = other[there], one[at]


def _rename(random: Random, document: Any) -> None:
    if pairs := [pair for table in _tables(document) if isinstance(table, Table) for pair in table]:
        pair = random.choice(pairs)
        key = str(pair[0])
        pair[0] = random.choice((key + "_", key.upper(), key[1:], *_TEXTS))


def _retype(random: Random, document: Any) -> None:
    if found := places(document):
        holder, at = random.choice(found)
        value = holder[at]
        holder[at] = random.choice(
            (str(value), [value], Table([["a", value]]), None, True, 0, 1.5, Token(f"{value}.0"))
        )


def _provoke(random: Random, document: Any) -> None:
    if found := places(document):
        holder, at = random.choice(found)
        holder[at] = Token(random.choice(_TOKENS)) if random.random() < 0.6 else random.choice(_TEXTS)


def _nudge(random: Random, document: Any) -> None:
    numbers = [(holder, at) for holder, at in places(document) if type(holder[at]) in (int, float)]
    if numbers:
        holder, at = random.choice(numbers)
        value = holder[at]
        holder[at] = random.choice((value + 1, value - 1, -value, value * 2, value * 10**9, bool(value)))


def _substitute(random: Random, document: Any) -> None:
    texts = [(holder, at) for holder, at in places(document) if type(holder[at]) is str]
    if texts:
        holder, at = random.choice(texts)
        holder[at] = random.choice((holder[at][:-1], holder[at] + " ", holder[at].upper(), holder[at][::-1]))


_CHANGES: tuple[Callable[[Random, Any], None], ...] = (
    _lose, _double, _swap, _rename, _retype, _provoke, _provoke, _nudge, _nudge, _substitute,
)  # fmt: skip


def mutated(random: Random, text: str) -> str:
    """Give JSON text, or what is nearly that, with one to three changes of its structure."""
    document = parsed(text)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice(_CHANGES)(random, document)
    return written(document)


def mutation(random: Random, raw: bytes) -> bytes:
    """Mutate the bytes of a JSON file."""
    return mutated(random, raw.decode("utf-8")).encode("utf-8", "surrogatepass")


def forged(random: Random, raw: bytes) -> bytes:
    """Mutate a document that carries a digest, and compute that anew: a file that somebody made with intent."""
    text = mutated(random, raw.decode("utf-8"))
    try:
        # Computed as a forger would, from what the docs say.
        document = json.loads(text)
        rest = {key: value for key, value in document.items() if key != "digest"}
        compact = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError, AttributeError):
        return text.encode("utf-8", "surrogatepass")
    fresh = hashlib.sha256(compact.encode("utf-8", "surrogatepass")).hexdigest()
    return text.replace(str(json.loads(raw)["digest"]), fresh).encode("utf-8", "surrogatepass")


def gzipped(change: Callable[[Random, bytes], bytes]) -> Callable[[Random, bytes], bytes]:
    """Give the change of a text as one of the same text gzipped."""

    def changed(random: Random, raw: bytes) -> bytes:
        return gzip.compress(change(random, gzip.decompress(raw)), mtime=0)

    return changed
