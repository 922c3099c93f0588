"""Random orders survive the way client -> gateway -> openOrder -> client, field by field."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import ib_insync as ib
from hypothesis import given
from hypothesis import strategies as st
from wired import oracle
from wired.asker import Asker

from gateway.model import Values
from gateway.wire import UNSET_DOUBLE, UNSET_INTEGER, VERSIONS, wire_for

SPOKEN = [version for version in VERSIONS if version <= 176]

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAMES = st.text("abcXYZ019 .-/", max_size=10)
INTEGERS = st.integers(-(2**31), 2**31 - 2)
NUMBERS = st.floats(-1e15, 1e15, allow_nan=False)
PAIRS = st.lists(st.builds(ib.TagValue, TEXT, TEXT), max_size=3)
CHOSEN: dict[str, st.SearchStrategy[Any]] = {
    "orderType": st.sampled_from(["MKT", "LMT", "STP", "TRAIL", "VOL", "PEG BENCH", "PEG BEST", "PEG MID", ""]),
    "secType": st.sampled_from(["STK", "BAG", "CASH", "OPT", ""]),
    "exchange": st.sampled_from(["SMART", "IBKRATS", "NYSE", ""]),
    "conjunction": st.sampled_from(["a", "o"]),
    "competeAgainstBestOffset": st.one_of(NUMBERS, st.just(math.inf), st.just(UNSET_DOUBLE)),
    "scalePriceIncrement": st.one_of(NUMBERS, st.just(0.0), st.just(0.05), st.just(UNSET_DOUBLE)),
    "algoParams": PAIRS,
    "smartComboRoutingParams": PAIRS,
    "orderMiscOptions": st.lists(st.builds(ib.TagValue, NAMES, NAMES), max_size=2),
}


def made(kind: Any, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a dataclass of ib_insync with values for each field, its default among them."""
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for field in dataclasses.fields(kind):
        by_type = {str: TEXT, int: INTEGERS, float: NUMBERS, bool: st.booleans()}.get(type(field.default))
        strategy = given.get(field.name, CHOSEN.get(field.name, by_type))
        if strategy is not None:
            is_plain = field.default is not dataclasses.MISSING and field.name not in given
            strategies[field.name] = st.one_of(st.just(field.default), strategy) if is_plain else strategy
    return st.builds(kind, **strategies)


CONDITIONS = st.one_of(
    *(
        made(kind, condType=st.just(kind().condType))
        for kind in (
            ib.PriceCondition, ib.TimeCondition, ib.MarginCondition, ib.ExecutionCondition, ib.VolumeCondition,
            ib.PercentChangeCondition,
        )
    )
)  # fmt: skip
ORDERS = made(
    ib.Order,
    clientId=st.just(0),  # the server knows these three
    permId=st.just(0),
    orderId=st.just(0),
    conditions=st.lists(CONDITIONS, max_size=3),
    softDollarTier=st.builds(ib.SoftDollarTier, TEXT, TEXT),
    orderComboLegs=st.lists(made(ib.OrderComboLeg), max_size=3),
)
CONTRACTS = made(
    ib.Contract,
    comboLegs=st.lists(made(ib.ComboLeg), max_size=3),
    deltaNeutralContract=st.one_of(st.none(), st.builds(ib.DeltaNeutralContract, INTEGERS, NUMBERS, NUMBERS)),
)

# What the client has and TWS never tells, in either of its messages
UNTOLD = {
    "transmit", "overridePercentageConstraints", "scaleTable", "activeStartTime", "activeStopTime", "algoId",
    "orderMiscOptions", "extOperator", "mifid2DecisionMaker", "mifid2DecisionAlgo", "mifid2ExecutionTrader",
    "mifid2ExecutionAlgo", "advancedErrorOverride", "manualOrderTime", "orderId", "primaryExchange", "includeExpired",
    "secIdType", "secId", "description", "issuerId",
}  # fmt: skip
# What the client never sends; TWS tells it
UNASKED = {
    "basisPoints", "basisPointsType", "autoCancelDate", "filledQuantity", "refFuturesConId", "shareholder",
    "imbalanceOnly", "routeMarketableToBbo", "parentPermId", "comboLegsDescrip", "clientId", "permId",
}  # fmt: skip
# What a completed order does not tell
OPEN_ONLY = {
    "blockOrder", "auctionStrategy", "eTradeOnly", "firmQuoteOnly", "nbboPriceCap", "parentId", "optOutSmartRouting",
    "deltaNeutralSettlingFirm", "deltaNeutralClearingAccount", "deltaNeutralClearingIntent", "deltaNeutralOpenClose",
    "whatIf", "adjustedOrderType", "triggerPrice", "adjustedStopPrice", "adjustedStopLimitPrice", "softDollarTier",
    "adjustedTrailingAmount", "adjustableTrailingUnit", "discretionaryUpToLimitPrice", "usePriceMgmtAlgo", "duration",
    "postToAts",
}  # fmt: skip
# A TWS says these for "nothing" (captured frames; IBKR.md, section 4)
HABITS: dict[str, tuple[Any, Any]] = {
    "lmtPrice": (UNSET_DOUBLE, 0.0),
    "auxPrice": (UNSET_DOUBLE, 0.0),
    "cashQty": (UNSET_DOUBLE, 0.0),
    "volatilityType": (UNSET_INTEGER, 0),
    "referencePriceType": (UNSET_INTEGER, 0),
    "scalePriceIncrement": (0.0, UNSET_DOUBLE),  # ib_insync's own reading of 0.0
    "clearingIntent": ("", "IB"),
    "deltaNeutralOrderType": ("", "None"),
    "adjustedOrderType": ("", "None"),
    "deltaNeutralOpenClose": ("", "?"),
    "right": ("", "?"),
}
SINCE = {"duration": 159, "postToAts": 160, "autoCancelParent": 162}


