"""The trial ledger records every run, from several processes at once, and counts each distinct trial once."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from books.journal import Journal
from books.ledger import TrialLedger, TrialRecord, canonical
from core.errors import LedgerError

NOON = dt.datetime(2024, 3, 4, 12, 0, tzinfo=dt.UTC)
DATES = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
RUN = TrialRecord(
    when=NOON,
    name="desk",
    kind="backtest",
    strategy="MeanReversion",
    parameters={"period": 20, "entry": 2.0, "family": "bollinger"},
    settings_hash="s1",
    data_hash="d1",
    code_version="0.1.0",
    metrics={"sharpe": 0.7, "calmar": float("nan"), "trades": np.int64(31), "profit_factor": np.float64("inf")},
    returns=np.array([0.01, -0.02, 0.005]),
    dates=DATES,
)


@pytest.fixture
def ledger() -> Iterator[TrialLedger]:
    with TrialLedger("state/trials.sqlite") as opened:
        yield opened


def test_a_trial_comes_back_as_it_was(ledger: TrialLedger) -> None:
    assert ledger.record(RUN) == 1
    (trial,) = ledger.trials()
    assert (trial.id, trial.when, trial.name, trial.kind, trial.strategy) == (
        1,
        NOON,
        "desk",
        "backtest",
        "MeanReversion",
    )
    assert trial.parameters == {"period": 20, "entry": 2.0, "family": "bollinger"}
    assert trial.metrics == {"sharpe": 0.7, "calmar": None, "trades": 31, "profit_factor": None}
    assert (trial.settings_hash, trial.data_hash, trial.code_version, trial.sessions) == ("s1", "d1", "0.1.0", 3)
    matrix = ledger.returns_matrix([1])
    assert matrix[1].tolist() == [0.01, -0.02, 0.005]  # to the last bit
    assert matrix.index.tolist() == [pd.Timestamp(day) for day in DATES]


def test_the_same_run_twice_is_two_records_and_one_trial(ledger: TrialLedger) -> None:
    ledger.record(RUN)
    ledger.record(replace(RUN, when=NOON + dt.timedelta(hours=1), name="again"))
    ledger.record(replace(RUN, parameters={"family": "bollinger", "entry": 2, "period": np.int64(20)}))  # the same
    assert (len(ledger.trials()), ledger.count()) == (3, 1)
    ledger.record(replace(RUN, parameters={"period": 21, "entry": 2.0, "family": "bollinger"}))
    assert ledger.count() == 2
    ledger.record(replace(RUN, data_hash="d2"))
    ledger.record(replace(RUN, settings_hash="s2"))
    ledger.record(replace(RUN, strategy="PairsTrading", kind="sweep"))
    assert ledger.count() == 5
    assert ledger.count(data_hash="d1") == 4
    assert ledger.count(strategy="PairsTrading") == 1
    assert ledger.count(kind="sweep", data_hash="d2") == 0


def test_trials_are_filtered(ledger: TrialLedger) -> None:
    ledger.record(RUN)
    ledger.record(replace(RUN, data_hash="d2"))
    ledger.record(replace(RUN, strategy="PairsTrading"))
    assert [t.id for t in ledger.trials(data_hash="d1")] == [1, 3]
    assert [t.id for t in ledger.trials(strategy="MeanReversion", data_hash="d2")] == [2]
    assert ledger.trials(data_hash="unknown") == []


def test_returns_of_different_sessions_are_aligned_by_date(ledger: TrialLedger) -> None:
    first = ledger.record(RUN)
    second = ledger.record(
        replace(RUN, returns=np.array([0.03, 0.04]), dates=DATES[1:] + np.timedelta64(1, "D"))
    )  # 4 and 5 January
    matrix = ledger.returns_matrix([second, first])
    assert list(matrix.columns) == [second, first]
    assert [f"{stamp:%d}" for stamp in matrix.index] == ["02", "03", "04", "05"]
    assert matrix[first].tolist()[:3] == [0.01, -0.02, 0.005]
    assert matrix[second].isna().tolist() == [True, True, False, False]
    assert ledger.returns_matrix([]).empty


def test_a_run_without_sessions_is_recorded(ledger: TrialLedger) -> None:
    empty = ledger.record(replace(RUN, returns=np.array([]), dates=np.array([], dtype="datetime64[D]")))
    assert ledger.trials()[0].sessions == 0
    assert ledger.returns_matrix([empty]).shape == (0, 1)


def test_trials_over_the_same_sessions_share_their_dates(ledger: TrialLedger) -> None:
    dates = np.arange("2000-01-01", "2020-01-01", dtype="datetime64[D]")
    for seed in range(5):
        returns = np.random.default_rng(seed).normal(0, 0.01, len(dates))
        trial = ledger.record(replace(RUN, returns=returns, dates=dates))
        assert np.array_equal(ledger.returns_matrix([trial])[trial].to_numpy(), returns)
    assert ledger._database.rows("SELECT count(*) AS n FROM calendars")[0]["n"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"returns": np.array([0.1])}, "give one each"),
        ({"returns": np.array([0.1, np.nan, 0.2])}, "not finite"),
        ({"dates": DATES[::-1]}, "do not ascend"),
        ({"dates": DATES[[0, 0, 1]]}, "do not ascend"),
        ({"parameters": {"period": float("nan")}}, "parameters of trial desk are not JSON"),
        ({"parameters": {"when": NOON}}, "parameters of trial desk are not JSON"),
    ],
)
def test_a_trial_that_cannot_be_compared_is_refused(ledger: TrialLedger, changes: dict, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        ledger.record(replace(RUN, **changes))
    assert ledger.trials() == []


def test_an_unknown_id_is_named(ledger: TrialLedger) -> None:
    with pytest.raises(LedgerError, match="has no trial 7"):
        ledger.returns_matrix([7])


def test_a_recorded_trial_cannot_be_erased(ledger: TrialLedger) -> None:
    ledger.record(RUN)
    with pytest.raises(LedgerError, match="append-only"), ledger._database.transaction() as connection:
        connection.execute("DELETE FROM trials")
    assert ledger.count() == 1


def test_a_journal_is_not_a_ledger() -> None:
    Journal("trials.sqlite").close()
    with pytest.raises(LedgerError, match="is not a trial ledger"):
        TrialLedger("trials.sqlite")


def test_canonical_parameters() -> None:
    assert canonical({"b": 2.0, "a": [True, None, 0.5], "c": {"y": 1, "x": np.bool_(False)}}, "x") == (
        '{"a":[true,null,0.5],"b":2,"c":{"x":false,"y":1}}'
    )


WRITER = """
import datetime as dt, sys
import numpy as np
from books.ledger import TrialLedger, TrialRecord
sys.stdin.readline()  # both start together, so both may make the file
with TrialLedger(sys.argv[1]) as ledger:
    for n in range(int(sys.argv[3])):
        ledger.record(TrialRecord(
            dt.datetime.now(dt.UTC), sys.argv[2], "sweep", "MeanReversion", {"n": n}, "s", "d", "v", {},
            np.full(500, n / 1000), np.arange(500).astype("datetime64[D]"),
        ))
"""


def test_two_processes_record_at_once(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    names, each = ("first", "second"), 40
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, "trials.sqlite", name, str(each)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    with TrialLedger("trials.sqlite") as ledger:
        trials = ledger.trials()
        assert [t.id for t in trials] == list(range(1, 2 * each + 1))
        for name in names:
            assert [t.parameters["n"] for t in trials if t.name == name] == list(range(each))
        assert ledger.count() == each  # both recorded the same parameters
        assert (ledger.returns_matrix([t.id for t in trials]).to_numpy()[0] * 1000).round().tolist() == [
            t.parameters["n"] for t in trials
        ]
