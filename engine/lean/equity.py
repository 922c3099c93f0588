"""Value of the account, worked out when somebody reads it.

Stock works out value, leverage and the rest at the end of the broker's pass on every bar. They depend on cash, on the
positions and on the closes of that bar, and nothing changes these between the pass and the next one, except writes that
``LeanBroker`` sees (it works the value out before them). So reading later gives the same floats, by the same operations
in the same order: positions in the order of their dictionary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backtrader as bt
import numpy as np
from backtrader import num2date
from backtrader.comminfo import CommInfoBase, CommissionInfo
from backtrader.position import Position

from engine.lean.timeline import peek

_PLAIN = (CommInfoBase, CommissionInfo)


def is_plain(scheme: Any) -> bool:
    """Whether a commission scheme is backtrader's own, stock-like and without interest.

    Then positions change neither cash nor themselves while nothing is filled, and its formulas can be written out.
    """
    methods = (name for name, value in vars(scheme).items() if callable(value))
    is_stock = scheme.__class__ in _PLAIN  # its type is another while a run watches it
    return is_stock and bool(scheme._stocklike) and not scheme._creditrate and not any(methods)


Holding = tuple[Any, float, float, float]  # data, size, average price, price now


def work_out(broker: Any) -> None:
    """``BackBroker._get_value()`` but for pending deposits, which only a pass takes in."""
    holdings = [(data, each.size, each.price, data.close[0]) for data, each in broker.positions.items()]
    work_out_from(broker, broker.__dict__["cash"], holdings)


def work_out_from(broker: Any, cash: float, holdings: list[Holding]) -> None:
    """The same from given cash and holdings."""
    schemes, shortcash = broker.comminfo, broker.p.shortcash
    value = unlevered = unrealized = 0.0
    for data, size, average, price in holdings:
        scheme = schemes[data._name] if data._name in schemes else schemes[None]
        worth = size * price if shortcash else abs(scheme.getvalue(Position(size, average), price))
        gain = size * (price - average) * scheme.p.mult
        value += worth
        unrealized += gain
        if worth > 0:
            worth -= gain
            unlevered += worth / scheme.p.leverage
            unlevered += gain
        else:
            unlevered += worth
    state = broker.__dict__
    state["_value"] = total = cash + unlevered
    state["_fundval"] = total / state["_fundshares"]
    state["_valuemkt"] = unlevered
    state["_valuelever"] = cash + value
    state["_valuemktlever"] = value
    state["_leverage"] = value / (unlevered or 1.0)
    state["_unrealized"] = unrealized


state_of: Callable[[Position], dict[str, Any]] = Position.__dict__["__dict__"].__get__  # the real ``__dict__``


class LeanPosition(Position):
    """A position: stock writes the time and the close of each bar into an open one, here they are looked up."""

    _data: Any
    _stamp: float  # time of the last fill

    def __getattr__(self, name: str) -> Any:
        line = self._data.lines.datetime
        if name == "datetime":
            return line.datetime() if self.size else num2date(self._stamp, tz=line._tz)
        if name == "adjbase":
            return self._data.close[0]
        raise AttributeError(f"'Position' object has no attribute '{name}'")

    def _as_stock(self) -> dict[str, Any]:
        state = {name: value for name, value in state_of(self).items() if name not in ("_data", "_stamp")}
        return state | {"datetime": self.datetime, "adjbase": self.adjbase}

    __dict__ = property(_as_stock)
    __class__ = property(lambda self: Position)

    def __reduce_ex__(self, protocol: Any) -> Any:
        plain = Position()
        plain.__dict__.update(self._as_stock())
        return plain.__reduce_ex__(protocol)


def stays_finite(data: bt.AbstractDataBase) -> bool:
    """Whether all closes are numbers: then a position of size 0 is worth exactly 0."""
    return bool(np.isfinite(peek(data.lines.close)).all())
