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
from collections import deque
from collections.abc import Sequence

import backtrader as bt

from analyzers.wiring import utc_time
from books.account import Account
from books.borrow import borrow_fee
from core.calendar import desk_calendar
from core.errors import EngineError
from core.naming import REFERENCE_UNIT, book_key, symbol_of, unit_of
from core.orders import Refusal
from core.settings import Settings
from engine.matching import MatchingBroker
from risk import OrderGate

_STOCK_OPTIONS = {"coc": False, "coo": False, "filler": None, "slip_perc": 0.0, "slip_fixed": 0.0, "shortcash": True}


class SimBroker(MatchingBroker):
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
        self._open_matching(settings)
        self.account = Account.from_settings(settings)

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
        self._expire_day_orders()
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
        if self._room.is_waiting:
            detail = "the other leg of the batch was not ordered in this bar"
            self._reject(self._room.leftovers(), Refusal.INVALID, detail)

    def _is_warming(self, when: dt.datetime) -> bool:
        """Whether a bar is one of those before ``data.start`` that only settle indicators."""
        return self._begin is not None and when < self._begin

    def _charge_borrow(self, account: Account, when: dt.datetime, days: int) -> None:
        for data, position in self.positions.items():
            if position.size < 0:
                instrument = self._instrument(data)
                previous_close = data.close[-1] if self._is_fresh(data) else data.close[0]
                fee = borrow_fee(-position.size, previous_close, instrument.borrow_rate, days, instrument.currency)
                account.charge_borrow(self._keys[data], fee, when)
