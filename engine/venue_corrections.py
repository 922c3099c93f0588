"""Fees that are told after their fill, and executions that a venue corrects or takes back."""

from __future__ import annotations

import datetime as dt
import logging
import math
from dataclasses import dataclass

import backtrader as bt

from books.account import Account
from books.trades import Fill
from core.logs import log_event
from engine.account_broker import AccountBroker
from engine.lean.execution import split
from engine.venue import Charged, Corrected

logger = logging.getLogger(__name__)
_ROUNDING = 1e-9  # units or money; less than this is nothing


@dataclass(slots=True)
class Booked:
    """An execution as it stands in the account. ``fill`` None: it was taken back."""

    order: bt.Order
    fill: Fill | None
    before: tuple[float, float] | None = None  # slippage (price) and fees that it had, once it was corrected


class VenueCorrections(AccountBroker):
    """Keeps the account and backtrader's orders right when an execution turns out to be another one."""

    _booked: dict[str, Booked]  # exec id -> execution, also by ids that were corrected

    def _charge(self, account: Account, report: Charged) -> None:
        """Make the fee of an execution exact."""
        booked = self._booked.get(report.exec_id)
        if booked is None or booked.fill is None:
            log_event(logger, "fee of an unknown execution", level=logging.WARNING, exec_id=report.exec_id)
            return
        fill, order = booked.fill, booked.order
        own = account.books[fill.book].currency
        fees = report.fees
        if report.currency != own:
            fees *= account.rate(report.currency, report.when) / account.rate(own, report.when)
        more = fees - fill.fees
        if abs(more) > _ROUNDING:
            account.recharge(fill, fees, report.when)
            order.executed.comm += more

    def _correct(self, account: Account, report: Corrected) -> None:
        """Book an execution that stands anew. Its order stands as it was, with fewer or more units filled, and is
        notified.

        An exit that is taken back leaves a position that nobody expects: strategies hear of it and act.
        """
        booked = self._booked[report.corrects]
        self._booked[report.exec_id] = booked
        order, old = booked.order, booked.fill
        assert old is not None  # else there is nothing to book anew
        sign, fees, slip = 1 if order.isbuy() else -1, old.fees, old.price - old.unslipped_price
        size, price = sign * report.quantity, report.price + slip
        was_over = order.status == bt.Order.Completed
        left = account.correct(old, size, price, report.price, report.when)
        booked.fill, booked.before = left[0] if left else None, (slip, fees)
        self._append(order, report.when, -old.size, old.price, -fees)
        if size:
            self._append(order, report.when, size, price, fees)
        book = account.books[old.book]
        self.positions[order.data].fix(book.size, book.price)
        if was_over:
            order.executed.remsize = 0.0  # it is done: what was taken back does not fill again
        log_event(
            logger, "execution corrected", level=logging.WARNING, ref=order.ref, exec_id=report.exec_id,
            size=f"{old.size:g} -> {size:g}", price=f"{old.price:g} -> {price:g}",
        )  # fmt: skip
        self.notify(order)

    def _append(self, order: bt.Order, when: dt.datetime, size: float, price: float, fees: float) -> None:
        """``Order.execute`` for a bit that may bring the order to nothing; its status stays."""
        position, comminfo = self.positions[order.data], self.getcommissioninfo(order.data)
        average = position.price
        after, price_after, opened, closed = split(position.size, average, size, price)
        share = fees / size
        bit = bt.order.OrderExecutionBit(
            bt.date2num(when.replace(tzinfo=None)), size, price,
            closed, comminfo.getvaluesize(-closed, average), share * closed,
            opened, comminfo.getvaluesize(opened, price), share * opened,
            comminfo.profitandloss(-closed, average, price), after, price_after,
        )  # fmt: skip
        position.fix(after, price_after)
        done = order.executed
        total = done.size + size
        is_nothing = math.isclose(total, 0.0, abs_tol=_ROUNDING)
        done.price = 0.0 if is_nothing else (done.size * done.price + size * price) / total
        done.size = 0.0 if is_nothing else total
        done.exbits.append(bit)
        done.remsize -= size
        done.dt = bit.dt
        done.value += bit.value
        done.comm += bit.comm
        done.pnl += bit.pnl
        done.psize, done.pprice = after, price_after
