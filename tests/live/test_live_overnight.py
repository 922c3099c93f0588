"""A restart overnight, with shorts held: what the night costs and what units are worth are as without one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from lived import desks, runs

from core.calendar import ExchangeCalendar
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB, make_sample
from gateway.data.tape import Tape

FIRST = dt.date(2024, 7, 1)
XNYS = ExchangeCalendar("XNYS")
EVENING, MORNING = dt.timedelta(minutes=20), dt.timedelta(minutes=30)  # of each session; the rest is left out
BORROW = 0.25  # a year: a night of it moves a size
Worth = dict[dt.datetime, tuple[float, ...]]


def gateway(seed: int = 3) -> tuple[Gateway, list[dt.date]]:
    made = make_sample(FIRST, seed, sessions=2, minute_days=5)
    bars = {}
    for each in (XMPLA, XMPLB):
        seconds = made.bars[each]
        spans = [(XNYS.close_of(day).replace(hour=13, minute=30), XNYS.close_of(day)) for day in made.days]
        kept = [
            (seconds.index > opens) & (seconds.index <= opens + MORNING)
            | (seconds.index > closes - EVENING) & (seconds.index <= closes)
            for opens, closes in spans
        ]
        bars[each] = seconds[kept[0] | kept[1]]
    tape, book = Tape(bars, bar_seconds=1), made.book()
    return Gateway(tape, book, made.history(tape, book), speed="max"), list(made.days)


def lived(seed: int, stops: list[dt.datetime], state: Path) -> tuple[Worth, list[tuple[object, ...]]]:
    """Bar -> equity and the result of each unit, and the orders, of sessions that follow each other."""
    worth: Worth = {}
    decisions: list[tuple[object, ...]] = []
    settings = desks.settings(
        desks.OFTEN, live={"fx": "settings"},
        instruments={symbol: {"borrow_rate": BORROW} for symbol in desks.SYMBOLS},
    )  # fmt: skip

    def look(when: dt.datetime, broker: Any) -> None:
        account = broker.account
        worth[when] = (account.equity_eur, account.result_eur("reversion"), account.result_eur("pair"))

    made, _ = gateway(seed)
    with made:
        for stop in stops:
            decisions += runs.live(settings, made, stop, state, each_bar=look).heard.decisions
    return worth, decisions


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.slow), 3])  # flat in the evening; 409 XMPLA short
def test_a_night_costs_the_same_whoever_slept(seed: int, tmp_path: Path) -> None:
    """Stopped in the evening, right after the morning's first fills (which the state on the disk does not know), and
    once more when the night was paid."""
    _, days = gateway(seed)
    close = XNYS.close_of(days[0])
    end = XNYS.close_of(days[1]).replace(hour=13, minute=41, second=40)
    undisturbed, expected = lived(seed, [end], tmp_path / "one")
    second = [bar for bar in undisturbed if bar.date() == days[1]]
    before, after, later = dt.timedelta(seconds=-30), dt.timedelta(minutes=1), dt.timedelta(seconds=-70)
    restarted_at = [close + before, close + after, end + later, end]
    restarted, found = lived(seed, restarted_at, tmp_path / "two")
    assert len(second) > 8 and set(second) <= set(restarted)
    assert found == expected and len(expected) > 50
    for bar in second:
        assert restarted[bar] == pytest.approx(undisturbed[bar], abs=1e-6), bar
