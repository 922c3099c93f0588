"""A broker that keeps an account: what the simulated broker and those whose orders are filled elsewhere share.

Cash by currency, interest, borrow fees, marks and the gate are the same in a backtest and live, so that sizes and
refusals are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import backtrader as bt

from analyzers.wiring import utc_time
from books.account import Account
from books.borrow import borrow_fee
from books.fees import FeeSchedule, get_schedule
from core.calendar import desk_calendar
from core.errors import EngineError
from core.naming import REFERENCE_UNIT, book_key, symbol_of, unit_of
from core.orders import Refusal
from core.settings import InstrumentSettings, Settings
from engine.gated_broker import GatedBroker
from risk import OrderGate

_STOCK_OPTIONS = {"coc": False, "coo": False, "filler": None, "slip_perc": 0.0, "slip_fixed": 0.0, "shortcash": True}


class AccountBroker(GatedBroker):
    """``account`` and ``gate`` are made anew at each start; without settings both are None."""

    params = (("settings", None),)
    account_type: type[Account] = Account

    def _open_account(self, settings: Settings) -> None:
        self._open_intake(settings)
        self._schedules: dict[bt.AbstractDataBase, FeeSchedule] = {}  # data -> its schedule
        self._begin: dt.datetime | None = None
        self.account = self.account_type.from_settings(settings)

    def _start_account(self, account: Account) -> None:
        """Open a book for each data that is traded, and the gate."""
        self._refuse_stock_options()
        begin: dt.datetime | None = getattr(getattr(self.cerebro, "history", None), "begin", None)
        # moments come from floats
        self._begin = begin - dt.timedelta(milliseconds=1) if begin is not None else None
        self._keys = {data: book_key(data) for data in self.cerebro.datas if unit_of(data) != REFERENCE_UNIT}
        for data in self._keys:
            account.open_book(unit_of(data), symbol_of(data), self._instrument(data).currency)
        if self._settings.risk.enabled:
            calendar = desk_calendar(self._settings)
            self.gate = OrderGate(self._settings.risk, calendar, self._settings.account.capital)

    def _refuse_stock_options(self) -> None:
        """Costs and execution come from the settings; what stock would take from elsewhere must not look obeyed."""
        given = [name for name, stock in _STOCK_OPTIONS.items() if getattr(self.p, name) != stock]
        for info in self.comminfo.values():
            if not info.stocklike or info.get_leverage() != 1.0 or info.p.mult != 1.0 or info.p.commission:
                given.append("setcommission/addcommissioninfo")
        if given:
            raise EngineError(
                f"{type(self).__name__}(settings=...) takes costs and execution from the settings, so "
                f"{', '.join(given)} would be ignored; remove it, or use SimBroker() without settings"
            )

    # ------------------------------------------------------------------ what a data is

    def _instrument(self, data: bt.AbstractDataBase) -> InstrumentSettings:
        instrument: InstrumentSettings | None = getattr(data, "instrument", None)
        if instrument is None:
            raise EngineError(
                f"data '{data._name}' has no instrument settings; let engine.build make the datas, "
                "or use SimBroker() without settings"
            )
        return instrument

    def _schedule(self, data: bt.AbstractDataBase) -> FeeSchedule:
        schedule = self._schedules.get(data)
        if schedule is None:
            instrument, costs = self._instrument(data), self._settings.costs
            name = instrument.schedule if costs.enabled else "none"
            schedule = self._schedules[data] = get_schedule(name, costs.fees, instrument.currency)
        return schedule

    def _is_fresh(self, data: bt.AbstractDataBase) -> bool:
        for fresh in self._fresh:
            if fresh is data:  # "in" would compare lines: == is overloaded
                return True
        return False

    # ------------------------------------------------------------------ money

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

    def _get_value(self, datas: Sequence[bt.AbstractDataBase] | None = None, lever: bool = False) -> float:
        account = self.account
        if account is None or self._when is None or self._is_warming(self._when):
            return float(super()._get_value(datas=datas, lever=lever))
        if datas is not None:
            return float(sum(self.positions[d].size * d.close[0] * self.fx_rate(d) for d in datas))
        account.mark(self._when, self._ranges())
        self.take_values()
        return float(self._value)

    def _ranges(self) -> dict[str, tuple[float, float, float]]:
        """High, low and close of this bar by book."""
        return {self._keys[d]: (d.high[0], d.low[0], d.close[0]) for d in self._fresh}

    def take_values(self) -> None:
        """Take cash and value from the account as it was marked."""
        account = self.account
        assert account is not None  # only then it is called
        self.cash = account.available_eur
        self._value = self._valuelever = account.equity_eur
        self._valuemkt = self._valuemktlever = account.net_exposure_eur
        self._fundval = self._value / self._fundshares

    # ------------------------------------------------------------------ the beginning of a bar

    def _newest(self) -> tuple[dt.datetime, list[bt.AbstractDataBase]]:
        """The moment of the newest bar and the traded datas that have one then."""
        started = [d for d in self.cerebro.datas if len(d)]
        stamp = max(d.datetime[0] for d in started)
        return utc_time(stamp), [d for d in started if d.datetime[0] == stamp and d in self._keys]

    def _is_warming(self, when: dt.datetime) -> bool:
        """Whether a bar is one of those before ``data.start`` that only settle indicators."""
        return self._begin is not None and when < self._begin

    def _pay_for_days(self, account: Account, when: dt.datetime, days: int) -> None:
        """Pay in the capital, and post interest and borrow fees for the days since the last call."""
        account.fund(when)
        if days > 0:
            if self._settings.costs.enabled:
                account.accrue(when)
                self._charge_borrow(account, when, days)
        elif not account.books:
            raise EngineError("no data to trade: engine.build adds one for each unit and instrument")

    def _charge_borrow(self, account: Account, when: dt.datetime, days: int) -> None:
        for data, position in self.positions.items():
            if position.size < 0:
                instrument = self._instrument(data)
                close = self._evening_close(data)
                fee = borrow_fee(-position.size, close, instrument.borrow_rate, days, instrument.currency)
                account.charge_borrow(self._keys[data], fee, when)

    def _evening_close(self, data: bt.AbstractDataBase) -> float:
        """The close by which the night that is over is paid."""
        return float(data.close[-1] if self._is_fresh(data) and len(data) > 1 else data.close[0])

    def _refuse_leftovers(self) -> None:
        """Reject the legs of batches whose other leg did not come in the bar of the first."""
        if self._room.is_waiting:
            detail = "the other leg of the batch was not ordered in this bar"
            self._reject(self._room.leftovers(), Refusal.INVALID, detail)
