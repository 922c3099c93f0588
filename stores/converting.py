"""From the library's records to the store's, and back."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from core.clock import as_utc
from stores.events import OrderReported
from stores.library import is_unset, load
from stores.records import ContractKey, ContractSpec, Instrument, OrderTerms, WhatIf


def contract_of(spec: ContractSpec | Instrument) -> Any:
    """The library's contract."""
    return load().Contract(
        conId=spec.con_id, symbol=spec.symbol, secType=spec.sec_type, exchange=spec.exchange, currency=spec.currency,
        primaryExchange=spec.primary_exchange, localSymbol=spec.local_symbol,
        lastTradeDateOrContractMonth=spec.expiry,
    )  # fmt: skip


def key_of(contract: Any) -> ContractKey:
    return ContractKey(
        int(contract.conId), contract.symbol, contract.secType, contract.currency,
        contract.exchange or contract.primaryExchange, contract.localSymbol,
    )  # fmt: skip


def order_of(terms: OrderTerms, account: str, client_id: int) -> Any:
    """The library's order."""
    order = load().Order(
        orderId=terms.order_id, clientId=client_id, action=terms.action, totalQuantity=terms.quantity,
        orderType=terms.kind, tif=terms.tif, orderRef=terms.order_ref, account=terms.account or account,
        ocaGroup=terms.oca_group, ocaType=terms.oca_type, parentId=terms.parent_id, transmit=terms.transmit,
        outsideRth=terms.outside_rth, allOrNone=terms.all_or_none, triggerMethod=terms.trigger_method,
        advancedErrorOverride=terms.override,
    )  # fmt: skip
    for name, value in (
        ("lmtPrice", terms.limit_price), ("auxPrice", terms.aux_price), ("trailStopPrice", terms.trail_stop_price),
        ("trailingPercent", terms.trailing_percent), ("lmtPriceOffset", terms.limit_offset),
    ):  # fmt: skip
        if value is not None:
            setattr(order, name, value)
    if terms.good_till is not None:
        order.goodTillDate = time_text(terms.good_till)
    if terms.good_after is not None:
        order.goodAfterTime = time_text(terms.good_after)
    return order


def reported(order: Any, contract: Any, state: Any, source: str, when: dt.datetime) -> OrderReported:
    """An order as an openOrder or completedOrder tells of it. A completed order has no order id and no client."""
    filled = number(getattr(order, "filledQuantity", None)) or 0.0
    quantity = float(order.totalQuantity)
    is_completed = source == "completed"
    if is_completed and quantity == 0.0:
        quantity = filled  # TWS leaves the quantity of a filled order empty here
    return OrderReported(
        order_id=int(order.orderId), perm_id=int(order.permId), client_id=int(order.clientId),
        order_ref=text(order.orderRef), status=state.status, filled=filled if is_completed else 0.0,
        remaining=max(0.0, quantity - filled) if is_completed else None, avg_fill_price=None, why_held="",
        account=text(order.account), contract=key_of(contract), action=order.action, quantity=quantity,
        order_type=order.orderType, limit_price=price(order.lmtPrice, order.orderType),
        aux_price=number(order.auxPrice) or None, trail_stop_price=number(order.trailStopPrice),
        trailing_percent=number(order.trailingPercent), tif=order.tif, good_till=text(order.goodTillDate),
        oca_group=text(order.ocaGroup), parent_id=int(order.parentId), outside_rth=bool(order.outsideRth),
        source=source, when=when, completed_status=text(getattr(state, "completedStatus", "")),
        warning=text(state.warningText),
    )  # fmt: skip


def sent(terms: OrderTerms, instrument: Instrument, account: str, client_id: int, when: dt.datetime) -> OrderReported:
    """An order of ours that IBKR has not told of yet."""
    return OrderReported(
        order_id=terms.order_id, perm_id=0, client_id=client_id, order_ref=terms.order_ref, status="", filled=0.0,
        remaining=None, avg_fill_price=None, why_held="", account=terms.account or account, contract=instrument.key,
        action=terms.action, quantity=terms.quantity, order_type=terms.kind, limit_price=terms.limit_price,
        aux_price=terms.aux_price, trail_stop_price=terms.trail_stop_price, trailing_percent=terms.trailing_percent,
        tif=terms.tif, good_till=time_text(terms.good_till) if terms.good_till else "", oca_group=terms.oca_group,
        parent_id=terms.parent_id, outside_rth=terms.outside_rth, source="sent", when=when,
    )  # fmt: skip


def what_if_of(state: Any) -> WhatIf:
    """Margins come as text, and unset as 1.797e308."""
    margins = {field: number(getattr(state, name)) for field, name in MARGINS.items()}
    return WhatIf(**margins, commission_currency=state.commissionCurrency, warning=text(state.warningText))


MARGINS = {
    "init_margin_before": "initMarginBefore", "init_margin_after": "initMarginAfter",
    "init_margin_change": "initMarginChange", "maint_margin_before": "maintMarginBefore",
    "maint_margin_after": "maintMarginAfter", "maint_margin_change": "maintMarginChange",
    "equity_with_loan_before": "equityWithLoanBefore", "equity_with_loan_after": "equityWithLoanAfter",
    "commission": "commission", "min_commission": "minCommission", "max_commission": "maxCommission",
}  # fmt: skip


def number(value: Any) -> float | None:
    """A number; None for IBKR's marks of none."""
    if value is None or value == "":
        return None
    made = float(value)
    return None if is_unset(made) or math.isinf(made) else made


def price(value: Any, kind: str) -> float | None:
    """A limit: 0 means none for orders that have no limit."""
    made = number(value)
    return None if made == 0.0 and "LMT" not in kind and "LIMIT" not in kind else made


def text(value: Any) -> str:
    """``?`` is how TWS writes an empty field of an order."""
    return "" if value in (None, "?") else str(value)


def time_text(when: dt.datetime) -> str:
    """A moment as requests carry it, in UTC."""
    return as_utc(when).strftime("%Y%m%d %H:%M:%S UTC")
