"""What one case consists of: feeds, strategies with the things they do, options. Plain values, printed short.

A failing case is printed as one of these; its text is Python, so it can be pasted into a test.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


class Short:
    """Prints only what differs from the default."""

    def __repr__(self) -> str:
        said = []
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
            if value != default or type(value) is not type(default):
                said.append(f"{item.name}={value!r}")
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True, repr=False)
class Feed(Short):
    """Bars on a grid that all feeds share: bar k lies at ``k * minutes`` after the start."""

    bars: int = 40
    seed: int = 0
    shape: str = "walk"  # walk, ticks (prices in steps of 0.5), flat, jumps, zero (no range), nan
    minutes: int = 1440  # from one bar to the next
    missing: float = 0.0  # fraction of the bars that are left out
    first: int = 0  # bar of the grid on which the feed begins
    compression: int = 1
    to: tuple[str, str, int] | None = None  # ("resample" or "replay", timeframe, compression)
    tz: str | None = None
    aware: str | None = None  # timezone of the frame's index; None is naive
    options: tuple[tuple[str, Any], ...] = ()  # further parameters of the feed


@dataclass(frozen=True, repr=False)
class Action(Short):
    """One thing that a strategy does the ``at``-th time that it is in the callback ``where``."""

    where: str = "bar"  # bar, filled, open, order, trade, timer, start, stop, cash
    at: int = 1
    do: str = "order"
    data: int = 0
    side: str = "buy"
    size: float | None = 10
    exectype: str | None = "Market"
    price: float | None = None  # as a multiple of the close
    limit: float | None = None  # likewise
    valid: str | None = None
    trail: tuple[str, float] | None = None  # ("amount" or "percent", value)
    tradeid: int = 0
    link: str | None = None  # oco, parent, child, last: to orders before it
    value: float = 0.0


@dataclass(frozen=True, repr=False)
class Node(Short):
    """One indicator or operation; sources are ``d0.close``, ``d0`` or the number of an earlier node."""

    make: str = "SMA"
    of: tuple[str | int, ...] = ("d0.close",)
    n: int = 3
    line: int = 0  # which line of it later nodes take


@dataclass(frozen=True, repr=False)
class Plan(Short):
    """One strategy."""

    actions: tuple[Action, ...] = ()
    nodes: tuple[Node, ...] = ()
    loud: bool = True  # overrides every callback there is; a quiet one has next and notify_order alone
    reads: int = 2  # on each bar: 0 nothing, 1 cash and value, 2 everything
    timer: tuple[tuple[str, Any], ...] | None = None
    wakes: str | None = None  # how it says when it acts (``leap.sleepers``); None: it does not
    noise: int = 0  # one in so many bars is declared beside those on which it acts


@dataclass(frozen=True, repr=False)
class Programme(Short):
    """One case."""

    feeds: tuple[Feed, ...] = (Feed(),)
    plans: tuple[Plan, ...] = (Plan(),)
    cerebro: tuple[tuple[str, Any], ...] = ()
    broker: tuple[tuple[str, Any], ...] = ()
    commissions: tuple[tuple[int | None, str], ...] = ()  # (data or None for all, name of the scheme)
    filler: str | None = None
    sizer: tuple[str, tuple[tuple[str, Any], ...]] | None = None
    analyzers: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    timers: tuple[tuple[tuple[str, Any], ...], ...] = ()
    history: tuple[tuple[Any, ...], ...] = ()
    writer: bool = False
    optimised: bool = False  # the first strategy is optimised over two values

    stdstats: bool = field(default=False)
