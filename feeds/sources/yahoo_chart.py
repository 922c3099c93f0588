"""One door to yfinance, which logs, caches and guesses where we want an error.

What is taken in hand here: its caches (a folder of this process, gone with it), its log lines (to ours, at DEBUG), its
setting that turns errors into empty frames, and the status of the answer, which it does not tell.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import functools
import json
import logging
import re
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pandas as pd

from core.clock import Clock
from core.errors import FeedEmptyError, HalflifeError, SourceAnswerError
from feeds.sources.http import PassingFault, TooManyFault, UnreachableFault, asked_wait

_PATH = "/v8/finance/chart/"
_COLUMNS = ("Open", "High", "Low", "Close", "Volume", "Dividends", "Stock Splits")
_FACTS = ("symbol", "currency", "exchangeName")
_SHOWN = 200  # characters of Yahoo's own words in an error
_UNREACHED = (5, 6, 7, 97)  # of curl, see libcurl-errors: no name, nobody listens, a proxy that does not connect
_NO_CONNECTION = re.compile("(Connection|Resolving) timed out")  # as curl says it, whose number is that of any timeout
_logger = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()  # yfinance keeps its settings and its session in module variables


def chart(symbol: str, clock: Clock, timeout: float, **options: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One answer: ``_COLUMNS`` (float64) by time in the exchange's timezone, and Yahoo's facts: those of
    ``_FACTS`` and ``foreign``, the days of dividends in another currency.

    ``options`` go to ``yfinance.Ticker.history``. Raises PassingFault, FeedEmptyError (unknown symbol, nothing in the
    range) and SourceAnswerError.
    """
    import yfinance
    from yfinance.data import YfData

    with _one_at_a_time, _in_hand(yfinance):
        _own_cache(yfinance)
        watched = _watched(yfinance)
        watched.status = watched.retry_after = None
        YfData.cache_get.cache_clear()  # it keeps failed answers too
        ticker = yfinance.Ticker(quote(symbol, safe="=^-."), session=watched.session)
        ticker._tz = "UTC"  # times are given with their timezone: saves a request and a cache file for each symbol
        try:
            frame = ticker.history(auto_adjust=False, actions=True, keepna=True, timeout=timeout, **options)
            facts = {name: ticker.history_metadata.get(name) for name in _FACTS}
            facts["foreign"] = _paid_otherwise(ticker, facts["currency"])
            if "Capital Gains" in frame:
                # Yahoo counts a fund's capital gains among its dividends by now (yfinance, _repair_capital_gains)
                gains = frame["Capital Gains"]
                frame["Dividends"] = frame["Dividends"].where(frame["Dividends"] >= gains, frame["Dividends"] + gains)
            frame = frame[list(_COLUMNS)].astype("float64")
        except Exception as error:  # a malformed answer makes yfinance fail in any way
            raise _judged(symbol, error, ticker, watched, clock, timeout) from error
    if facts["symbol"] != symbol:
        raise SourceAnswerError(
            f"{symbol}: Yahoo sent bars of {facts['symbol']!r}; they were not used, try again later"
        )
    if frame.empty:
        raise FeedEmptyError(f"{symbol}: Yahoo has no bars in this range; ask for other dates")
    return frame, facts


def _paid_otherwise(ticker: Any, quoted: Any) -> frozenset[dt.date]:
    """Days whose dividend is in another currency than the prices: yfinance knows, and leaves it out of its frame."""
    paid = getattr(getattr(ticker, "_price_history", None), "_dividends", None)
    if not isinstance(paid, pd.DataFrame) or "currency" not in paid:
        return frozenset()
    other = paid["currency"].notna() & ~paid["currency"].isin(["", quoted])
    return frozenset(time.date() for time in paid.index[other])


def _judged(
    symbol: str, error: Exception, ticker: Any, watched: _Watched, clock: Clock, timeout: float
) -> HalflifeError | PassingFault:
    """What a failure of yfinance means."""
    from yfinance.exceptions import YFDataException, YFRateLimitError, YFTickerMissingError, YFTzMissingError

    status = watched.status
    said = " ".join(str(getattr(error, "rationale", error)).split())[:_SHOWN]
    if isinstance(error, YFRateLimitError) or status == 429:
        return TooManyFault(asked_wait(watched.retry_after, clock.now()))
    if status is not None and status >= 500:
        return PassingFault(f"the service fails ({status})")
    if status in (401, 403):
        return SourceAnswerError(
            f"{symbol}: Yahoo refuses to answer ({status}: {said}); it does so to addresses that asked too much: wait "
            "some hours, or ask from another network"
        )
    if status == 404 or isinstance(error, YFTzMissingError):
        return FeedEmptyError(f"{symbol}: Yahoo knows no such symbol ({said}); check how it is written (SAP.DE, BRK.B)")
    if isinstance(error, YFTickerMissingError):
        # what came with the failed answer; the public history_metadata would send another request
        facts = getattr(getattr(ticker, "_price_history", None), "_history_metadata", None) or {}
        if facts.get("symbol") or "data doesn't exist" in said.lower():
            return FeedEmptyError(f"{symbol}: Yahoo has no bars in this range ({said}); ask for other dates")
        return SourceAnswerError(f"{symbol}: Yahoo sent no bars ({status}: {said}); try again later")
    if isinstance(error, json.JSONDecodeError):
        return PassingFault("the answer is not JSON (a web page, or cut short)")
    if isinstance(error, YFDataException):
        return PassingFault("the service is down")
    if isinstance(error, OSError):
        name = type(error).__name__
        if getattr(error, "code", None) in _UNREACHED or _NO_CONNECTION.search(said):
            return UnreachableFault("the service cannot be reached")
        if "Timeout" in name:
            return PassingFault(f"no answer within {timeout:.0f} s")
        broken = "Incomplete" in name or "Chunked" in name
        return PassingFault("the answer broke off" if broken else f"the connection failed ({name})")
    return SourceAnswerError(
        f"{symbol}: Yahoo sent an answer that cannot be read ({type(error).__name__}: {said}). Nothing of it was used; "
        "try again later, or install a newer yfinance"
    )


@contextlib.contextmanager
def _in_hand(yfinance: Any) -> Iterator[None]:
    """yfinance raises its errors and keeps off the console."""
    logger, debug = logging.getLogger("yfinance"), yfinance.config.debug
    before, hides, forward = logger.propagate, debug.hide_exceptions, _Forward()
    logger.addHandler(forward)
    logger.propagate = debug.hide_exceptions = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about how yfinance calls it
            yield
    finally:
        logger.removeHandler(forward)
        logger.propagate, debug.hide_exceptions = before, hides


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _logger.debug("yfinance: %s", record.getMessage())


class _Watched:
    """yfinance's own session, one for all requests of a process, and how it last answered for a chart."""

    status: int | None = None
    retry_after: str | None = None

    def __init__(self, session: Any) -> None:
        self.session = session
        session.request = self._request  # that of the instance: its ``get`` and ``post`` go through it

    def _request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        response = type(self.session).request(self.session, method, url, *args, **kwargs)
        if _PATH in url:
            self.status, self.retry_after = response.status_code, response.headers.get("Retry-After")
        return response


@functools.cache
def _watched(yfinance: Any) -> _Watched:
    return _Watched(yfinance.Ticker("SPY").session)  # made by yfinance: it poses as a browser


@functools.cache
def _own_cache(yfinance: Any) -> None:
    """A private folder: yfinance unpickles cookies from its cache, which must not lie where others can write."""
    folder = tempfile.mkdtemp(prefix="halflife-yahoo-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yfinance.set_tz_cache_location(folder)
