"""Cost breakdown and break-even size, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.costs import break_even_from_trades, break_even_notional, cost_breakdown, entry_notional_eur
from analyzers.trades import COLUMNS
from core.errors import UnknownNameError


def rows(**columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(columns).reindex(columns=list(COLUMNS))
    money = [name for name in COLUMNS if name.endswith("_eur")]
    frame[money] = frame[money].astype(float).fillna(0.0)
    return frame


def test_breakdown() -> None:
    trades = rows(strategy=["a", "a", "b"], trade_id=["1", "2", "1"], gross_eur=[100.0, 100.0, -50.0])
    costs = {"a": {"commission": 8.0, "borrow": 2.0}, "b": {"commission": 5.0}}
    found = cost_breakdown(trades, costs, {"a": 40_000.0, "b": 0.0}, interest_eur=-3.0, cash_fx_eur=1.0)
    assert found["a"]["commission"] == {"eur": 8.0, "bps_of_traded": pytest.approx(2.0), "share_of_gross": 0.04}
    assert found["a"]["total"]["eur"] == 10.0
    assert found["b"]["commission"]["share_of_gross"] == 0.1  # of 50 lost: the size of the gross result
    assert math.isnan(found["b"]["commission"]["bps_of_traded"])
    whole = found["portfolio"]
    assert {kind: part["eur"] for kind, part in whole.items()} == {
        "commission": 13.0, "borrow": 2.0, "interest": 3.0, "cash_fx": -1.0, "total": 17.0,
    }  # fmt: skip
    assert whole["total"]["bps_of_traded"] == pytest.approx(17 / 40_000 * 1e4)


def test_breakdown_without_trades() -> None:
    found = cost_breakdown(rows(), {"a": {}}, {})
    assert found["a"]["total"]["eur"] == 0.0
    assert math.isnan(found["portfolio"]["total"]["share_of_gross"])


def test_break_even_of_a_fixed_fee() -> None:
    # 10 bps must pay for EUR 4: 4 / 0.001
    assert break_even_notional(lambda notional: 4.0, 10.0) == pytest.approx(4_000.0)


def test_break_even_of_a_fee_with_a_minimum() -> None:
    # two orders of 5 bps, at least EUR 3 each, against 20 bps: the minimum rules below 6,000, so 6 / 0.002 = 3,000
    assert break_even_notional(lambda n: 2 * max(3.0, 0.0005 * n), 20.0) == pytest.approx(3_000.0)


def test_an_edge_below_the_proportional_cost_never_pays() -> None:
    assert break_even_notional(lambda n: 1.0 + 0.002 * n, 20.0) == math.inf
    assert break_even_notional(lambda n: 1.0, -5.0) == math.inf


def test_an_edge_without_cost_always_pays() -> None:
    assert break_even_notional(lambda n: 0.0, 1.0) == 0.0


@given(st.floats(0.5, 100.0), st.floats(1.0, 200.0), st.floats(0.0, 0.9))
def test_break_even_of_fixed_and_proportional_costs(fixed: float, edge: float, part: float) -> None:
    found = break_even_notional(lambda n: fixed + edge * part / 1e4 * n, edge)
    assert found == pytest.approx(fixed * 1e4 / (edge * (1 - part)), rel=1e-6)


def test_break_even_from_trades() -> None:
    # A pair, two legs of 5,000 each, gross 30 on 10,000 = 30 bps; slippage, borrow and currency cost 10 = 10 bps; its
    # four orders pay 4 whatever the size: N = 1e4 * 4 / (30 - 10) = 2,000
    trades = rows(
        strategy=["p", "p"], trade_id=["1", "1"], gross_eur=[20.0, 10.0], commission_eur=[2.0, 2.0],
        slippage_eur=[5.0, 3.0], borrow_eur=[0.0, 1.0], fx_eur=[0.0, -1.0],
    )  # fmt: skip
    found = break_even_from_trades(trades, pd.Series([5_000.0, 5_000.0]), lambda notional: 4.0)
    assert found == pytest.approx(
        {
            "gross_bps": 30.0,
            "proportional_bps": 10.0,
            "fees_bps": 4.0,
            "average_notional_eur": 10_000.0,
            "break_even_notional_eur": 2_000.0,
        }
    )


def test_break_even_from_losing_trades_is_infinite() -> None:
    trades = rows(strategy=["p"], trade_id=["1"], gross_eur=[-20.0], commission_eur=[2.0])
    found = break_even_from_trades(trades, pd.Series([1_000.0]), lambda notional: 2.0)
    assert found["break_even_notional_eur"] == math.inf


def test_break_even_without_trades_is_not_defined() -> None:
    found = break_even_from_trades(rows(), pd.Series(dtype=float), lambda notional: 2.0)
    assert all(math.isnan(value) for value in found.values())


def test_entry_notional() -> None:
    trades = rows(instrument=["SPX", "SAP"], size=[2.0, 3.0], entry_price=[100.0, 50.0])
    assert entry_notional_eur(trades, {"SPX": 0.9, "SAP": 1.0}).tolist() == pytest.approx([180.0, 150.0])
    assert entry_notional_eur(rows(), {}).sum() == 0.0
    with pytest.raises(UnknownNameError, match="'SAP'"):
        entry_notional_eur(trades, {"SPX": 0.9})


def test_break_even_against_the_profit_at_that_size() -> None:
    """What the formula calls break-even earns nothing when the trades are scaled to it."""
    generator = np.random.default_rng(4)
    notional = pd.Series(generator.uniform(5_000, 20_000, 50))
    trades = rows(
        strategy=["s"] * 50, trade_id=[str(i) for i in range(50)], gross_eur=notional * 0.004,
        commission_eur=[3.0] * 50, slippage_eur=notional * 0.001,
    )  # fmt: skip
    size = break_even_from_trades(trades, notional, lambda n: 3.0)["break_even_notional_eur"]
    assert size * 0.004 - 3.0 - size * 0.001 == pytest.approx(0.0, abs=1e-6)
