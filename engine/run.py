"""Running a graph: Ctrl-C, timing, the trial ledger."""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import backtrader as bt
import numpy as np
import pandas as pd

from analyzers import JournalWriter
from analyzers.sessions import session_returns
from books.journal import EventKind, Journal
from books.ledger import TrialLedger, TrialRecord
from core.clock import SystemClock
from core.config import settings_hash
from core.errors import EngineError, HalflifeError, LedgerError
from core.logs import log_event
from core.settings import Settings
from core.version import code_version
from engine.brokers import make_broker
from engine.build import allotment_eur, bars_needed, build, resolve
from engine.progress import ProgressReport
from engine.report.view import session_calendar
from engine.results import RunResult, collect
from engine.summary import summarise
from feeds import load

logger = logging.getLogger(__name__)
EVENTS_AT_ONCE = 1_000  # a backtest can be repeated, so its events need not be durable one by one
LEDGER_FILE = "trials.sqlite"
PORTFOLIO = "portfolio"  # the account as a whole, beside the strategies


def backtest(
    settings: Settings, *, progress: ProgressReport | None = None, journal: Journal | None = None
) -> RunResult:
    """Load the bars that the settings name, build the graph with the broker they ask for, and run it; see ``run``."""
    settings = resolve(settings)
    history = load(settings, warm_up=bars_needed(settings))
    return run(build(settings, history, make_broker(settings, history)), progress=progress, journal=journal)


def run(cerebro: bt.Cerebro, *, progress: ProgressReport | None = None, journal: Journal | None = None) -> RunResult:
    """Run a graph that ``build`` made; record the run in the trial ledger; return frames and summary.

    ``progress`` is called with (bars done, bars in all). Every order, fill, trade and refusal is one log line and, with
    a ``journal``, one event in it.

    Ctrl-C stops the run at the next bar and gives what there is, marked ``partial``, in the ledger too: who looked at
    half a result has looked. A second one raises KeyboardInterrupt. Raises EngineError for a Cerebro of another
    making, LedgerError where the ledger or the journal cannot be opened (before the run starts). What cannot be
    written to them later (a disk that filled up) is in ``remarks`` of the result, which is not lost.
    """
    settings: Settings | None = getattr(cerebro, "settings", None)
    if settings is None:
        raise EngineError("this Cerebro was not made by engine.build; run it with its own run() method")
    cerebro.progress = progress
    with TrialLedger(Path(settings.paths.state) / LEDGER_FILE) as ledger:
        started = time.perf_counter()
        with _stop_on_interrupt(cerebro) as interrupted, _journalled(cerebro, journal) as remarks:
            strategies = cerebro.run()
        result = collect(cerebro, strategies, bool(interrupted), time.perf_counter() - started)
        data_hash = cerebro.history.hash
        result = dataclasses.replace(result, summary=summarise(result, data_hash), remarks=remarks)
        try:
            _record(ledger, result, data_hash)
            trials = ledger.count(data_hash=data_hash, strategy=PORTFOLIO)
            result.summary["run"]["trials_on_this_data"] = trials
        except LedgerError as error:
            result.summary["run"]["trials_on_this_data"] = None
            remarks.append(error)
    for remark in remarks:
        log_event(logger, "remark", level=logging.ERROR, detail=str(remark))
    log_event(
        logger, "run", name=settings.name, bars=len(result.equity), seconds=round(result.seconds, 2),
        partial=result.partial,
    )  # fmt: skip
    return result


@contextmanager
def _journalled(cerebro: bt.Cerebro, journal: Journal | None) -> Iterator[list[HalflifeError]]:
    """Attach a writer of events for this run only, and write the run's own beginning, end and risk events.

    The list holds what the journal could not take.
    """
    settings: Settings = cerebro.settings
    about = {"name": settings.name, "settings_hash": settings_hash(settings), "data_hash": cerebro.history.hash}
    writer = (JournalWriter, (), {"journal": journal, "batch": EVENTS_AT_ONCE, "must_write": False})
    failures: list[HalflifeError] = []
    cerebro.analyzers.append(writer)
    if journal is not None:
        journal.append(EventKind.RUN, SystemClock().now(), {"what": "start", **about})
    try:
        yield failures
    finally:
        cerebro.analyzers.remove(writer)
    if journal is None:
        return
    writers = (strategy.analyzers.journalwriter for strategy in cerebro.runningstrats)
    failures += [writer.failure for writer in writers if writer.failure is not None][:1]
    gate = getattr(cerebro.broker, "gate", None)
    try:
        for event in gate.events if gate is not None else ():
            journal.append(EventKind.RISK, event.when, {"kind": str(event.kind), "detail": event.detail})
        journal.append(EventKind.RUN, SystemClock().now(), {"what": "end", **about})
    except LedgerError as error:
        failures += [] if failures else [error]


@contextmanager
def _stop_on_interrupt(cerebro: bt.Cerebro) -> Iterator[list[int]]:
    """Turn the first SIGINT or SIGTERM into a stop at the next bar; the list holds it.

    Only the main thread may do so; in another one signals are left alone.
    """
    interrupted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    cerebro.stop_asked = interrupted

    def stop(number: int, frame: FrameType | None) -> None:
        if interrupted:
            raise KeyboardInterrupt
        interrupted.append(number)
        cerebro.runstop()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _record(ledger: TrialLedger, result: RunResult, data_hash: str) -> None:
    """One trial for the portfolio and one for each strategy, with its parameters and session returns."""
    settings = result.settings
    streams = {PORTFOLIO: (result.equity["equity_eur"], settings.account.capital)}
    streams |= {name: (curve, allotment_eur(settings, name)) for name, curve in result.strategy_equity.items()}
    now, calendar = SystemClock().now(), session_calendar(result)
    for name, (curve, capital) in streams.items():
        returns = session_returns(curve, capital, calendar)
        values = np.nan_to_num(returns.to_numpy(dtype=float))  # nothing is earned or lost after ruin
        owner = settings.strategies.get(name)
        ledger.record(
            TrialRecord(
                when=now,
                name=settings.name,
                kind="partial" if result.partial else "backtest",
                strategy=name,
                parameters=owner.model_dump(mode="json") if owner else {},
                settings_hash=settings_hash(settings),
                data_hash=data_hash,
                code_version=code_version(),
                metrics=result.summary["strategies"][name] if owner else result.summary["portfolio"],
                returns=values,
                dates=np.asarray(pd.DatetimeIndex(returns.index), dtype="datetime64[D]"),
            )
        )
