"""Being flat, and staying it: kills and stops that flatten, refused exits, restarts, and what a stop waits for.

The pair of the sample is entered at 13:33 (98 XMPLA bought, 126 XMPLB sold) and left at 13:36, if nothing happens;
MeanReversion, with parameters that never leave, holds XMPLA from 13:32 on.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from lived import desks, runs, scene
from lived.scene import OPEN, working

from books.intents import IntentJournal
from core.orders import Refusal
from core.settings import Settings
from engine.venue import VenueOrder, VenueRefused
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape
from live.replay import replay as replayed
from live.venue import IBVenue

ENTRY = OPEN + dt.timedelta(minutes=3)
RISK = {"max_daily_loss": "off", "throttle": {"enabled": False}}
ENTRY_OF_B = "on placeOrder where symbol=XMPLB new=yes order.orderType=MKT order.action=SELL 1"
EXIT_OF_A = "on placeOrder where symbol=XMPLA new=yes order.orderType=MKT order.action=SELL 1"
EXIT_OF_B = "on placeOrder where symbol=XMPLB new=yes order.orderType=MKT order.action=BUY 1"
REFUSE = 'pass; refuse 201 "Order rejected - reason:Test"'


def sample(*faults: str) -> Gateway:
    return scene.sample(*faults, minute_days=3)  # the pair settles on more than a day


def held(gateway: Gateway) -> dict[str, float]:
    """Symbol -> what the gateway's account holds."""
    return {each.symbol: scene.held(gateway, each) for each in (XMPLA, XMPLB)}


def holding(**risk: Any) -> Settings:
    """MeanReversion that never leaves by itself."""
    often = desks.OFTEN["reversion"]
    still = {**often["parameters"], "zscore_exit": -50.0, "time_stop": 0.0, "stop_atr": 60.0}
    return desks.settings(
        {"reversion": {**often, "parameters": still}}, live={"fx": "settings"}, risk={**RISK, **risk}
    )  # fmt: skip


def pair(on_stop: str = "keep", stop: float = 0.1, **risk: Any) -> Settings:
    """``stop``: the disaster stop of a leg; 0 = none, and then risk does not bound the sizes."""
    chosen = {**desks.PAIR, "parameters": {**desks.PAIR["parameters"], "disaster_stop": stop}}
    if not stop:
        chosen["sizing"] = {"max_risk": 0.5, "max_cost_bps": 0.0}
    return desks.settings(
        {"pair": chosen}, live={"fx": "settings", "on_stop": on_stop}, risk={**RISK, "max_trade_risk": None, **risk}
    )  # fmt: skip


FLATTEN = {"kill_switch": {"max_drawdown": 0.2, "flatten": True}}


def test_a_kill_that_flattens_goes_on_until_it_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[dt.datetime] = []
    place = IBVenue.place

    def placed(venue: IBVenue, orders: list[VenueOrder]) -> None:
        if any(order.role == "exit" for order in orders) and len(refused) < 2:
            refused.append(venue.now())
            raise VenueRefused(Refusal.NOT_SENT, "the connection is lost (1100)")
        place(venue, orders)

    monkeypatch.setattr(IBVenue, "place", placed)
    nervous = holding(kill_switch={"max_drawdown": 0.00001, "flatten": True})
    with sample() as gateway:
        found = runs.live(nervous, gateway, OPEN + dt.timedelta(minutes=8), tmp_path)
        assert held(gateway) == {"XMPLA": 0.0, "XMPLB": 0.0}
    exits = [order for order in found.heard.orders if order.role == "exit"]
    assert len(refused) == 2 and len(exits) == 3 and {order.reason for order in exits} == {"kill"}
    assert dt.timedelta(seconds=15) <= refused[1] - refused[0] <= dt.timedelta(seconds=20)
    assert len({order.trade for order in exits}) == 1 and exits[0].trade
    (folder,) = [each.parent for each in found.session.places.days.rglob("start.json")]
    again = replayed(folder)
    assert again.is_same and again.orders == len(found.heard.orders), again.difference


def test_a_kill_whose_exits_were_never_sent_is_made_good_by_the_next_session(tmp_path: Path) -> None:
    with sample() as gateway:
        first = runs.live(holding(**FLATTEN), gateway, OPEN + dt.timedelta(minutes=2, seconds=3), tmp_path)
        assert held(gateway)["XMPLA"]
        with IntentJournal(first.session.places.intents, "DU1234567") as journal:
            journal.kill("a drawdown; the process died before its exits")
        found = runs.live(holding(**FLATTEN), gateway, gateway.now() + dt.timedelta(seconds=20), tmp_path)
        assert held(gateway)["XMPLA"] == 0.0  # before its first bar
        assert not working(gateway)
    folder = max(each.parent for each in found.session.places.days.rglob("start.json"))
    again = replayed(folder)
    assert again.is_same and again.orders == 1, again.difference


