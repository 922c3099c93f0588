"""One strategy in a lean run: what stock's ``_oncepost`` does for it on a bar, less what changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backtrader as bt
from backtrader.lineiterator import LineIterator

from engine.lean import hooks
from engine.lean.analyzers import Deferral
from engine.lean.cursor import Cursor
from engine.lean.gallery import Gallery
from engine.lean.ties import Ties, can_tie, lines_of

NAN = float("nan")
CASH_OR_FUND = ("notify_cashvalue", "notify_fund")


class Seat:
    """A strategy, the cursors of its lines and indicators, and who listens on each bar."""

    def __init__(self, strategy: bt.Strategy, ties: Ties, cursors: dict[int, Cursor], own_cursors: bool) -> None:
        """``cursors``: id of a data -> its cursor. ``own_cursors``: indicators may lag behind their data in a bar."""
        self.strategy = strategy
        self.ties = ties
        self.cursor = Cursor(ties)
        self.follows: list[tuple[Cursor, Cursor]] = []  # cursor of indicators, cursor of their data
        self.stragglers: list[Any] = []  # indicators that follow no data: stock advances them
        self._on_cursors: list[tuple[Any, Cursor]] = []  # indicators that stand on the cursor of their data
        self._tie_indicators(ties, cursors, own_cursors)
        ties.tie(strategy, self.cursor, methods=None)
        lines = lines_of(strategy)
        self.stamp = strategy.lines.datetime
        self.is_stamp_plain = lines[0] is self.stamp and not self.stamp.bindings
        self.other_lines = [line for line in lines if line is not self.stamp]
        self.observers = strategy._lineiterators[LineIterator.ObsType]
        self.gallery = Gallery(strategy, ties)
        self.deferral: Deferral | None = None
        self._status = 1  # of the last turn; below 0 ``next`` has begun and does not end
        self.is_notifying = False  # whether the strategy is being told of orders, trades and cash
        self.acting: bt.Analyzer | None = None  # whose turn it is
        self.slept = False  # whether its last turn was not on the step before (``engine.leap``)
        self.watching: list[Any] = []  # who looks on beside the analyzers (``engine.leap.witness``)
        self.late: list[bt.Analyzer] = []  # analyzers that listen again since another one, before them, looked at them
        self.listen()

    def comes_before(self, first: bt.Analyzer, second: bt.Analyzer) -> bool:
        """Whether an analyzer, or the one that it is a part of, has its turn before another."""
        places = {id(part): place for place, each in enumerate(self.strategy.analyzers) for part in family(each)}
        return places.get(id(first), -1) < places.get(id(second), -1)

    def listen(self) -> None:
        """Find out anew who listens on each bar."""
        strategy = self.strategy
        audience = [*strategy.analyzers, *strategy._slave_analyzers]
        self.on_next = [*hooks.listeners(strategy.analyzers, hooks.NEXT), *self.watching]
        self.on_order = [*hooks.listeners(audience, hooks.ORDER), *self.watching]
        self.on_trade = [*hooks.listeners(audience, hooks.TRADE), *self.watching]
        self._nexts = [(each, hooks.direct(each, "next")) for each in self.on_next]
        self._hear_order = [hooks.direct(each, "notify_order") for each in self.on_order]
        self._hear_trade = [hooks.direct(each, "notify_trade") for each in self.on_trade]
        self.on_account = hooks.listeners(audience, hooks.ACCOUNT)
        self.own_notify = hooks.overrides(strategy, bt.Strategy, ("_notify",))
        self.own_account = hooks.overrides(strategy, bt.Strategy, CASH_OR_FUND)
        self.notify_each_bar = bool(self.own_notify or self.own_account or self.on_account)

    def _tie_indicators(self, ties: Ties, cursors: dict[int, Cursor], own_cursors: bool) -> None:
        own: dict[int, Cursor] = {}  # id of a data's cursor -> that of the indicators on it
        for indicator in self.strategy._lineiterators[LineIterator.IndType]:
            clock = _cursor_of(indicator._clock, cursors)
            if clock is None or not can_tie(indicator) or "_halflife_cursor" in vars(indicator):
                self.stragglers.append(indicator)
                ties.watch(indicator)
                continue
            if id(clock) in {id(cursor) for cursor, _ in self.follows}:
                cursor = clock  # the clock is an indicator of ours
            elif own_cursors:
                if id(clock) not in own:
                    own[id(clock)] = Cursor(ties)
                    self.follows.append((own[id(clock)], clock))
                cursor = own[id(clock)]
            else:
                cursor = clock
                self._on_cursors.append((indicator, clock))
            ties.tie(indicator, cursor)

    def lag(self, before: Callable[[Cursor], int]) -> None:
        """Indicators stand a step behind their datas, as in stock until the turn; ``before``: where a cursor stood."""
        for indicator, clock in self._on_cursors:
            behind = Cursor(self.ties)
            behind.idx = before(clock)
            for line in lines_of(indicator):
                if vars(line).get("_halflife_cursor") is clock:
                    vars(line)["_halflife_cursor"] = behind
            if vars(indicator).get("_halflife_cursor") is clock:
                vars(indicator)["_halflife_cursor"] = behind

    def step(self, stamp: float) -> None:
        """What ``_oncepost`` does on a bar, where indicators may have lagged behind their datas until now."""
        for cursor, clock in self.follows:
            cursor.idx = clock.idx
        self.turn(stamp)

    def look_on(self, stamp: float) -> None:
        """The turn of a strategy that sleeps (``engine.leap``) on a step on which others act: its analyzers have it."""
        for cursor, clock in self.follows:
            cursor.idx = clock.idx
        self.forward(stamp)
        self.slept = True
        self._let_analyze(self.on_next, self._status if self._status < 0 else self.strategy._getminperstatus())

    def turn(self, stamp: float) -> None:
        """``_oncepost`` without the calls that reach nobody; the indicators stand on the bar already."""
        strategy = self.strategy
        for indicator in self.stragglers:
            if len(indicator._clock) > len(indicator):
                indicator.advance()
        if not self.ties.tied:
            strategy.forward()
            strategy.lines.datetime[0] = stamp
        elif self.is_stamp_plain and not self.other_lines:
            self.stamp.array.append(stamp)
            self.cursor.idx += 1
        else:
            self.forward(stamp)
        if strategy._orderspending or strategy._tradespending or self.notify_each_bar:
            self.is_notifying = True
            self._tell()
            self.is_notifying = False
        status = self._status
        if status >= 0:
            self._status = status = strategy._getminperstatus()
        if self.slept:
            self.slept = False
            strategy.leapt()
        if status < 0:
            strategy.next()
        elif status == 0:
            strategy.nextstart()
        else:
            strategy.prenext()
        if self.on_next:
            self._let_analyze(self.on_next, status)
        if self.observers:
            self.gallery.observe(status)
        if strategy._orderspending or strategy._tradespending:
            strategy.clear()

    def _tell(self) -> None:
        """``Strategy._notify``."""
        strategy = self.strategy
        if self.own_notify:
            strategy._notify()
            return
        if not strategy.cerebro.p.quicknotify:
            for order in strategy._orderspending:
                if order.exectype != bt.Order.Historical or order.histnotify:
                    strategy.notify_order(order)
                for hear in self._hear_order:
                    hear(order)
            for trade in strategy._tradespending:
                strategy.notify_trade(trade)
                for hear in self._hear_trade:
                    hear(trade)
        if not self.notify_each_bar:
            return
        broker = strategy.broker
        account = broker.getcash(), broker.getvalue(), broker.fundvalue, broker.fundshares
        strategy.notify_cashvalue(*account[:2])
        strategy.notify_fund(*account)
        self._tell_of(account, self.on_account)

    def _tell_of(self, account: tuple[float, ...], analyzers: list[bt.Analyzer]) -> None:
        for analyzer in analyzers:
            self.acting = analyzer
            analyzer._notify_cashvalue(*account[:2])
            analyzer._notify_fund(*account)
        self.acting = None
        if self.late:
            late, self.late = self.late, []
            self._tell_of(account, late)

    def _let_analyze(self, analyzers: list[bt.Analyzer], status: int) -> None:
        is_plain = status < 0 and analyzers is self.on_next
        for analyzer, call in self._nexts if is_plain else ():
            self.acting = analyzer
            call()
        for analyzer in () if is_plain else analyzers:
            self.acting = analyzer
            if status < 0:
                analyzer._next()
            elif status == 0:
                analyzer._nextstart()
            else:
                analyzer._prenext()
        self.acting = None
        if self.late:
            late, self.late = self.late, []
            self._let_analyze(late, status)

    def forward(self, stamp: float) -> None:
        """``Strategy.forward`` and the time of the bar."""
        for line in self.other_lines:
            line.array.append(NAN)
        if self.is_stamp_plain:
            self.stamp.array.append(stamp)
            self.cursor.idx += 1
        else:
            self.stamp.array.append(NAN)
            self.cursor.idx += 1
            self.stamp[0] = stamp


def _cursor_of(clock: Any, cursors: dict[int, Cursor]) -> Cursor | None:
    """The cursor of a data, of a tied indicator or line, or of the line that a stub wraps."""
    if id(clock) in cursors:
        return cursors[id(clock)]
    found = vars(clock).get("_halflife_cursor")
    if found is None and isinstance(clock, bt.lineseries.LineSeriesStub):
        found = vars(clock.lines.lines[0]).get("_halflife_cursor")
    return found if isinstance(found, Cursor) else None


def family(analyzer: bt.Analyzer) -> list[bt.Analyzer]:
    """An analyzer and all that it is made of."""
    return [analyzer, *(part for child in analyzer._children for part in family(child))]
