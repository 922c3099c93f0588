"""The account in leaps: equal to the last bit, in every field, to the account that was stepped."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books.account import Account
from books.borrow import borrow_fee, collateral_mark, collateral_marks
from books.charges import Charge
from books.leap import AccountLeaps
from books.leap_stretch import Stretch
from books.rates import Rates
from books.trades import Fill, FillTime
from core.settings import Settings
from core.steps import Floats, Steps, SymbolBars
from feeds.datenum import date_numbers

BASES = {"SPX": "USD", "IXIC": "USD", "DAX": "EUR", "FTSE": "GBP"}


def state(thing: Any) -> Any:
    """Everything that an object holds, to be compared with ==. A NaN equals itself, -0.0 is not 0.0, 0 is (an empty
    ``sum``)."""
    if isinstance(thing, str | Rates):  # rates never change, but for a note of which one was asked for last
        return str(type(thing)) if isinstance(thing, Rates) else str(thing)
    if isinstance(thing, int | float) and not isinstance(thing, bool):
        return float(thing).hex()
    if isinstance(thing, dict):
        return {key: state(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [state(item) for item in thing]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {f.name: state(getattr(thing, f.name)) for f in dataclasses.fields(thing)}
    if hasattr(thing, "__dict__"):
        return {key: state(value) for key, value in vars(thing).items() if key != "leaps"}
    return thing


class Desk:
    """What a broker does with an account on each step: ``engine.SimBroker._begin_bar`` and ``_get_value``."""

    def __init__(self, chosen: Settings, steps: Steps, begin: int, rates: dict[str, float]) -> None:
        self.account = Account.from_settings(chosen)
        self.steps, self.begin, self.rates = steps, begin, rates
        self.accrues = chosen.costs.enabled
        for symbol, currency in BASES.items():
            for unit in ("one", "two"):
                self.account.open_book(unit, symbol, currency)
        self.rows: list[tuple[float, ...]] = []

    def shorts(self) -> list[tuple[str, float]]:
        return [(key, book.size) for key, book in self.account.books.items() if book.size < 0.0]

    def start(self, step: int) -> None:
        if step < self.begin:
            return
        account, when = self.account, self.steps.when(step)
        account.fund(when)
        days = self.steps.days_passed[step]
        if days > 0 and self.accrues:
            account.accrue(when)
            for key, size in self.shorts():
                book = account.books[key]
                close = self.steps.bars[book.symbol].closes[step - 1]
                account.charge_borrow(key, borrow_fee(-size, close, self.rates[key], days, book.currency), when)

    def fill(self, step: int, key: str, size: float, timing: FillTime) -> None:
        book = self.account.books[key]
        bars = self.steps.bars[book.symbol]
        if step < self.begin or not bars.count(step, step + 1):
            return
        when, price = self.steps.when(step), bars.closes[step]
        if not math.isfinite(price):
            return
        rate = self.account.rate(book.currency, when)
        charge = Charge(1.0, 0.01 * abs(size))
        fill = Fill(
            key, when, size, price * (1.0 + math.copysign(1e-4, size)), price, charge.total, rate, timing=timing
        )
        self.account.fill(fill, charge)

    def end(self, step: int) -> None:
        if step >= self.begin:
            bars = {
                key: (float(b.high[step]), float(b.low[step]), float(b.close[step]))
                for key, b in ((key, self.steps.bars[book.symbol]) for key, book in self.account.books.items())
                if b.count(step, step + 1)
            }
            self.account.mark(self.steps.when(step), bars)
        a = self.account
        self.rows.append(
            (
                a.equity_eur, a.cash_eur, a.gross_exposure_eur, a.net_exposure_eur,
                a.result_eur("one"), a.result_eur("two"),
            )
        )  # fmt: skip


def rows_of(stretch: Stretch) -> list[tuple[float, ...]]:
    one, two = stretch.rows("one"), stretch.rows("two")
    return list(
        zip(
            one.equity_eur.tolist(), one.cash_eur.tolist(), one.gross_exposure_eur.tolist(),
            one.net_exposure_eur.tolist(), one.result_eur.tolist(), two.result_eur.tolist(), strict=True,
        )
    )  # fmt: skip


def make_steps(seed: int, count: int, *, intraday: bool, holes: bool, nan: bool) -> Steps:
    rng = np.random.default_rng(seed)
    gaps = rng.choice([1, 1, 1, 1, 2, 3, 4, 11], count) * 1_440
    if intraday:
        gaps = np.where(rng.random(count) < 0.7, rng.choice([1, 30, 240], count), gaps)
    minutes = np.cumsum(gaps) + int(dt.datetime(2001, 1, 2, 21, tzinfo=dt.UTC).timestamp()) // 60
    bars = {}
    for symbol in BASES:
        fresh = np.ones(count, dtype=bool)
        if holes and symbol != "SPX":
            fresh = rng.random(count) < 0.7
        rows = np.cumsum(fresh) - 1
        made = int(fresh.sum())
        close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.02, made)))
        if rng.random() < 0.5:
            close = np.round(close, 2)
        if nan and made > 10:
            close[rng.integers(5, made, 2)] = np.nan
        spread = rng.random((2, made)) * 2.0
        bars[symbol] = SymbolBars(rows, close + spread[0], close - spread[1], close)
    return Steps(date_numbers(minutes * 60_000_000), bars)


def make_settings(policy: str, costs: bool, series: bool, credit: bool, conversion: str) -> Settings:
    fx: dict[str, Any] = {"policy": policy, "rates": {"USD": 0.9, "GBP": 1.2}, "conversion": conversion}
    interest: dict[str, Any] = {"credit": credit, "benchmarks": {"EUR": 0.02, "USD": 0.031, "GBP": -0.01}}
    if series:
        rng = np.random.default_rng(5)
        first, lines = dt.date(2000, 6, 1), []
        for day in range(0, 4_000, 2):
            stamp = first + dt.timedelta(days=day)
            text = stamp.isoformat() if day % 3 else f"{stamp}T15:00:00"
            lines.append((text, 0.9 + 0.1 * rng.random(), 0.05 * rng.random()))
        Path("usd.csv").write_text("date,rate\n" + "".join(f"{t},{r}\n" for t, r, _ in lines))
        Path("usd_interest.csv").write_text("date,rate\n" + "".join(f"{t},{r}\n" for t, _, r in lines))
        fx["files"], interest["files"] = {"USD": "usd.csv"}, {"USD": "usd_interest.csv"}
    return Settings.model_validate(
        {
            "instruments": {s: {"currency": c} for s, c in BASES.items()},
            "strategies": {"one": {"strategy": "MeanReversion", "instruments": ["SPX"]}},
            "costs": {"enabled": costs, "fx": fx, "interest": interest},
        }
    )


CASES = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(["borrow", "borrow", "sweep"]),
        "costs": st.sampled_from([True, True, False]),
        "series": st.booleans(),
        "credit": st.booleans(),
        "conversion": st.sampled_from(["spot", "auto"]),
    }
)
ACTS = st.lists(
    st.tuples(
        st.integers(1, 25),  # steps leapt before it
        st.lists(
            st.tuples(
                st.sampled_from([f"{unit}/{symbol}" for unit in ("one", "two") for symbol in BASES]),
                st.sampled_from([100.0, -100.0, 37.0, -260.0, 1_500.0, -1_500.0]),
                st.sampled_from(list(FillTime)),
            ),
            max_size=3,
        ),
        st.floats(0.0, 1.0),  # share of the leap that is committed
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=120)
@given(
    case=CASES, acts=ACTS, seed=st.integers(0, 10_000), begin=st.sampled_from([0, 0, 3]),
    intraday=st.booleans(), holes=st.booleans(), nan=st.sampled_from([False, False, True]),
)  # fmt: skip
def test_leaping_is_stepping(
    case: dict[str, Any], acts: list[Any], seed: int, begin: int, intraday: bool, holes: bool, nan: bool
) -> None:
    count = sum(leap for leap, _, _ in acts) + len(acts) + begin + 2
    steps = make_steps(seed, count, intraday=intraday, holes=holes, nan=nan)
    rng = np.random.default_rng(seed)
    chosen = make_settings(**case)
    rates = {f"{u}/{s}": float(rng.choice([0.0, 0.005, 0.07])) for u in ("one", "two") for s in BASES}
    stepped, leapt = (Desk(chosen, steps, begin, rates) for _ in range(2))
    run = AccountLeaps(leapt.account, steps, begin=begin, accrues=leapt.accrues, borrow_rates=rates)
    step, told = 0, []
    for length, fills, share in [(begin, [], 1.0), *acts]:
        end = min(step + length, count)
        before = state(leapt.account)
        stretch = run.leap(step, end, leapt.shorts()) if end > step else None
        assert state(leapt.account) == before  # a leap that is not committed changes nothing
        if stretch is not None:
            done = step + max(1, round(share * len(stretch)))
            equity, whole = stretch.equity(), rows_of(stretch)
            assert [float(value).hex() for value in equity] == [float(row[0]).hex() for row in whole]
            stretch.commit(done)
            leapt.rows += whole[: done - step]
            told += [row[4] for row in whole[: done - step]]
            for at in range(step, done):
                stepped.start(at)
                stepped.end(at)
            step = done
        while step < count:  # the step of the fills, and those that must not be leapt
            for desk in (stepped, leapt):
                try:
                    desk.start(step)
                except Exception as error:  # a NaN close of a short: both say so
                    assert "borrow fee" in str(error)
                    if desk is leapt:
                        return
                    continue
                for key, size, timing in fills:
                    desk.fill(step, key, size, timing)
                desk.end(step)
            step += 1
            break
        assert state(stepped.rows) == state(leapt.rows)
        assert state(stepped.account) == state(leapt.account)
    rows = run.rows("one")
    assert [value.hex() for value in rows.result_eur.tolist()] == [float(value).hex() for value in told]


@pytest.mark.parametrize("policy", ["borrow", "sweep"])
def test_a_last_bit_is_seen(policy: str) -> None:
    """The comparison above is worth something: one unit in the last place of one close is a difference."""
    chosen = make_settings(policy, True, False, False, "spot")
    steps = make_steps(3, 40, intraday=False, holes=False, nan=False)
    desks = [Desk(chosen, steps, 0, {}) for _ in range(2)]
    for desk in desks:
        for step in range(5):
            desk.start(step)
            if step == 3:
                desk.fill(step, "one/SPX", 100.0, FillTime.OPEN)
            desk.end(step)
    runs = [AccountLeaps(desk.account, steps) for desk in desks]
    same = [state(rows_of(run.leap(5, 40))) for run in runs]  # type: ignore[arg-type]
    assert same[0] == same[1]
    close = steps.bars["SPX"].close.copy()
    close[20] = np.nextafter(close[20], 1e9)
    bars = {**steps.bars, "SPX": SymbolBars(np.arange(40), steps.bars["SPX"].high, steps.bars["SPX"].low, close)}
    other = AccountLeaps(desks[1].account, Steps(steps.numbers, bars)).leap(5, 40)
    assert other is not None
    different = state(rows_of(other))
    assert [at for at, (a, b) in enumerate(zip(same[0], different, strict=True)) if a != b] == [15]


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50), st.sampled_from(["USD", "EUR"]))
def test_collateral_of_many_closes(closes: list[float], currency: str) -> None:
    cents = [round(close, 2) for close in closes]
    hundredths = [round(close, 0) / 1.02 for close in closes]  # 102% of which is a whole number, nearly
    for values in (closes, cents, hundredths):
        marks: Floats = collateral_marks(np.array(values), currency)
        assert marks.tolist() == [collateral_mark(value, currency) for value in values]


def test_what_cannot_be_charged_is_not_leapt() -> None:
    assert np.isnan(collateral_marks(np.array([math.nan, math.inf, -1.0]))).all()
