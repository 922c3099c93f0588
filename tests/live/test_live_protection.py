"""A stop that goes at the broker: put back between two bars, replayed alike, and told where a position stays bare."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lived import desks, runs
from lived.scene import OPEN, sample, working

from books.journal import Journal
from commands.live_console import in_words
from core.events import Level, OrderEvent, ProtectionEvent
from engine.mending import Mender
from gateway import Gateway
from gateway.model import Order
from live.replay import replay as replayed

END = OPEN + dt.timedelta(minutes=12, seconds=3)


def cancelling(gateway: Gateway) -> tuple[Callable[[dt.datetime, Any], None], list[dt.datetime]]:
    """Somebody cancels the first stop of a position that is held; when that was."""
    done: list[dt.datetime] = []

    def look(when: dt.datetime, broker: Any) -> None:
        if done or not any(position.size for position in broker.positions.values()):
            return
        done.append(when)
        first = stops_at(gateway)[0]
        gateway.call(lambda tws: tws.market.cancel(first))

    return look, done


def stops_at(gateway: Gateway) -> list[Order]:
    """Those that work."""
    return [order for order in working(gateway) if order.terms["orderType"] == "STP"]


def lived(gateway: Gateway, state: Path) -> tuple[runs.Lived, dt.datetime]:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    look, done = cancelling(gateway)
    found = runs.live(settings, gateway, END, state, each_bar=look)
    return found, done[0]


def days(found: runs.Lived) -> list[Path]:
    return [each.parent for each in found.session.places.days.rglob("start.json")]


def test_a_stop_that_was_cancelled_is_back_before_the_next_bar_and_replayed_alike(tmp_path: Path) -> None:
    with sample() as gateway:
        found, when = lived(gateway, tmp_path)
    working = [e.at for e in found.events if isinstance(e, OrderEvent) and e.role == "stop" and e.state == "working"]
    back = min(at for at in working if at > when)
    assert dt.timedelta(seconds=4) < back - when <= dt.timedelta(seconds=15)
    assert not [event for event in found.events if isinstance(event, ProtectionEvent)]
    (folder,) = days(found)
    again = replayed(folder)
    assert again.is_same, again.difference
    assert again.orders == len(found.heard.orders)


def test_a_stop_that_went_while_nobody_was_there_is_back_before_the_first_bar_and_replayed_alike(
    tmp_path: Path,
) -> None:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    with sample() as gateway:
        held = OPEN + dt.timedelta(minutes=6, seconds=3)
        runs.live(settings, gateway, held, tmp_path)
        (stop,) = stops_at(gateway)
        gateway.call(lambda tws: tws.market.cancel(stop))
        assert not stops_at(gateway)
        began = gateway.now()
        until = began + dt.timedelta(seconds=20)
        again = runs.live(settings, gateway, until, tmp_path)
        assert until < began.replace(second=0) + dt.timedelta(seconds=60)  # no bar has come meanwhile
        (back,) = stops_at(gateway)
    assert not again.heard.equity or max(again.heard.equity) <= began
    assert (back.terms["auxPrice"], back.quantity) == (stop.terms["auxPrice"], stop.quantity)
    assert [event for event in again.events if isinstance(event, ProtectionEvent)] == []
    folder = max(days(again))
    replay = replayed(folder)
    assert replay.is_same and replay.orders == 1, replay.difference


def test_a_position_that_stays_bare_is_told_and_told_again_once_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mender, "ended", lambda *_: None)  # then the next bar does it
    with sample() as gateway:
        found, when = lived(gateway, tmp_path)
    bare, covered = [event for event in found.events if isinstance(event, ProtectionEvent)]
    assert bare.level is Level.CRITICAL and not bare.is_protected and bare.size
    assert dt.timedelta(seconds=10) <= bare.at - when <= dt.timedelta(seconds=20)
    assert covered.is_protected and covered.level is Level.INFO
    assert dt.timedelta(seconds=58) < covered.at - when < dt.timedelta(seconds=70)
    assert "held without a stop" in in_words(bare) and in_words(covered).endswith("is flat again")  # it wanted out
    assert in_words(replace(covered, size=5.0)).endswith("+5 XMPLA are protected again")
    with Journal(found.session.places.events) as journal:
        told = [ProtectionEvent(at=event.when, **event.payload) for event in journal.read("protection")]
    assert told == [bare, covered]


def test_an_exit_that_was_refused_goes_again_and_is_replayed_alike(tmp_path: Path) -> None:
    settings = desks.settings({"reversion": desks.OFTEN["reversion"]}, live={"fx": "settings"})
    refused = "on placeOrder where symbol=XMPLA new=yes order.orderType=MKT order.action=BUY 1: "
    with sample(refused + 'pass; refuse 201 "Order rejected - reason:Test"') as gateway:
        found = runs.live(settings, gateway, END, tmp_path)
    exits = [order for order in found.heard.orders if order.role == "exit"]
    assert exits[1].trade == exits[0].trade and exits[1].quantity == exits[0].quantity
    assert not [event for event in found.events if isinstance(event, ProtectionEvent)]  # its stop worked on
    (folder,) = days(found)
    again = replayed(folder)
    assert again.is_same, again.difference
