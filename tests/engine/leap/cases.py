"""Programmes of strategies that say when they act, from bytes; see ``parity.decode``."""

from __future__ import annotations

import dataclasses

from leap.sleepers import KINDS
from parity.decode import SIZE, Choices, decode
from parity.programme import Action, Plan, Programme

RAW = SIZE + 40
FED_LATER = ("TradeAnalyzer", "DrawDown", "TimeReturn", "SharpeRatio")
HEARD = {"bar", "filled", "order", "trade", "timer", "start", "stop"}


def leaping(raw: bytes, profile: str) -> Programme:
    """A programme of ``profile``, most of what keeps a run from leaping left out."""
    made = decode(raw[:SIZE], profile)
    c = Choices(raw, SIZE, 40)
    strict = not c.some(5)
    plans = tuple(_plan(c, plan) for plan in made.plans)
    changes = {"plans": plans, "writer": False, "stdstats": False, "observers": (), "optimised": False}
    if strict:
        changes |= {
            "cerebro": tuple((name, value) for name, value in made.cerebro if name in ("tradehistory", "tz")),
            "broker": tuple((name, value) for name, value in made.broker if name not in ("coo", "int2pnl")),
            "commissions": tuple((at, name) for at, name in made.commissions if name in STOCKLIKE),
            "filler": None, "history": (),
            "analyzers": tuple(name for name in made.analyzers if name in FED_LATER) or c.of((), FED_LATER[:3]),
            "feeds": tuple(
                dataclasses.replace(feed, to=None, shape=c.of("walk", feed.shape)) for feed in made.feeds
            ),
        }  # fmt: skip
        changes["timers"] = made.timers if c.some(2) else ()
    return dataclasses.replace(made, **changes)


STOCKLIKE = {"free", "percent", "percabs", "fixed", "leverage"}


def _plan(c: Choices, plan: Plan) -> Plan:
    actions = []
    for action in plan.actions:
        where = action.where if action.where in HEARD else "bar"
        if where == "order" and c.some(2):
            where = "filled"
        actions.append(dataclasses.replace(action, where=where))
    if c.some(3):
        actions.append(Action(where="filled", at=1, do="close"))
    kind = None if c.some(24) else c.of(*KINDS)
    return dataclasses.replace(
        plan, actions=tuple(actions), wakes=kind, noise=c.of(0, 0, 7, 3), timer=plan.timer if c.some(2) else None,
    )  # fmt: skip
