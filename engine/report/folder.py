"""The results folder: written beside its place and renamed into it, so there is a whole one or none."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analyzers.sessions import utc
from core.config import dump_toml
from core.errors import ResultsError, ResultsExistError
from engine.report import jsontext
from engine.report.view import EQUITY_COLUMNS, ORDER_COLUMNS, TRADE_COLUMNS, Result, strategy_of

log = logging.getLogger(__name__)

CURES = {
    errno.ENOSPC: "free some space there, or choose a folder on another disk",
    errno.EDQUOT: "your quota there is used up: free some space, or choose a folder on another disk",
    errno.EROFS: "that file system is read-only: choose another folder",
    errno.EACCES: "you may not write there: choose another folder or correct its permissions",
    errno.EPERM: "you may not write there: choose another folder or correct its permissions",
    errno.ENOTDIR: "a part of that path is a file: choose another folder",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def check_folder(folder: Path | str) -> Path:
    """Return the folder as an absolute path if results can be made there; for use before a long run.

    Raises ResultsExistError when it holds files already, ResultsError when it cannot be made or written. Leaves
    nothing behind but the folders above it.
    """
    place = Path(folder).expanduser().absolute()
    with _errors(place):
        _check_place(place)
    return place


def write_results(result: Result, folder: Path | str) -> Path:
    """Write everything a run gives into ``folder`` and return its absolute path.

    The files are made in a hidden sibling and appear at once, by a rename. Raises ResultsExistError when the folder
    holds files already (nothing is touched) and ResultsError when it cannot be written, after removing what was
    begun; the result is still in memory and can be written elsewhere. Files: see ``docs/results.md``.
    """
    place = Path(folder).expanduser().absolute()
    with _errors(place, " The result in memory is not lost: write_results(result, 'another/folder')"):
        _check_place(place)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name[:60]}.", suffix=".tmp", dir=place.parent))
        try:
            _write_files(result, draft)
            _publish(draft, place)
        except BaseException:  # Ctrl-C too: no half folder stays
            shutil.rmtree(draft, ignore_errors=True)
            raise
    log.info("results written to %s", place)
    return place


def file_name(stem: str, taken: set[str]) -> str:
    """A name for any file system made of ``stem``, in lower case different from those ``taken``; it is added there."""
    safe = re.sub(r"[^A-Za-z0-9.-]+", "_", stem).strip("._")[:60] or "unnamed"
    name, count = safe, 1
    while name.lower() in taken:
        count += 1
        name = f"{safe}_{count}"
    taken.add(name.lower())
    return name


def iso_times(times: object) -> list[str]:
    """Times as ``2018-12-31T21:00:00Z``, with a fraction only where there is one; a missing time is empty text."""
    index = utc(times)
    values = index.tz_localize(None).to_numpy().astype("datetime64[us]")
    whole = not len(values) or bool((values[~np.isnat(values)].astype("int64") % 1_000_000 == 0).all())
    text = np.datetime_as_string(values, unit="s" if whole else "us")
    return ["" if stamp == "NaT" else f"{stamp}Z" for stamp in text.tolist()]


def equity_table(result: Result) -> pd.DataFrame:
    """equity.csv: ``datetime`` and EQUITY_COLUMNS."""
    frame = result.equity.reindex(columns=list(EQUITY_COLUMNS)).reset_index(drop=True)
    frame.insert(0, "datetime", iso_times(result.equity.index))
    return frame


def trades_table(result: Result) -> pd.DataFrame:
    """trades.csv: TRADE_COLUMNS of the closed trades, ``strategy`` by its name in the settings."""
    frame = result.trades.reindex(columns=list(TRADE_COLUMNS)).reset_index(drop=True)
    names = [strategy_of(result.settings, str(unit)) for unit in frame["strategy"]]
    times = {column: iso_times(frame[column]) for column in ("entry_time", "exit_time")}
    return frame.assign(strategy=pd.Series(names, dtype=object), **times)


def orders_table(result: Result) -> pd.DataFrame:
    """orders.csv: ORDER_COLUMNS, then whatever else the frame holds."""
    extra = [column for column in result.orders.columns if column not in ORDER_COLUMNS]
    frame = result.orders.reindex(columns=[*ORDER_COLUMNS, *extra]).reset_index(drop=True)
    return frame.assign(**{column: iso_times(frame[column]) for column in ("created", "done")})


def _write_files(result: Result, draft: Path) -> None:
    # The drawing libraries take seconds to import; who only imports the engine does not pay for them
    from engine.report.figures import draw_figures
    from engine.report.page import render_page

    _write_text(draft / "summary.json", jsontext.dumps(result.summary))
    _write_text(draft / "settings.toml", dump_toml(result.settings))
    tables = {"equity": equity_table(result), "trades": trades_table(result), "orders": orders_table(result)}
    for name, frame in tables.items():
        # pandas writes the shortest text that reads back to the same float
        frame.to_csv(draft / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")
    pictures, remarks = draw_figures(result, draft)
    files = sorted([path.name for path in draft.iterdir()] + ["report.html"])
    _write_text(draft / "report.html", render_page(result, pictures, remarks, files))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _publish(draft: Path, place: Path) -> None:
    """Make sure that the bytes are on the disk, then rename; an empty folder in the place is replaced."""
    for path in draft.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    umask = os.umask(0)
    os.umask(umask)
    draft.chmod(0o777 & ~umask)  # mkdtemp's folders are for their owner alone
    if place.is_dir() and not place.is_symlink() and os.name == "nt":
        place.rmdir()  # elsewhere a rename replaces an empty folder in one step
    try:
        draft.replace(place)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # somebody was faster
            raise _exists(place) from error
        raise


def _check_place(place: Path) -> None:
    _check_vacant(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=place.parent):  # on Linux it has no name, so not even a kill leaves it there
        pass


def _check_vacant(place: Path) -> None:
    if not place.exists() and not place.is_symlink():
        return
    if not place.is_dir() or place.is_symlink():
        raise ResultsExistError(f"{place} exists and is not a folder; nothing was overwritten: choose another name")
    if any(place.iterdir()):
        raise _exists(place)


def _exists(place: Path) -> ResultsExistError:
    return ResultsExistError(
        f"{place} exists and holds files; nothing was overwritten: choose another folder or move that one away"
    )


@contextlib.contextmanager
def _errors(place: Path, hint: str = "") -> Iterator[None]:
    """Turn errors of the operating system into ResultsError with a cure and a last hint."""
    try:
        yield
    except ResultsError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        cure = CURES.get(error.errno or 0, "choose another folder")
        raise ResultsError(f"{place}: results cannot be written ({reason}); {cure}.{hint}") from error
