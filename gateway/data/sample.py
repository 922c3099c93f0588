"""The sample market: seeded intraday days of two invented cointegrated stocks, with a truth that research can find
again.

XMPLA = ``intercept`` + ``hedge_ratio`` * XMPLB + spread. XMPLB is a geometric random walk, the spread an
Ornstein-Uhlenbeck process with the given half-life and standard deviation (dollars); both are those of the mid
prices, trades and quotes lie a tick or two beside them. Volume is U-shaped over the session, with an auction at its
open and close. A day is a function of ``seed`` and its date alone; earlier days lead up to its open. XMPLD is an
ambiguous symbol: it has no data.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from gateway.data.columns import Floats, index_of
from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.tape import Tape
from gateway.hours import SECOND, Moments, Session, hours_of
from gateway.model import Instrument

XMPLA = Instrument(900_000_001, "XMPLA", long_name="EXAMPLE ALPHA CORP", isin="XX0000000A19")
XMPLB = Instrument(900_000_002, "XMPLB", long_name="EXAMPLE BETA CORP", isin="XX0000000B18")
EURUSD = Instrument(
    12_087_792, "EUR", "CASH", "USD", "IDEALPRO", "IDEALPRO", "EUR.USD", "EUR.USD", "European Monetary Union Euro",
    min_tick=0.00005, market_rule=239,
)  # fmt: skip
XMPLX = Instrument(900_000_010, "XMPLX", "IND", exchange="CBOE", primary_exchange="CBOE", long_name="EXAMPLE INDEX")
XMPLD = (
    Instrument(900_000_021, "XMPLD", long_name="EXAMPLE DUAL PLC ADR"),
    Instrument(
        900_000_022, "XMPLD", currency="GBP", primary_exchange="LSE", long_name="EXAMPLE DUAL PLC", market_rule=9002,
        min_tick=0.0001, calendar="XLON", time_zone="GB",
    ),
    Instrument(
        900_000_023, "XMPLD", currency="EUR", primary_exchange="IBIS", long_name="EXAMPLE DUAL PLC", market_rule=9002,
        min_tick=0.0001, calendar="XETR", time_zone="MET",
    ),
)  # fmt: skip
TICK = 0.01
INNER = 4  # prices of which a bar's open, high, low and close are made


@dataclass(frozen=True, slots=True)
class Truth:
    """By what the pair was made. ``half_life`` in seconds of trading, ``spread_std`` and ``intercept`` in dollars."""

    hedge_ratio: float = 1.4
    intercept: float = 5.0
    half_life: float = 300.0
    spread_std: float = 0.10
    price: float = 40.0  # XMPLB at the open of the first day
    volatility: float = 0.016  # of XMPLB in a regular session, a fraction
    gap: float = 0.004  # overnight, a fraction


@dataclass(slots=True)
class Sample:
    """Frames of the sample: ``bars`` of 1 second, ``quotes``, and ``frames`` of earlier days (60 and 86,400
    seconds)."""

    days: tuple[dt.date, ...]
    truth: Truth
    bars: dict[Instrument, pd.DataFrame] = field(default_factory=dict)
    quotes: dict[Instrument, pd.DataFrame] = field(default_factory=dict)
    frames: dict[Instrument, dict[int, pd.DataFrame]] = field(default_factory=dict)

    def tape(self) -> Tape:
        return Tape(self.bars, self.quotes, bar_seconds=1)

    def book(self) -> ContractBook:
        return ContractBook((XMPLA, XMPLB, EURUSD, XMPLX, *XMPLD))

    def history(self, tape: Tape | None = None, book: ContractBook | None = None) -> History:
        return History(tape or self.tape(), book or self.book(), self.frames)


def make_sample(
    day: dt.date,
    seed: int = 1,
    *,
    sessions: int = 1,
    minute_days: int = 3,
    daily_days: int = 60,
    truth: Truth | None = None,
) -> Sample:
    """``sessions`` trading days from ``day`` on at 1 second, before them ``minute_days`` sessions at 1 minute and
    ``daily_days`` daily bars. Raises CalendarError where the exchange is closed on ``day``, which names the next
    session.
    """
    ExchangeCalendar(XMPLA.calendar).close_of(day)  # raises
    truth = truth or Truth()
    hours = hours_of(XMPLA)
    first = hours.between(day, day).start
    live = [hours.session(number) for number in range(first, first + sessions)]
    sample = Sample(tuple(session.day for session in live), truth)
    level, rate = np.log(truth.price), np.log(1.10)
    seconds: dict[Instrument, list[pd.DataFrame]] = {XMPLA: [], XMPLB: [], EURUSD: []}
    quotes: dict[Instrument, list[pd.DataFrame]] = {XMPLA: [], XMPLB: [], EURUSD: []}
    for session in live:
        rng = np.random.default_rng((seed, session.day.toordinal()))
        walk, spread = _day(rng, session, 1, truth)
        price = np.exp(level + walk)
        level += walk[-1] + rng.normal(0.0, truth.gap)
        for instrument, mid in ((XMPLB, price), (XMPLA, truth.intercept + truth.hedge_ratio * price + spread)):
            trades, book = _traded(rng, session, mid)
            seconds[instrument].append(trades)
            quotes[instrument].append(book)
        quoted, rate = _pair(rng, session, rate)
        quotes[EURUSD].append(quoted)
    sample.bars = {instrument: pd.concat(parts) for instrument, parts in seconds.items() if parts}
    sample.quotes = {instrument: pd.concat(parts) for instrument, parts in quotes.items()}
    _lead_up(sample, seed, first, minute_days, daily_days)
    return sample


def _lead_up(sample: Sample, seed: int, first: int, minute_days: int, daily_days: int) -> None:
    """Minute and daily bars that end where the first day opens."""
    truth, hours = sample.truth, hours_of(XMPLA)
    level, rate = np.log(truth.price), np.log(1.10)
    parts: dict[Instrument, dict[int, list[pd.DataFrame]]] = {
        each: {60: [], 86_400: []} for each in (XMPLA, XMPLB, EURUSD)
    }
    for back in range(1, max(minute_days, daily_days) + 1):
        session = hours.session(first - back)
        rng = np.random.default_rng((seed, session.day.toordinal()))
        walk, spread = _day(rng, session, 60, truth)
        level -= walk[-1] + rng.normal(0.0, truth.gap)
        price = np.exp(level + walk)
        drift = np.cumsum(rng.normal(0.0, 0.004 / np.sqrt(len(walk)), len(walk)))
        rate -= drift[-1]
        mids = {
            XMPLB: price,
            XMPLA: truth.intercept + truth.hedge_ratio * price + spread,
            EURUSD: np.exp(rate + drift),
        }
        for instrument, mid in mids.items():
            minutes = _minutes(rng, session, np.round(mid / instrument.min_tick) * instrument.min_tick, instrument)
            if back <= minute_days:
                parts[instrument][60].append(minutes)
            if back <= daily_days:
                parts[instrument][86_400].append(_daily(session, minutes))
    sample.frames = {
        instrument: {seconds: pd.concat(frames[::-1]) for seconds, frames in by_size.items() if frames}
        for instrument, by_size in parts.items()
    }


def _day(rng: np.random.Generator, session: Session, seconds: int, truth: Truth) -> tuple[Floats, Floats]:
    """Log price of XMPLB since the open and the spread, ``INNER`` values for each bar of ``seconds``."""
    count = (session.close - session.open) // (seconds * SECOND) * INNER
    walk = np.cumsum(rng.normal(0.0, truth.volatility / np.sqrt(count), count))
    phi = 0.5 ** (seconds / INNER / truth.half_life)
    shocks = rng.normal(0.0, truth.spread_std * np.sqrt(1.0 - phi**2), count)
    shocks[0] = rng.normal(0.0, truth.spread_std)  # the spread is stationary: a night is many half-lives
    spread = list(itertools.accumulate(shocks.tolist(), lambda before, shock: phi * before + shock))
    return walk, np.array(spread)


def _traded(rng: np.random.Generator, session: Session, mid: Floats) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars of one second and the quotes at their ends."""
    count = len(mid) // INNER
    ends = session.open + np.arange(1, count + 1) * SECOND
    busy = _u_shape(count)
    half = TICK * (0.4 + 0.5 * rng.random(count) * busy / busy.mean())
    halves = np.repeat(half, INNER)
    bid, ask = np.floor((mid - halves) / TICK + 1e-9), np.ceil((mid + halves) / TICK - 1e-9)
    prices = (np.where(rng.random(len(mid)) < 0.5, bid, ask) * TICK).reshape(count, INNER)
    trades = rng.poisson(2.2 * busy)
    trades[[0, -1]] += 40
    volume = 100 * trades + rng.integers(0, 100, count) * (trades > 0)
    volume[[0, -1]] *= 20  # auctions
    frame = _frame(prices, volume, trades, ends)
    quotes = pd.DataFrame(
        {
            "bid": np.round(bid[INNER - 1 :: INNER] * TICK, 2),
            "ask": np.round(ask[INNER - 1 :: INNER] * TICK, 2),
            "bid_size": 100.0 * (1 + rng.poisson(6.0, count)),
            "ask_size": 100.0 * (1 + rng.poisson(6.0, count)),
        },
        index=index_of(ends),
    )
    return frame[trades > 0], quotes


