"""``TradeAnalyzer`` from the trades of a run.

Why it is exact: sums are added up trade by trade in stock's order, extremes follow stock's comparisons, and each
average is the quotient of the sum and the count at the end, which is what stock's last update wrote. A won trade adds
nothing but 0 to the lost ones, and so on; only the streak of the other kind ends. The first closed trade is stock's own
doing, so that every entry stands where stock puts it.
"""

from __future__ import annotations

import math
from typing import Any

from backtrader.utils.py3 import MAXINT

_KINDS = ("won", "lost")
_SIDES = ("long", "short")


def replay_trades(analyzer: Any, trades: list[Any]) -> None:
    """Tell an analyzer of trades, in their order."""
    done = 0
    for trade in trades:
        analyzer.notify_trade(trade)
        done += 1
        if trade.isclosed and not trade.justopened:
            break
    rest = trades[done:]
    if not rest:
        return
    if not all(math.isfinite(trade.pnl) and math.isfinite(trade.pnlcomm) for trade in rest):
        for trade in rest:
            analyzer.notify_trade(trade)
        return
    tally = _Tally(analyzer.rets)
    for trade in rest:
        if trade.justopened:
            tally.opened += 1
        elif trade.status == trade.Closed:
            tally.add(trade)
    tally.write()


class _Group:
    """Trades of one kind or side, or both: entries under which stock keeps them."""

    def __init__(self, count: Any, pnl: Any, length: Any, best: Any) -> None:
        self.count, self.pnl, self.length = count, pnl.total, length.total
        self.best, self.longest = pnl.get("max", 0.0) or 0.0, length.max or 0
        self.shortest = length.get("min", 0) or MAXINT
        self._pnl, self._length, self._better = pnl, length, best
        self.changed = False

    def add(self, pnl: float, bars: int) -> None:
        self.changed = True
        self.count += 1
        self.pnl += pnl
        self.length += bars
        if self._better is not None:
            self.best = self._better(self.best, pnl)
        self.longest = max(self.longest, bars)
        if bars:
            self.shortest = min(self.shortest, bars)

    def write(self) -> None:
        pnl, length, count = self._pnl, self._length, self.count or 1.0
        pnl.total, length.total, length.max = self.pnl, self.length, self.longest
        pnl.average, length.average = self.pnl / count, self.length / count
        if self._better is not None:
            pnl.max = self.best
        if "min" in length or self.shortest != MAXINT:
            length.min = self.shortest


class _Tally:
    def __init__(self, rets: Any) -> None:
        self._rets = rets
        self.opened = 0
        self._gross, self._net = rets.pnl.gross.total, rets.pnl.net.total
        self._closed = 0
        self._bars, self._most, self._least = rets.len.total, rets.len.max or 0, rets.len.min
        self._streak = {kind: rets.streak[kind].current for kind in _KINDS}
        self._record = {kind: rets.streak[kind].longest for kind in _KINDS}
        self._kinds = {kind: _Group(rets[kind].total, rets[kind].pnl, rets.len[kind], _better(kind)) for kind in _KINDS}
        self._sides = {side: _Group(rets[side].total, rets[side].pnl, rets.len[side], None) for side in _SIDES}
        self._both = {
            (side, kind): _Group(rets[side][kind], rets[side].pnl[kind], rets.len[side][kind], _better(kind))
            for side in _SIDES
            for kind in _KINDS
        }

    def add(self, trade: Any) -> None:
        kind, other = _KINDS if trade.pnlcomm >= 0.0 else _KINDS[::-1]
        side = "long" if trade.long else "short"
        pnl, bars = trade.pnlcomm, trade.barlen
        self._closed += 1
        self._gross += trade.pnl
        self._net += pnl
        self._streak[other] = 0
        self._streak[kind] += 1
        self._record[kind] = max(self._record[kind], self._streak[kind])
        self._bars += bars
        self._most = max(self._most, bars)
        self._least = min(self._least or MAXINT, bars)
        self._kinds[kind].add(pnl, bars)
        self._sides[side].add(pnl, bars)
        self._both[side, kind].add(pnl, bars)

    def write(self) -> None:
        rets = self._rets
        rets.total.total += self.opened
        rets.total.open += self.opened - self._closed
        rets.total.closed += self._closed
        if not self._closed:
            return
        for kind in _KINDS:
            rets.streak[kind].current, rets.streak[kind].longest = self._streak[kind], self._record[kind]
            rets[kind].total = self._kinds[kind].count
            for side in _SIDES:
                rets[side].total = self._sides[side].count
                rets[side][kind] = self._both[side, kind].count
        closed = rets.total.closed
        rets.pnl.gross.total, rets.pnl.gross.average = self._gross, self._gross / closed
        rets.pnl.net.total, rets.pnl.net.average = self._net, self._net / closed
        rets.len.total, rets.len.average = self._bars, self._bars / closed
        rets.len.max, rets.len.min = self._most, self._least
        for group in (*self._kinds.values(), *self._sides.values(), *self._both.values()):
            if group.changed:
                group.write()


def _better(kind: str) -> Any:
    return max if kind == "won" else min
