"""Orders and executions."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from gateway.handlers import on
from gateway.market.terms import moment
from gateway.model import Execution, Order, Values
from gateway.refused import Refused
from gateway.reporter import commission_report, completed_order, exec_details, open_order, order_status

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws


@on("placeOrder")
def place_order(tws: Tws, session: Session, values: Values) -> None:
    """A new order, a modification where the client has one of this id, or a what-if."""
    order_id, contract, terms = values["orderId"], values["contract"], values["order"]
    known = tws.market.find(session.client, order_id)
    if known is not None and not terms["whatIf"]:
        tws.market.modify(known, contract, terms)
        tws.account_feeds.flush()
        return
    if known is None and order_id < tws.ids.next_of(session.client):
        raise Refused(103, "Duplicate order id")
    instrument = tws.book.one(contract)
    account = str(terms["account"] or "") or (known.account if known is not None else "")
    order = tws.market.new_order(session.client, order_id, account, instrument, contract, terms)
    tws.ids.use(session.client, order_id)
    if terms["whatIf"]:
        _preview(tws, session, order, known)
        return
    tws.market.place(order)
    tws.account_feeds.flush()


def _preview(tws: Tws, session: Session, order: Order, known: Order | None) -> None:
    """A what-if order, perhaps of one that works: its margins and commission, and why it would be rejected."""
    state, notice = tws.market.what_if(order, known)
    if notice is not None:
        session.error(order.order_id, notice.code, notice.text)
    if state:
        session.send("openOrder", open_order(order, state))


@on("cancelOrder")
def cancel_order(tws: Tws, session: Session, values: Values) -> None:
    order = tws.market.find(session.client, values["orderId"])
    if order is None:
        raise Refused(10147, f"OrderId {values['orderId']} that needs to be cancelled is not found.")
    tws.market.cancel(order)


@on("reqGlobalCancel")
def global_cancel(tws: Tws, session: Session, values: Values) -> None:
    tws.market.cancel_all()


@on("reqOpenOrders")
def open_orders(tws: Tws, session: Session, values: Values) -> None:
    _send_open(session, [order for order in tws.market.open_orders() if order.client_id == session.client])


@on("reqAllOpenOrders")
def all_open_orders(tws: Tws, session: Session, values: Values) -> None:
    _send_open(session, tws.market.open_orders())


def _send_open(session: Session, orders: list[Order]) -> None:
    for order in orders:
        session.send("openOrder", open_order(order))
        session.send("orderStatus", order_status(order))
    session.send("openOrderEnd", {})


@on("reqAutoOpenOrders")
def auto_open_orders(tws: Tws, session: Session, values: Values) -> None:
    """Orders made by hand in TWS are bound to client 0; nobody makes any here."""
    if session.client != 0:
        session.error(-1, 327, "Only the default client (i.e 0) can auto bind orders.")


@on("reqCompletedOrders")
def completed_orders(tws: Tws, session: Session, values: Values) -> None:
    for order in tws.market.completed_orders():
        session.send("completedOrder", completed_order(order))
    session.send("completedOrdersEnd", {})


@on("reqExecutions")
def executions(tws: Tws, session: Session, values: Values) -> None:
    """Executions of the current day only, as TWS has them, with their commissions."""
    req_id, wanted = values["reqId"], values["execFilter"]
    after = moment(wanted["time"], tws.zone.key) if wanted["time"] else None
    for execution in tws.market.executions:
        if _fits(execution, wanted, after):
            session.send("execDetails", exec_details(req_id, execution, tws.skew))
            report = tws.reporter.reports.get(execution.exec_id)
            if report is not None:
                session.send("commissionReport", commission_report(report))
    session.send("execDetailsEnd", {"reqId": req_id})


def _fits(execution: Execution, wanted: Values, after: dt.datetime | None) -> bool:
    order = execution.order
    told = {
        "clientId": order.client_id,
        "acctCode": order.account,
        "symbol": order.instrument.symbol,
        "secType": order.instrument.sec_type,
        "exchange": execution.exchange,
    }
    if any(wanted[key] and wanted[key] != value for key, value in told.items()):
        return False
    side = {"BUY": "BOT", "SELL": "SLD"}.get(wanted["side"], wanted["side"])
    return (not side or side == execution.side) and (after is None or execution.when >= after)
