"""Positions that somebody has closed by hand: the commands that are shown settle them, and no exit opens one."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from lived import desks, runs
from lived.scene import at, by_hand, held, sample, working
from typer.testing import CliRunner

import commands
from books.intents import read_book
from books.intents_states import HaltCause
from core.events import FillEvent, HaltEvent
from gateway import Gateway
from gateway.data.sample import XMPLA
from gateway.tws import Tws
from live.reconcile_commands import mends


def close_unseen(tws: Tws, *, stop_too: bool) -> None:
    for account in tws.accounts:
        account.positions.pop(XMPLA.con_id)
    if stop_too:
        for order in list(tws.market.open_orders()):
            tws.market.cancel(order)


def decide(command: str, state: Path) -> str:
    """Give a command as it was shown, with a price; what is said."""
    shown = shlex.split(command.replace("PRICE", "61.5"))[1:]
    done = CliRunner().invoke(commands.app, [*shown, "--state", str(state), "--account", "DU1234567"])
    assert done.exit_code == 0, done.output
    return done.output


def goes_on(gateway: Gateway, lived: runs.Lived, since: dt.datetime, closed: float) -> None:
    """Nothing is halted, and the broker has what orders after ``since`` have filled."""
    book = read_book(lived.session.places.intents)
    filled = sum(order.filled * order.intent.sign for order in book.orders.values())
    assert not book.halts and held(gateway) == filled + closed
    assert all(event.at > since for event in lived.events if isinstance(event, FillEvent))


@pytest.mark.parametrize("stop_too", [True, False])
def test_a_position_that_was_closed_days_ago_is_settled_in_the_unit(tmp_path: Path, stop_too: bool) -> None:
    """Its execution is out of reach, so only the position tells of it."""
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    with sample() as gateway:
        runs.live(settings, gateway, at(2), tmp_path)
        units = held(gateway)
        assert units
        gateway.call(lambda tws: close_unseen(tws, stop_too=stop_too))
        lived = runs.live(settings, gateway, at(2, 30), tmp_path)
        assert held(gateway) == 0.0 and not working(gateway)  # the stop would have opened a position
        book = read_book(lived.session.places.intents)
        (halt,) = book.halts.values()
        assert (halt.cause, halt.expected, halt.found) == (HaltCause.POSITION, units, 0.0)
        told = [event.commands for event in lived.events if isinstance(event, HaltEvent) and event.commands]
        command = f"halflife reconcile --accept {XMPLA.con_id} --quantity {-units:.12g} --unit reversion --price PRICE"
        assert mends(halt, book) == (command,) and set(told) == {(command,)}
        assert "Nothing is halted" in decide(command, tmp_path)
        goes_on(gateway, runs.live(settings, gateway, at(10), tmp_path), at(2, 30), -units)


@pytest.mark.parametrize("while_it_runs", [True, False])
def test_a_position_that_was_closed_today_is_settled_by_the_commands_of_its_halt(
    tmp_path: Path, while_it_runs: bool
) -> None:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    closed: list[float] = []
    with sample() as gateway:

        def close(when: dt.datetime, broker: Any) -> None:
            if held(gateway) and not closed:
                closed.append(-held(gateway))
                gateway.call(lambda tws: by_hand(tws, closed[0]))

        if while_it_runs:
            lived = runs.live(settings, gateway, at(2, 30), tmp_path, each_bar=close)
        else:
            runs.live(settings, gateway, at(2), tmp_path)
            close(at(2), None)
            lived = runs.live(settings, gateway, at(2, 30), tmp_path)
        assert closed and held(gateway) == 0.0 and not working(gateway)
        (halt,) = read_book(lived.session.places.intents).halts.values()
        assert halt.cause is HaltCause.PERSON
        shown = re.findall(r"`(halflife reconcile --\w+[^`]*)`", halt.why)
        assert [command.split()[2] for command in shown] == ["--adopt", "--release"]
        assert [decide(command, tmp_path) for command in shown][-1].rstrip().endswith("Nothing is halted or in doubt.")
        goes_on(gateway, runs.live(settings, gateway, at(10), tmp_path), at(2, 30), closed[0])
