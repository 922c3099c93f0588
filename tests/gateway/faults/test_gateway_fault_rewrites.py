"""Bars and quotes of the tape that are changed: outliers, crossed, stale, split. Expected values by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

from faulty.acting import MONDAY, Stage

from gateway.data.tape import Step
from gateway.faults import parse
from gateway.model import Bar, Instrument, Quote

BAC, AIG = Instrument(1, "BAC"), Instrument(2, "AIG", min_tick=0.05)


def bar(n: int, close: float = 12.50) -> Bar:
    start = MONDAY + dt.timedelta(seconds=n)
    return Bar(start, start + dt.timedelta(seconds=1), 12.48, 12.52, 12.46, close, 300.0, 12.49, 7)


def quote(n: int, bid: float = 12.49, ask: float = 12.51) -> Quote:
    return Quote(MONDAY + dt.timedelta(seconds=n + 1), bid, ask, 400.0, 500.0)


def step(n: int, close: float = 12.50) -> Step:
    """The n-th second: both instruments have a bar and a quote, whose middle is the close."""
    spread = (round(close - 0.01, 2), round(close + 0.01, 2))
    return Step(
        MONDAY + dt.timedelta(seconds=n + 1),
        {BAC: bar(n, close), AIG: bar(n, close)},
        {BAC: quote(n, *spread), AIG: quote(n, *spread)},
    )


def play(text: str, *steps: Step) -> tuple[list[Step], Stage]:
    """The steps as they are played, the clock going with them."""
    stage = Stage(parse(text))
    stage.wait(0)
    played = []
    for one in steps:
        stage.now = one.when
        stage.wait(0)
        played.append(stage.injector.step(one))
    stage.wait(0)
    return played, stage


def test_a_tape_that_no_rule_changes_is_the_very_same() -> None:
    steps = [step(n) for n in range(3)]
    played, _ = play("on bar 99: halt BAC", *steps)
    assert all(one is was for one, was in zip(played, steps, strict=True))


def test_a_quote_that_is_not_there_does_not_make_a_step_another() -> None:
    nothing = Step(MONDAY, {}, {BAC: Quote(MONDAY, math.nan, math.nan, 0.0, 0.0)})
    played, _ = play("on bar 99: halt BAC", nothing)
    assert played == [nothing]


def test_an_outlier_above_is_a_high_and_a_quote_for_one_step() -> None:
    played, _ = play("on bar where symbol=BAC 2: outlier $symbol 1.6", *(step(n) for n in range(3)))
    assert played[0] == step(0) and played[2] == step(2)
    assert played[1].bars[BAC] == dataclasses.replace(bar(1), high=20.0)  # 12.50 * 1.6
    assert played[1].quotes[BAC] == quote(1, 19.98, 20.02)  # 12.49 * 1.6 = 19.984, 12.51 * 1.6 = 20.016
    assert played[1].bars[AIG] == bar(1) and played[1].quotes[AIG] == step(1).quotes[AIG]


def test_an_outlier_below_is_a_low() -> None:
    played, _ = play("on bar where symbol=BAC 1: outlier BAC 0.5", step(0))
    assert played[0].bars[BAC] == dataclasses.replace(bar(0), low=6.25)


def test_a_crossed_quote_has_its_bid_above_its_ask_once() -> None:
    played, _ = play("on quote where symbol=BAC 1: cross BAC", step(0), step(1))
    assert played[0].quotes[BAC] == quote(0, 12.51, 12.49)
    assert played[0].bars == step(0).bars and played[1] == step(1)


def test_a_locked_quote_is_crossed_by_a_tick() -> None:
    locked = Step(MONDAY, {}, {AIG: quote(0, 12.50, 12.50)})
    played, _ = play("on quote 1: cross *", locked)
    assert played[0].quotes[AIG] == quote(0, 12.55, 12.50)


def test_stale_data_repeats_the_last_price_without_volume_until_its_time() -> None:
    played, _ = play("on bar where symbol=BAC 2: stale BAC 2", *(step(n, 12.50 + n) for n in range(4)))
    first = step(0, 12.50)
    assert played[0] == first
    for n in (1, 2):  # the bars end 2 and 3 seconds after the start; it lasts from 2 to below 4
        start = MONDAY + dt.timedelta(seconds=n)
        last = 12.50
        assert played[n].bars[BAC] == Bar(start, start + dt.timedelta(seconds=1), last, last, last, last, 0.0, last, 0)
        assert played[n].quotes[BAC] == dataclasses.replace(
            first.quotes[BAC], when=MONDAY + dt.timedelta(seconds=n + 1)
        )
        assert played[n].bars[AIG] == bar(n, 12.50 + n)
    assert played[3] == step(3, 15.50)


def test_a_split_divides_prices_to_the_tick_and_multiplies_sizes_from_then_on() -> None:
    played, stage = play("on bar where symbol=AIG 2: split AIG 2", step(0), step(1), step(2))
    assert played[0] == step(0)
    for n in (1, 2):
        was = bar(n)
        assert played[n].bars[AIG] == Bar(was.start, was.end, 6.25, 6.25, 6.25, 6.25, 600.0, 6.245, 7)  # to 0.05
        assert played[n].quotes[AIG] == Quote(quote(n).when, 6.25, 6.25, 800.0, 1000.0)
        assert played[n].bars[BAC] == bar(n)
    assert stage.calls == [("split", "AIG", 2.0)]


def test_a_halted_symbol_is_not_on_the_tape_until_it_resumes() -> None:
    played, stage = play(
        "on bar where symbol=BAC 2: halt BAC\non bar where symbol=AIG 3: resume BAC", *(step(n) for n in range(4))
    )
    assert played[0] == step(0) and played[3] == step(3)
    assert list(played[1].bars) == list(played[1].quotes) == [AIG]
    assert stage.calls == [("halt", "BAC"), ("resume", "BAC")]


def test_splits_multiply() -> None:
    played, stage = play("on bar where symbol=BAC every 1: split BAC 2", step(0, 12.40), step(1, 12.40))
    assert played[1].bars[BAC].close == 3.10  # 12.40 / 4
    assert stage.calls == [("split", "BAC", 2.0)] * 2


def test_first_and_all_mean_what_was_on_the_tape() -> None:
    _, stage = play("on bar where symbol=AIG 1: halt first; halt *", step(0))
    assert stage.calls == [("halt", "BAC"), ("halt", "BAC"), ("halt", "AIG")]


def test_what_a_bar_sets_off_comes_with_the_next_tick_and_is_counted_by_name() -> None:
    _, stage = play("on bar where symbol=BAC 3: error 1100", *map(step, range(5)))
    assert [call[:4] for call in stage.calls] == [("error", None, -1, 1100)]
