"""The lines of a day's record: what a venue was asked and what it said, as JSON that reads back to equal values.

A line begins a turn of Cerebro with the bars that it delivered; the lines after it go on with what happened at the
venue (``more``), each as it happened, so that a kill leaves what was done. The last line (``end``) has the digest of
those before; a process that was killed leaves none. ``Turn.bars``: data name -> ``(backtrader's day number, open, high,
low, close, volume)``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.orders import Refusal
from engine.venue import (
    Accepted,
    Carried,
    ChangeRefused,
    Charged,
    Corrected,
    Ended,
    Filled,
    Report,
    Resized,
    VenueOrder,
)

_TIMES: dict[type[Any], frozenset[str]] = {}  # class -> see _times
Bar = tuple[float, float, float, float, float, float]
REPORTS: dict[str, type[Report]] = {
    kind.__name__: kind for kind in (Accepted, Filled, Corrected, Charged, Resized, ChangeRefused, Ended)
}  # name in a line -> class


@dataclass(frozen=True, slots=True)
class Told:
    """An item of ``Venue.play``."""

    when: dt.datetime
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """``Venue.place``; ``refused``: the refusal and its detail, where nothing was sent."""

    orders: tuple[VenueOrder, ...]
    refused: tuple[Refusal, str] | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """``Venue.cancel``."""

    ref: int
    why: str


@dataclass(frozen=True, slots=True)
class Modified:
    """``Venue.modify``."""

    order: VenueOrder
    refused: tuple[Refusal, str] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """``Venue.why_no_entries``, where the answer was another one than the last time."""

    symbol: str
    why: str


@dataclass(frozen=True, slots=True)
class Rated:
    """Account currency for one unit of a currency, from here on."""

    currency: str
    rate: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The graph has failed; what follows in its turn is no decision of it. ``where``: file and line."""

    error: str
    text: str = ""
    where: str = ""

    def __str__(self) -> str:
        said = f" ({self.text})" if self.text else ""
        return f"{self.error}{said}{f' at {self.where}' if self.where else ''}"


Entry = Told | Placed | Cancelled | Modified | Asked | Rated | Failed


@dataclass(slots=True)
class Turn:
    """One turn of Cerebro. ``opens``: the venue was opened in it."""

    bars: dict[str, Bar] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    opens: bool = False

    def __bool__(self) -> bool:
        return bool(self.bars or self.entries or self.opens)


def to_line(turn: Turn, at: str = "") -> str:
    """One line of JSON, without its end. ``at``: the time of the bars, for a person who reads it."""
    values: dict[str, Any] = {"at": at} if at else {}
    if turn.opens:
        values["opens"] = True
    if turn.bars:
        values["bars"] = turn.bars
    if turn.entries:
        values["entries"] = [_entry_values(entry) for entry in turn.entries]
    return json.dumps(values, separators=(",", ":"), allow_nan=True)


def more_line(entries: Sequence[Entry]) -> str:
    """What happened next in the turn under way, as one line."""
    return json.dumps({"more": [_entry_values(entry) for entry in entries]}, separators=(",", ":"), allow_nan=True)


@dataclass(frozen=True, slots=True)
class End:
    """The last line. ``is_whole``: nothing is missing of the last turn. ``sha256``: of all lines before, with ends."""

    is_whole: bool
    sha256: str


def end_line(end: End) -> str:
    return json.dumps({"end": dataclasses.asdict(end)}, separators=(",", ":"))


def read_line(line: str, turns: list[Turn]) -> End | None:
    """Take a line into the turns of those before it, or give the end of the record.

    Raises ValueError, KeyError or TypeError for a line that is none.
    """
    values = json.loads(line)
    if not isinstance(values, dict):
        raise ValueError("it is not a turn, nor goes on with one")
    if "end" in values:
        return End(**values["end"])
    if "more" in values:
        entries = [_entry_of(each) for each in values["more"]]
        if not turns:
            raise ValueError("it goes on with a turn that has not begun")
        turns[-1].entries += entries
    else:
        turns.append(_turn_of(values))
    return None


_OF_A_TURN = frozenset({"at", "opens", "bars", "entries"})


