"""The simulated broker: stock backtrader matching, with an account, IBKR's costs and the risk gate behind it.

Without settings it is ``backtrader.brokers.BackBroker`` to the last bit. With settings it differs where the stock
broker is not what an account at IBKR does:

- cash is kept by currency, equity is in the account's currency, and ``getcash`` is equity less initial margin;
- fees are charged once for each order over all its fills; slippage makes fills worse, fees never change prices;
- an order meets no bar that is older than itself (stock matches a stale bar of a data that did not advance);
- market orders are matched at the open before resting orders, or at the close after them (``execution``);
- a DAY order is good for one session of its exchange (stock: until the date of the last bar, at market for ever);
- children of a bracket live from the parent's first fill and are sized to its fills; they can fire on the bar of the
  entry where the entry filled at its open;
- the exits of a bracket are one OCA group: a partial fill reduces the others instead of cancelling them;
- every order passes the gate, and shorts pay their borrow fee.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Sequence

import backtrader as bt

from analyzers.wiring import utc_time
from books.account import Account
from books.borrow import borrow_fee
from books.fees import FeeSchedule, MonthlyVolume, OrderFees, get_schedule
from books.trades import Fill, FillTime
from core.calendar import ExchangeCalendar, desk_calendar
from core.errors import EngineError
from core.naming import REFERENCE_UNIT, book_key, symbol_of, unit_of
from core.orders import ExitReason, Refusal
from core.settings import InstrumentSettings, Settings
from engine.gated_broker import GatedBroker
from engine.slippage import NoSlippage, SlippageModel, slippage_model
from risk import OrderGate
from risk.boundary import closes_parent

_STOCK_OPTIONS = {"coc": False, "coo": False, "filler": None, "slip_perc": 0.0, "slip_fixed": 0.0, "shortcash": True}
_TAKERS = frozenset({bt.Order.Market, bt.Order.Close, bt.Order.Stop, bt.Order.StopTrail})


class SimBroker(GatedBroker):
    """Broker of backtests.

    Params:
      - settings (None): ``core.settings.Settings``; None is the stock broker

    ``account`` and ``gate`` are made anew at each start; both are None for the stock broker.
    """

    params = (("settings", None),)

    def init(self) -> None:
        settings: Settings | None = self.p.settings
        if settings is not None:
            self.p.cash = settings.account.capital
        super().init()
        if settings is None:
            return
        self._open_intake(settings)
        self.account = Account.from_settings(settings)
        costs = settings.costs
        self._slippage: SlippageModel = slippage_model(costs.slippage) if costs.enabled else NoSlippage()
        self._at_close = settings.execution == "next_close"
        self._fees: dict[int, OrderFees] = {}  # order ref -> what it was charged
        self._schedules: dict[str, FeeSchedule] = {}  # schedule name -> schedule
        self._month = MonthlyVolume()  # of the account, for the tiers of its schedules
        self._filled: dict[str, float] = defaultdict(float)  # symbol -> units filled in this bar, by all units
        self._funds = settings.account.capital
        self._days: dict[int, dt.date] = {}  # ref of a DAY order -> its session

    def start(self) -> None:
        super().start()
        if self.account is None:
            return
        self._refuse_stock_options()
        begin: dt.datetime | None = getattr(getattr(self.cerebro, "history", None), "begin", None)
        # moments come from floats
        self._begin = begin - dt.timedelta(milliseconds=1) if begin is not None else None
        self._keys = {data: book_key(data) for data in self.cerebro.datas if unit_of(data) != REFERENCE_UNIT}
        for data in self._keys:
            self.account.open_book(unit_of(data), symbol_of(data), self._instrument(data).currency)
        if self._settings.risk.enabled:
            calendar = desk_calendar(self._settings)
            self.gate = OrderGate(self._settings.risk, calendar, self._settings.account.capital)

    # ------------------------------------------------------------------ account

    def _instrument(self, data: bt.AbstractDataBase) -> InstrumentSettings:
        instrument: InstrumentSettings | None = getattr(data, "instrument", None)
        if instrument is None:
            raise EngineError(
                f"data '{data._name}' has no instrument settings; let engine.build make the datas, "
                "or use SimBroker() without settings"
            )
        return instrument

    def estimate_commission(self, data: bt.AbstractDataBase, size: float, price: float) -> float:
        """Fees of a market order of ``size`` signed units at ``price``, instrument currency; changes nothing."""
        if self.account is None:
            return float(self.getcommissioninfo(data).getcommission(size, price))
        return self._schedule(data).quote(abs(size), price, is_sale=size < 0).total

    def set_cash(self, cash: float) -> None:
        if self.p.settings is not None:
            raise EngineError("the capital comes from the settings (account.capital); set_cash would contradict it")
        super().set_cash(cash)

    setcash = set_cash

    def add_cash(self, cash: float) -> None:
        if self.p.settings is not None:
            raise EngineError(
                "a deposit would count as a result in every metric and limit; set account.capital instead"
            )
        super().add_cash(cash)

    def _refuse_stock_options(self) -> None:
        """Costs and execution come from the settings; what stock would take from elsewhere must not look obeyed."""
        given = [name for name, stock in _STOCK_OPTIONS.items() if getattr(self.p, name) != stock]
        for info in self.comminfo.values():
            if not info.stocklike or info.get_leverage() != 1.0 or info.p.mult != 1.0 or info.p.commission:
                given.append("setcommission/addcommissioninfo")
        if given:
            raise EngineError(
                f"SimBroker(settings=...) takes costs and execution from the settings, so {', '.join(given)} would be "
                "ignored; remove it, or use SimBroker() without settings"
            )

    def _schedule(self, data: bt.AbstractDataBase) -> FeeSchedule:
        instrument = self._instrument(data)
        name = instrument.schedule if self._settings.costs.enabled else "none"
        if name not in self._schedules:
            self._schedules[name] = get_schedule(name, self._settings.costs.fees, instrument.currency)
        return self._schedules[name]

    def _get_value(self, datas: Sequence[bt.AbstractDataBase] | None = None, lever: bool = False) -> float:
        account = self.account
        if account is None or self._when is None or self._is_warming(self._when):
            return float(super()._get_value(datas=datas, lever=lever))
        if datas is not None:
            return float(sum(self.positions[d].size * d.close[0] * self.fx_rate(d) for d in datas))
        account.mark(self._when, {self._keys[d]: (d.high[0], d.low[0], d.close[0]) for d in self._fresh})
        self.take_values()
        return float(self._value)

    def take_values(self) -> None:
        """Take cash and value from the account as it was marked."""
        account = self.account
        assert account is not None  # only then it is called
        self.cash = account.available_eur
        self._value = self._valuelever = account.equity_eur
        self._valuemkt = self._valuemktlever = account.net_exposure_eur
        self._fundval = self._value / self._fundshares

    # ------------------------------------------------------------------ the order of a bar

    def next(self) -> None:
        if self.account is None:
            super().next()
            return
        if self.leaps is not None:
            self.leaps.settle()
        self._begin_bar(self.account)
        if self.p.checksubmit:
            self.check_submitted()
        self._expire_day_orders(self._moment())
        if len(self.pending) > 1:
            self.pending: deque[bt.Order] = deque(sorted(self.pending, key=self._turn))
        super().next()  # matches, then marks the account through _get_value
        if self.gate is not None:
            self._ask_gate(self.gate, self.account)

    def _begin_bar(self, account: Account) -> None:
        if self.leaps is not None:
            step = self.leaps.step
            when, days = self.leaps.steps.when(step), self.leaps.steps.days_passed[step]
            self._fresh, warming = self.leaps.fresh(step), step < self.leaps.begin
        else:
            started = [d for d in self.cerebro.datas if len(d)]
            stamp = max(d.datetime[0] for d in started)
            when = utc_time(stamp)
            self._fresh = [d for d in started if d.datetime[0] == stamp and d in self._keys]
            days = (when.date() - self._when.date()).days if self._when is not None else 0
            warming = self._is_warming(when)
        self._when = when
        self._filled.clear()
        if warming:
            return  # no interest on money that is not at work yet
        account.fund(when)
        if days > 0:
            if self._settings.costs.enabled:
                account.accrue(when)
                self._charge_borrow(account, when, days)
        elif not account.books:
            raise EngineError("no data to trade: engine.build adds one for each unit and instrument")
        self._funds = account.available_eur
        self._reject(self._room.leftovers(), Refusal.INVALID, "the other leg of the batch was not ordered in this bar")

    def _is_warming(self, when: dt.datetime) -> bool:
        """Whether a bar is one of those before ``data.start`` that only settle indicators."""
        return self._begin is not None and when < self._begin

    def _is_fresh(self, data: bt.AbstractDataBase) -> bool:
        return any(fresh is data for fresh in self._fresh)  # "in" would compare lines: == is overloaded

    def _charge_borrow(self, account: Account, when: dt.datetime, days: int) -> None:
        for data, position in self.positions.items():
            if position.size < 0:
                instrument = self._instrument(data)
                previous_close = data.close[-1] if self._is_fresh(data) else data.close[0]
                fee = borrow_fee(-position.size, previous_close, instrument.borrow_rate, days, instrument.currency)
                account.charge_borrow(self._keys[data], fee, when)

    # ------------------------------------------------------------------ matching

    def _expire_day_orders(self, when: dt.datetime) -> None:
        """End the DAY orders whose session, that of the first bar of any data after them, is over."""
        for order in [o for o in self.pending if o.p.valid == bt.Order.DAY]:
            session = ExchangeCalendar(self._instrument(order.data).exchange).session_of(when)
            if session > self._days.setdefault(order.ref, session):
                self.pending.remove(order)
                order.status = bt.Order.Expired
                order.executed.dt = order.data.datetime[0]
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)

    def _turn(self, order: bt.Order) -> int:
        """When in a bar an order fills: 0 at the open, 1 in the range, 2 at the close."""
        if order.exectype == bt.Order.Close:
            return 0 if self._is_overdue(order) else 2
        if order.exectype == bt.Order.Market:
            return 2 if self._at_close else 0
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

    def _margin_need(self, data: bt.AbstractDataBase, before: float, after: float, price: float) -> float:
        """Initial margin that a change of position takes (or, negative, sets free), account currency."""
        margin = self._settings.account.initial_margin
        return (abs(after) - abs(before)) * price * self.fx_rate(data) * margin

    def _funds_after(self, order: bt.Order, funds: float, position: bt.Position) -> float:
        """Available funds were ``order`` filled at its reference price; never negative for a reduction."""
        if order.parent is not None:
            return funds  # it closes what its parent opens
        before = position.size
        position.update(order.executed.remsize, order.created.price)
        need = self._margin_need(order.data, before, position.size, order.created.price)
        return funds - need if need > 0.0 else max(funds - need, 0.0)

    def _fill(self, account: Account, order: bt.Order, price: float, stamp: float) -> None:
        data, when = order.data, self._moment()
        sign = 1 if order.isbuy() else -1
        taker = order.exectype in _TAKERS
        symbol = symbol_of(data)
        wanted = self._slippage.fillable(abs(order.executed.remsize), data.volume[0], self._filled[symbol])
        if wanted <= 0.0:
            return
        paid = price
        if taker and self._settings.costs.enabled:
            size_in_bar = self._filled[symbol] + wanted
            paid = self._slippage.price(sign, price, size_in_bar, data.volume[0], self._instrument(data))
        position = self.positions[data]
        before, average = position.size, position.price
        _, _, opened, closed = position.pseudoupdate(sign * wanted, paid)
        need = self._margin_need(data, before, before + closed + opened, paid)
        refused = bool(opened) and need > 0.0 and need > self._funds
        if refused:
            opened = 0.0
        size = closed + opened
        if size:
            timing = self._timing(order, price)
            book = account.books[book_key(data)]
            if closed and timing is FillTime.CLOSE:
                book.see_range(when, data.high[0], data.low[0], self.fx_rate(data))
            fees = self._fees.setdefault(order.ref, OrderFees(self._month))
            charge = self._schedule(data).charge(fees, abs(size), paid, sign < 0, not taker, when)
            self._funds -= self._margin_need(data, before, before + size, paid) + charge.total * self.fx_rate(data)
            self._filled[symbol] += abs(size)
            fill = Fill(
                book=book_key(data),
                when=when,
                size=size,
                price=paid,
                unslipped_price=price,
                fees=charge.total,
                rate=self.fx_rate(data),
                timing=timing,
                reason=_reason(order),
                trade=str(order.info.get("trade", "")),
            )
            row = account.fill(fill, charge)
            comminfo = self.getcommissioninfo(data)
            pnl = comminfo.profitandloss(-closed, average, paid)
            position.update(size, paid, data.datetime.datetime())
            if not book.size and position.size:
                position.fix(0.0, 0.0)  # a rounding of partial fills is no position
            order.execute(
                stamp,
                size,
                paid,
                closed,
                comminfo.getvaluesize(-closed, average),
                charge.total * closed / size,
                opened,
                comminfo.getvaluesize(opened, paid),
                charge.total * opened / size,
                comminfo.margin,
                pnl,
                position.size,
                position.price,
            )
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
        if self._turn(order) == 2:
            return FillTime.CLOSE
        return FillTime.OPEN if self._turn(order) == 0 or price == order.data.open[0] else FillTime.INTRABAR

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


def _reason(order: bt.Order) -> str:
    """Why an order closes: what its owner wrote on it, else what its type says."""
    reason = order.info.get("reason", "")
    if reason:
        return str(reason)
    if order.exectype in (bt.Order.Stop, bt.Order.StopTrail, bt.Order.StopLimit, bt.Order.StopTrailLimit):
        return ExitReason.STOP
    return ExitReason.TARGET if order.parent is not None else ExitReason.SIGNAL
