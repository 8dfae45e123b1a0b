"""The shape of a catalogue file, checked before anything is read from it.

A condition that is misplaced or misspelt would leave rows out of a pass without a word, so no key and no type is
let through that the catalogue does not read.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from parity.errors import BadInputError

_Check = Callable[[Any], bool]
_TOP = {"schema", "stage", "implementations", "section"}
_TOP_OPTIONAL = {"bind", "flags", "repeats", "fallback", "template", "function"}


def check_document(document: Mapping[str, Any], where: str) -> None:
    """Refuse a catalogue with a missing or unknown key, or a value of the wrong type; BadInputError in one line."""
    _keys(document, where, _TOP, _TOP_OPTIONAL)
    _value(document, "stage", where, _is_text, "a text")
    _value(document, "implementations", where, _is_texts, "a list of texts")
    _value(document, "flags", where, _is_texts, "a list of texts")
    _value(document, "repeats", where, _is_texts, "a list of texts")
    _value(document, "bind", where, _is_mapping_of_texts, "a table of texts")
    _fallback(document, where)
    words = document.get("repeats", [])
    templates = _value(document, "template", where, _is_tables_by_name, "tables by name") or {}
    for name, template in templates.items():
        _keys(template, f"{where}: template {name!r}", {"rows"}, set())
        _rows(template, f"{where}: template {name!r}")
    for section, at in _tables(document, "section", where):
        _keys(section, at, {"name", "group"}, {"repeat"})
        _repeat(section, at, words)
        for group, inside in _tables(section, "group", f"{at} ({section['name']!r})"):
            _group(group, inside, templates)
    for function, at in _tables(document, "function", where):
        _function(function, at, document)


def _group(group: Mapping[str, Any], at: str, templates: Mapping[str, Any]) -> None:
    _keys(group, at, set(), {"rows", "template", "each", "when"})
    if ("rows" in group) == ("template" in group):
        raise BadInputError(at, f"keys {sorted(group)}", "either rows or template", "give one of the two")
    if "rows" in group:
        _rows(group, at)
    elif not _is_text(group["template"]) or group["template"] not in templates:
        raise BadInputError(at, f"template {group['template']!r:.60}", f"one of {sorted(templates)}", "define it")
    _when(group, at)
    _each(group, at)


def _rows(owner: Mapping[str, Any], at: str) -> None:
    for row, inside in _tables(owner, "rows", at):
        _when(row, inside)
        for key in row.keys() - {"when"}:
            flag = key in ("boundary", "output")
            _value(row, key, inside, _is_flag if flag else _is_text, "true or false" if flag else "a text")


def _function(function: Mapping[str, Any], at: str, document: Mapping[str, Any]) -> None:
    implementations = document["implementations"]
    _keys(function, at, {"name", "implementation", "target", "site"}, set())
    for key in ("name", "target"):
        _value(function, key, at, _is_text, "a text")
    named = f"one of {implementations}, or a list of some"
    _value(function, "implementation", at, lambda found: _some_of(found, implementations), named)
    for site, inside in _tables(function, "site", at):
        _keys(site, inside, {"within", "calls"}, {"each", "repeat", "when"})
        _value(site, "within", inside, _is_text, "a text")
        _when(site, inside)
        _repeat(site, inside, document.get("repeats", []))
        _each(site, inside)
        for call, deep in _tables(site, "calls", inside):
            _keys(call, deep, {"name"}, {"when"})
            _value(call, "name", deep, _is_text, "a text")
            _when(call, deep)


def _each(owner: Mapping[str, Any], at: str) -> None:
    for each, inside in _tables(owner, "each", at):
        _when(each, inside)
        for key in each.keys() - {"when"}:
            _value(each, key, inside, _is_text, "a text")


def _when(owner: Mapping[str, Any], at: str) -> None:
    _value(owner, "when", at, _is_texts, "a list of flags")


def _repeat(owner: Mapping[str, Any], at: str, words: list[str]) -> None:
    _value(owner, "repeat", at, lambda found: found in words, f"one of the catalogue's `repeats`, {words}")


def _fallback(document: Mapping[str, Any], where: str) -> None:
    implementations = document["implementations"]
    fallback = _value(document, "fallback", where, _is_mapping_of_texts, "a table of texts") or {}
    for name, other in fallback.items():
        if name not in implementations or other not in implementations or other in fallback:
            got, expected = f"{name} = {other!r}", "an implementation, and another that gives all its ports"
            raise BadInputError(f"{where}: fallback", got, expected, "correct it")


def _some_of(found: Any, allowed: list[str]) -> bool:
    return found in allowed if isinstance(found, str) else _is_texts(found) and set(found) <= set(allowed)


def _tables(owner: Mapping[str, Any], key: str, at: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    tables = _value(owner, key, at, _is_tables, "a list of tables") or []
    for number, table in enumerate(tables, start=1):
        yield table, f"{at}: {key} {number}"


def _keys(table: Mapping[str, Any], at: str, required: set[str], optional: set[str]) -> None:
    missing, unknown = required - table.keys(), table.keys() - required - optional
    if missing or unknown:
        allowed = ", ".join(sorted(required | optional))
        got = f"missing keys {sorted(missing)}, unknown keys {sorted(unknown)}"
        raise BadInputError(at, got, f"the keys {allowed}", "correct the catalogue")


def _value(table: Mapping[str, Any], key: str, at: str, accepts: _Check, expected: str) -> Any:
    found = table.get(key)
    if key in table and not accepts(found):
        raise BadInputError(at, f"{key} = {found!r:.60}", expected, "correct the catalogue")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_tables_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def _is_mapping_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
