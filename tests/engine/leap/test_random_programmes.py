"""Random programmes give the same events leaping as under stock backtrader, and ``verify`` has nothing to say.

A failure prints the smallest programme. ``LEAP_EXAMPLES=20000 pytest -m slow tests/engine/leap`` looks further.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import backtrader as bt
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from leap.cases import RAW, leaping
from parity import running
from parity.compare import first_difference
from parity.engines import OURS, STOCK
from parity.programme import Programme
from parity.running import build, run

import engine

EXAMPLES = {"orders": 700, "calendars": 450}
LONG = int(os.environ.get("LEAP_EXAMPLES", "3000"))
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]


class Verifying(engine.Cerebro):
    params = (("verify", True),)


VERIFYING = OURS.but(name="ours with verify", cerebro=Verifying)


def check(programme: Programme) -> None:
    stock = run(programme, STOCK)
    difference = first_difference(stock, run(programme, OURS))
    assert difference is None, f"{programme!r}\n{difference}"
    if any(action.do == "rebind" for plan in programme.plans for action in plan.actions):
        return  # a data whose lines were replaced does not run twice
    errors = [event[2] for event in run(programme, VERIFYING) if event[0] == "error"]
    assert errors == [event[2] for event in stock if event[0] == "error"], f"{programme!r}\n{errors}"


def check_many(profile: str, examples: int) -> None:
    @hypothesis.settings(max_examples=examples, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=RAW, max_size=RAW))
    def same(raw: bytes) -> None:
        check(leaping(raw, profile))

    same()


@pytest.mark.parametrize("profile", EXAMPLES)
def test_leaping_gives_the_events_of_stock(profile: str) -> None:
    check_many(profile, EXAMPLES[profile])


@pytest.mark.slow
@pytest.mark.parametrize("profile", EXAMPLES)
def test_leaping_gives_the_events_of_stock_in_many_more(profile: str) -> None:
    check_many(profile, LONG)


def test_most_programmes_leap_and_reach_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equality proves nothing of a run that steps, nor of what none of them does."""
    chance, built = random.Random(1), []
    monkeypatch.setattr(running, "build", lambda *args: built.append(build(*args)) or built[-1])
    leapt: list[Any] = []
    events: list[Any] = []
    for profile in ("orders", "calendars") * 400:
        told = run(leaping(chance.randbytes(RAW), profile), OURS)
        if built[-1].landings and not built[-1].leaping_obstacles:
            leapt.append(built[-1])
            events += told
    assert len(leapt) >= 300, Counter(reason for cerebro in built for reason in cerebro.leaping_obstacles)
    bars = sum(cerebro.datas[0].buflen() for cerebro in leapt)
    assert sum(cerebro.landings for cerebro in leapt) < 0.8 * bars
    orders = [event[2] for event in events if event[0] == "order"]
    seen = Counter((bt.Order.ExecTypes[order[4]], bt.Order.Status[order[3]]) for order in orders)
    for kind in ("Limit", "Stop", "StopLimit", "StopTrail", "StopTrailLimit", "Close"):
        for status in ("Accepted", "Completed", "Canceled", "Expired", "Margin"):
            assert seen[kind, status], f"no {kind} order was ever {status} in a run that leapt"
    kinds = Counter(event[0] for event in events)
    wanted = ("prenext", "nextstart", "bar", "trade", "timer", "cerebro timer", "error", "analyzer", "pending")
    assert [kind for kind in wanted if not kinds[kind]] == []
