"""Pauses after losses, counted in sessions of the exchange."""

from __future__ import annotations

import datetime as dt

import pytest

from books.trades import TradeRow
from core.calendar import ExchangeCalendar
from core.orders import AccountView, OrderView, PositionView, Refusal
from core.settings import RiskSettings
from risk import OrderGate, RiskEventKind

NYSE = ExchangeCalendar("XNYS")
# From Thursday 21 March 2024 on; Good Friday, the 29th, is closed.
CLOSES = [NYSE.close_of(day) for day in NYSE.sessions(dt.date(2024, 3, 21), dt.date(2024, 6, 28))]


def make_gate(**protections):
    limits = {"max_trade_risk": None, "max_daily_loss": None, "max_weekly_loss": None}
    settings = RiskSettings(**limits, throttle={"enabled": False}, protections=protections)
    return OrderGate(settings, NYSE, 100_000.0)


def trade(session, instrument="SPX", net=-100.0, reason="stop", trade_id=None):
    return TradeRow(
        trade_id=trade_id or f"{instrument}-{session}",
        strategy="u",
        instrument=instrument,
        side="long",
        size=1.0,
        entry_time=CLOSES[0],
        entry_price=100.0,
        exit_time=None if session is None else CLOSES[session],
        exit_price=90.0,
        gross_eur=net,
        commission_eur=0.0,
        borrow_eur=0.0,
        slippage_eur=0.0,
        fx_eur=0.0,
        net_eur=net,
        mae_eur=0.0,
        mfe_eur=0.0,
        bars=1,
        exit_reason=reason,
    )


def order(symbol="SPX", sign=1):
    return OrderView(1, f"u/{symbol}", "u", symbol, sign, 1.0, 100.0, 1.0)


def judged(gate, session, symbol="SPX", sign=1, held=0.0):
    held = (PositionView(f"u/{symbol}", "u", symbol, held, 100.0, 1.0),) if held else ()
    return gate.review([order(symbol, sign)], AccountView(CLOSES[session], 100_000.0, held, ()))


def refused(gate, sessions, symbol="SPX"):
    """Session -> reason, where an entry is refused."""
    found = {}
    for session in sessions:
        gate.on_bar(CLOSES[session], 100_000.0, {})
        answer = judged(gate, session, symbol)
        if answer is not None:
            found[session] = answer[0]
    return found


@pytest.mark.parametrize("reason", ["stop", "disaster_stop", "spread_stop"])
def test_cooldown_counts_sessions_from_the_stop_out(reason):
    gate = make_gate(cooldown_sessions=3)
    gate.on_bar(CLOSES[4], 100_000.0, {})  # Wednesday the 27th: Thursday is 1 later, Monday 2, Tuesday 3
    gate.on_trade(trade(4, reason=reason))
    assert judged(gate, 4)[0] is Refusal.COOLDOWN
    assert judged(gate, 4)[1] == (
        "SPX was stopped out on 2024-03-27 and pauses for risk.protections.cooldown_sessions = 3; 3 left with this one"
    )
    assert judged(gate, 4, "IXIC") is None
    assert judged(gate, 4, sign=-1, held=1.0) is None
    assert set(refused(gate, range(4, 12))) == {4, 5, 6}
    assert CLOSES[6].date() == dt.date(2024, 4, 1)
    assert [(e.kind, e.when) for e in gate.events] == [(RiskEventKind.COOLDOWN, CLOSES[4])]


@pytest.mark.parametrize("reason", ["mean", "target", "time", "other_leg", "cointegration", "kill", "signal"])
def test_other_exits_are_no_stop_outs(reason):
    gate = make_gate(cooldown_sessions=3, guard_stops=1)
    gate.on_trade(trade(4, reason=reason))
    assert refused(gate, range(4, 7)) == {}


def test_new_stop_out_begins_the_cooldown_anew():
    gate = make_gate(cooldown_sessions=3)
    gate.on_trade(trade(4))
    gate.on_trade(trade(6))
    assert set(refused(gate, range(4, 12))) == {4, 5, 6, 7, 8}


