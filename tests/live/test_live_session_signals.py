"""Signals to a real process: it stops in order, what it leaves protects the position, and the next one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from books.intents import read_book
from gateway import Gateway
from live.places import Places

CHILD = Path(__file__).resolve().parent / "sessions" / "child.py"
REPOSITORY = CHILD.parents[3]
FACTOR = 60.0  # a minute's bar in a second
PATIENCE = 60.0  # real seconds
PLACES = Places.of("state", "DU1234567")


@pytest.fixture
def tws() -> Iterator[Gateway]:
    with Gateway.sample(speed=FACTOR) as running:  # from 13:29 UTC on
        yield running


def start(tws: Gateway, *changes: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-u", CHILD, str(tws.port), str(FACTOR), "state", *changes],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write(tws.now().isoformat() + "\n")
    child.stdin.flush()
    return child


def until(tws: Gateway, what: Callable[[list[Any]], bool]) -> list[Any]:
    """Wait until the gateway's open orders are as wanted: (action, type, tif) of each."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = working(tws)
        if what(found):
            return found
        time.sleep(0.05)
    raise AssertionError(working(tws))


def working(tws: Gateway) -> list[Any]:
    return tws.call(
        lambda state: [(o.terms["action"], o.terms["orderType"], o.terms["tif"]) for o in state.market.open_orders()]
    )


def is_protected(found: list[Any]) -> bool:
    return len(found) == 1 and found[0][1:] == ("STP", "GTC")


def end_of(child: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = child.communicate(timeout=PATIENCE)
    return child.returncode, out


def stopped(tws: Gateway, number: signal.Signals) -> None:
    """A session that is ended by a signal while it holds a position."""
    child = start(tws)
    protective = until(tws, is_protected)
    child.send_signal(number)
    code, out = end_of(child)
    assert code == 0 and "stopping: " in out and "1 protective order keeps working at the broker" in out, out
    assert working(tws) == protective
    (order,) = read_book(PLACES.intents).open_orders()
    assert (order.intent.role, order.state) == ("stop", "working")


def test_a_signal_stops_in_order(tws: Gateway) -> None:
    stopped(tws, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_after_a_signal_the_next_start_goes_on(tws: Gateway, number: signal.Signals) -> None:
    stopped(tws, number)
    child = start(tws)
    until(tws, lambda found: not found)  # the exit filled, and ended its protective order
    child.send_signal(number)
    code, out = end_of(child)
    assert code == 0, out
    book = read_book(PLACES.intents)
    assert not book.halts and not book.unresolved()
    assert len(tws.call(lambda state: list(state.market.orders))) == len(book.orders)


@pytest.mark.slow
def test_a_doubled_signal_stops_in_order_and_nothing_is_lost(tws: Gateway) -> None:
    child = start(tws)
    until(tws, is_protected)
    child.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    code, out = end_of(child)
    assert code == 0 and "SIGTERM: stopping in order" in out and "stopping: SIGTERM" in out, out
    assert is_protected(working(tws))
    known = {order.intent.order_id for order in read_book(PLACES.intents).orders.values()}
    sent = tws.call(lambda state: {order.order_id for order in state.market.orders.values()})
    assert sent <= known
