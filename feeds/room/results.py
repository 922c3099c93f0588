"""What the data room gives back: each answer is a table and a sentence, in a notebook as HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from core.errors import FeedSourceError, HalflifeError, ResultsError

_ROWS = 40  # rows of a table that a notebook shows


@dataclass(frozen=True)
class Failure:
    """A file or a symbol that failed, while the others went on."""

    what: str
    error: HalflifeError


@dataclass(frozen=True, repr=False, kw_only=True)
class RoomResult:
    """Root of all answers. ``partial``: Ctrl-C came before the last one; what is listed was done and stays."""

    failures: tuple[Failure, ...] = ()
    partial: bool = False

    columns: ClassVar[tuple[str, ...]] = ()

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of ``table``, one value for each of ``columns``."""
        raise NotImplementedError

    def sentence(self) -> str:
        """What came of it, in a line."""
        raise NotImplementedError

    def table(self) -> pd.DataFrame:
        """Everything, a row for each thing that was done or found."""
        return pd.DataFrame(self.rows(), columns=list(self.columns))

    def save(self, file: Path | str) -> Path:
        """Write the table as CSV or JSON (a list of rows), by the ending of the name. Raises ResultsError."""
        return save_table(self.table(), file)

    def __repr__(self) -> str:
        text = f"<{type(self).__name__}: {self.sentence()}{' PARTIAL.' if self.partial else ''}>"
        return "\n".join([text, *(f"  failed: {failure.what}: {failure.error}" for failure in self.failures)])

    def _repr_html_(self) -> str:
        table = self.table()
        more = f"<p>... {len(table) - _ROWS:,} more rows: <code>.table()</code></p>" if len(table) > _ROWS else ""
        failed = "".join(f"<li>{escape(f.what)}: {escape(str(f.error))}</li>" for f in self.failures)
        return (
            f"<p>{escape(self.sentence())}{' Stopped: what is listed was done.' if self.partial else ''}</p>"
            f"{f'<p>Failed:</p><ul>{failed}</ul>' if failed else ''}"
            f"{table.head(_ROWS).to_html(index=False, na_rep='', border=0) if len(table) else ''}{more}"
        )


def report_path(file: Path | str) -> Path:
    """The path of a table that is to be written. Raises ResultsError for an ending of no form that it can have."""
    path = Path(file)
    if path.suffix.lower() not in (".csv", ".json"):
        raise ResultsError(f"{path}: reports are written as .csv or .json; end the name in one of them")
    return path


def save_table(table: pd.DataFrame, file: Path | str) -> Path:
    """Write a table as CSV or, for a name that ends in .json, as a list of rows. Raises ResultsError."""
    path = report_path(file)
    if path.suffix.lower() == ".csv":
        text = table.to_csv(index=False, lineterminator="\n")
    else:
        rows = json.loads(table.to_json(orient="records", date_format="iso"))
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    return write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file that takes its place when it is whole. Raises ResultsError, and leaves none."""
    draft = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(draft)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ResultsError(f"{path} cannot be written ({error.strerror or error}); choose another place") from error
    return path


def failure(what: str, error: HalflifeError | OSError) -> Failure:
    """An error as a failure. An OSError that no source has put into words becomes a FeedSourceError."""
    if isinstance(error, HalflifeError):
        return Failure(what, error)
    return Failure(what, FeedSourceError(f"{what}: {error.strerror or error}"))


def counted(number: int, one: str, many: str = "") -> str:
    """``1 symbol``, ``2,000 symbols``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few names."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def number(value: float) -> str:
    """A price, an amount or a volume as a reader wants it: no exponent, no noise behind the sixth digit."""
    if value != value:
        return "–"
    if value == round(value):
        return f"{value:,.0f}"
    if abs(value) < 1:
        return f"{value:.6g}"
    return f"{value:,.{4 if abs(value) >= 1_000 else 6}f}".rstrip("0").rstrip(".")
