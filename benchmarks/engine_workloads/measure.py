"""Timing contenders in turns, and the memory that one of them takes."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """What a run gave; ``feed_bytes``: what its feeds hold by themselves."""

    equity: float
    orders: int = 0
    feed_bytes: int = 0


@dataclass
class Contender:
    """One engine on one workload. ``times`` are seconds; ``note`` says why it did not run, or how."""

    name: str
    run: Callable[[], Outcome] | None
    runs: int
    note: str = ""
    times: list[float] = field(default_factory=list)
    outcome: Outcome | None = None
    bytes_a_bar: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.times) if self.times else float("nan")


def take_turns(contenders: list[Contender], told: Callable[[], None]) -> None:
    """Each contender once, then each again, until all have had their runs; ``told`` after each run."""
    for turn in range(max(contender.runs for contender in contenders)):
        for contender in contenders:
            if contender.run is None or turn >= contender.runs:
                continue
            gc.collect()
            begin = time.perf_counter()
            contender.outcome = contender.run()
            contender.times.append(time.perf_counter() - begin)
            told()


def peak_bytes(run: Callable[[], Outcome]) -> float:
    """Peak of what Python and numpy allocate during the run, beyond what its feeds hold."""
    gc.collect()
    tracemalloc.start()
    outcome = run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak - outcome.feed_bytes)
