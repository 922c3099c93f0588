"""``Cerebro``: backtrader's, with a faster way through the bars wherever that gives the same results.

Stock decides once a run is under way how to step through its bars. This class takes over one of those ways, that over
preloaded bars with vectorised indicators (``runonce``), and gives every run that is not eligible back to stock. Any
strategy can be run; none has to know.
"""

from __future__ import annotations

import logging
from typing import Any

import backtrader as bt

from core.leaping import LeapingStrategy
from core.logs import log_event
from engine.lean import desk
from engine.lean.eligible import obstacles
from engine.lean.loop import LeanRun, run_lean
from engine.leap.verify import run_both
from engine.leap.witness import Record

logger = logging.getLogger(__name__)


class Cerebro(bt.Cerebro):
    """Drop-in for ``backtrader.Cerebro``: same orders, fills, notifications, values, lines and analyses.

    ``stepping_reasons``: why the last run went bar by bar through stock's own loop, or what of it did; plain
    sentences, empty where all of it was lean. ``leaping_obstacles``: why it called every strategy on every bar instead
    of leaping (``core.leaping``); ``landings``: the bars that a leaping run did not leave out, 0 where it did not leap.
    An optimisation in several processes leaves all three as they were: its runs are the workers'.

    Params:
      - lean (True): False is stock's own loop
      - leap (True): False calls strategies that say when they act on every bar all the same
      - verify (False): runs both ways and raises EngineError at the first difference (``engine.leap.verify``)
    """

    params = (("lean", True), ("leap", True), ("verify", False))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._forget()

    def _forget(self) -> None:
        self.stepping_reasons: list[str] = []
        self.leaping_obstacles: list[str] = []
        self.landings = 0
        self._record: Record | None = None  # of the run under way, where it is held against another
        self._is_control = False  # whether this run is the stepping one of the two

    def run(self, **kwargs: Any) -> Any:
        self._forget()
        return super().run(**kwargs)

    def runstrategies(self, iterstrat: Any, predata: bool = False) -> Any:
        chosen = tuple(iterstrat)
        if not self.p.verify:
            return super().runstrategies(chosen, predata)
        stock = super().runstrategies
        return run_both(self, lambda: stock(chosen, predata))

    def _runonce(self, runstrats: list[bt.Strategy]) -> None:
        reasons = obstacles(self, runstrats) if self.p.lean else ["the parameter lean is off"]
        if reasons:
            self._go_stocks_way(reasons)
            super()._runonce(runstrats)
            return
        run: LeanRun | None = None

        def begin(begun: LeanRun) -> None:
            nonlocal run
            run = begun
            if self._record is not None:
                self._record.attend(begun)

        try:
            run_lean(self, runstrats, self.p.leap and not self._is_control, begin)
        finally:
            if run is not None:
                self._tell_of(run)

    def _tell_of(self, run: LeanRun) -> None:
        if self._record is not None:
            self._record.close()
        self._say(run.reasons)
        if self._is_control:
            return
        self.leaping_obstacles, self.landings = run.stepping, run.landed
        declares = any(isinstance(strategy, LeapingStrategy) for strategy in run.strategies)
        if declares and self.p.leap and run.stepping:
            log_event(logger, "not leaping", detail="; ".join(run.stepping))

    def stop_writers(self, runstrats: list[bt.Strategy]) -> None:
        """Stock asks broker and analyzers for their pages, also where no writer writes them."""
        broker = self.broker
        if self.runwriters or not self.p.lean or type(broker) not in desk.KNOWN or desk.is_patched(broker):
            super().stop_writers(runstrats)

    def _runnext(self, runstrats: list[bt.Strategy]) -> None:
        self._go_stocks_way([_why_next(self)])
        super()._runnext(runstrats)

    def _runonce_old(self, runstrats: list[bt.Strategy]) -> None:
        self._go_stocks_way(["oldsync is on"])
        super()._runonce_old(runstrats)

    def _runnext_old(self, runstrats: list[bt.Strategy]) -> None:
        self._go_stocks_way(["oldsync is on"])
        super()._runnext_old(runstrats)

    def _go_stocks_way(self, reasons: list[str]) -> None:
        self._say(reasons)
        self.leaping_obstacles = [f"the whole run goes stock's way: {reason}" for reason in reasons]

    def _say(self, reasons: list[str]) -> None:
        self.stepping_reasons += [reason for reason in reasons if reason not in self.stepping_reasons]
        if reasons:
            log_event(logger, "stepping", detail="; ".join(reasons))


def _why_next(cerebro: bt.Cerebro) -> str:
    """Why stock chose to compute indicators bar by bar."""
    if cerebro._dolive or cerebro.p.live:
        return "a data is live"
    if cerebro._exactbars:
        return "exactbars is on, so lines keep no history"
    if any(data.replaying for data in cerebro.datas):
        return "a data is replayed"
    if cerebro._doreplay:
        return "a data is resampled, whose bars stock makes while the run goes on"
    if not cerebro.p.preload:
        return "preload is off"
    if not cerebro.p.runonce:
        return "runonce is off"
    return "an indicator asked for bar-by-bar calculation (_nextforce)"
