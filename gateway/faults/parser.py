"""Reads the script language: a rule for each line, ``trigger: action; action``. See docs/gateway_faults.md."""

from __future__ import annotations

from core.errors import FaultScriptError, did_you_mean
from gateway.faults.actions import VERBS
from gateway.faults.fields import NUMBERS, locate
from gateway.faults.lexer import Word, words_of
from gateway.faults.script import Action, AtStart, AtTime, On, Rule, Script, Trigger
from gateway.faults.triggers import place_of, read_trigger
from gateway.faults.values import REFERENCE
from gateway.faults.verbs import Verb, convert

_OF_AN_ORDER = frozenset({"placeOrder", "cancelOrder"})
STARTS = ("at", "every", "on", "seed")


def parse(text: str, source: str = "script") -> Script:
    """Read a script; ``source`` names it in errors.

    Raises:
        FaultScriptError: A line that cannot be understood: its number, what is wrong, and the cure.
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
                    raise FaultScriptError("a second seed; keep one of them")
                seed = _seed(words[1:])
            else:
                rules.append(_rule(words, place))
        except FaultScriptError as error:
            raise FaultScriptError(f"{place}: {error.args[0]}") from None
    return Script(tuple(rules), seed)


def _seed(words: list[Word]) -> int:
    if len(words) != 1 or words[0].sign:
        raise FaultScriptError("a seed is one whole number; write `seed 7`")
    return int(convert("whole", words[0].text))


def _rule(words: list[Word], place: str) -> Rule:
    if words[0].text not in STARTS:
        raise FaultScriptError(
            f"a line begins with at, every, on or seed, not '{words[0]}'{did_you_mean(str(words[0]), STARTS)}"
        )
    signs = [word.sign for word in words]
    if ":" not in signs:
        raise FaultScriptError("no ': ' between the trigger and what is done; write `on execDetails 1: duplicate`")
    colon = signs.index(":")
    trigger = read_trigger(words[:colon])
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
            raise FaultScriptError("a second ': '; put a text that ends with a colon in quotes")
        else:
            parts[-1].append(word)
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    if not all(parts):
        raise FaultScriptError(
            "an action is missing after the trigger or between two ';'; write `drop`, or leave the ';' away"
        )
    return parts


def _action(words: list[Word], trigger: Trigger, waited: bool) -> Action:
    name = words[0].text
    if words[0].is_pair or name not in VERBS:
        raise FaultScriptError(f"there is no action '{words[0]}'{did_you_mean(str(words[0]), VERBS)}")
    verb = VERBS[name]
    place = place_of(trigger)
    if place not in verb.places:
        raise FaultScriptError(
            f"`{name}` needs {' or '.join(sorted(verb.places))}, and `{trigger}` is {place}; change the trigger"
        )
    if verb.under_way and waited:
        raise FaultScriptError(f"`{name}` after `wait`, when the message is gone; put it first, or use `delay`")
    action = Action(name, *_arguments(verb, words[1:]))
    _check_fields(verb, action, trigger)
    verb.check(place, waited, dict(action.parameters))
    return action


def _check_fields(verb: Verb, action: Action, trigger: Trigger) -> None:
    """Fields that are set are the message's, and so are those of ``$field``."""
    if verb.takes_fields == "some" and not action.fields:
        raise FaultScriptError(f"`{verb.name}` changes nothing; write `{verb.name} status=Cancelled`")
    given = dict(action.parameters)
    about = trigger.names if isinstance(trigger, On) else ()  # none: any message
    targets = (given["name"],) if verb.takes_fields and "name" in given else about
    for target in targets:
        if "$" not in target:
            for name, value in action.fields:
                field = locate(target, name)
                if "$" not in value:
                    field.value(value)
    is_of_an_order = not _OF_AN_ORDER.isdisjoint(targets)
    if verb.name == "receive" and is_of_an_order and "orderId" not in (name for name, _ in action.fields):
        raise FaultScriptError(f"`receive {targets[0]}` of which order? Write `receive {targets[0]} orderId=$orderId`")
    for param in verb.params:
        if param.kind == "field" and "$" not in given[param.name]:
            for message in about:
                scaled = locate(message, given[param.name])
                if scaled.kind not in NUMBERS | {"int"}:
                    raise FaultScriptError(f"{scaled} of {message} is no number; `{verb.name}` needs one")
    for text in (*given.values(), *(value for _, value in action.fields)):
        for reference in REFERENCE.findall(text):
            if isinstance(trigger, AtStart | AtTime):
                raise FaultScriptError(
                    f"'${reference}' of which message? `{trigger}` is a time; use `on` with a message"
                )
            for message in about:
                locate(message, reference)


def _arguments(verb: Verb, words: list[Word]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    names = [param.name for param in verb.params]
    given: dict[str, str] = {}
    fields: dict[str, str] = {}
    for word in words:
        if word.is_pair:
            if word.sign == "!=" or not word.key:
                raise FaultScriptError(f"'{word}' is no parameter of `{verb.name}`; write name=value")
            if word.key not in names and not verb.takes_fields:
                raise FaultScriptError(f"`{verb.name}` has no parameter '{word.key}'{did_you_mean(word.key, names)}")
            target = given if word.key in names else fields
            if word.key in target:
                raise FaultScriptError(f"'{word.key}' is given twice; keep one")
            target[word.key] = word.text
        else:
            free = [name for name in names if name not in given]
            if not free or fields:
                raise FaultScriptError(f"'{word}' is too much; write `{verb.signature()}`")
            given[free[0]] = word.text
    for param in verb.params:
        if param.name not in given and param.default is None:
            raise FaultScriptError(f"`{verb.name}` needs {param.name}; write `{verb.signature()}`")
        if param.name in given and "$" not in given[param.name]:
            try:
                convert(param.kind, given[param.name])
            except FaultScriptError as error:
                raise FaultScriptError(f"{param.name} of `{verb.name}`: {error.args[0]}") from None
    return tuple((name, given[name]) for name in names if name in given), tuple(fields.items())
