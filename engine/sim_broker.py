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

from collections import deque

import backtrader as bt

from books.account import Account
from core.settings import Settings
from engine.matching import MatchingBroker


class SimBroker(MatchingBroker):
    """Broker of backtests.

    Params:
      - settings (None): ``core.settings.Settings``; None is the stock broker
    """

    def init(self) -> None:
        settings: Settings | None = self.p.settings
        if settings is not None:
            self.p.cash = settings.account.capital
        super().init()
        if settings is not None:
            self._open_account(settings)
            self._open_matching(settings)

    def start(self) -> None:
        super().start()
        if self.account is not None:
            self._start_account(self.account)

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
            when, self._fresh = self._newest()
            days = (when.date() - self._when.date()).days if self._when is not None else 0
            warming = self._is_warming(when)
        self._when = when
        self._filled.clear()
        if warming:
            return  # no interest on money that is not at work yet
        self._pay_for_days(account, when, days)
        self._funds = account.available_eur
        self._refuse_leftovers()
