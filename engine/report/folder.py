"""The results folder: written beside its place and renamed into it, so there is a whole one or none.

Tables and page come first, in a second or two that no Ctrl-C can break; then the pictures, which can be left out.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analyzers.sessions import utc
from core.config import dump_toml
from core.errors import ResultsError, ResultsExistError
from core.signals import HeldSignals
from engine.report import jsontext
from engine.report.view import EQUITY_COLUMNS, ORDER_COLUMNS, TRADE_COLUMNS, Result, strategy_of

log = logging.getLogger(__name__)

NO_PICTURES = "The pictures were not drawn: the writing ended before them."
PNG_END = b"IEND\xaeB`\x82"  # of a whole file
STALE = re.compile(r"\..+\.(\d+)\.\w{8}\.tmp")  # our drafts: name, process, what mkdtemp adds
STALE_SECONDS = 86_400.0
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


class PicturesSkipped(KeyboardInterrupt):
    """Ctrl-C while results were written: all is in ``place`` but the pictures that were not drawn yet."""

    def __init__(self, place: Path) -> None:
        super().__init__(f"results are in {place}; the remaining pictures were left out")
        self.place = place


def write_results(result: Result, folder: Path | str, *, pictures: bool = True) -> Path:
    """Write everything a run gives into ``folder`` and return its absolute path.

    The files are made in a hidden sibling and appear at once, by a rename; pictures (unless ``pictures`` is False)
    follow, also at once. Raises ResultsExistError when the folder holds files already (nothing is touched) and
    ResultsError when it cannot be written, after removing what was begun; the result is still in memory and can be
    written elsewhere. Ctrl-C leaves out pictures and nothing else, and raises PicturesSkipped when the rest is
    written. Files: see ``docs/results.md``.
    """
    place = Path(folder).expanduser().absolute()
    with HeldSignals() as held:
        with _errors(place, " The result in memory is not lost: write_results(result, 'another/folder')"):
            _check_place(place)
            _remove_stale(place.parent)
            with _draft(place) as draft:
                _write_files(result, draft)
                _publish(draft, place)
        if pictures and not held.count:
            _add_pictures(result, place, held)
    log.info("results written to %s", place)
    if held.count:
        raise PicturesSkipped(place)
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


@contextlib.contextmanager
def _draft(place: Path) -> Iterator[Path]:
    """A hidden folder beside ``place``, named after this process; it is gone after the block."""
    prefix = f".{place.name[:60]}.{os.getpid()}."
    draft = Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=place.parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_files(result: Result, draft: Path) -> None:
    _write_text(draft / "summary.json", jsontext.dumps(result.summary))
    _write_text(draft / "settings.toml", dump_toml(result.settings))
    tables = {"equity": equity_table(result), "trades": trades_table(result), "orders": orders_table(result)}
    for name, frame in tables.items():
        # pandas writes the shortest text that reads back to the same float
        frame.to_csv(draft / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")
    _write_page(result, draft, [path.name for path in draft.iterdir()], [NO_PICTURES])


def _write_page(result: Result, draft: Path, files: list[str], remarks: list[str]) -> None:
    # The drawing libraries take seconds to import; who only imports the engine does not pay for them
    from engine.report.page import render_page

    _write_text(draft / "report.html", render_page(result, [], remarks, sorted([*files, "report.html"])))


def _add_pictures(result: Result, place: Path, held: HeldSignals) -> None:
    """Draw the pictures, say in the page which there are, and move both into the folder.

    The folder is whole without them, so a disk that fills up now costs the pictures only.
    """
    try:
        with _draft(place) as draft:
            remarks = _draw(result, draft, held)
            names = [path.name for path in draft.iterdir()]
            _write_page(result, draft, [*names, *(path.name for path in place.iterdir() if path.is_file())], remarks)
            _sync(draft)
            for path in sorted(draft.iterdir(), key=lambda path: path.suffix != ".png"):  # the page last
                path.replace(place / path.name)
    except OSError as error:
        log.warning("%s: the pictures cannot be written (%s); the rest is there", place, error.strerror or error)


def _draw(result: Result, draft: Path, held: HeldSignals) -> list[str]:
    """Draw into ``draft`` until done or interrupted; return what the page has to say about it."""
    try:
        held.raising = True
        from engine.report.figures import draw_figures  # its imports take a second or two

        _, remarks = draw_figures(result, draft)
        held.raising = False
        return remarks
    except (KeyboardInterrupt, Exception) as error:
        held.raising = False
        if not held.count and not isinstance(error, OSError):  # an extension may turn Ctrl-C into another error
            raise
        for path in draft.iterdir():
            if not path.read_bytes().endswith(PNG_END):
                path.unlink()
        if held.count:
            return ["Ctrl-C left out the pictures that had not been drawn yet."]
        return [f"Pictures are missing: they could not be written ({getattr(error, 'strerror', None) or error})."]


def _remove_stale(parent: Path) -> None:
    """Remove drafts in ``parent`` that are older than a day and whose process has ended: it was killed."""
    if os.name == "nt":  # where asking for a process may end it
        return
    for path in parent.glob(".*.tmp"):
        named = STALE.fullmatch(path.name)
        if named is None or path.is_symlink() or not path.is_dir() or _is_alive(int(named[1])):
            continue
        with contextlib.suppress(FileNotFoundError):  # another run was faster
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
                log.warning("removed %s, which a run that was killed had left", path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to somebody else
        return True
    return True


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _sync(draft: Path) -> None:
    for path in draft.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _publish(draft: Path, place: Path) -> None:
    """Make sure that the bytes are on the disk, then rename; an empty folder in the place is replaced."""
    _sync(draft)
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
