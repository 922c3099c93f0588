"""The rehearsal: a live session on the paper gateway within the process, with generated data and no account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from core.calendar import ExchangeCalendar
from core.clock import SystemClock
from core.config import load_settings
from core.errors import SessionError
from core.settings import Settings
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.gateway import SAMPLE_DAY, Speed
from live.session import LiveSession, Tell
from stores import StoreSettings

FILE = "rehearsal.toml"
FOLDER = "rehearsals"  # in paths.state: each has a folder of its own, since each begins with a new account
AFTER_CLOSE = dt.timedelta(minutes=2)
SYMBOLS = frozenset({XMPLA.symbol, XMPLB.symbol})


def rehearsal_settings(overrides: Sequence[str] = ()) -> Settings:
    """The settings that come with the program."""
    with resources.as_file(resources.files("live").joinpath(FILE)) as file:
        return load_settings(file, overrides)


@contextmanager
def rehearsal(
    settings: Settings,
    *,
    speed: Speed = "max",
    until: dt.datetime | None = None,
    faults: Sequence[str] = (),
    tell: Tell = lambda text: None,
    marked: Callable[[dt.datetime, Any], None] | None = None,
) -> Iterator[tuple[LiveSession, Gateway]]:
    """A session that is ready to ``run``, and its gateway, which runs. It stops by itself after the sample's day.

    Raises SessionError for settings that trade other instruments than those of the sample.
    """
    others = sorted(set(settings.wanted_symbols) - SYMBOLS)
    if others:
        raise SessionError(
            f"the rehearsal has {' and '.join(sorted(SYMBOLS))} alone, and {settings.name} wants {', '.join(others)}; "
            f"for days of your own catalog run `halflife gateway --data ...` and `halflife live` beside it"
        )
    close = ExchangeCalendar(XMPLA.calendar).close_of(SAMPLE_DAY)
    state = _folder(Path(settings.paths.state) / FOLDER)
    changed = settings.model_copy(update={"paths": settings.paths.model_copy(update={"state": str(state)})})
    with Gateway.sample(speed=speed, faults=faults) as gateway:
        session = LiveSession(
            changed,
            store=rehearsal_store(gateway, settings),
            clock=gateway.tws.clock,
            lockstep=speed == "max",
            until=until or close + AFTER_CLOSE,
            tell=tell,
            marked=marked,
        )
        yield session, gateway


def rehearsal_store(gateway: Gateway, settings: Settings) -> StoreSettings:
    """How to connect to a gateway; in lockstep nothing but the question for the time moves it."""
    client_id = settings.live.client_id
    if gateway.speed == "max":
        return StoreSettings(
            port=gateway.port, client_id=client_id, heartbeat=0.0, messages_per_second=0, resubscribe_after=0.0
        )
    return StoreSettings(port=gateway.port, client_id=client_id)


def _folder(below: Path) -> Path:
    stamp = SystemClock().now()
    place, number = below / f"{stamp:%Y%m%dT%H%M%SZ}", 1
    while place.exists():
        number += 1
        place = below / f"{stamp:%Y%m%dT%H%M%SZ}-{number}"
    return place
