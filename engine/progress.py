"""Progress of a run, as an analyzer: it is called on each bar in every engine mode and knows nothing of consoles."""

from __future__ import annotations

from collections.abc import Callable

import backtrader as bt

ProgressReport = Callable[[int, int], None]  # bars done, bars in all
STEPS = 200  # reports in a run


class ProgressMeter(bt.Analyzer):
    """Calls ``cerebro.progress(done, total)`` some 200 times in a run; the first strategy's meter does it for all."""

    leaps = True

    def start(self) -> None:
        cerebro = self.strategy.env
        self._report: ProgressReport | None = getattr(cerebro, "progress", None)
        if getattr(cerebro, "stop_asked", ()):  # before the run began: Cerebro.run has forgotten runstop() since
            cerebro.runstop()
        if self.strategy is not cerebro.runningstrats[0]:
            self._report = None
        self._total = cerebro.bars_in_all
        self._done = 0
        self._step = max(1, self._total // STEPS)

    def next(self) -> None:
        self._done += 1
        if self._report is not None and self._done % self._step == 0:
            self._report(self._done, self._total)

    def leapt(self, first: int, end: int) -> None:
        """Report as often as ``next`` would have for these steps."""
        before, self._done = self._done, self._done + end - first
        if self._report is not None:
            for done in range(before - before % self._step + self._step, self._done + 1, self._step):
                self._report(done, self._total)

    def stop(self) -> None:
        if self._report is not None:
            self._report(self._done, self._total)
