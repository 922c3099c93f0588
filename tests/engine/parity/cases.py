"""Programmes with orders of most kinds, and their comparison after the Cerebro was changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.compare import first_difference
from parity.engines import OURS, STOCK
from parity.programme import Action, Feed, Node, Plan, Programme
from parity.running import run

TRADES = tuple(Action(at=at, size=9, side=("buy", "sell")[at // 5 % 2]) for at in range(2, 36, 5))
RESTING = (
    Action(at=6, do="bracket", exectype="Market"), Action(at=20, do="bracket", side="sell"),
    Action(at=9, exectype="Limit", price=0.97, valid="2 days"),
    Action(at=24, exectype="StopTrail", trail=("amount", 1.0)),
)  # fmt: skip
PLAN = Plan(actions=(*TRADES, *RESTING), nodes=(Node("SMA"), Node("MACD"), Node("ATR", ("d0",))))
ONE = Programme(plans=(PLAN,), analyzers=("TradeAnalyzer", "TimeReturn"))
TWO = Programme((Feed(), Feed(seed=2, missing=0.3)), (PLAN,), analyzers=("TradeAnalyzer", "TimeReturn"))
Tweak = Callable[[Any], None]


def both(tweak: Tweak, programme: Programme = ONE) -> list[tuple[str, Any, Any]]:
    events = run(programme, STOCK, tweak)
    difference = first_difference(events, run(programme, OURS, tweak))
    assert difference is None, f"{programme!r}\n{difference}"
    assert any(event[0] == "returned" for event in events), events[-5:]
    return events


def of(events: list[Any], kind: str) -> list[Any]:
    return [event[2] for event in events if event[0] == kind]
