"""History of Interactive Brokers for what the stream has not told: asked beside the thread that trades."""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NoReturn, Protocol

from core.logs import log_event
from live.grid import Grid
from live.pump import EventPump
from stores.errors import NotSentError, RequestError, StoreError, UnansweredError
from stores.records import HistoryBar, Instrument

logger = logging.getLogger(__name__)
SIZES = {"1m": "1 min", "1h": "1 hour", "1d": "1 day"}  # data.bar -> IBKR's barSizeSetting
AT_ONCE = 8  # requests
Answer = Callable[[list[HistoryBar] | None, str], None]  # rows, or None and why there is no answer
_DAY = 86_400


class Asked(Protocol):
    """What is needed of ``stores.IBStore``."""

    def history(
        self, instrument: Instrument, *, duration: str, bar: str, end: dt.datetime | None = None, what: str = "TRADES",
        rth: bool = True,
    ) -> list[HistoryBar]: ...  # fmt: skip

    def farms(self) -> dict[tuple[str, str], bool]: ...


class Backfill:
    """Asks for bars of regular hours. Answers come in the pump's thread; in lockstep at once, while time stands."""

    def __init__(self, store: Asked, pump: EventPump) -> None:
        self._store = store
        self._pump = pump
        self._pool: ThreadPoolExecutor | None = None  # of requests for history
        self._errands: ThreadPoolExecutor | None = None  # of everything else, which must not keep history waiting

    def ask(self, instrument: Instrument, grid: Grid, after: dt.datetime, until: dt.datetime, answer: Answer) -> None:
        """Ask for the bars with stamps after ``after`` and up to ``until``, and call ``answer`` once."""
        if self._pump.lockstep:
            answer(*self._try(instrument, grid, after, until))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="halflife-backfill")

        def work() -> None:
            try:
                rows, why = self._try(instrument, grid, after, until)
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that trades
                self._pump.post(partial(_raise, error))
            else:
                self._pump.post(lambda: answer(rows, why))

        self._pool.submit(work)

    def run(self, what: Callable[[], object], name: str) -> None:
        """Do something with the store beside the thread that trades, one after the other; what IBKR refuses is
        logged."""

        def work() -> None:
            try:
                what()
            except (StoreError, UnansweredError, RequestError) as error:
                log_event(logger, "not_asked", level=logging.WARNING, what=name, why=str(error))

        if self._pump.lockstep:
            work()
            return
        if self._errands is None:
            self._errands = ThreadPoolExecutor(1, thread_name_prefix="halflife-errands")
        self._errands.submit(work)

    def stop(self) -> None:
        """Nothing is asked any more; what is under way is not waited for."""
        for pool in (self._pool, self._errands):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._errands = None

    def _try(
        self, instrument: Instrument, grid: Grid, after: dt.datetime, until: dt.datetime
    ) -> tuple[list[HistoryBar] | None, str]:
        if not all(is_up for (kind, _), is_up in self._store.farms().items() if kind == "history"):
            return None, "IBKR's history farm is down"
        try:
            return fetch(self._store, instrument, grid, after, until), ""
        except (StoreError, UnansweredError, RequestError) as error:
            return None, str(error)


def _raise(error: BaseException) -> NoReturn:
    raise error


def fetch(
    store: Asked, instrument: Instrument, grid: Grid, after: dt.datetime, until: dt.datetime, *, tries: int = 1
) -> list[HistoryBar]:
    """Bars with stamps after ``after`` and up to ``until`` (and perhaps some more), in pieces that IBKR answers.

    ``tries`` of each piece, where the answer is lost. Raises what ``IBStore.history`` raises.
    """
    rows: dict[dt.datetime | dt.date, HistoryBar] = {}
    for end, duration in pieces(grid, after, until):
        for row in _asked(store, instrument, duration, SIZES[grid.bar], end, tries):
            rows[row.start] = row
    return [rows[start] for start in sorted(rows, key=_order)]


def _asked(
    store: Asked, instrument: Instrument, duration: str, bar: str, end: dt.datetime, tries: int
) -> list[HistoryBar]:
    for left in reversed(range(tries)):
        try:
            return store.history(instrument, duration=duration, bar=bar, end=end)
        except (NotSentError, UnansweredError) as error:
            if not left:
                raise
            log_event(logger, "history_asked_again", symbol=instrument.symbol, why=str(error))
    return []


def pieces(grid: Grid, after: dt.datetime, until: dt.datetime) -> Iterator[tuple[dt.datetime, str]]:
    """(end, IBKR's duration) of requests that together hold all bars from ``after`` to ``until``.

    Within a session seconds are counted; over several of them days, of which IBKR counts sessions or calendar days,
    so that what comes is never too little.
    """
    opens, _ = grid.session(until)
    if grid.bar == "1d":
        days = math.ceil((until - after).total_seconds() / _DAY) + 1
        yield until, f"{days} D" if days <= 365 else f"{math.ceil(days / 365)} Y"
        return
    begin = grid.begin(grid.after(after))  # of the first bar that is wanted
    if begin >= opens:
        seconds = max(math.ceil((until - begin).total_seconds()), grid.seconds)
        yield until, f"{seconds + grid.seconds} S"
        return
    step = dt.timedelta(days=6) if grid.bar == "1m" else dt.timedelta(days=27)
    duration = "1 W" if grid.bar == "1m" else "1 M"
    at = after
    while at < until:
        at = min(at + step, until)
        yield at, duration


def _order(start: dt.datetime | dt.date) -> dt.datetime:
    if isinstance(start, dt.datetime):
        return start
    return dt.datetime.combine(start, dt.time(), dt.UTC)
