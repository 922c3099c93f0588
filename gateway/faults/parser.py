"""Reads the script language: a rule for each line, ``trigger: action; action``. See docs/gateway_faults.md."""

from __future__ import annotations

import datetime as dt

from core.errors import did_you_mean
from gateway.faults.actions import VERBS
from gateway.faults.errors import ScriptError
from gateway.faults.fields import NUMBERS, locate
from gateway.faults.lexer import Word, words_of
from gateway.faults.names import ANSWERS, REQUESTS, TAPE
from gateway.faults.script import WEEKDAYS, Action, AtMessage, AtStart, AtTime, Condition, On, Rule, Script, Trigger
from gateway.faults.values import REFERENCE
from gateway.faults.verbs import ANSWER, CLOCK, ON_TAPE, REQUEST, Verb, convert

STARTS = ("at", "every", "on", "seed")
ZONES = ("UTC", "exchange")
CLIENT, NEW = "client", "new"  # fields that the injector adds for conditions


def parse(text: str, source: str = "script") -> Script:
    """Read a script; ``source`` names it in errors.

    Raises:
        ScriptError: A line that cannot be understood: its number, what is wrong, and the cure.
    """
    rules: list[Rule] = []
    seed: int | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{source}, line {number}"
        try:
            words = words_of(line)
            if not words:
                continue
            if words[0].text == "seed":
                if seed is not None:
                    raise ScriptError("a second seed; keep one of them")
                seed = _seed(words[1:])
            else:
                rules.append(_rule(words, place))
        except ScriptError as error:
            raise ScriptError(f"{place}: {error.args[0]}") from None
    return Script(tuple(rules), seed)


def _seed(words: list[Word]) -> int:
    if len(words) != 1 or words[0].sign:
        raise ScriptError("a seed is one whole number; write `seed 7`")
    return int(convert("whole", words[0].text))


def _rule(words: list[Word], place: str) -> Rule:
    if words[0].text not in STARTS:
        raise ScriptError(
            f"a line begins with at, every, on or seed, not '{words[0]}'{did_you_mean(str(words[0]), STARTS)}"
        )
    signs = [word.sign for word in words]
    if ":" not in signs:
        raise ScriptError("no ': ' between the trigger and what is done; write `on execDetails 1: duplicate`")
    colon = signs.index(":")
    trigger = _trigger(words[:colon])
    actions: list[Action] = []
    waited = False
    for part in _split(words[colon + 1 :]):
        action = _action(part, trigger, waited)
        waited = waited or action.verb == "wait"
        actions.append(action)
    return Rule(trigger, tuple(actions), place)


def _split(words: list[Word]) -> list[list[Word]]:
    parts: list[list[Word]] = [[]]
    for word in words:
        if word.sign == ";":
            parts.append([])
        elif word.sign == ":":
            raise ScriptError("a second ': '; put a text that ends with a colon in quotes")
        else:
            parts[-1].append(word)
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    if not all(parts):
        raise ScriptError(
            "an action is missing after the trigger or between two ';'; write `drop`, or leave the ';' away"
        )
    return parts


# Triggers ----------------------------------------------------------------------------------------------------------


def _trigger(words: list[Word]) -> Trigger:
    head, rest = words[0].text, words[1:]
    if head == "on":
        return _on(rest)
    if any(word.is_pair for word in rest):
        raise ScriptError("only `on` takes conditions; write `on orderStatus where status=Filled`")
    texts = [word.text for word in rest]
    if head == "every":
        return _every(texts)
    if texts == ["start"]:
        return AtStart()
    if texts and texts[0] in ("message", "request"):
        if len(texts) != 2:
            raise ScriptError(f"`at {texts[0]}` takes one number; write `at {texts[0]} 12`")
        return AtMessage(convert("count", texts[1]), texts[0])
    return _time(texts)


def _every(texts: list[str]) -> AtTime:
    days = ("day", *WEEKDAYS)
    if len(texts) != 4 or texts[1] != "at":
        raise ScriptError("write `every day at 23:45 exchange` or `every Sunday at 01:00 exchange`")
    if texts[0] not in days:
        raise ScriptError(f"'{texts[0]}' is no day{did_you_mean(texts[0], days)}")
    return AtTime(_clock(texts[2]), _zone(texts[3]), every=texts[0])


def _time(texts: list[str]) -> AtTime:
    if not texts:
        raise ScriptError("`at` what? Write `at message 12`, `at start` or `at 10:15:00 exchange`")
    date: dt.date | None = None
    if len(texts[0]) == 10 and texts[0][4] == "-":
        try:
            date = dt.date.fromisoformat(texts[0])
        except ValueError:
            raise ScriptError(f"'{texts[0]}' is no date; write it as 2024-06-10") from None
        texts = texts[1:]
    if not texts or not texts[0][:1].isdigit():
        known = ("message", "request", "start")
        raise ScriptError(f"'{texts[0] if texts else ''}' is no time{did_you_mean(texts[0] if texts else '', known)}")
    if len(texts) == 1:
        raise ScriptError(f"whose {texts[0]}? Write `at {texts[0]} exchange` or `at {texts[0]} UTC`")
    if len(texts) > 2:
        raise ScriptError(f"'{texts[2]}' after the zone; write `every day at {texts[0]} {texts[1]}` for each day")
    return AtTime(_clock(texts[0]), _zone(texts[1]), date)


def _clock(text: str) -> dt.time:
    try:
        return dt.datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()  # noqa: DTZ007
    except ValueError:
        raise ScriptError(f"'{text}' is no time of day; write it as 15:30 or 15:30:00") from None


def _zone(text: str) -> str:
    if text not in ZONES:
        raise ScriptError(f"'{text}' is no zone that a script knows{did_you_mean(text, ZONES)}")
    return text


