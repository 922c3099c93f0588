"""How steps reach the datas of a graph: one step in each round of Cerebro, to all that have a bar in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from feeds.aggregate import BuiltBar
from live.aligning import Step
from live.status import Status


class Taker(Protocol):
    """A data of the graph."""

    symbol: str

    def put_status(self, status: Status, why: str) -> None: ...


class Desk:
    """``steps`` wait for the graph, those of ``warm`` before them.

    Cerebro asks all datas in each round, and those without a bar once more. So that none takes a bar of the next step
    within a round, a step is begun only by the first data that asks in a round; only that one waits, too.
    """

    def __init__(self, wait: Callable[[float], None], delivered: Callable[[Step], None]) -> None:
        self.warm: Iterator[Step] = iter(())
        self.steps: deque[Step] = deque()
        self.is_warm = True
        self.is_closed = False
        self._wait = wait
        self._delivered = delivered
        self._takers: dict[str, list[Taker]] = {}
        self._asked: set[int] = set()  # ids of the datas that have begun this round
        self._is_fresh = False  # nobody has asked for a bar in this round
        self.has_ended = False  # the graph gets nothing any more
        self._current: Step | None = None
        self._waiting: set[int] = set()  # ids of the datas that have not taken their bar of the current step

    def attach(self, taker: Taker) -> None:
        takers = self._takers.setdefault(taker.symbol, [])
        if not any(each is taker for each in takers):  # backtrader's == is an operation on lines
            takers.append(taker)

    def detach(self, taker: Taker) -> None:
        self._takers[taker.symbol] = [each for each in self._takers.get(taker.symbol, ()) if each is not taker]

    def is_taken(self, symbol: str) -> bool:
        """Whether the graph has a data of a symbol."""
        return bool(self._takers.get(symbol))

    def tell(self, symbol: str, status: Status, why: str) -> None:
        for taker in self._takers.get(symbol, ()):
            taker.put_status(status, why)

    def enter(self, taker: Taker) -> None:
        """Cerebro begins a round with this data, or comes to it in a round."""
        if not self._asked or id(taker) in self._asked:
            self._asked = set()
            self._is_fresh = True
        self._asked.add(id(taker))

    @property
    def has_more(self) -> bool:
        """Whether there is a step that nobody has to wait for."""
        return self._current is not None or bool(self.steps) or self.is_warm

    def take(self, taker: Taker, seconds: float) -> BuiltBar | None:
        """The bar of a data in the current step; None: it has none. Waits up to ``seconds`` where nothing is there."""
        if self._is_fresh:
            self._is_fresh = False
            self.has_ended = self.is_closed
            if not self.has_ended and self._current is None:
                self._begin(seconds)
        step = self._current
        if self.has_ended or step is None or id(taker) not in self._waiting:
            return None
        self._waiting.discard(id(taker))
        if not self._waiting:
            self._current = None
        return step.bars[taker.symbol]

    def _begin(self, seconds: float) -> None:
        step = next(self.warm, None) if self.is_warm else None
        if step is None:
            self.is_warm = False
            if not self.steps:
                self._wait(seconds)
            if not self.steps:
                return
            step = self.steps.popleft()
        self._waiting = {id(taker) for symbol in step.bars for taker in self._takers.get(symbol, ())}
        self._current = step if self._waiting else None
        self._delivered(step)
