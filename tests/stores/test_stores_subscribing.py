"""Streams are asked for again: those that were refused after each log-in, and nobody waits for IBKR's pacing."""

from __future__ import annotations

import datetime as dt
import logging
import threading

import pytest
from stored.desk import OPEN, PATIENCE, Desk, desk

from stores.events import BarArrived, ErrorReported, StreamChanged, StreamState, TickArrived

L = StreamState


def states(one: Desk, stream: int) -> list[StreamState]:
    return [each.state for each in one.of(StreamChanged) if each.stream == stream]


LOST = ("at 10:01 exchange: close", "at 10:03 exchange: close")


def log_in_again(one: Desk, times: int) -> None:
    """Time passes up to the next loss of the connection, and some more once it is back."""
    one.tws.advance(to=OPEN + dt.timedelta(minutes=2 * times - 3, seconds=5))
    one.until_again(times)
    one.after(20)


@pytest.mark.parametrize("code", [354, 10089, 10168])
def test_what_was_refused_is_asked_for_after_each_log_in(code: int) -> None:
    refusals = [f"on reqRealTimeBars {n}: error {code}; drop" for n in (1, 2)]
    with desk(*refusals, *LOST) as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(20)
        assert states(one, stream) == [L.NOT_SUBSCRIBED] and not one.of(BarArrived)
        log_in_again(one, 2)
        assert states(one, stream) == [L.NOT_SUBSCRIBED] and not one.of(BarArrived)  # refused again, told once
        log_in_again(one, 3)
        assert states(one, stream)[1:] == [L.LIVE] and len(one.of(BarArrived)) >= 3


def test_quotes_that_were_refused_come_after_the_next_log_in() -> None:
    with desk("not_subscribed", *LOST) as one:
        stream = one.store.subscribe_quotes(one.instrument())
        one.after(10)
        assert states(one, stream) == [L.NOT_SUBSCRIBED]
        log_in_again(one, 2)
        assert states(one, stream) == [L.NOT_SUBSCRIBED, L.LIVE] and one.of(TickArrived)


def test_a_refusal_that_stands_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    codes = (354, 354, 10089, 354)
    with desk(*(f"on reqRealTimeBars {n}: error {code}; drop" for n, code in enumerate(codes, 1))) as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(10)
        for _ in range(3):
            one.store.resubscribe(stream)
            one.after(20)
        assert states(one, stream) == [L.NOT_SUBSCRIBED] and one.codes() == [354]
        said = [each for each in caplog.records if "ib_error" in each.getMessage() and each.levelno > logging.DEBUG]
        assert len([each for each in said if "reaction=not_subscribed" in each.getMessage()]) == 1
        one.store.resubscribe(stream)
        one.after(20)
        assert states(one, stream) == [L.NOT_SUBSCRIBED, L.LIVE] and one.of(BarArrived)


def test_a_farm_that_comes_back_asks_for_nothing_that_was_refused() -> None:
    with desk("on reqRealTimeBars 1: error 354; drop", "market_farm_broken:after=20,seconds=3") as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(60)
        assert states(one, stream) == [L.NOT_SUBSCRIBED]
        assert {2103, 2104} <= {each.code for each in one.of(ErrorReported)} and not one.of(BarArrived)


@pytest.mark.slow
def test_nobody_waits_for_a_resubscription_that_is_paced() -> None:
    """One subscription in ten minutes is allowed, which the first one takes; in real time, which is not waited for."""
    with desk(speed=1.0, settings={"history_requests": 1}) as one:
        instrument = one.instrument()
        stream = one.store.subscribe_bars(instrument)
        one.until(lambda: L.LIVE in states(one, stream))
        desk_of_store = one.store._desk
        before = len(desk_of_store.tasks)

        def resubscribe() -> None:
            for _ in range(5):
                one.store.resubscribe(stream)

        asking = threading.Thread(target=resubscribe, daemon=True)
        asking.start()
        asking.join(PATIENCE)
        assert not asking.is_alive()
        assert len(desk_of_store.tasks) == before + 1  # one waits for its turn; the others were none
        assert one.store.history(instrument, duration="120 S", bar="1 min")
        count = len(one.of(BarArrived))
        one.until(lambda: len(one.of(BarArrived)) > count)  # what is subscribed goes on meanwhile
