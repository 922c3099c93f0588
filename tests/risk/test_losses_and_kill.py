"""Daily and weekly loss and the kill switch on the real calendar of the NYSE."""

from __future__ import annotations

import datetime as dt

import pytest

from core.calendar import ExchangeCalendar
from core.orders import AccountView, OrderView, PositionView, Refusal
from core.settings import RiskSettings
from risk import KillAction, OrderGate, RiskEventKind

NYSE = ExchangeCalendar("XNYS")
OFF = {
    "max_trade_risk": None,
    "max_trade_notional": None,
    "max_open_positions": None,
    "max_gross_exposure": None,
    "max_net_exposure": None,
    "max_daily_loss": None,
    "max_weekly_loss": None,
    "throttle": {"enabled": False},
    "kill_switch": {"max_drawdown": 1.0},
}
BUY = OrderView(1, "u/SPX", "u", "SPX", 1, 1.0, 100.0, 1.0)
SELL = OrderView(2, "u/SPX", "u", "SPX", -1, 10.0, 100.0, 1.0)
HELD = PositionView("u/SPX", "u", "SPX", 10.0, 100.0, 1.0)


def at(day, hour=21, minute=0, month=3):
    """March 2024: the 4th is a Monday; New York closes at 21:00 UTC until the 8th, then at 20:00."""
    return dt.datetime(2024, month, day, hour, minute, tzinfo=dt.UTC)


def make_gate(**limits):
    return OrderGate(RiskSettings(**{**OFF, **limits}), NYSE, 100_000.0)


def refusal(gate, when, equity, order=BUY):
    judged = gate.review([order], AccountView(when, equity, (HELD,), ()))
    return None if judged is None else judged[0]


def kinds(gate):
    return [event.kind for event in gate.events]


# ---------------------------------------------------------------- losses


def test_daily_loss_counts_from_the_last_equity_of_the_previous_session():
    gate = make_gate(max_daily_loss=0.03)
    gate.on_bar(at(4), 110_000.0, {})
    gate.on_bar(at(5, 15), 112_000.0, {})  # a better equity within the day moves nothing
    gate.on_bar(at(5, 16), 106_701.0, {})  # lost 3,299 of 3,300
    assert refusal(gate, at(5, 16), 106_701.0) is None
    gate.on_bar(at(5, 17), 106_700.0, {})
    assert refusal(gate, at(5, 17), 106_700.0) is Refusal.DAILY_LOSS
    assert kinds(gate) == [RiskEventKind.DAILY_LOSS]
    assert gate.events[0].when == at(5, 17)
    assert gate.events[0].detail == (
        "the day began with EUR 110,000.00 and its loss reached EUR 3,300.00 (risk.max_daily_loss = 0.03); equity is"
        " EUR 106,700.00 and only reducing orders pass until the next session"
    )


def test_daily_loss_lasts_until_the_next_session_even_if_equity_recovers():
    gate = make_gate(max_daily_loss=0.03)
    gate.on_bar(at(4, 15), 97_000.0, {})
    gate.on_bar(at(4, 16), 105_000.0, {})
    assert refusal(gate, at(4, 16), 105_000.0) is Refusal.DAILY_LOSS
    assert refusal(gate, at(4, 16), 105_000.0, SELL) is None
    gate.on_bar(at(4), 97_000.0, {})
    assert refusal(gate, at(5, 14), 97_000.0) is None  # the new session has begun, its first bar is still to come
    gate.on_bar(at(5), 97_000.0, {})
    assert refusal(gate, at(5), 97_000.0) is None
    assert kinds(gate) == [RiskEventKind.DAILY_LOSS]


def test_first_day_begins_with_the_capital():
    gate = make_gate(max_daily_loss=0.01)
    gate.on_bar(at(4, 15), 99_000.0, {})
    assert refusal(gate, at(4, 15), 99_000.0) is Refusal.DAILY_LOSS


def test_loss_between_two_bars_is_seen_by_the_order():
    gate = make_gate(max_daily_loss=0.01)
    gate.on_bar(at(4, 15), 100_000.0, {})
    assert refusal(gate, at(4, 15, 1), 98_900.0) is Refusal.DAILY_LOSS
    assert refusal(gate, at(4, 15, 1), 99_100.0) is None


def test_the_tighter_of_fraction_and_eur_holds():
    for fraction, eur, limit, setting in (
        (0.03, 500.0, 500.0, "risk.max_daily_loss_eur = 500"),
        (0.03, 5_000.0, 3_000.0, "risk.max_daily_loss = 0.03"),
        (None, 500.0, 500.0, "risk.max_daily_loss_eur = 500"),
    ):
        gate = make_gate(max_daily_loss=fraction, max_daily_loss_eur=eur)
        gate.on_bar(at(4, 15), 100_000.0 - limit + 0.01, {})
        assert gate.events == []
        gate.on_bar(at(4, 16), 100_000.0 - limit, {})
        assert setting in gate.events[0].detail


def test_zero_daily_loss_stops_at_the_first_cent_and_not_at_none():
    gate = make_gate(max_daily_loss=0.0)
    gate.on_bar(at(4, 15), 100_000.0, {})
    assert refusal(gate, at(4, 15), 100_000.0) is None
    assert refusal(gate, at(4, 15), 99_999.99) is Refusal.DAILY_LOSS


