"""Out of the catalog: files that ``import`` reads back to equal bars."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from core.errors import FeedEmptyError, ResultsError, ResultsExistError
from core.progress import Progress
from feeds.adjusted_bars import adjusted_bars
from feeds.bars import PRICES, Adjustment
from feeds.catalog import Catalog, Series
from feeds.catalog.names import folder_name
from feeds.room.results import RoomResult, counted, listed, write_whole
from feeds.room.series import each, grouped

COMMANDS = "import.sh"
FileKind = Literal["csv", "parquet"]
KINDS: tuple[FileKind, ...] = ("csv", "parquet")
_HOW = {
    None: "adjusted as stored",
    "raw": "not adjusted",
    "split": "adjusted for splits",
    "total": "adjusted for splits and dividends",
}


@dataclass(frozen=True)
class ExportedFile:
    """One file that was written."""

    series: Series
    file: Path
    rows: int


@dataclass(frozen=True, repr=False, kw_only=True)
class Exported(RoomResult):
    """The files that were written."""

    folder: Path
    files: tuple[ExportedFile, ...] = ()
    adjust: Adjustment | None = None  # None: as stored
    repaired: bool = True

    columns: ClassVar[tuple[str, ...]] = ("symbol", "bar", "rows", "file")

    def rows(self) -> list[tuple[Any, ...]]:
        return [(one.series.symbol, one.series.bar, one.rows, str(one.file)) for one in self.files]

    def sentence(self) -> str:
        return (
            f"{counted(len(self.files), 'file')}, {sum(one.rows for one in self.files):,} bars, "
            f"{'repaired' if self.repaired else 'as they came'}, {_HOW[self.adjust]}."
        )

    def commands(self) -> list[str]:
        """What brings the files back as what they are, to be run in their folder: a command for each kind of them."""
        kinds = grouped(self.files, lambda one: _options(one.series, self.adjust))
        return [
            shlex.join(["halflife", "data", "import", *(one.file.name for one in files), *options])
            for options, files in kinds.items()
        ]


def export(
    catalog: Catalog,
    chosen: Sequence[Series],
    folder: Path,
    adjustment: Adjustment | None,
    *,
    repaired: bool,
    kind: FileKind,
    progress: Progress,
) -> Exported:
    """Write a file for each series. Raises ResultsError where the folder cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be made ({error.strerror or error}); choose another folder") from error
    if folder.resolve().is_relative_to(catalog.folder.resolve()):
        raise ResultsError(f"{folder} is in the catalog {catalog.folder}; choose a folder of its own")
    there = [name for name in (file_name(one, kind) for one in chosen) if (folder / name).exists()]
    if there:
        raise ResultsExistError(
            f"{folder} has {listed(there, 3)} already, and a file is never written over; move it away, or choose "
            "another folder"
        )
    files: list[ExportedFile] = []

    def write(one: Series) -> None:
        frame = adjusted_bars(catalog, one, adjustment, repaired=repaired).frame
        if frame.empty:
            raise FeedEmptyError(f"{one.symbol} {one.bar}: no bar is left to be written; take the repairs back")
        place = folder / file_name(one, kind)
        _write(place, one, frame, kind)
        files.append(ExportedFile(one, place, len(frame)))

    _, failures, partial = each(chosen, progress, write)
    result = Exported(
        folder=folder, files=tuple(files), adjust=adjustment, repaired=repaired, failures=failures, partial=partial
    )
    if files:
        text = "".join(f"{command}\n" for command in result.commands())
        write_whole(folder / COMMANDS, lambda draft: draft.write_text(text, encoding="utf-8"))
    return result


def _options(one: Series, adjustment: Adjustment | None) -> tuple[str, ...]:
    """What the file of a series does not say of itself."""
    adjusted, until = adjustment or one.adjusted, one.adjusted_until
    options = ["--bar", one.bar, "--exchange", one.exchange, "--currency", one.currency, "--adjusted", adjusted]
    if adjustment is None and until is not None:
        options += ["--adjusted-until", until.isoformat()]
    return tuple(options)


def file_name(one: Series, kind: FileKind) -> str:
    """``AAPL.csv`` for daily bars, ``AAPL-1h.csv`` for others; signs that file systems do not like are encoded."""
    return f"{folder_name(one.symbol)}{'' if one.bar == '1d' else f'-{one.bar}'}.{kind}"


def _write(place: Path, one: Series, frame: pd.DataFrame, kind: FileKind) -> None:
    """One file, whole or not at all. Numbers are written so that the same floats are read back."""
    rows = frame.rename_axis("date" if one.bar == "1d" else "time").reset_index()
    rows.insert(0, "symbol", one.symbol)
    if one.content == "quotes":  # the prices are their middle, which import takes again
        rows = rows.drop(columns=list(PRICES))
    if kind == "csv":
        if one.bar == "1d":
            rows["date"] = rows["date"].dt.strftime("%Y-%m-%d")
        else:
            fraction = ".%f" if (rows["time"].dt.microsecond != 0).any() else ""
            rows["time"] = rows["time"].dt.strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z")
    if kind == "csv":
        write_whole(place, lambda draft: rows.to_csv(draft, index=False, lineterminator="\n"))
    else:
        write_whole(place, lambda draft: rows.to_parquet(draft, index=False))
