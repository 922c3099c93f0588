"""Overrides of settings from the command line: ``a.b=value`` with the value in TOML.

Keys and values are parsed by ``tomllib``, so quoting is TOML's: ``instruments."BRK.B".currency=USD``.
What is no TOML value is text (``data.source=csv``), inside a list too (``instruments=[SPX, IXIC]``).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from core.errors import SettingsError

_LIST_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|[\[\],]|[^\[\],"'\s](?:[^\[\],"']*[^\[\],"'\s])?|\s+""")


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """Split ``a.b=value`` into the key's parts and the parsed value.

    Raises SettingsError when there is no ``=`` or the key is no TOML key.
    """
    for match in re.finditer("=", text):
        parts = _parse_key(text[: match.start()])
        if parts:
            return parts, parse_value(text[match.end() :].strip())
    raise SettingsError(
        f"override {text!r} is not of the form a.b=value; write for example --set account.capital=50000"
        ' (a key with a dot in it is quoted: instruments."BRK.B".currency=USD)'
    )


def parse_value(text: str) -> Any:
    """Parse a TOML value; text that is none is returned as it stands."""
    try:
        return _parse_toml(text)
    except tomllib.TOMLDecodeError:
        pass  # not TOML as it stands: a list of bare words, or a bare word
    if text.startswith("[") and text.endswith("]"):
        try:
            return _parse_toml(_quote_words(text))
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{text!r} is not a list; write for example [SPX, IXIC] or ['a b', 2]") from error
    return text


def apply_override(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set ``value`` at ``path`` in the nested tables ``values``, making tables that are missing."""
    table: Any = values
    for depth, part in enumerate(path[:-1]):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            key = dotted(path[: depth + 1])
            raise SettingsError(f"cannot set {dotted(path)}: {key} is a value, not a table")
    table[path[-1]] = value


def dotted(path: tuple[str | int, ...]) -> str:
    """Write a path as TOML would: ``instruments."BRK.B".currency``, indices in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else json.dumps(part, ensure_ascii=False))
    return text


def _parse_key(text: str) -> tuple[str, ...]:
    """Parts of a dotted TOML key, or nothing when ``text`` is no key."""
    text = text.strip()
    if "\n" in text or text.startswith("["):
        return ()
    try:
        node: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while isinstance(node, Mapping):
        if len(node) != 1:
            return ()
        key, node = next(iter(node.items()))
        parts.append(key)
    return tuple(parts)


def _parse_toml(text: str) -> Any:
    parsed = tomllib.loads(f"value = {text}")
    if set(parsed) != {"value"}:  # a line break smuggled in another key
        raise tomllib.TOMLDecodeError("more than one value")
    return parsed["value"]


def _quote_words(text: str) -> str:
    """Quote the bare words of a list, so that ``[SPX, 2]`` becomes ``["SPX", 2]``."""
    tokens = _LIST_TOKEN.findall(text)
    if "".join(tokens) != text:
        return text  # an unbalanced quote: let TOML say so
    return "".join(token if _is_toml(token) else json.dumps(token, ensure_ascii=False) for token in tokens)


def _is_toml(token: str) -> bool:
    if token in "[]," or token.isspace():
        return True
    try:
        _parse_toml(token)
    except tomllib.TOMLDecodeError:
        return False
    return True
