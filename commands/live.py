"""``halflife live``: the graph of the settings trades at Interactive Brokers. The work is in ``live``.

Exit codes: 0 stopped in order (Ctrl-C, SIGTERM, ``--until``, the end of a rehearsal); 2 an error that the user can
mend; 130 stopped at once by a second signal.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from commands import gateway_options
from commands.console import Debug, console, readable
from core.config import load_settings
from core.errors import SessionError, SettingsError
from core.settings import CATALOG, LoggingSettings, PathSettings, Settings
from core.signals import SIGNALS

if TYPE_CHECKING:
    from commands.gateway_data import Served
    from commands.live_console import LiveConsole
    from core.clock import Clock
    from gateway.gateway import Speed
    from live.session import LiveSession

LOGS = "logs"
DOUBLED_SECONDS = 1.0  # real ones: `timeout` and supervisors signal the process and its group, which is one wish
STOPPED = (
    "Stopped at once. Orders at the broker stay as they are; the journal has them, and the next start compares both."
)


def live(
    settings: Annotated[
        Path | None, typer.Argument(metavar="SETTINGS.toml", help="As for a backtest. --rehearse has its own.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Change one setting; may be repeated.")
    ] = None,
    real_money: Annotated[
        bool, typer.Option("--real-money", metavar="", help="Allow a real-money account that the settings name.")
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="HH:MM", help="Stop then: exchange's time, or an ISO time in UTC.", show_default=False
        ),
    ] = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", metavar="", help="On the paper gateway: no account, no network.")
    ] = False,
    speed: Annotated[
        str | None,
        typer.Option(
            "--speed",
            metavar="1|60|max",
            help="Of a rehearsal: 1 real time, 60 sixty times as fast.",
            show_default="max",
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            "--date", metavar="DAY", help="Of a rehearsal on your catalog: the session played.", show_default="the last"
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="SCENARIO", help="Of a rehearsal: what goes wrong.", show_default=False),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock",
            metavar="machine|tws",
            help="Whose time counts; tws: a paper gateway's that plays another day.",
            show_default="machine",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Trade the strategies of the settings at Interactive Brokers, through the TWS or IB Gateway that is logged in.

    Ctrl-C stops in order: entries are cancelled, positions keep their protective orders at the broker.
    """
    with readable(debug, STOPPED):
        if rehearse:
            if real_money:
                raise SessionError("a rehearsal has no real money; leave --real-money or --rehearse out")
            if clock is not None:
                raise SessionError("a rehearsal goes by its own gateway's time; leave --clock or --rehearse out")
            pace = gateway_options.speed_of(speed or "max")
            config = _rehearsal_settings(settings, set_ or [])
            _rehearse(config, pace, date, until, fault or [])
            return
        if settings is None:
            raise SessionError("give the settings to trade, or --rehearse, which needs none")
        if speed is not None or fault or date is not None:
            raise SessionError("--speed, --date and --fault are of a rehearsal; add --rehearse, or leave them out")
        by_tws = _goes_by_tws(clock, real_money)
        _trade(load_settings(settings, set_ or []), real_money, until, by_tws)


def _rehearsal_settings(settings: Path | None, overrides: list[str]) -> Settings:
    from live.rehearsal import rehearsal_settings

    return load_settings(settings, overrides) if settings is not None else rehearsal_settings(overrides)


def _goes_by_tws(clock: str | None, real_money: bool) -> bool:
    """``--clock``. Raises SettingsError for what is none, and SessionError where real money may be traded."""
    if clock not in (None, "machine", "tws"):
        raise SettingsError(f"--clock {clock!r} is none; give machine or tws")
    if clock == "tws" and real_money:
        raise SessionError("--clock tws is for paper accounts; let the machine keep its time by NTP, and leave it out")
    return clock == "tws"


def _trade(settings: Settings, real_money: bool, until: str | None, by_tws: bool) -> None:
    # Imported here: --help and a misspelt key need not wait for backtrader and pandas
    from commands.live_console import LiveConsole
    from core.calendar import desk_calendar
    from core.clock import SystemClock
    from core.logs import setup_logging
    from feeds import complete
    from live.session import LiveSession

    settings = complete(settings)
    with setup_logging(_quiet(settings), Path(settings.paths.state) / LOGS, name=f"live-{settings.name}"):
        shown = LiveConsole(console, _suffix(settings.paths.state))
        clock = _clock_of_tws(settings, shown) if by_tws else None
        now = (clock or SystemClock()).now()
        end = _moment(until, settings, now.astimezone(desk_calendar(settings).tz).date())
        if end is not None and end <= now:
            raise SettingsError(f"--until {until}: {end:%Y-%m-%d %H:%M} UTC is over")
        session = LiveSession(
            settings, real_money=real_money, clock=clock, until=end, tell=shown.tell, marked=shown.marked
        )
        _run(session, shown)


