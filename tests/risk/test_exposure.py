"""Worst case of an account against hand-worked cases and an enumeration of all outcomes."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.orders import AccountView, OrderView, PositionView
from risk.exposure import TradeSide, openings, trade_side, worst_case

WHEN = dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC)


def order(ref, signed, symbol="SPX", unit="u", price=10.0, **more):
    sign = 1 if signed > 0 else -1
    return OrderView(ref, f"{unit}/{symbol}", unit, symbol, sign, abs(signed), price, more.pop("rate", 1.0), **more)


def position(size, symbol="SPX", unit="u", price=10.0, rate=1.0):
    return PositionView(f"{unit}/{symbol}", unit, symbol, size, price, rate)


def account(positions=(), working=(), equity=100_000.0):
    return AccountView(WHEN, equity, tuple(positions), tuple(working))


def opened(batch, positions=(), working=()):
    return {o.order.ref: o.units for o in openings(batch, account(positions, working))}


# ---------------------------------------------------------------- what opens and what reduces


def test_order_against_a_position_reduces_and_the_excess_opens():
    long = [position(100)]
    assert opened([order(1, -100)], long) == {}
    assert opened([order(1, -101)], long) == {1: 1.0}
    assert opened([order(1, -250)], long) == {1: 150.0}
    assert opened([order(1, 1)], long) == {1: 1.0}
    assert opened([order(1, 100)], [position(-100)]) == {}
    assert opened([order(1, -1)]) == {1: 1.0}


def test_order_of_another_unit_does_not_reduce():
    assert opened([order(1, -40, unit="v")], [position(100, unit="u")]) == {1: 40.0}


def test_working_reductions_leave_less_to_reduce():
    long, stop = [position(100)], order(1, -70)
    assert opened([order(2, -30)], long, [stop]) == {}
    assert opened([order(2, -31)], long, [stop]) == {2: 1.0}
    assert opened([order(2, -100)], long, [stop, order(3, -70)]) == {2: 100.0}


def test_orders_of_one_batch_leave_less_for_each_other():
    assert opened([order(1, -60), order(2, -60)], [position(100)]) == {2: 20.0}


def test_oca_group_counts_once():
    long = [position(100)]
    stop, target = order(1, -100, group=7), order(2, -100, price=12.0, group=7)
    assert opened([order(3, -100, group=7)], long, [stop, target]) == {}
    assert opened([order(3, -120, group=7)], long, [stop, target]) == {3: 20.0}
    assert opened([order(3, -100)], long, [stop, target]) == {3: 100.0}
    small = [order(1, -40, group=7), order(2, -30, group=7)]
    assert opened([order(3, -60)], long, small) == {}
    assert opened([order(3, -61)], long, small) == {3: 1.0}


def test_siblings_without_a_group_count_once():
    working = [order(2, -100, parent=1), order(3, -100, parent=1)]  # their parent has filled
    assert opened([order(4, -100, parent=1)], [position(100)], working) == {}
    assert opened([order(4, -100)], [position(150)], working) == {4: 50.0}


def test_children_of_an_unfilled_parent_do_not_eat_the_room_of_todays_position():
    bracket = [order(1, 50), order(2, -50, parent=1), order(3, -50, parent=1)]
    assert opened(bracket) == {1: 50.0}
    assert opened([order(4, -100)], [position(100)], bracket) == {}
    assert opened([order(4, -101)], [position(100)], bracket) == {4: 1.0}
    filled = bracket[1:]  # the position has grown by the parent's 50, and so has what its children reduce
    assert opened([order(4, -100)], [position(150)], filled) == {}
    assert opened([order(4, -101)], [position(150)], filled) == {4: 1.0}


def test_children_of_a_partly_filled_parent_reduce_what_has_filled():
    working = [order(1, 20), order(2, -50, parent=1, group=9)]  # 30 of 50 have filled
    assert opened([order(4, -100)], [position(130)], working) == {}
    assert opened([order(4, -101)], [position(130)], working) == {4: 1.0}


def test_child_larger_than_its_parent_opens_the_difference():
    assert opened([order(1, 50), order(2, -80, parent=1)]) == {1: 50.0, 2: 30.0}


def test_child_sent_after_its_parent_reduces_what_the_parent_opens():
    assert opened([order(2, -50, parent=1)], working=[order(1, 50)]) == {}
    assert opened([order(2, -50, parent=1)], working=[]) == {2: 50.0}
    assert opened([order(2, 50, parent=1)], working=[order(1, 50)]) == {2: 50.0}  # same direction: no child
    assert opened([order(2, -50, parent=1, unit="v")], working=[order(1, 50)]) == {2: 50.0}


def test_child_of_a_parent_that_only_reduces_opens():
    long = [position(100)]
    assert opened([order(1, -100), order(2, 100, parent=1)], long) == {2: 100.0}
    assert opened([order(1, -150), order(2, 50, parent=1)], long) == {1: 50.0}
    assert opened([order(1, -150), order(2, 60, parent=1)], long) == {1: 50.0, 2: 10.0}
    assert opened([order(2, 100, parent=1)], long, [order(1, -100)]) == {2: 100.0}


# ---------------------------------------------------------------- gross, net, books


def test_exposure_nets_the_books_of_an_instrument():
    exposure = worst_case([position(100, unit="a"), position(-60, unit="b"), position(-30, "IXIC", price=20.0)], [])
    assert (exposure.gross, exposure.net_long, exposure.net_short) == (1_000.0, -200.0, -200.0)
    assert exposure.books == {"a/SPX", "b/SPX", "u/IXIC"}


def test_exposure_takes_the_larger_side_of_working_orders():
    exposure = worst_case([position(100)], [order(1, 50, price=12.0), order(2, -180, price=11.0)])
    # long side 1,000 + 50 x 12; short side: 180 - 100 left over at 11
    assert (exposure.gross, exposure.net_long, exposure.net_short) == (1_600.0, 1_600.0, -880.0)


def test_exposure_counts_what_turns_the_net_around_at_the_highest_price():
    exposure = worst_case([position(-100)], [order(1, 75, price=11.0), order(2, 75, price=14.0)])
    assert exposure.net_long == 50 * 14.0
    assert exposure.net_short == -1_000.0
    assert exposure.gross == 1_000.0


def test_orders_within_the_opposite_position_never_turn_it():
    exposure = worst_case([position(-100)], [order(1, 75, price=50.0)])
    assert (exposure.net_long, exposure.net_short) == (-250.0, -1_000.0)


def test_exposure_is_in_account_currency():
    exposure = worst_case([position(100, rate=0.9)], [order(1, 50, rate=0.9, price=12.0)])
    assert exposure.gross == pytest.approx(900.0 + 540.0)


def test_bracket_adds_its_entry_only():
    bracket = [order(1, 50), order(2, -50, parent=1, price=9.0), order(3, -50, parent=1, price=12.0)]
    exposure = worst_case([], bracket)
    assert (exposure.gross, exposure.net_long, exposure.net_short) == (500.0, 500.0, 0.0)
    assert exposure.books == {"u/SPX"}


def test_protective_stop_of_one_book_uncovers_the_other():
    exposure = worst_case([position(100, unit="a"), position(-100, unit="b")], [order(1, -100, unit="a")])
    assert (exposure.net_long, exposure.net_short, exposure.gross) == (0.0, -1_000.0, 1_000.0)


@st.composite
def crowded_accounts(draw):
    """Two symbols, two units, up to seven orders: singles, OCA groups and brackets; one price each."""
    refs = itertools.count(1)
    books = [(s, u) for s in ("A", "B") for u in ("x", "y")]
    size = st.integers(-5, 5).filter(bool)
    positions = [position(draw(size), s, u) for s, u in books if draw(st.booleans())]
    orders = []
    while len(orders) < 6 and draw(st.booleans()):
        symbol, unit = draw(st.sampled_from(books))
        kind = draw(st.sampled_from(["single", "oca", "bracket"]))
        if kind == "single":
            orders.append(order(next(refs), draw(size), symbol, unit))
        elif kind == "oca":
            group = 100 + next(refs)
            orders += [order(next(refs), draw(size), symbol, unit, group=group) for _ in range(2)]
        else:
            parent = order(next(refs), draw(size), symbol, unit)
            child = -parent.sign * draw(st.integers(1, 6))
            orders += [parent, order(next(refs), child, symbol, unit, parent=parent.ref, group=-parent.ref)]
            if draw(st.booleans()):
                orders.append(order(next(refs), child, symbol, unit, parent=parent.ref, group=-parent.ref))
    return positions, orders


def outcomes(positions, orders):
    """Net units by symbol of every possible set of fills."""
    for filled in itertools.product((False, True), repeat=len(orders)):
        done = {o.ref for o, yes in zip(orders, filled, strict=True) if yes}
        groups = [o.group for o in orders if o.ref in done and o.group is not None]
        if len(groups) != len(set(groups)) or any(o.parent not in done for o in orders if o.ref in done and o.parent):
            continue
        net = dict.fromkeys((o.symbol for o in (*positions, *orders)), 0.0)
        for p in positions:
            net[p.symbol] += p.size
        for o in orders:
            if o.ref in done:
                net[o.symbol] += o.sign * o.size
        yield net


@settings(max_examples=150, deadline=None)
@given(crowded_accounts())
def test_worst_case_is_the_worst_of_all_outcomes(crowd):
    positions, orders = crowd
    nets = list(outcomes(positions, orders))
    exposure = worst_case(positions, orders)
    assert exposure.gross == max(sum(abs(n) for n in net.values()) for net in nets) * 10.0
    assert exposure.net_long == max(sum(net.values()) for net in nets) * 10.0
    assert exposure.net_short == min(sum(net.values()) for net in nets) * 10.0


# ---------------------------------------------------------------- notional and risk of a trade


def test_trade_without_a_stop_risks_its_notional():
    batch = [order(1, 100, price=12.0, rate=0.9)]
    assert trade_side("u/SPX", 1, account(), batch) == TradeSide(1_080.0, 1_080.0)


def test_trade_risks_the_way_to_its_stop():
    plain = [order(1, 100, price=12.0, rate=0.9, stop_price=11.5)]
    assert trade_side("u/SPX", 1, account(), plain).risk == pytest.approx(100 * 0.5 * 0.9)
    short = [order(1, -100, price=12.0, stop_price=12.75)]
    assert trade_side("u/SPX", -1, account(), short).risk == pytest.approx(75.0)


def test_bracket_is_judged_by_its_children():
    bracket = [
        order(1, 100, price=12.0, stop_price=11.9),  # the child that is really there is wider
        order(2, -100, price=11.0, parent=1),
        order(3, -100, price=14.0, parent=1),
    ]
    assert trade_side("u/SPX", 1, account(), bracket) == TradeSide(1_200.0, 100.0)


def test_part_that_the_stop_does_not_cover_risks_its_notional():
    bracket = [order(1, 100, price=12.0, stop_price=11.0), order(2, -40, price=11.0, parent=1)]
    assert trade_side("u/SPX", 1, account(), bracket).risk == pytest.approx(40 * 1.0 + 60 * 12.0)


@pytest.mark.parametrize("stop", [12.0, 13.0])
def test_stop_on_the_wrong_side_is_no_stop(stop):
    assert trade_side("u/SPX", 1, account(), [order(1, 100, price=12.0, stop_price=stop)]).risk == 1_200.0


def test_trade_includes_the_position_and_its_stops():
    held = account([position(100, price=10.0)], [order(1, -80, price=9.0, group=5), order(2, -80, price=12.0, group=5)])
    add = order(3, 50, price=10.0, stop_price=9.5)
    side = trade_side("u/SPX", 1, held, [*held.working, add])
    assert side.notional == 1_500.0
    assert side.risk == pytest.approx(80 * 1.0 + 20 * 10.0 + 50 * 0.5)


def test_reversal_counts_with_what_is_left_after_reducing():
    held = account([position(100)])
    assert trade_side("u/SPX", -1, held, [order(1, -150, price=12.0, stop_price=13.0)]) == TradeSide(600.0, 50.0)
    stopped = account([position(100)], [order(1, -100, price=9.0)])
    turn = order(2, -150, price=12.0, stop_price=13.0)  # the stop may fill first, then all of it opens
    assert trade_side("u/SPX", -1, stopped, [*stopped.working, turn]) == TradeSide(1_800.0, 150.0)


def test_worked_example_of_the_docs():
    positions = [position(300, "A", price=100.0), position(-200, "B", price=100.0)]
    exposure = worst_case(positions, [order(1, -300, "A", price=90.0), order(2, 100, "C", price=100.0)])
    assert (exposure.gross, exposure.net_long, exposure.net_short) == (60_000.0, 20_000.0, -20_000.0)
