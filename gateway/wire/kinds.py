"""Kinds of fields: how one value is written as text and read back.

A value that is missing or ``None`` is written as the field's default text, and empty text is read as the kind's
``empty`` value. IBKR has two spellings for "no value": empty text, and the largest number of the type. Both are read
as ``None`` by the kinds with a question mark.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

UNSET_INTEGER = 2**31 - 1
UNSET_DOUBLE = 1.7976931348623157e308
UNSET_LONG = 2**63 - 1
UNSET_TEXTS = {"int?": "2147483647", "float?": "1.7976931348623157E308"}  # Java's spelling
INFINITE = "Infinity"  # as the official clients read and write it; ib_insync writes Infinite
INFINITES = frozenset({INFINITE, "Infinite", "inf"})

_TOO_LOW = -(2**63) - 1
_UNSET_NUMBERS = frozenset({UNSET_INTEGER, UNSET_LONG, UNSET_DOUBLE})
_UNSET_SIZES = _UNSET_NUMBERS | {float(UNSET_LONG), float(2**127 - 1)}  # the last: official clients' UNSET_DECIMAL


@dataclass(frozen=True, slots=True)
class Kind:
    """``write`` makes text of a value, ``read`` a value of text that is not empty; both raise ValueError/TypeError."""

    name: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    missing: str  # text for None
    empty: Any  # value for empty text


def write_int(value: Any) -> str:
    number = int(value)
    if number != value:
        raise ValueError(f"{value!r} is not a whole number")
    return str(number)


def write_float(value: Any) -> str:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return repr(number)


def write_size(value: Any) -> str:
    """Whole sizes without a decimal point, which clients of the integer era cannot read."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    if number.is_integer():
        return str(int(number))
    return format(value, "f") if isinstance(value, Decimal) else repr(number)


def write_bool(value: Any) -> str:
    return "1" if value else "0"


def write_text(value: Any) -> str:
    """ASCII only, as TWS has it from version 153 on: other characters as unicode escapes, the backslash doubled."""
    return _escaped(str(value).replace("\\", "\\\\"))


def write_notice(value: Any) -> str:
    """As ``write_text``, but backslashes stay: half of the clients show errors without undoing the escapes."""
    return _escaped(str(value))


def _escaped(text: str) -> str:
    if text.isascii():
        return text
    return "".join(
        letter if letter.isascii() else f"\\u{ord(letter):04x}" if letter <= "\uffff" else f"\\U{ord(letter):08x}"
        for letter in text
    )


def write_tags(value: Any) -> str:
    return "".join(f"{pair['tag']}={pair['value']};" for pair in value)


def read_int(text: str) -> int:
    """Whole numbers of 64 bits; 5.0 is one as well."""
    try:
        number = int(text)
    except ValueError:
        value = _number(text)
        number = int(value) if value.is_integer() else _TOO_LOW
    if not -(2**63) <= number < 2**63 or "_" in text:
        raise ValueError(f"{text[:40]!r} is not a whole number of 64 bits")
    return number


def read_float(text: str) -> float:
    number = _number(text)
    if not math.isfinite(number) or "_" in text:
        raise ValueError(f"{text[:40]!r} is not a finite number")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_bool(text: str) -> bool:
    if text == "1":
        return True
    if text == "0":
        return False
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return read_int(text) != 0


def read_text(text: str) -> str:
    if "\\" not in text:
        return text
    return text.encode("ascii", "backslashreplace").decode("unicode_escape")


def read_tags(text: str) -> list[dict[str, str]]:
    pairs = [part.partition("=") for part in text.split(";") if part]
    for tag, sign, _ in pairs:
        if not sign:
            raise ValueError(f"{tag[:40]!r} is not tag=value")
    return [{"tag": tag, "value": value} for tag, _, value in pairs]


def _or_unset(write: Callable[[Any], str], long: str) -> Callable[[Any], str]:
    """Numbers that stand for "no value" are written in Java's spelling, NaN as well."""

    def written(value: Any) -> str:
        return long if value in _UNSET_NUMBERS or value != value else write(value)

    return written


def _int_or_none(text: str) -> int | None:
    number = read_int(text)
    return None if number in _UNSET_NUMBERS else number


def _float_or_none(text: str) -> float | None:
    number = read_float(text)
    return None if number in _UNSET_NUMBERS else number


def _size_or_none(text: str) -> float | None:
    number = read_float(text)
    return None if number in _UNSET_SIZES else number


def _write_offset(value: Any) -> str:
    return INFINITE if value == math.inf else KINDS["float?"].write(value)


def _read_offset(text: str) -> float | None:
    return math.inf if text in INFINITES else _float_or_none(text)


def stamp(when: Any, zoned: bool) -> str:
    """``20231203 20:15:20 US/Eastern`` in the zone of ``when``; without ``zoned``, double space and no zone.

    Text passes as it is. A datetime must be aware; ``datetime.UTC`` is written as UTC.
    """
    if isinstance(when, str):
        return when
    if not isinstance(when, dt.datetime) or when.tzinfo is None:
        raise ValueError(f"{when!r} is neither text nor an aware datetime")
    if not zoned:
        return f"{when:%Y%m%d  %H:%M:%S}"
    return f"{when:%Y%m%d %H:%M:%S} {getattr(when.tzinfo, 'key', None) or when.tzname()}"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("str", str, str, "", ""),
        Kind("text", write_text, read_text, "", ""),
        Kind("notice", write_notice, read_text, "", ""),
        Kind("int", write_int, read_int, "0", 0),
        Kind("float", write_float, read_float, "0.0", 0.0),
        Kind("size", write_size, read_float, "0", 0.0),
        Kind("whole", lambda size: write_size(round(size)), read_float, "0", 0.0),
        Kind("bool", write_bool, read_bool, "0", False),
        Kind("int?", _or_unset(write_int, UNSET_TEXTS["int?"]), _int_or_none, "", None),
        Kind("float?", _or_unset(write_float, UNSET_TEXTS["float?"]), _float_or_none, "", None),
        Kind("size?", _or_unset(write_size, ""), _size_or_none, "", None),
        Kind("offset?", _write_offset, _read_offset, "", None),
        Kind("bool?", write_bool, read_bool, "", None),
        Kind("tags", write_tags, read_tags, "", None),
        Kind("zoned", lambda when: stamp(when, True), str, "", ""),
        Kind("unzoned", lambda when: stamp(when, False), str, "", ""),
    )
}


def bits(names: tuple[str, ...]) -> Kind:
    """Flags packed into a number, the first in the lowest bit; the value is a dict of booleans."""

    def write(value: Any) -> str:
        return str(sum(1 << bit for bit, name in enumerate(names) if value.get(name)))

    def read(text: str) -> dict[str, bool]:
        mask = read_int(text)
        return {name: bool(mask >> bit & 1) for bit, name in enumerate(names)}

    return Kind("bits", write, read, "0", None)
