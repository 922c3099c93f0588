"""How orders meet bars at the simulated broker: when in a bar, at which price, for which fee, and what a fill sets off.

See ``engine.sim_broker`` for where this differs from stock backtrader.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import backtrader as bt

from books.account import Account
from books.fees import MonthlyVolume, OrderFees
from books.trades import Fill, FillTime
from core.calendar import ExchangeCalendar
from core.naming import symbol_of, unit_of
from core.orders import ExitReason
from core.settings import Settings
from engine.account_broker import AccountBroker
from engine.lean.execution import execute, split
from engine.slippage import NoSlippage, SlippageModel, slippage_model
from risk.boundary import closes_parent

_TAKERS = frozenset({bt.Order.Market, bt.Order.Close, bt.Order.Stop, bt.Order.StopTrail})


class MatchingBroker(AccountBroker):
    """Matching, slippage and fees. Without an ``account`` it is the stock broker."""

    def _open_matching(self, settings: Settings) -> None:
        costs = settings.costs
        self._slippage: SlippageModel = slippage_model(costs.slippage) if costs.enabled else NoSlippage()
        self._at_close = settings.execution == "next_close"
        self._fees: dict[int, OrderFees] = {}  # order ref -> what it was charged
        self._month = MonthlyVolume()  # of the account, for the tiers of its schedules
        self._filled: dict[str, float] = defaultdict(float)  # symbol -> units filled in this bar, by all units
        self._funds = settings.account.capital
        self._days: dict[int, dt.date] = {}  # ref of a DAY order -> its session

    # ------------------------------------------------------------------ when an order is matched

    def _session(self, data: bt.AbstractDataBase) -> dt.date:
        """The session of the data's exchange to which this bar belongs."""
        return ExchangeCalendar(self._instrument(data).exchange).session_of(self._moment())

    def _expire_day_orders(self) -> None:
        """End the DAY orders whose session, that of the first bar of any data after them, is over."""
        for order in [o for o in self.pending if o.p.valid == bt.Order.DAY]:
            session = self._session(order.data)
            if session > self._days.setdefault(order.ref, session):
                self.pending.remove(order)
                order.status = bt.Order.Expired
                order.executed.dt = order.data.datetime[0]
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)

    def _turn(self, order: bt.Order) -> int:
        """When in a bar an order fills: 0 at the open, 1 in the range, 2 at the close."""
        kind = order.exectype
        if kind == bt.Order.Market:
            return 2 if self._at_close else 0
        if kind == bt.Order.Close:
            return 0 if self._is_overdue(order) else 2
        return 1

    def _is_overdue(self, order: bt.Order) -> bool:
        """Whether backtrader fills a close order at the last bar of its session only now, a bar later."""
        return bool(order.pannotated) and order.data.datetime[0] > order.dteos

    def _try_exec(self, order: bt.Order) -> None:
        if self.account is None or self._is_fresh(order.data):
            super()._try_exec(order)

    def _try_exec_market(self, order: bt.Order, popen: float, phigh: float, plow: float) -> None:
        if self.account is None or not self._at_close:
            super()._try_exec_market(order, popen, phigh, plow)
        elif order.data.datetime[0] > order.created.dt:
            self._execute(order, ago=0, price=order.data.close[0])

    def _bracketize(self, order: bt.Order, cancel: bool = False) -> None:
        if self.account is None or order.parent is not None or not order.executed.size:
            super()._bracketize(order, cancel=cancel)
            return
        family = self._pchildren[order.ref]  # a parent that ended with fills leaves its children working
        if family and family[0].ref == order.ref:
            family.popleft()

    # ------------------------------------------------------------------ fills

    def _execute(
        self,
        order: bt.Order,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: bt.Position | None = None,
        dtcoc: float | None = None,
    ) -> float | None:
        if self.account is None:
            left: float | None = super()._execute(
                order, ago=ago, price=price, cash=cash, position=position, dtcoc=dtcoc
            )
            return left
        if ago is None:  # how backtrader asks what would be left of the cash
            return self._funds_after(order, cash or 0.0, position)
        if price is not None:
            self._fill(self.account, order, price, order.data.datetime[ago])
        return None

    def _margin_need(self, before: float, after: float, price: float, rate: float) -> float:
        """Initial margin that a change of position takes (or, negative, sets free), account currency."""
        return (abs(after) - abs(before)) * price * rate * self._settings.account.initial_margin

    def _funds_after(self, order: bt.Order, funds: float, position: bt.Position) -> float:
        """Available funds were ``order`` filled at its reference price; never negative for a reduction."""
        if order.parent is not None:
            return funds  # it closes what its parent opens
        before, price = position.size, order.created.price
        position.update(order.executed.remsize, price)
        need = self._margin_need(before, position.size, price, self.fx_rate(order.data))
        return funds - need if need > 0.0 else max(funds - need, 0.0)

    def _fill(self, account: Account, order: bt.Order, price: float, stamp: float) -> None:
        data, when = order.data, self._moment()
        unit, symbol, volume = unit_of(data), symbol_of(data), data.volume[0]
        sign, taker = 1 if order.isbuy() else -1, order.exectype in _TAKERS
        wanted = self._slippage.fillable(abs(order.executed.remsize), volume, self._filled[symbol])
        if wanted <= 0.0:
            return
        paid = price
        if taker and self._settings.costs.enabled:
            paid = self._slippage.price(sign, price, self._filled[symbol] + wanted, volume, self._instrument(data))
        position, rate = self.positions[data], self.fx_rate(data)
        before, average = position.size, position.price
        _, _, opened, closed = split(before, average, sign * wanted, paid)
        refused = False
        if opened:
            need = self._margin_need(before, before + closed + opened, paid, rate)
            refused = need > 0.0 and need > self._funds
            if refused:
                opened = 0.0
        size = closed + opened
        if size:
            timing, key = self._timing(order, price), f"{unit}/{symbol}"
            book = account.books[key]
            if closed and timing is FillTime.CLOSE:
                book.see_range(when, data.high[0], data.low[0], rate)
            fees = self._fees.get(order.ref)
            if fees is None:
                fees = self._fees[order.ref] = OrderFees(self._month)
            charge = self._schedule(data).charge(fees, abs(size), paid, sign < 0, not taker, when)
            total = charge.total
            self._funds -= self._margin_need(before, before + size, paid, rate) + total * rate
            self._filled[symbol] += abs(size)
            fill = Fill(
                book=key,
                when=when,
                size=size,
                price=paid,
                unslipped_price=price,
                fees=total,
                rate=rate,
                timing=timing,
                reason=reason_of(order),
                trade=str(order.info.get("trade", "")),
            )
            row = account.fill(fill, charge)
            comminfo = self.getcommissioninfo(data)
            is_utc = data.datetime._tz is None
            position.update(size, paid, when.replace(tzinfo=None) if is_utc else data.datetime.datetime())
            if not book.size and position.size:
                position.fix(0.0, 0.0)  # a rounding of partial fills is no position
            values = (
                closed, comminfo.getvaluesize(-closed, average), total * closed / size,
                opened, comminfo.getvaluesize(opened, paid), total * opened / size,
            )  # fmt: skip
            pnl = comminfo.profitandloss(-closed, average, paid)
            execute(order, stamp, size, paid, values, comminfo.margin, pnl, position.size, position.price)
            order.addcomminfo(comminfo)
            self._size_children(order, timing)
            self.notify(order)
            self._ococheck(order)
            if row is not None and self.gate is not None:
                self.gate.on_trade(row)
        if refused:
            order.margin()
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)

    def _timing(self, order: bt.Order, price: float) -> FillTime:
        turn = self._turn(order)
        if turn == 2:
            return FillTime.CLOSE
        return FillTime.OPEN if turn == 0 or price == order.data.open[0] else FillTime.INTRABAR

    def _size_children(self, parent: bt.Order, timing: FillTime) -> None:
        """Children live from the parent's first fill, and its exits are sized to its fills."""
        for child in self._pchildren.get(parent.ref, ()):
            if child.ref == parent.ref or not child.alive():
                continue
            if closes_parent(child):  # nothing of it has filled: the first exit would have cancelled the parent
                child.executed.remsize = -parent.executed.size
            if timing is FillTime.OPEN:
                child.activate()
            else:
                self._toactivate.append(child)


def reason_of(order: bt.Order) -> str:
    """Why an order closes: what its owner wrote on it, else what its type says."""
    reason = order.info.get("reason", "")
    if reason:
        return str(reason)
    if order.exectype in (bt.Order.Stop, bt.Order.StopTrail, bt.Order.StopLimit, bt.Order.StopTrailLimit):
        return ExitReason.STOP
    return ExitReason.TARGET if order.parent is not None else ExitReason.SIGNAL
