"""``verify=True``: the same run leaping and stepping, held against each other bar by bar.

Why: a strategy that leaves out a bar in its declaration gives other results without a word. Here it is named: the first
bar on which the two runs differ, what differs, and which declaration is at fault. ``Cerebro`` runs both; this module
compares what the witnesses of the two wrote down. Floats are compared to the last bit.

The leaping run tells of orders exactly as one that nobody verifies: where a strategy and its analyzers say that the
last of several notices is enough (``core.leaping.hears_last``), they are told the last one alone. Stepping tells them
all, so what leaping need not tell is left out of its record before the two are compared (``shortened``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import backtrader as bt

from core.errors import EngineError
from engine.leap.wakes import WakesError
from engine.leap.witness import CEREBRO, Event, Facts, Record, account_facts, order_facts, plain


def run_both(cerebro: Any, run: Callable[[], Any]) -> Any:
    """Run leaping and, where that leapt, stepping; the result of the second run, which the broker's state is of.

    Raises EngineError at the first difference, and what both runs raise.
    """
    broker = cerebro.broker
    counted = [_counter(bt.Order), _counter(bt.Trade)]
    timers = list(cerebro._pretimers)  # strategies add theirs in each run
    settings, schemes = dict(vars(broker.p)), dict(broker.comminfo)  # they may set others in mid-run
    rates = [(thing.__dict__, dict(thing.__dict__)) for scheme in schemes.values() for thing in (scheme, scheme.p)]
    first_order = counted[0][1]
    leapt, result = _recorded(cerebro, run, first_order)
    if not leapt.has_leapt or isinstance(leapt.error, WakesError):
        if leapt.error is not None:
            raise leapt.error
        return result
    for cls, number in counted:  # some analyses name orders by what backtrader counts in all runs
        cls.refbasis = itertools.count(number)
    cerebro._pretimers[:] = timers
    vars(broker.p).update(settings)
    broker.comminfo.clear()
    broker.comminfo.update(schemes)
    for state, before in rates:
        state.clear()
        state.update(before)
    for strategy in leapt.strategies:
        strategy._stage1()  # as after a run without an error: datas can be used again
    for data in cerebro.datas:
        data.home()  # an optimisation leaves out the reset of its datas
    cerebro._event_stop, cerebro._is_control = False, True
    try:
        stepped, result = _recorded(cerebro, run, first_order)
    finally:
        cerebro._is_control = False
    if stepped.run is None:
        raise EngineError(
            "verify runs twice, and the first run left something that the second cannot start from "
            f"({'; '.join(cerebro.stepping_reasons) or stepped.error}); lines replaced by hand do, for instance"
        ) from stepped.error
    difference = first_difference(stepped, leapt)
    if difference:
        raise EngineError(difference) from leapt.error or stepped.error
    if stepped.error is not None:
        raise stepped.error
    return result


def _counter(cls: Any) -> tuple[Any, int]:
    """The class that counts orders or trades, and the next number, which is still to come."""
    owner = next(base for base in cls.__mro__ if "refbasis" in vars(base))
    number = next(owner.refbasis)
    owner.refbasis = itertools.count(number)
    return owner, number


def _recorded(cerebro: Any, run: Callable[[], Any], first_order: int) -> tuple[Record, Any]:
    record, result = Record(first_order), None
    cerebro._record = record
    try:
        result = run()
    except Exception as error:  # both runs must end in the same
        record.fail(error)
    finally:
        cerebro._record = None
    if record.run is not None:
        record.left = left_by(record, cerebro.broker)
    return record, result


class Difference(NamedTuple):
    """``step`` on which it shows; ``strategy``: number of the one it was seen at; ``text``: what differs."""

    step: int
    strategy: int
    text: str
    cure: str


def first_difference(stepped: Record, leapt: Record) -> str:
    """The first difference of two closed records, with its cure; empty where there is none."""
    found = [each for each in (_events(stepped, leapt), _accounts(stepped, leapt), _ends(stepped, leapt)) if each]
    if not found and stepped.error is None:
        found = [each for each in (_results(stepped, leapt), _broker(stepped, leapt)) if each]
    if not found:
        return ""
    first = min(found, key=lambda each: each.step)  # the earliest; of one step, in the order above
    where = _bar(stepped, first.strategy, first.step)
    return f"leaping differs from stepping on {where}: {first.text}; {first.cure}"


# ------------------------------------------------------------------ what differs


_ON_ITS_WAY = ("Submitted", "Accepted")


def shortened(stepped: Record, leapt: Record) -> list[Event]:
    """What leaping must have told: all that stepping did, but for an order that was sent or accepted and of which there
    was more to say on the same step, where who is told says that the last word is enough."""
    last: dict[tuple[int, int, str], Any] = {}  # step, strategy, order -> its status as it was told last on that step
    for event in stepped.events:
        last[event[:3]] = event.facts.get("status")
    return [
        event
        for event in stepped.events
        if not _is_on_its_way(event) or event.facts["status"] == last[event[:3]] or not leapt.is_shortened(event)
    ]


def _is_on_its_way(event: Event) -> bool:
    facts = event.facts
    return event.what.startswith("order") and facts["status"] in _ON_ITS_WAY and not facts["executed.size"]


def _events(stepped: Record, leapt: Record) -> Difference | None:
    none, told_of = Event(1 << 60, 0, "", {}), shortened(stepped, leapt)
    for number in range(max(len(told_of), len(leapt.events))):
        ours = leapt.events[number] if number < len(leapt.events) else none
        theirs = told_of[number] if number < len(told_of) else none
        if repr(ours) == repr(theirs):
            continue
        if (ours.step, ours.strategy, ours.what) == (theirs.step, theirs.strategy, theirs.what):
            return Difference(
                ours.step, ours.strategy, f"{_named(ours)}, {_first_fact(theirs.facts, ours.facts)}",
                _cure(stepped, leapt, ours.step, theirs, ours.what),
            )  # fmt: skip
        early = theirs if theirs.step <= ours.step else ours
        told = "stepping" if early is theirs else "leaping"
        text = f"{_name_of(stepped, early.strategy)} is told of {_named(early)} when {told} only"
        cure = _cure(stepped, leapt, early.step, theirs, early.what)
        return Difference(early.step, early.strategy, text, cure)
    return None


def _accounts(stepped: Record, leapt: Record) -> Difference | None:
    for step, ours in leapt.accounts.items():
        theirs = stepped.accounts.get(step)
        if theirs is not None and repr(theirs) != repr(ours):
            told = _first_fact(theirs, ours)
            return Difference(step, 0, f"the account, {told}", _cure(stepped, leapt, step, None))
    for step, value in enumerate(leapt.values):
        known = stepped.accounts.get(step)
        if known is not None and repr(float(known["value"])) != repr(value):
            text = f"the account, value: {known['value']!r} when stepping, {value!r} when leaping"
            return Difference(step, 0, text, _cure(stepped, leapt, step, None))
    return None


def _ends(stepped: Record, leapt: Record) -> Difference | None:
    ends = [f"{type(each.error).__name__}: {each.error}" if each.error else "" for each in (stepped, leapt)]
    if stepped.last == leapt.last and ends[0] == ends[1]:
        return None
    step = min(stepped.last, leapt.last)
    said = [f" with {end}" if end else "" for end in ends]
    text = f"the run ends on step {stepped.last}{said[0]} when stepping and on step {leapt.last}{said[1]} when leaping"
    return Difference(step, 0, text, _cure(stepped, leapt, step + 1, None))


def _results(stepped: Record, leapt: Record) -> Difference | None:
    """Analyses; the first leaf of the first that differs."""
    for number, (theirs, ours) in enumerate(zip(stepped.strategies, leapt.strategies, strict=True)):
        pairs = zip(theirs.analyzers.getitems(), ours.analyzers.getitems(), strict=True)
        for (name, one), (_, other) in pairs:
            told = difference_of(_analysis(one), _analysis(other))
            if told:
                cure = f"the analyzer {type(one).__name__} says that it leaps and must be called on every bar"
                if getattr(one, "hears_last", False) and _left_out(stepped, leapt):
                    cure += ", or that it hears_last and must hear of every notice of an order"
                return Difference(stepped.last, number, f"the analysis {name}{told}", cure)
    return None


def _broker(stepped: Record, leapt: Record) -> Difference | None:
    """Orders, account and gate at the end."""
    told = difference_of(stepped.left, leapt.left)
    return Difference(stepped.last, 0, f"the broker at the end{told}", _ENGINE) if told else None


def _analysis(analyzer: bt.Analyzer) -> Any:
    try:
        return plain(analyzer.get_analysis())
    except Exception as error:  # some cannot answer after a run without trades: then neither of both can
        return f"{type(error).__name__}: {error}"


def difference_of(one: Any, other: Any, path: str = "") -> str:
    """Where two trees of mappings and lists first differ, and what they have there; empty if nowhere."""
    if repr(one) == repr(other):
        return ""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return next(filter(None, (difference_of(one[key], other[key], f"{path}.{key}") for key in one)))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = (difference_of(a, b, f"{path}[{at}]") for at, (a, b) in enumerate(zip(one, other, strict=True)))
        return next(filter(None, parts))
    return f"{path}: {_short(one)} when stepping, {_short(other)} when leaping"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _first_fact(theirs: Facts, ours: Facts) -> str:
    return next(
        f"{name}: {theirs[name]!r} when stepping, {ours[name]!r} when leaping"
        for name in theirs
        if repr(theirs[name]) != repr(ours[name])
    )


# ------------------------------------------------------------------ where, and whose fault

_ENGINE = (
    "every strategy was called where it acts, so this is a fault of the engine: please report it, and run with "
    "leap=False"
)


def _cure(stepped: Record, leapt: Record, step: int, theirs: Event | None, what: str = "") -> str:
    """What left out the bar before ``step``, on which a strategy must have acted. ``what`` it shows at."""
    for written, number, name in stepped.written:
        if name == what and written < step and written not in leapt.called[number]:
            bar = _bar(stepped, number, written)
            return f"wakes() of {_name_of(stepped, number)} leaves out {bar}, on which it writes into {name}"
    if theirs is not None and theirs.what.startswith("order") and _is_broker(theirs, leapt):
        return _ENGINE
    number = theirs.strategy if theirs is not None else -1
    chosen = [number] if number >= 0 else range(len(stepped.strategies))
    for each in chosen:
        acted = step - 1
        if acted in stepped.called[each] and acted not in leapt.called[each]:
            return f"wakes() of {_name_of(stepped, each)} leaves out {_bar(stepped, each, acted)}"
    if number < 0 or theirs is not None and "when" in theirs.facts:
        return _ENGINE
    name, hears = _name_of(stepped, number), ""
    if any(event.strategy == number and event.step <= step for event in _left_out(stepped, leapt)):
        hears = f", or, if {name} needs every notice of an order, hears_last must not be True"
    return (
        f"{name} was called on the bar before and did something else: leapt() must bring it to where calls on all bars "
        f"would have{hears}"
    )


def _left_out(stepped: Record, leapt: Record) -> list[Event]:
    """Notices that shortening left out."""
    told = set(map(id, shortened(stepped, leapt)))
    return [event for event in stepped.events if id(event) not in told]


_MADE = ("data", "side", "size", "type", "made")


def _is_broker(event: Event, leapt: Record) -> bool:
    """Whether the broker accepted, filled or ended an order at another time that was sent at the same in both runs."""
    if event.facts["status"] == "Canceled":
        return False
    return any(
        order["name"] == event.what and all(order[fact] == event.facts[fact] for fact in _MADE)
        for order in leapt.left.get("orders", ())
    )


def _named(event: Event) -> str:
    facts = event.facts
    if "when" in facts:
        return f"{event.what} ({facts['when']})"
    if event.what.startswith("order"):
        about = f"{facts['side']} {abs(facts['size'])} of {facts['data']}, {facts['type']}, {facts['status']}"
        return f"{event.what} ({about})"
    return f"{event.what} ({facts['data']})"


def _name_of(record: Record, number: int) -> str:
    if number == CEREBRO:
        return "Cerebro"
    return type(record.strategies[number]).__name__ if record.strategies else "the strategy"


def _bar(record: Record, number: int, step: int) -> str:
    """A step by the bar of the strategy's first data, counted from 0 as in its wake sets, and its time."""
    run = record.run
    assert run is not None  # there are events and accounts only of runs
    step = min(max(step, 0), len(run.timeline.stamps) - 1)
    data = record.strategies[max(number, 0)].datas[0]
    place = next(place for place, each in enumerate(run.datas) if each is data)
    bar, before = run.timeline.row(place, step), run.timeline.row(place, step - 1)
    when = bt.num2date(run.timeline.stamp(step))
    name = data._name or "the first data"
    if bar == before:
        return f"{when} (step {step}), on which {name} has no bar: declare '*' for it"
    return f"bar {bar} of {name}, {when}"


# ------------------------------------------------------------------ what a run leaves


def left_by(record: Record, broker: Any) -> dict[str, Any]:
    """Orders and account once a run is over."""
    left: dict[str, Any] = {
        "orders": [
            {"name": record.name("order", order.ref), **order_facts(order)} for order in getattr(broker, "orders", ())
        ],
        "pending": [record.name("order", order.ref) for order in getattr(broker, "pending", ()) if order is not None],
        "account": dict(account_facts(broker)),
    }
    account, gate = getattr(broker, "account", None), getattr(broker, "gate", None)
    if account is not None:
        left["trades"] = [repr(trade) for trade in account.trades]
        left["costs"], left["balances"] = plain(account.costs), plain(account.cash.balances)
    if gate is not None:
        left["gate"] = [repr(event) for event in gate.events]
    return left