def test_a_kill_that_keeps_positions_keeps_them(tmp_path: Path) -> None:
    with sample() as gateway:
        first = runs.live(holding(), gateway, OPEN + dt.timedelta(minutes=2, seconds=3), tmp_path)
        before = held(gateway)
        with IntentJournal(first.session.places.intents, "DU1234567") as journal:
            journal.kill("by hand")
        runs.live(holding(), gateway, OPEN + dt.timedelta(minutes=5), tmp_path)
        assert held(gateway) == before and before["XMPLA"]


def test_after_a_flatten_the_next_session_opens_nothing(tmp_path: Path) -> None:
    """The strategy's exit of one leg has filled, the other's and its guard's are refused; the stop closes the rest."""
    with sample(f"{EXIT_OF_B}: {REFUSE}", f"{EXIT_OF_B.removesuffix('1')}2: {REFUSE}") as gateway:
        stop = ENTRY + dt.timedelta(minutes=3, seconds=12)
        first = runs.live(pair("flatten", legs={"timeout_seconds": 40.0}), gateway, stop, tmp_path)
        assert held(gateway) == {"XMPLA": 0.0, "XMPLB": 0.0} and not first.session.stopping.left
        flattened = [order for order in first.heard.orders if order.reason == "session"]
        assert [order.symbol for order in flattened] == ["XMPLB"] and flattened[0].trade
        until = gateway.now() + dt.timedelta(seconds=58)
        again = runs.live(pair(legs={"timeout_seconds": 40.0}), gateway, until, tmp_path)
        assert held(gateway) == {"XMPLA": 0.0, "XMPLB": 0.0}
    assert not again.heard.orders


def test_a_flatten_beside_an_exit_that_works_does_not_double_it(tmp_path: Path) -> None:
    """Legs without stops have no OCA group that two exits could share."""
    with sample(f"{EXIT_OF_B}: hold; pass; wait 20; release") as gateway:
        chosen = pair("flatten", 0.0, legs={"timeout_seconds": 40.0, "accept_without_stops": True})
        found = runs.live(chosen, gateway, ENTRY + dt.timedelta(minutes=3, seconds=10), tmp_path)
        assert held(gateway) == {"XMPLA": 0.0, "XMPLB": 0.0} and not found.session.stopping.left
        assert not working(gateway)
    exits = [order for order in found.heard.orders if order.symbol == "XMPLB" and order.role == "exit"]
    assert len(exits) == 1


@pytest.mark.parametrize("refusals", [1, 9])
def test_a_stop_waits_for_a_pair_that_is_being_unwound_and_tells_where_it_cannot(refusals: int, tmp_path: Path) -> None:
    faults = (
        f"{ENTRY_OF_B}: hold; pass; wait 7; {REFUSE.removeprefix('pass; ')}",
        f"{EXIT_OF_A.removesuffix(' 1')} every 1: {REFUSE}",
    )
    if refusals == 1:
        faults = faults[0], f"{EXIT_OF_A}: {REFUSE}"
    with sample(*faults) as gateway:
        chosen = pair(legs={"timeout_seconds": 20.0, "action": "unwind"})
        found = runs.live(chosen, gateway, ENTRY + dt.timedelta(seconds=12), tmp_path)
        after = held(gateway)
    if refusals == 1:
        assert after == {"XMPLA": 0.0, "XMPLB": 0.0} and not found.session.stopping.left
    else:
        assert after == {"XMPLA": 98.0, "XMPLB": 0.0}
        assert found.session.stopping.left == ["pair has one leg without the other (XMPLA +98)"]
        assert any("one leg without the other (XMPLA +98); look at TWS" in told for told in found.told)


def test_a_stop_after_the_last_bar_of_the_tape_ends_though_nothing_can_be_closed(tmp_path: Path) -> None:
    """Time stands still in lockstep once the tape is over: no timer would ever come due."""
    settings = holding()
    settings = settings.model_copy(update={"live": settings.live.model_copy(update={"on_stop": "flatten"})})
    made = desks.sample()
    bars = {each: made.bars[each][lambda frame: frame.index <= OPEN + dt.timedelta(minutes=4)] for each in (XMPLA,)}
    bars[XMPLB] = made.bars[XMPLB].loc[: OPEN + dt.timedelta(minutes=4)]
    tape, book = Tape(bars, bar_seconds=1), made.book()
    with Gateway(tape, book, made.history(tape, book), speed="max") as gateway:
        found = runs.live(settings, gateway, OPEN + dt.timedelta(minutes=4), tmp_path)
    assert found.session.stopping.why and found.session.stopping.left == ["reversion/XMPLA still holds -94"]
