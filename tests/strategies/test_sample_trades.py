"""Both strategies on the sample, in the simulated broker with its gate: enough trades, and a pair refused as one."""

from __future__ import annotations

import engine
from core.config import load_settings
from core.orders import Refusal


def test_the_sample_desk_closes_enough_trades() -> None:
    result = engine.backtest(load_settings(None))
    trades = result.trades.groupby(result.trades.strategy.str.split(":").str[0]).trade_id.nunique()
    assert trades["meanrev"] >= 30 and trades["pairs"] >= 30
    rows = result.trades[result.trades.strategy == "pairs"]
    assert (rows.groupby("trade_id").instrument.nunique() == 2).all()  # both legs share their id
    assert (rows.groupby("trade_id").side.nunique() == 2).all()  # one long, one short
    # what the sizers make of the capital passes the gate
    refused = result.orders[result.orders.status == "Rejected"]
    assert refused.empty


def test_both_legs_of_a_refused_pair_are_refused() -> None:
    result = engine.backtest(load_settings(None, ["risk.max_trade_notional=0.01", "data.end=2004-12-31"]))
    orders = result.orders[result.orders.strategy == "pairs"]
    assert set(orders.status) == {"Rejected"} and set(orders.refusal) == {Refusal.TRADE_NOTIONAL.value}
    entries = orders[orders.role == "entry"]
    assert len(entries) > 4 and set(entries.groupby("created").instrument.nunique()) == {2}
    assert result.trades[result.trades.strategy == "pairs"].empty
