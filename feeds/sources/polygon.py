"""Bars, splits and dividends from Polygon.io, which has been Massive.com since October 2025: the keys are the same.

Prices and volumes come as traded (``adjusted=false``). Intraday bars cover the hours before the open and after the
close too, and hourly ones begin on the full hour: the bar of 10:00 has half an hour before the open in it.
See https://massive.com/docs/rest/stocks.
"""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Sequence
from typing import Any, Literal, TypeGuard, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar, calendar_names
from core.clock import Clock, SystemClock
from core.config import OFF, secret
from core.errors import FeedEmptyError, FeedError, SettingsError, SourceAnswerError
from core.redact import redact
from feeds.bars import BarSize, CorporateAction, RawBars, Request
from feeds.sources.finished import late_start, only_finished
from feeds.sources.http import ATTEMPTS, JsonService, NotFoundError, Notify

BASE_URL = "https://api.massive.com"
KEY = "POLYGON_API_KEY"
PLAN = "POLYGON_REQUESTS_PER_MINUTE"
FREE_PLAN = 5  # requests a minute
_HOSTS = frozenset({"api.massive.com", "api.polygon.io"})  # one service under its new and its old name
_FIRST = dt.date(2003, 9, 10)  # where its stocks begin
_NEW_YORK = ZoneInfo("America/New_York")
_SPANS: dict[BarSize, tuple[str, dt.timedelta]] = {
    "1d": ("day", dt.timedelta(days=1)),
    "1h": ("hour", dt.timedelta(hours=1)),
    "1m": ("minute", dt.timedelta(minutes=1)),
    "1s": ("second", dt.timedelta(seconds=1)),
}
_FIELDS = {"t": "time", "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
# The second of each was deprecated in February 2026; what we read of both has the same names
_SPLITS = ("/stocks/v1/splits", "/v3/reference/splits")
_DIVIDENDS = ("/stocks/v1/dividends", "/v3/reference/dividends")
_MOST_PAGES = 1_000  # of 50,000 bars: more than there are seconds in twenty years of sessions
T = TypeVar("T")


class PolygonSource:
    """US stocks from Polygon.io. See ``feeds.bars.Source``.

    ``key``: None reads the secret POLYGON_API_KEY. ``requests_per_minute``: None has no limit; "environment" reads
    POLYGON_REQUESTS_PER_MINUTE (a whole number, or "off" for no limit), without which it is the 5 of the free plan.
    ``notify`` is told of every pause. A symbol costs at least four requests: bars, splits, dividends, details.
    Raises SecretMissingError, SettingsError (an address without https, a key with blanks, a limit that is none).
    """

    name = "polygon"

    def __init__(
        self,
        *,
        base_url: str = BASE_URL,
        key: str | None = None,
        requests_per_minute: int | Literal["environment"] | None = "environment",
        clock: Clock | None = None,
        notify: Notify | None = None,
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._clock = clock or SystemClock()
        self._service = JsonService(
            "Polygon.io",
            base_url,
            secret(KEY) if key is None else key,
            key_name=KEY,
            clock=self._clock,
            per_minute=_plan() if requests_per_minute == "environment" else requests_per_minute,
            notify=notify,
            timeout=timeout,
            attempts=attempts,
        )

    def __repr__(self) -> str:
        return f"PolygonSource({self._service.base_url!r})"

    def symbols(self) -> Sequence[str]:
        return ()

    def fetch(self, request: Request) -> RawBars:
        """See ``feeds.bars.Source``. All splits and dividends up to today come along, whatever the range."""
        symbol = request.symbol
        if ":" in symbol:
            raise FeedError(f"{symbol}: of Polygon.io only stocks and funds can be had; give a ticker such as AAPL")
        now = self._clock.now()
        today = now.astimezone(_NEW_YORK).date()
        start, end = request.start or _FIRST, min(request.end or today, today)
        if start > end:
            raise FeedEmptyError(
                f"{symbol}: no bars between {start} and {end}; give --from and --to in order, not later"
            )
        span, size = _SPANS[request.bar]
        address = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/1/{span}/{start}/{end}"
        try:
            pages = self._pages(address, {"adjusted": "false", "sort": "asc", "limit": "50000"})
        except NotFoundError as error:
            raise self._empty(symbol, request.bar, start, end) from error
        rows = [row for page in pages for row in _bars_of(page, symbol)]
        if not rows:
            raise self._empty(symbol, request.bar, start, end)
        frame = _frame(symbol, rows, request.bar, size, start, end)
        currency, exchange, notes = self._details(symbol, frame.index[-1].date())
        calendar = ExchangeCalendar(exchange or request.exchange)
        frame, unfinished = only_finished(frame, request.bar, calendar, now)
        if frame.empty:
            raise FeedEmptyError(
                f"{symbol}: no {request.bar} bar between {start} and {end} is over yet; ask again after the close"
            )
        splits, twice = self._splits(symbol, today)
        dividends, left_out = self._dividends(symbol, today, currency)
        return RawBars(
            symbol=symbol,
            bar=request.bar,
            frame=frame,
            source=self.name,
            currency=currency,
            exchange=exchange,
            actions=tuple(sorted(splits + dividends)),
            notes=(*late_start(request.start, frame), *unfinished, *notes, *twice, *left_out),
        )

    def _pages(self, address: str, params: dict[str, str]) -> list[dict[str, Any]]:
        """All pages of an answer. Raises SourceAnswerError where a page is followed by itself or by another host."""
        pages = [self._service.get(address, params)]
        seen = set[str]()
        while following := pages[-1].get("next_url"):
            address = self._address(following)
            if address in seen or len(pages) == _MOST_PAGES:
                raise SourceAnswerError(
                    f"Polygon.io: the pages of {address.partition('?')[0]} have no end (one follows itself); try again "
                    "later"
                )
            seen.add(address)
            pages.append(self._service.get(address))
        return pages

    def _address(self, url: Any) -> str:
        """Path and query of the next page, which must be at the host that knows the key."""
        there, base = urlsplit(str(url)), urlsplit(self._service.base_url)
        same = (there.scheme, there.netloc) == (base.scheme, base.netloc)
        if not same and not (there.scheme == "https" and {there.netloc, base.netloc} <= _HOSTS):
            raise SourceAnswerError(
                f"Polygon.io: the next page is said to be at {redact(there.netloc)[:80]!r}, which must not see the key "
                f"meant for {base.netloc}; nothing was asked there. Check the address {self._service.base_url}"
            )
        query = urlencode([(name, value) for name, value in parse_qsl(there.query) if name.lower() != "apikey"])
        return f"{there.path}?{query}" if query else there.path

    def _empty(self, symbol: str, bar: str, start: dt.date, end: dt.date) -> FeedEmptyError:
        try:
            self._service.get(f"/v3/reference/tickers/{quote(symbol, safe='')}", {"date": str(end)})
        except NotFoundError:
            return FeedEmptyError(
                f"{symbol}: Polygon.io knows no such symbol on {end}; check how it is written (BRK.B)"
            )
        return FeedEmptyError(
            f"{symbol}: Polygon.io has no {bar} bars between {start} and {end}; ask for other dates (a free plan "
            "reaches two years back)"
        )

    def _details(self, symbol: str, day: dt.date) -> tuple[str | None, str | None, list[str]]:
        """Currency and exchange as they were on a day."""
        try:
            answer = self._service.get(f"/v3/reference/tickers/{quote(symbol, safe='')}", {"date": str(day)})
        except NotFoundError:
            return None, None, [f"Polygon.io has no details of {symbol} on {day}: currency and exchange are assumed."]
        details = answer.get("results")
        if not isinstance(details, dict) or details.get("ticker", symbol) != symbol:
            raise SourceAnswerError(f"{symbol}: Polygon.io sent details that are not of this symbol; try again later")
        notes = []
        currency = str(details.get("currency_name") or "").upper()
        if len(currency) != 3 or not currency.isalpha():
            notes.append(f"Polygon.io names no currency for {symbol} ({currency or 'none'}).")
            currency = ""
        exchange = str(details.get("primary_exchange") or "")
        if exchange not in calendar_names():
            notes.append(f"Polygon.io names no exchange with a calendar for {symbol} ({exchange or 'none'}).")
            exchange = ""
        return currency or None, exchange or None, notes

    def _splits(self, symbol: str, today: dt.date) -> tuple[list[CorporateAction], list[str]]:
        found = []
        for row in self._actions(symbol, _SPLITS):
            day = _date(symbol, row, "execution_date")
            value = _positive(symbol, row, "split_to") / _positive(symbol, row, "split_from")
            if day <= today:
                found.append((day, value))
        kept, notes = _once("splits", found)
        return [CorporateAction(day, "split", value, self.name) for day, value in kept], notes

    def _dividends(self, symbol: str, today: dt.date, currency: str | None) -> tuple[list[CorporateAction], list[str]]:
        found, foreign = [], 0  # day, amount, kind of dividend
        for row in self._actions(symbol, _DIVIDENDS):
            day = _date(symbol, row, "ex_dividend_date")
            value = _number(symbol, row, "cash_amount")
            paid_in = row.get("currency")
            if day > today or value == 0.0:
                continue
            if paid_in and currency and str(paid_in).upper() != currency:
                foreign += 1
                continue
            if value < 0.0:
                raise _half(symbol, f"a dividend of {value} on {day}")
            found.append((day, value, str(row.get("distribution_type") or row.get("dividend_type") or "")))
        kept, notes = _once("dividends", found)
        # a regular and a special dividend of one day are one drop of the price
        days = sorted({day for day, _, _ in kept})
        sums = [math.fsum(value for when, value, _ in kept if when == day) for day in days]
        actions = [CorporateAction(day, "dividend", paid, self.name) for day, paid in zip(days, sums, strict=True)]
        if foreign:
            notes.append(f"{foreign} dividends paid in another currency than {currency} were left out.")
        return actions, notes

    def _actions(self, symbol: str, addresses: tuple[str, str]) -> list[dict[str, Any]]:
        newer, older = addresses
        params = {"ticker": symbol, "limit": "1000"}
        try:
            pages = self._pages(newer, params)
        except NotFoundError:
            pages = self._pages(older, params)
        rows = [row for page in pages for row in _results(page, symbol)]
        if any(row.get("ticker", symbol) != symbol for row in rows):
            raise SourceAnswerError(f"{symbol}: Polygon.io sent corporate actions of another symbol; try again later")
        return rows


def _plan() -> int | None:
    """Requests a minute that the user's plan has, from the environment. Raises SettingsError."""
    text = os.environ.get(PLAN, "").strip()
    if not text:
        return FREE_PLAN
    if text == OFF:
        return None
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise SettingsError(
        f"{PLAN} is {text[:20]!r}; set it to the requests a minute of your plan ({FREE_PLAN} of the free one), or to "
        f'"{OFF}" for no limit'
    )


def _bars_of(page: dict[str, Any], symbol: str) -> list[dict[str, Any]]:
    """Rows of one page of aggregates, checked against what the page says of itself."""
    rows = _results(page, symbol)
    said = page.get("resultsCount", page.get("count", len(rows)))
    if said != len(rows):
        raise _half(symbol, f"{said} bars are announced, {len(rows)} came")
    if page.get("ticker", symbol) != symbol:
        raise SourceAnswerError(f"{symbol}: Polygon.io sent bars of {page['ticker']!r}; try again later")
    if page.get("adjusted") is True:
        raise SourceAnswerError(f"{symbol}: Polygon.io sent adjusted bars, asked were bars as traded; try again later")
    return rows


def _results(page: dict[str, Any], symbol: str) -> list[dict[str, Any]]:
    if page.get("status") not in ("OK", "DELAYED"):
        said = str(page.get("error") or page.get("message") or page.get("status"))
        raise SourceAnswerError(f"{symbol}: Polygon.io answers {redact(said)[:200]!r}; try again later")
    rows = page.get("results")
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _half(symbol, "the results are not a list of rows")
    return rows


def _frame(
    symbol: str, rows: list[dict[str, Any]], bar: BarSize, size: dt.timedelta, start: dt.date, end: dt.date
) -> pd.DataFrame:
    """Bars as the data room has them. Raises SourceAnswerError for anything that is not a bar of the range."""
    columns: dict[str, np.ndarray] = {}
    for field, column in _FIELDS.items():
        values = [row.get(field) for row in rows]
        bad = [value for value in values if not _is_number(value)]
        if bad:
            raise _half(symbol, f"{len(bad)} bars have no number for {column} (the first: {bad[0]!r})")
        columns[column] = np.array(values, dtype="float64")
    stamps = columns.pop("time")
    if (np.diff(stamps) <= 0).any():
        raise _half(symbol, "the bars do not follow each other in time")
    began = pd.to_datetime(stamps.astype("int64"), unit="ms", utc=True)
    local = began.tz_convert(_NEW_YORK)
    first, last = local[0].date(), local[-1].date()
    if first < start or last > end:
        raise _half(symbol, f"bars from {first} to {last} came, asked were {start} to {end}")
    if bar == "1d":
        if (local != local.normalize()).any():
            raise _half(symbol, "daily bars that do not begin at midnight in New York")
        times = local.tz_localize(None)
    else:
        times = began + size
    return pd.DataFrame(columns, index=pd.DatetimeIndex(times, name="time").as_unit("us"))


def _once(what: str, rows: list[T]) -> tuple[list[T], list[str]]:
    """Each row once: Polygon.io has some corporate actions twice, under different ids (CVX 2004-09-13)."""
    kept = list(dict.fromkeys(rows))
    twice = len(rows) - len(kept)
    return kept, [f"Polygon.io lists {twice} of the {what} again; each was taken once."] if twice else []


def _number(symbol: str, row: dict[str, Any], field: str) -> float:
    value = row.get(field)
    if not _is_number(value):
        raise _half(symbol, f"{field} is {value!r}")
    return float(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(symbol: str, row: dict[str, Any], field: str) -> float:
    value = _number(symbol, row, field)
    if value <= 0.0:
        raise _half(symbol, f"{field} is {value}")
    return value


def _date(symbol: str, row: dict[str, Any], field: str) -> dt.date:
    try:
        return dt.date.fromisoformat(str(row.get(field)))
    except ValueError as error:
        raise _half(symbol, f"{field} is {row.get(field)!r}") from error


def _half(symbol: str, what: str) -> SourceAnswerError:
    return SourceAnswerError(
        f"{symbol}: Polygon.io sent an answer that cannot be right: {redact(what)[:200]}. Nothing of it was used; "
        "try again later"
    )
