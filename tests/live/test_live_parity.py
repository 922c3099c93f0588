"""The promise of halflife: the order stream of a live session is that of a backtest over the same bars."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lived import desks, runs
from lived.audit import audit

from books.intents import IntentJournal
from core.calendar import ExchangeCalendar
from core.settings import Settings
from engine.venue import Charged, Filled
from feeds import History
from feeds.aggregate import aggregate
from gateway import Gateway
from gateway.data.contracts import ContractBook
from gateway.data.history import History as GatewayHistory
from gateway.data.sample import EURUSD, XMPLA, XMPLB
from gateway.data.tape import Tape
from gateway.model import Instrument

STRATEGIES = {"reversion": {"reversion": desks.REVERSION}, "pair": {"pair": desks.PAIR}, "both": None}
CLOSE = dt.datetime(2024, 6, 12, 20, 0, tzinfo=dt.UTC)
EARLIER = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)


def sample_gateway(*faults: str, quotes: bool = False, seed: int = 1, has_rates: bool = False) -> Gateway:
    """The sample's pair in dollars that are worth what the settings say; ``has_rates``: what EUR.USD is quoted at."""
    made = desks.sample(seed)
    bars = {each: made.bars[each] for each in (XMPLA, XMPLB)}
    shown = ((XMPLA, XMPLB) if quotes else ()) + ((EURUSD,) if has_rates else ())
    told = {each: made.quotes[each] for each in shown} or None
    tape, book = Tape(bars, told, bar_seconds=1), made.book()
    return Gateway(tape, book, made.history(tape, book), speed="max", faults=faults, seed=seed)


def executions(heard: runs.Heard, end: dt.datetime) -> list[tuple[object, ...]]:
    """Fills and fees in their order, each with its order; of orders sent before ``end``, the last bar of a backtest."""
    sent = {order.ref: order for order in heard.orders if order.bar < end}
    found: list[tuple[object, ...]] = []
    for each in heard.reports:
        if each.ref in sent and isinstance(each, Filled):
            found.append((*sent[each.ref].decision, each.when, each.quantity, each.price))
        elif each.ref in sent and isinstance(each, Charged):
            found.append((*sent[each.ref].decision, each.fees, each.currency))
    return found


def first_difference(expected: runs.Heard, found: runs.Heard) -> str:
    """Empty where the order streams are the same; else the first order that differs."""
    pairs = zip(expected.decisions, found.decisions, strict=False)
    for number, (one, other) in enumerate(pairs):
        if one != other:
            return f"order {number}: the backtest has {one}, live has {other}"
    extra = len(found.decisions) - len(expected.decisions)
    return f"live has {extra:+d} orders" if extra else ""


