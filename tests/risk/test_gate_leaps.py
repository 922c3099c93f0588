"""The gate in leaps: the same events on the same steps, and the same state, as the gate that is told of every bar."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.calendar import ExchangeCalendar
from core.settings import RiskSettings
from core.steps import Steps, SymbolBars
from feeds.datenum import date_numbers
from risk import OrderGate
from risk.leap import GateLeaps
from risk.leap_sessions import SessionSteps
from risk.leap_throttle import ThrottlePlan

NYSE = ExchangeCalendar("XNYS")
SESSIONS = NYSE.sessions(dt.date(2015, 1, 2), dt.date(2019, 12, 31))


class PlainCalendar:
    """A calendar that knows single moments only, as the gate's protocol asks."""

    def session_of(self, when: dt.datetime) -> dt.date:
        return NYSE.session_of(when)

    def close_of(self, session: dt.date) -> dt.datetime:
        return NYSE.close_of(session)

    def week_of(self, when: dt.datetime) -> tuple[int, int]:
        return NYSE.week_of(when)

    def sessions_between(self, a: dt.date, b: dt.date) -> int:
        return NYSE.sessions_between(a, b)


def make_steps(rng: np.random.Generator, count: int, *, bars_a_session: int, wild: bool) -> Steps:
    """Steps of two instruments and a volatility index, with holes, missing sessions and prices that are none."""
    kept = [s for s in SESSIONS if rng.random() < 0.93]
    closes = pd.DatetimeIndex([NYSE.close_of(session) for session in kept]).tz_localize(None)
    ago = pd.to_timedelta(np.arange(bars_a_session)[::-1] * 30, unit="m")
    stamps = pd.DatetimeIndex(np.sort((closes.to_numpy()[:, None] - ago.to_numpy()[None, :]).ravel()))[:count]
    bars = {}
    for number, symbol in enumerate(("SPX", "IXIC", "VIX")):
        fresh = np.ones(count, dtype=bool) if number == 0 else rng.random(count) < (0.8 if wild else 0.97)
        rows, made = np.cumsum(fresh) - 1, int(fresh.sum())
        calm = np.where(np.sin(np.arange(made) / 40.0) > 0.3, 3.0, 1.0)
        close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.011, made) * calm / math.sqrt(bars_a_session)))
        if symbol == "VIX":
            close = 15.0 * calm * np.exp(rng.normal(0, 0.1, made))
        if wild:
            close[rng.random(made) < 0.03] = rng.choice([math.nan, 0.0, -1.0])
            if number and rng.random() < 0.5:
                close[: made // 4] = math.nan
        bars[symbol] = SymbolBars(rows, close, close, close)
    return Steps(date_numbers(stamps.as_unit("us").asi8), bars)


def step_gate(gate: OrderGate, steps: Steps, step: int, equity: float, series: str, order: tuple[str, ...]) -> Any:
    """``engine.GatedBroker._ask_gate``."""
    if series:
        vix = steps.bars[series]
        if vix.count(0, step + 1):
            last = max(at for at in range(step + 1) if vix.count(at, at + 1))
            gate.on_volatility_index(steps.when(last), vix.closes[step])
    closes = {s: steps.bars[s].closes[step] for s in order if steps.bars[s].count(step, step + 1)}
    return gate.on_bar(steps.when(step), equity, closes)


def memory(gate: OrderGate) -> dict[str, Any]:
    """Everything that the gate remembers, in values that == compares; NaN as text."""
    gate._throttle._index_stale = True  # which of them asked last for the index is no difference
    gate._throttle._index_value()

    def plain(thing: Any) -> Any:
        if isinstance(thing, float):
            return thing.hex()
        if isinstance(thing, dict):
            return {key: plain(value) for key, value in thing.items()}
        if isinstance(thing, list | tuple | set) or type(thing).__name__ == "deque":
            return [plain(item) for item in thing]
        if type(thing).__module__.startswith("risk") and hasattr(thing, "__dict__") and not isinstance(thing, str):
            return {key: plain(value) for key, value in vars(thing).items()}
        return repr(thing) if not isinstance(thing, str) else str(thing)

    return {key: plain(value) for key, value in vars(gate).items()}


LIMITS = st.fixed_dictionaries(
    {
        "max_daily_loss": st.sampled_from([None, 0.01, 0.03]),
        "max_daily_loss_eur": st.sampled_from([None, 1_500.0]),
        "max_weekly_loss": st.sampled_from([None, 0.02, 0.06]),
        "enabled": st.sampled_from([True, True, True, False]),
        "kill_switch": st.fixed_dictionaries(
            {"max_drawdown": st.sampled_from([0.05, 0.2, 1.0]), "rearm_sessions": st.sampled_from([0, 1, 7])}
        ),
        "throttle": st.fixed_dictionaries(
            {
                "enabled": st.sampled_from([True, True, False]),
                "series": st.sampled_from(["", "VIX"]),
                "lag": st.integers(0, 2),
                "max_age_sessions": st.integers(2, 5),
                "realised_sessions": st.sampled_from([2, 5, 20]),
                "scale_above": st.sampled_from([0.05, 0.2]),
                "stop_above": st.sampled_from([0.3, 0.45]),
                "min_scale": st.sampled_from([0.0, 0.25, 1.0]),
            }
        ),
    }
)


def equities(rng: np.random.Generator, steps: Steps, step: int, count: int, last: float, nan: bool) -> list[float]:
    path = last * np.exp(np.cumsum(rng.normal(0.0, rng.choice([0.0, 0.002, 0.01]), count)))
    if nan and rng.random() < 0.3:
        path[rng.integers(0, count, max(1, count // 3))] = math.nan
    return [float(value) for value in path]


@settings(max_examples=150)
@given(
    chosen=LIMITS, seed=st.integers(0, 100_000), bars_a_session=st.sampled_from([1, 1, 4]), wild=st.booleans(),
    nan=st.booleans(), plain_calendar=st.booleans(),
)  # fmt: skip
def test_leaping_is_stepping(
    chosen: dict[str, Any], seed: int, bars_a_session: int, wild: bool, nan: bool, plain_calendar: bool
) -> None:
    rng = np.random.default_rng(seed)
    count = 240
    steps = make_steps(rng, count, bars_a_session=bars_a_session, wild=wild)
    risk, order = RiskSettings.model_validate(chosen), ("IXIC", "SPX")
    calendar = PlainCalendar() if plain_calendar else NYSE
    stepped, leapt = (OrderGate(risk, calendar, 100_000.0) for _ in range(2))
    run = GateLeaps(leapt, steps, order)
    step, last, compared = 0, 100_000.0, 0
    while step < count:
        end = min(count, step + int(rng.integers(1, 40)))
        equity = equities(rng, steps, step, end - step, last, nan)
        last = next((value for value in reversed(equity) if math.isfinite(value)), last)
        events = len(stepped.events)
        stop = run.leap(step, end, equity)
        if rng.random() < 0.3 and stop > step:
            stop = int(rng.integers(step, stop + 1))  # the engine may have to land sooner
        run.commit(step, stop, equity[: stop - step])
        for at in range(step, stop):
            assert step_gate(stepped, steps, at, equity[at - step], risk.throttle.series, order) is None
        quiet = {"throttle", "throttle_source"}
        assert {str(event.kind) for event in stepped.events[events:]} <= quiet
        if stop < end:
            action = step_gate(stepped, steps, stop, equity[stop - step], risk.throttle.series, order)
            assert run.on_bar(stop, equity[stop - step]) == action
            stop += 1
        step = stop
        assert leapt.events == stepped.events
        for symbol in (*order, "VIX", "DAX"):
            assert leapt.scale(symbol) == stepped.scale(symbol)
            assert leapt._throttle.describe(symbol) == stepped._throttle.describe(symbol)
        if rng.random() < 0.2 or step == count:
            compared += 1
            planned = leapt._throttle
            run.close()
            assert memory(leapt) == memory(stepped)
            assert leapt.state() == stepped.state() or nan
            leapt._throttle = planned
    assert compared


def test_events_of_a_quiet_run_are_those_of_the_throttle(caplog: pytest.LogCaptureFixture) -> None:
    """And the log lines are the same, in the same order."""
    rng = np.random.default_rng(4)
    steps = make_steps(rng, 900, bars_a_session=1, wild=False)
    risk = RiskSettings()
    lines = []
    for leaps in (False, True):
        gate = OrderGate(risk, NYSE, 100_000.0)
        caplog.clear()
        with caplog.at_level("INFO", logger="risk"):
            if leaps:
                run = GateLeaps(gate, steps, ["SPX", "IXIC"])
                assert run.leap(0, 900, [100_000.0] * 900) == 900
                run.commit(0, 900, [100_000.0] * 900)
            else:
                for step in range(900):
                    step_gate(gate, steps, step, 100_000.0, "", ("SPX", "IXIC"))
        lines.append([record.getMessage() for record in caplog.records])
        assert len(gate.events) > 10
    assert lines[0] == lines[1]


def test_one_ulp_of_equity_decides_a_breach() -> None:
    steps = make_steps(np.random.default_rng(1), 10, bars_a_session=1, wild=False)
    gate = OrderGate(RiskSettings(), NYSE, 100_000.0)
    run = GateLeaps(gate, steps, ["SPX"])
    limit = 100_000.0 - 0.03 * 100_000.0
    assert run.leap(0, 3, [100_000.0, limit, 100_000.0]) == 1
    assert run.leap(0, 3, [100_000.0, math.nextafter(limit, math.inf), 100_000.0]) == 3


def test_sessions_and_plans_are_made_once_for_the_same_data() -> None:
    steps = make_steps(np.random.default_rng(1), 50, bars_a_session=1, wild=False)
    sessions = SessionSteps.of(ExchangeCalendar("NYSE"), steps)
    assert SessionSteps.of(NYSE, steps) is sessions
    throttle = RiskSettings().throttle
    plan = ThrottlePlan.of(throttle, ["SPX"], steps, sessions)
    assert ThrottlePlan.of(RiskSettings().throttle, ["SPX"], steps, sessions) is plan
