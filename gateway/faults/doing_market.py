"""Verbs on the market and its tape. A symbol is a name, ``first`` (stock of the tape) or ``*`` (all of them)."""

from __future__ import annotations

import datetime as dt

from gateway.faults.effects import Halt, Resume, Split
from gateway.faults.scene import Scene
from gateway.faults.values import AbsentError
from gateway.faults.verbs import LARGEST_RATIO, Param, verb

SYMBOL = Param("symbol", "symbol")


@verb("halt", SYMBOL, says="trading in the symbol is halted: no bars, no quotes, no fills, tick 49")
def halt(scene: Scene, symbol: str) -> None:
    for one in scene.symbols(symbol):
        scene.memory.rewrites.halted.add(one)
        scene.effects.append(Halt(one))


@verb("resume", SYMBOL, says="a halted symbol trades again")
def resume(scene: Scene, symbol: str) -> None:
    for one in scene.symbols(symbol):
        scene.memory.rewrites.halted.discard(one)
        scene.effects.append(Resume(one))


@verb(
    "outlier",
    SYMBOL,
    Param("factor", "ratio"),
    says="the next bar and quote have a print that far off",
)
def outlier(scene: Scene, symbol: str, factor: float) -> None:
    for one in scene.symbols(symbol):
        scene.memory.rewrites.outliers[one] = factor


@verb("cross", SYMBOL, says="the next quote has its bid above its ask")
def cross(scene: Scene, symbol: str) -> None:
    scene.memory.rewrites.crossed.update(scene.symbols(symbol))


@verb(
    "stale",
    SYMBOL,
    Param("seconds", "duration"),
    says="bars and quotes repeat the last price for so long",
)
def stale(scene: Scene, symbol: str, seconds: float) -> None:
    for one in scene.symbols(symbol):
        scene.memory.rewrites.stale[one] = scene.now + dt.timedelta(seconds=seconds)


@verb(
    "split",
    SYMBOL,
    Param("ratio", "ratio"),
    says="one share becomes so many, everywhere",
)
def split(scene: Scene, symbol: str, ratio: float) -> None:
    for one in scene.symbols(symbol):
        whole = scene.memory.rewrites.ratios.get(one, 1.0) * ratio
        if not 1.0 / LARGEST_RATIO <= whole <= LARGEST_RATIO:
            raise AbsentError(f"no further split of {one}: one share would be {whole:g} by now")
        scene.memory.rewrites.ratios[one] = whole
        scene.effects.append(Split(one, ratio))
