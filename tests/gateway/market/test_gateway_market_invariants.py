"""What holds after any sequence of orders, prices, cancels, modifications, corrections and moving exchange rates."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from books.rates import Rates
from gateway.market import Accounts
from gateway.model import ENDED, WORKING, Instrument

CAPITAL = 1_000_000.0
KINDS = ["MKT", "LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MOC", "LOC"]
cents = st.integers(-150, 150)

place = st.fixed_dictionaries(
    {
        "do": st.just("place"),
        "action": st.sampled_from(["BUY", "SELL"]),
        "kind": st.sampled_from(KINDS),
        "quantity": st.integers(1, 400),
        "price": cents,
        "limit": cents,
        "tif": st.sampled_from(["DAY", "GTC", "IOC", "FOK", "OPG"]),
        "group": st.sampled_from([None, None, "g", "h"]),
        "oca_type": st.sampled_from([1, 2, 3]),
        "outside": st.booleans(),
        "second": st.booleans(),
    }
)
bracket = st.fixed_dictionaries(
    {
        "do": st.just("bracket"),
        "action": st.sampled_from(["BUY", "SELL"]),
        "kind": st.sampled_from(["MKT", "LMT", "STP"]),
        "quantity": st.integers(1, 400),
        "price": cents,
        "exits": st.lists(
            st.tuples(st.sampled_from(["LMT", "STP", "TRAIL"]), st.integers(1, 150), st.integers(1, 400)),
            min_size=1,
            max_size=3,
        ),
    }
)
price = st.tuples(
    st.sampled_from(["bar", "bar", "quote", "quote", "night"]), cents, cents, st.integers(0, 90), st.integers(0, 300)
)
touch = st.tuples(
    st.sampled_from(["cancel", "modify", "correct", "bust", "execute", "halt", "all"]), st.integers(0, 30), cents
)
steps = st.lists(st.one_of(place, bracket, price, price, touch), max_size=40)


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """A dollar that moves every two minutes."""
    start = dt.datetime(2024, 3, 8, 14, 0, tzinfo=dt.UTC)
    file = tmp_path_factory.mktemp("rates") / "usd.csv"
    lines = ["date,rate"]
    for number in range(2000):
        moment = start + dt.timedelta(minutes=2 * number)
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%S},{0.9 + 0.05 * math.sin(number * 1.7):.6f}")
    file.write_text("\n".join(lines))
    return file


class Run:
    """Takes steps and checks what holds after each."""

    def __init__(self, world):
        self.world, self.market = world, world.market
        self.last, self.next_id = 10_000, 1
        self.sizes = {}  # order id -> size when it was placed
        self.forced = set()  # groups and parents that were meddled with: those can overfill

    def take(self, step):
        if isinstance(step, dict):
            (self.place if step["do"] == "place" else self.bracket)(step)
        elif step[0] in ("bar", "quote", "night"):
            self.price(*step)
        else:
            self.touch(*step)

    def at(self, distance):
        return (self.last + distance) / 100

    def prices_of(self, kind, price, limit):
        terms = {}
        if kind in ("LMT", "STP LMT", "LOC"):
            terms["lmtPrice"] = self.at(limit)
        if kind in ("STP", "STP LMT"):
            terms["auxPrice"] = self.at(price)
        if kind.startswith("TRAIL"):
            terms["auxPrice"] = abs(price) / 100 + 0.01
        if kind == "TRAIL LIMIT":
            terms["lmtPriceOffset"] = limit / 100
        return terms

    def place(self, step):
        terms = self.prices_of(step["kind"], step["price"], step["limit"])
        account = "DU2" if step["second"] else "DU1"
        if step["group"]:
            terms |= {"ocaGroup": step["group"], "ocaType": step["oca_type"]}
            group = [o for o in self.market.orders.values() if o.terms.get("ocaGroup") == step["group"]]
            if any(order.filled for order in group if order.account == account):
                self.forced.add((account, step["group"]))  # it comes with its whole size to what is partly done
        self.next_id += 1
        self.sizes[self.next_id] = step["quantity"]
        self.world.place(
            self.next_id,
            step["action"],
            step["kind"],
            step["quantity"],
            tif=step["tif"],
            outsideRth=step["outside"],
            account=account,
            **terms,
        )

    def bracket(self, step):
        parent = self.next_id = self.next_id + 1
        side, other = (1, "SELL") if step["action"] == "BUY" else (-1, "BUY")
        terms = self.prices_of(step["kind"], step["price"], step["price"])
        self.world.place(parent, step["action"], step["kind"], step["quantity"], transmit=False, account="DU1", **terms)
        for number, (kind, distance, quantity) in enumerate(step["exits"]):
            self.next_id += 1
            away = side * distance * (1 if kind == "LMT" else -1)
            self.world.place(
                self.next_id,
                other,
                kind,
                quantity,
                parentId=parent,
                tif="GTC",
                transmit=number == len(step["exits"]) - 1,
                account="DU1",
                **self.prices_of(kind, away, away),
            )

    def price(self, what, gap, move, spread, size):
        if what == "night":
            self.world.go(dt.timedelta(hours=9))
        open_ = max(self.last + gap, 500)
        self.last = max(open_ + move, 500)
        if what == "quote":
            self.world.quote(self.last / 100, (self.last + spread) / 100, size, size + 20, seconds=20)
        else:
            high, low = max(open_, self.last) + spread, max(min(open_, self.last) - spread, 1)
            self.world.bar(open_ / 100, high / 100, low / 100, self.last / 100, float(size))

    def touch(self, what, number, distance):
        market = self.market
        orders, executions = list(market.orders.values()), market.executions
        if what == "halt":
            (market.resume if market.is_halted(self.world.a) else market.halt)(self.world.a)
        elif what == "all":
            market.cancel_all()
        elif what in ("correct", "bust"):
            if executions:
                execution = executions[number % len(executions)]
                self.forced |= {execution.order.terms.get("parentId"), execution.order.order_id}
                self.forced.add((execution.order.account, execution.order.terms.get("ocaGroup")))
                if what == "bust":
                    market.bust(execution)
                else:
                    market.correct(execution, price=self.at(distance), shares=max(1.0, execution.shares - number))
        elif orders:
            order = orders[number % len(orders)]
            if what == "cancel":
                market.cancel(order)
            elif what == "modify":
                kind = order.terms["orderType"]
                changes = self.prices_of(kind, distance, -distance) | {"totalQuantity": order.quantity + number - 10}
                if changes["totalQuantity"] > order.quantity:
                    self.forced |= {order.order_id, order.terms.get("parentId")}
                    self.forced.add((order.account, order.terms.get("ocaGroup")))
                self.world.modify(order, **changes)
            elif order.remaining >= 1:
                self.forced |= {order.terms.get("parentId"), (order.account, order.terms.get("ocaGroup"))}
                market.execute(order, 1.0, self.at(distance))

    # ------------------------------------------------------------------ what holds

    def check(self):
        self.check_orders()
        self.check_groups()
        self.check_money()

    def check_orders(self):
        market = self.market
        for order in market.orders.values():
            assert 0.0 <= order.filled <= order.quantity + 1e-9
            assert order.filled == pytest.approx(sum(e.shares for e in order.executions))
            if order.filled:
                paid = sum(e.shares * e.price for e in order.executions)
                assert order.avg_fill_price == pytest.approx(paid / order.filled)
        open_orders = market.open_orders()
        assert all(order.status in WORKING for order in open_orders)
        assert all(order.status in ENDED for order in market.orders.values() if order not in open_orders)
        counts = defaultdict(int)
        for order in open_orders:
            counts[order.account, order.instrument.con_id, order.sign] += 1
        assert dict(market.life.working) == dict(counts)
        live = [t.order for book in market.life.exchange.books.values() for t in book.tickets]
        assert len(live) == len(set(map(id, live))) and all(order in open_orders for order in live)

    def check_groups(self):
        groups, families = defaultdict(list), defaultdict(list)
        for order in self.market.orders.values():
            terms = order.terms
            if terms.get("parentId"):
                families[terms["parentId"]].append(order)
            elif terms.get("ocaGroup"):
                groups[order.account, terms["ocaGroup"]].append(order)
        for key, orders in groups.items():
            if key in self.forced:
                continue
            for order in orders:  # one order's whole fill leaves nothing for the others
                if order.status == "Filled":
                    assert not any(other.is_working for other in orders)
            assert sum(order.filled / self.sizes[order.order_id] for order in orders) <= 1.0 + 1e-9
        for parent_id, exits in families.items():
            parent = self.market.find(1, parent_id)
            if parent is not None and parent_id not in self.forced:
                assert sum(order.filled for order in exits) <= parent.filled + 1e-9

    def check_money(self):
        now = self.world.clock.now()
        held, cash = defaultdict(float), defaultdict(float)
        for book in self.world.books.values():
            sign = 1 if book.side == "BOT" else -1
            held[book.order.account] += sign * book.shares
            cash[book.order.account] -= sign * book.shares * book.price
        for execution_id, fee in self.world.fees.items():
            if execution_id in self.world.books:
                cash[self.world.books[execution_id].order.account] -= fee
        for state in self.market.accounts:
            assert state.held(1) == pytest.approx(held[state.name])
            assert state.cash.balances.get("USD", 0.0) == pytest.approx(cash[state.name], abs=1e-6)
            assert state.cash.balances["EUR"] == CAPITAL
            state.cash.revalue(now, state.principal)
            gained = state.realized_base + state.unrealized(now) + state.cash.cash_fx_eur
            assert state.equity(now) - CAPITAL == pytest.approx(gained, abs=1e-4)
            assert state.pnl(now)[0] == pytest.approx(state.equity(now) - state.began_equity, abs=1e-9)


@pytest.fixture(scope="module")
def make_run(make_world, rates):
    class Ledger(make_world):
        """Keeps what clients would keep: the last version of each execution, and its commission."""

        def __init__(self, **options):
            self.books, self.fees = {}, {}
            super().__init__(**options)

        def executed(self, execution):
            super().executed(execution)
            base = execution.exec_id.rpartition(".")[0]
            self.books[base] = execution
            if not execution.shares:
                del self.books[base]

        def charged(self, execution, report):
            super().charged(execution, report)
            self.fees[report.exec_id.rpartition(".")[0]] = report.commission

    def make(**options):
        accounts = Accounts({"DU1": CAPITAL, "DU2": CAPITAL}, rates=Rates("EUR", files={"USD": rates}))
        instrument = Instrument(1, "AAA", shortable=1e9)
        return Run(Ledger(accounts=accounts, instrument=instrument, order_limit=1000, **options))

    return make


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.sampled_from([{}, {"participation": 0.5}, {"standing": True}, {"cancel_seconds": 30.0}]))
def test_orders_groups_and_money_add_up(make_run, taken, options):
    run = make_run(**options)
    for step in taken:
        run.take(step)
        run.check()


@settings(max_examples=100)
@given(steps)
def test_the_same_steps_give_the_same_story(make_run, taken):
    first, second = make_run(), make_run()
    for step in taken:
        first.take(step)
        second.take(step)
    assert first.world.log == second.world.log
    assert [e.exec_id for e in first.market.executions] == [e.exec_id for e in second.market.executions]
