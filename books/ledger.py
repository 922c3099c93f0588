"""The trial ledger: every backtest ever run and its return stream, so that the trials behind a claim can be counted."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from books.database import Database, append_only
from books.journal import utc_text
from core.errors import LedgerError

APPLICATION_ID = 0x484C5431  # "HLT1"
VERSION = 1

_SCRIPT = ";;".join(
    (
        "CREATE TABLE calendars (hash TEXT PRIMARY KEY, dates BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE trials (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, name TEXT NOT NULL, "
        "kind TEXT NOT NULL, strategy TEXT NOT NULL, parameters TEXT NOT NULL, settings_hash TEXT NOT NULL, "
        "data_hash TEXT NOT NULL, code_version TEXT NOT NULL, metrics TEXT NOT NULL, sessions INTEGER NOT NULL, "
        "calendar TEXT NOT NULL REFERENCES calendars (hash), returns BLOB NOT NULL)",
        "CREATE INDEX trials_by_data ON trials (data_hash, strategy)",
        append_only("calendars"),
        append_only("trials"),
    )
)
_ANEW = "; a new one counts no trial of before, and results then seem to mean more than they do"
_COLUMNS = "id, at, name, kind, strategy, parameters, settings_hash, data_hash, code_version, metrics, sessions"


@dataclass(frozen=True, slots=True, eq=False)
class TrialRecord:
    """One run as it is recorded. ``returns`` are net session returns (fractions), ``dates`` their sessions."""

    when: dt.datetime  # UTC, of the run
    name: str  # of the run
    kind: str  # "backtest", "sweep", ...
    strategy: str
    parameters: Mapping[str, Any]  # JSON values
    settings_hash: str
    data_hash: str
    code_version: str
    metrics: Mapping[str, Any]  # JSON values; NaN and infinity are stored as null
    returns: np.ndarray  # float64, (sessions,)
    dates: np.ndarray  # datetime64[D], (sessions,), ascending


@dataclass(frozen=True, slots=True)
class Trial:
    """One recorded run, without its return stream (``TrialLedger.returns_matrix`` has it)."""

    id: int
    when: dt.datetime
    name: str
    kind: str
    strategy: str
    parameters: dict[str, Any]
    settings_hash: str
    data_hash: str
    code_version: str
    metrics: dict[str, Any]
    sessions: int


class TrialLedger:
    """An append-only SQLite file of trials; several processes may record at once.

    A trial is durable when ``record`` returns. Raises LedgerError, with the cure, where the file cannot be opened or
    written.
    """

    def __init__(self, path: str | Path) -> None:
        self._database = Database(path, "trial ledger", APPLICATION_ID, VERSION, _SCRIPT, anew=_ANEW)

    def record(self, trial: TrialRecord) -> int:
        """Write one trial and return its id.

        Raises LedgerError where returns and dates differ in length, a return is not finite, dates are not
        ascending, or a parameter is not a JSON value.
        """
        returns = np.asarray(trial.returns, dtype="<f8")
        days = np.asarray(trial.dates, dtype="datetime64[D]").astype("<i4")
        if returns.ndim != 1 or returns.shape != days.shape:
            raise LedgerError(f"trial {trial.name}: {returns.shape} returns for {days.shape} dates; give one each")
        if not np.isfinite(returns).all():
            raise LedgerError(f"trial {trial.name}: a session return is not finite; drop sessions without equity")
        if (np.diff(days) <= 0).any():
            raise LedgerError(f"trial {trial.name}: session dates do not ascend; give one return for each session")
        dates = zlib.compress(days.tobytes())
        calendar = hashlib.sha256(days.tobytes()).hexdigest()
        row = (
            utc_text(trial.when),
            trial.name,
            trial.kind,
            trial.strategy,
            canonical(trial.parameters, f"parameters of trial {trial.name}"),
            trial.settings_hash,
            trial.data_hash,
            trial.code_version,
            canonical(trial.metrics, f"metrics of trial {trial.name}", nan_to_null=True),
            len(returns),
            calendar,
            zlib.compress(returns.tobytes(), 1),
        )
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO calendars VALUES (?, ?)", (calendar, dates))
            names = _COLUMNS.removeprefix("id, ") + ", calendar, returns"
            marks = ", ".join("?" * len(row))
            return int(connection.execute(f"INSERT INTO trials ({names}) VALUES ({marks})", row).lastrowid or 0)

    def trials(
        self, *, data_hash: str | None = None, strategy: str | None = None, kind: str | None = None
    ) -> list[Trial]:
        """Return the trials that fit, oldest first; None = any."""
        where, values = _where(data_hash=data_hash, strategy=strategy, kind=kind)
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM trials{where} ORDER BY id", values)
        return [
            Trial(
                id=row["id"],
                when=dt.datetime.fromisoformat(row["at"]),
                parameters=json.loads(row["parameters"]),
                metrics=json.loads(row["metrics"]),
                **{key: row[key] for key in _PLAIN},
            )
            for row in rows
        ]

    def count(self, *, data_hash: str | None = None, strategy: str | None = None, kind: str | None = None) -> int:
        """Return the number of distinct trials: the same strategy, parameters, settings and data count once."""
        where, values = _where(data_hash=data_hash, strategy=strategy, kind=kind)
        distinct = f"SELECT DISTINCT strategy, parameters, settings_hash, data_hash FROM trials{where}"
        return int(self._database.rows(f"SELECT count(*) AS n FROM ({distinct})", values)[0]["n"])

    def returns_matrix(self, ids: Sequence[int]) -> pd.DataFrame:
        """Return session returns: one column for each id in the given order, one row for each session of any of them.

        Index: DatetimeIndex of session dates (naive), ascending. NaN where a trial has no such session.
        Raises LedgerError for an id that was never recorded.
        """
        columns = {}
        for trial in dict.fromkeys(ids):
            rows = self._database.rows(
                "SELECT returns, dates FROM trials JOIN calendars ON calendar = hash WHERE id = ?", (int(trial),)
            )
            if not rows:
                raise LedgerError(f"trial ledger {self._database.path} has no trial {trial}; take ids from trials()")
            days = np.frombuffer(zlib.decompress(rows[0]["dates"]), dtype="<i4").astype("datetime64[D]")
            returns = np.frombuffer(zlib.decompress(rows[0]["returns"]), dtype="<f8")
            columns[trial] = pd.Series(returns, index=pd.DatetimeIndex(days.astype("datetime64[ns]")), dtype=float)
        return pd.DataFrame(columns).sort_index()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> TrialLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_PLAIN = ("name", "kind", "strategy", "settings_hash", "data_hash", "code_version", "sessions")


def canonical(values: Mapping[str, Any], what: str, nan_to_null: bool = False) -> str:
    """Return ``values`` as JSON in which equal values give equal text: keys sorted, 20.0 written as 20.

    ``nan_to_null``: NaN and infinity become null; else they are refused. ``what`` names the values in the LedgerError.
    """
    try:
        return json.dumps(_plain(values, nan_to_null), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"{what} are not JSON ({error}): {values!r}; give numbers, texts, lists and None") from error


def _plain(value: Any, nan_to_null: bool) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None if nan_to_null else value
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, nan_to_null) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, nan_to_null) for inner in value]
    return value


def _where(**filters: str | None) -> tuple[str, tuple[object, ...]]:
    given = {name: value for name, value in filters.items() if value is not None}
    clause = " AND ".join(f"{name} = ?" for name in given)
    return (f" WHERE {clause}" if given else "", tuple(given.values()))
