"""Bars, splits and dividends from Yahoo Finance through yfinance, put back to how they were traded.

Yahoo keeps all prices, volumes and dividends on today's scale of shares, whatever range is asked for; ``as_traded``
undoes that. Its adjusted close is not kept: it changes with every dividend, and the dividends themselves are here.
yfinance drops a second row of one time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.clock import Clock, SystemClock
from core.errors import FeedEmptyError, FeedError, SourceAnswerError
from feeds.bars import PRICES, BarSize, CorporateAction, RawBars, Request
from feeds.sources.as_traded import Days, Floats, Ratio, applied, dividend_as_paid, is_split, later_product, tidy
from feeds.sources.finished import late_start, only_finished
from feeds.sources.http import ATTEMPTS, Notify, try_persistently
from feeds.sources.stamps import SIZES, closes_of_bars
from feeds.sources.yahoo_chart import chart
from feeds.sources.yahoo_names import currency_of, exchange_of, yahoo_symbol

_FIRST = dt.date(1900, 1, 1)
_DAY = dt.timedelta(days=1)
# days back that Yahoo keeps (less one for its clock), days that one request may span
_LIMITS: dict[BarSize, tuple[int, int]] = {"1h": (729, 730), "1m": (29, 7)}
_YAHOO_PRICES = [name.capitalize() for name in PRICES]
_OURS = tuple(zip(PRICES, _YAHOO_PRICES, strict=True))
_FAR = 0.1  # log of intraday against daily close: more than this apart they are not of one scale


@dataclass(frozen=True)
class _Daily:
    """Yahoo's own daily rows from the first asked session to now."""

    rows: pd.DataFrame  # Open, High, Low, Close, Volume on Yahoo's scale, index of midnights in the exchange's timezone
    days: Days
    ratios: list[Ratio]
    dividends: list[tuple[dt.date, float]]
    facts: dict[str, Any]


