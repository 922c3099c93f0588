"""Numbers as people read them. Not a number becomes a dash, so that an empty case looks empty, not broken."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable
from typing import Any

DASH = "–"
MINUS = "\u2212"  # as wide as a plus sign, so columns of signed numbers align


def number(value: Any) -> float:
    """The value as a float; NaN for None, text, booleans and whatever else is no number."""
    if value is None or isinstance(value, bool | str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _signed(text: str, value: float, plus: bool) -> str:
    shows_nothing = not any(digit in text for digit in "123456789")
    if shows_nothing:
        return text
    return f"{MINUS}{text}" if value < 0 else f"+{text}" if plus else text


def decimal(value: Any, digits: int = 2, *, plus: bool = False, suffix: str = "") -> str:
    """``1,234.50``; a minus only where a digit other than 0 is shown; infinity as its sign."""
    x = number(value)
    if math.isnan(x):
        return DASH
    if math.isinf(x):
        return "∞" if x > 0 else f"{MINUS}∞"
    return _signed(f"{abs(x):,.{digits}f}{suffix}", x, plus)


def eur(value: Any, digits: int = 0, *, plus: bool = False) -> str:
    """Money without its currency, which the heading names: ``12,345``."""
    return decimal(value, digits, plus=plus)


def signed_eur(value: Any) -> str:
    return eur(value, plus=True)


def cents(value: Any) -> str:
    return eur(value, 2)


def signed_cents(value: Any) -> str:
    return eur(value, 2, plus=True)


def percent(value: Any, digits: int = 1, *, plus: bool = False) -> str:
    """A fraction as percent: 0.02 is ``2.0%``."""
    return decimal(number(value) * 100, digits, plus=plus, suffix="%")


def signed_percent(value: Any) -> str:
    return percent(value, plus=True)


def integer(value: Any) -> str:
    return decimal(value, 0)


def ratio(value: Any) -> str:
    return decimal(value, 2)


def price(value: Any) -> str:
    """At least two decimals; four below 10, where a hundredth is a coarse step."""
    x = number(value)
    return decimal(x, 4 if abs(x) < 10 else 2)


def sign(value: Any, text: str) -> str:
    """``gain``, ``loss`` or nothing: the class that colours a signed number, unless it is shown as zero."""
    x = number(value)
    if not any(character in text for character in "123456789∞"):
        return ""
    return "gain" if x > 0 else "loss" if x < 0 else ""


def date(value: Any) -> str:
    """The day of a date, a time or ISO text."""
    if isinstance(value, dt.date):  # a datetime is one too
        return value.strftime("%Y-%m-%d") if value == value else DASH  # NaT differs from itself
    return str(value)[:10] if value else DASH


def moment(value: Any) -> str:
    """A time to the minute, UTC; the day alone at midnight."""
    if isinstance(value, dt.datetime):
        if value != value:
            return DASH
        return value.strftime("%Y-%m-%d" if (value.hour, value.minute) == (0, 0) else "%Y-%m-%d %H:%M")
    return date(value)


def dated(value: Any, *, daily: bool) -> Any:
    """ISO text of a time as people read it: the day alone for daily bars, else to the minute; others as they are."""
    if isinstance(value, str) and "T" in value:
        try:
            when = dt.datetime.fromisoformat(value)
        except ValueError:
            return value
        return date(when) if daily else moment(when)
    return date(value) if daily and isinstance(value, dt.datetime) else value


def listed(names: Iterable[str], most: int = 4, rest: str = "") -> str:
    """``a, b and c``; of more than ``most`` the first ones and how many are left, ``rest`` being what they are."""
    known = list(names)
    shown, left = known[:most], len(known) - most
    if left > 0:
        shown.append(f"{left} more{f' {rest}' if rest else ''}{'s' if rest and left > 1 else ''}")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


Format = Callable[[Any], str]
