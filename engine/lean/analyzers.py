"""Stock analyzers that are fed at the end of a run instead of on every bar.

``DrawDown`` and ``TimeReturn`` (in days or longer; within ``SharpeRatio`` too) are functions of the value of the
account on each bar, ``TradeAnalyzer`` of the trades. Their hooks are silent during the run; at its end they get the
state that stock's hooks would have left, from the equity curve (``curve``) and from the trades kept.

Why it is exact: running maxima, differences and quotients are the same operations on the same floats, and the state
includes what later hooks would read. Whoever reads an analyzer in mid-run (any of its attributes that the hooks write)
finds the state of that moment, after which its hooks are called on every bar, as in stock. One whose result is already
held by somebody when the run starts is not deferred.
"""

from __future__ import annotations

import datetime as dt
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import backtrader as bt
import numpy as np
from backtrader import TimeFrame, num2date
from backtrader.analyzers import DrawDown, TimeReturn, TradeAnalyzer
from backtrader.utils.py3 import MAXINT

from engine.lean.cursor import lean_class, set_class
from engine.lean.curve import Curve
from engine.lean.endings import do_all
from engine.lean.timeline import Floats
from engine.lean.trades import replay_trades

_STATE: dict[type, tuple[str, ...]] = {
    DrawDown: ("rets", "_value", "_maxvalue"),
    TimeReturn: ("rets", "_value", "_value_start", "_lastvalue", "dtcmp", "dtkey", "dtcmp1", "dtkey1"),
    TradeAnalyzer: ("rets",),
}
_FOREVER = dt.datetime.max  # noqa: DTZ901 - naive, as the key that TimeReturn gives
_PERIODS = (TimeFrame.Days, TimeFrame.Weeks, TimeFrame.Months, TimeFrame.Years, TimeFrame.NoTimeFrame)
_REFERENCES = 3  # to a result that only its analyzer holds: the analyzer, a name below, the question itself
_NEARLY_MIDNIGHT = 1.0 - 1e-9  # num2date rounds the last microseconds of a day up


class Silent:
    """Hooks of a deferred analyzer."""

    def __getattr__(self: Any, name: str) -> Any:
        deferral = self.__dict__.get("_deferral")
        if deferral is not None and name in _STATE[self.__class__]:
            deferral.flush()
            return getattr(self, name)
        raise AttributeError(f"'{self.__class__.__name__}' object has no attribute '{name}'")

    def _next(self) -> None:
        pass

    _prenext = _nextstart = _next

    def _notify_order(self, order: Any) -> None:
        pass

    def _notify_cashvalue(self, cash: float, value: float) -> None:
        pass

    def _notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        pass

    def _notify_trade(self: Any, trade: Any) -> None:
        self._deferral.trades[id(self)].append(trade)


class Deferral:
    """The deferred analyzers of one strategy."""

    def __init__(self, seat: Any, curve: Curve, stamps: Floats, is_acting: Callable[[Any], bool]) -> None:
        """``is_acting``: whether it is the seat's turn."""
        self._seat = seat
        self._is_acting = is_acting
        self._curve = curve
        self._stamps = stamps
        self._held: list[tuple[Any, dict[str, Any]]] = []  # analyzer, its state before the first bar
        self.trades: dict[int, list[Any]] = {}  # id of an analyzer -> trades it would have been told of
        strategy = seat.strategy
        for analyzer in _all(strategy.analyzers):
            if _can_defer(analyzer, strategy):
                state = {name: vars(analyzer).pop(name) for name in _STATE[type(analyzer)] if name in vars(analyzer)}
                self._held.append((analyzer, state))
                self.trades[id(analyzer)] = []
                analyzer._deferral = self
                set_class(analyzer, lean_class(type(analyzer), Silent))

    def flush(self, is_over: bool = False) -> None:
        """Give every analyzer the state that it would have now; from here on their hooks are stock's.

        During the strategy's turn the analyzers have not had theirs on this bar. ``is_over``: it is nobody's turn.
        """
        held, self._held = self._held, []
        if not held:
            return
        seat = self._seat
        in_turn = not is_over and self._is_acting(seat)
        done = seat.cursor.idx + (not in_turn)  # bars that are over for all analyzers
        for analyzer, state in held:
            set_class(analyzer, analyzer.__class__)
            del analyzer.__dict__["_deferral"]
            vars(analyzer).update(state)
        seat.listen()
        values = self._curve.upto(done + in_turn)

        def feed(analyzer: Any) -> None:
            was_before = seat.acting is not None and seat.comes_before(analyzer, seat.acting)
            told = done + (in_turn and (was_before or not seat.is_notifying))
            nexts = done + (was_before and not seat.is_notifying)
            if seat.acting is not None and not was_before:
                seat.late.append(analyzer)
            cls = type(analyzer)
            if cls is TradeAnalyzer:
                replay_trades(analyzer, self.trades[id(analyzer)])
            else:
                seen = values / self._curve.fund_shares if analyzer._fundmode else values
                _REPLAY[cls](analyzer, seen[:told], self._stamps, nexts)

        do_all(functools.partial(feed, analyzer) for analyzer, _ in held)


