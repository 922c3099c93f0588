"""Signals to a session: what counts as the second one, and what is told at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from commands import live as command
from core.signals import SIGNALS


class Session:
    """What ``_stops`` needs of a session."""

    def __init__(self, is_trading: bool = True) -> None:
        self.is_trading = is_trading
        self.asked: list[str] = []

    def ask_stop(self, why: str) -> None:
        self.asked.append(why)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A doubled signal leaves a handler behind, for as long as its other half may come."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # the handler runs between two instructions


def test_a_signal_that_comes_twice_at_once_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    """``timeout`` signals the process, and then its group."""
    session = Session()
    with command._stops(session):  # type: ignore[arg-type]
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        send(signal.SIGINT)
    assert session.asked == ["SIGTERM"]
    assert capfd.readouterr().err == "SIGTERM: stopping in order; once more, after a second, ends it at once.\n"


def test_a_second_signal_that_comes_later_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DOUBLED_SECONDS", 0.05)
    session = Session()
    with pytest.raises(KeyboardInterrupt), command._stops(session):  # type: ignore[arg-type]
        send(signal.SIGINT)
        time.sleep(0.1)
        send(signal.SIGINT)
    assert session.asked == ["Ctrl-C"]


def test_the_other_half_may_come_when_the_session_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DOUBLED_SECONDS", 0.2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have another one
    session = Session()
    with command._stops(session):  # type: ignore[arg-type]
        send(signal.SIGINT)
    send(signal.SIGINT)
    time.sleep(0.25)
    with pytest.raises(KeyboardInterrupt):  # who handled it before does again
        send(signal.SIGINT)
    assert session.asked == ["Ctrl-C"]


def test_before_it_trades_the_first_one_ends_it() -> None:
    session = Session(is_trading=False)
    with pytest.raises(KeyboardInterrupt), command._stops(session):  # type: ignore[arg-type]
        send(signal.SIGINT)
    assert session.asked == []
