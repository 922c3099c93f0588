"""Positions that somebody has closed by hand: the commands that are shown settle them, and no exit opens one."""

from __future__ import annotations

import datetime as dt
import shlex
from pathlib import Path
from typing import Any

import pytest
from lived import desks, runs
from typer.testing import CliRunner

import commands
from books.intents import read_book
from books.intents_states import HaltCause
from core.events import FillEvent, HaltEvent
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape
from gateway.tws import Tws
from live.reconcile_commands import mends

OPEN = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)


def at(minutes: int, seconds: int = 3) -> dt.datetime:
    return OPEN + dt.timedelta(minutes=minutes, seconds=seconds)


@pytest.mark.parametrize("stop_is_gone", [True, False])
def test_a_position_that_was_closed_days_ago_is_settled_in_the_unit(tmp_path: Path, stop_is_gone: bool) -> None:
    """Its execution is out of reach, so only the position tells of it."""
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    made = desks.sample(minute_days=1)
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1), made.book()
    with Gateway(tape, book, made.history(tape, book), speed="max") as gateway:

        def held() -> float:
            return gateway.call(lambda tws: next(iter(tws.accounts)).held(XMPLA.con_id))

        def working() -> list[Any]:
            return gateway.call(lambda tws: tws.market.open_orders())

        def close(tws: Tws) -> None:
            for account in tws.accounts:
                account.positions.pop(XMPLA.con_id)
            if stop_is_gone:
                for order in list(tws.market.open_orders()):
                    tws.market.cancel(order)

        runs.live(settings, gateway, at(2), tmp_path)
        units = held()
        assert units
        gateway.call(close)
        lived = runs.live(settings, gateway, at(2, 30), tmp_path)
        assert held() == 0.0 and not working()  # the stop would have opened a position
        places = lived.session.places
        book = read_book(places.intents)
        (halt,) = book.halts.values()
        assert (halt.cause, halt.expected, halt.found) == (HaltCause.POSITION, units, 0.0)
        told = [event.commands for event in lived.events if isinstance(event, HaltEvent) and event.commands]
        command = f"halflife reconcile --accept {XMPLA.con_id} --quantity {-units:.12g} --unit reversion --price PRICE"
        assert mends(halt, book) == (command,) and set(told) == {(command,)}
        shown = shlex.split(command.replace("PRICE", "61.5"))[1:]
        done = CliRunner().invoke(commands.app, [*shown, "--state", str(tmp_path), "--account", "DU1234567"])
        assert done.exit_code == 0, done.output
        assert "Nothing is halted" in done.output
        lived = runs.live(settings, gateway, at(10), tmp_path)
        book = read_book(places.intents)
        filled = sum(order.filled * order.intent.sign for order in book.orders.values())
        assert not book.halts and held() == filled - units
        assert all(event.at > at(2, 30) for event in lived.events if isinstance(event, FillEvent))
