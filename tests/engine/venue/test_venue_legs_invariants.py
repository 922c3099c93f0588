"""Whatever goes wrong with a pair, no leg stands alone above the cap for longer than it may."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from legged.faulty_market import in_market
from legged.scene import ENTRY, PRICES, SIZES, Fault, Outcome, at, play, second_bars, settings_for

TIMEOUT = 8.0  # seconds
SECOND = dt.timedelta(seconds=1)
SHARE = {"costs": {"slippage": {"model": "volume_share", "volume_limit": 0.025, "price_impact": 0.0}}}

seconds = st.integers(min_value=-10, max_value=200).map(float)
symbols = st.sampled_from(["Y", "X"])


@st.composite
def stretch(draw: Any) -> tuple[str, float, float]:
    begin = draw(st.integers(min_value=-5, max_value=150))
    return draw(symbols), float(begin), float(begin + draw(st.integers(min_value=1, max_value=70)))


@st.composite
def fault(draw: Any) -> list[Fault]:
    kind = draw(st.sampled_from(["halt", "lend", "refuse", "freeze", "strike", "bust", "bust", "deaf"]))
    symbol, when = draw(symbols), draw(seconds)
    if kind == "halt":
        until = when + draw(st.integers(min_value=1, max_value=40))
        return [Fault(at(when), "halt", symbol), Fault(at(until), "resume", symbol)]
    if kind == "lend":
        until = when + draw(st.integers(min_value=1, max_value=40))
        return [Fault(at(when), "lend", symbol, shares=0.0), Fault(at(until), "lend", symbol, shares=1e9)]
    if kind == "refuse":
        count = draw(st.integers(min_value=1, max_value=3))
        return [Fault(at(min(when, 0.0)), "refuse", symbol, role=draw(st.sampled_from(["entry", "stop"])), count=count)]
    if kind in ("freeze", "deaf"):
        return [Fault(at(when), kind, symbol)]
    if kind == "bust":
        return [Fault(at(when), "bust", symbol, reach=draw(st.integers(min_value=1, max_value=4)))]
    return [Fault(at(when), "strike", symbol, role=draw(st.sampled_from(["entry", "stop"])))]


@st.composite
def script(draw: Any) -> dict[str, Any]:
    slow = draw(st.booleans())
    silent: dict[str, list[tuple[float, float]]] = {"Y": [], "X": []}
    for symbol, begin, end in draw(st.lists(stretch(), max_size=3)):
        silent[symbol].append((begin, end))
    moments = draw(st.dictionaries(symbols, st.integers(5, 150).map(float), max_size=1))
    jumps = {symbol: [(when, draw(st.sampled_from([0.8, 0.97, 1.03, 1.2])))] for symbol, when in moments.items()}
    return {
        "bars": {
            "silent": silent,
            "jumps": jumps,
            "volumes": {s: draw(st.sampled_from([200.0, 400.0, 1_200.0])) for s in SIZES} if slow else None,
        },
        "faults": [each for several in draw(st.lists(fault(), max_size=3)) for each in several],
        "legs": {
            "timeout_seconds": TIMEOUT,
            "action": draw(st.sampled_from(["unwind", "hedge"])),
            "max_naked_eur": draw(st.sampled_from([0.0, 0.0, 2_500.0])),
        },
        "leaves": draw(st.sampled_from([(), (ENTRY + 1,), (ENTRY + 2,)])),
        "sign": draw(st.sampled_from([-1, 1])),
        "rest": SHARE if slow else {},
    }


def play_script(chosen: dict[str, Any]) -> Outcome:
    fine = second_bars(ENTRY + 5, **chosen["bars"])
    return play(
        in_market, settings_for(chosen["legs"], **chosen["rest"]), fine, chosen["faults"],
        sign=chosen["sign"], leaves=chosen["leaves"],
    )  # fmt: skip


def halts(faults: Sequence[Fault], symbol: str) -> list[tuple[dt.datetime, dt.datetime]]:
    ends = sorted(f.when for f in faults if f.kind == "resume" and f.symbol == symbol)
    begins = sorted(f.when for f in faults if f.kind == "halt" and f.symbol == symbol)
    return [(begin, max(end for end in ends)) for begin in begins]


def seconds_needed(chosen: dict[str, Any], symbol: str) -> int:
    """Seconds of trading in which a market order for the whole leg is sure to fill."""
    volumes = chosen["bars"]["volumes"]
    return 1 if volumes is None else math.ceil(SIZES[symbol] / math.floor(volumes[symbol] * 0.025))


def tradable(outcome: Outcome, chosen: dict[str, Any], symbol: str, since: dt.datetime, until: dt.datetime) -> int:
    """Bars of a leg that begin at or after a moment, end by the other, and in which orders match."""
    closed = halts(chosen["faults"], symbol)
    return sum(
        since <= end - SECOND and end <= until and not any(a <= end <= b + SECOND for a, b in closed)
        for end in outcome.fine[symbol].index.to_pydatetime()
    )


def check(outcome: Outcome, chosen: dict[str, Any]) -> None:
    witness, cap = outcome.witness, chosen["legs"]["max_naked_eur"]
    # 1. never an exit beside another one that works
    assert not witness.doubled
    # 2. nothing naked beyond the cap for longer than the time, one second until it is known, and what an order needs
    for begin, end, symbol in outcome.naked_spans(cap):
        # an entry of which no cancel arrives is waited for once more, and what it fills on has to go as well
        times = 2 if any(fault.kind == "deaf" for fault in chosen["faults"]) else 1
        deadline = begin + SECOND + times * dt.timedelta(seconds=TIMEOUT)
        if end > deadline:
            waited = tradable(outcome, chosen, symbol, deadline, end)
            assert waited <= times * seconds_needed(chosen, symbol) + times - 1, (begin, end, symbol, waited)
    # 3. never an opposite position, but where an execution was taken back; then not at the end either
    side = {"Y": -chosen["sign"], "X": chosen["sign"]}
    for _, holds in witness.line:
        for symbol, size in holds.items():
            if symbol not in witness.busted:
                assert size * side[symbol] >= 0.0 and abs(size) <= SIZES[symbol]
    # 4. the account holds what the market's executions say, and the strategy knows of it
    for symbol, size in witness.holds.items():
        data = next(data for data in outcome.strategy.datas if data._name.endswith(symbol))
        assert outcome.broker.getposition(data).size == pytest.approx(size)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(script())
def test_no_leg_stands_alone(chosen: dict[str, Any]) -> None:
    check(play_script(chosen), chosen)


def test_the_measure_sees_a_leg_that_stands_alone() -> None:
    """Within a cap that allows all of it, Y stands alone for two minutes: longer than the check would accept."""
    chosen = {
        "bars": {"silent": {"X": [(0.0, 1_000.0)]}, "jumps": {}, "volumes": None},
        "faults": [], "legs": {"timeout_seconds": TIMEOUT, "max_naked_eur": SIZES["Y"] * PRICES["Y"] * 2},
        "leaves": (), "sign": -1, "rest": {},
    }  # fmt: skip
    outcome = play_script(chosen)
    ((begin, end, symbol),) = outcome.naked_spans(0.0)
    assert (begin, symbol) == (at(0), "Y") and end >= at(120)
    with pytest.raises(AssertionError):
        check(outcome, {**chosen, "legs": {**chosen["legs"], "max_naked_eur": 0.0}})
