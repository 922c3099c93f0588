"""Orders of an earlier run of the process, and what became of them, as a broker's own."""

from __future__ import annotations

import datetime as dt
import logging
from collections import deque
from collections.abc import Sequence

import backtrader as bt

from analyzers.wiring import utc_time
from books.account import Account
from core.logs import log_event
from core.naming import symbol_of, unit_of
from engine.venue import Accepted, Carried, VenueOrder
from engine.venue_orders import restored
from engine.venue_reports import VenueReports

logger = logging.getLogger(__name__)


class VenueCarried(VenueReports):
    """Takes up where an earlier run was left."""

    _oca_names: dict[int, str]  # group of OcaGroups -> name at the venue
    _night_before: dt.date | None = None  # a night of the time before is being paid: that before this day

    def _carry(self, account: Account, carried: Sequence[Carried], when: dt.datetime) -> list[bt.Order]:
        """Make backtrader's orders and book all executions in the order of time; nobody is notified.

        Interest and borrow fees of the time before are not known here: they count from now, or from where
        ``paid_until`` says; then each night is paid on what was held. Returns the orders, in the order in which they
        were sent.
        """
        orders: list[bt.Order] = []
        leaders: dict[str, bt.Order] = {}  # OCA name -> the first order of the group
        reports = []
        for each in carried:
            order = self._restore(each.order, leaders)
            if order is None:
                log_event(logger, "nobody trades a carried order", level=logging.WARNING, order=repr(each.order))
                continue
            orders.append(order)
            reports += [(report.when, order, report) for report in each.reports]
            if each.is_working:
                self.orders.append(order)
                self.pending.append(order)
        reports.sort(key=lambda told: told[0])
        if reports:  # else the first bar pays in the capital, as in a backtest
            account.fund(min(at for at, _, _ in reports))
        gate, self.gate = self.gate, None  # it was told at the time
        before: deque[bt.Order] = self.notifs
        self.notifs: deque[bt.Order] = deque()
        for at, order, report in reports:
            if not isinstance(report, Accepted):
                self._pay_nights(account, at)
                self._when = at
                self._take_in(account, order, report)
        self.notifs = before
        self.gate, self._when = gate, when
        self._in_bar.clear()
        if reports and self._paid_until is None:
            self._paid_until = when.date()
            account.cash.continue_from(when.toordinal(), account.interest_eur)
        if orders:
            self._price_books(account)
        working = {id(order) for order in self.pending}
        for order, each in zip(orders, (c for c in carried if c.order.ref in self._sent), strict=True):
            if not each.is_working and order.alive():  # its end is not among the reports
                order.cancel()
                self._ends[order.ref] = order.status
            elif id(order) in working:
                self._keep_family(order)
        return orders

    def _pay_nights(self, account: Account, at: dt.datetime) -> None:
        """Pay for the nights before the first fill of a day, which the run of before had not kept."""
        if self._paid_until is None or at.date() <= self._paid_until:
            return
        self._night_before = at.date()
        self._price_books(account)
        self._pay_until(account, at)
        self._night_before = None

    def _price_books(self, account: Account) -> None:
        """What is held stands at the last close, and not at its last fill."""
        for data, key in self._keys.items():
            if len(data):
                account.books[key].last_price = self._evening_close(data)

    def _evening_close(self, data: bt.AbstractDataBase) -> float:
        if self._night_before is None:
            return super()._evening_close(data)
        day, ago = self._night_before, 0
        while ago < len(data) - 1 and utc_time(data.datetime[-ago]).date() >= day:
            ago += 1
        return float(data.close[-ago])

    def _restore(self, terms: VenueOrder, leaders: dict[str, bt.Order]) -> bt.Order | None:
        """None where no strategy of this run trades it."""
        owner, data = self._owner_of(terms)
        if owner is None or data is None:
            return None
        parent = self._sent.get(terms.parent) if terms.parent is not None else None
        order = restored(terms, owner, data, parent)
        self._sent[terms.ref], self._terms[order.ref] = order, terms
        self._owners[data] = owner
        leader = leaders.setdefault(terms.oca_group, order) if terms.oca_group else order
        self._ocoize(order, None if leader is order else leader)
        if terms.oca_group:
            self._oca_names[self._groups.of(order)] = terms.oca_group
        order.submit(self)
        order.accept(self)
        order.addcomminfo(self.getcommissioninfo(data))
        return order

    def _owner_of(self, terms: VenueOrder) -> tuple[bt.Strategy | None, bt.AbstractDataBase | None]:
        for strategy in self.cerebro.runningstrats:
            for data in strategy.datas:
                if unit_of(data) == terms.unit and symbol_of(data) == terms.symbol and len(data):
                    return strategy, data
        return None, None

    def _keep_family(self, order: bt.Order) -> None:
        """A bracket whose orders work goes on as one; children of a parent with fills live."""
        parent = order.parent
        if parent is None:
            self._pchildren[order.ref].appendleft(order)
            return
        self._pchildren[parent.ref].append(order)
        if parent.executed.size:
            order.activate()
