"""Random programmes give the same events leaping as under stock backtrader, and ``verify`` has nothing to say.

A failure prints the smallest programme. ``LEAP_EXAMPLES=20000 pytest -m slow tests/engine/leap`` looks further.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

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

EXAMPLES = {"orders": 500, "calendars": 300}
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


@pytest.mark.parametrize("profile", EXAMPLES)
def test_most_programmes_leap(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equality proves nothing of a run that steps."""
    chance, built = random.Random(profile), []
    monkeypatch.setattr(running, "build", lambda *args: built.append(build(*args)) or built[-1])
    for _ in range(100):
        run(leaping(chance.randbytes(RAW), profile), OURS)
    leapt: list[Any] = [cerebro for cerebro in built if cerebro.landings]
    assert len(leapt) >= 50, Counter(reason for cerebro in built for reason in cerebro.leaping_obstacles)
    bars = sum(cerebro.datas[0].buflen() for cerebro in leapt)
    assert sum(cerebro.landings for cerebro in leapt) < 0.8 * bars
