"""Random programmes give the same event log, to the last bit, under stock backtrader and under ours.

A failure prints the smallest programme and the first event that differs. ``PARITY_EXAMPLES=20000 pytest -m slow
tests/engine/parity/test_programmes.py`` looks further; HYPOTHESIS_PROFILE=explore looks at other cases each time.
"""

from __future__ import annotations

import functools
import os
import random
from collections import Counter
from typing import Any

import backtrader as bt
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from parity import running
from parity.compare import assert_same
from parity.decode import ANALYZERS, OBSERVERS, SIZE, decode
from parity.engines import MIXED, OURS, OURS_EXISTS, Engine
from parity.running import build, run

EXAMPLES = {"orders": 1000, "calendars": 350, "graphs": 350, "everything": 300}
LONG = int(os.environ.get("PARITY_EXAMPLES", "3000"))
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]


def check(profile: str, engine: Engine, examples: int) -> None:
    @hypothesis.settings(max_examples=examples, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=SIZE, max_size=SIZE))
    def same(raw: bytes) -> None:
        assert_same(decode(raw, profile), engine)

    same()


@pytest.mark.parametrize("profile", EXAMPLES)
def test_random_programmes_give_the_events_of_stock(profile: str) -> None:
    check(profile, OURS, EXAMPLES[profile])


@pytest.mark.parametrize("mix", MIXED)
def test_each_of_our_parts_stands_alone(mix: str) -> None:
    """Our Cerebro with the stock broker, with its own, and with stock feeds."""
    check("orders", MIXED[mix], 60)
    check("everything", MIXED[mix], 60)


@pytest.mark.slow
@pytest.mark.parametrize("profile", EXAMPLES)
def test_many_more_random_programmes_give_the_events_of_stock(profile: str) -> None:
    check(profile, OURS, LONG)


# ------------------------------------------------------------------ the programmes themselves


@functools.cache
def events_of(profile: str) -> list[tuple[str, Any, Any]]:
    """Of ours, which are those of stock (see above) in a third of the time."""
    chance, count = random.Random(profile), {"orders": 500, "everything": 300}.get(profile, 100)
    return [event for _ in range(count) for event in run(decode(chance.randbytes(SIZE), profile), OURS)]


def test_programmes_reach_every_status_of_every_type_of_order() -> None:
    """What no programme reaches is not proved."""
    orders = [event[2] for event in events_of("orders") if event[0] == "order"]
    seen = Counter((bt.Order.ExecTypes[order[4]], bt.Order.Status[order[3]]) for order in orders)
    resting = ("Limit", "Stop", "StopLimit", "StopTrail", "StopTrailLimit", "Close")
    for kind in resting:
        for status in ("Submitted", "Accepted", "Partial", "Completed", "Canceled", "Expired", "Margin"):
            assert seen[kind, status], f"no {kind} order was ever {status}"
    for status in ("Submitted", "Accepted", "Partial", "Completed", "Margin", "Rejected"):
        assert seen["Market", status], f"no market order was ever {status}"
    assert seen["Historical", "Completed"]
    assert sum(seen[kind, "Rejected"] for kind in resting)


def test_programmes_reach_every_callback_analyzer_and_observer() -> None:
    events = events_of("everything")
    kinds = Counter(event[0] for event in events)
    wanted = (
        "start", "prenext", "nextstart", "bar", "open", "prenext_open", "nextstart_open", "order", "trade", "cashvalue",
        "fund", "timer", "cerebro timer", "stop", "error", "returned", "analyzer", "observer", "writer", "pending",
    )  # fmt: skip
    assert [kind for kind in wanted if not kinds[kind]] == []
    analyses = {event[2][0].rstrip("0123456789") for event in events if event[0] == "analysis"}
    assert {name.lower() for name in ANALYZERS} <= {name.lower() for name in analyses}
    observers = {event[2][0] for event in events if event[0] == "line" and event[2][0].startswith("observer")}
    assert {f"observer {name}" for name in OBSERVERS} <= observers


@pytest.mark.parametrize("profile", EXAMPLES)
def test_most_programmes_run_to_their_end(profile: str) -> None:
    """An error ends a log, so it must stay the exception."""
    ended = Counter(event[0] for event in events_of(profile) if event[0] in ("error", "returned"))
    assert ended["error"] >= 5 and ended["returned"] >= ended["error"], ended


def test_a_programme_prints_as_python_that_makes_it_again() -> None:
    from parity.programme import Action, Feed, Node, Plan, Programme  # names for eval

    names = {kind.__name__: kind for kind in (Action, Feed, Node, Plan, Programme)}
    chance = random.Random(1)
    for _ in range(200):
        programme = decode(chance.randbytes(SIZE))
        assert eval(repr(programme), dict(names)) == programme


def test_no_bytes_are_the_plainest_programme() -> None:
    programme = decode(bytes(SIZE))
    assert repr(programme) == "Programme(feeds=(Feed(),))" or len(repr(programme)) < 80, programme


@pytest.mark.skipif(not OURS_EXISTS, reason="engine.Cerebro is not there yet")
@pytest.mark.parametrize("profile", EXAMPLES)
def test_most_programmes_take_the_fast_path(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equality proves nothing of a loop that does not run."""
    chance, built = random.Random(profile), []
    monkeypatch.setattr(running, "build", lambda *args: built.append(build(*args)) or built[-1])
    for _ in range(40):
        run(decode(chance.randbytes(SIZE), profile), OURS)
    lean = [cerebro for cerebro in built if not cerebro.stepping_reasons]
    assert len(lean) >= 10, Counter(reason for cerebro in built for reason in cerebro.stepping_reasons)
