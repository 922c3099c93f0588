"""Each trap that the measurements named, as a programme that steps into it; stock's result is the right one.

Each test first shows that stock's run really is in the trap, then that ours gives the same events.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from parity.compare import assert_same, first_difference
from parity.decode import ANALYZERS
from parity.engines import OURS, STOCK, Engine
from parity.frames import frame_of
from parity.programme import Action, Feed, Node, Plan, Programme
from parity.running import run
from parity.tape import ORDER


def both(programme: Programme) -> list[tuple[str, Any, Any]]:
    """Stock's events, after ours were found to be the same."""
    events = run(programme, STOCK)
    difference = first_difference(events, run(programme, OURS))
    assert difference is None, f"{programme!r}\n{difference}"
    return events


def of(events: list[tuple[str, Any, Any]], kind: str) -> list[tuple[Any, Any]]:
    return [(event[1], event[2]) for event in events if event[0] == kind]


def statuses(events: list[tuple[str, Any, Any]], ref: int) -> list[str]:
    return [bt.Order.Status[values[3]] for _, values in of(events, "order") if values[0] == ref]


GAPPY = (Feed(seed=1), Feed(seed=2, missing=0.4, first=3))


@pytest.mark.parametrize("operation", ["sub", "div", "lt", "Max", "CrossOver", "If"])
@pytest.mark.parametrize("longer", [0, 1])
def test_trap_01_operations_between_datas_align_by_index(operation: str, longer: int) -> None:
    """In runonce, operations between lines of different datas align by index, not by time.

    Different lengths raise or misalign silently.
    """
    sources = ("d0.close", "d1.close") if longer == 0 else ("d1.close", "d0.close")
    plan = Plan(nodes=(Node(operation, sources),), actions=(Action(at=20), Action(at=30, do="close")))
    by_index, by_time = both(Programme(GAPPY, (plan,))), both(Programme(GAPPY, (plan,), cerebro=(("runonce", False),)))
    lines = [[e for e in events if e[0] == "line" and "indicator 0" in e[2][0]] for events in (by_index, by_time)]
    assert repr(lines[0]) != repr(lines[1]) or of(by_index, "error")


def test_trap_02_a_sub_indicator_stands_on_its_last_value() -> None:
    """Only top-level indicators advance in runonce; a sub-indicator's ``[0]`` in ``next`` can read the last value."""
    plan = Plan(nodes=(Node("Composed"), Node("BollingerBands"), Node("MACD")))
    events = both(Programme(plans=(plan,)))
    top, below = [], []
    for _, values in of(events, "bar"):
        (first, *_), rest = values[3][0], values[3][3:]
        top.append(first)
        below += [thing[0] for thing in rest]
    assert top == sorted(set(top)) and 0 in below  # the one advances, the other never did


def test_trap_02b_a_data_without_a_bar_yet_reads_its_last_value() -> None:
    """Same for a data that has no bar yet."""
    late = (Feed(seed=1), Feed(seed=2, first=12))
    events = both(Programme(late, (Plan(),)))
    _, values = of(events, "prenext")[0]
    last = frame_of(late[1])["close"].iloc[-1]
    assert values[0] == (1, 0) and last in values[2][1]


def test_trap_03_ticks_are_none_on_the_last_bar() -> None:
    """``tick_*`` are None on the last bar: orders that meet it are matched by its lines."""
    plan = Plan(actions=(Action(at=39), Action(at=39, exectype="Limit", price=1.1), Action(at=38, exectype="Close")))
    events = both(Programme(plans=(plan,)))
    ticks = [values[2][0][-6:] for _, values in of(events, "bar")]
    assert None in ticks[-1] and None not in ticks[-2]
    assert "Completed" in statuses(events, 2)


def test_trap_04_a_numeric_valid_is_an_absolute_date() -> None:
    """A numeric ``valid`` compares as an absolute date: 3.5 has long passed."""
    far = {"exectype": "Limit", "price": 0.5}
    plan = Plan(actions=(Action(at=5, valid="number", **far), Action(at=5, valid="absolute", **far)))
    events = both(Programme(plans=(plan,)))
    ends = {values[0]: where for where, values in of(events, "order") if values[3] == bt.Order.Expired}
    assert ends == {1: (0, 6), 2: (0, 9)}