def left_out(order: ib.Order, contract: ib.Contract, version: int) -> set[str]:
    """Fields that ib_insync sends only with others, or not yet in this version."""
    out = set(UNASKED) | {name for name, since in SINCE.items() if version < since}
    if contract.secType != "BAG":
        out |= {"comboLegs", "orderComboLegs", "smartComboRoutingParams"}
    if not order.deltaNeutralOrderType:
        out |= {field.name for field in dataclasses.fields(order) if field.name.startswith("deltaNeutral")}
        out -= {"deltaNeutralOrderType", "deltaNeutralAuxPrice"}
    if not 0 < order.scalePriceIncrement < UNSET_DOUBLE:
        out |= {"scalePriceAdjustValue", "scalePriceAdjustInterval", "scaleProfitOffset", "scaleAutoReset"}
        out |= {"scaleInitPosition", "scaleInitFillQty", "scaleRandomPercent"}
    if not order.hedgeType:
        out |= {"hedgeParam"}
    if not order.algoStrategy:
        out |= {"algoParams"}
    if order.orderType != "PEG BENCH":
        out |= {"referenceContractId", "isPeggedChangeAmountDecrease", "peggedChangeAmount", "referenceChangeAmount"}
        out |= {"referenceExchangeId"}
    if not order.conditions:
        out |= {"conditionsIgnoreRth", "conditionsCancelOrder"}
    new = version >= 170
    if not (new and contract.exchange == "IBKRATS"):
        out |= {"minTradeQty"}
    best, mid = new and order.orderType == "PEG BEST", new and order.orderType == "PEG MID"
    if not best:
        out |= {"minCompeteSize", "competeAgainstBestOffset"}
    if not (mid or (best and order.competeAgainstBestOffset == math.inf)):
        out |= {"midOffsetAtWhole", "midOffsetAtHalf"}
    return out


def told(made_by_client: Any, left: set[str]) -> dict[str, Any]:
    """Field by field what has to come back of an order or a contract."""
    expected = {}
    for field in dataclasses.fields(made_by_client):
        name, value = field.name, getattr(made_by_client, field.name)
        if name in left:
            value = field.default if field.default is not dataclasses.MISSING else []
        nothing, habit = HABITS.get(name, (None, None))
        expected[name] = habit if name in HABITS and value == nothing else value
    return {name: value for name, value in expected.items() if name not in UNTOLD}


def way(version: int, contract: ib.Contract, order: ib.Order, answer: str) -> tuple[Values, dict[str, Any]]:
    """What the gateway read of an order, and what the client shows of the answer."""
    asker = Asker("ib_insync", version)
    asker.client.placeOrder(77, contract, order)
    name, values = wire_for(version).request(asker.pipe.sent[0][4:])
    assert (name, values["orderId"]) == ("placeOrder", 77)
    client = oracle.Client("ib_insync", version)
    calls, objections = client.feed(wire_for(version).answer(answer, values))
    client.close()
    assert not objections
    return values, calls[0][1]


def differing(expected: dict[str, Any], shown: Any) -> dict[str, Any]:
    return {name: (value, getattr(shown, name)) for name, value in expected.items() if getattr(shown, name) != value}


@given(st.sampled_from(SPOKEN), CONTRACTS, ORDERS)
def test_orders_come_back_as_open_orders(version: int, contract: ib.Contract, order: ib.Order) -> None:
    left = left_out(order, contract, version)
    values, shown = way(version, contract, order, "openOrder")
    assert not differing(told(order, left), shown["order"])
    assert not differing(told(contract, left), shown["contract"])
    # and what TWS does not tell has arrived in the gateway
    for name in UNTOLD - {"orderId", "orderMiscOptions", "includeExpired", "description", "issuerId"}:
        side, original = (values["order"], order) if hasattr(order, name) else (values["contract"], contract)
        if name in side:
            assert side[name] == getattr(original, name)
    pairs = [(pair["tag"], pair["value"]) for pair in values["order"]["orderMiscOptions"]]
    assert pairs == [(pair.tag, pair.value) for pair in order.orderMiscOptions]


@given(st.sampled_from(SPOKEN), CONTRACTS, ORDERS)
def test_orders_come_back_as_completed_orders(version: int, contract: ib.Contract, order: ib.Order) -> None:
    left = left_out(order, contract, version)
    _, shown = way(version, contract, order, "completedOrder")
    expected = {name: value for name, value in told(order, left).items() if name not in OPEN_ONLY}
    if version < 162:  # completed orders have it in all versions, and the client did not send it
        expected["autoCancelParent"] = False
    expected["filledQuantity"] = 0.0
    assert not differing(expected, shown["order"])
    assert not differing(told(contract, left), shown["contract"])
