"""What became of every signal, against the log lines that the same run wrote, and the sentence where trades are few."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

import engine
from core.config import load_settings

SAMPLE = [
    "data.end=2008-12-31", "periods={}", "report.bootstrap_samples=100", "strategies.pairs.parameters.coint_max=0.05",
]  # fmt: skip


@pytest.fixture(scope="module")
def run() -> tuple[engine.RunResult, list[logging.LogRecord]]:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, loggers = Keep(), [logging.getLogger(name) for name in ("strategies", "sizers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        # a risk limit that refuses the larger entries, and a cost limit that leaves small ones out
        tight = ["risk.max_trade_notional=0.105", "strategies.meanrev.sizing={max_cost_bps=3.0}"]
        return engine.backtest(load_settings(None, [*SAMPLE, *tight])), records
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def lines(records: list[logging.LogRecord], event: str) -> list[str]:
    return [text for text in (record.getMessage() for record in records) if event in text]


def test_every_signal_is_accounted_for(run: tuple[engine.RunResult, list[logging.LogRecord]]) -> None:
    result, _ = run
    for name in ("meanrev", "pairs"):
        tally = result.summary["strategies"][name]["signals"]
        ended = [sum(tally[key].values()) for key in ("filtered", "not_sized", "refused")]
        assert tally["signals"] == sum(ended) + tally["entered"]
        trades = {*zip(result.trades["unit"], result.trades["trade_id"], strict=True)}
        trades |= {*zip(result.open_trades["unit"], result.open_trades["trade_id"], strict=True)}
        assert tally["entered"] == sum(unit.startswith(name) for unit, _ in trades) > 0


def test_refusals_are_those_of_the_orders(run: tuple[engine.RunResult, list[logging.LogRecord]]) -> None:
    result, _ = run
    refused = result.orders[(result.orders["role"] == "entry") & (result.orders["status"] == "Rejected")]
    tally = result.summary["strategies"]["meanrev"]["signals"]["refused"]
    assert tally == Counter(refused[refused["strategy"] == "meanrev"]["refusal"]) and tally


def test_filters_are_those_of_the_log(run: tuple[engine.RunResult, list[logging.LogRecord]]) -> None:
    result, records = run
    filtered = lines(records, "filtered")
    counted = sum(sum(result.signals[name]["filtered"].values()) for name in ("meanrev", "pairs"))
    assert len(filtered) == counted > 100
    by_coint = [text for text in filtered if "cointegration" in text]
    assert result.signals["pairs"]["filtered"]["cointegration"] == len(by_coint) > 10


def test_few_trades_are_explained(run: tuple[engine.RunResult, list[logging.LogRecord]]) -> None:
    result, _ = run
    closed = result.trades.query("strategy == 'pairs'")["trade_id"].nunique()
    assert closed == 1 and 30 <= result.trades.query("strategy == 'meanrev'")["trade_id"].nunique()
    notes = [note for note in result.notes if " closed " in note]
    tally = result.signals["pairs"]
    assert len(notes) == 1
    assert notes[0].startswith(
        f"pairs closed 1 trade, fewer than the 30 that evidence needs: {tally['signals']} signals, "
        f"{tally['filtered']['cointegration']} blocked by cointegration, "
    )
    assert notes[0].endswith(f"{tally['entered']} entered.")
