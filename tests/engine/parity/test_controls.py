"""The harness finds what it is to find: each broken engine here is caught, and its first difference is named."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt
import pytest
from parity.compare import Difference, assert_same, compare, first_difference
from parity.engines import OURS, STOCK
from parity.frames import frame_of
from parity.programme import Action, Feed, Node, Plan, Programme

from engine.sim_broker import SimBroker

TRADING = Plan(
    actions=(
        Action(at=4), Action(at=9, do="close"), Action(at=12, exectype="Limit", price=0.99, side="sell"),
        Action(at=15, do="bracket"), Action(at=24, exectype="StopTrail", trail=("percent", 0.01)),
    ),
    nodes=(Node("SMA", n=4), Node("sub", (0, "d0.close"))),
)  # fmt: skip
PROGRAMME = Programme(feeds=(Feed(seed=3),), plans=(TRADING,), analyzers=("TradeAnalyzer", "DrawDown"), stdstats=True)


class DroppedNotification(bt.Cerebro):
    """The sixth notification of an order never arrives."""

    def _brokernotify(self) -> None:
        broker, given = self._broker, self._broker.get_notification

        def one_less() -> Any:
            order = given()
            self.count = getattr(self, "count", 0) + (order is not None)
            return given() if order is not None and self.count == 6 else order

        broker.get_notification = one_less
        try:
            super()._brokernotify()
        finally:
            del broker.get_notification


class LateFill(SimBroker):
    """One market order waits for a bar longer."""

    def _try_exec_market(self, order: Any, *args: Any) -> None:
        if not getattr(self, "waited", False):
            self.waited = True
            return
        super()._try_exec_market(order, *args)


class LastBit(SimBroker):
    """The value of the twelfth bar is off by its last bit."""

    def _get_value(self, datas: Any = None, lever: bool = False) -> Any:
        value = super()._get_value(datas, lever)
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 12:
            self._value = value = math.nextafter(self._value, math.inf)
        return value


class OtherZero(bt.Cerebro):
    """An open interest of zero has the other sign."""

    def _runonce(self, runstrats: Any) -> None:
        line = self.datas[0].lines.openinterest.array
        line[line.index(0.0)] = -0.0
        super()._runonce(runstrats)


class Swapped(SimBroker):
    """Two notifications that wait together come in the other order."""

    def next(self) -> None:
        super().next()
        if len(self.notifs) >= 2 and not getattr(self, "swapped", False):
            self.swapped = True
            self.notifs.rotate(1)


class WithoutPrenext(bt.Cerebro):
    """The bars before the minimum period are passed over in silence."""

    def runstrategies(self, iterstrat: Any, predata: bool = False) -> Any:
        chosen = [(type("Deaf", (each[0],), {"prenext": lambda self: None}), *each[1:]) for each in iterstrat]
        return super().runstrategies(chosen, predata)


class ForgottenBar(bt.Cerebro):
    """The last bar is not run."""

    def _runonce(self, runstrats: Any) -> None:
        data = self.datas[0]
        bars, peek = data.buflen(), data.advance_peek
        data.advance_peek = lambda: peek() if len(data) < bars - 1 else float("inf")
        super()._runonce(runstrats)


class WrongAnalysis(bt.Cerebro):
    """One number of one analyzer, at the end."""

    def run(self, **kwargs: Any) -> Any:
        result = super().run(**kwargs)
        result[0].analyzers.drawdown.rets.max.len += 1
        return result


class OtherError(bt.Cerebro):
    def run(self, **kwargs: Any) -> Any:
        try:
            return super().run(**kwargs)
        except Exception as error:
            raise RuntimeError(str(error)) from error


def found(**broken: Any) -> Difference:
    difference = compare(
        PROGRAMME, OURS.but(cerebro=bt.Cerebro, **broken) if "broker" in broken else OURS.but(**broken)
    )
    assert difference is not None
    return difference


def test_the_programme_of_the_controls_is_the_same_under_both() -> None:
    assert_same(PROGRAMME)


def test_a_dropped_notification_is_named() -> None:
    difference = found(cerebro=DroppedNotification)
    assert (difference.kind, difference.bar) == ("order", (0, 10)), difference
    assert "another event" in difference.what


def test_a_fill_one_bar_late_is_named() -> None:
    difference = found(broker=LateFill)
    # Clones share their execution bits, so even the first notification of the bar has the fill in it
    assert (difference.kind, difference.bar, difference.what) == ("order", (0, 5), "bits"), difference
    assert difference.ours == "()"


def test_a_value_that_differs_in_its_last_bit_is_named() -> None:
    difference = found(broker=LastBit)
    assert (difference.kind, difference.bar, difference.what) == ("cashvalue", (0, 12), "1"), difference
    exact, other = (float(text.split()[0]) for text in (difference.stock, difference.ours))
    assert other == math.nextafter(exact, math.inf)


def test_the_sign_of_a_zero_is_seen() -> None:
    difference = found(cerebro=OtherZero)
    first = frame_of(PROGRAMME.feeds[0])["openinterest"].tolist().index(0.0) + 1
    assert difference.kind in ("prenext", "nextstart", "bar") and difference.bar == (0, first), difference
    assert difference.ours.startswith("-0.0")


def test_swapped_notifications_are_named() -> None:
    difference = found(broker=Swapped)
    assert difference.kind == "order" and difference.what in ("status", "ref"), difference


def test_a_missing_prenext_is_named() -> None:
    difference = found(cerebro=WithoutPrenext)
    assert (difference.kind, difference.what) == ("prenext", "another event"), difference


def test_a_bar_that_is_not_run_is_named() -> None:
    difference = found(cerebro=ForgottenBar)
    assert (difference.kind, difference.bar) == ("cashvalue", (0, 40)), difference


def test_a_wrong_number_of_an_analyzer_is_named() -> None:
    difference = found(cerebro=WrongAnalysis)
    assert (difference.kind, difference.what) == ("analysis", "drawdown, 1.max.len"), difference


def test_another_error_is_named() -> None:
    programme = Programme(plans=(Plan(actions=(Action(at=5, do="fault"),)),))
    difference = compare(programme, OURS.but(cerebro=OtherError))
    assert difference is not None and difference.kind == "error" and "Faulty" in difference.stock


@pytest.mark.parametrize(
    ("stock", "ours"),
    [((1.0,), (1,)), ((0.0,), (-0.0,)), ((1.0,), (math.nan,)), ((True,), (1,)), ((None,), (0,)), (("a",), ("b",))],
)
def test_values_are_compared_by_type_and_bits(stock: tuple[Any, ...], ours: tuple[Any, ...]) -> None:
    assert first_difference([("bar", (0, 1), stock)], [("bar", (0, 1), ours)]) is not None


def test_nan_equals_nan_and_an_event_too_many_is_seen() -> None:
    event = ("bar", (0, 1), (math.nan,))
    assert first_difference([event], [("bar", (0, 1), (float("nan"),))]) is None
    difference = first_difference([event], [event, ("order", (0, 2), (1,))])
    assert difference is not None and difference.stock.startswith("(no event)")


def test_stock_against_itself_has_no_difference() -> None:
    assert compare(PROGRAMME, STOCK) is None
