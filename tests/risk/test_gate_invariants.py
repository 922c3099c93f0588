"""What holds for any sequence of orders: limits, reductions, and a memory that refusals do not touch."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import itertools
import json

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from books.trades import TradeRow
from core.calendar import ExchangeCalendar
from core.orders import AccountView, OrderView, PositionView, Refusal
from core.settings import RiskSettings
from risk import OrderGate

NYSE = ExchangeCalendar("XNYS")
MONDAY = dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC)
PRICES = {"A": 10.0, "B": 25.0, "C": 4.0, "D": 1.0}
EQUITY = 10_000.0
LIMITS = RiskSettings(
    max_trade_risk=None,
    max_trade_notional=0.5,
    max_open_positions=3,
    max_gross_exposure=1.2,
    max_net_exposure=0.7,
    throttle={"enabled": False},
)


class Desk:
    """A broker in small: it keeps books and working orders, and fills what it is told to, at the market's price.

    Children wait for their parent, OCA groups and siblings cancel each other, a reduced OCA group is resized.
    """

    def __init__(self, settings=LIMITS):
        self.gate = OrderGate(settings, NYSE, EQUITY)
        self.books: dict[str, float] = {}  # "unit/SYMBOL" -> signed size
        self.working: list[OrderView] = []
        self.refs = itertools.count(1)
        self.reduced = False  # whether any fill so far brought a book nearer to flat

    def view(self):
        positions = []
        for book, size in self.books.items():
            unit, symbol = book.split("/")
            if size:
                positions.append(PositionView(book, unit, symbol, size, PRICES[symbol], 1.0))
        return AccountView(MONDAY, EQUITY, tuple(positions), tuple(self.working))

    def order(self, book, signed, factor=1.0, **more):
        unit, symbol = book.split("/")
        sign = 1 if signed > 0 else -1
        return OrderView(next(self.refs), book, unit, symbol, sign, abs(signed), PRICES[symbol] * factor, 1.0, **more)

    def send(self, batch):
        judged = self.gate.review(batch, self.view())
        if judged is None:
            self.working += batch
        return judged

    def cancel(self, order):
        """Cancel an order; the children of a parent that has not filled at all go with it."""
        self.working = [o for o in self.working if o.ref != order.ref and o.parent != order.ref]

    def fill(self, order, size):
        if any(o.ref == order.parent for o in self.working):
            return  # a child waits for its parent
        held = self.books.get(order.book, 0.0)
        self.reduced |= held * order.sign < 0
        self.books[order.book] = held + order.sign * size
        self.working = [
            o
            for o in self.working
            if o.ref == order.ref
            or not (
                (order.group is not None and o.group == order.group)
                or (order.parent is not None and o.parent == order.parent)
            )
        ]
        self.working = [
            dataclasses.replace(o, size=o.size - size) if o.ref == order.ref else o
            for o in self.working
            if o.ref != order.ref or o.size > size
        ]

    def exposures(self):
        """Gross, net and open books at market prices, by hand."""
        net: dict[str, float] = {}
        for book, size in self.books.items():
            symbol = book.split("/")[1]
            net[symbol] = net.get(symbol, 0.0) + size * PRICES[symbol]
        return (
            sum(map(abs, net.values())),
            abs(sum(net.values())),
            sum(1 for size in self.books.values() if size),
            max((abs(size) * PRICES[book.split("/")[1]] for book, size in self.books.items()), default=0.0),
        )


def act(desk, draw, books, reductions):
    """One random act: orders of every kind, fills, cancels."""
    kinds = ["single", "single", "pair", "pair", "fill", "fill", "cancel"]
    if reductions:
        kinds += ["bracket", "bracket", "exit", "any exit", "reversal"]
    kind = draw(st.sampled_from(kinds))
    factor = st.sampled_from([1.0, 1.0, 1.1, 1.3])  # worst price over the market's
    book = draw(st.sampled_from(books))
    sign = draw(st.sampled_from([1, -1]))
    held = desk.books.get(book, 0.0)
    size = st.integers(1, 11).map(lambda n: int(n * 0.05 * EQUITY / PRICES[book[-1]]))  # 5% to 55% of equity
    if kind == "single":
        desk.send([desk.order(book, sign * draw(size), draw(factor))])
    elif kind == "pair":
        other = draw(st.sampled_from(books))
        assume(other != book)
        ratio = PRICES[book[-1]] / PRICES[other[-1]]
        leg = draw(size)
        desk.send([desk.order(book, sign * leg), desk.order(other, -sign * int(leg * ratio))])
    elif kind == "bracket":
        parent = desk.order(book, sign * draw(size), draw(factor))
        child = -sign * parent.size
        family = {"parent": parent.ref, "group": -parent.ref}
        desk.send([parent, desk.order(book, child, 0.9, **family), desk.order(book, child, 1.2, **family)])
    elif kind == "exit" and held:
        stop = next((o for o in desk.working if o.book == book and o.sign * held < 0), None)
        desk.send([desk.order(book, -held, group=stop.group if stop else None)])
    elif kind == "any exit" and held:
        desk.send([desk.order(book, (-1 if held > 0 else 1) * draw(st.integers(1, int(abs(held)))))])
    elif kind == "reversal" and held:
        desk.send([desk.order(book, -held + (-1 if held > 0 else 1) * draw(size), draw(factor))])
    elif kind == "fill" and desk.working:
        order = draw(st.sampled_from(desk.working))
        desk.fill(order, draw(st.sampled_from([order.size, order.size, max(1, order.size // 2)])))
    elif kind == "cancel" and desk.working:
        order = draw(st.sampled_from(desk.working))
        if not any(o.parent == order.ref for o in desk.working):  # see Desk.cancel
            desk.cancel(order)


def fill_all(desk, draw):
    """Fill what works until nothing is left, in any order, parents before their children."""
    while desk.working:
        ready = [o for o in desk.working if not any(o.parent == other.ref for other in desk.working)]
        order = draw(st.sampled_from(ready))
        desk.fill(order, order.size)
        yield


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_approved_and_filled_orders_never_breach_a_limit(data):
    """Books of one unit, all kinds of orders. Net exposure counts until something was closed: closing one side of a
    hedged account always passes, so it may leave the other side's net exposure above the limit."""
    desk = Desk()

    def check():
        gross, net, positions, notional = desk.exposures()
        assert gross <= 1.2 * EQUITY
        assert positions <= 3
        assert notional <= 0.5 * EQUITY
        assert desk.reduced or net <= 0.7 * EQUITY

    for _ in range(data.draw(st.integers(3, 15))):
        act(desk, data.draw, ["u/A", "u/B", "u/C", "u/D"], reductions=True)
        check()
    for _ in fill_all(desk, data.draw):
        check()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_entries_of_several_units_never_breach_a_limit_of_the_net(data):
    desk = Desk()

    def check():
        gross, net, positions, notional = desk.exposures()
        assert desk.reduced or gross <= 1.2 * EQUITY
        assert desk.reduced or net <= 0.7 * EQUITY
        assert positions <= 3
        assert notional <= 0.5 * EQUITY

    for _ in range(data.draw(st.integers(3, 15))):
        act(desk, data.draw, ["u/A", "v/A", "u/B", "v/B", "w/C"], reductions=False)
        check()
    for _ in fill_all(desk, data.draw):
        check()


