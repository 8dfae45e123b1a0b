"""Names with placeholders: `blk.{block}.attn_q` stands for one name for each number of `block`."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from parity.errors import BadInputError

Plain = int | str
Value = Plain | Mapping[str, Plain]
_PLACEHOLDER = re.compile(
    r"\{(?P<word>[A-Za-z_]\w*)(\.(?P<field>[A-Za-z_]\w*))?(?P<shift>[+-]\d{1,9})?(:0(?P<width>[1-9]))?\}"
)
_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")


def words_of(text: str, where: str) -> frozenset[str]:
    """Give the words that a name has placeholders for; BadInputError for a malformed one.

    A placeholder is `{word}`, `{word.field}` where the word stands for tables, `{block+1}` or `{block-1}` for numbers
    counted from elsewhere, `{block:02}` for numbers of two digits. `{{` and `}}` are braces.
    """
    return frozenset(match["word"] for match in _placeholders(text, where))


def fill(text: str, values: Mapping[str, Value], where: str) -> str:
    """Give the name for one set of values; BadInputError where a word has none, or a text is to be counted from."""

    def replaced(token: re.Match[str]) -> str:
        if token.group() in ("{{", "}}"):
            return token.group()[0]
        match = _PLACEHOLDER.fullmatch(token.group())
        assert match is not None, "words_of has read it"
        return _value(match, values, where)

    words_of(text, where)
    return _TOKEN.sub(replaced, text)


def combinations(words: frozenset[str], each: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    """Give every set of values for the words, the first word varying slowest, in the order of `each`."""
    ordered = [word for word in each if word in words]
    for values in itertools.product(*(each[word] for word in ordered)):
        yield dict(zip(ordered, values, strict=True))


def _placeholders(text: str, where: str) -> list[re.Match[str]]:
    found = []
    for token in _TOKEN.findall(text):
        if token in ("{{", "}}"):
            continue
        match = _PLACEHOLDER.fullmatch(token)
        if match is None:
            expected = "{word}, {word.field}, {word+1} or {word:02}, and {{ }} for braces"
            raise BadInputError(where, f"{token!r:.40} in {text!r:.80}", expected, "correct the name")
        found.append(match)
    return found


def _value(match: re.Match[str], values: Mapping[str, Value], where: str) -> str:
    word, shift, width = match["word"], match["shift"], match["width"]
    if word not in values:
        raise BadInputError(where, f"no values for {{{word}}}", "every word in [each]", "add it")
    value = _plain(values[word], match, where)
    if isinstance(value, str):
        if shift or width:
            raise BadInputError(where, f"{match.group()} of the text {value!r:.40}", "a number", "drop sign and width")
        return value
    number = value + int(shift or 0)
    if number < 0:
        raise BadInputError(where, f"{match.group()} is {number}", "a number from 0 up", "correct the shift")
    return f"{number:0{width or 1}d}"


def _plain(value: Value, match: re.Match[str], where: str) -> Plain:
    field = match["field"]
    if isinstance(value, Mapping):
        if field not in value:
            raise BadInputError(where, match.group(), f"{{word.field}} with one of {', '.join(value)}", "name one")
        return value[field]
    if field is not None:
        raise BadInputError(where, f"{match.group()} of {value!r:.40}", "a table in [each]", "drop the field")
    return value
