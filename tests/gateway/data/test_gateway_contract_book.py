"""Contracts: search, ambiguity, matching symbols, details, market rules."""

from __future__ import annotations

import dataclasses

import pytest
from replayed.world import new_york

from core.errors import SettingsError
from gateway.data.contracts import ContractBook, contract_values
from gateway.data.rules import MARKET_RULES, increment_at, on_grid, price_increments
from gateway.data.sample import EURUSD, XMPLA, XMPLB, XMPLD, XMPLX
from gateway.refused import Refused

BOOK = ContractBook((XMPLA, XMPLB, EURUSD, XMPLX, *XMPLD))


@pytest.mark.parametrize(
    ("contract", "found"),
    [
        ({"symbol": "XMPLA", "secType": "STK", "exchange": "SMART", "currency": "USD"}, [XMPLA]),
        ({"symbol": "xmpla", "secType": "STK"}, [XMPLA]),
        ({"conId": XMPLB.con_id}, [XMPLB]),
        ({"conId": XMPLB.con_id, "symbol": "OTHER", "exchange": "ISLAND"}, [XMPLB]),
        ({"conId": XMPLB.con_id, "exchange": "LSE"}, []),
        ({"conId": 5}, []),
        ({"symbol": "XMPLA", "secType": "STK", "currency": "EUR"}, []),
        ({"symbol": "XMPLA", "secType": "CFD"}, []),
        ({"symbol": "XMPLA", "secType": "OPT", "strike": 60.0}, []),
        ({"symbol": "XMPLA", "secType": "STK", "primaryExchange": "NYSE"}, [XMPLA]),
        ({"symbol": "XMPLA", "secType": "STK", "primaryExchange": "LSE"}, []),
        ({"symbol": "XMPLD", "secType": "STK"}, list(XMPLD)),
        ({"symbol": "XMPLD", "secType": "STK", "currency": "GBP"}, [XMPLD[1]]),
        ({"symbol": "XMPLD", "secType": "STK", "exchange": "IBIS"}, [XMPLD[2]]),
        ({"symbol": "XMPLD", "secType": "STK", "exchange": "SMART", "primaryExchange": "LSE"}, [XMPLD[1]]),
        ({"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}, [EURUSD]),
        ({"localSymbol": "EUR.USD", "secType": "CASH"}, [EURUSD]),
        ({"symbol": "EUR", "secType": "CASH", "exchange": "SMART"}, []),
        ({"symbol": "XMPLX", "secType": "IND", "exchange": "CBOE"}, [XMPLX]),
        ({"secIdType": "ISIN", "secId": XMPLA.isin}, [XMPLA]),
        ({"secType": "STK"}, []),
        ({"symbol": "NOBODY", "secType": "STK"}, []),
    ],
)
def test_search(contract: dict, found: list) -> None:
    assert BOOK.search(contract) == found


def test_one_says_why_not() -> None:
    for contract, number, text in (
        ({"symbol": "NOBODY", "secType": "STK"}, 200, "No security definition has been found for the request"),
        ({"symbol": "XMPLD", "secType": "STK"}, 200, "The contract description specified for XMPLD is ambiguous."),
        ({"symbol": "XMPLA"}, 321, "Error validating request.-'bu' : cause - Please enter a valid security type"),
        ({"symbol": "XMPLA", "secType": "SHARE"}, 321, "Please enter a valid security type"),
    ):
        with pytest.raises(Refused) as refused:
            BOOK.one(contract)
        assert refused.value.number == number and text in refused.value.text
    assert str(refused.value).startswith("321 Error validating")


def test_matching_symbols() -> None:
    assert [each.symbol for each in BOOK.matching("xmpl")] == ["XMPLA", "XMPLB", "XMPLD", "XMPLD", "XMPLD", "XMPLX"]
    assert BOOK.matching("beta") == [XMPLB] and BOOK.matching("XMPLB")[0] == XMPLB
    assert BOOK.matching("EUR") == [] and BOOK.matching(" ") == []
    many = ContractBook(dataclasses.replace(XMPLA, con_id=number, symbol=f"X{number}") for number in range(40))
    assert len(many.matching("X")) == 16
    row = BOOK.samples("XMPLA")[0]
    assert row["derivativeSecTypes"] == [] and row["contract"]["description"] == "EXAMPLE ALPHA CORP"
    assert row["contract"]["primaryExchange"] == "NYSE" and row["contract"]["conId"] == XMPLA.con_id


def test_details_of_a_stock() -> None:
    details = BOOK.details(XMPLA, new_york("2024-03-08 12:00:00"), "SMART")
    assert details["contract"] == contract_values(XMPLA) and details["contract"]["exchange"] == "SMART"
    assert details["timeZoneId"] == "US/Eastern" and details["minTick"] == 0.01 and details["stockType"] == "COMMON"
    assert details["secIdList"] == [{"tag": "ISIN", "value": XMPLA.isin}] and details["mdSizeMultiplier"] == 100
    assert len(details["marketRuleIds"].split(",")) == len(details["validExchanges"].split(","))
    assert {"LMT", "MKT", "STP", "TRAIL", "MOC", "WHATIF"} <= set(details["orderTypes"].split(","))


def test_details_of_a_pair() -> None:
    details = BOOK.details(EURUSD, new_york("2024-03-08 12:00:00"))
    assert details["contract"]["localSymbol"] == "EUR.USD" and details["contract"]["primaryExchange"] == ""
    assert (details["validExchanges"], details["marketRuleIds"], details["minTick"]) == ("IDEALPRO", "239", 0.00005)
    assert details["secIdList"] == [] and details["mdSizeMultiplier"] == 1 and details["stockType"] == ""


def test_market_rules() -> None:
    assert price_increments(26) == [{"lowEdge": 0.0, "increment": 0.01}]
    assert price_increments(239) == [{"lowEdge": 0.0, "increment": 0.00005}]
    with pytest.raises(Refused, match="321 .*Market rule"):
        price_increments(1)
    assert all(table[0][0] == 0.0 and list(table) == sorted(table) for table in MARKET_RULES.values())
    assert [increment_at(9002, price) for price in (0.5, 1.0, 19.99, 20.0, 1_500.0)] == [
        0.0001,
        0.0002,
        0.002,
        0.005,
        0.2,
    ]
    assert on_grid(26, 12.34) and not on_grid(26, 12.345) and on_grid(239, 1.10105) and not on_grid(239, 1.10103)
    assert on_grid(9002, 20.005) and not on_grid(9002, 20.002)


def test_books_that_contradict_themselves() -> None:
    with pytest.raises(SettingsError, match="share conId"):
        ContractBook((XMPLA, dataclasses.replace(XMPLB, con_id=XMPLA.con_id)))
    with pytest.raises(SettingsError, match="market rule 4 does not exist; known: 26"):
        ContractBook([dataclasses.replace(XMPLA, market_rule=4)])
    assert BOOK.by_id(XMPLA.con_id) is XMPLA and BOOK.by_id(1) is None
