"""Reads when a rule happens: ``at message 12``, ``every day at 23:45 exchange``, ``on orderStatus every 3``."""

from __future__ import annotations

import datetime as dt

from core.errors import FaultScriptError, did_you_mean
from gateway.faults.fields import locate
from gateway.faults.lexer import Word
from gateway.faults.names import ANSWERS, REQUESTS, TAPE
from gateway.faults.script import WEEKDAYS, AtMessage, AtStart, AtTime, Condition, On, Trigger
from gateway.faults.verbs import ANSWER, CLOCK, ON_TAPE, REQUEST, convert

YEARS = (1970, 2199)
ZONES = ("UTC", "exchange")
CLIENT, NEW = "client", "new"  # fields that the injector adds for conditions


def read_trigger(words: list[Word]) -> Trigger:
    head, rest = words[0].text, words[1:]
    if head == "on":
        return _on(rest)
    if any(word.is_pair for word in rest):
        raise FaultScriptError("only `on` takes conditions; write `on orderStatus where status=Filled`")
    texts = [word.text for word in rest]
    if head == "every":
        return _every(texts)
    if texts == ["start"]:
        return AtStart()
    if texts and texts[0] in ("message", "request"):
        if len(texts) != 2:
            raise FaultScriptError(f"`at {texts[0]}` takes one number; write `at {texts[0]} 12`")
        return AtMessage(convert("count", texts[1]), texts[0])
    return _time(texts)


def _every(texts: list[str]) -> AtTime:
    days = ("day", *WEEKDAYS)
    if len(texts) != 4 or texts[1] != "at":
        raise FaultScriptError("write `every day at 23:45 exchange` or `every Sunday at 01:00 exchange`")
    if texts[0] not in days:
        raise FaultScriptError(f"'{texts[0]}' is no day{did_you_mean(texts[0], days)}")
    return AtTime(_clock(texts[2]), _zone(texts[3]), every=texts[0])


def _time(texts: list[str]) -> AtTime:
    if not texts:
        raise FaultScriptError("`at` what? Write `at message 12`, `at start` or `at 10:15:00 exchange`")
    date: dt.date | None = None
    if len(texts[0]) == 10 and texts[0][4] == "-":
        try:
            date = dt.date.fromisoformat(texts[0])
        except ValueError:
            raise FaultScriptError(f"'{texts[0]}' is no date; write it as 2024-06-10") from None
        if not YEARS[0] <= date.year <= YEARS[1]:
            raise FaultScriptError(f"'{date}' lies outside of {YEARS[0]} to {YEARS[1]}; choose another date")
        texts = texts[1:]
    if not texts or not texts[0][:1].isdigit():
        known = ("message", "request", "start")
        text = texts[0] if texts else ""
        raise FaultScriptError(f"'{text}' is no time{did_you_mean(text, known)}")
    if len(texts) == 1:
        raise FaultScriptError(f"whose {texts[0]}? Write `at {texts[0]} exchange` or `at {texts[0]} UTC`")
    if len(texts) > 2:
        raise FaultScriptError(f"'{texts[2]}' after the zone; write `every day at {texts[0]} {texts[1]}` for each day")
    return AtTime(_clock(texts[0]), _zone(texts[1]), date)


def _clock(text: str) -> dt.time:
    try:
        return dt.datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()  # noqa: DTZ007
    except ValueError:
        raise FaultScriptError(f"'{text}' is no time of day; write it as 15:30 or 15:30:00") from None


def _zone(text: str) -> str:
    if text not in ZONES:
        raise FaultScriptError(f"'{text}' is no zone that a script knows{did_you_mean(text, ZONES)}")
    return text


def _on(words: list[Word]) -> On:
    if not words or words[0].is_pair:
        raise FaultScriptError("`on` which message? Write `on orderStatus 2`")
    name, rest = words[0].text, words[1:]
    names = _names(name)
    where: list[Condition] = []
    if rest and rest[0].text == "where" and not rest[0].is_pair:
        rest = rest[1:]
        while rest and rest[0].is_pair:
            if not rest[0].key:
                raise FaultScriptError(f"'{rest[0]}' names no field; write `where status=Filled`")
            if rest[0].key not in (CLIENT, NEW):
                for each in names:
                    locate(each, rest[0].key)
            where.append(Condition(rest[0].key, rest[0].text, rest[0].sign == "!="))
            rest = rest[1:]
        if not where:
            raise FaultScriptError("`where` what? Write `where status=Filled`")
    if any(word.is_pair for word in rest):
        raise FaultScriptError("conditions stand together after `where`, before the count")
    if any(condition.field == NEW for condition in where) and name != "placeOrder":
        raise FaultScriptError("only placeOrder is new or not; leave `new=` away")
    return _counted(name, tuple(where), [word.text for word in rest])


def _names(text: str) -> list[str]:
    """The messages of ``on``, one or several with commas between them."""
    names, known = text.split(","), ANSWERS | REQUESTS | TAPE
    for name in names:
        if name not in known:
            raise FaultScriptError(f"there is no message '{name}'{did_you_mean(name, known)}")
        if names.count(name) > 1:
            raise FaultScriptError(f"'{name}' is given twice; keep one")
        if _side(name) != _side(names[0]):
            raise FaultScriptError(
                f"{names[0]} is {_side(names[0])} and {name} {_side(name)}; write a rule for each of them"
            )
    return names


def _side(name: str) -> str:
    return ANSWER if name in ANSWERS else REQUEST if name in REQUESTS else ON_TAPE


def _counted(name: str, where: tuple[Condition, ...], texts: list[str]) -> On:
    if not texts:
        return On(name, where)
    if texts[0] == "every" and len(texts) == 2:
        return On(name, where, every=convert("count", texts[1]))
    if texts[:2] == ["with", "probability"] and len(texts) == 3:
        chance = convert("number", texts[2])
        if not 0 < chance <= 1:
            raise FaultScriptError(f"a probability lies above 0 and not above 1, and this is {texts[2]}")
        return On(name, where, probability=chance)
    if len(texts) == 1 and texts[0].lstrip("+-").isdigit():
        return On(name, where, nth=convert("count", texts[0]))
    raise FaultScriptError(
        f"'{' '.join(texts)}' after {name}; write a number, `every 3`, `with probability 0.2` or nothing, "
        "and conditions after `where`"
    )


def place_of(trigger: Trigger) -> str:
    """What a trigger's rule acts on: an answer, a request, the tape, a time."""
    if isinstance(trigger, On):
        return _side(trigger.names[0])
    if isinstance(trigger, AtMessage):
        return ANSWER if trigger.kind == "message" else REQUEST
    return CLOCK
