"""The options of ``halflife gateway``, as it takes them. All raise SettingsError for what they cannot be."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from core.errors import SettingsError, did_you_mean
from core.settings import AccountSettings, PathSettings

if TYPE_CHECKING:
    from commands.gateway_data import Served
    from feeds.bars import BarSize
    from gateway.gateway import Speed

BARS = ("1s", "1m", "1h", "1d")
ACCOUNT, CAPITAL = "DU1234567", AccountSettings().capital  # that there is without others
MOST = 1e12  # EUR of an account


def day_of(text: str | None) -> dt.date | None:
    """``--date``."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--date {text!r} is no day; write YYYY-MM-DD, as 2024-06-12") from error


def speed_of(text: str) -> Speed:
    """``--speed``."""
    if text == "max":
        return "max"
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed <= 10_000.0:
        raise SettingsError(f"--speed {text!r} is none; give 1 for real time, 60 for sixty times as fast, or max")
    return speed


def accounts_of(texts: list[str], capital: float | None) -> dict[str, float]:
    """``--account`` and ``--capital``: name -> capital, EUR."""
    if not texts:
        return {ACCOUNT: _money("--capital", CAPITAL if capital is None else capital)}
    if capital is not None:
        raise SettingsError(f"--capital is of the one account that there is without --account; write {ACCOUNT}=EUR")
    accounts: dict[str, float] = {}
    for text in texts:
        name, _, money = text.partition("=")
        try:
            amount = float(money)
        except ValueError:
            amount = float("nan")
        if not re.fullmatch("[A-Za-z]{1,3}[0-9]{1,9}", name):
            raise SettingsError(f"--account {text!r}: {name!r} is no account; write NAME=EUR, as {ACCOUNT}=100000")
        if name in accounts:
            raise SettingsError(f"--account {text!r}: {name} is there already; give each account once")
        accounts[name] = _money(f"--account {text!r}", amount)
    return accounts


def _money(option: str, amount: float) -> float:
    if not 1.0 <= amount <= MOST:
        raise SettingsError(f"{option}: an account begins with EUR 1 to {MOST:,.0f}, written as 100000")
    return amount


def start_of(text: str | None, served: Served) -> dt.datetime:
    """``--time``: the moment at which the gateway begins, UTC."""
    if text is None:
        return served.start
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(served.tape.instruments[0].time_zone)
    if not re.fullmatch("([01]?[0-9]|2[0-3]):[0-5][0-9]", text):
        raise SettingsError(f"--time {text!r} is none; write HH:MM, as 09:30")
    hour, minute = text.split(":")
    clock = dt.time(int(hour), int(minute))
    start = dt.datetime.combine(served.day, clock, zone).astimezone(dt.UTC)
    if start >= served.tape.last:
        last = served.tape.last.astimezone(zone)
        raise SettingsError(
            f"--time {text} is not before the end of what is played, {last:%Y-%m-%d %H:%M:%S} {zone.key}"
        )
    return start


def served_of(
    data: str, day: dt.date | None, days: int, bar: str | None, seed: int, catalog: Path | None, quotes: str | None
) -> Served:
    """``--data`` and what belongs to it."""
    from commands import gateway_data

    if data == "sample":
        for option, value in (("--bar", bar), ("--catalog", catalog), ("--quotes", quotes)):
            if value is not None:
                raise SettingsError(
                    f"{option} is of the catalog, and the sample is generated; name symbols with --data"
                )
        return gateway_data.sample(day, days, seed)
    if bar is not None and bar not in BARS:
        raise SettingsError(f"--bar {bar!r} is none; give one of {', '.join(BARS)}")
    symbols = [symbol.strip() for symbol in data.split(",") if symbol.strip()]
    if not symbols:
        raise SettingsError("--data names no symbol; give some, as BAC,AIG, or sample")
    folder = catalog or Path(PathSettings().catalog)
    return gateway_data.catalog(folder, symbols, day, days, cast("BarSize | None", bar), _quotes(quotes, symbols))


def _quotes(text: str | None, symbols: list[str]) -> dict[str, str]:
    """Symbol -> the series that has its quotes."""
    found: dict[str, str] = {}
    for part in () if text is None else text.split(","):
        symbol, _, series = (each.strip() for each in part.partition("="))
        if not symbol or not series:
            raise SettingsError(f"--quotes {part!r} is none; write SYMBOL=SERIES, as BAC=BACQ")
        if symbol not in symbols:
            raise SettingsError(
                f"--quotes {part!r}: {symbol} is not among the symbols of --data{did_you_mean(symbol, symbols)}"
            )
        found[symbol] = series
    return found
