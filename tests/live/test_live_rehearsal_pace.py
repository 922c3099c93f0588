"""A rehearsal at a speed: its day begins when the session is ready, so it decides what one in lockstep decides."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from gateway.gateway import Speed
from live.rehearsal import rehearsal, rehearsal_settings

UNTIL = dt.datetime(2024, 6, 12, 13, 32, 40, tzinfo=dt.UTC)  # the first entry is decided with the bar of 13:31
FASTER = 20.0
SLOWNESS = 2.5  # seconds that each step of the start takes more; with all of them the first minutes would be over


def decided(speed: Speed, slowness: float = 0.0) -> list[tuple[Any, ...]]:
    """Orders of the first minutes: unit, side, size, kind, stop price."""

    def tell(text: str) -> None:
        if not session.is_trading:
            time.sleep(slowness)

    with rehearsal(rehearsal_settings(["live.record=false"]), speed=speed, until=UNTIL, tell=tell) as (
        session,
        gateway,
    ):
        session.run()
        return gateway.call(
            lambda tws: [
                (
                    order.terms["orderRef"].split(".")[2],
                    *(order.terms[name] for name in ("action", "totalQuantity", "orderType", "auxPrice")),
                )
                for order in tws.market.orders.values()
            ]
        )


@pytest.mark.slow
def test_a_slow_start_costs_nothing_of_the_day() -> None:
    wanted = decided("max")
    assert [order[:4] for order in wanted] == [("meanrev", "SELL", 323.0, "MKT"), ("meanrev", "BUY", 323.0, "STP")]
    assert decided(FASTER, SLOWNESS) == wanted
