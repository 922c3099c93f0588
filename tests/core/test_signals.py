"""Signals that wait for what must not be cut, and those that cut."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from core.signals import SIGNALS, interruptible, uninterrupted


@pytest.fixture(autouse=True)
def handlers_of_the_test_run() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_until_the_block_is_done(number: int) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        with uninterrupted():
            signal.raise_signal(number)
            done.append("after the first")
            signal.raise_signal(number)
            done.append("after the second")
        done.append("never")
    assert done == ["after the first", "after the second"]


def test_a_second_signal_does_not_cut_the_answer_to_the_first() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)  # the process is about to end
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_IGN, signal.SIG_IGN]


def test_handlers_come_back_where_no_signal_came() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with interruptible(), uninterrupted():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_thread_that_gets_no_signals_is_left_alone() -> None:
    done = []

    def work() -> None:
        with interruptible(), uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
