"""Contracts that IB's own clients ask for, and requests that are asked for their own sake."""

from __future__ import annotations

from typing import Any

from ibapi.contract import Contract


def contract(symbol: str, sec_type: str = "STK", exchange: str = "SMART", currency: str = "USD") -> Contract:
    made = Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, sec_type, exchange, currency
    return made


STOCK, OTHER, PAIR = contract("XMPLA"), contract("XMPLB"), contract("EUR", "CASH", "IDEALPRO")

PLAIN: list[tuple[str, list[Any]]] = [
    ("reqManagedAccts", []),
    ("setServerLogLevel", [2]),
    ("reqAutoOpenOrders", [True]),
    ("requestFA", [1]),
    ("reqNewsBulletins", [True]),
    ("cancelNewsBulletins", []),
]
NUMBERED: list[tuple[str, list[Any]]] = [  # they begin with a request id
    ("reqSmartComponents", ["9c0001"]),
    ("reqSoftDollarTiers", []),
    ("queryDisplayGroups", []),
    ("reqHistogramData", [STOCK, True, "3 days"]),
    ("reqNewsArticle", ["BRFG", "BRFG$04fb9da2", []]),
    ("reqHistoricalNews", [900_000_001, "BRFG", "", "", 10, []]),
    ("calculateImpliedVolatility", [STOCK, 1.0, 50.0, []]),
    ("calculateOptionPrice", [STOCK, 0.2, 50.0, []]),
    ("cancelFundamentalData", []),
    ("cancelHistogramData", []),
    ("cancelScannerSubscription", []),
    ("cancelMktDepth", [False]),
    ("cancelHistoricalData", []),
    ("cancelMktData", []),
    ("cancelRealTimeBars", []),
    ("cancelTickByTickData", []),
    ("cancelHeadTimeStamp", []),
    ("cancelPositionsMulti", []),
    ("cancelAccountUpdatesMulti", []),
]