def test_weekly_loss_counts_the_exchanges_week():
    gate = make_gate(max_weekly_loss=0.05, max_weekly_loss_eur=8_000.0)
    gate.on_bar(at(1), 120_000.0, {})  # Friday
    gate.on_bar(at(4), 117_000.0, {})
    gate.on_bar(at(6), 114_001.0, {})
    assert refusal(gate, at(6), 114_001.0) is None
    gate.on_bar(at(7), 114_000.0, {})  # 5% of 120,000
    assert refusal(gate, at(7), 114_000.0) is Refusal.WEEKLY_LOSS
    gate.on_bar(at(8), 119_000.0, {})
    assert refusal(gate, at(8), 119_000.0) is Refusal.WEEKLY_LOSS
    assert refusal(gate, at(8), 119_000.0, SELL) is None
    assert refusal(gate, at(11, 14), 119_000.0) is None  # Monday before its first bar
    gate.on_bar(at(11, 20), 119_000.0, {})
    assert refusal(gate, at(11, 20), 119_000.0) is None
    assert kinds(gate) == [RiskEventKind.WEEKLY_LOSS]


def test_week_that_begins_with_a_holiday():
    gate = make_gate(max_weekly_loss=0.05)
    gate.on_bar(dt.datetime(2024, 5, 24, 20, tzinfo=dt.UTC), 94_000.0, {})  # the Friday before Memorial Day
    tuesday = dt.datetime(2024, 5, 28, 20, tzinfo=dt.UTC)
    assert refusal(gate, dt.datetime(2024, 5, 24, 20, tzinfo=dt.UTC), 94_000.0) is Refusal.WEEKLY_LOSS
    gate.on_bar(tuesday, 94_000.0, {})
    assert refusal(gate, tuesday, 94_000.0) is None


def test_evening_after_the_close_belongs_to_the_next_session():
    gate = make_gate(max_daily_loss=0.02)
    gate.on_bar(at(4), 97_000.0, {})
    assert refusal(gate, at(4), 97_000.0) is Refusal.DAILY_LOSS
    assert refusal(gate, at(4, 23), 97_000.0) is None


def test_naive_datetimes_are_utc():
    gate = make_gate(max_daily_loss=0.02)
    gate.on_bar(at(4, 15).replace(tzinfo=None), 97_000.0, {})
    assert refusal(gate, at(4, 16).replace(tzinfo=None), 97_000.0) is Refusal.DAILY_LOSS
    assert gate.events[0].when == at(4, 15)


# ---------------------------------------------------------------- kill switch


def test_kill_at_the_drawdown_from_the_peak_once():
    gate = make_gate(kill_switch={"max_drawdown": 0.2, "flatten": True})
    assert gate.on_bar(at(4), 125_000.0, {}) is None
    assert gate.on_bar(at(5), 100_001.0, {}) is None
    action = gate.on_bar(at(6), 100_000.0, {})
    assert action == KillAction(
        "equity EUR 100,000.00 is 20.00% below its peak EUR 125,000.00, at or above"
        " risk.kill_switch.max_drawdown = 0.2",
        flatten=True,
    )
    assert gate.killed
    assert gate.on_bar(at(7), 90_000.0, {}) is None
    assert kinds(gate) == [RiskEventKind.KILL]
    assert refusal(gate, at(7), 90_000.0) is Refusal.KILLED
    assert refusal(gate, at(7), 90_000.0, SELL) is None


def test_peak_begins_with_the_capital():
    gate = make_gate(kill_switch={"max_drawdown": 0.1})
    action = gate.on_bar(at(4), 90_000.0, {})
    assert action is not None
    assert not action.flatten


def test_kill_stays_latched_when_equity_recovers_and_without_rearm_for_ever():
    gate = make_gate(kill_switch={"max_drawdown": 0.1})
    gate.on_bar(at(4), 90_000.0, {})
    gate.on_bar(at(5), 200_000.0, {})
    gate.on_bar(at(5, month=9), 200_000.0, {})
    assert gate.killed


def test_rearm_after_sessions_of_the_calendar_with_a_new_peak():
    gate = make_gate(kill_switch={"max_drawdown": 0.1, "rearm_sessions": 3})
    gate.on_bar(at(7), 90_000.0, {})  # Thursday; Friday is 1 session later, Monday 2, Tuesday 3
    for day, hour in ((8, 21), (11, 20), (12, 13)):
        if day != 12:
            gate.on_bar(at(day, hour), 80_000.0, {})
            assert gate.killed
    assert gate.on_bar(at(12, 14), 80_000.0, {}) is None
    assert not gate.killed
    assert kinds(gate) == [RiskEventKind.KILL, RiskEventKind.REARM]
    assert gate.events[1].when == at(12, 14)
    assert gate.on_bar(at(12, 15), 72_001.0, {}) is None
    assert gate.on_bar(at(12, 16), 72_000.0, {}) is not None  # 10% below the new peak of 80,000
    assert [e.kind for e in gate.events] == [RiskEventKind.KILL, RiskEventKind.REARM, RiskEventKind.KILL]


def test_reset_by_a_person_starts_from_the_equity_of_now():
    gate = make_gate(kill_switch={"max_drawdown": 0.1})
    gate.reset()
    assert gate.events == []
    gate.on_bar(at(4), 90_000.0, {})
    gate.reset()
    assert not gate.killed
    assert refusal(gate, at(4), 90_000.0) is None
    assert gate.on_bar(at(5), 81_001.0, {}) is None
    assert gate.on_bar(at(6), 81_000.0, {}) is not None
    assert kinds(gate) == [RiskEventKind.KILL, RiskEventKind.RESET, RiskEventKind.KILL]


@pytest.mark.parametrize("equity", [0.0, -1_000.0])
def test_lost_account_is_killed_at_any_setting(equity):
    assert make_gate().on_bar(at(4), equity, {}) is not None
