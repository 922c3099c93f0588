"""The graph that ``build`` makes and what ``run`` gives back: books apart, early errors, Ctrl-C, the ledger."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import engine
from books.journal import EventKind, Journal
from books.ledger import TrialLedger
from core.config import load_settings, settings_hash
from core.errors import CostError, EngineError, FeedTooShortError, LedgerError, StrategyError, UnknownNameError
from core.settings import Settings
from engine.build import resolve
from feeds import History

LOOSE = {"adx_max": 0.0, "time_stop": 0.0}


def settings_of(**changes: Any) -> Settings:
    tables: dict[str, Any] = {
        "instruments": {
            "AAA": {"currency": "EUR", "schedule": "ibkr_eu_fixed"},
            "BBB": {"currency": "EUR", "schedule": "ibkr_eu_fixed"},
        },
        "strategies": {
            "one": {"strategy": "MeanReversion", "instruments": ["AAA", "BBB"], "allotment": 0.5, "parameters": LOOSE},
            "pair": {
                "strategy": "PairsTrading",
                "pairs": [["AAA", "BBB"]],
                "allotment": 0.5,
                "parameters": {"coint_max": 0.0, "correlation_min": 0.0, "half_life_max": 60.0},
            },
        },
        "report": {"bootstrap_samples": 100},
    }
    return Settings.model_validate({**tables, **changes})


def history(bars: int = 700, seed: int = 3) -> History:
    """Two series that share a random walk and revert to it, daily at 21:00 UTC on exchange sessions."""
    rng, whole = np.random.default_rng(seed), 700
    index = pd.bdate_range("2015-01-05", periods=whole, tz="UTC") + pd.Timedelta("21h")
    common = np.cumsum(rng.normal(0, 0.005, whole))
    frames = {}
    for symbol in ("AAA", "BBB"):
        own = np.zeros(whole)
        for t in range(1, whole):
            own[t] = 0.85 * own[t - 1] + rng.normal(0, 0.012)
        close = 50 * np.exp(common + own)
        open_ = close * np.exp(rng.normal(0, 0.002, whole))
        high, low = np.maximum(open_, close) * 1.003, np.minimum(open_, close) * 0.997
        columns = {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(whole, 1e6)}
        frames[symbol] = pd.DataFrame(columns, index=index).iloc[:bars]
    return History(frames)


def graph(settings: Settings | None = None, bars: int = 700) -> bt.Cerebro:
    settings = settings or settings_of()
    return engine.build(settings, history(bars), engine.SimBroker(settings=settings))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> engine.RunResult:
    state = str(tmp_path_factory.mktemp("state"))
    return engine.run(graph(settings_of(paths={"state": state})))


def test_every_unit_and_instrument_has_a_data_of_its_own_over_shared_arrays() -> None:
    cerebro = graph()
    assert [data._name for data in cerebro.datas] == [
        "one:AAA/AAA", "one:BBB/BBB", "pair/AAA", "pair/BBB",
    ]  # fmt: skip
    strategies = cerebro.run()
    assert [[d._name for d in s.datas] for s in strategies] == [
        ["one:AAA/AAA"], ["one:BBB/BBB"], ["pair/AAA", "pair/BBB"],
    ]  # fmt: skip
    assert [s.p.allotment_eur for s in strategies] == [25_000.0, 25_000.0, 50_000.0]


def test_both_strategies_trade_and_no_trade_crosses_books(result: engine.RunResult) -> None:
    assert set(result.trades["unit"]) == {"one:AAA", "one:BBB", "pair"}
    legs = result.trades.query("strategy == 'pair'").groupby("trade_id")["side"].apply(sorted)
    assert (legs.map(len) == 2).all() and all(sides == ["long", "short"] for sides in legs)


def test_trades_carry_the_name_of_their_strategy_and_last_their_unit(result: engine.RunResult) -> None:
    for frame in (result.trades, result.open_trades):
        assert ",".join(frame.columns) == (
            "trade_id,strategy,instrument,side,size,entry_time,entry_price,exit_time,exit_price,gross_eur,"
            "commission_eur,borrow_eur,slippage_eur,fx_eur,net_eur,mae_eur,mfe_eur,bars,exit_reason,unit"
        )
        owners = {("one", "one:AAA"), ("one", "one:BBB"), ("pair", "pair")}
        assert set(zip(frame["strategy"], frame["unit"], strict=True)) <= owners
    assert set(result.trades["strategy"]) == {"one", "pair"}


def test_the_trades_file_has_the_fixed_columns(result: engine.RunResult, tmp_path: Path) -> None:
    folder = engine.write_results(result, tmp_path / "run")
    written = pd.read_csv(folder / "trades.csv")
    assert list(written.columns) == list(result.trades.columns)[:-1]
    assert list(written["strategy"]) == list(result.trades["strategy"])


def test_frames_add_up_to_the_cent(result: engine.RunResult) -> None:
    change = result.equity["equity_eur"].iloc[-1] - 100_000.0
    trades = result.trades["net_eur"].sum() + result.open_trades["net_eur"].sum()
    assert change == pytest.approx(trades + result.costs["interest_eur"] + result.costs["cash_fx_eur"], abs=0.005)
    assert result.summary["reconciliation"]["unexplained_eur"] == pytest.approx(0.0, abs=0.005)
    by_strategy = sum(curve.iloc[-1] for curve in result.strategy_equity.values()) - 100_000.0
    assert by_strategy == pytest.approx(trades, abs=0.005)


def test_equity_is_cash_and_positions_on_each_bar(result: engine.RunResult) -> None:
    frame = result.equity
    assert np.allclose(frame["equity_eur"], frame["cash_eur"] + frame["net_exposure_eur"], atol=1e-6)
    assert (frame["gross_exposure_eur"] >= frame["net_exposure_eur"].abs() - 1e-6).all()
    assert frame.index.is_monotonic_increasing and frame.index.is_unique and len(frame) == 700


def test_costs_are_those_of_the_trades(result: engine.RunResult) -> None:
    """Smart-routed orders below EUR 6,000 pay the minimum of 3 EUR; nothing else is charged in this desk."""
    filled = result.orders[result.orders["filled"] > 0]
    expected = np.maximum(3.0, 0.0005 * filled["value_eur"])
    assert np.allclose(filled["commission_eur"], expected)
    assert result.costs["commission"] == pytest.approx(expected.sum())


def test_the_summary_has_its_fixed_names(result: engine.RunResult) -> None:
    summary = result.summary
    assert {"portfolio", "strategies", "periods", "regimes", "daily_target", "costs", "data"} <= set(summary)
    metrics = (
        "cagr volatility sharpe sortino calmar max_drawdown profit_factor win_rate avg_trade_eur trades exposure "
        "turnover final_equity_eur"
    ).split()
    for part in (summary["portfolio"], *summary["strategies"].values(), summary["regimes"]["bull"]["portfolio"]):
        assert set(metrics) <= set(part)
    assert summary["strategies"]["pair"]["trades"] == result.trades.query("strategy == 'pair'")["trade_id"].nunique()


def test_a_result_shows_itself_in_a_few_lines(result: engine.RunResult) -> None:
    count = result.trades.groupby(["unit", "trade_id"]).ngroups
    final = f"{result.equity['equity_eur'].iloc[-1]:,.0f}"
    assert repr(result) == f"<RunResult 'desk': 2015-01-05 to 2017-09-08, {count} closed trades, equity EUR {final}>"
    assert repr(dataclasses.replace(result, partial=True)).endswith(", PARTIAL>")
    html = result._repr_html_()
    rows = [[cell.text for cell in row] for row in ElementTree.fromstring(f"<div>{html}</div>").iter("tr")]
    by_name = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert list(by_name) == ["Portfolio", "one", "pair"]
    assert [row["Trades"] for row in by_name.values()] == [
        str(count), *(str(result.trades.query(f"strategy == '{n}'")["trade_id"].nunique()) for n in ("one", "pair"))
    ]  # fmt: skip
    assert result.summary["daily_target"]["sentence"][:40] in html
    bare = dataclasses.replace(result, summary={}, equity=result.equity.iloc[:0], trades=result.trades.iloc[:0])
    assert "no bars" in repr(bare) and "Portfolio" in bare._repr_html_()


def test_all_engine_modes_give_the_same_run(result: engine.RunResult) -> None:
    """The same graph stepped bar by bar, as live does, gives the same trades and equity as the vectorised run."""
    for mode in ({"runonce": False}, {"preload": False, "runonce": False}, {"exactbars": 1}):
        cerebro = graph()
        cerebro.run(**mode)
        account = cerebro.broker.account
        assert account.equity_eur == pytest.approx(result.equity["equity_eur"].iloc[-1], abs=1e-6)
        assert [r.exit_time for r in account.trades] == list(result.trades["exit_time"])


def test_later_bars_do_not_change_earlier_orders(result: engine.RunResult) -> None:
    shorter = engine.run(graph(bars=500))
    last = shorter.equity.index[-1]
    columns = ["created", "instrument", "side", "size", "price", "reason"]
    whole = result.orders[result.orders["created"] < last][columns]
    cut = shorter.orders[shorter.orders["created"] < last][columns]
    pd.testing.assert_frame_equal(whole.reset_index(drop=True), cut.reset_index(drop=True))


# --------------------------------------------------------------------------- bad input, before anything runs


@pytest.mark.parametrize(
    ("strategy", "error", "cure"),
    [
        ({"strategy": "MeanReversoin", "instruments": ["AAA"]}, UnknownNameError, "did you mean 'MeanReversion'"),
        ({"strategy": "PairsTrading", "instruments": ["AAA"]}, UnknownNameError, "pairs = "),
        (
            {"strategy": "MeanReversion", "instruments": ["AAA"], "parameters": {"stop_art": 2.0}},
            UnknownNameError,
            "did you mean 'stop_atr'",
        ),
        (
            {"strategy": "MeanReversion", "instruments": ["AAA"], "parameters": {"stop_atr": -2.0}},
            StrategyError,
            "stop_atr",
        ),
        ({"strategy": "MeanReversion", "instruments": ["AAA"], "sizer": "FixdRisk"}, UnknownNameError, "FixedRisk"),
        (
            {"strategy": "MeanReversion", "instruments": ["AAA"], "sizer": "PairSizer"},
            StrategyError,
            "leave the sizer out to have FixedRisk",
        ),
        (
            {"strategy": "MeanReversion", "instruments": ["AAA"], "sizing": {"rsik": 0.1}},
            UnknownNameError,
            "did you mean 'risk'",
        ),
        (
            {"strategy": "MeanReversion", "instruments": ["AAA"], "parameters": {"unit": "x"}},
            UnknownNameError,
            "set by the desk",
        ),
    ],
)
def test_names_and_parameters_are_checked_before_the_run(strategy: Any, error: type[Exception], cure: str) -> None:
    with pytest.raises(error, match=cure):
        graph(settings_of(strategies={"one": strategy}))


def test_too_few_bars_for_the_indicators_are_named() -> None:
    with pytest.raises(FeedTooShortError, match="one:AAA"):
        graph(bars=60)


def test_a_period_outside_the_data_is_an_error_before_the_run() -> None:
    with pytest.raises(UnknownNameError, match="periods.gfc"):
        graph(settings_of(periods={"gfc": {"start": "2007-10-09", "end": "2009-03-09"}}))


@pytest.mark.parametrize(
    ("schedule", "error", "cure"),
    [("ibkr_eu_fixd", UnknownNameError, "did you mean 'ibkr_eu_fixed'"), ("ibkr_us_fixed", CostError, "ibkr_eu_fixed")],
)
def test_fee_schedules_are_checked_before_the_run(schedule: str, error: type[Exception], cure: str) -> None:
    instruments = {"AAA": {"currency": "EUR", "schedule": schedule}, "BBB": {"currency": "EUR", "schedule": "none"}}
    with pytest.raises(error, match=cure):
        graph(settings_of(instruments=instruments))


def test_a_foreign_cerebro_is_refused() -> None:
    with pytest.raises(EngineError, match="engine.build"):
        engine.run(bt.Cerebro())


def test_a_ledger_that_cannot_be_opened_stops_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(LedgerError):
        engine.run(graph(settings_of(paths={"state": str(tmp_path / "state")})))


def test_the_written_settings_are_the_run(result: engine.RunResult, tmp_path: Path) -> None:
    folder = engine.write_results(result, tmp_path / "run")
    read = load_settings(folder / "settings.toml")
    assert settings_hash(read) == result.summary["run"]["settings_hash"] == settings_hash(resolve(read))
    assert read.strategies["one"].parameters["rsi_period"] == 2
    again = engine.run(engine.build(read, history(), engine.SimBroker(settings=read)))
    pd.testing.assert_frame_equal(again.trades, result.trades)


# --------------------------------------------------------------------------- ledger, journal, Ctrl-C


def test_every_run_is_in_the_trial_ledger_and_counted_once_when_repeated(tmp_path: Path) -> None:
    settings = settings_of(paths={"state": str(tmp_path)})
    first, again = engine.run(graph(settings)), engine.run(graph(settings))
    changed = settings_of(paths={"state": str(tmp_path)}, execution="next_close")
    third = engine.run(graph(changed))
    with TrialLedger(tmp_path / "trials.sqlite") as ledger:
        trials = ledger.trials(strategy="portfolio")
        assert len(trials) == 3 and ledger.count(strategy="portfolio") == 2
        returns = ledger.returns_matrix([trials[0].id])[trials[0].id]
        compounded = 100_000.0 * float(np.prod(1.0 + returns))
        assert compounded == pytest.approx(first.equity["equity_eur"].iloc[-1])
        recorded = ledger.trials(strategy="one")[0].parameters
        assert recorded["parameters"].items() > LOOSE.items() and recorded["parameters"]["bollinger_period"] == 20
        assert recorded["sizer"] == "FixedRisk" and recorded["sizing"]["risk"] == 0.01
    assert [r.summary["run"]["trials_on_this_data"] for r in (first, again, third)] == [1, 1, 2]


def test_the_journal_holds_orders_fills_trades_and_refusals(tmp_path: Path) -> None:
    settings = settings_of(risk={"max_trade_notional": 0.02, "throttle": {"enabled": False}})
    with Journal(tmp_path / "journal.sqlite") as journal:
        result = engine.run(graph(settings), journal=journal)
        kinds = {kind: journal.read(kind) for kind in (EventKind.ORDER, EventKind.REFUSAL, EventKind.RUN)}
    refused = result.orders[result.orders["refusal"] != ""]
    assert len(refused) and len(kinds[EventKind.REFUSAL]) == len(refused)
    assert {event.payload["refusal"] for event in kinds[EventKind.REFUSAL]} == {"max_trade_notional"}
    assert result.summary["run"]["refused"] == {"max_trade_notional": len(refused)}
    assert [event.payload["what"] for event in kinds[EventKind.RUN]] == ["start", "end"]


def test_a_ledger_that_fails_after_the_run_costs_no_result(tmp_path: Path) -> None:
    def break_it(done: int, total: int) -> None:
        if done == total:
            with contextlib.closing(sqlite3.connect(tmp_path / "trials.sqlite")) as connection:
                connection.execute("DROP TABLE IF EXISTS trials")

    result = engine.run(graph(settings_of(paths={"state": str(tmp_path)})), progress=break_it)
    assert len(result.equity) == 700 and result.summary["portfolio"]["trades"] > 0
    assert [type(remark) for remark in result.remarks] == [LedgerError]
    assert result.summary["run"]["trials_on_this_data"] is None


def test_a_journal_on_a_full_disk_costs_no_result(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        pages = journal._database.connection.execute("PRAGMA page_count").fetchone()[0]
        journal._database.connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite: database or disk is full
        result = engine.run(graph(), journal=journal)
    assert len(result.equity) == 700
    assert [type(remark) for remark in result.remarks] == [LedgerError]
    assert "full" in str(result.remarks[0])


def test_ctrl_c_gives_partial_results_that_say_so() -> None:
    fired = []

    def interrupt(done: int, total: int) -> None:
        if done > 350 and not fired:
            fired.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    result = engine.run(graph(), progress=interrupt)
    assert result.partial and result.summary["run"]["partial"] is True
    assert 350 <= len(result.equity) < 400
    assert signal.getsignal(signal.SIGINT) is handler
    assert not engine.run(graph()).partial


def test_ctrl_c_before_the_first_bar_is_not_forgotten(tmp_path: Path) -> None:
    class Interrupted(Journal):
        """Its first event comes after the handler is in place and before Cerebro runs, which forgets runstop()."""

        def append(self, *event: Any) -> int:
            if not self.read():
                os.kill(os.getpid(), signal.SIGINT)
            return super().append(*event)

    with Interrupted(tmp_path / "journal.sqlite") as journal:
        result = engine.run(graph(), journal=journal)
    assert result.partial and len(result.equity) <= 1


def test_progress_is_reported_up_to_the_last_bar() -> None:
    seen: list[tuple[int, int]] = []
    engine.run(graph(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (700, 700) and len(seen) > 100 and seen == sorted(seen)


def test_a_run_outside_the_main_thread_leaves_signals_alone() -> None:
    results: list[engine.RunResult] = []
    thread = threading.Thread(target=lambda: results.append(engine.run(graph())))
    thread.start()
    thread.join()
    assert len(results[0].equity) == 700


def test_the_sample_desk_closes_enough_trades_and_names_its_flaws(tmp_path: Path) -> None:
    settings = load_settings(None, [f'paths.state="{tmp_path}"', "report.bootstrap_samples=100"])
    result = engine.backtest(settings)
    for metrics in result.summary["strategies"].values():
        assert metrics["trades"] >= settings.report.min_trades
    text = " ".join(result.notes)
    assert all(flaw in text for flaw in ("cannot be bought", "next close", "constant of the settings", "VIX begins"))
    assert result.equity.index[-1].date().isoformat() == "2018-12-31"
