"""What trading cost, by kind and by strategy, and the size of a trade from which an edge outweighs its fees."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from core.errors import UnknownNameError, did_you_mean

BPS = 1e4
NAN = float("nan")


def cost_breakdown(
    trades: pd.DataFrame,
    costs: Mapping[str, Mapping[str, float]],
    traded_eur: Mapping[str, float],
    *,
    interest_eur: float = 0.0,
    cash_fx_eur: float = 0.0,
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the costs of each strategy and of the portfolio by kind.

    ``trades``: rows of trades.csv, closed and, to cover all costs, open ones. ``costs``: strategy -> kind -> EUR paid
    (``Account.costs_by_unit``, mapped to strategies). ``traded_eur``: strategy -> value of all fills in EUR.
    Interest and the revaluation of cash belong to the account, so they stand in the portfolio alone: interest as a
    cost with its sign turned, ``cash_fx`` likewise.

    Result: name -> kind -> ``{"eur", "bps_of_traded", "share_of_gross"}``; the name ``portfolio`` is the sum and the
    kind ``total`` the sum of kinds. ``share_of_gross`` is the cost over the absolute gross result of the trades;
    both ratios are NaN when there is nothing to divide by.
    """
    gross = trades.groupby("strategy")["gross_eur"].sum() if len(trades) else pd.Series(dtype=float)
    breakdown = {
        name: _rows(kinds, float(traded_eur.get(name, 0.0)), float(gross.get(name, 0.0)))
        for name, kinds in costs.items()
    }
    kinds = list(dict.fromkeys(kind for paid in costs.values() for kind in paid))
    total = {kind: sum(float(paid.get(kind, 0.0)) for paid in costs.values()) for kind in kinds}
    total |= {"interest": -interest_eur, "cash_fx": -cash_fx_eur}
    breakdown["portfolio"] = _rows(total, float(sum(traded_eur.values())), float(gross.sum()))
    return breakdown


def break_even_notional(cost_eur: Callable[[float], float], edge_bps: float, largest: float = 1e9) -> float:
    """Return the smallest trade, EUR, from which on the edge pays for its costs; inf if none up to ``largest`` does.

    ``cost_eur(notional)``: all costs of the round trip of a trade that enters with ``notional`` EUR.
    ``edge_bps``: gross result in basis points of that notional. A schedule with a minimum has
    ``cost / notional`` falling, so the profit changes its sign once; the root is bracketed on a logarithmic grid
    from 1 EUR and refined by Brent's method.
    """

    def profit(notional: float) -> float:
        return notional * edge_bps / BPS - cost_eur(notional)

    grid = np.geomspace(1.0, largest, 181)
    losing = [i for i, notional in enumerate(grid) if profit(float(notional)) < 0.0]
    if not losing:
        return 0.0
    last = losing[-1]
    if last == len(grid) - 1:
        return math.inf
    return float(brentq(profit, float(grid[last]), float(grid[last + 1]), xtol=1e-6))


def break_even_from_trades(
    trades: pd.DataFrame, notional_eur: pd.Series, fees_eur: Callable[[float], float]
) -> dict[str, float]:
    """Return the size from which trades like these pay for their costs.

    With g the gross result and p the costs that grow with the size (slippage, borrow, currency) in basis points of
    the notional, and F(N) the fees of a trade of N EUR, minimums and maximums included: the smallest N with

        N * (g - p) / 1e4 >= F(N)        (see ``break_even_notional``)

    ``trades``: rows of trades.csv; ``notional_eur``: entry value of each row in EUR, same index; ``fees_eur``: F, all
    orders of the round trip. Rows that share strategy and trade_id are one trade and their notionals are added; g and
    p are weighted by notional.

    Keys: ``gross_bps``, ``proportional_bps``, ``fees_bps`` (as paid), ``average_notional_eur`` and
    ``break_even_notional_eur`` (inf: the edge does not pay for its costs at any size; NaN: no trades).
    """
    notional = float(notional_eur.sum())
    if trades.empty or notional <= 0.0:
        names = ("gross_bps", "proportional_bps", "fees_bps", "average_notional_eur", "break_even_notional_eur")
        return dict.fromkeys(names, NAN)
    count = len(trades[["strategy", "trade_id"]].drop_duplicates())
    other = float((trades["borrow_eur"] + trades["slippage_eur"] - trades["fx_eur"]).sum())
    gross_bps = float(trades["gross_eur"].sum()) / notional * BPS
    proportional_bps = other / notional * BPS
    edge = gross_bps - proportional_bps
    return {
        "gross_bps": gross_bps,
        "proportional_bps": proportional_bps,
        "fees_bps": float(trades["commission_eur"].sum()) / notional * BPS,
        "average_notional_eur": notional / count,
        "break_even_notional_eur": break_even_notional(fees_eur, edge) if edge > 0.0 else math.inf,
    }


def entry_notional_eur(trades: pd.DataFrame, rates: Mapping[str, float]) -> pd.Series:
    """Return the entry value of each row in EUR; ``rates``: instrument -> EUR for one unit of its currency.

    Raises UnknownNameError for an instrument without a rate.
    """
    for name in trades["instrument"].unique():
        if name not in rates:
            raise UnknownNameError(f"no exchange rate given for the instrument {name!r}{did_you_mean(name, rates)}")
    rate = trades["instrument"].map(dict(rates)).astype(float)
    return (trades["size"] * trades["entry_price"] * rate).astype(float)


def _rows(kinds: Mapping[str, float], traded: float, gross: float) -> dict[str, dict[str, float]]:
    paid = {kind: float(amount) for kind, amount in kinds.items()}
    paid["total"] = sum(paid.values())
    return {
        kind: {
            "eur": amount,
            "bps_of_traded": amount / traded * BPS if traded > 0.0 else NAN,
            "share_of_gross": amount / abs(gross) if gross else NAN,
        }
        for kind, amount in paid.items()
    }
