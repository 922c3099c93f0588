"""Verbs of the script language: each declares its parameters and where it may stand, beside what it does.

The function of a verb gets the ``Scene`` (the message under way, the time, what the injector remembers) and its
parameters as values; it adds effects to the scene.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import FaultScriptError, did_you_mean
from gateway.faults.names import ANSWERS, GROUPS, REQUESTS

ANSWER, REQUEST, ON_TAPE, CLOCK = "an answer", "a request", "the tape", "a time"
EVERYWHERE = frozenset({ANSWER, REQUEST, ON_TAPE, CLOCK})
MESSAGES = frozenset({ANSWER, REQUEST})

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 3_650 * 86_400.0  # seconds
LARGEST_RATIO = 1_000.0
_DURATION = re.compile(r"([+-]?\d+(?:\.\d+)?)([smhd]?)")
_SYMBOL = re.compile(r"\*|[A-Za-z][\w. /-]*")


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: its kind says what is allowed. ``default`` None: it must be given; "": it may be left away."""

    name: str
    kind: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """What a script can do. ``under_way``: it needs the message itself, so it cannot come after ``wait``."""

    name: str
    params: tuple[Param, ...]
    says: str
    places: frozenset[str]
    under_way: bool
    takes_fields: Literal["", "any", "some"]  # FIELD=VALUE: none, any number, at least one
    check: Callable[[str, bool, dict[str, str]], None]  # place, after wait?, parameters: raises FaultScriptError
    act: Callable[..., None]

    def signature(self) -> str:
        """As the language's page shows it."""
        words = [self.name, *(f"[{p.name}]" if p.default is not None else p.name for p in self.params)]
        return " ".join([*words, "[FIELD=VALUE ...]"] if self.takes_fields else words)


VERBS: dict[str, Verb] = {}  # name -> verb


def _anything_goes(place: str, waited: bool, given: dict[str, str]) -> None:
    """Most verbs ask no more than their parameters' kinds."""


def verb(
    name: str,
    *params: Param,
    says: str,
    places: frozenset[str] = EVERYWHERE,
    under_way: bool = False,
    fields: Literal["", "any", "some"] = "",
    check: Callable[[str, bool, dict[str, str]], None] = _anything_goes,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare the function below as a verb."""

    def declare(act: Callable[..., None]) -> Callable[..., None]:
        VERBS[name] = Verb(name, params, says, places, under_way, fields, check, act)
        return act

    return declare


def convert(kind: str, text: str) -> Any:
    """The value of a parameter; ``FaultScriptError`` says what is wrong with it and what is allowed."""
    if kind.startswith("choice:"):
        choices = kind.removeprefix("choice:").split("|")
        if text not in choices:
            raise FaultScriptError(f"'{text}' is none of {', '.join(choices)}{did_you_mean(text, choices)}")
        return text
    return _KINDS[kind](text)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise FaultScriptError(f"'{text}' is no whole number; write one such as 3") from None


def _count(text: str) -> int:
    if (value := _whole(text)) < 1:
        raise FaultScriptError(f"'{text}' is below 1; counting begins with 1")
    return value


def _port(text: str) -> int:
    if not 0 <= (value := _whole(text)) <= 65_535:
        raise FaultScriptError(f"'{text}' is no port; give 1 to 65535, or 0 for a free one")
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise FaultScriptError(f"'{text}' is no number; write one such as 1.25")
    return value


def _positive(text: str) -> float:
    if (value := _number(text)) <= 0:
        raise FaultScriptError(f"'{text}' is not above 0; give a positive number")
    return value


def _ratio(text: str) -> float:
    if not 1.0 / LARGEST_RATIO <= (value := _number(text)) <= LARGEST_RATIO:
        raise FaultScriptError(
            f"'{text}' is no ratio of prices; give one from {1 / LARGEST_RATIO:g} to {LARGEST_RATIO:g}"
        )
    return value


def _offset(text: str) -> float:
    if not (match := _DURATION.fullmatch(text)):
        raise FaultScriptError(f"'{text}' is no duration; write 30, 30s, 5m, 4h or 1d")
    if abs(value := float(match[1]) * UNITS[match[2]]) > LONGEST:
        raise FaultScriptError(f"'{text}' is longer than ten years; give at most {LONGEST / UNITS['d']:g}d")
    return value


def _duration(text: str) -> float:
    if (value := _offset(text)) < 0:
        raise FaultScriptError(f"'{text}' is negative; a duration is 0 or more")
    return value


def _span(text: str) -> float:
    if (value := _duration(text)) <= 0:
        raise FaultScriptError(f"'{text}' is no time at all; give a duration above 0")
    return value


def _name(text: str, known: frozenset[str], what: str) -> str:
    if text not in known:
        raise FaultScriptError(f"there is no {what} '{text}'{did_you_mean(text, known)}")
    return text


def _names(text: str) -> frozenset[str]:
    names: set[str] = set()
    for word in text.split(","):
        names |= GROUPS[word] if word in GROUPS else {_name(word, ANSWERS | REQUESTS | frozenset(GROUPS), "message")}
    return frozenset(names)


def _symbol(text: str) -> str:
    if not _SYMBOL.fullmatch(text):
        raise FaultScriptError(f"'{text}' is no symbol; give one such as BAC, 'first' (stock of the tape) or '*' (all)")
    return text


def _client(text: str) -> str | int:
    if text in ("own", "all"):
        return text
    try:
        return int(text)
    except ValueError:
        raise FaultScriptError(f"'{text}' is no client; give its id, 'own' (the message's) or 'all'") from None


_KINDS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "field": str,
    "whole": _whole,
    "count": _count,
    "port": _port,
    "number": _number,
    "positive": _positive,
    "ratio": _ratio,
    "duration": _duration,
    "span": _span,
    "offset": _offset,
    "names": _names,
    "answer": lambda text: _name(text, ANSWERS, "answer"),
    "request": lambda text: _name(text, REQUESTS, "request"),
    "symbol": _symbol,
    "client": _client,
}
