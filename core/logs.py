"""Logging: a console for the person, a rotating file of JSON lines for the record.

Every order, fill, trade and refusal is one line made by ``log_event``. Times are UTC. Modules use
``logging.getLogger(__name__)``: the handlers sit on the loggers of the folders.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import logging.handlers
import math
import sys
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from core.errors import LogError
from core.redact import HIDDEN, names_secret, redact
from core.settings import LoggingSettings

NAME = "halflife"  # of the file, where nobody gives another
LOGGERS = (
    "halflife", "core", "books", "stores", "gateway", "feeds", "indicators", "risk", "screeners", "sizers",
    "analyzers", "strategies", "engine", "optimize", "live", "monitor",
)  # fmt: skip


def log_event(logger: logging.Logger, kind: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one structured line: ``kind key=value ...`` on the console, one JSON object in the file.

    Datetimes become ISO 8601 in UTC (naive = UTC), enums their value; a field whose name says that it is a
    secret is hidden.
    """
    if not logger.isEnabledFor(level):
        return
    plain = {key: HIDDEN if names_secret(key) else _plain(value) for key, value in fields.items()}
    text = " ".join((kind, *(f"{key}={_word(value)}" for key, value in plain.items())))
    logger.log(level, "%s", text, extra={"event": kind, "fields": plain})


class LogSetup:
    """Handlers that are in place until ``close``; a context manager."""

    def __init__(self, handlers: list[logging.Handler], file: Path | None) -> None:
        self.handlers = handlers
        self.file = file
        self._levels = {name: logging.getLogger(name).level for name in LOGGERS}
        level = min(handler.level for handler in handlers)
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(level)
            for handler in handlers:
                logger.addHandler(handler)

    def close(self) -> None:
        """Take the handlers off and close the file. Closing again does nothing."""
        global _current
        for name in LOGGERS:
            logger = logging.getLogger(name)
            for handler in self.handlers:
                logger.removeHandler(handler)
            if self.handlers:
                logger.setLevel(self._levels[name])
        for handler in self.handlers:
            handler.close()
        self.handlers = []
        if _current is self:
            _current = None

    def __enter__(self) -> LogSetup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_current: LogSetup | None = None


def setup_logging(
    settings: LoggingSettings, folder: Path | str | None = None, stream: TextIO | None = None, *, name: str = NAME
) -> LogSetup:
    """Log to the console (``stream``, default stderr) and, with a folder, to ``folder/name.log``.

    A rotating file belongs to one process: ``claim_name`` gives a name that no other one has. A second call replaces
    the first. Raises LogError when the file cannot be opened. When it cannot be written later (full disk), the
    console says so once and trading goes on.
    """
    global _current
    handlers: list[logging.Handler] = [_console_handler(settings, stream)]
    file = None if folder is None else Path(folder) / f"{name}.log"
    if file is not None:
        handlers.append(_file_handler(settings, file))
    if _current is not None:
        _current.close()
    _current = LogSetup(handlers, file)
    return _current


def claim_name(folder: Path | str, name: str) -> str:
    """Make an empty log file that was not there before; return its name: ``name``, else ``name-2``, ``name-3``...

    Raises LogError when the folder cannot be written.
    """
    claimed, number = name, 1
    while True:
        file = Path(folder) / f"{claimed}.log"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.open("x").close()
            if not Path(f"{file}.1").exists():  # else its owner is rotating it at this moment
                return claimed
        except FileExistsError as error:
            if not file.parent.is_dir():
                raise _cannot_open(file, error) from error
        except OSError as error:
            raise _cannot_open(file, error) from error
        number += 1
        claimed = f"{name}-{number}"


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, then the fields of the event or the message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if hasattr(record, "event"):
            line["event"] = record.event
            # a field named as one of ours must not replace it
            line |= {f"{key}_" if key in line else key: value for key, value in getattr(record, "fields", {}).items()}
        else:
            line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, ensure_ascii=False, allow_nan=False, default=str))


class _Redacted(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _FileHandler(logging.handlers.RotatingFileHandler):
    """Rotating file that gives up, with one word on the console, when the disk is full."""

    failed = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.failed:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self._give_up(error)
        else:
            super().handleError(record)

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:  # what was not written yet cannot be written now
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self.failed:
            return
        self.failed = True
        logging.getLogger(__name__).error(
            "%s", LogError(f"{self.baseFilename}: cannot be written ({error.strerror}); free the disk and restart")
        )


def _console_handler(settings: LoggingSettings, stream: TextIO | None) -> logging.Handler:
    console = Console(file=stream) if stream is not None else Console(stderr=True)
    handler = RichHandler(
        console=console, show_path=False, markup=False, omit_repeated_times=False, log_time_format=_utc_time
    )
    handler.setFormatter(_Redacted("%(message)s"))
    handler.setLevel(settings.console)
    return handler


def _utc_time(local: dt.datetime) -> Text:
    return Text(local.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ"))


def _file_handler(settings: LoggingSettings, file: Path) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = _FileHandler(file, maxBytes=settings.max_bytes, backupCount=settings.backups, encoding="utf-8")
    except OSError as error:
        raise _cannot_open(file, error) from error
    handler.setFormatter(JsonLines())
    handler.setLevel(settings.file)
    return handler


def _cannot_open(file: Path, error: OSError) -> LogError:
    return LogError(
        f"{file}: the log file cannot be opened ({error.strerror}); give a folder that can be written (paths.state)"
    )


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, dt.datetime):
        aware = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
        return aware.isoformat()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a numpy scalar
        return _plain(value.item())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def _word(value: Any) -> str:
    """A value in ``key=value``: text with blanks or signs of its own is quoted."""
    if isinstance(value, str) and value and not any(c.isspace() or c in "=\"'" or not c.isprintable() for c in value):
        return value
    return json.dumps(value, ensure_ascii=False)
