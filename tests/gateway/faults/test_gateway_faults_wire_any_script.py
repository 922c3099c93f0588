"""Whatever a script does, the gateway lives on, what it sends can be read, and it goes the same way again."""

from __future__ import annotations

import contextlib

import pytest
from faulty.scripts import scripts
from faulty.wire import Client, Message, gateway, named
from hypothesis import HealthCheck, Phase, assume, given, settings

from gateway.faults import Script, load
from gateway.faults.scenarios import SCENARIOS
from gateway.faults.script import On
from gateway.model import Values

STOCK: Values = {"conId": 900_000_001, "symbol": "XMPLA", "secType": "STK", "exchange": "SMART", "currency": "USD"}
SESSION = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)

EVERY = sorted(set(SCENARIOS) - {"port_reset"})  # its session is not where the gateway goes


def trade(client: Client) -> None:
    """A bit of everything; the connection may end at any time."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        client.tell("reqMktData", reqId=9, contract=STOCK, genericTickList="", snapshot=False)
        client.tell("reqRealTimeBars", reqId=7, contract=STOCK, barSize=5, whatToShow="TRADES", useRTH=False)
        client.place(1)
        client.place(2, orderType="LMT", lmtPrice=10.0)
        client.place(2, orderType="LMT", lmtPrice=11.0)
        client.tell("cancelOrder", orderId=2)
        client.tell("reqPositions")
        client.tell("reqAccountUpdates", subscribe=True, acctCode="DU1234567")
        client.tell(
            "reqHistoricalData", reqId=5, contract=STOCK, endDateTime="", durationStr="300 S",
            barSizeSetting="5 secs", whatToShow="TRADES", useRTH=True, formatDate=2, keepUpToDate=True,
        )  # fmt: skip
        client.settle()


def play(*faults: str, seed: int = 1) -> None:
    """A session under faults, after which the gateway must still run."""
    with gateway(*faults, seed=seed) as tws:
        # Half-open connections and lost answers are among what may come: little patience
        with contextlib.suppress(ConnectionError, TimeoutError), Client(tws.port, patience=0.1) as client:
            trade(client)
            tws.advance(seconds=30)
            trade(client)
        tws.advance(seconds=30)
        assert tws.is_running and not tws.call(lambda state: state.defects)


@pytest.mark.parametrize("action", ["correct price_by=0.05", "bust", "execute shares=1"])
def test_a_fault_that_feeds_on_itself_stops(action: str, caplog: pytest.LogCaptureFixture) -> None:
    with gateway(f"on execDetails: {action}") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.settle()
        tws.advance(seconds=5)
        assert 1 <= len(named(client.sync(), "execDetails")) <= 10
    assert ("again and again" in caplog.text) is action.startswith("correct")  # the market ends the others


@SESSION
@given(scripts())
def test_no_script_brings_the_gateway_down(script: Script) -> None:
    text = "".join(f"{rule}\n" for rule in script.rules)
    assume(text and "change_port" not in text)  # the session could not find its way to another port
    play(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_a_scenario_at_every_occasion_does_not_bring_it_down(name: str) -> None:
    """Each rule of the scenario fires at every message instead of once, at once instead of later."""
    rules = [
        f"on {rule.trigger.name}: {'; '.join(map(str, rule.actions))}" if isinstance(rule.trigger, On) else str(rule)
        for rule in load(name + (":after=0" if "after" in SCENARIOS[name].settings else "")).rules
    ]
    play("\n".join(rules))


def test_all_scenarios_together_do_not_bring_it_down() -> None:
    play(*sorted(set(SCENARIOS) - {"port_reset"}))


def test_chance_goes_the_same_way_again() -> None:
    faults = (
        "on orderStatus with probability 0.5: duplicate", "on tickPrice with probability 0.2: drop",
        "on execDetails with probability 0.5: delay 1", "on realtimeBar with probability 0.5: swap 3",
        "on historicalData: shuffle",
    )  # fmt: skip

    def session(seed: int) -> list[Message]:
        with gateway(*faults, seed=seed) as tws, Client(tws.port) as client:
            trade(client)
            for n in range(10, 30):
                client.place(n)
                client.settle()
                tws.advance(seconds=2)
            return client.sync()

    first, again, other = session(5), session(5), session(6)
    assert first == again and first != other