def _turn_of(values: Mapping[str, Any]) -> Turn:
    if unknown := sorted(set(values) - _OF_A_TURN):
        raise ValueError(f"a turn has no {', '.join(unknown)}")
    bars = {
        name: typing.cast(Bar, tuple(float(value) for value in bar)) for name, bar in values.get("bars", {}).items()
    }
    if any(len(bar) != 6 for bar in bars.values()):
        raise ValueError("a bar has six numbers")
    return Turn(bars, [_entry_of(each) for each in values.get("entries", ())], values.get("opens", False))


def carried_values(carried: Sequence[Carried]) -> list[dict[str, Any]]:
    """As JSON holds it."""
    return [
        {
            "order": _values(each.order),
            "reports": [_report_values(report) for report in each.reports],
            "is_working": each.is_working,
        }
        for each in carried
    ]


def carried_of(values: Sequence[Mapping[str, Any]]) -> tuple[Carried, ...]:
    return tuple(
        Carried(
            _of(VenueOrder, each["order"]), tuple(_report_of(report) for report in each["reports"]), each["is_working"]
        )
        for each in values
    )


# -- entries ----------------------------------------------------------------------------------------------------------


def _entry_values(entry: Entry) -> dict[str, Any]:
    match entry:
        case Told():
            return {"told": entry.when.isoformat(), "reports": [_report_values(report) for report in entry.reports]}
        case Placed():
            return {"placed": [_values(order) for order in entry.orders], **_refused_values(entry.refused)}
        case Cancelled():
            return {"cancelled": entry.ref, "why": entry.why}
        case Modified():
            return {"modified": _values(entry.order), **_refused_values(entry.refused)}
        case Asked():
            return {"no_entries": entry.symbol, "why": entry.why}
        case Rated():
            return {"currency": entry.currency, "rate": entry.rate}
        case Failed():
            return {"failed": entry.error, "text": entry.text, "where": entry.where}


def _entry_of(values: Mapping[str, Any]) -> Entry:
    if "told" in values:
        return Told(dt.datetime.fromisoformat(values["told"]), tuple(_report_of(each) for each in values["reports"]))
    if "placed" in values:
        return Placed(tuple(_of(VenueOrder, each) for each in values["placed"]), _refused_of(values))
    if "cancelled" in values:
        return Cancelled(int(values["cancelled"]), values["why"])
    if "modified" in values:
        return Modified(_of(VenueOrder, values["modified"]), _refused_of(values))
    if "no_entries" in values:
        return Asked(values["no_entries"], values["why"])
    if "failed" in values:
        return Failed(values["failed"], values["text"], values["where"])
    return Rated(values["currency"], float(values["rate"]))


def _refused_values(refused: tuple[Refusal, str] | None) -> dict[str, Any]:
    return {} if refused is None else {"refused": [str(refused[0]), refused[1]]}


def _refused_of(values: Mapping[str, Any]) -> tuple[Refusal, str] | None:
    refused = values.get("refused")
    return None if refused is None else (Refusal(refused[0]), str(refused[1]))


def _report_values(report: Report) -> dict[str, Any]:
    return {"kind": type(report).__name__, **_values(report)}


def _report_of(values: Mapping[str, Any]) -> Report:
    kind = REPORTS[values["kind"]]
    return typing.cast(Report, _of(kind, {key: value for key, value in values.items() if key != "kind"}))


# -- dataclasses ------------------------------------------------------------------------------------------------------


def _values(record: Any) -> dict[str, Any]:
    """The fields that are not at their default, plain."""
    found: dict[str, Any] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if value != each.default:
            found[each.name] = value.isoformat() if isinstance(value, dt.datetime) else value
    return found


def _of(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Raises TypeError for fields that do not exist or are missing."""
    times = _times(kind)
    return kind(
        **{
            key: dt.datetime.fromisoformat(value) if key in times and value is not None else value
            for key, value in values.items()
        }
    )


def _times(kind: type[Any]) -> frozenset[str]:
    """Names of the fields that hold a moment."""
    if kind not in _TIMES:
        hints = typing.get_type_hints(kind)
        _TIMES[kind] = frozenset(name for name, hint in hints.items() if dt.datetime in _alternatives(hint))
    return _TIMES[kind]


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
