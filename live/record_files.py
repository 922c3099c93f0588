"""Records of days on the disk: which there are, and one of them read."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from analyzers.wiring import utc_index
from core.errors import RecordError
from core.explain import explain
from core.settings import Settings
from engine.venue import Carried
from live.record_lines import Turn, carried_of, read_line
from live.recording import FORMAT, START, TURNS

_READS = (1, FORMAT)  # in the first a line is a whole turn


@dataclass(frozen=True)
class Record:
    """A day, or the part of it that one run traded, as it was recorded. ``about``: the rest of ``start.json``.

    ``is_whole``: nothing is missing of its last turn. So it is where the process was not killed, nor stopped on a bar.
    """

    folder: Path
    settings: Settings
    begin: dt.datetime | None  # first bar that counts, UTC
    carried: tuple[Carried, ...]
    about: dict[str, Any]
    turns: list[Turn]
    is_whole: bool

    def frames(self) -> dict[str, pd.DataFrame]:
        """Symbol -> the bars that it had before ``begin``, from the data of whichever unit has them."""
        rows: dict[str, dict[float, tuple[float, ...]]] = {}
        for turn in self.turns:
            for name, (number, *values) in turn.bars.items():
                rows.setdefault(name.rpartition("/")[2], {})[number] = tuple(values)
        frames = {}
        for symbol, bars in rows.items():
            index = utc_index(list(bars))
            frame = pd.DataFrame(list(bars.values()), index=index, columns=_COLUMNS, dtype=float)
            before = frame if self.begin is None else frame[frame.index < self.begin]
            frames[symbol] = before if len(before) else frame
        return frames


_COLUMNS = ["open", "high", "low", "close", "volume"]


def records_of(days: Path, day: str) -> list[Path]:
    """Folders of what was recorded of the session of ``day`` (``2024-06-12``), one for each run, or of the run that
    ``day`` names as a folder.

    Raises RecordError where there is none.
    """
    direct = Path(day)
    if (direct / START).is_file():
        return [direct]
    if direct.is_dir() and (found := _runs(direct)):
        return found
    found = _runs(days / day)
    if not found:
        known = sorted({file.parent.parent.name for file in days.glob(f"*/*/{START}")})
        there = f"there are {', '.join(known)}" if known else "`halflife live` makes one with live.record = true"
        raise RecordError(f"{days / day}: no record of a day; {there}")
    return found


def _runs(day: Path) -> list[Path]:
    """In the order in which they began: a folder names the time of the day, which may be that of the day before."""
    return [folder for _, folder in sorted((_started(file), file.parent) for file in day.glob(f"*/{START}"))]


def _started(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get("started", ""))
    except (OSError, ValueError, AttributeError):
        return ""  # read_record says what is wrong with it


def read_record(folder: Path) -> Record:
    """Raises RecordError for a record that is damaged or newer than this program."""
    about: dict[str, Any] = {}
    place = folder / START
    try:
        about = json.loads(place.read_text(encoding="utf-8"))
        if about.get("format") not in _READS:
            raise RecordError(
                f"{place} has format {about.get('format')}, this halflife reads up to {FORMAT}; replay it with the "
                f"halflife that wrote it ({about.get('code_version', 'unknown')})"
            )
        settings = _settings(about["settings"], place)
        begin = dt.datetime.fromisoformat(about["begin"]) if about.get("begin") else None
        carried = carried_of(about["carried"])
        place = folder / TURNS
        turns, is_whole = _turns(place)
        is_whole = is_whole or about["format"] == 1
    except RecordError:
        raise
    except OSError as error:
        raise RecordError(f"{place}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{place}: damaged ({type(error).__name__}: {error}); restore it from a backup") from error
    return Record(folder, settings, begin, carried, about, turns, is_whole)


def _settings(values: Any, place: Path) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problem.text for problem in explain(error, Settings, values))
        raise RecordError(f"{place}: its settings are damaged ({problems}); restore it from a backup") from error


def _turns(place: Path) -> tuple[list[Turn], bool]:
    """All turns, and whether nothing is missing of the last. A line may be half, where the process was killed."""
    *lines, _ = place.read_text(encoding="utf-8").split("\n")
    turns: list[Turn] = []
    digest = hashlib.sha256()
    for number, line in enumerate(lines, start=1):
        try:
            end = read_line(line, turns)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number}: {error}") from error
        if end is not None:
            if number < len(lines):
                raise ValueError(f"line {number} is the end, and more lines follow")
            if end.sha256 != digest.hexdigest():
                raise ValueError("its lines are not those that were written: their digest is another one")
            return turns, end.is_whole
        digest.update(f"{line}\n".encode())
    return turns, False
