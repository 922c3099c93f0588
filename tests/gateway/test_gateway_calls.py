"""Looking into a gateway from outside: every call has an end, whatever becomes of the gateway."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from faulty.wire import gateway

from core.errors import GatewayError
from gateway import Gateway

PATIENCE = 10.0  # seconds


def outcome(what: Callable[[], object]) -> object:
    """What a function returns or raises, in a thread of its own; the test fails where it does not come back."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(what())
        except BaseException as error:  # noqa: BLE001 - it is what the test is about
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found, "it hangs"
    return found[0]


def test_a_call_raises_what_it_has_raised() -> None:
    with gateway() as running:
        assert isinstance(outcome(lambda: running.call(lambda tws: 1 / 0)), ZeroDivisionError)
        assert outcome(lambda: running.call(lambda tws: 1)) == 1


def test_a_call_within_a_call_is_an_error() -> None:
    with gateway() as running:
        error = outcome(lambda: running.call(lambda tws: running.call(lambda again: 1)))
        assert isinstance(error, GatewayError) and "own thread" in str(error)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_call_that_wants_to_end_the_program_does_not_end_the_gateway(kind: type[BaseException]) -> None:
    def leave(tws: object) -> None:
        raise kind()

    with gateway() as running:
        error = outcome(lambda: running.call(leave))
        assert isinstance(error, GatewayError) and isinstance(error.__cause__, kind)
        assert running.is_running


def test_calls_end_when_the_gateway_stops() -> None:
    for _ in range(5):
        made = Gateway.sample(speed="still").start()
        under_way = threading.Event()
        ends: list[object] = []

        def call_on(made: Gateway = made, under_way: threading.Event = under_way, ends: list[object] = ends) -> None:
            try:
                while True:
                    made.call(lambda tws: None)
                    under_way.set()
            except BaseException as error:  # noqa: BLE001 - it is what the test is about
                ends.append(error)

        threads = [threading.Thread(target=call_on, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert under_way.wait(PATIENCE)
        made.stop()
        for thread in threads:
            thread.join(PATIENCE)
        assert [type(end) for end in ends] == [GatewayError] * 4