def _minutes(rng: np.random.Generator, session: Session, prices: Floats, instrument: Instrument) -> pd.DataFrame:
    count = len(prices) // INNER
    ends = session.open + np.arange(1, count + 1) * 60 * SECOND
    trades = rng.poisson(60 * 2.2 * _u_shape(count)) if instrument.sec_type == "STK" else np.zeros(count, dtype=int)
    volume = 100 * trades + rng.integers(0, 100, count) * (trades > 0)
    return _frame(prices.reshape(count, INNER), volume, trades, ends, digits=2 if instrument.sec_type == "STK" else 5)


def _daily(session: Session, minutes: pd.DataFrame) -> pd.DataFrame:
    volume = float(minutes["volume"].sum())
    worth = float((minutes["wap"] * minutes["volume"]).sum())
    row = {
        "open": minutes["open"].iloc[0],
        "high": minutes["high"].max(),
        "low": minutes["low"].min(),
        "close": minutes["close"].iloc[-1],
        "volume": volume,
        "wap": worth / volume if volume else minutes["close"].iloc[-1],
        "count": int(minutes["count"].sum()),
    }
    return pd.DataFrame([row], index=pd.DatetimeIndex([session.day]).tz_localize("UTC"))


def _pair(rng: np.random.Generator, session: Session, rate: float) -> tuple[pd.DataFrame, float]:
    """Quotes of EUR.USD every 5 seconds of the extended session, and the log rate at its end."""
    ends = session.start + np.arange(1, (session.end - session.start) // (5 * SECOND) + 1) * 5 * SECOND
    walk = rate + np.cumsum(rng.normal(0.0, 0.004 / np.sqrt(len(ends)), len(ends)))
    ticks = np.round(np.exp(walk) / EURUSD.min_tick)
    frame = pd.DataFrame(
        {
            "bid": np.round(ticks * EURUSD.min_tick, 5),
            "ask": np.round((ticks + rng.integers(1, 3, len(ends))) * EURUSD.min_tick, 5),
            "bid_size": 500_000.0 * rng.integers(1, 9, len(ends)),
            "ask_size": 500_000.0 * rng.integers(1, 9, len(ends)),
        },
        index=index_of(ends),
    )
    return frame, float(walk[-1])


def _frame(prices: Floats, volume: Moments, trades: Moments, ends: Moments, digits: int = 2) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "open": np.round(prices[:, 0], digits),
            "high": np.round(prices.max(axis=1), digits),
            "low": np.round(prices.min(axis=1), digits),
            "close": np.round(prices[:, -1], digits),
            "volume": volume.astype(np.float64),
            "wap": np.round(prices.mean(axis=1), digits + 4),
            "count": trades,
        },
        index=index_of(ends),
    )


def _u_shape(count: int) -> Floats:
    """Activity over a session, mean 1: some three times as much at its ends as in its middle."""
    middle = np.linspace(-1.0, 1.0, count)
    shape: Floats = 0.55 + 1.6 * middle**4
    return shape / float(shape.mean())
