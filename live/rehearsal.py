"""The rehearsal: a live session on the paper gateway within the process, with no account and no network.

It plays the generated day, or one of the catalog for settings that trade its symbols.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from core.calendar import desk_calendar
from core.clock import Clock, SystemClock
from core.config import load_settings
from core.errors import SessionError
from core.settings import Settings
from gateway import Gateway
from gateway.data.clock import AcceleratedClock
from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape
from gateway.faults import load
from gateway.gateway import SAMPLE_DAY, Speed
from gateway.market import Accounts
from live.checks import check_settings
from live.feed import LiveData
from live.places import REHEARSALS
from live.session import START_SECONDS, LiveSession, Tell
from stores import StoreSettings

FILE = "rehearsal.toml"
ACCOUNT = "DU1234567"
AFTER_CLOSE = dt.timedelta(minutes=2)
REAL_PACE = 1.0
LOOK_SECONDS = 0.02  # real ones, between two looks whether a session is ready
SYMBOLS = frozenset({XMPLA.symbol, XMPLB.symbol})


def rehearsal_settings(overrides: Sequence[str] = ()) -> Settings:
    """The settings that come with the program."""
    with resources.as_file(resources.files("live").joinpath(FILE)) as file:
        return load_settings(file, overrides)


class Stage(Protocol):
    """What a gateway plays instead of the generated day."""

    @property
    def tape(self) -> Tape: ...

    @property
    def book(self) -> ContractBook: ...

    @property
    def history(self) -> History: ...

    @property
    def day(self) -> dt.date: ...

    @property
    def start(self) -> dt.datetime: ...


def day_of(stage: Stage | None) -> dt.date:
    """The session that is played."""
    return stage.day if stage is not None else SAMPLE_DAY


def begin_of(settings: Settings, stage: Stage | None) -> dt.datetime:
    """When the day begins that is played, UTC: with the open of its exchange, or its data where they begin later."""
    calendar = desk_calendar(settings)
    opens, _ = calendar.hours_of(calendar.session_numbers(pd.DatetimeIndex([calendar.close_of(day_of(stage))])))
    begin: dt.datetime = opens[0].to_pydatetime()
    return begin if stage is None else max(begin, stage.start)


def check_rehearsal(settings: Settings, stage: Stage | None, faults: Sequence[str]) -> None:
    """Whether there can be such a rehearsal.

    Raises SessionError for settings that cannot be traded, trade other instruments than there are, or name another
    account, and FaultScriptError for a fault that there is not.
    """
    check_settings(settings)
    for fault in faults:
        load(fault)
    if settings.live.account not in ("", ACCOUNT):
        raise SessionError(
            f"{settings.name} names the account {settings.live.account}, and a rehearsal trades {ACCOUNT}, which the "
            f"paper gateway has made; rehearse with --set live.account={ACCOUNT}"
        )
    others = sorted(set(settings.traded_symbols) - SYMBOLS)
    if others and stage is None:
        raise SessionError(
            f"the rehearsal has {' and '.join(sorted(SYMBOLS))} alone, and {settings.name} trades {', '.join(others)}; "
            f'with data.source = "catalog" it plays a day of your own bars'
        )


@contextmanager
def rehearsal(
    settings: Settings,
    *,
    stage: Stage | None = None,
    speed: Speed = "max",
    until: dt.datetime | None = None,
    faults: Sequence[str] = (),
    tell: Tell = lambda text: None,
    marked: Callable[[dt.datetime, Any], None] | None = None,
) -> Iterator[tuple[LiveSession, Gateway]]:
    """A session that is ready to ``run``, and its gateway, which runs. It stops by itself after the day.

    At a speed beyond 1 the time goes on as the real one does until the session awaits its first bar, so that connecting
    and warming up take seconds of the minute before the open, and nothing of the day.

    Raises what ``check_rehearsal`` does.
    """
    check_rehearsal(settings, stage, faults)
    close = desk_calendar(settings).close_of(day_of(stage))
    state = _folder(Path(settings.paths.state) / REHEARSALS)
    changed = settings.model_copy(update={"paths": settings.paths.model_copy(update={"state": str(state)})})
    accounts = Accounts({ACCOUNT: settings.account.capital})
    if stage is None:
        made = Gateway.sample(speed=speed, faults=faults, accounts=accounts)
    else:
        made = Gateway(
            stage.tape, stage.book, stage.history, start=stage.start, speed=speed, faults=faults, accounts=accounts
        )  # fmt: skip
    clock = made.tws.clock
    if isinstance(clock, AcceleratedClock):
        clock.run_at(min(clock.factor, REAL_PACE))
    with made as gateway:
        session = LiveSession(
            changed,
            store=rehearsal_store(gateway, settings),
            clock=clock,
            lockstep=speed == "max",
            until=until or close + AFTER_CLOSE,
            tell=tell,
            marked=marked,
        )
        with _hastened(clock, session):
            yield session, gateway


@contextmanager
def _hastened(clock: Clock, session: LiveSession) -> Iterator[None]:
    """Let the clock go on at its speed once the session is ready."""
    if not isinstance(clock, AcceleratedClock):
        yield
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            if awaits_bars(session):
                clock.run_at(clock.factor)
                return

    watch = threading.Thread(target=look, name="halflife-rehearsal", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def awaits_bars(session: LiveSession) -> bool:
    """Whether the graph has had all bars of before the start. May be asked in any thread."""
    if not session.is_trading or session.broker is None:
        return False
    feeds = [data for data in session.broker.cerebro.datas if isinstance(data, LiveData)]
    return not any(data.hub.desk.is_warm for data in feeds)


def rehearsal_store(gateway: Gateway, settings: Settings) -> StoreSettings:
    """How to connect to a gateway; in lockstep nothing but the question for the time moves it."""
    client_id = settings.live.client_id
    if gateway.speed == "max":
        return StoreSettings(
            port=gateway.port, client_id=client_id, heartbeat=0.0, messages_per_second=0, resubscribe_after=0.0,
            start_timeout=START_SECONDS,
        )  # fmt: skip
    return StoreSettings(port=gateway.port, client_id=client_id, start_timeout=START_SECONDS)


def _folder(below: Path) -> Path:
    stamp = SystemClock().now()
    place, number = below / f"{stamp:%Y%m%dT%H%M%SZ}", 1
    while place.exists():
        number += 1
        place = below / f"{stamp:%Y%m%dT%H%M%SZ}-{number}"
    return place
