"""The summary counts the exchange's sessions, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

import engine
from core.settings import Settings
from engine.report.view import ORDER_COLUMNS, TRADE_COLUMNS
from engine.summary import summarise


@pytest.mark.parametrize(
    ("days", "sessions", "mean"),
    [
        (0, 5, 22.0),  # the 5th +20, the 6th +100, nothing on the 7th and the 8th, the 9th -10
        (-365 * 40, 3, 110 / 3),  # before the calendar begins UTC dates are counted: 0, +120, -10
    ],
)
def test_sessions_are_those_of_the_exchange(days: int, sessions: int, mean: float) -> None:
    """Tokyo trades 00:00 to 06:00 UTC, so a bar of the evening before belongs to the next date's session."""
    index = pd.DatetimeIndex(
        [
            "2015-01-05 03:00", "2015-01-05 06:00",  # Monday the 5th, Tokyo
            "2015-01-05 23:00", "2015-01-06 06:00",  # the evening before and Tuesday: one session
            "2015-01-09 06:00",  # Friday; Wednesday and Thursday have no bar but are sessions
        ],
        tz="UTC",
    ) + pd.Timedelta(days=days)  # fmt: skip
    instrument = {"currency": "EUR", "exchange": "XTKS", "schedule": "none"}
    strategies = {"one": {"strategy": "MeanReversion", "instruments": ["AAA"]}}
    settings = Settings.model_validate({"instruments": {"AAA": instrument}, "strategies": strategies})
    equity = pd.DataFrame({"equity_eur": [100_010.0, 100_020.0, 100_000.0, 100_120.0, 100_110.0]}, index=index).assign(
        cash_eur=0.0, gross_exposure_eur=0.0, net_exposure_eur=0.0
    )
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in (*TRADE_COLUMNS, "unit")})
    empty = empty.assign(entry_time=pd.to_datetime([], utc=True), exit_time=pd.to_datetime([], utc=True))
    orders = pd.DataFrame({name: pd.Series(dtype=float) for name in (*ORDER_COLUMNS, "value_eur")})
    orders = orders.assign(created=pd.to_datetime([], utc=True), done=pd.to_datetime([], utc=True))
    made = engine.RunResult(
        settings=settings, equity=equity, strategy_equity={"one": equity["equity_eur"]}, trades=empty,
        open_trades=empty, orders=orders,
        bars={"AAA": pd.DataFrame({"close": 1.0}, index=index)}, costs={"interest_eur": 0.0, "cash_fx_eur": 0.0},
        costs_by_strategy={"one": {}}, traded_eur={"one": 0.0}, notes=[], events=[], partial=False, seconds=1.0,
    )  # fmt: skip
    target = summarise(made, "0" * 64)["daily_target"]
    assert (target["sessions"], target["mean_eur"]) == (sessions, pytest.approx(mean))