def _on(words: list[Word]) -> On:
    if not words or words[0].is_pair:
        raise ScriptError("`on` which message? Write `on orderStatus 2`")
    name, rest = words[0].text, words[1:]
    known = ANSWERS | REQUESTS | TAPE
    if name not in known:
        raise ScriptError(f"there is no message '{name}'{did_you_mean(name, known)}")
    where: list[Condition] = []
    if rest and rest[0].text == "where" and not rest[0].is_pair:
        rest = rest[1:]
        while rest and rest[0].is_pair:
            if not rest[0].key:
                raise ScriptError(f"'{rest[0]}' names no field; write `where status=Filled`")
            if rest[0].key not in (CLIENT, NEW):
                locate(name, rest[0].key)
            where.append(Condition(rest[0].key, rest[0].text, rest[0].sign == "!="))
            rest = rest[1:]
        if not where:
            raise ScriptError("`where` what? Write `where status=Filled`")
    if any(word.is_pair for word in rest):
        raise ScriptError("conditions stand together after `where`, before the count")
    if any(condition.field == NEW for condition in where) and name != "placeOrder":
        raise ScriptError("only placeOrder is new or not; leave `new=` away")
    return _counted(name, tuple(where), [word.text for word in rest])


def _counted(name: str, where: tuple[Condition, ...], texts: list[str]) -> On:
    if not texts:
        return On(name, where)
    if texts[0] == "every" and len(texts) == 2:
        return On(name, where, every=convert("count", texts[1]))
    if texts[:2] == ["with", "probability"] and len(texts) == 3:
        chance = convert("number", texts[2])
        if not 0 < chance <= 1:
            raise ScriptError(f"a probability lies above 0 and not above 1, and this is {texts[2]}")
        return On(name, where, probability=chance)
    if len(texts) == 1 and texts[0].lstrip("+-").isdigit():
        return On(name, where, nth=convert("count", texts[0]))
    raise ScriptError(
        f"'{' '.join(texts)}' after {name}; write a number, `every 3`, `with probability 0.2` or nothing, "
        "and conditions after `where`"
    )


def place_of(trigger: Trigger) -> str:
    """What a trigger's rule acts on: an answer, a request, the tape, a time."""
    if isinstance(trigger, On):
        return ANSWER if trigger.name in ANSWERS else REQUEST if trigger.name in REQUESTS else ON_TAPE
    if isinstance(trigger, AtMessage):
        return ANSWER if trigger.kind == "message" else REQUEST
    return CLOCK


# Actions -----------------------------------------------------------------------------------------------------------


def _action(words: list[Word], trigger: Trigger, waited: bool) -> Action:
    name = words[0].text
    if words[0].is_pair or name not in VERBS:
        raise ScriptError(f"there is no action '{words[0]}'{did_you_mean(str(words[0]), VERBS)}")
    verb = VERBS[name]
    place = place_of(trigger)
    if place not in verb.places:
        raise ScriptError(
            f"`{name}` needs {' or '.join(sorted(verb.places))}, and `{trigger}` is {place}; change the trigger"
        )
    if verb.under_way and waited:
        raise ScriptError(f"`{name}` after `wait`, when the message is gone; put it first, or use `delay`")
    action = Action(name, *_arguments(verb, words[1:]))
    _check_fields(verb, action, trigger)
    verb.check(place, waited, dict(action.parameters))
    return action


def _check_fields(verb: Verb, action: Action, trigger: Trigger) -> None:
    """Fields that are set are the message's, and so are those of ``$field``."""
    given = dict(action.parameters)
    about = trigger.name if isinstance(trigger, On) else None  # None: any message
    target = given.get("name", about) if verb.takes_fields else about
    if target is not None and "$" not in target:
        for name, value in action.fields:
            field = locate(target, name)
            if "$" not in value:
                field.value(value)
    for param in verb.params:
        if param.kind == "field" and about is not None and "$" not in given[param.name]:
            scaled = locate(about, given[param.name])
            if scaled.kind not in NUMBERS | {"int"}:
                raise ScriptError(f"{scaled} of {about} is no number; `{verb.name}` needs one")
    for text in (*given.values(), *(value for _, value in action.fields)):
        for reference in REFERENCE.findall(text):
            if isinstance(trigger, AtStart | AtTime):
                raise ScriptError(f"'${reference}' of which message? `{trigger}` is a time; use `on` with a message")
            if about is not None:
                locate(about, reference)


def _arguments(verb: Verb, words: list[Word]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    names = [param.name for param in verb.params]
    given: dict[str, str] = {}
    fields: dict[str, str] = {}
    for word in words:
        if word.is_pair:
            if word.sign == "!=" or not word.key:
                raise ScriptError(f"'{word}' is no parameter of `{verb.name}`; write name=value")
            if word.key not in names and not verb.takes_fields:
                raise ScriptError(f"`{verb.name}` has no parameter '{word.key}'{did_you_mean(word.key, names)}")
            target = given if word.key in names else fields
            if word.key in target:
                raise ScriptError(f"'{word.key}' is given twice; keep one")
            target[word.key] = word.text
        else:
            free = [name for name in names if name not in given]
            if not free or fields:
                raise ScriptError(f"'{word}' is too much; write `{verb.signature()}`")
            given[free[0]] = word.text
    for param in verb.params:
        if param.name not in given and param.default is None:
            raise ScriptError(f"`{verb.name}` needs {param.name}; write `{verb.signature()}`")
        if param.name in given and "$" not in given[param.name]:
            try:
                convert(param.kind, given[param.name])
            except ScriptError as error:
                raise ScriptError(f"{param.name} of `{verb.name}`: {error.args[0]}") from None
    return tuple((name, given[name]) for name in names if name in given), tuple(fields.items())
