"""VenueBroker against reports that are written down: bookings, ends, refusals, corrections, earlier runs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from backtrader import Order
from contracted.scenario import Outcome, Scenario
from contracted.scripted import (
    ScriptedVenue,
    accepted,
    charged,
    corrected,
    ended,
    filled,
    run_scripted,
    when,
)

from core.errors import EngineError
from core.orders import Refusal
from engine.venue import Accepted, Carried, ChangeRefused, Ended, Filled, Resized, VenueOrder, VenueRefused
from engine.venue_broker import VenueBroker

ROWS = [(f"14:{minute}:01", 10.0) for minute in range(30, 40)]
FEE = 1.0072  # 100 shares: the minimum of 1, and 0.000072 a share


def one(venue: ScriptedVenue, act: Any, **more: Any) -> Outcome:
    parts = {name: more.pop(name) for name in ("kind", "begin", "listeners", "needs_stops") if name in more}
    return run_scripted(Scenario({"A": ROWS}, act if isinstance(act, dict) else {1: act}, **more), venue, **parts)


def buy(s: Any) -> None:
    s.send("buy", 100)


# ---------------------------------------------------------------------- fills and ends


def test_what_is_reported_becomes_backtraders_order_and_the_account() -> None:
    venue = ScriptedVenue(accepted("14:31:01"), filled("14:31:10", 40, 10.0), filled("14:31:20", 60, 11.0, "f.01"))
    out = one(venue, buy)
    assert out.of("buy") == [
        ("buy", "Submitted", 0, 0.0), ("buy", "Accepted", 0, 0.0), ("buy", "Partial", 40, 10.0),
        ("buy", "Completed", 100, 10.6),
    ]  # fmt: skip
    assert [told.bits for told in out.told][2:] == [1, 1]
    account = out.broker.account
    assert account.equity_eur == pytest.approx(100_000 + 0.9 * (-60 - FEE))
    assert (venue.placed[0].kind, venue.placed[0].tif, venue.placed[0].bar) == ("MKT", "GTC", when("14:31:00"))
    assert venue.closed == 1


def test_an_execution_that_is_told_again_counts_once() -> None:
    venue = ScriptedVenue(filled("14:31:10", 40, 10.0), filled("14:31:20", 40, 10.0), filled("14:32:00", 60, 10.0, "g"))
    out = one(venue, buy)
    assert out.position() == 100 and out.statuses("buy")[-1] == "Completed"


def test_a_report_of_an_unknown_order_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    venue = ScriptedVenue(("14:31:10", lambda v: [Accepted(ref=999, when=when("14:31:10"))]))
    with caplog.at_level(logging.WARNING):
        out = one(venue, buy)
    assert out.statuses("buy") == ["Submitted"] and "unknown order" in caplog.text


def test_a_fill_after_the_end_is_booked() -> None:
    venue = ScriptedVenue(
        ended("14:31:10", text="by hand"), filled("14:31:20", 40, 10.0), filled("14:33:00", 60, 10.0, "h")
    )
    out = one(venue, buy)
    assert out.statuses("buy") == ["Submitted", "Canceled", "Partial", "Canceled", "Completed"]
    assert out.position() == 100 and out.told[1].detail == "by hand"


@pytest.mark.parametrize(
    ("how", "status"),
    [("cancelled", "Canceled"), ("expired", "Expired"), ("rejected", "Rejected"), ("margin", "Margin")],
)
def test_how_an_order_ends(how: str, status: str) -> None:
    out = one(ScriptedVenue(ended("14:31:10", how, "why"), ended("14:31:20", "cancelled")), buy)
    assert out.statuses("buy") == ["Submitted", status]
    assert out.told[-1].detail == "why" and not out.broker.working()


def test_a_fill_of_more_than_was_ordered_is_booked_and_the_order_is_done() -> None:
    out = one(ScriptedVenue(filled("14:31:10", 100, 10.0), filled("14:31:20", 20, 10.0, "more")), buy)
    assert out.position() == 120 and out.statuses("buy") == ["Submitted", "Completed", "Completed"]
    assert not out.orders["buy"].alive()


def test_an_order_that_was_made_smaller_is_done_when_that_is_filled() -> None:
    venue = ScriptedVenue(
        ("14:31:10", lambda v: [Resized(ref=v.ref(), when=when("14:31:10"), quantity=60)]), filled("14:31:20", 60, 10.0)
    )
    out = one(venue, buy)
    assert out.statuses("buy")[-1] == "Completed" and out.position() == 60


def test_children_live_from_the_first_fill_of_their_parent() -> None:
    seen: list[bool] = []

    def look(s: Any) -> None:
        seen.append(s.order("stop").active())

    def bracket(s: Any) -> None:
        parent = s.send("buy", 100, transmit=False)
        s.send("stop", -100, exectype=Order.Stop, price=9.0, parent=parent)

    one(ScriptedVenue(filled("14:32:30", 10, 10.0)), {1: bracket, 2: look, 3: look})
    assert seen == [False, True]


# ---------------------------------------------------------------------- fees


def test_a_fee_that_comes_later_is_made_exact() -> None:
    venue = ScriptedVenue(filled("14:31:10", 100, 10.0), charged("14:33:00", 2.5))
    out = one(venue, buy)
    assert out.told[1].comm == pytest.approx(FEE)  # the estimate
    assert out.orders["buy"].executed.comm == pytest.approx(2.5)
    assert out.broker.account.equity_eur == pytest.approx(100_000 - 0.9 * 2.5)


def test_a_fee_in_another_currency_is_converted() -> None:
    out = one(ScriptedVenue(filled("14:31:10", 100, 10.0), charged("14:33:00", 0.9, "EUR")), buy)
    assert out.orders["buy"].executed.comm == pytest.approx(1.0)  # USD at 0.90


# ---------------------------------------------------------------------- corrections


def test_an_execution_is_corrected_twice() -> None:
    venue = ScriptedVenue(
        filled("14:31:10", 100, 10.0, "e.01"), corrected("14:32:10", 80, 10.5, "e.02", "e.01"),
        corrected("14:33:10", 80, 10.2, "e.03", "e.02"), filled("14:34:10", 100, 10.0, "e.01"),
    )  # fmt: skip
    out = one(venue, buy)
    assert out.of("buy")[-1] == ("buy", "Completed", 80, 10.2) and out.position() == 80
    assert out.broker.account.equity_eur == pytest.approx(100_000 + 0.9 * (-80 * 0.2 - FEE))


def test_a_part_that_is_taken_back_fills_again() -> None:
    taken_back = corrected("14:32:10", 0, 10.0, "e.02", "e.01")
    out = one(ScriptedVenue(filled("14:31:10", 40, 10.0), taken_back, filled("14:33:10", 100, 11.0, "f")), buy)
    steps = [told[1:] for told in out.of("buy")[1:]]
    assert steps == [("Partial", 40, 10.0), ("Partial", 0, 0.0), ("Completed", 100, 11.0)]


def test_an_exit_that_is_taken_back_leaves_the_position() -> None:
    venue = ScriptedVenue(
        filled("14:31:10", 100, 10.0, "e.01"), filled("14:32:10", 100, 11.0, "x.01", place=1),
        corrected("14:33:10", 0, 11.0, "x.02", "x.01", place=1),
    )  # fmt: skip
    out = one(venue, {1: buy, 2: lambda s: s.send("sell", -100)})
    assert out.position() == 100
    assert out.broker.account.equity_eur == pytest.approx(100_000 - 0.9 * FEE)  # marked at 10 again


def test_a_correction_of_what_was_never_told_is_a_fill() -> None:
    out = one(ScriptedVenue(corrected("14:32:10", 100, 10.0, "e.02", "e.01")), buy)
    assert out.position() == 100 and out.statuses("buy")[-1] == "Completed"


# ---------------------------------------------------------------------- refusals


def test_what_the_venue_does_not_send_is_rejected_with_its_reason() -> None:
    venue = ScriptedVenue()
    venue.refusal = VenueRefused(Refusal.UNRESOLVED, "A is held back")
    out = one(venue, buy)
    assert out.statuses("buy") == ["Rejected"] and out.told[0].detail == "A is held back"
    assert out.orders["buy"].info.refusal == Refusal.UNRESOLVED and not out.broker.working()


def test_entries_wait_for_sight_and_exits_do_not() -> None:
    venue = ScriptedVenue(filled("14:31:10", 100, 10.0))

    def turn_blind(s: Any) -> None:
        venue.blind["A"] = "no bars since 14:31"
        s.send("more", 100, role="entry")
        s.send("sell", -100, role="exit")

    out = one(venue, {1: buy, 2: turn_blind})
    assert out.statuses("more") == ["Rejected"] and out.orders["more"].info.refusal == Refusal.BLIND
    assert out.told[2].detail == "no bars since 14:31"
    assert [order.action for order in venue.placed] == ["BUY", "SELL"]


@pytest.mark.parametrize("accepts", [False, True])
def test_pairs_without_stops_need_a_word_of_the_settings(accepts: bool) -> None:
    def legs(s: Any) -> None:
        about = {"role": "entry", "batch": "t", "batch_size": 2, "trade": "t"}
        s.send("y", 100, "A", **about)
        s.send("x", -100, "B", **about)

    risk = {"legs": {"accept_without_stops": accepts}}
    scenario = Scenario({"A": ROWS, "B": ROWS}, {1: legs}, settings={"risk": risk})
    venue = ScriptedVenue()
    out = run_scripted(scenario, venue, needs_stops=True)
    if accepts:
        assert [(order.symbol, order.leg) for order in venue.placed] == [("A", "y"), ("B", "x")]
    else:
        assert out.statuses("y") == out.statuses("x") == ["Rejected"] and not venue.placed
        assert out.orders["x"].info.refusal == Refusal.NO_STOP


def test_settings_are_needed_and_parameters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(EngineError, match="needs settings"):
        VenueBroker(ScriptedVenue())
    with pytest.raises(TypeError):
        VenueBroker(ScriptedVenue(), settins=None)


# ---------------------------------------------------------------------- changes


def test_a_change_is_asked_for_and_its_refusal_restores_the_terms() -> None:
    venue = ScriptedVenue(
        ("14:32:30", lambda v: [ChangeRefused(ref=v.ref(), when=when("14:32:30"), code=201, text="no")])
    )
    seen: list[float] = []

    def change(s: Any) -> None:
        assert s.broker.modify(s.order("buy"), price=9.504)
        seen.append(s.order("buy").created.price)

    out = one(venue, {1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.0), 2: change})
    assert venue.modified[0].limit_price == seen[0] == 9.5  # to the tick
    assert out.orders["buy"].created.price == 9.0


def test_a_change_that_is_not_sent_or_not_possible() -> None:
    venue = ScriptedVenue()
    answers: list[Any] = []

    def change(s: Any) -> None:
        answers.append(s.broker.modify(s.order("buy"), price=9.0))  # as it is
        venue.refusal = VenueRefused(Refusal.NOT_SENT, "no connection")
        answers.append(s.broker.modify(s.order("buy"), size=50))
        with pytest.raises(EngineError, match="no limit beside its price"):
            s.broker.modify(s.order("buy"), limit=9.0)

    out = one(venue, {1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.0), 2: change})
    assert answers == [True, False] and not venue.modified
    assert out.orders["buy"].size == 100


def test_a_change_keeps_the_size_that_the_venue_works() -> None:
    venue = ScriptedVenue(("14:32:30", lambda v: [Resized(ref=v.ref(), when=when("14:32:30"), quantity=60)]))
    acts = {
        1: lambda s: s.send("sell", -100, exectype=Order.Stop, price=9.0),
        3: lambda s: s.broker.modify(s.order("sell"), price=9.2),
    }
    one(venue, acts)
    assert (venue.modified[0].quantity, venue.modified[0].aux_price) == (60, 9.2)


def test_a_cancel_is_asked_for_once() -> None:
    venue = ScriptedVenue()

    def cancel(s: Any) -> None:
        assert s.cancel(s.order("buy")) is None
        s.broker.cancel(s.order("buy"), why="again")

    one(venue, {1: buy, 2: cancel})
    assert venue.cancelled == [(venue.ref(), "")]


# ---------------------------------------------------------------------- listeners and the beginning


class Notes:
    def __init__(self) -> None:
        self.lines: list[Any] = []

    def sent(self, orders: Any) -> None:
        self.lines.append(("sent", len(orders)))

    def cancelled(self, ref: int, why: str) -> None:
        self.lines.append(("cancelled", why))

    def reported(self, when: Any, reports: Any) -> None:
        self.lines.append(("reported", [type(report).__name__ for report in reports]))

    def marked(self, when: Any, equity_eur: float) -> None:
        self.lines.append(("marked", f"{when:%H:%M}"))


def test_listeners_hear_everything_in_its_order() -> None:
    notes = Notes()
    acts = {
        1: buy,
        2: lambda s: s.send("low", 100, exectype=Order.Limit, price=9.0),
        3: lambda s: s.cancel(s.order("low")),
    }
    one(ScriptedVenue(accepted("14:31:01"), filled("14:31:10", 100, 10.0)), acts, listeners=[notes])
    assert notes.lines[:8] == [
        ("marked", "14:31"), ("sent", 1), ("reported", ["Accepted"]), ("reported", ["Filled"]), ("marked", "14:32"),
        ("sent", 1), ("marked", "14:33"), ("cancelled", ""),
    ]  # fmt: skip


def test_the_venue_is_opened_when_the_bars_of_before_are_in() -> None:
    notes, venue = Notes(), ScriptedVenue()
    one(venue, {}, listeners=[notes], begin="14:36:00")
    assert venue.opened[:2] == ["open", "play"] and len(venue.opened) == 1 + 5
    assert notes.lines[0] == ("marked", "14:36")


# ---------------------------------------------------------------------- an earlier run


def order_of_before(ref: int, **more: Any) -> VenueOrder:
    terms = {"action": "BUY", "quantity": 100.0, "kind": "MKT", "tif": "DAY", "role": "entry", **more}
    return VenueOrder(ref=ref, unit="one", symbol="A", bar=when("2024-03-07 20:00:00"), trade="t", **terms)


def fill_of_before(ref: int, quantity: float, price: float, exec_id: str, time: str) -> Filled:
    return Filled(ref=ref, when=when(time), exec_id=exec_id, quantity=quantity, price=price)


def carried_position() -> ScriptedVenue:
    """100 bought at 9.00 yesterday, with a stop at 8.00 that works, after a round trip that lost 50 dollars."""
    venue = ScriptedVenue()
    stop = {"action": "SELL", "kind": "STP", "tif": "GTC", "aux_price": 8.0, "oca_group": "g7", "role": "stop"}
    early, late = "2024-03-06 15:00:00", "2024-03-07 20:00:01"
    venue.carried = [
        Carried(order_of_before(-1), (fill_of_before(-1, 100, 10.0, "a", early),), False),
        Carried(
            order_of_before(-2, action="SELL", role="exit"),
            (fill_of_before(-2, 100, 9.5, "b", "2024-03-06 16:00:00"),), False,
        ),
        Carried(order_of_before(-3), (fill_of_before(-3, 100, 9.0, "c", late),), False),
        Carried(order_of_before(-4, parent=-3, **stop), (Accepted(ref=-4, when=when(late)),), True),
    ]  # fmt: skip
    return venue


def test_an_earlier_run_is_taken_up() -> None:
    venue = carried_position()
    seen: dict[str, Any] = {}

    def look(s: Any) -> None:
        (stop,) = s.broker.get_orders_open()
        seen["stop"] = (stop.isbuy(), stop.exectype, stop.created.price, stop.executed.remsize, dict(stop.info))
        seen["position"] = (s.broker.getposition(s.data).size, s.broker.getposition(s.data).price)
        seen["active"] = stop.active()
        s.send("exit", -100, oco=stop, role="exit")
        s.cancel(stop)

    out = one(venue, look)
    assert seen["stop"] == (False, Order.Stop, 8.0, -100, {"role": "stop", "trade": "t"})
    assert seen["position"] == (100, 9.0) and seen["active"]
    assert venue.placed[0].oca_group == "g7" and venue.placed[0].ref > 0
    assert venue.cancelled == [(-4, "")]  # by the ref that the venue knows
    assert [told.name for told in out.told] == ["exit"]  # nothing of before was notified
    (row,) = out.broker.account.trades
    assert row.net_eur == pytest.approx(0.9 * (-50 - 2 * FEE - 100 * 9.5 * 0.0000278 - 100 * 0.000166), abs=1e-6)
    assert out.broker.account.equity_eur == pytest.approx(100_000 + row.net_eur + 0.9 * (100 - FEE))


def test_an_order_of_an_earlier_run_goes_on() -> None:
    venue = carried_position()
    entry = order_of_before(-5, action="BUY", kind="LMT", limit_price=9.5, tif="GTC")
    venue.carried.append(Carried(entry, (fill_of_before(-5, 30, 9.5, "d", "2024-03-07 20:30:00"),), True))
    at = when("14:32:00")
    venue.items = [
        ("14:32:00", lambda v: [Filled(ref=-5, when=at, exec_id="d2", quantity=70, price=9.4)]),
        ("14:33:00", lambda v: [Ended(ref=-4, when=when("14:33:00"), how="cancelled")]),
        ("14:34:00", lambda v: [Filled(ref=-5, when=at, exec_id="d", quantity=30, price=9.5)]),
    ]
    out = one(venue, {})
    done = [(told.status, told.size, round(told.price, 4)) for told in out.told]
    assert done == [("Completed", 100, 9.43), ("Canceled", 0, 0.0)]
    assert out.position() == 200 and not out.broker.working()


def test_an_order_whose_unit_is_gone_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    venue = ScriptedVenue()
    gone = VenueOrder(
        ref=-1, unit="two", symbol="A", action="BUY", quantity=1.0, kind="MKT", tif="DAY", bar=when("14:00:00")
    )
    venue.carried = [Carried(gone, (fill_of_before(-1, 1, 10.0, "a", "14:00:00"),), False)]
    with caplog.at_level(logging.WARNING):
        assert one(venue, {}).position() == 0
    assert "nobody trades a carried order" in caplog.text
