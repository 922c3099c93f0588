"""Where the files of a catalog are, and errors that name them."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa

from core.clock import SystemClock
from core.errors import CatalogError
from feeds.bars import BarSize
from feeds.catalog.index import SETTING, Segment
from feeds.catalog.names import folder_name
from feeds.catalog.segments import delete_files, leftovers, read_segment, write_segment

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file may not grow so large",
}


class SegmentFiles:
    """The Parquet files below the folder of a catalog.

    ``bars/BAR/SYMBOL/`` holds the segments; ``replaced/BAR/SYMBOL/`` rows that gave way to others, for ever.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()  # the working folder may change, the catalog stays

    def read(self, symbol: str, bar: BarSize, segment: Segment, first: int | None, last: int | None) -> pd.DataFrame:
        """Rows of a segment from ``first`` to ``last`` (microseconds). Raises CatalogError, from what went wrong."""
        file = self._place("bars", symbol, bar) / segment.file
        try:
            return read_segment(file, segment.rows, first, last)
        except FileNotFoundError as error:
            what, cure = "is missing", "put it back from a copy"
            cause: Exception = error
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # pyarrow has no one error for damage
            what, cure = f"cannot be read ({str(error)[:80]})", "put a copy back"
            cause = error
        raise CatalogError(
            f"{symbol} {bar}: the file {file} {what}; {cure}, or run `halflife data remove {symbol} --bar {bar}` and "
            "bring the bars in again; other series are not touched by it"
        ) from cause

    @contextmanager
    def writing(self) -> Iterator[list[Path]]:
        """New files, which are deleted when what is inside fails."""
        written: list[Path] = []
        try:
            yield written
        except BaseException:
            delete_files(written)
            raise

    def write(self, symbol: str, bar: BarSize, part: str, frame: pd.DataFrame, about: Mapping[str, str]) -> Path:
        """Write a new segment. Raises CatalogError."""
        return self._write(self._place("bars", symbol, bar), part, frame, about)

    def keep(self, symbol: str, bar: BarSize, rows: pd.DataFrame, about: Mapping[str, str]) -> Path:
        """Write rows that give way. Raises CatalogError."""
        stamp = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
        return self._write(self._place("replaced", symbol, bar), stamp, rows, about)

    def within(self, file: Path) -> str:
        """The path of a file within the catalog."""
        return file.relative_to(self._folder).as_posix()

    def stale(self, symbol: str, bar: BarSize, known: set[str]) -> list[Path]:
        """Files of a series that its index does not know; see ``segments.leftovers``."""
        return leftovers(self._place("bars", symbol, bar), known)

    def _place(self, kind: str, symbol: str, bar: BarSize) -> Path:
        return self._folder / kind / bar / folder_name(symbol)

    def _write(self, place: Path, part: str, frame: pd.DataFrame, about: Mapping[str, str]) -> Path:
        try:
            return place / write_segment(place, part, frame, about)
        except OSError as error:
            reason = _FULL.get(error.errno or 0, error.strerror or str(error))
            raise CatalogError(
                f"{about['symbol']} {about['bar']}: cannot write to {place} ({reason}); nothing was changed: free "
                f"space or correct the rights and run it again, or set {SETTING} (--catalog) to another disk"
            ) from error
