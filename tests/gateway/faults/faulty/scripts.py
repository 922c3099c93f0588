"""Random scripts that the language allows."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from gateway.faults import FaultScriptError, Script
from gateway.faults.actions import VERBS
from gateway.faults.fields import NUMBERS, UNSETTABLE, fields_of
from gateway.faults.names import ANSWERS, REQUESTS, TAPE
from gateway.faults.script import WEEKDAYS, Action, AtMessage, AtStart, AtTime, Condition, On, Rule, Trigger
from gateway.faults.triggers import place_of

SAMPLES = {
    "field": ["price", "order.tif"],
    "whole": ["-1", "0", "7"],
    "count": ["1", "201", "1100"],
    "port": ["0", "4002"],
    "number": ["1.5", "-2"],
    "positive": ["0.5", "100"],
    "ratio": ["0.5", "1000"],
    "duration": ["0", "30", "5m", "4h", "1.5s"],
    "span": ["1", "10m"],
    "offset": ["-90s", "+2m", "0"],
    "names": ["data", "all", "orderStatus,execDetails", "placeOrder,orders"],
    "answer": ["orderStatus", "error"],
    "request": ["placeOrder", "cancelOrder"],
    "symbol": ["BAC", "*", "first", "BRK B"],
    "client": ["own", "all", "3"],
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


def values_of(kind: str) -> st.SearchStrategy[str]:
    if kind.startswith("choice:"):
        return st.sampled_from(kind.removeprefix("choice:").split("|"))
    return TEXTS if kind == "text" else st.sampled_from(SAMPLES[kind])


def names_of(message: str) -> st.SearchStrategy[str]:
    return st.sampled_from([str(field) for field in fields_of(message)] or ["client"])


@st.composite
def settings(draw: st.DrawFn, message: str, taken: frozenset[str]) -> dict[str, str]:
    """Some fields of the message with values that they can have."""
    found = {}
    able = [field for field in fields_of(message) if field.kind not in UNSETTABLE and str(field) not in taken]
    for field in draw(st.lists(st.sampled_from(able), max_size=2)) if able else []:
        found[str(field)] = draw({"int": st.just("7"), "bool": st.sampled_from(["yes", "false"]), "str": TEXTS}.get(
            field.kind, st.sampled_from(["7", "-0.5"])
        ))  # fmt: skip
    return found


@st.composite
def on(draw: st.DrawFn) -> On:
    name = draw(st.sampled_from(sorted(ANSWERS | REQUESTS | TAPE)))
    where = draw(st.lists(st.builds(Condition, names_of(name) | st.just("client"), TEXTS, st.booleans()), max_size=3))
    return On(name, tuple(where), **draw(counts))


times = st.times().map(lambda time: time.replace(microsecond=0))
counts = st.sampled_from([{}, {"nth": 1}, {"nth": 12}, {"every": 3}, {"probability": 0.125}, {"probability": 1.0}])
dates = st.dates(dt.date(1970, 1, 1), dt.date(2199, 12, 31))
triggers = st.one_of(
    st.just(AtStart()),
    st.builds(AtMessage, st.integers(1, 10**6), st.sampled_from(["message", "request"])),
    st.builds(
        AtTime,
        times,
        st.sampled_from(["UTC", "exchange"]),
        st.none() | st.dates(dt.date(1970, 1, 1), dt.date(2199, 12, 31)),
    ),
    st.builds(AtTime, times, st.just("UTC"), st.none(), st.sampled_from(["day", *WEEKDAYS])),
    on(),
)


@st.composite
def actions(draw: st.DrawFn, trigger: Trigger) -> tuple[Action, ...]:
    """Some actions that may stand after the trigger."""
    found: list[Action] = []
    waited = False
    for _ in range(draw(st.integers(1, 3))):
        able = [v for v in VERBS.values() if place_of(trigger) in v.places and not (v.under_way and waited)]
        verb = draw(st.sampled_from(able))
        given = {p.name: draw(values_of(p.kind)) for p in verb.params if p.default is None or draw(st.booleans())}
        try:
            verb.check(place_of(trigger), waited, given)
        except FaultScriptError:
            continue
        about = trigger.name if isinstance(trigger, On) else None
        if "field" in given:
            numbers = [str(f) for f in fields_of(about) if f.kind in NUMBERS] if about else ["price"]
            if not numbers:
                continue
            given["field"] = draw(st.sampled_from(numbers))
        target = given.get("name", about) if verb.takes_fields else None
        fields = draw(settings(target, frozenset(p.name for p in verb.params))) if target else {}
        if verb.name == "receive" and target in ("placeOrder", "cancelOrder"):
            fields["orderId"] = "7"
        if verb.takes_fields == "some" and not fields:
            continue
        if any("$" in text for text in (*given.values(), *fields.values())):
            continue  # what a reference names is checked apart
        found.append(Action(verb.name, tuple(given.items()), tuple(fields.items())))
        waited = waited or verb.name == "wait"
    return tuple(found) or (Action("wait", (("seconds", "1"),)),)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    rules = tuple(Rule(trigger, draw(actions(trigger))) for trigger in draw(st.lists(triggers, max_size=4)))
    return Script(rules, draw(st.none() | st.integers()))