def breached_gate():
    """A gate that refuses every entry, for every reason it knows."""
    rules = {"guard_stops": 1, "guard_pause_sessions": 9, "cooldown_sessions": 9, "lock_loss_eur": 1.0}
    gate = OrderGate(
        RiskSettings(
            max_trade_risk=1e-9,
            max_trade_notional=1e-9,
            max_open_positions=1,
            max_gross_exposure=1e-9,
            max_net_exposure=1e-9,
            max_daily_loss=0.001,
            max_weekly_loss=0.001,
            kill_switch={"max_drawdown": 0.01},
            throttle={"series": "VIX"},
            protections=rules,
        ),
        NYSE,
        EQUITY * 2,
    )
    gate.on_volatility_index(MONDAY - dt.timedelta(days=3), 99.0)
    gate.on_bar(MONDAY, EQUITY, {"A": 10.0})
    zeros = dict.fromkeys(("gross_eur", "commission_eur", "borrow_eur", "slippage_eur", "fx_eur"), 0.0)
    for symbol in PRICES:
        row = TradeRow("t", "u", symbol, "long", 1.0, MONDAY, 1.0, MONDAY, 1.0, **zeros, net_eur=-50.0, mae_eur=0.0,
                       mfe_eur=0.0, bars=1, exit_reason="stop")  # fmt: skip
        gate.on_trade(row)
    return gate