def test_guard_pauses_all_entries_after_stop_outs_within_the_window():
    gate = make_gate(guard_stops=3, guard_window_sessions=5, guard_pause_sessions=2)
    for session, symbol in ((0, "A"), (3, "B"), (5, "C")):  # the first is 5 sessions old when the third comes
        gate.on_trade(trade(session, symbol))
    assert refused(gate, (5,)) == {}
    gate.on_trade(trade(7, "A"))
    assert refused(gate, range(7, 12), "Z") == {7: Refusal.STOP_GUARD, 8: Refusal.STOP_GUARD}
    assert [e.detail for e in gate.events] == ["3 stop-outs within 5 sessions: no entries for 2 sessions"]
    gate.on_trade(trade(8, "A"))  # 5, 7 and 8: again three within five
    assert set(refused(gate, range(8, 12))) == {8, 9}


def test_legs_of_a_pair_are_one_stop_out():
    gate = make_gate(guard_stops=2)
    gate.on_trade(trade(1, "SPX", reason="spread_stop", trade_id="p1"))
    gate.on_trade(trade(1, "IXIC", reason="spread_stop", trade_id="p1"))
    assert refused(gate, (1,)) == {}
    gate.on_trade(trade(2, "SPX", reason="disaster_stop", trade_id="p2"))
    assert refused(gate, (2,)) == {2: Refusal.STOP_GUARD}


def test_lock_of_an_instrument_that_lost_more_than_the_limit_within_the_window():
    gate = make_gate(lock_loss_eur=500.0, lock_window_sessions=4, lock_sessions=3)
    gate.on_trade(trade(0, net=-400.0, reason="mean"))
    gate.on_trade(trade(2, net=-100.0, reason="time"))
    assert refused(gate, (2,)) == {}  # EUR 500 is not more than 500
    gate.on_trade(trade(3, net=-0.5, reason="mean"))
    assert judged(gate, 3)[1] == (
        "SPX lost EUR 500.50 within 4 sessions, more than risk.protections.lock_loss_eur = 500, and is locked for"
        " lock_sessions = 3; 3 left with this one"
    )
    assert judged(gate, 3, "IXIC") is None
    assert set(refused(gate, range(3, 10))) == {3, 4, 5}
    assert [e.kind for e in gate.events] == [RiskEventKind.INSTRUMENT_LOCK]


def test_losses_outside_the_window_and_gains_do_not_lock():
    gate = make_gate(lock_loss_eur=500.0, lock_window_sessions=4, lock_sessions=3)
    gate.on_trade(trade(0, net=-400.0))
    gate.on_trade(trade(4, net=-400.0))  # the first is 4 sessions old
    assert refused(gate, (4,)) == {}
    gate.on_trade(trade(5, net=300.0))
    gate.on_trade(trade(6, net=-400.0))  # -400 + 300 - 400 = -500
    assert refused(gate, (6,)) == {}
    gate.on_trade(trade(7, net=-1.0))
    assert refused(gate, range(7, 12)) == dict.fromkeys((7, 8, 9), Refusal.INSTRUMENT_LOCK)
    gate.on_trade(trade(8, net=10.0))  # a gain does not prolong the lock
    assert set(refused(gate, range(9, 12))) == {9}


def test_pair_with_one_leg_paused_is_refused_as_a_whole():
    gate = make_gate(cooldown_sessions=5)
    gate.on_bar(CLOSES[1], 100_000.0, {})
    gate.on_trade(trade(1, "IXIC"))
    view = AccountView(CLOSES[1], 100_000.0, (), ())
    assert gate.review([order("SPX")], view) is None
    assert gate.review([order("SPX"), order("IXIC", -1)], view)[0] is Refusal.COOLDOWN


def test_rules_are_off_by_default_and_open_trades_are_no_matter():
    gate = make_gate()
    gate.on_trade(trade(1, net=-90_000.0))
    assert refused(gate, (1, 2)) == {}
    gate = make_gate(cooldown_sessions=3)
    gate.on_trade(trade(None))
    assert refused(gate, (1, 2)) == {}
    assert gate.events == []
