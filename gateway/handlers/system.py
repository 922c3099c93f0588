"""Log-in, time, ids, accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.handlers import on
from gateway.model import Values

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws


@on("startApi")
def start_api(tws: Tws, session: Session, values: Values) -> None:
    session.start(values["clientId"])


@on("reqCurrentTime")
def current_time(tws: Tws, session: Session, values: Values) -> None:
    if tws.is_lockstep and not tws.barriers.is_over and tws.is_streaming(session):
        tws.barriers.ask(session)
    else:
        session.send("currentTime", {"time": tws.unix_time()})


@on("reqIds")
def ids(tws: Tws, session: Session, values: Values) -> None:
    session.send("nextValidId", {"orderId": tws.ids.next_of(session.client)})


@on("reqManagedAccts")
def managed_accounts(tws: Tws, session: Session, values: Values) -> None:
    session.send("managedAccounts", {"accountsList": ",".join(tws.accounts.names)})


@on("setServerLogLevel")
def set_log_level(tws: Tws, session: Session, values: Values) -> None:
    """A TWS writes more or less into its own log; nothing is answered."""


@on("reqUserInfo")
def user_info(tws: Tws, session: Session, values: Values) -> None:
    session.send("userInfo", {"reqId": values["reqId"], "whiteBrandingId": ""})
