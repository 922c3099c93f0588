"""The walks see what they are to see: one field too many, one missing, two that have changed places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from walked.judging import faults
from walked.running import walk
from walked.world import make_gateway

from gateway.wire import wire_for
from gateway.wire.layout import Inside, Layout
from gateway.wire.plan import compile_steps

Command = Callable[[str], list[str]]
CLIENTS = [
    pytest.param("ib_insync", 176, marks=pytest.mark.clients),
    pytest.param("ib_async", 178, marks=pytest.mark.clients),
    pytest.param("nautilus_ibapi", 157, marks=pytest.mark.clients),
    pytest.param("nautilus_ibapi", 178, marks=pytest.mark.clients),
    pytest.param("ibapi", 157, marks=pytest.mark.clients_more),
    pytest.param("stoqey", 178, marks=pytest.mark.clients_more),
]
CHANGES = {
    "added": lambda row: row.replace(" liquidation:int", " surplus:int=7 liquidation:int"),
    "missing": lambda row: row.replace(" orderRef", ""),
    "reordered": lambda row: row.replace("shares:size price:float", "price:float shares:size"),
}


def send_otherwise(monkeypatch: pytest.MonkeyPatch, version: int, name: str, layout: Layout) -> None:
    """Have the gateway write a message by another layout."""
    book = wire_for(version).answers
    message = dataclasses.replace(book.by_name[name], layout=layout)
    monkeypatch.setitem(book.plans, name, (str(message.number), compile_steps(message, version)))


def told(client: str, version: int, command: Command) -> tuple[list[str], dict[str, Any]]:
    with make_gateway() as gateway:
        report = walk(gateway, command(client), version)
    return list(faults(client, report)), report


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("client", "version"), CLIENTS)
def test_a_wrong_execution_is_caught(
    monkeypatch: pytest.MonkeyPatch, command: Command, client: str, version: int, change: str
) -> None:
    *before, execution = wire_for(version).answers.by_name["execDetails"].layout
    assert isinstance(execution, Inside) and isinstance(execution.body, str)
    changed = CHANGES[change](execution.body)
    assert changed != execution.body
    send_otherwise(monkeypatch, version, "execDetails", (*before, Inside("execution", changed)))
    found, report = told(client, version, command)
    assert found
    if change != "reordered" and (client, change) != ("ib_async", "added"):  # there it is the values that tell
        assert report["objections"], found


@pytest.mark.parametrize(("client", "version"), [each for each in CLIENTS if not str(each.values[0]).startswith("ib_")])
def test_a_surplus_at_the_end_of_an_open_order_is_left_over(
    monkeypatch: pytest.MonkeyPatch, command: Command, client: str, version: int
) -> None:
    """ib_insync and ib_async do not look at what follows the last field that they know."""
    layout = wire_for(version).answers.by_name["openOrder"].layout
    send_otherwise(monkeypatch, version, "openOrder", (*layout, "surplus:int=7"))
    found, report = told(client, version, command)
    assert any("left" in text for text in report["objections"]), found
