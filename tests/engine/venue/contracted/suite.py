"""What every broker over a venue does with every kind of order. Prices and fills are worked out by hand.

A subclass gives ``run``. Minute 1 ends at 14:31:00, so what is decided on it meets the prices of 14:31:01 first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from backtrader import Order
from contracted.scenario import Outcome, Scenario

FLAT = [("14:30:01", 10.0), ("14:31:01", 10.02), ("14:32:01", 10.04), ("14:33:01", 10.06), ("14:34:01", 10.08)]
SENT = ["Submitted", "Accepted"]


class BrokerContract:
    run: Callable[[Scenario], Outcome]
    differs: Mapping[str, str] = {}  # test -> what this broker does instead; it must fail there

    @pytest.fixture(autouse=True)
    def _what_differs(self, request: pytest.FixtureRequest) -> None:
        reason = type(self).differs.get(request.node.name)
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    def one(self, rows: list[Any], acts: Any, **more: Any) -> Outcome:
        """A scenario with one instrument; acts on minute 1 alone unless they are given by minute."""
        acts = acts if isinstance(acts, dict) else {1: acts}
        return type(self).run(Scenario({"A": rows}, acts, **more))

    # ------------------------------------------------------------------ types of orders

    def test_a_market_order_fills_at_the_next_price(self) -> None:
        out = self.one(FLAT, lambda s: s.send("buy", 100))
        assert out.of("buy") == [
            ("buy", "Submitted", 0, 0.0), ("buy", "Accepted", 0, 0.0), ("buy", "Completed", 100, 10.02),
        ]  # fmt: skip
        out.expect("buy", ("14:31:00", 100, 10.02))
        assert out.position() == 100

    def test_a_limit_order_fills_at_its_limit_when_the_range_reaches_it(self) -> None:
        rows = [("14:30:01", 10.0), ("14:31:01", 10.02), ("14:31:02", 10.0, 10.0, 9.8, 9.95), ("14:32:01", 10.0)]
        out = self.one(rows, lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.9))
        out.expect("buy", ("14:31:02", 100, 9.9))

    def test_a_limit_order_fills_at_a_better_open(self) -> None:
        rows = [("14:30:01", 10.0), ("14:31:01", 9.7), ("14:32:01", 9.7)]
        out = self.one(rows, lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.9))
        out.expect("buy", ("14:31:00", 100, 9.7))

    def test_a_stop_fills_at_its_stop_or_at_a_worse_open(self) -> None:
        rows = [("14:30:01", 10.0), ("14:31:01", 10.0, 10.0, 9.85, 9.95), ("14:32:01", 9.5), ("14:33:01", 9.5)]

        def act(s: Any) -> None:
            s.send("near", -100, exectype=Order.Stop, price=9.9)
            s.send("far", -100, exectype=Order.Stop, price=9.8)

        out = self.one(rows, act)
        out.expect("near", ("14:31:01", -100, 9.9))
        out.expect("far", ("14:32:00", -100, 9.5))

    def test_a_stop_limit_waits_for_its_limit_once_triggered(self) -> None:
        rows = [
            ("14:30:01", 10.0), ("14:31:01", 9.6), ("14:31:02", 9.6, 9.75, 9.6, 9.7), ("14:32:01", 9.7),
        ]  # fmt: skip
        out = self.one(rows, lambda s: s.send("sell", -100, exectype=Order.StopLimit, price=9.8, plimit=9.72))
        out.expect("sell", ("14:31:02", -100, 9.72))  # triggered by the open, which was too low

    def test_a_trailing_stop_follows_the_price_and_never_back(self) -> None:
        rows = [
            ("14:30:01", 10.0), ("14:31:01", 10.4), ("14:31:02", 10.3), ("14:31:03", 10.2, 10.2, 10.15, 10.2),
            ("14:32:01", 10.0, 10.0, 9.7, 9.8), ("14:33:01", 9.8),
        ]  # fmt: skip
        out = self.one(rows, lambda s: s.send("sell", -100, exectype=Order.StopTrail, trailamount=0.5))
        out.expect("sell", ("14:32:01", -100, 9.9))  # 10.40 - 0.50

    def test_a_trailing_stop_by_percent(self) -> None:
        rows = [("14:30:01", 10.0), ("14:31:01", 11.0), ("14:32:01", 10.6, 10.6, 10.3, 10.4), ("14:33:01", 10.4)]
        out = self.one(rows, lambda s: s.send("sell", -100, exectype=Order.StopTrail, trailpercent=0.05))
        out.expect("sell", ("14:32:01", -100, 10.45))  # 11.00 less 5%

    def test_a_trailing_stop_limit_keeps_its_distance(self) -> None:
        rows = [
            ("14:30:01", 10.0), ("14:31:01", 10.4), ("14:31:02", 9.7), ("14:31:03", 9.7, 9.9, 9.7, 9.8),
            ("14:32:01", 9.8),
        ]  # fmt: skip
        out = self.one(
            rows,
            lambda s: s.send("sell", -100, exectype=Order.StopTrailLimit, price=10.0, plimit=9.9, trailamount=0.5),
        )
        out.expect("sell", ("14:31:03", -100, 9.8))  # stop 9.90, limit 0.10 behind it

    def test_an_order_at_the_close_fills_at_the_last_price_of_the_session(self) -> None:
        rows = [("20:58:30", 10.0), ("20:59:30", 10.1), ("21:00:00", 10.2), ("2024-03-11 13:30:01", 10.4)]
        out = self.one(rows, lambda s: s.send("sell", -100, exectype=Order.Close))
        out.expect("sell", ("21:00:00", -100, 10.2))

    # ------------------------------------------------------------------ how long they are good

    def test_a_day_order_ends_with_its_session(self) -> None:
        rows = [("20:58:30", 10.0), ("21:00:00", 10.2), ("2024-03-11 13:30:01", 9.0), ("2024-03-11 13:31:01", 9.0)]
        out = self.one(rows, lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.5, valid=Order.DAY))
        assert out.statuses("buy") == [*SENT, "Expired"]

    def test_an_order_without_an_end_lives_through_the_night(self) -> None:
        rows = [("20:58:30", 10.0), ("21:00:00", 10.2), ("2024-03-11 13:30:01", 9.0), ("2024-03-11 13:31:01", 9.0)]
        out = self.one(rows, lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.5))
        out.expect("buy", ("13:30:00", 100, 9.0))

    def test_an_order_is_good_till_its_time(self) -> None:
        rows = [("14:30:01", 10.0), ("14:31:31", 9.6), ("14:32:01", 9.6), ("14:33:01", 9.6)]
        till = dt.datetime(2024, 3, 8, 14, 31, 15)  # noqa: DTZ001 - naive is UTC in backtrader

        def act(s: Any) -> None:
            s.send("short", 100, exectype=Order.Limit, price=9.7, valid=till)
            s.send("longer", 100, exectype=Order.Limit, price=9.7, valid=till.replace(second=45))

        out = self.one(rows, act)
        assert out.statuses("short") == [*SENT, "Expired"]
        out.expect("longer", ("14:31:30", 100, 9.6))

    # ------------------------------------------------------------------ orders that hang together

    @staticmethod
    def bracket(s: Any, size: float = 100, **entry: Any) -> None:
        parent = s.send("entry", size, transmit=False, role="entry", **entry)
        s.send("stop", -size, exectype=Order.Stop, price=9.5, parent=parent, transmit=False, role="stop")
        s.send("target", -size, exectype=Order.Limit, price=10.5, parent=parent, role="target")

    def test_the_target_of_a_bracket_fills_and_its_stop_goes(self) -> None:
        rows = [*FLAT[:2], ("14:32:01", 10.4, 10.6, 10.4, 10.5), ("14:33:01", 9.0), ("14:34:01", 9.0)]
        out = self.one(rows, self.bracket)
        out.expect("entry", ("14:31:00", 100, 10.02))
        out.expect("target", ("14:32:01", -100, 10.5))
        assert out.statuses("stop") == [*SENT, "Canceled"] and out.position() == 0

    def test_the_stop_of_a_bracket_fills_and_its_target_goes(self) -> None:
        rows = [*FLAT[:2], ("14:32:01", 9.6, 9.6, 9.4, 9.5), ("14:33:01", 11.0), ("14:34:01", 11.0)]
        out = self.one(rows, self.bracket)
        out.expect("stop", ("14:32:01", -100, 9.5))
        assert out.statuses("target") == [*SENT, "Canceled"] and out.position() == 0

    def test_children_wait_for_their_parent_and_end_with_it(self) -> None:
        rows = [("14:30:01", 10.0), ("14:31:01", 9.4), ("14:32:01", 10.6), ("14:33:01", 10.6), ("14:34:01", 10.6)]
        acts = {
            1: lambda s: self.bracket(s, exectype=Order.Limit, price=9.0),
            3: lambda s: s.cancel(s.order("entry")),
        }
        out = self.one(rows, acts)
        for name in ("entry", "stop", "target"):
            assert out.statuses(name) == [*SENT, "Canceled"]
        assert out.position() == 0

    def test_an_exit_joins_the_group_of_the_stop(self) -> None:
        rows = [*FLAT[:3], ("14:33:01", 9.0), ("14:34:01", 9.0)]
        acts = {1: self.bracket, 2: lambda s: s.send("exit", -100, oco=s.order("stop"), role="exit")}
        out = self.one(rows, acts)
        out.expect("exit", ("14:32:00", -100, 10.04))
        assert out.statuses("stop")[-1] == out.statuses("target")[-1] == "Canceled" and out.position() == 0

    def test_one_cancels_the_other(self) -> None:
        rows = [*FLAT[:2], ("14:32:01", 9.8), ("14:33:01", 11.0), ("14:34:01", 11.0)]

        def act(s: Any) -> None:
            first = s.send("low", 100, exectype=Order.Limit, price=9.9)
            s.send("high", 100, exectype=Order.Stop, price=10.5, oco=first)

        out = self.one(rows, act)
        out.expect("low", ("14:32:00", 100, 9.8))
        assert out.statuses("high") == [*SENT, "Canceled"]

    # ------------------------------------------------------------------ changes

    def test_a_cancelled_order_is_alive_until_the_venue_says_so(self) -> None:
        seen: list[bool] = []

        def cancel(s: Any) -> None:
            s.cancel(s.order("buy"))
            seen.append(s.order("buy").alive())
            s.cancel(s.order("buy"))  # once more changes nothing

        out = self.one(FLAT, {1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.0), 2: cancel})
        assert seen == [True] and out.statuses("buy") == [*SENT, "Canceled"]
        assert not out.broker.cancel(out.orders["buy"])

    def test_a_price_is_changed(self) -> None:
        rows = [*FLAT[:2], ("14:32:01", 9.8), ("14:33:01", 9.8), ("14:34:01", 9.8)]
        acts = {
            1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.0),
            2: lambda s: s.broker.modify(s.order("buy"), price=9.9),
        }
        self.one(rows, acts).expect("buy", ("14:32:00", 100, 9.8))

    def test_a_size_is_changed(self) -> None:
        rows = [*FLAT[:2], ("14:32:01", 9.0), ("14:33:01", 9.0), ("14:34:01", 9.0)]
        acts = {
            1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.5),
            2: lambda s: s.broker.modify(s.order("buy"), size=40),
        }
        out = self.one(rows, acts)
        assert out.of("buy")[-1] == ("buy", "Completed", 40, 9.0)

    def test_a_change_that_is_refused_leaves_the_order_as_it_was(self) -> None:
        rows = [*FLAT[:2], ("14:32:01", 9.0, 20.0), ("14:33:01", 9.0), ("14:34:01", 9.0)]
        acts = {
            1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.5),
            2: lambda s: s.broker.modify(s.order("buy"), price=-1.0),
        }
        out = self.one(rows, acts)
        assert out.orders["buy"].created.price == 9.5
        assert out.of("buy")[-1] == ("buy", "Completed", 100, 9.0)

    # ------------------------------------------------------------------ fills

    def test_partial_fills_are_told_one_by_one(self) -> None:
        rows = [
            ("14:30:01", 10.0), ("14:31:01", 10.0, 160.0), ("14:31:02", 10.2, 120.0), ("14:31:03", 10.3, 400.0),
            ("14:32:01", 10.3),
        ]  # fmt: skip
        costs = {"slippage": {"model": "volume_share", "volume_limit": 0.25, "price_impact": 0.0}}
        out = self.one(rows, lambda s: s.send("buy", 100), settings={"costs": costs})
        assert out.of("buy")[2:] == [
            ("buy", "Partial", 40, 10.0), ("buy", "Partial", 70, round((400 + 306) / 70, 6)),
            ("buy", "Completed", 100, round((400 + 306 + 309) / 100, 6)),
        ]  # fmt: skip
        assert [told.bits for told in out.told][2:] == [1, 1, 1]

    def test_a_fill_beyond_the_position_is_split(self) -> None:
        acts = {1: lambda s: s.send("buy", 100), 2: lambda s: s.send("turn", -150)}
        out = self.one(FLAT, acts)
        (bit,) = out.orders["turn"].executed.exbits
        assert (bit.closed, bit.opened) == (-100, -50)
        assert bit.pnl == pytest.approx(100 * (10.04 - 10.02))
        assert (bit.psize, bit.pprice) == (-50, 10.04) and out.position() == -50

    def test_the_fee_is_that_of_the_schedule_and_the_order_carries_its_scheme(self) -> None:
        out = self.one(FLAT, lambda s: s.send("buy", 1_000))
        order = out.orders["buy"]
        assert order.executed.comm == pytest.approx(1_000 * 0.005 + 1_000 * 0.000072)
        assert order.comminfo is not None
        assert out.broker.account.costs["commission"] == pytest.approx(5.0 * 0.90)  # EUR

    # ------------------------------------------------------------------ refusals

    def test_an_order_that_the_venue_does_not_take_is_rejected_with_its_words(self) -> None:
        out = self.one(FLAT, lambda s: s.send("buy", 0.5))
        assert out.statuses("buy")[-1] == "Rejected" and "ractional" in out.told[-1].detail

    def test_an_order_beyond_the_margin_is_a_margin_call_with_ibkrs_words(self) -> None:
        out = self.one(FLAT, lambda s: s.send("buy", 50_000))
        assert out.statuses("buy")[-1] == "Margin" and "Available Funds" in out.told[-1].detail
        assert out.position() == 0

    def test_a_sale_without_shares_to_borrow_waits(self) -> None:
        instruments = {"A": {"currency": "USD", "exchange": "XNYS", "shortable": False}}
        out = self.one(FLAT, lambda s: s.send("sell", -100), settings={"instruments": instruments})
        assert out.statuses("sell") == SENT and out.position() == 0

    def test_a_rejected_parent_takes_its_children_along(self) -> None:
        out = self.one(FLAT, lambda s: self.bracket(s, 50_000))
        assert out.statuses("entry")[-1] == "Margin"
        assert {out.statuses(name)[-1] for name in ("stop", "target")} <= {"Canceled", "Rejected"}

    # ------------------------------------------------------------------ corrections

    def test_an_execution_is_corrected(self) -> None:
        def correct(market: Any, outcome: Outcome) -> None:
            market.correct(market.executions[0], price=10.5)

        out = self.one(FLAT, lambda s: s.send("buy", 100), market_acts={"14:32:01": correct})
        assert out.of("buy")[-1] == ("buy", "Completed", 100, 10.5)
        book = out.broker.account.books["one/A"]
        assert (book.size, book.price) == (100, pytest.approx(10.5))
        assert out.broker.account.equity_eur == pytest.approx(100_000 + 0.9 * (100 * (10.08 - 10.5) - 1.0072))

    def test_an_execution_is_taken_back(self) -> None:
        def bust(market: Any, outcome: Outcome) -> None:
            market.bust(market.executions[0])

        out = self.one(FLAT, lambda s: s.send("buy", 100), market_acts={"14:32:01": bust})
        assert out.of("buy")[-1] == ("buy", "Completed", 0, 0.0)
        assert out.position() == 0 and out.broker.account.equity_eur == pytest.approx(100_000)
