"""Positions, account values, P&L: sent once and then as they change, by ``account_feeds``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.account_feeds import position_multi_row, position_row
from gateway.handlers import on
from gateway.model import Values
from gateway.refused import Refused

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws


@on("reqPositions")
def positions(tws: Tws, session: Session, values: Values) -> None:
    for state in tws.accounts:
        for position in state.positions.values():
            if position.quantity:
                session.send("position", position_row(state, position.instrument))
    session.send("positionEnd", {})
    tws.account_feeds.of(session).positions = True


@on("cancelPositions")
def cancel_positions(tws: Tws, session: Session, values: Values) -> None:
    tws.account_feeds.of(session).positions = False


@on("reqPositionsMulti")
def positions_multi(tws: Tws, session: Session, values: Values) -> None:
    req_id, account = values["reqId"], values["account"]
    if account:
        _check(tws, account)
    for state in tws.accounts:
        for position in state.positions.values():
            if position.quantity and account in ("", state.name):
                session.send("positionMulti", position_multi_row(req_id, state, position.instrument))
    session.send("positionMultiEnd", {"reqId": req_id})
    tws.account_feeds.of(session).positions_multi[req_id] = account


@on("cancelPositionsMulti")
def cancel_positions_multi(tws: Tws, session: Session, values: Values) -> None:
    tws.account_feeds.of(session).positions_multi.pop(values["reqId"], None)


@on("reqAccountUpdates")
def account_updates(tws: Tws, session: Session, values: Values) -> None:
    feeds = tws.account_feeds.of(session)
    if not values["subscribe"]:
        tws.account_feeds.end(session, feeds.account)
        feeds.account = ""
        return
    account = values["acctCode"] or tws.accounts.names[0]
    _check(tws, account)
    tws.account_feeds.end(session, account)
    feeds.account = account
    tws.account_feeds.send_account(session, account)
    session.send("accountDownloadEnd", {"accountName": account})


@on("reqAccountUpdatesMulti")
def account_updates_multi(tws: Tws, session: Session, values: Values) -> None:
    req_id, account = values["reqId"], values["account"] or tws.accounts.names[0]
    _check(tws, account)
    tws.account_feeds.end(session, req_id)
    tws.account_feeds.of(session).updates_multi[req_id] = account
    tws.account_feeds.send_multi(session, req_id)
    session.send("accountUpdateMultiEnd", {"reqId": req_id})


@on("cancelAccountUpdatesMulti")
def cancel_account_updates_multi(tws: Tws, session: Session, values: Values) -> None:
    tws.account_feeds.of(session).updates_multi.pop(values["reqId"], None)
    tws.account_feeds.end(session, values["reqId"])


@on("reqAccountSummary")
def account_summary(tws: Tws, session: Session, values: Values) -> None:
    req_id, group = values["reqId"], values["groupName"]
    if group != "All":
        _check(tws, group)
    accounts = tws.accounts.names if group == "All" else [group]
    for account in accounts:
        tws.account_feeds.end(session, (req_id, account))
    tws.account_feeds.of(session).summaries[req_id] = (accounts, values["tags"])
    tws.account_feeds.send_summary(session, req_id)
    session.send("accountSummaryEnd", {"reqId": req_id})


@on("cancelAccountSummary")
def cancel_account_summary(tws: Tws, session: Session, values: Values) -> None:
    accounts, _ = tws.account_feeds.of(session).summaries.pop(values["reqId"], ([], ""))
    for account in accounts:
        tws.account_feeds.end(session, (values["reqId"], account))


@on("reqPnL")
def pnl(tws: Tws, session: Session, values: Values) -> None:
    req_id, account = values["reqId"], values["account"] or tws.accounts.names[0]
    _check(tws, account)
    tws.account_feeds.of(session).pnl[req_id] = account
    tws.account_feeds.send_pnl(session, req_id)


@on("cancelPnL")
def cancel_pnl(tws: Tws, session: Session, values: Values) -> None:
    tws.account_feeds.of(session).pnl.pop(values["reqId"], None)


@on("reqPnLSingle")
def pnl_single(tws: Tws, session: Session, values: Values) -> None:
    req_id, account = values["reqId"], values["account"] or tws.accounts.names[0]
    _check(tws, account)
    tws.account_feeds.of(session).pnl_single[req_id] = (account, values["conid"])
    tws.account_feeds.send_pnl_single(session, req_id)


@on("cancelPnLSingle")
def cancel_pnl_single(tws: Tws, session: Session, values: Values) -> None:
    tws.account_feeds.of(session).pnl_single.pop(values["reqId"], None)


@on("reqFamilyCodes")
def family_codes(tws: Tws, session: Session, values: Values) -> None:
    session.send(
        "familyCodes", {"familyCodes": [{"accountID": name, "familyCodeStr": ""} for name in tws.accounts.names]}
    )


def _check(tws: Tws, account: str) -> None:
    """Raises Refused (321) where there is no such account."""
    if account not in tws.accounts:
        raise Refused(321, f"Error validating request.-'bO' : cause - Invalid account code '{account}'")
