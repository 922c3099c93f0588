"""Account data that clients have sent to them as it changes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.data.contracts import contract_values
from gateway.market.account import AccountState
from gateway.market.rows import Row, account_values, portfolio, summary
from gateway.model import Instrument, Order, Values

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws

EVERY = dt.timedelta(minutes=3)  # account values are sent again even if nobody traded
PNL_EVERY = dt.timedelta(seconds=1)


@dataclass(slots=True, eq=False)
class Feeds:
    """What one client listens to: request id -> what it asked for."""

    account: str = ""  # of reqAccountUpdates
    positions: bool = False
    positions_multi: dict[int, str] = field(default_factory=dict)  # account
    updates_multi: dict[int, str] = field(default_factory=dict)  # account
    summaries: dict[int, tuple[list[str], str]] = field(default_factory=dict)  # accounts, tags
    pnl: dict[int, str] = field(default_factory=dict)  # account
    pnl_single: dict[int, tuple[str, int]] = field(default_factory=dict)  # account, conId


class AccountFeeds:
    """Who listens to which account, and the sending."""

    def __init__(self, tws: Tws) -> None:
        self._tws = tws
        self._of: dict[Session, Feeds] = {}
        self._told: dict[tuple[Session, object], set[Row]] = {}  # rows that a listener knows
        self._traded: dict[str, None] = {}  # accounts that have traded since their values were sent
        self._sent = self._pnl_sent = dt.datetime.min.replace(tzinfo=dt.UTC)

    def of(self, session: Session) -> Feeds:
        return self._of.setdefault(session, Feeds())

    def drop(self, session: Session) -> None:
        """The client is gone."""
        self._of.pop(session, None)
        for key in [key for key in self._told if key[0] is session]:
            del self._told[key]

    def end(self, session: Session, listener: object) -> None:
        """A subscription has ended: one that begins again is told everything."""
        self._told.pop((session, listener), None)

    def _news(self, session: Session, listener: object, rows: list[Row]) -> list[Row]:
        """The rows that have changed since the listener was told; all of them the first time."""
        told = self._told.setdefault((session, listener), set())
        news = [row for row in rows if row not in told]
        told.clear()
        told.update(rows)
        return news

    # -- sending --------------------------------------------------------------------------------------------------

    def traded(self, order: Order) -> None:
        """An execution changed the position and the money of its account."""
        name, instrument = order.account, order.instrument
        if self._of:
            self._traded[name] = None
        state = self._tws.accounts[name]
        for session, feeds in list(self._of.items()):
            if feeds.positions:
                session.send("position", position_row(state, instrument))
            for req_id, account in feeds.positions_multi.items():
                if account in ("", name):
                    session.send("positionMulti", position_multi_row(req_id, state, instrument))
            if feeds.account == name:
                self._send_portfolio(session, state, instrument.con_id)

    def flush(self) -> None:
        """Send the values that executions have changed, once for all of a step or request."""
        if not self._traded:
            return
        traded, self._traded = self._traded, {}
        for session, feeds in list(self._of.items()):
            if feeds.account in traded:
                self._send_values(session, feeds.account)
            for req_id, account in feeds.updates_multi.items():
                if account in traded:
                    self.send_multi(session, req_id)

    def tick(self, now: dt.datetime) -> None:
        """Send what is due by the gateway's clock, and what executions have changed."""
        self.flush()
        if not self._of:
            return
        if now - self._pnl_sent >= PNL_EVERY:
            self._pnl_sent = now
            for session, feeds in list(self._of.items()):
                for req_id in feeds.pnl:
                    self.send_pnl(session, req_id)
                for req_id in feeds.pnl_single:
                    self.send_pnl_single(session, req_id)
        if now - self._sent >= EVERY:
            self._sent = now
            for session, feeds in list(self._of.items()):
                if feeds.account:
                    self.send_account(session, feeds.account)
                for req_id in feeds.summaries:
                    self.send_summary(session, req_id)
                for req_id in feeds.updates_multi:
                    self.send_multi(session, req_id)

    def send_account(self, session: Session, account: str) -> None:
        """updateAccountValue, updatePortfolio and updateAccountTime."""
        self._send_values(session, account)
        self._send_portfolio(session, self._tws.accounts[account])
        session.send("updateAccountTime", {"timeStamp": f"{self._tws.clock.now().astimezone(self._tws.zone):%H:%M}"})

    def _send_values(self, session: Session, account: str) -> None:
        rows = account_values(self._tws.accounts[account], self._tws.clock.now())
        for key, value, currency in self._news(session, account, rows):
            session.send("updateAccountValue", {"key": key, "val": value, "currency": currency, "accountName": account})

    def _send_portfolio(self, session: Session, state: AccountState, con_id: int | None = None) -> None:
        for instrument, row in portfolio(state):
            if con_id in (None, instrument.con_id):
                session.send("updatePortfolio", {"contract": contract_values(instrument), **row})

    def send_summary(self, session: Session, req_id: int) -> None:
        accounts, tags = self.of(session).summaries[req_id]
        for account in accounts:
            rows = summary(self._tws.accounts[account], tags, self._tws.clock.now())
            for tag, value, currency in self._news(session, (req_id, account), rows):
                session.send(
                    "accountSummary",
                    {"reqId": req_id, "account": account, "tag": tag, "value": value, "currency": currency},
                )

    def send_multi(self, session: Session, req_id: int) -> None:
        account = self.of(session).updates_multi[req_id]
        rows = account_values(self._tws.accounts[account], self._tws.clock.now())
        for key, value, currency in self._news(session, req_id, rows):
            row = {"reqId": req_id, "account": account, "modelCode": "", "key": key}
            session.send("accountUpdateMulti", {**row, "value": value, "currency": currency})

    def send_pnl(self, session: Session, req_id: int) -> None:
        state = self._tws.accounts[self.of(session).pnl[req_id]]
        daily, unrealized, realized = state.pnl(self._tws.clock.now())
        session.send("pnl", {"reqId": req_id, "dailyPnL": daily, "unrealizedPnL": unrealized, "realizedPnL": realized})

    def send_pnl_single(self, session: Session, req_id: int) -> None:
        account, con_id = self.of(session).pnl_single[req_id]
        position, daily, unrealized, realized, value = self._tws.accounts[account].pnl_single(
            con_id, self._tws.clock.now()
        )
        session.send(
            "pnlSingle",
            {
                "reqId": req_id, "pos": position, "dailyPnL": daily, "unrealizedPnL": unrealized,
                "realizedPnL": realized, "value": value,
            },
        )  # fmt: skip


def position_row(state: AccountState, instrument: Instrument) -> Values:
    """The fields of position, for what is held now; 0 shares where nothing is."""
    held = state.positions.get(instrument.con_id)
    return {
        "account": state.name,
        "contract": contract_values(instrument),
        "position": held.quantity if held else 0.0,
        "avgCost": held.average_cost if held else 0.0,
    }


def position_multi_row(req_id: int, state: AccountState, instrument: Instrument) -> Values:
    row = position_row(state, instrument)
    return {"reqId": req_id, "pos": row.pop("position"), "modelCode": "", **row}
