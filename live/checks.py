"""What has to be true before a live session sends anything: a sentence with the cure where it is not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from books.qualification import Qualification, require_qualification
from core.calendar import ExchangeCalendar
from core.errors import QualificationError, RealMoneyError, SessionError
from core.settings import Settings
from engine.legs import legs_without_stops
from live.backfill import SIZES
from stores.events import AccountKind

MOST_OFF = dt.timedelta(hours=1)  # of the machine's clock; less is put right, and told
QUALIFICATION = "qualification.toml"  # in paths.state, where the settings name no other


def check_settings(settings: Settings) -> None:
    """Raise SessionError, with every reason, for settings that can be backtested and not traded."""
    reasons = objections_to_bars(settings)
    if settings.execution == "next_close":
        reasons.append(
            'execution = "next_close": a bar that is over cannot be traded at its own close any more; test with '
            '"next_open", and trade that'
        )
    for symbol in settings.traded_symbols:
        instrument = settings.instruments[symbol]
        if instrument.kind == "index":
            reasons.append(f"{symbol} is an index, which nobody can buy; trade a stock or an ETF that follows it")
        elif not instrument.tradable_eu:
            reasons.append(f"{symbol} has no KID, so an EU retail account may not buy it; leave it out")
    if settings.costs.fx.policy == "sweep":
        reasons.append(
            'costs.fx.policy = "sweep": IBKR converts no balances by itself, so book and account would drift apart; '
            'set "borrow"'
        )
    if not settings.risk.legs.accept_without_stops and (bare := legs_without_stops(settings)):
        reasons.append(
            f"{', '.join(bare)}: the legs have no disaster stop at the broker (disaster_stop = 0); set one, or accept "
            "it with risk.legs.accept_without_stops = true"
        )
    if reasons:
        raise SessionError(f"{settings.name} cannot be traded live: {'; '.join(reasons)}")


def objections_to_bars(settings: Settings) -> list[str]:
    """Why the bars of the settings cannot be had live, each with the cure."""
    reasons: list[str] = []
    if settings.data.bar not in SIZES:
        wanted = ", ".join(f'"{bar}"' for bar in SIZES)
        reasons.append(
            f'data.bar = "{settings.data.bar}": IBKR sends bars of 5 seconds at the finest; set one of {wanted}'
        )
    if settings.data.hours != "regular":
        reasons.append('data.hours = "all": orders and bars are those of regular hours; set "regular"')
    return reasons


def check_account(
    settings: Settings, account: str, kind: AccountKind, *, real_money: bool, today: dt.date
) -> Qualification | None:
    """Whether the account may be traded; a real one gives its qualification.

    ``kind`` is read from the account's own name. Raises RealMoneyError or QualificationError, with every reason, where
    it may not; and RealMoneyError where real money is expected and the account is a paper one.
    """
    if kind is AccountKind.PAPER:
        if real_money:
            raise RealMoneyError(
                f"--real-money was given, and {account} is a paper account; log in to the real one, or leave it out"
            )
        return None
    reasons: list[str] = []
    if settings.live.account != account:
        named = f'"{settings.live.account}"' if settings.live.account else "no account"
        reasons.append(f'the settings name {named}: write account = "{account}" into [live]')
    if not real_money:
        reasons.append("--real-money was not given")
    file = qualification_file(settings)
    found: Qualification | None = None
    try:
        found = require_qualification(file, settings, today)
    except QualificationError as error:
        if not reasons:
            raise
        reasons.append(str(error.args[0]))
    if reasons:
        raise RealMoneyError(
            f"{account} is a real-money account, and nothing was sent: {'; '.join(reasons)}. Or log in to the paper "
            f"account of the same user"
        )
    return found


def check_clock(ours: dt.datetime, offset: dt.timedelta) -> None:
    """Raise SessionError where IBKR's clock is ahead of ``ours`` (or behind it) by more than an hour."""
    if abs(offset) <= MOST_OFF:
        return
    raise SessionError(
        f"IBKR's clock is at {ours + offset:%Y-%m-%d %H:%M} UTC and this machine's at {ours:%Y-%m-%d %H:%M}, so "
        f"neither bars nor opening hours can be right; let the machine keep its time by NTP (a paper gateway that "
        f"plays another day is traded with `--clock tws`, or by `halflife live --rehearse`)"
    )


def qualification_file(settings: Settings) -> Path:
    return Path(settings.live.qualification or Path(settings.paths.state) / QUALIFICATION)


def closed_until(settings: Settings, now: dt.datetime) -> str:
    """A sentence on the exchanges that are closed now, and until when; "" where all are open."""
    closed: dict[tuple[str, dt.datetime], list[str]] = {}
    for symbol in settings.traded_symbols:
        calendar = ExchangeCalendar(settings.instruments[symbol].exchange)
        opens = next_open(calendar, now)
        if opens is not None:
            closed.setdefault((calendar.code, opens), []).append(symbol)
    sentences = [
        f"{code} is closed until {opens:%A %Y-%m-%d %H:%M} UTC ({', '.join(symbols)})"
        for (code, opens), symbols in closed.items()
    ]
    return "; ".join(sentences) + "; the session waits for it" if sentences else ""


def next_open(calendar: ExchangeCalendar, now: dt.datetime) -> dt.datetime | None:
    """The open that comes next, UTC; None while the exchange is open."""
    import pandas as pd

    moment = pd.DatetimeIndex([now])
    numbers = calendar.session_numbers(moment)
    opens, _ = calendar.hours_of(numbers)
    first = opens[0].to_pydatetime()
    return None if now >= first else first