def _clock_of_tws(settings: Settings, shown: LiveConsole) -> Clock:
    """What could end the start without TWS is looked at first."""
    from live.checks import check_settings
    from live.places import refuse_second
    from live.session import store_settings
    from live.tws_clock import tws_clock

    check_settings(settings)
    refuse_second(settings.paths.state, settings.live.account)
    clock = tws_clock(store_settings(settings))
    shown.tell(f"the time is that of TWS: {clock.now():%Y-%m-%d %H:%M:%S} UTC")
    return clock


def _rehearse(settings: Settings, speed: Speed, date: str | None, until: str | None, faults: list[str]) -> None:
    from commands.live_console import LiveConsole
    from core.logs import setup_logging
    from feeds import complete
    from live.faults_told import what_struck
    from live.rehearsal import begin_of, check_rehearsal, day_of, rehearsal

    settings = complete(settings)
    with ExitStack() as opened:
        opened.enter_context(
            setup_logging(_quiet(settings), Path(settings.paths.state) / LOGS, name=f"live-{settings.name}")
        )
        stage = _stage(settings, date)
        check_rehearsal(settings, stage, faults)
        begin, day = begin_of(settings, stage), day_of(stage)
        end = _moment(until, settings, day)
        if end is not None and end <= begin:
            raise SettingsError(
                f"--until {until}: {end:%Y-%m-%d %H:%M} UTC is over before the day begins at {begin:%Y-%m-%d %H:%M}"
            )
        shown = LiveConsole(console)
        what = "generated data" if stage is None else "data of the catalog"
        shown.say(f"[bold]Rehearsal[/bold] on the paper gateway: {what} of {day}, no account, no network.")
        session, gateway = opened.enter_context(
            rehearsal(
                settings, stage=stage, speed=speed, until=end, faults=faults, tell=shown.tell, marked=shown.marked
            )
        )  # fmt: skip
        _run(session, shown)
        for sentence in what_struck(faults, gateway.struck()):
            shown.say(escape(sentence))
    assert session.places is not None  # it ran
    days = [str(day) for day in sorted(session.places.days.glob("*/*"))]
    shown.say(f"What it did once more, from its record: halflife replay {' '.join(days)}" if days else "")


def _stage(settings: Settings, date: str | None) -> Served | None:
    """A day of the catalog for settings that trade it; None: the generated day."""
    day = gateway_options.day_of(date)
    if settings.data.source != CATALOG:
        if day is not None:
            raise SessionError(
                '--date is of the catalog, and the generated day has its own; set data.source = "catalog"'
            )
        return None
    symbols = ",".join(settings.traded_symbols)
    return gateway_options.served_of(symbols, day, 1, None, 1, Path(settings.paths.catalog), None)


def _suffix(state: str) -> str:
    """What commands need where ``paths.state`` is not the usual folder."""
    return "" if state == PathSettings().state else f" --state {state}"


def _quiet(settings: Settings) -> LoggingSettings:
    """Warnings are told in sentences; on the console they would come twice."""
    given = settings.logging
    return given.model_copy(update={"console": "ERROR"}) if given.console == "WARNING" else given


def _run(session: LiveSession, shown: LiveConsole) -> None:
    for library in ("ib_async", "ib_insync"):  # what they log is told by the store, in sentences
        logging.getLogger(library).addHandler(logging.NullHandler())
    session.bus.subscribe(shown.heard)
    with _stops(session), shown.running():
        summary = session.run()
    shown.summary(summary)


@contextmanager
def _stops(session: LiveSession) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks the session to stop; one that comes later ends it at once (KeyboardInterrupt).

    What comes within ``DOUBLED_SECONDS`` of the first is the same one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[float] = []  # when the first one came, in seconds

    def answer(number: int, frame: FrameType | None) -> None:
        is_first, now = not asked, time.monotonic()
        if is_first:
            asked.append(now)
        elif now < asked[0] + DOUBLED_SECONDS:
            return
        if not is_first or not session.is_trading:
            raise KeyboardInterrupt
        why = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        # Told here, since the session may be waiting; the console may be in the middle of a line of its own
        os.write(2, f"{why}: stopping in order; once more, after a second, ends it at once.\n".encode())
        session.ask_stop(why)

    def late(number: int, frame: FrameType | None) -> None:
        """The session has stopped, and the other half of a doubled signal may still come."""
        if time.monotonic() >= asked[0] + DOUBLED_SECONDS:
            signal.signal(number, previous[signal.Signals(number)])
            signal.raise_signal(number)

    previous = {number: signal.signal(number, answer) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, late if asked else handler)


def _moment(until: str | None, settings: Settings, day: dt.date) -> dt.datetime | None:
    """``--until`` as a time in UTC; HH:MM is of ``day`` at the exchange. Raises SettingsError for what is none."""
    if until is None:
        return None
    from core.calendar import desk_calendar

    try:
        if len(until) <= 5:
            local = dt.datetime.combine(day, dt.time.fromisoformat(until), desk_calendar(settings).tz)
            return local.astimezone(dt.UTC)
        moment = dt.datetime.fromisoformat(until)
    except ValueError as error:
        raise SettingsError(f"--until {until!r} is no time; write HH:MM, or 2024-06-12T20:00 in UTC") from error
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
