"""Where a feed stands, and whether a position may be entered by it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum

import backtrader as bt

from core.settings import LiveSettings
from live.line import Line
from stores.events import ConnectionState, StreamState

_SECOND = dt.timedelta(seconds=1)
REFUSED_FOR = 900.0  # seconds after which a stream that IBKR refuses is asked for again
_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)
DOWN = frozenset({ConnectionState.DISCONNECTED, ConnectionState.CONNECTING, ConnectionState.STOPPED})


class Status(IntEnum):
    """The statuses of a backtrader feed, with backtrader's numbers."""

    CONNECTED = bt.feed.DataBase.CONNECTED
    DISCONNECTED = bt.feed.DataBase.DISCONNECTED
    CONNBROKEN = bt.feed.DataBase.CONNBROKEN
    DELAYED = bt.feed.DataBase.DELAYED
    LIVE = bt.feed.DataBase.LIVE
    NOTSUBSCRIBED = bt.feed.DataBase.NOTSUBSCRIBED
    UNKNOWN = bt.feed.DataBase.UNKNOWN

    @property
    def is_bad(self) -> bool:
        """Whether a person should know."""
        return self in (Status.DISCONNECTED, Status.CONNBROKEN, Status.NOTSUBSCRIBED, Status.UNKNOWN)


@dataclass(slots=True)
class Stream:
    """A subscription as the hub sees it. Times are of the clock, UTC."""

    handle: int = 0
    state: StreamState = StreamState.ASKED
    why: str = ""
    paused: str = ""  # IBKR's text while another session has the data
    is_late: bool = False  # the last step that was delivered came late
    told: Status | None = None
    since: dt.datetime = _LONG_AGO  # when it was subscribed, or a bar came last
    tried: dt.datetime = _LONG_AGO  # when it was subscribed anew because of its silence, or refused
    tries: int = 0

    def begin(self, now: dt.datetime) -> None:
        self.since = now

    def heard(self, now: dt.datetime) -> bool:
        """A bar has come; whether it was quiet before."""
        was_quiet = bool(self.tries or self.paused)
        self.since, self.tries, self.paused = now, 0, ""
        return was_quiet

    def changed(self, state: StreamState, why: str, now: dt.datetime) -> None:
        """IBKR, or the loss of something, has changed it."""
        if StreamState.NOT_SUBSCRIBED in (state, self.state):  # refused, or not any more: silence counts from now on
            self.since = self.tried = now
            self.tries = 0
        self.state = state
        if why or state is StreamState.LIVE:
            self.why = why
        if state is StreamState.ASKED:
            self.since = max(self.since, now) if not self.tries else self.since

    def silence(self, now: dt.datetime) -> float:
        """Seconds since a bar came."""
        return (now - self.since).total_seconds()

    def is_silent(self, now: dt.datetime, opened: dt.datetime, patience: float) -> bool:
        """Whether nothing has come for longer than ``patience`` seconds of a session that opened at ``opened``."""
        return (now - max(self.since, opened)).total_seconds() > patience

    def may_try(self, now: dt.datetime, patience: float) -> bool:
        """Whether it is time to subscribe anew; counts it. The pauses double up to a minute."""
        if now < self.tried + min(patience * 2.0**self.tries, max(60.0, patience)) * _SECOND and self.tries:
            return False
        self.tried, self.tries = now, self.tries + 1
        return True

    def may_ask(self, now: dt.datetime) -> bool:
        """Whether it is time to ask again for what IBKR refuses; notes that it is done."""
        if now < self.tried + REFUSED_FOR * _SECOND:
            return False
        self.tried = now
        return True


@dataclass(slots=True)
class Member:
    """An instrument of the hub: what is known of its bars, and its stream."""

    line: Line
    stream: Stream
    attempts: int = 0  # of history, in a row, that failed
    again: int = 0  # answers of history in a row that lacked bars
    turn: int = 0  # counts requests: only the answer to the last one is heard


def status_of(
    line: Line, stream: Stream, connection: ConnectionState, now: dt.datetime, patience: dt.timedelta, *,
    is_closed: bool, is_warm: bool,
) -> Status:  # fmt: skip
    """The status of one feed. ``patience``: after its stamp a bar may be missing for so long."""
    if is_closed or connection in DOWN:
        return Status.DISCONNECTED
    if connection is ConnectionState.SYNCHRONISING:
        return Status.CONNECTED
    if stream.state is StreamState.NOT_SUBSCRIBED:
        return Status.NOTSUBSCRIBED
    if connection is ConnectionState.BROKEN or stream.state is StreamState.BROKEN or stream.paused or stream.tries:
        return Status.CONNBROKEN
    if stream.state is StreamState.ENDED:
        return Status.UNKNOWN
    if stream.state is not StreamState.LIVE or is_warm or stream.is_late or line.next + patience < now:
        return Status.DELAYED
    return Status.LIVE


def blind_reason(
    symbol: str, line: Line, stream: Stream, connection: ConnectionState, now: dt.datetime, live: LiveSettings,
    patience: dt.timedelta, silence: float, *, is_closed: bool,
) -> str:  # fmt: skip
    """Why no position should be entered now; empty: nothing speaks against it. ``silence``: seconds without a word
    from the stream that mean nothing."""
    said = f" ({stream.why})" if stream.why else ""
    if is_closed:
        return f"{symbol}: the feed was closed"
    if connection is not ConnectionState.READY:
        return f"{symbol}: the connection is {connection}{said}"
    if stream.state is StreamState.NOT_SUBSCRIBED:
        return f"{symbol}: its market data is not subscribed{said}"
    if stream.state is StreamState.DELAYED and not live.delayed_data:
        return f"{symbol}: IBKR sends delayed data{said}; live.delayed_data = true allows entries on it"
    if stream.paused:
        return f"{symbol}: another session has the market data ({stream.paused})"
    if stream.state not in (StreamState.LIVE, StreamState.DELAYED):
        return f"{symbol}: its stream is {stream.state}{said}"
    opened = line.grid.session(now)[0]
    if stream.tries or (line.grid.is_open(now) and stream.is_silent(now, opened, silence)):
        return f"{symbol}: no bar for {stream.silence(now):.0f} s"
    if line.next + patience < now:
        why = f" ({line.failing})" if line.failing else ""
        return f"{symbol}: bars are missing since {line.known:%Y-%m-%d %H:%M:%S} UTC{why}"
    if stream.is_late:
        return f"{symbol}: its last bar came late"
    if line.doubt.why:
        return f"{symbol}: {line.doubt.why}"
    quiet = live.stale_seconds + live.grace_seconds + line.grid.seconds
    if line.grid.bar != "1d" and line.grid.is_open(now):
        since = max(opened, line.traded or opened)
        if (now - since).total_seconds() > quiet:
            return f"{symbol}: nothing was traded for {(now - since).total_seconds():.0f} s"
    return ""