@pytest.mark.parametrize("kind", ["Limit", "Stop", "StopLimit", "StopTrail", "Close", "Market"])
def test_trap_05_orders_meet_a_stale_bar(kind: str) -> None:
    """Limit and Stop can match a stale bar when their data did not advance."""
    reach = {"Limit": 1.0, "Stop": 1.0, "StopLimit": 1.0, "StopTrail": None}.get(kind)
    trail = ("percent", 0.001) if kind == "StopTrail" else None
    common = {"data": 1, "exectype": kind, "price": reach, "limit": reach and 1.02, "trail": trail, "size": 1}
    events = both(Programme(GAPPY, (Plan(actions=tuple(Action(at=at, **common) for at in range(8, 34))),)))
    fills = [values for _, values in of(events, "order") if values[3] == bt.Order.Completed]
    created, executed = (ORDER.index(name) for name in ("created", "executed"))
    same_bar = [values for values in fills if values[created][0] == values[executed][0]]
    assert fills and bool(same_bar) == (kind != "Market")  # Close fills a bar later with the time of the bar before


@pytest.mark.parametrize("mode", [(), (("runonce", False),)])
def test_trap_06_division_by_zero_raises(mode: tuple[tuple[str, Any], ...]) -> None:
    """Line division by zero raises, in ``once`` before the first bar and in ``next`` on its own."""
    nodes = (Node("sub", ("d0.close", "d0.close")), Node("div", ("d0.close", 0)))
    events = both(Programme(plans=(Plan(nodes=nodes),), cerebro=mode))
    assert [values[0] for _, values in of(events, "error")] == ["ZeroDivisionError"]


def test_trap_06b_flat_prices_divide_by_zero_inside_stock_indicators() -> None:
    """Indicators that divide by a range raise where there is none, and the safe ones do not."""
    flat = Feed(seed=3, shape="zero")
    for name in ("Stochastic", "WilliamsR", "CCI"):
        both(Programme((flat,), (Plan(nodes=(Node(name, ("d0",), 1),)),)))
    for name in ("RSI", "RSI_Safe", "KAMA", "PercentRank"):
        both(Programme((Feed(seed=3, shape="flat"),), (Plan(nodes=(Node(name),)),)))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_trap_07_value_is_summed_in_the_order_of_positions(order: tuple[int, ...]) -> None:
    """Value is summed in the insertion order of ``positions``, which ``getposition()`` changes."""
    feeds = (Feed(seed=1), Feed(seed=2), Feed(seed=3, shape="jumps"))
    touches = tuple(Action(at=2 + place, do="touch", data=data) for place, data in enumerate(order))
    trades = tuple(Action(at=6, data=data, size=3.37 * (data + 1)) for data in (1, 0, 2))
    events = both(Programme(feeds, (Plan(actions=touches + trades),), broker=(("cash", 50_000.0),)))
    _, last = of(events, "bar")[-1]
    assert [name for name, *_ in last[5]] == [f"d{data}" for data in order]


@pytest.mark.parametrize("scheme", ["futures", "interest", "interest long", "futures auto"])
@pytest.mark.parametrize("reads", [0, 2])
def test_trap_08_positions_are_rewritten_on_every_bar(scheme: str, reads: int) -> None:
    """``pos.datetime`` and ``adjbase`` are rewritten on every bar: they are there whenever they are looked at."""
    actions = (Action(at=4, side="sell"), Action(at=20, size=25), Action(at=31, do="close"))
    plan = Plan(actions=actions, reads=reads)
    events = both(Programme(plans=(plan,), commissions=((None, scheme),), broker=(("int2pnl", False),)))
    if reads:
        seen = [values[5][0] for _, values in of(events, "bar") if values[5] and values[5][0][1]]
        assert len({str(position[-1]) for position in seen}) == len(seen) > 20
        assert len({position[4] for position in seen}) > 20


@pytest.mark.parametrize("minutes", [1, 7, 60, 1440])
def test_trap_09_datetime_floats_are_those_of_date2num(minutes: int) -> None:
    """Datetime floats must reproduce ``date2num``'s fsum: 5,000 of each step."""
    both(Programme((Feed(bars=5_000, minutes=minutes),), (Plan(reads=0, loud=False),)))


