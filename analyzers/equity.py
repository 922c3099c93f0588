"""Equity of the account and the result of one strategy on each bar."""

from __future__ import annotations

from array import array
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from analyzers.wiring import account_of, position_values, unit_of, utc_index

_AT_ONCE = 1_000  # rows that are put into the columns together
COLUMNS = ("equity_eur", "cash_eur", "gross_exposure_eur", "net_exposure_eur", "result_eur")


class Equity(bt.Analyzer):
    """Account equity on each bar, the bars before the minimum period included.

    Recorded per bar, all in EUR:
      - ``equity_eur``: liquidation value of the account
      - ``cash_eur``: cash of the account, all currencies at the current rate
      - ``gross_exposure_eur``, ``net_exposure_eur``: value of open positions, unsigned and signed
      - ``result_eur``: net result of this strategy's unit since the start, open positions at the last mark

    With a stock broker: equity and cash are the broker's, the exposure is that of this strategy's datas and the
    result is the change of the account's value (of all strategies, if there are several on it).

    ``get_analysis()`` gives a dict of arrays with the key ``datetime`` (backtrader day numbers) beside the above;
    ``frame()`` a DataFrame indexed by UTC datetime.
    """

    def create_analysis(self) -> None:
        self.rets: dict[str, array[float]] = {name: array("d") for name in ("datetime", *COLUMNS)}
        self._rows: list[tuple[float, ...]] = []  # that are not in the columns yet
        self._recorded = 0  # rows but for those of stretches that have none yet
        self._leapt: list[tuple[int, int, int]] = []  # rows before it, first step, end: stretches without rows yet

    def start(self) -> None:
        self._broker: Any = self.strategy.broker
        self._unit = unit_of(self.strategy)
        self._account: Any = account_of(self._broker)
        self._clock = self.strategy.lines.datetime
        self._capital = self._value = float(self._broker.getvalue())
        self._cash = float(self._broker.getcash())
        self._stretches = 0  # of the account, that have rows
        self._last = float("nan")

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self._cash, self._value = cash, value  # already computed for the strategy: a stock broker sums positions

    def next(self) -> None:
        now = self._clock[0]
        if now == self._last:
            return  # another strategy's data moved, ours did not: this bar is recorded
        self._last = now
        account = self._account
        if account is not None:
            row = (
                now, account.equity_eur, account.cash_eur, account.gross_exposure_eur, account.net_exposure_eur,
                account.result_eur(self._unit),
            )  # fmt: skip
        else:
            row = (
                now, self._value, self._cash, *position_values(self._broker, self.datas), self._value - self._capital
            )  # fmt: skip
        self._rows.append(row)
        self._recorded += 1
        if len(self._rows) == _AT_ONCE:
            self._put_rows()

    # -- bars that are leapt over: the account knows what it was worth on them --------------------------------

    @property
    def leaps(self) -> bool:
        return self._account is not None

    def leapt(self, first: int, end: int) -> None:
        """Record the steps ``[first, end)``; their rows are made when somebody asks."""
        self._leapt.append((self._recorded, first, end))
        self._last = float(self._account.leaps.steps.numbers[end - 1])

    def __getstate__(self) -> dict[str, Any]:
        self._make_rows()
        return self.__dict__

    def _put_rows(self) -> None:
        if self._rows:
            columns, self._rows = zip(*self._rows, strict=True), []
            for column, values in zip(self.rets.values(), columns, strict=True):
                column.extend(values)

    def _make_rows(self) -> None:
        self._put_rows()
        if not self._leapt:
            return
        leaps = self._account.leaps
        rows = leaps.rows(self._unit, self._stretches)
        self._stretches = len(leaps.stretches)
        before, firsts, ends = np.array(self._leapt).T
        self._leapt = []
        # the account may have leapt a step on which a strategy was called: ``next`` has its row
        chosen = rows.steps < ends[np.searchsorted(firsts, rows.steps, side="right") - 1]
        at = np.repeat(before, ends - firsts) + np.arange(int(chosen.sum()))
        recorded = np.ones(len(self.rets["datetime"]) + len(at), dtype=bool)
        recorded[at] = False
        for name, column in self.rets.items():
            merged = np.empty(len(recorded))
            merged[recorded] = column
            merged[at] = (leaps.steps.numbers[rows.steps] if name == "datetime" else getattr(rows, name))[chosen]
            column[:] = array("d", merged.tobytes())
        self._recorded = len(recorded)

    def get_analysis(self) -> dict[str, array[float]]:
        self._make_rows()
        return self.rets

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame, float64, indexed by UTC datetime, one row for each bar of the strategy."""
        self._make_rows()
        index = utc_index(self.rets["datetime"])
        return pd.DataFrame({name: pd.Series(self.rets[name], dtype=float).to_numpy() for name in COLUMNS}, index=index)
