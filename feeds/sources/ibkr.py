"""Bars of Interactive Brokers, through a TWS or IB Gateway that is logged in.

Environment: ``IBKR_HOST`` (127.0.0.1), ``IBKR_PORT`` (4002) and ``IBKR_CLIENT_ID`` (90; not that of a session that
trades). Of regular hours; trades of stocks, whose history IBKR adjusts for splits and not for dividends, and the middle
of bid and ask of currency pairs (``EUR.USD``).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from types import TracebackType

import pandas as pd

from core.calendar import ExchangeCalendar
from core.clock import Clock, SystemClock
from core.errors import (
    AccountError,
    ContractError,
    FeedEmptyError,
    FeedError,
    LibraryError,
    NotSentError,
    RequestError,
    SettingsError,
    SourceAnswerError,
    StoreError,
    UnansweredError,
)
from feeds.bars import BarSize, RawBars, Request
from feeds.sources.finished import late_start, only_finished
from feeds.sources.http import ClosedError
from feeds.sources.ibkr_pieces import SECONDS, SIZES, Piece, pieces
from feeds.sources.stamps import closes_of_bars
from stores import ContractSpec, IBStore, Instrument, StoreSettings
from stores.records import HistoryBar

HOST, PORT, CLIENT_ID = "IBKR_HOST", "IBKR_PORT", "IBKR_CLIENT_ID"
CALENDARS = {  # IBKR's exchange -> code of the calendar
    "NYSE": "XNYS", "NASDAQ": "XNYS", "ARCA": "XNYS", "AMEX": "XNYS", "BATS": "XNYS", "LSE": "XLON", "LSEETF": "XLON",
    "IBIS": "XETR", "IBIS2": "XETR", "FWB": "XFRA", "SBF": "XPAR", "AEB": "XAMS", "EBS": "XSWX", "BVME": "XMIL",
    "BM": "XMAD", "SFB": "XSTO", "ENEXT.BE": "XBRU", "VSE": "XWBO", "TSE": "XTSE", "SEHK": "XHKG", "TSEJ": "XTKS",
    "ASX": "XASX",
}  # fmt: skip
TRIES = 3  # of a piece whose answer was lost with the connection
Rows = dict[dt.datetime | dt.date, HistoryBar]


class IbkrSource:
    """A ``feeds.bars.Source`` and a context manager: the connection is opened by the first request.

    ``currency``: of the contracts. ``is_interrupted``: a signal came while bars were fetched; what had come was
    returned, so that it is stored and the next pull goes on from there.
    """

    name = "ibkr"

    def __init__(
        self,
        *,
        settings: StoreSettings | None = None,
        currency: str = "USD",
        clock: Clock | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings or from_environment()
        self._currency = currency
        self._clock = clock or SystemClock()
        self._notify = notify
        self._store: IBStore | None = None
        self.is_interrupted = False

    def __repr__(self) -> str:
        return f"IbkrSource({self._settings.host}:{self._settings.port})"

    def __enter__(self) -> IbkrSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            self._store.stop()
            self._store = None

    def symbols(self) -> Sequence[str]:
        return ()

    def fetch(self, request: Request) -> RawBars:
        """See ``feeds.bars.Source``. Raises ClosedError where nobody answers, so that nothing else is asked."""
        symbol, now = request.symbol, self._clock.now()
        try:
            store = self._opened()
            instrument = store.qualify(self._spec(symbol))
            what = "MIDPOINT" if instrument.sec_type == "CASH" else "TRADES"
            head = store.head_timestamp(instrument, what=what)
        except ContractError as error:
            raise FeedError(f"{symbol}: {error.args[0]}") from error
        except RequestError as error:
            raise SourceAnswerError(f"{symbol}: {error.args[0]}") from error
        except (StoreError, UnansweredError, AccountError) as error:
            raise ClosedError(f"Interactive Brokers: {error.args[0]}") from error
        exchange = "24/5" if what == "MIDPOINT" else CALENDARS.get(instrument.primary_exchange)
        calendar = ExchangeCalendar(exchange or request.exchange)
        start, end = self._range(request, calendar, head, now)
        rows, notes = self._collected(store, instrument, what, request, calendar, start, end)
        frame = _frame(rows, request.bar, calendar)
        if request.start is not None or request.end is not None:
            frame = _within(frame, request, start, end)
        frame, unfinished = only_finished(frame, request.bar, calendar, now)
        if frame.empty and not notes:
            raise FeedEmptyError(
                f"{symbol}: IBKR has no {request.bar} bars between {start:%Y-%m-%d} and {end:%Y-%m-%d}; ask for other "
                "dates (bars of seconds reach back about six months)"
            )
        if frame.empty:
            raise SourceAnswerError(f"{symbol}: nothing has come ({notes[0]})")
        return RawBars(
            symbol=symbol, bar=request.bar, frame=frame, source=self.name,
            adjusted="raw" if what == "MIDPOINT" else "split",
            adjusted_until=None if what == "MIDPOINT" else now.astimezone(calendar.tz).date(),
            content="quotes" if what == "MIDPOINT" else "trades", currency=instrument.currency, exchange=exchange,
            notes=(*late_start(request.start, frame), *unfinished, *notes),
        )  # fmt: skip

    def _opened(self) -> IBStore:
        if self._store is None:
            store = IBStore(self._settings, self._clock)
            store.start()
            self._store = store
        return self._store

    def _spec(self, symbol: str) -> ContractSpec:
        base, dot, quote = symbol.partition(".")
        if dot and len(base) == len(quote) == 3 and symbol.isupper():
            return ContractSpec(base, "CASH", "IDEALPRO", quote)
        return ContractSpec(symbol.replace(".", " "), currency=self._currency)

    def _range(
        self, request: Request, calendar: ExchangeCalendar, head: dt.datetime, now: dt.datetime
    ) -> tuple[dt.datetime, dt.datetime]:
        """From when to when, UTC; never before IBKR has data."""
        end = now
        if request.end is not None:
            end = min(now, _midnight(request.end + dt.timedelta(days=1), calendar))
        start = head if request.start is None else max(head, _midnight(request.start, calendar))
        if start >= end:
            raise FeedEmptyError(
                f"{request.symbol}: no bars between {start:%Y-%m-%d} and {end:%Y-%m-%d} (IBKR has them "
                f"from {head:%Y-%m-%d} on); give --from and --to in order, not later"
            )
        return start, end

    def _collected(
        self, store: IBStore, instrument: Instrument, what: str, request: Request, calendar: ExchangeCalendar,
        start: dt.datetime, end: dt.datetime,
    ) -> tuple[Rows, list[str]]:  # fmt: skip
        """Bars by start. Where it breaks off, what came until then and a note."""
        rows: Rows = {}
        wanted = list(pieces(request.bar, start, end, calendar))
        for at, piece in enumerate(wanted):
            try:
                if self._notify is not None and at and at % 20 == 0:
                    self._notify(f"{request.symbol}: {at} of {len(wanted)} requests; IBKR allows 60 in ten minutes")
                for bar in _asked(store, instrument, what, SIZES[request.bar], piece):
                    rows[bar.start] = bar
            except KeyboardInterrupt:
                self.is_interrupted = True
                return rows, [f"interrupted before {piece.end:%Y-%m-%d %H:%M} UTC; pull again to go on from there."]
            except (UnansweredError, StoreError, RequestError) as error:
                if isinstance(error, RequestError) and not rows:
                    raise SourceAnswerError(f"{request.symbol}: {error.args[0]}") from error
                end_of = f"{piece.end:%Y-%m-%d %H:%M} UTC"
                return rows, [f"broken off before {end_of} ({error.args[0]}); pull again to go on from there."]
        return rows, []


def from_environment() -> StoreSettings:
    """Where TWS is. Raises SettingsError."""
    numbers = {}
    for name, default in ((PORT, "4002"), (CLIENT_ID, "90")):
        text = os.environ.get(name, "").strip() or default
        if not (text.isascii() and text.isdigit()):
            raise SettingsError(f"{name} is {text[:20]!r}; set it to a whole number such as {default}")
        numbers[name] = int(text)
    host = os.environ.get(HOST, "").strip() or "127.0.0.1"
    return StoreSettings(
        host=host, port=numbers[PORT], client_id=numbers[CLIENT_ID], is_trading=False, start_timeout=20.0
    )


def _asked(store: IBStore, instrument: Instrument, what: str, bar: str, piece: Piece) -> list[HistoryBar]:
    """One piece, asked for again where the connection was lost meanwhile."""
    for attempt in range(TRIES):
        try:
            return store.history(instrument, end=piece.end, duration=piece.duration, bar=bar, what=what)
        except (UnansweredError, NotSentError):
            if attempt == TRIES - 1:
                raise
    raise LibraryError("a piece of history was never asked for; report it")


def _frame(rows: Rows, bar: BarSize, calendar: ExchangeCalendar) -> pd.DataFrame:
    """Bars as the data room has them: days by date, others by their close, which is that of the clock or the session.

    IBKR cuts hours at the session: the first one of New York is 09:30 to 10:00.
    """
    bars = [rows[start] for start in sorted(rows, key=str)]
    columns = {
        "open": [each.open for each in bars], "high": [each.high for each in bars],
        "low": [each.low for each in bars], "close": [each.close for each in bars],
        "volume": [each.volume for each in bars],
    }  # fmt: skip
    if bar == "1d":
        index = pd.DatetimeIndex([pd.Timestamp(str(each.start)[:10]) for each in bars], name="time")
    else:
        starts = pd.DatetimeIndex([each.start for each in bars], tz="UTC") if bars else pd.DatetimeIndex([], tz="UTC")
        size = dt.timedelta(seconds=SECONDS[bar])
        index = closes_of_bars(starts.floor(size), size, calendar)
    return pd.DataFrame(columns, index=index.as_unit("us"), dtype="float64")


def _within(frame: pd.DataFrame, request: Request, start: dt.datetime, end: dt.datetime) -> pd.DataFrame:
    """Pieces overlap: only what was asked for."""
    if request.bar == "1d":
        first = pd.Timestamp(request.start) if request.start else None
        last = pd.Timestamp(request.end) if request.end else None
        return frame.loc[first:last]
    return frame[(frame.index > pd.Timestamp(start)) & (frame.index <= pd.Timestamp(end))]


def _midnight(day: dt.date, calendar: ExchangeCalendar) -> dt.datetime:
    """The beginning of a day where the exchange is, UTC."""
    return dt.datetime.combine(day, dt.time(), calendar.tz).astimezone(dt.UTC)