@pytest.mark.parametrize(
    ("which", "minutes"), [("reversion", 120), ("pair", 120), pytest.param("both", 391, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("quotes", [False, True], ids=["bars", "quotes"])
def test_the_order_stream_is_that_of_the_backtest(which: str, minutes: int, quotes: bool, tmp_path: Path) -> None:
    end = min(CLOSE, CLOSE - dt.timedelta(minutes=390 - minutes))
    settings = desks.settings(STRATEGIES[which], live={"fx": "settings"})
    expected = runs.backtest(settings, desks.history(until=end, quotes=quotes))
    gateway = sample_gateway(quotes=quotes)
    witness = runs.attended(gateway)
    with gateway:
        lived = runs.live(settings, gateway, end + dt.timedelta(seconds=3), tmp_path)
    found = lived.heard
    assert len(expected.orders) > minutes / 10  # both trade, and often
    assert not first_difference(expected, found)
    assert executions(found, end) == executions(expected, end)
    marks = sorted(set(expected.equity) & set(found.equity))
    assert len(marks) >= minutes - 2
    assert [found.equity[bar] for bar in marks] == [expected.equity[bar] for bar in marks]
    with IntentJournal(lived.session.places.intents, "DU1234567") as journal:
        assert not audit(witness, journal.snapshot())


def test_on_bars_that_ibkr_keeps_up_to_date_the_orders_are_the_same_some_seconds_later(tmp_path: Path) -> None:
    end = dt.datetime(2024, 6, 12, 14, 30, tzinfo=dt.UTC)
    settings = desks.settings(live={"fx": "settings", "stream": "update"})
    expected = runs.backtest(settings, desks.history(until=end))
    with sample_gateway() as gateway:
        found = runs.live(settings, gateway, end + dt.timedelta(seconds=10), tmp_path).heard

    def choices(heard: runs.Heard) -> list[tuple[object, ...]]:
        return [(o.bar, o.unit, o.symbol, o.action, o.kind, o.role) for o in heard.orders if o.bar < end]

    assert choices(found) == choices(expected) and len(choices(found)) > 20
    sent = {order.ref: order for order in found.orders if order.kind == "MKT"}
    waits = [fill.when - sent[fill.ref].bar for fill in found.reports if fill.ref in sent and isinstance(fill, Filled)]
    assert max(waits) <= dt.timedelta(seconds=10)  # IBKR tells of a bar when the next one begins


@pytest.mark.parametrize(
    ("which", "minutes"), [("reversion", 60), ("pair", 60), pytest.param("both", 391, marks=pytest.mark.slow)]
)
def test_at_the_rates_of_ibkr_it_is_that_of_a_backtest_with_the_same_rates(
    which: str, minutes: int, tmp_path: Path
) -> None:
    """With the default, ``live.fx = "broker"``, sizes follow a rate that moves during the day."""
    end = min(CLOSE, CLOSE - dt.timedelta(minutes=390 - minutes))
    settings, rates = desks.settings(STRATEGIES[which]), dict[dt.datetime, float]()
    assert settings.live.fx == "broker"

    def rated(when: dt.datetime, broker: Any) -> None:
        rates[when] = broker.account.cash.fx.rate("USD", when)

    with sample_gateway(has_rates=True) as gateway:
        found = runs.live(settings, gateway, end + dt.timedelta(seconds=3), tmp_path, each_bar=rated).heard
    assert len(set(rates.values())) >= minutes / 10
    lines = [f"{when.isoformat()},{rate!r}" for when, rate in [(EARLIER, next(iter(rates.values()))), *rates.items()]]
    (tmp_path / "usd.csv").write_text("\n".join(["date,rate", *lines]), encoding="utf-8")
    costs = {"slippage": {"model": "none"}, "fx": {"files": {"USD": str(tmp_path / "usd.csv")}}}
    rated_settings = desks.settings(STRATEGIES[which], costs=costs)
    expected = runs.backtest(rated_settings, desks.history(until=end))
    assert len(expected.orders) > minutes / 10
    assert not first_difference(expected, found)
    assert executions(found, end) == executions(expected, end)
    marks = sorted(set(expected.equity) & set(found.equity))
    assert [found.equity[bar] for bar in marks] == pytest.approx([expected.equity[bar] for bar in marks], abs=0.005)
    # Control: at the constant rate of the settings it is another one, in sizes
    assert first_difference(runs.backtest(settings, desks.history(until=end)), found)


def test_the_comparison_would_tell_a_difference() -> None:
    """Control: one price of one second differs, and so do the orders."""
    settings = desks.settings({"reversion": desks.REVERSION})
    end = CLOSE - dt.timedelta(minutes=330)
    one, other = desks.history(until=end), desks.history(until=end)
    frame = other.frames["XMPLA"].copy()
    frame.loc[frame.index[-40], ["high", "close"]] *= 1.002
    changed = History({**other.frames, "XMPLA": frame}, [], other.begin, fine=other.fine)
    assert first_difference(runs.backtest(settings, one), runs.backtest(settings, changed))


@pytest.mark.parametrize(
    "fault",
    [
        "execution_duplicated", "status_out_of_order:seconds=5",
        *(pytest.param(each, marks=pytest.mark.slow)
          for each in ("commission_late:seconds=30", "status_duplicated", "status_missing")),
    ],
)  # fmt: skip
def test_faults_that_tell_nothing_wrong_change_no_order(fault: str, tmp_path: Path) -> None:
    end = CLOSE - dt.timedelta(minutes=330)
    settings = desks.settings(live={"fx": "settings"})
    expected = runs.backtest(settings, desks.history(until=end))
    with sample_gateway(fault) as gateway:
        found = runs.live(settings, gateway, end + dt.timedelta(seconds=3), tmp_path).heard
    assert not first_difference(expected, found)


def test_a_rejected_entry_explains_the_difference(tmp_path: Path) -> None:
    """Both send the same entry; live it is refused, so its trade has no exit, and the trades after it are the same."""
    end = CLOSE - dt.timedelta(minutes=330)
    settings = desks.settings({"reversion": desks.REVERSION}, live={"fx": "settings"})
    expected = runs.backtest(settings, desks.history(until=end))
    with sample_gateway("rejected_permission:n=1") as gateway:
        found = runs.live(settings, gateway, end + dt.timedelta(seconds=3), tmp_path).heard
    refused = expected.orders[0].trade
    assert found.decisions[:2] == expected.decisions[:2]  # the entry and its stop
    assert any(order.trade == refused for order in expected.orders[2:])
    assert not any(order.trade == refused for order in found.orders[2:])
    assert {order.trade for order in found.orders} & {order.trade for order in expected.orders[-4:]}


REAL = (dt.date(2013, 10, 7), dt.date(2013, 10, 8))


def real_seconds(folder: Path, symbol: str) -> pd.DataFrame:
    """Trades of one second, stamped with their end, UTC, regular hours."""
    frame = pd.read_parquet(folder / f"us_second_trades_{symbol.lower()}.parquet")
    times = pd.DatetimeIndex(frame["datetime"]).tz_localize("America/New_York").tz_convert("UTC")
    bars = frame[["open", "high", "low", "close", "volume"]].astype(float).set_axis(times, axis=0)
    bars.index = bars.index + pd.Timedelta(seconds=1)
    bars = bars[ExchangeCalendar("XNYS").in_session(pd.DatetimeIndex(bars.index))]
    return bars[~bars.index.duplicated()]


@pytest.mark.real_data
@pytest.mark.parametrize(
    "which", ["reversion", pytest.param("pair", marks=pytest.mark.slow), pytest.param("both", marks=pytest.mark.slow)]
)
def test_real_seconds_of_bac_and_aig(which: str, shared_data: Path, tmp_path: Path) -> None:
    """The second day is traded, the first one is history."""
    instruments = {
        symbol: Instrument(con_id, symbol, long_name=symbol)
        for symbol, con_id in (("BAC", 10_098), ("AIG", 61_319_701))
    }
    settings = _real_settings(which)
    calendar = ExchangeCalendar("XNYS")
    minutes_wanted = 120 if which == "reversion" else 390
    begin = calendar.close_of(REAL[0])
    end = calendar.close_of(REAL[1]) - dt.timedelta(minutes=390 - minutes_wanted)
    seconds = {symbol: real_seconds(shared_data, symbol) for symbol in instruments}
    frames, fine, tape_bars, before = {}, {}, {}, {}
    for symbol, bars in seconds.items():
        minutes = aggregate(bars, "1m", calendar)
        frames[symbol] = minutes[minutes.index <= end]
        fine[symbol] = bars[(bars.index > begin) & (bars.index <= end)]
        tape_bars[instruments[symbol]] = bars[bars.index > begin]
        before[instruments[symbol]] = {60: minutes[minutes.index <= begin]}
    first = min(frame.index[0] for frame in fine.values()).to_pydatetime()
    expected = runs.backtest(settings, History(frames, [], first, fine=fine))
    tape, book = Tape(tape_bars, bar_seconds=1), ContractBook(instruments.values())
    with Gateway(tape, book, GatewayHistory(tape, book, before), speed="max") as gateway:
        found = runs.live(settings, gateway, end + dt.timedelta(seconds=3), tmp_path).heard
    assert expected.orders
    assert not first_difference(expected, found)
    assert executions(found, end) == executions(expected, end)


def _real_settings(which: str) -> Settings:
    strategies = {
        "reversion": {**desks.REVERSION, "instruments": ["BAC"]}, "pair": {**desks.PAIR, "pairs": [["BAC", "AIG"]]},
    }  # fmt: skip
    chosen = strategies if which == "both" else {which: strategies[which]}
    return desks.settings(chosen, instruments={"BAC": {}, "AIG": {}}, live={"fx": "settings"})
