"""Out of the catalog: files that ``import`` reads back to equal bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from core.errors import FeedEmptyError, ResultsError
from core.progress import Progress
from feeds.bars import Adjustment
from feeds.catalog import Catalog, Series
from feeds.catalog.names import folder_name
from feeds.room.results import RoomResult, counted
from feeds.room.series import each, prices

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
    files: list[ExportedFile] = []

    def write(one: Series) -> None:
        frame = prices(catalog, one, adjustment, repaired=repaired)
        if frame.empty:
            raise FeedEmptyError(f"{one.symbol} {one.bar}: no bar is left to be written; take the repairs back")
        place = folder / file_name(one, kind)
        _write(place, one, frame, kind)
        files.append(ExportedFile(one, place, len(frame)))

    done, failures, partial = each(chosen, progress, write)
    return Exported(files=tuple(files), adjust=adjustment, repaired=repaired, failures=failures, partial=partial)


def file_name(one: Series, kind: FileKind) -> str:
    """``AAPL.csv`` for daily bars, ``AAPL-1h.csv`` for others; signs that file systems do not like are encoded."""
    return f"{folder_name(one.symbol)}{'' if one.bar == '1d' else f'-{one.bar}'}.{kind}"


def _write(place: Path, one: Series, frame: pd.DataFrame, kind: FileKind) -> None:
    """One file, whole or not at all. Numbers are written so that the same floats are read back."""
    rows = frame.rename_axis("date" if one.bar == "1d" else "time").reset_index()
    rows.insert(0, "symbol", one.symbol)
    if kind == "csv":
        if one.bar == "1d":
            rows["date"] = rows["date"].dt.strftime("%Y-%m-%d")
        else:
            rows["time"] = rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    draft = place.with_name(f".{place.name}.tmp")
    try:
        if kind == "csv":
            rows.to_csv(draft, index=False, lineterminator="\n")
        else:
            rows.to_parquet(draft, index=False)
        draft.replace(place)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ResultsError(f"{place} cannot be written ({error.strerror or error}); choose another folder") from error
