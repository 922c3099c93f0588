"""One row for each order of a strategy: what was asked, what became of it, and why it was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import pandas as pd

from analyzers.wiring import Execution, Executions, info_of, rate_of, unit_of, utc_time
from core.naming import symbol_of

COLUMNS = (
    "ref", "unit", "strategy", "instrument", "role", "reason", "kind", "side", "size", "price", "limit", "created",
    "done", "status", "filled", "average_price", "commission_eur", "refusal", "detail", "value_eur",
)  # fmt: skip
NAN = float("nan")


_OVER = frozenset({bt.Order.Completed, bt.Order.Canceled, bt.Order.Expired, bt.Order.Margin, bt.Order.Rejected})


@dataclass(slots=True)
class _Told:
    """What the notifications of an order said."""

    order: Any  # as it was last told of
    price: float | None  # trigger or limit price when it was made; that of a trailing stop moves
    executions: list[tuple[Execution, float]] = field(default_factory=list)  # with the rates of their bars
    done: float | None = None  # when it reached its last status, backtrader day number
    is_new: bool = True  # there is more to it than its row says


class OrderLog(bt.Analyzer):
    """Orders of a strategy in the order of their creation.

    Params:
      - ``name`` (""): name of the strategy in the settings; empty takes the part of the unit before the colon

    Row (times UTC, prices in the instrument's currency):
      - ``ref``: the broker's number; ``unit``, ``strategy``, ``instrument``
      - ``role``, ``reason``: core.orders.Role and the entry family or exit reason, "" when not given
      - ``kind``: Market, Limit, Stop ...; ``side``: buy or sell; ``size``: units asked for, > 0
      - ``price``: trigger or limit price, ``limit``: limit price of a stop-limit; NaN when there is none
      - ``created``, ``done``: when it was made and when it reached its last status (None while it is alive)
      - ``status``: Submitted, Accepted, Partial, Completed, Canceled, Expired, Margin or Rejected
      - ``filled``: units, > 0; ``average_price``: volume-weighted, NaN without a fill
      - ``commission_eur``: all fees of the order; ``value_eur``: value of the fills, unsigned, at their rates
      - ``refusal``, ``detail``: the limit of the risk gate that refused it and its sentence, "" otherwise

    ``get_analysis()`` gives ``{ref: row}``, ``frame()`` a DataFrame with the columns in this order.
    """

    params = (("name", ""),)
    leaps = True  # it lives on notifications
    hears_last = True  # a row says where an order got to

    def create_analysis(self) -> None:
        self.rets: dict[int, dict[str, Any]] = {}  # order.ref -> row
        self._told: dict[int, _Told] = {}  # order.ref -> what its row is made of

    def start(self) -> None:
        self._unit = unit_of(self.strategy)
        self._name = self.p.name or self._unit.partition(":")[0]
        self._executions = Executions()

    def notify_order(self, order: Any) -> None:
        told = self._told.get(order.ref)
        if told is None:
            told = self._told[order.ref] = _Told(order, order.created.price)
        told.order, told.is_new = order, True
        if order.executed.size:
            execution = self._executions.of(order)
            if execution is not None:
                told.executions.append((execution, rate_of(self.strategy.broker, order.data)))
        if order.status in _OVER:
            told.done = order.executed.dt or self.strategy.lines.datetime[0]

    def get_analysis(self) -> dict[int, dict[str, Any]]:
        """Return ``{ref: row}`` in the order of creation; rows are made when somebody asks."""
        made = {ref: self._row(told) for ref, told in self._told.items() if told.is_new}
        if made:
            rows = sorted({**self.rets, **made}.items())
            self.rets.clear()
            self.rets.update(rows)
        return self.rets

    def stop(self) -> None:
        # What was sent or refused on the last bar has had no bar to be notified on.
        broker = self.strategy.broker
        for order in (*getattr(broker, "orders", ()), *getattr(broker, "notifs", ())):
            if order is not None and order.owner is self.strategy and order.ref not in self._told:
                self.notify_order(order)

    def __getstate__(self) -> dict[str, Any]:
        self.get_analysis()
        return {**self.__dict__, "_told": {}}  # not the orders themselves

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame in the order of ``ref``."""
        rows = self.get_analysis()
        frame = pd.DataFrame(list(rows.values()), columns=list(COLUMNS))
        for column in ("created", "done"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        return frame

    def _row(self, told: _Told) -> dict[str, Any]:
        order, executions = told.order, told.executions
        told.is_new = False
        is_market = order.exectype in (order.Market, order.Close)
        commission = value = 0.0
        for execution, rate in executions:
            commission += execution.commission * rate
            value += abs(execution.size) * execution.price * order.comminfo.p.mult * rate
        return {
            "ref": order.ref,
            "unit": self._unit,
            "strategy": self._name,
            "instrument": symbol_of(order.data),
            "role": str(info_of(order, "role")),
            "reason": str(info_of(order, "reason")),
            "kind": order.getordername(),
            "side": "buy" if order.isbuy() else "sell",
            "size": abs(float(order.created.size)),
            # a market order's "price" is the close at which it was made, not a condition
            "price": NAN if is_market else _price(told.price),
            "limit": _price(order.created.plimit),
            "created": utc_time(order.created.dt),
            "done": utc_time(told.done) if told.done is not None else None,
            "status": order.Status[order.status],
            "filled": abs(float(order.executed.size)) if executions else 0.0,
            "average_price": float(order.executed.price) if executions else NAN,
            "commission_eur": commission,
            "refusal": str(info_of(order, "refusal")),
            "detail": str(info_of(order, "refusal_detail")),
            "value_eur": value,
        }


def traded_eur(orders: pd.DataFrame) -> pd.Series:
    """Return the value of each order's fills in EUR by the time at which the order was done, for the turnover.

    An order that is filled in part and still alive counts at the time at which it was made.
    """
    traded = orders[orders["filled"] > 0]
    when = traded["done"].fillna(traded["created"])
    return pd.Series(traded["value_eur"].to_numpy(dtype=float), index=pd.DatetimeIndex(when))


def _price(value: Any) -> float:
    return float(value) if value is not None and value == value else NAN
