"""What a plan's actions do to a strategy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import backtrader as bt
from parity import tape as tapes
from parity.graphs import Faulty
from parity.programme import Action

SCHEMES: dict[str, dict[str, Any]] = {
    "free": {},
    "percent": {"commission": 0.001},
    "percabs": {"commission": 0.15, "percabs": False, "commtype": bt.CommInfoBase.COMM_PERC, "stocklike": True},
    "fixed": {"commission": 1.5, "commtype": bt.CommInfoBase.COMM_FIXED, "stocklike": True},
    "futures": {"commission": 2.0, "margin": 200.0, "mult": 5.0},
    "futures auto": {"commission": 0.5, "margin": 1.0, "mult": 2.0, "automargin": -1},
    "futures part": {"commission": 0.5, "margin": 1.0, "mult": 2.0, "automargin": 0.3},
    "futures percent": {
        "commission": 0.001, "margin": 50.0, "mult": 3.0, "commtype": bt.CommInfoBase.COMM_PERC, "stocklike": False,
    },
    "leverage": {"commission": 0.001, "leverage": 4.0},
    "interest": {"commission": 0.001, "interest": 0.2},
    "interest long": {"commission": 0.001, "interest": 0.2, "interest_long": True},
}  # fmt: skip


class TieredCommission(bt.CommInfoBase):
    """As a user writes one: the stock formulas are overridden."""

    params = (("commission", 1.0), ("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return max(self.p.commission, 0.0007 * abs(size) * price)

    def getsize(self, price: float, cash: float) -> int:
        return int(0.5 * cash // price)


def set_commission(broker: Any, scheme: str, name: str | None) -> None:
    if scheme == "tiered":
        broker.addcommissioninfo(TieredCommission(), name=name)
    else:
        broker.setcommission(**SCHEMES[scheme], name=name)


def act(strategy: Any, action: Action) -> None:
    """Do it and note that it was done."""
    data = strategy.datas[action.data % len(strategy.datas)]
    strategy.note("do", action.do, action.where, action.at)
    made = DO[action.do](strategy, action, data)
    orders = made if isinstance(made, list) else [made]
    strategy.own += [order for order in orders if isinstance(order, bt.Order)]
    if action.do in SENDING:
        strategy.note("own order", *(order and strategy.tape.order(order) for order in orders))


def _order(strategy: Any, action: Action, data: Any) -> Any:
    options = _options(strategy, action, data)
    if action.exectype is not None:
        options["exectype"] = getattr(bt.Order, action.exectype)
    if action.price is not None:
        options["price"] = data.close[0] * action.price
    if action.limit is not None:
        options["plimit"] = data.close[0] * action.limit
    return getattr(strategy, action.side)(data=data, size=action.size, **options)


def _options(strategy: Any, action: Action, data: Any) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if action.valid is not None:
        options["valid"] = VALID[action.valid](data)
    if action.trail is not None:
        options[f"trail{action.trail[0]}"] = action.trail[1]
    if action.tradeid:
        options["tradeid"] = action.tradeid
    last = strategy.own[-1] if strategy.own else None
    if action.link == "oco":
        options["oco"] = last
    elif action.link == "parent":
        options["transmit"] = False
    elif action.link in ("child", "last"):
        options["parent"] = last.parent if last is not None and last.parent is not None else last
        options["transmit"] = action.link == "last"
    return options


VALID: dict[str, Callable[[Any], Any]] = {
    "day": lambda data: bt.Order.DAY,
    "zero": lambda data: 0,
    "2 days": lambda data: dt.timedelta(days=2),
    "hour": lambda data: dt.timedelta(hours=1),
    "date": lambda data: data.datetime.date(0) + dt.timedelta(days=4),
    "moment": lambda data: data.datetime.datetime(0) + dt.timedelta(days=3, minutes=1),
    "past": lambda data: dt.timedelta(days=-2),
    "number": lambda data: 3.5,  # trap 4: compared as an absolute date
    "absolute": lambda data: data.datetime[0] + 3.0,
}


def _bracket(strategy: Any, action: Action, data: Any) -> Any:
    up = 1.0 if action.side == "buy" else -1.0
    close, gap = data.close[0], 0.02
    options = _options(strategy, action, data)
    kind = getattr(bt.Order, action.exectype or "Limit")
    if action.exectype == "StopLimit":
        options["plimit"] = close * (1 + up * 0.01)
    make = strategy.buy_bracket if up > 0 else strategy.sell_bracket
    children: dict[str, Any] = {"stopprice": close * (1 - up * gap), "limitprice": close * (1 + up * gap)}
    if action.value == 1:  # without a limit
        children["limitexec"] = None
    elif action.value == 2:  # without a stop
        children["stopexec"] = None
    elif action.value == 3:
        children["stopexec"] = bt.Order.StopTrail
        children["stopargs"] = {"trailpercent": 0.02}
    for unused in ("transmit", "parent"):
        options.pop(unused, None)
    return make(data=data, size=action.size, exectype=kind, price=close * (action.price or 1.0), **children, **options)


def _target(kind: str) -> Callable[[Any, Action, Any], Any]:
    def send(strategy: Any, action: Action, data: Any) -> Any:
        options = _options(strategy, action, data)
        return getattr(strategy, f"order_target_{kind}")(data=data, target=action.value, **options)

    return send


def _cancel(strategy: Any, action: Action, data: Any) -> None:
    if strategy.own:
        order = strategy.own[int(action.value) % len(strategy.own)]
        strategy.cancel(order)


def _read(strategy: Any, action: Action, data: Any) -> None:
    """Analyzers and observers in mid-run (trap 11), positions by every way there is."""
    for name, analyzer in strategy.analyzers.getitems():
        strategy.note("analyzer", name, tapes.analysis(analyzer))
    for observer in strategy.getobservers():
        lines = tuple(line[0] if len(line) else None for line in observer.lines.itersize())
        strategy.note("observer", type(observer).__name__, len(observer), lines)
    strategy.note("account", *tapes.account(strategy.broker))
    pending = [strategy.tape.order_ref(o.ref) for o in strategy.broker.get_orders_open()]
    strategy.note("pending", pending, [o.status for o in strategy.broker.get_orders_open(safe=True)])
    strategy.note("of data", strategy.broker.get_value([data]), strategy.broker.get_value([data], lever=True))


def _touch(strategy: Any, action: Action, data: Any) -> None:
    position = strategy.getposition(data)  # inserts a key (trap 7)
    strategy.note("position", position.size, position.price)


def _rebind(strategy: Any, action: Action, data: Any) -> None:
    """Lines written and replaced in mid-run."""
    things = strategy.nodes or [data]
    thing = things[int(action.value) % len(things)]
    line = next(iter(tapes.lines_of(thing)))
    line[0] = 123.25
    if action.side == "sell" and line is not thing:
        thing.lines.lines[0] = strategy.data.volume  # another line takes its place


def _setting(strategy: Any, action: Action, data: Any) -> None:
    """A setting of the broker in mid-run."""
    broker, choice = strategy.broker, int(action.value) % 6
    if choice == 0:
        broker.set_slippage_perc(0.01)
    elif choice == 1:
        broker.set_slippage_fixed(0.5, slip_out=True)
    elif choice == 2:
        broker.set_coc(not broker.p.coc)
    elif choice == 3:
        broker.set_shortcash(not broker.p.shortcash)
    elif choice == 4:
        broker.set_filler(bt.fillers.FixedSize(size=3))
    else:
        broker.set_checksubmit(not broker.p.checksubmit)


def _fault(strategy: Any, action: Action, data: Any) -> None:
    raise Faulty(f"{action.where} {action.at}")


def _alter(strategy: Any, action: Action, data: Any) -> None:
    """A pending order changed by its owner, and the bar that it is to meet."""
    if strategy.own:
        order = strategy.own[-1]
        order.created.price = data.close[0] * (action.price or 1.0)
        order.addinfo(changed=action.at)


def _size(strategy: Any, action: Action, data: Any) -> None:
    strategy.note("sizing", strategy.getsizing(data, isbuy=action.side == "buy"))


def _sizer(strategy: Any, action: Action, data: Any) -> None:
    strategy.setsizer(bt.sizers.PercentSizer(percents=7))


DO: dict[str, Callable[[Any, Action, Any], Any]] = {
    "order": _order,
    "bracket": _bracket,
    "close": lambda strategy, action, data: strategy.close(data=data, **_options(strategy, action, data)),
    "size": _target("size"),
    "value": _target("value"),
    "percent": _target("percent"),
    "cancel": _cancel,
    "read": _read,
    "touch": _touch,
    "rebind": _rebind,
    "setting": _setting,
    "fault": _fault,
    "alter": _alter,
    "sizing": _size,
    "sizer": _sizer,
    "add_cash": lambda strategy, action, data: strategy.broker.add_cash(action.value),
    "set_cash": lambda strategy, action, data: strategy.broker.set_cash(action.value),
    "commission": lambda s, action, data: set_commission(s.broker, [*SCHEMES][int(action.value) % len(SCHEMES)], None),
    "runstop": lambda strategy, action, data: strategy.env.runstop(),
}
SENDING = frozenset({"order", "bracket", "close", "size", "value", "percent"})
