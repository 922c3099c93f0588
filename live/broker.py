"""The broker of live sessions: the one of all venues, beside what Interactive Brokers reports of the account."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import backtrader as bt

from books.account import Account
from core.orders import Refusal
from engine.venue_broker import VenueBroker
from live.drift import DriftWatch
from live.protection import ProtectionWatch
from live.values import BrokerRates, ReportedAccount
from risk.boundary import is_entry
from risk.events import KillAction

if TYPE_CHECKING:
    from live.venue import IBVenue


class IBBroker(VenueBroker):
    """Trades at IBKR through a ``live.venue.IBVenue``.

    Positions, cash and equity are those of the book, which fills and fees keep, so sizes are what a backtest's are.
    ``reported`` is what IBKR says, ``drift`` how far both have moved apart since the start (name -> reported less
    book). With ``live.fx = "broker"`` the book is kept at IBKR's exchange rates.
    """

    is_live = True
    needs_stops = True
    venue: IBVenue

    def __init__(self, venue: Any, **params: Any) -> None:
        super().__init__(venue, **params)
        self._watch = DriftWatch(venue.reported, venue.bus)
        self._now: Callable[[], dt.datetime] | None = getattr(venue, "now", None)  # a record has no time of its own
        self._guarded = ProtectionWatch(self, venue.bus)
        self._acts: deque[Callable[[], None]] = deque()

    @property
    def reported(self) -> ReportedAccount:
        return self.venue.reported

    @property
    def drift(self) -> dict[str, float]:
        return self._watch.gaps

    def start(self) -> None:
        super().start()
        if self.account is not None and self._settings.live.fx == "broker":
            self.account.cash.fx = BrokerRates(self._settings.costs.fx, self.account.base, self.reported)

    def objections(self, *, has_traded: bool = False) -> list[str]:
        """Why a session should not start with this account and these settings, a sentence each with the cure.

        ``has_traded``: orders of ours were there before; then a loss may have made the account smaller.
        """
        found: list[str] = []
        name, base, capital = self.reported.account, self._settings.account.currency, self._settings.account.capital
        worth = self.reported.value("NetLiquidation", base)
        if worth is None:
            found.append(
                f"{name} is not kept in {base}: IBKR tells no NetLiquidation in {base}; change the base currency in "
                "Client Portal, or log in to another account"
            )
        elif capital > worth and not has_traded:
            found.append(
                f"account.capital is {base} {capital:,.2f} and {name} is worth {base} {worth:,.2f}; set "
                "account.capital to what may be traded with"
            )
        for (unit, symbol), size in self.venue.strangers().items():
            found.append(
                f"the intent journal has {size:g} {symbol} of the unit {unit}, which the settings do not have; put the "
                "unit back, or close the position and accept it with `halflife reconcile`"
            )
        return found

    def soon(self, act: Callable[[], None]) -> None:
        """Do something between two turns of the graph: within one, while a data is loaded, no order can be made."""
        self._acts.append(act)

    def next(self) -> None:
        super().next()
        while self._acts:
            self._acts.popleft()()
        if self._now is not None:
            self._guarded.look(self._now())

    # -- the same on the way ----------------------------------------------------------------------------------------

    def _objection(self, orders: Sequence[bt.Order]) -> tuple[Refusal, str] | None:
        """The kill switch that is latched on the disk holds whatever this process remembers."""
        killed = self.venue.killed
        if killed and any(o.parent is None and is_entry(o, self.positions[o.data].size) for o in orders):
            return Refusal.KILLED, f"the kill switch is latched ({killed}); re-arm it with `halflife reconcile --rearm`"
        return super()._objection(orders)

    def _is_killed(self) -> bool:
        return bool(self.venue.killed) or super()._is_killed()

    def _on_kill(self, action: KillAction) -> None:
        self.venue.kill(action.reason)
        super()._on_kill(action)

    def _end_bar(self, account: Account, when: dt.datetime) -> None:
        super()._end_bar(account, when)
        self._watch.look(account, when)