@pytest.mark.parametrize("scheme", range(11))
def test_trap_10_a_commission_set_in_mid_run_holds_at_once(scheme: int) -> None:
    """``setcommission`` in mid-run invalidates fast paths."""
    trades = [Action(at=at, size=5, side=("buy", "sell")[at % 3 == 0]) for at in range(3, 36)]
    plan = Plan(actions=(*trades, Action(at=17, do="commission", value=float(scheme))))
    events = both(Programme(plans=(plan,), commissions=((None, "percent"),), broker=(("cash", 90_000.0),)))
    assert len(of(events, "order")) > 60


@pytest.mark.parametrize("loud", [True, False])
@pytest.mark.parametrize("name", ANALYZERS)
def test_trap_11_analyzers_can_be_read_in_mid_run(name: str, loud: bool) -> None:
    """Deferred analyzers are empty when read in mid-run: in ``next``, in a notification and in ``stop``."""
    trades = tuple(Action(at=at, size=20, side=("buy", "sell")[at // 4 % 2]) for at in range(3, 38, 4))
    moments = (("bar", 9), ("bar", 26), ("order", 7), ("stop", 1))
    reads = tuple(Action(where=where, at=at, do="read") for where, at in moments)
    plan = Plan(actions=trades + reads, loud=loud, reads=0)
    events = both(Programme(plans=(plan,), analyzers=(name,), stdstats=name == "AnnualReturn"))
    assert len(of(events, "analyzer")) == 4


def test_trap_12_the_shortest_trade_is_forgotten_after_one_of_no_bar() -> None:
    """TradeAnalyzer's ``len.min`` resets after a 0-bar trade."""
    bar = lambda at: (Action(at=at), Action(at=at, side="sell"))  # noqa: E731 - opened and closed on one bar
    longer = (Action(at=4), Action(at=9, do="close"), Action(at=12), Action(at=15, do="close"))
    last = (Action(at=25), Action(at=34, do="close"))
    events = both(Programme(plans=(Plan(actions=longer + bar(20) + last, reads=0),), analyzers=("TradeAnalyzer",)))
    _, (_, analysis) = of(events, "analysis")[0]
    lengths = dict(dict(analysis[1:])["len"][1:])
    assert (lengths["total"], lengths["min"]) == (5 + 3 + 0 + 9, 9)


WINDOWS = ("SMA", "StdDev", "BollingerBands", "MeanDev", "SumN", "EMA", "SMMA", "WMA", "RSI", "CCI", "TEMA", "Average")


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
def test_trap_13_averages_are_stock_s_to_the_last_bit(scale: float) -> None:
    """math.fsum averages: double-double sums and a fall-back on near ties.

    EMA by ``lfilter`` is identical; ``pow(x, 2)`` and ``x*x`` differ in 0.08% of values. Values of one magnitude, of
    sixteen, and halves of each other, which meet ties.
    """
    rng = np.random.default_rng(13)
    count, frame = 3_000, frame_of(Feed(bars=3_000)).copy()
    wild = rng.normal(0.0, 1.0, count) * 10.0 ** rng.integers(-8, 8, count)
    ties = np.ldexp(rng.integers(1, 4, count).astype(float), rng.integers(-60, 60, count))
    plain = 100.0 + np.cumsum(rng.normal(0.0, 1.0, count))
    for column in (plain, np.round(plain * 2) / 2, np.abs(wild) + 1e-12, ties):
        values = column * scale
        for price in ("open", "high", "low", "close"):
            frame[price] = values
        frame["high"], frame["low"] = values * 1.01, values * 0.99
        stock, ours = (_lines(engine, frame) for engine in (STOCK, OURS))
        assert [name for name in WINDOWS if stock[name] != ours[name]] == []


def _lines(engine: Engine, frame: Any) -> dict[str, list[bytes]]:
    class Holder(bt.Strategy):
        def __init__(self) -> None:
            self.all = {
                name: getattr(bt.ind, name)(self.data if name == "CCI" else self.data.close, period=20)
                for name in WINDOWS
            }

    cerebro = engine.cerebro(stdstats=False)
    cerebro.adddata(engine.feed(dataname=frame))
    cerebro.addstrategy(Holder)
    (strategy,) = cerebro.run()
    return {
        name: [np.nan_to_num(np.array(line.array), nan=1.5e300).tobytes() for line in each.lines]
        for name, each in strategy.all.items()
    }


# ------------------------------------------------------------------ 14: untested there

TRADES = tuple(Action(at=at, size=9, side=("buy", "sell")[at // 5 % 2]) for at in range(2, 36, 5))
BRACKETS = (Action(at=6, do="bracket", exectype="Market"), Action(at=20, do="bracket", side="sell"))


@pytest.mark.parametrize("aware", [None, "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("tz", [None, "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("of_cerebro", [None, "Europe/Paris", 0])
def test_trap_14a_feeds_with_a_timezone(aware: str | None, tz: str | None, of_cerebro: str | int | None) -> None:
    """Untested: timezone-aware feeds, with one of the strategy beside."""
    timers = ((("when", "09:45"), ("strats", True)), (("when", 1), ("strats", True), ("cheat", True)))
    day = Action(at=9, exectype="Limit", price=0.9, valid="day")
    plan = Plan(actions=(*TRADES, day, Action(at=12, exectype="Close")))
    feed = Feed(minutes=90, aware=aware, tz=tz)
    both(
        Programme(
            (feed,), (plan,), cerebro=(("tz", of_cerebro),), timers=timers, analyzers=("TimeReturn", "Transactions")
        )
    )


@pytest.mark.parametrize(
    "cash", [Action(at=12, do="add_cash", value=500.0), Action(at=12, do="add_cash", value=-900.0)]
)
def test_trap_14b_fund_mode(cash: Action) -> None:
    """Untested: fund mode."""
    names = ("TimeReturn", "DrawDown", "Returns", "Calmar", "VWR", "PeriodStats")
    plan = Plan(actions=(*TRADES, cash))
    broker = (("fundmode", True), ("fundstartval", 50.0))
    both(Programme(plans=(plan,), broker=broker, analyzers=names, observers=("FundValue", "FundShares", "DrawDown")))


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("options", [("coc",), ("coo",), ("coc", "coo")])
def test_trap_14c_cheat_on_close_and_open(options: tuple[str, ...], runonce: bool) -> None:
    """Untested: cheat-on-close."""
    opens = tuple(Action(where="open", at=at, size=4, side=("buy", "sell")[at % 2]) for at in range(3, 20, 3))
    both(
        Programme(
            plans=(Plan(actions=(*TRADES, *BRACKETS, *opens)),),
            broker=tuple((name, True) for name in options),
            cerebro=(("runonce", runonce), ("cheat_on_open", True)),
        )
    )


@pytest.mark.parametrize("how", ["resample", "replay"])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("runonce", [True, False])
def test_trap_14d_resampled_and_replayed_data_go_stock_s_way(how: str, place: int, runonce: bool) -> None:
    """Untested: replay and resample. Both go through stock's loop, so this holds what is around it against stock."""
    longer = Feed(seed=2, minutes=30, bars=60, to=(how, "Minutes", 120))
    feeds = [Feed(seed=1, minutes=30, bars=60), longer] if place else [longer]
    plan = Plan(
        actions=(*TRADES, *BRACKETS, Action(at=9, data=1, exectype="Stop")), nodes=(Node(of=(f"d{place}.close",)),)
    )
    both(Programme(tuple(feeds), (plan,), cerebro=(("runonce", runonce),), analyzers=("TimeReturn", "TradeAnalyzer")))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("quick", [True, False])
def test_trap_14f_several_strategies_in_one_cerebro(count: int, quick: bool) -> None:
    """Untested: several strategies in one Cerebro (14e, SignalStrategy, has a file of its own)."""
    actions = (*TRADES, *BRACKETS)
    plans = tuple(
        Plan(tuple(dataclasses.replace(a, at=a.at + i, data=i) for a in actions), loud=i != 1) for i in range(count)
    )
    names = ("TradeAnalyzer", "TimeReturn")
    both(Programme(GAPPY, plans, cerebro=(("quicknotify", quick),), analyzers=names, stdstats=True))


@pytest.mark.parametrize("rebound", ["buy", "sell"])
@pytest.mark.parametrize("node", [Node("SMA"), Node("delay"), Node("OnlyNext"), None])
def test_lines_that_the_user_replaces_in_mid_run(rebound: str, node: Node | None) -> None:
    """A value written into a line, and a line that takes another's place."""
    plan = Plan(actions=(Action(at=10, do="rebind", side=rebound), *TRADES), nodes=(node,) if node else ())
    assert_same(Programme(plans=(plan,)))
