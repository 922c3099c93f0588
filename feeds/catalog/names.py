"""Symbols as names of folders."""

from __future__ import annotations

import re
import string

from core.errors import CatalogError

LONGEST = 64
_LONGEST_FOLDER = 240  # file systems allow 255 bytes
_PLAIN = frozenset(string.ascii_uppercase + string.digits + "_-")
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))]
)  # Windows opens devices under these names


def check_symbol(symbol: str) -> str:
    """Return the symbol, or raise CatalogError where it cannot be the name of an instrument."""
    shown = repr(symbol[:LONGEST])
    if not symbol or symbol != symbol.strip() or not symbol.isprintable():
        raise CatalogError(f"symbol {shown}: a symbol is printable text without space around it; rename it")
    parts = re.split(r"[/\\]", symbol)
    names = [part for part in parts if part.strip(" .")]
    if len(names) < len(parts) > 1:
        cure = f"write {names[-1]}" if names else "write a name"
        raise CatalogError(f"symbol {shown}: a path is not the name of an instrument; {cure}")
    for mark in "/\\":
        if mark in symbol:
            other = " or ".join(dict.fromkeys((symbol.replace(mark, "."), symbol.replace(mark, ""))))
            raise CatalogError(f"symbol {shown}: {mark!r} cannot be part of a symbol; write {other}")
    if len(symbol) > LONGEST or len(_encoded(symbol)) > _LONGEST_FOLDER:
        raise CatalogError(
            f"symbol {shown}: {len(symbol)} characters are too many; {LONGEST} Latin letters are possible, shorten it"
        )
    return symbol


def folder_name(symbol: str) -> str:
    """A name that no other symbol has on any file system, also where upper and lower case are one.

    Capitals, digits, ``_`` and ``-`` stand for themselves, all else is percent-encoded UTF-8.
    """
    encoded = _encoded(check_symbol(symbol))
    return f"%{ord(encoded[0]):02X}{encoded[1:]}" if encoded in _RESERVED else encoded


def _encoded(symbol: str) -> str:
    return "".join(mark if mark in _PLAIN else "".join(f"%{byte:02X}" for byte in mark.encode()) for mark in symbol)