class YahooSource:
    """Stocks, funds, indices and currencies from Yahoo Finance. See ``feeds.bars.Source``.

    ``notify`` is told of every pause. Corporate actions reach from the first asked session to today.
    """

    name = "yahoo"

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        notify: Notify | None = None,
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._clock = clock or SystemClock()
        self._notify, self._timeout, self._attempts = notify, timeout, attempts

    def __repr__(self) -> str:
        return "YahooSource()"

    def symbols(self) -> Sequence[str]:
        return ()

    def fetch(self, request: Request) -> RawBars:
        """See ``feeds.bars.Source``."""
        symbol, now = request.symbol, self._clock.now()
        ticker = yahoo_symbol(symbol)
        start, limits = _start(request, now)
        end = request.end or (now + _DAY).date()
        if start > end:
            raise FeedEmptyError(
                f"{symbol}: no bars between {start} and {end}; give --from and --to in order, not later"
            )
        daily = self._daily(ticker, start, now)
        currency, unit, coins = currency_of(daily.facts["currency"])
        exchange, places = exchange_of(daily.facts["exchangeName"])
        calendar = ExchangeCalendar(exchange or request.exchange)
        ratios, late = applied(daily.days, daily.rows["Close"].to_numpy("float64"), daily.ratios)
        traded = _traded(daily.rows, later_product(daily.days, ratios), unit)
        actions, kinds = _actions(daily, ratios, traded["close"].to_numpy(), unit)
        if request.bar == "1d":
            frame, scales = traded.set_axis(pd.DatetimeIndex(daily.days, name="time").as_unit("us")), list[str]()
            frame = frame[(daily.days >= np.datetime64(start)) & (daily.days <= np.datetime64(end))]
        else:
            frame, scales = self._intraday(ticker, request.bar, start, end, now, daily, ratios, unit, calendar)
        frame, unfinished = only_finished(frame, request.bar, calendar, now)
        if frame.empty:
            raise FeedEmptyError(
                f"{symbol}: Yahoo has no {request.bar} bar between {start} and {end} that is over; ask for other dates"
            )
        waiting = [
            f"Yahoo lists a split of {ratio.value:g} on {ratio.ex_date}, but its prices are not adjusted for it yet; "
            "they were taken as traded."
            for ratio in late
        ]
        return RawBars(
            symbol=symbol,
            bar=request.bar,
            frame=frame,
            source=self.name,
            currency=currency,
            exchange=exchange,
            actions=actions,
            notes=(*limits, *late_start(request.start, frame), *unfinished, *coins, *places, *kinds, *waiting, *scales),
        )

    def _ask(
        self, ticker: str, interval: str, start: dt.datetime, end: dt.datetime
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        return try_persistently(
            lambda: chart(ticker, self._clock, self._timeout, interval=interval, start=start, end=end, prepost=False),
            service="Yahoo",
            clock=self._clock,
            notify=self._notify,
            attempts=self._attempts,
        )

    def _daily(self, ticker: str, start: dt.date, now: dt.datetime) -> _Daily:
        # a day early: midnight of the exchange may lie before that of UTC
        rows, facts = self._ask(ticker, "1d", dt.datetime.combine(start, dt.time(), dt.UTC) - _DAY, now + _DAY)
        days = _days(rows)
        splits, dividends = rows["Stock Splits"].to_numpy("float64"), rows["Dividends"].to_numpy("float64")
        if (splits < 0).any() or (dividends < 0).any() or not np.isfinite([splits, dividends]).all():
            raise SourceAnswerError(
                f"{ticker}: Yahoo sent splits or dividends that are no numbers above 0; try again later"
            )
        dates = days.astype(object)
        bars = _without_made_rows(rows)
        return _Daily(
            rows=bars,
            days=_days(bars),
            ratios=[Ratio(dates[at], float(splits[at])) for at in np.flatnonzero(splits)],
            dividends=[(dates[at], float(dividends[at])) for at in np.flatnonzero(dividends)],
            facts=facts,
        )

    def _intraday(
        self,
        ticker: str,
        bar: BarSize,
        start: dt.date,
        end: dt.date,
        now: dt.datetime,
        daily: _Daily,
        ratios: list[Ratio],
        unit: float,
        calendar: ExchangeCalendar,
    ) -> tuple[pd.DataFrame, list[str]]:
        span = _LIMITS[bar][1]
        zone = pd.DatetimeIndex(daily.rows.index).tz
        last = min(end, now.astimezone(zone).date()) + _DAY
        parts, notes = [], list[str]()
        while start < last:
            following = min(start + dt.timedelta(days=span), last)
            edges = pd.DatetimeIndex([start, following]).tz_localize(
                zone, ambiguous=np.array([True, True]), nonexistent="shift_forward"
            )
            try:
                parts.append(self._ask(ticker, bar, edges[0].to_pydatetime(), edges[1].to_pydatetime())[0])
            except FeedEmptyError:  # a week without bars is a halt, or a young listing
                notes.append(f"Yahoo has no {bar} bars from {start} to {following - _DAY}.")
            start = following
        if not parts:
            raise FeedEmptyError(f"{ticker}: Yahoo has no {bar} bars in this range; ask for other dates")
        rows = _without_made_rows(pd.concat(parts))
        days = _days(rows)
        factor, scales = _intraday_factor(ticker, rows, days, daily, ratios)
        frame = _traded(rows, factor, unit)
        frame.index = closes_of_bars(pd.DatetimeIndex(rows.index), SIZES[bar], calendar)
        return frame, notes + scales


def _start(request: Request, now: dt.datetime) -> tuple[dt.date, list[str]]:
    """First session to ask for. Raises FeedError for bars that Yahoo does not have or keep."""
    if request.bar == "1d":
        return request.start or _FIRST, []
    if request.bar not in _LIMITS:
        raise FeedError(f"{request.symbol}: Yahoo has no {request.bar} bars; take 1m, or --source polygon")
    earliest = (now - dt.timedelta(days=_LIMITS[request.bar][0])).date()
    if request.start is None:
        return earliest, [f"Yahoo keeps {request.bar} bars of {_LIMITS[request.bar][0] + 1} days only."]
    if request.start < earliest:
        raise FeedError(
            f"{request.symbol}: Yahoo keeps {request.bar} bars of {_LIMITS[request.bar][0] + 1} days only; give "
            f"--from {earliest} or later, or a longer bar"
        )
    return request.start, []


def _days(rows: pd.DataFrame) -> Days:
    """Sessions of rows: their dates in the exchange's timezone."""
    return pd.DatetimeIndex(rows.index).tz_localize(None).to_numpy().astype("datetime64[D]")


def _without_made_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the rows that yfinance makes for a split or dividend before the first or after the last bar."""
    made = rows[_YAHOO_PRICES].isna().all(axis=1) & ((rows["Dividends"] != 0) | (rows["Stock Splits"] != 0))
    real = np.flatnonzero(~made.to_numpy())
    return rows.iloc[real[0] : real[-1] + 1] if len(real) else rows.iloc[:0]


def _traded(rows: pd.DataFrame, factor: Floats, unit: float) -> pd.DataFrame:
    """Yahoo's rows in our columns, as they were traded; ``factor``: what Yahoo divided the prices of each row by."""
    columns = {ours: tidy(rows[theirs].to_numpy("float64") * factor * unit) for ours, theirs in _OURS}
    volume = np.round(rows["Volume"].to_numpy("float64") / factor)
    # yfinance writes 0 where Yahoo has no volume; a row without any price has none
    columns["volume"] = np.where(np.isnan(list(columns.values())).all(axis=0), np.nan, volume)
    return pd.DataFrame(columns, index=pd.DatetimeIndex(rows.index, name="time"))


def _actions(
    daily: _Daily, ratios: list[Ratio], closes: Floats, unit: float
) -> tuple[tuple[CorporateAction, ...], list[str]]:
    """Yahoo's events as they were on their day, and which ratios are taken as spin-offs."""
    found, notes = [], []
    foreign = [day for day, _ in daily.dividends if day in daily.facts["foreign"]]
    if foreign:
        notes.append(
            f"{len(foreign)} dividends paid in another currency than the prices were left out ({foreign[0]}...)."
        )
    for ratio in daily.ratios:
        if is_split(ratio.value):
            found.append(CorporateAction(ratio.ex_date, "split", ratio.value, YahooSource.name))
            continue
        before = closes[(daily.days < np.datetime64(ratio.ex_date)) & np.isfinite(closes)]
        if not len(before):
            notes.append(f"A spin-off of {ratio.ex_date} was left out: there is no close before it to value it with.")
            continue
        worth = float(before[-1]) * (1 - 1 / ratio.value)
        found.append(CorporateAction(ratio.ex_date, "spin_off", worth, YahooSource.name))
        notes.append(
            f"Yahoo lists a split of {ratio.value:g} on {ratio.ex_date}: no ratio of shares, so it is taken as a "
            f"spin-off worth {worth:.4g} a share."
        )
    for day, amount in daily.dividends:
        if day in foreign:
            continue
        factor = float(later_product(np.array([day], dtype="datetime64[D]"), ratios)[0])
        found.append(CorporateAction(day, "dividend", dividend_as_paid(amount, factor) * unit, YahooSource.name))
    return tuple(sorted(found)), notes


def _intraday_factor(
    ticker: str, rows: pd.DataFrame, days: Days, daily: _Daily, ratios: list[Ratio]
) -> tuple[Floats, list[str]]:
    """What intraday prices were divided by: the splits after them, or 1 where Yahoo has not gone back over them.

    Hourly bars stored before a split are at times left as they were (yfinance, issue 503). The last close of each
    session against that of its daily bar tells, for all sessions between two splits together.
    """
    factor = later_product(days, ratios)
    sessions = pd.Series(rows["Close"].to_numpy("float64")).groupby(days).last()
    whole = pd.Series(daily.rows["Close"].to_numpy("float64"), index=daily.days)
    apart = np.log(sessions / whole[~whole.index.duplicated()].reindex(sessions.index)).dropna()
    between = later_product(apart.index.to_numpy().astype("datetime64[D]"), ratios)
    notes = []
    for value in np.unique(between):
        distance = float(np.median(apart[between == value]))
        adjusted, untouched = abs(distance), abs(distance - np.log(value))
        if min(adjusted, untouched) > _FAR:
            raise SourceAnswerError(
                f"{ticker}: Yahoo's intraday closes are {np.exp(distance):.3g} times its daily ones, which no split "
                "explains; nothing of them was used, try again in some days"
            )
        if untouched < adjusted:
            factor[factor == value] = 1.0
            notes.append(f"Yahoo's intraday prices are not adjusted for the splits of {value:g} after them; as traded.")
    return factor, notes
