"""Clients that nobody here wrote walk through the gateway in every version that they speak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from walked.judging import faults
from walked.running import walk
from walked.world import make_gateway

from gateway.wire import VERSIONS

Command = Callable[[str], list[str]]
HIGHEST = {"ib_insync": 176, "ib_async": 178, "nautilus_ibapi": 178, "ibapi": 157, "stoqey": 178}


def walks(client: str) -> list[Any]:
    """A client in its versions. Two of ib_insync, which is installed with the tests, need no marker."""
    marker = pytest.mark.clients_more if client in ("ibapi", "stoqey") else pytest.mark.clients
    spoken = [version for version in VERSIONS if version <= HIGHEST[client]]
    plain = (spoken[0], spoken[-1]) if client == "ib_insync" else ()
    return [pytest.param(client, version, marks=() if version in plain else marker) for version in spoken]


@pytest.mark.parametrize(("client", "version"), [each for client in HIGHEST for each in walks(client)])
def test_the_client_is_told_what_it_should_be(client: str, version: int, command: Command) -> None:
    with make_gateway() as gateway:
        report = walk(gateway, command(client), version)
    assert report["version"] == version
    assert not list(faults(client, report))


@pytest.mark.clients
def test_a_client_up_to_158_gets_157(command: Command) -> None:
    with make_gateway() as gateway:
        report = walk(gateway, command("nautilus_ibapi"), 158)
    assert report["version"] == 157
    assert not list(faults("nautilus_ibapi", report))
