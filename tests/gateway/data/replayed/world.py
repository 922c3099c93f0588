"""Small tapes, and requests for what is on them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.sample import XMPLA
from gateway.data.streams import Streams
from gateway.data.tape import Tape
from gateway.model import Instrument, Values

NEW_YORK = ZoneInfo("America/New_York")


def new_york(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(dt.UTC)


def frame_of(rows: list[tuple[Any, ...]], seconds: int = 1) -> pd.DataFrame:
    """Rows (start in New York, open, high, low, close, volume) as a frame that is stamped with the ends."""
    ends = pd.DatetimeIndex([new_york(row[0]) + dt.timedelta(seconds=seconds) for row in rows])
    columns = ["open", "high", "low", "close", "volume"]
    return pd.DataFrame([row[1 : 1 + len(columns)] for row in rows], columns=columns, index=ends).astype(float)


def world(
    bars: dict[Instrument, pd.DataFrame] | None = None,
    quotes: dict[Instrument, pd.DataFrame] | None = None,
    frames: Any = None,
    seconds: int = 1,
    **options: Any,
) -> tuple[Tape, History, Streams]:
    """A tape with its history and streams."""
    tape = Tape(bars, quotes, bar_seconds=seconds)
    book = ContractBook(dict.fromkeys((*tape.instruments, *(frames or {}))))
    history = History(tape, book, frames, **options)
    return tape, history, Streams(tape, history, book)


def asked(instrument: Instrument = XMPLA, **changes: Any) -> Values:
    """A request of history or streams for one instrument."""
    return {
        "reqId": 7,
        "contract": {"conId": instrument.con_id},
        "endDateTime": "",
        "durationStr": "1 D",
        "barSizeSetting": "1 min",
        "whatToShow": "TRADES",
        "useRTH": True,
        "formatDate": 1,
        "keepUpToDate": False,
    } | changes


def fed(
    streams: Streams, tape: Tape, start: dt.datetime, end: dt.datetime | None = None
) -> list[tuple[Any, str, Values]]:
    """All that the streams say over the steps after ``start``."""
    return [answer for step in tape.steps(start, end) for answer in streams.feed(step)]


def told(answers: list[tuple[Any, str, Values]], name: str, req_id: int = 7) -> list[Values]:
    """The answers of one name to one request."""
    return [values for _, kind, values in answers if kind == name and values["reqId"] == req_id]