BREACHED = breached_gate()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_reducing_orders_pass_whatever_is_breached_and_entries_do_not(data):
    """Any position, cut into reductions of any size that together do not exceed it; children of brackets between."""
    desk = Desk()
    desk.gate = BREACHED
    for book in ("u/A", "v/A", "u/B"):
        desk.books[book] = float(data.draw(st.integers(-500, 500)))
    for book, held in desk.books.items():
        left = abs(held)
        while left and data.draw(st.booleans()):
            size = data.draw(st.integers(1, int(left)))
            group = next(desk.refs) if data.draw(st.booleans()) else None
            sign = -1 if held > 0 else 1
            assert desk.send([desk.order(book, sign * size, group=group)]) is None
            if group is not None:  # a second order of the group takes nothing more
                assert desk.send([desk.order(book, sign * size, group=group)]) is None
            parent = desk.order(book, 50 if held > 0 else -50)  # a working entry and its stop change nothing
            desk.working += [parent, desk.order(book, sign * 50, parent=parent.ref)]
            left -= size
        assert desk.send([desk.order(book, (1 if held >= 0 else -1))])[0] is Refusal.KILLED
        if held:
            assert desk.send([desk.order(book, (-1 if held > 0 else 1) * (left + 1))])[0] is Refusal.KILLED


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_review_changes_nothing(data):
    for gate in (BREACHED, OrderGate(LIMITS, NYSE, EQUITY)):
        desk = Desk()
        desk.gate = gate
        desk.books["u/A"] = float(data.draw(st.integers(-50, 50)))
        state, events = copy.deepcopy(gate.state()), list(gate.events)
        equity = data.draw(st.sampled_from([EQUITY, 0.0, float("nan"), 5_000.0]))
        when = data.draw(st.sampled_from([MONDAY, MONDAY + dt.timedelta(days=30)]))
        batch = [desk.order("u/A", data.draw(st.integers(-2_000, 2_000).filter(bool))) for _ in range(2)]
        view = dataclasses.replace(desk.view(), equity_eur=equity, when=when)
        first = gate.review(batch, view)
        assert gate.review(batch, view) == first
        assert gate.state() == state
        assert gate.events == events


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 59), st.randoms(use_true_random=False))
def test_restored_gate_goes_on_as_if_it_had_never_stopped(split, random):
    settings_ = RiskSettings(
        kill_switch={"max_drawdown": 0.08, "rearm_sessions": 4},
        throttle={"series": "VIX", "realised_sessions": 5, "max_age_sessions": 2},
        protections={"guard_stops": 2, "cooldown_sessions": 2, "lock_loss_eur": 300.0, "lock_window_sessions": 5},
    )
    closes = [NYSE.close_of(day) for day in NYSE.sessions(dt.date(2024, 1, 2), dt.date(2024, 3, 28))][:60]
    bars = [(random.uniform(90, 110), EQUITY * random.uniform(0.9, 1.1), random.uniform(10, 50)) for _ in closes]
    steady, gate = OrderGate(settings_, NYSE, EQUITY), OrderGate(settings_, NYSE, EQUITY)
    zeros = dict.fromkeys(("gross_eur", "commission_eur", "borrow_eur", "slippage_eur", "fx_eur"), 0.0)
    entry = OrderView(1, "u/A", "u", "A", 1, 10.0, 10.0, 1.0, stop_price=9.5)
    for at, (when, (close, equity, index)) in enumerate(zip(closes, bars, strict=True)):
        if at == split:
            state = json.loads(json.dumps(gate.state()))
            gate = OrderGate(settings_, NYSE, EQUITY)
            gate.restore(state)
            assert gate.state() == steady.state()
        answers = []
        for each in (steady, gate):
            if at % 7 < 3:
                each.on_volatility_index(when, index)
            if at % 3 == 0:
                row = TradeRow(f"t{at}", "u", "A", "long", 1.0, when, 1.0, when, 1.0, **zeros, net_eur=100.0 - close,
                               mae_eur=0.0, mfe_eur=0.0, bars=1, exit_reason="stop")  # fmt: skip
                each.on_trade(row)
            action = each.on_bar(when, equity, {"A": close})
            view = AccountView(when, equity, (), ())
            answers.append((action, each.killed, each.scale("A"), each.review([entry], view), each.state()))
        assert answers[0] == answers[1]
    count = len(gate.events)
    assert gate.events == steady.events[len(steady.events) - count :]
