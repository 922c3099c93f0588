"""Fees that are told later, executions that are corrected or taken back: money stays exact, by hand and in general."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from books.account import Account
from books.cash import CashBook
from books.charges import Charge
from books.rates import Rates
from books.trades import Fill

START = dt.datetime(2024, 3, 8, 15, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class Desk:
    """An account in EUR that trades one instrument in dollars."""

    def __init__(self, policy: Any = "borrow", files: dict[str, str] | None = None) -> None:
        rates = Rates("EUR", {"USD": 0.5}, files)
        self.account = Account(10_000.0, CashBook("EUR", policy, rates), 0.5)
        self.account.open_book("u", "A", "USD")
        self.account.fund(START)
        self.now = START

    @property
    def book(self) -> Any:
        return self.account.books["u/A"]

    def fill(self, size: float, price: float, fees: float = 0.0, slip: float = 0.0) -> Fill:
        self.now += MINUTE
        rate = self.account.rate("USD", self.now)
        fill = Fill("u/A", self.now, size, price, price - slip, fees, rate, trade="t")
        self.account.fill(fill, Charge(fees))
        return fill

    def correct(self, fill: Fill, size: float, price: float) -> list[Fill]:
        self.now += MINUTE
        return self.account.correct(fill, size, price, price, self.now)

    def recharge(self, fill: Fill, fees: float) -> None:
        self.now += MINUTE
        self.account.recharge(fill, fees, self.now)

    def close_at(self, price: float) -> float:
        self.now += MINUTE
        self.account.mark(self.now, {"u/A": (price, price, price)})
        return self.account.equity_eur

    def unexplained(self) -> float:
        account = self.account
        rows = [*account.trades, *account.open_trades()]
        explained = sum(row.net_eur for row in rows) + account.interest_eur + account.cash_fx_eur
        return account.equity_eur - account.capital - explained


def test_a_fee_that_was_told_later_belongs_to_the_open_trade() -> None:
    desk = Desk()
    fill = desk.fill(100, 10.0, fees=1.0)
    desk.recharge(fill, 3.0)
    assert desk.close_at(10.0) == pytest.approx(10_000 - 3 * 0.5)
    assert desk.account.open_trades()[0].commission_eur == pytest.approx(1.5)
    assert fill.fees == 3.0 and desk.account.costs["commission"] == pytest.approx(1.5)


def test_a_fee_that_was_told_after_the_exit_belongs_to_the_closed_trade() -> None:
    desk = Desk()
    entry = desk.fill(100, 10.0, fees=1.0)
    desk.fill(-100, 11.0, fees=1.0)
    desk.recharge(entry, 2.0)
    (row,) = desk.account.trades
    assert row.net_eur == pytest.approx((100 - 3) * 0.5)
    assert desk.account.result_eur("u") == pytest.approx(row.net_eur)
    assert desk.close_at(11.0) == pytest.approx(10_000 + row.net_eur)


def test_the_price_of_an_entry_is_corrected() -> None:
    desk = Desk()
    first = desk.fill(100, 10.0, fees=1.0)
    desk.fill(100, 12.0)
    desk.correct(first, 100, 11.0)
    assert desk.book.price == pytest.approx(11.5) and desk.book.size == 200
    assert desk.close_at(11.5) == pytest.approx(10_000 - 0.5)


def test_an_entry_that_is_taken_back_leaves_nothing() -> None:
    desk = Desk()
    entry = desk.fill(100, 10.0, fees=1.0)
    assert desk.correct(entry, 0, 10.0) == []
    assert desk.close_at(9.0) == pytest.approx(10_000)
    assert desk.account.trades == [] and desk.account.open_trades() == []
    assert desk.account.traded_eur["u"] == 0.0 and desk.account.costs["commission"] == 0.0


def test_an_exit_that_is_taken_back_reopens_at_its_price() -> None:
    desk = Desk()
    desk.fill(100, 10.0)
    exit_ = desk.fill(-100, 12.0)
    desk.correct(exit_, 0, 12.0)
    assert desk.book.size == 100
    assert desk.close_at(13.0) == pytest.approx(10_000 + 150)  # 100 * (13 - 10) dollars
    assert desk.unexplained() == pytest.approx(0.0, abs=1e-9)


def test_a_part_of_an_exit_that_is_taken_back_is_open_at_its_old_average() -> None:
    desk = Desk()
    desk.fill(100, 10.0)
    part = desk.fill(-40, 12.0)
    desk.correct(part, 0, 12.0)
    assert (desk.book.size, desk.book.price) == (100, 10.0)
    assert desk.account.trades == [] and desk.close_at(10.0) == pytest.approx(10_000)


Act = tuple[str, float, float, float]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["fill", "correct", "bust", "recharge"]),
        st.sampled_from([-150.0, -100.0, -50.0, 50.0, 100.0, 150.0]),
        st.floats(5.0, 20.0),
        st.floats(0.0, 1.0),
    ),
    min_size=1,
    max_size=12,
)


SOLD, BUST = ("fill", -150.0, 5.0, 0.0), ("bust", -150.0, 5.0, 0.0)
WAS_AT_ANOTHER_RATE: list[Act] = [
    SOLD, SOLD, ("fill", 50.0, 5.0, 0.0), BUST, SOLD, BUST, BUST, ("correct", -150.0, 5.0, 0.0),
]  # fmt: skip


@given(ACTS, st.sampled_from(["borrow", "sweep"]), st.booleans())
@example(WAS_AT_ANOTHER_RATE, "sweep", True)
def test_equity_is_explained_whatever_is_corrected(
    tmp_path_factory: Any, acts: list[Act], policy: str, moving: bool
) -> None:
    files = None
    if moving:
        path = tmp_path_factory.mktemp("rates") / "usd.csv"
        lines = [f"{(START + 3 * i * MINUTE):%Y-%m-%dT%H:%M:%S},{0.5 + 0.01 * i}" for i in range(-1, 14)]
        path.write_text("date,rate\n" + "\n".join(lines) + "\n")
        files = {"USD": str(path)}
    desk, fills = Desk(policy, files), []
    position = cash = 0.0
    for what, size, price, share in acts:
        if what == "fill" or not fills:
            fills.append(desk.fill(size, price, fees=2 * share, slip=share / 10))
            position += size
            cash -= size * price + 2 * share
            continue
        fill = fills.pop(int(share * (len(fills) - 1)))
        if what == "recharge":
            cash -= 5 * share - fill.fees
            desk.recharge(fill, 5 * share)
            fills.append(fill)
            continue
        new = 0.0 if what == "bust" else fill.size / 2
        cash += fill.size * fill.price - new * price + (fill.fees if not new else 0.0)
        position += new - fill.size
        fills += desk.correct(fill, new, price)
    desk.close_at(11.0)
    assert desk.book.size == pytest.approx(position, abs=1e-9)
    assert desk.unexplained() == pytest.approx(0.0, abs=1e-6)
    if not moving and policy == "borrow":
        assert desk.account.equity_eur == pytest.approx(10_000 + 0.5 * (cash + position * 11.0))
