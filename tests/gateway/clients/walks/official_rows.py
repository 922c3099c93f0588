"""What IB's own clients are told, as the walks write it down."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo


def held_of(row: dict[str, Any]) -> list[Any]:
    return [row["contract"].symbol, float(row["position"])]


def details_of(row: Any) -> list[Any]:
    found = row.contract
    return [
        found.conId, found.symbol, found.secType, found.currency, found.localSymbol, row.longName, row.minTick,
        row.timeZoneId, row.marketRuleIds.split(",")[0],
    ]  # fmt: skip


def prices_of(row: Any) -> list[float]:
    return [row.open, row.high, row.low, row.close]


def moment_of(text: str) -> float:
    """Of an execution: with its zone, or in that of the TWS."""
    day, clock, *zone = text.split()
    when = dt.datetime.strptime(day + clock, "%Y%m%d%H:%M:%S")  # noqa: DTZ007 - it gets its zone in the next line
    return when.replace(tzinfo=ZoneInfo(*zone or ["US/Eastern"])).timestamp()


def by_tick_of(kind: str, row: dict[str, Any]) -> list[Any]:
    if kind == "BidAsk":
        return [row["bidPrice"], row["askPrice"], float(row["bidSize"]), float(row["askSize"])]
    return [row["midPoint"]] if kind == "MidPoint" else [row["price"], float(row["size"]), row["exchange"]]