def _all(analyzers: Any) -> Iterator[Any]:
    for analyzer in analyzers:
        yield analyzer
        yield from _all(analyzer._children)


def _can_defer(analyzer: Any, strategy: bt.Strategy) -> bool:
    cls = type(analyzer)
    if cls not in _STATE or analyzer._children or any(callable(value) for value in _methods(analyzer)):
        return False
    rets = vars(analyzer).get("rets")
    if rets is None or sys.getrefcount(rets) > _REFERENCES:
        return False
    if cls is TimeReturn:
        plain = analyzer.p.data is None and analyzer.p._doprenext and strategy.lines.datetime._tz is None
        return bool(plain and analyzer.timeframe in _PERIODS)
    return True


def _methods(analyzer: Any) -> list[Any]:
    names = ("next", "_next", "notify_fund", "notify_trade", "on_dt_over", "prenext", "nextstart")
    return [vars(analyzer)[name] for name in names if name in vars(analyzer)]


def replay_drawdown(analyzer: Any, values: Floats, stamps: Floats, nexts: int) -> None:
    """``values``: those it was notified of; ``nexts``: how many bars it had."""
    if not len(values):
        return
    peaks = np.maximum.accumulate(values)
    analyzer._value, analyzer._maxvalue = float(values[-1]), float(peaks[-1])
    if not nexts:
        return
    if (peaks[:nexts] == 0.0).any():
        raise ZeroDivisionError("float division by zero")  # as DrawDown.next
    money = peaks[:nexts] - values[:nexts]
    downs = 100.0 * money / peaks[:nexts]
    bars = np.arange(nexts)
    lengths = bars - np.maximum.accumulate(np.where(downs == 0.0, bars, -1))
    rets = analyzer.rets
    rets.moneydown, rets.drawdown = float(money[-1]), float(downs[-1])
    rets.max.moneydown = max(rets.max.moneydown, float(money.max()))
    rets.max.drawdown = max(rets.max.drawdown, float(downs.max()))
    rets.len = int(lengths[-1])
    rets.max.len = max(rets.max.len, int(lengths.max()))


def replay_returns(analyzer: Any, values: Floats, stamps: Floats, nexts: int) -> None:
    """As ``replay_drawdown``, for TimeReturn."""
    if len(values):
        analyzer._value = float(values[-1])
    if not nexts:
        return
    periods, key = _periods(analyzer.timeframe, stamps[:nexts])
    firsts = np.flatnonzero(np.diff(periods)) + 1
    lasts = [*(firsts - 1).tolist(), nexts - 1]
    closes = values[lasts].tolist()
    opens = [analyzer._lastvalue, *closes[:-1]]
    rets = analyzer.rets
    for place, begin, end in zip(lasts, opens, closes, strict=True):
        rets[key(int(periods[place]))] = end / begin - 1.0
    analyzer._value_start, analyzer._lastvalue = opens[-1], closes[-1]
    for place in lasts[-2:]:
        analyzer.dtkey1, analyzer.dtcmp1 = analyzer.dtkey, analyzer.dtcmp
        if analyzer.timeframe == TimeFrame.NoTimeFrame:
            analyzer.dtcmp, analyzer.dtkey = MAXINT, _FOREVER
        else:
            analyzer.dtcmp, analyzer.dtkey = analyzer._get_dt_cmpkey(num2date(stamps[place]))


_REPLAY: dict[type, Callable[[Any, Floats, Floats, int], None]] = {
    DrawDown: replay_drawdown,
    TimeReturn: replay_returns,
}
Numbers = np.ndarray[Any, np.dtype[np.int64]]
_EPOCH = dt.date(1970, 1, 1).toordinal()


def _periods(timeframe: int, stamps: Floats) -> tuple[Numbers, Callable[[int], dt.date]]:
    """A number for the period of each bar, and the key of a period that TimeReturn gives it."""
    if timeframe == TimeFrame.NoTimeFrame:
        return np.zeros(len(stamps), dtype=np.int64), lambda number: _FOREVER
    moments = stamps
    days = np.floor(moments).astype(np.int64)
    for place in np.flatnonzero(moments - days > _NEARLY_MIDNIGHT).tolist():
        days[place] = num2date(stamps[place]).toordinal()
    if timeframe == TimeFrame.Days:
        return days, dt.datetime.fromordinal
    if timeframe == TimeFrame.Weeks:
        return (days - 1) // 7, lambda week: dt.datetime.fromordinal(week * 7 + 7)
    if timeframe == TimeFrame.Months:
        months = (days - _EPOCH).astype("M8[D]").astype("M8[M]").astype(np.int64)
        return months, _month_end
    years = (days - _EPOCH).astype("M8[D]").astype("M8[Y]").astype(np.int64)
    return years, lambda year: dt.date(1970 + year, 12, 31)


def _month_end(month: int) -> dt.datetime:
    year, zero_based = divmod(month + 1, 12)
    after = dt.date(1970 + year, zero_based + 1, 1).toordinal()
    return dt.datetime.fromordinal(after - 1)
