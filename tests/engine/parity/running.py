"""Build a programme's graph with an engine, run it, and give the full event log."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import backtrader as bt
from parity import tape as tapes
from parity.actions import set_commission
from parity.engines import Engine
from parity.frames import frame_of
from parity.programme import Feed, Programme
from parity.recorder import Loud, Quiet, timer_options
from parity.tape import Floats, Tape

from feeds import ColumnarData

FILLERS = {
    "size": lambda: bt.fillers.FixedSize(size=4),
    "volume": lambda: bt.fillers.FixedSize(),
    "percent": lambda: bt.fillers.FixedBarPerc(perc=25.0),
    "points": lambda: bt.fillers.BarPointPerc(minmov=0.1, perc=60.0),
}
TIMEFRAMES = {"Minutes": bt.TimeFrame.Minutes, "Days": bt.TimeFrame.Days, "Weeks": bt.TimeFrame.Weeks}
STRATEGIES: dict[tuple[str | None, bool], type] = {(None, True): Loud, (None, False): Quiet}  # by wakes, loud
SUFFIX = {1: "Minutes", 1440: "Days", 10080: "Weeks"}


def run(programme: Programme, engine: Engine, tweak: Callable[[Any], None] | None = None) -> list[tuple[str, Any, Any]]:
    """The events of the run, the state that it left and the error that ended it, if one did.

    ``tweak`` is called with the Cerebro before it runs: for what a programme cannot say.
    """
    tape = Tape()
    Quiet.programme, Quiet.tape = programme, tape
    text = io.StringIO()
    cerebro = None
    try:
        cerebro = build(programme, engine, tape, text)
        if tweak is not None:
            tweak(cerebro)
        strategies = cerebro.run()
        tape.add("returned", _shape(strategies))
    except Exception as error:  # any error is an event: both engines must give the same one
        tape.add("error", type(error).__name__, str(error))
    if cerebro is not None:
        leave(cerebro, tape)
    if programme.writer:
        tape.add("writer", *_CLASSES.sub("<feed>", text.getvalue()).splitlines())
    return tape.events


def build(programme: Programme, engine: Engine, tape: Tape, text: io.StringIO) -> Any:
    cerebro = _announcing(engine.cerebro, tape)(stdstats=programme.stdstats, **dict(programme.cerebro))
    if engine.broker is not None:
        cerebro.setbroker(engine.broker())
    broker = cerebro.broker
    for name, value in programme.broker:
        setattr(broker.p, name, value)
        if name == "cash":
            broker.setcash(value)
    if programme.filler is not None:
        broker.set_filler(FILLERS[programme.filler]())
    maker = engine.feed
    if dict(programme.cerebro).get("exactbars") == 1:
        maker = ColumnarData  # PandasData puts numpy floats into short buffers, which divide by zero without an error
    for number, feed in enumerate(programme.feeds):
        _add_feed(cerebro, maker, feed, f"d{number}")
    for data, scheme in programme.commissions:
        set_commission(broker, scheme, None if data is None else f"d{data % len(programme.feeds)}")
    for number, plan in enumerate(programme.plans):
        kind = STRATEGIES[plan.wakes, plan.loud]
        if number == 0 and programme.optimised:
            cerebro.optstrategy(kind, number=[0, len(programme.plans) - 1])
        else:
            cerebro.addstrategy(kind, number=number)
    if programme.sizer is not None:
        cerebro.addsizer(getattr(bt.sizers, programme.sizer[0]), **dict(programme.sizer[1]))
    for name in programme.analyzers:
        cerebro.addanalyzer(getattr(bt.analyzers, name))
    for name in programme.observers:
        add = cerebro.addobservermulti if name == "BuySell" else cerebro.addobserver
        add(getattr(bt.observers, name))
    for options in programme.timers:
        cerebro.add_timer(**timer_options(options))
    if programme.history:
        cerebro.add_order_history([list(item) for item in programme.history], notify=True)
    if programme.writer:
        cerebro.addwriter(bt.WriterFile, out=text, csv=True)
    return cerebro


def _announcing(kind: Any, tape: Tape) -> Any:
    """A Cerebro whose own ``notify_timer`` is seen, as a user's subclass would have it."""
    made = _KINDS.get(kind)
    if made is None:

        class Announcing(kind):  # type: ignore[misc, valid-type]
            parity_tape: Tape

            def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
                self.parity_tape.add("cerebro timer", timer.p.tid, str(when))

        made = _KINDS[kind] = Announcing
    made.parity_tape = tape
    return made


_KINDS: dict[Any, Any] = {}
_CLASSES = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>|PandasData|ColumnarData")


def _add_feed(cerebro: Any, maker: Any, feed: Feed, name: str) -> None:
    timeframe, compression = bt.TimeFrame.Minutes, feed.minutes * feed.compression
    if feed.minutes >= 1440:
        timeframe, compression = bt.TimeFrame.Days, feed.compression
    data = maker(
        dataname=frame_of(feed), timeframe=timeframe, compression=compression, tz=feed.tz, **dict(feed.options)
    )
    if feed.to is None:
        cerebro.adddata(data, name=name)
        return
    how, unit, factor = feed.to
    add = cerebro.resampledata if how == "resample" else cerebro.replaydata
    add(data, name=name, timeframe=TIMEFRAMES[unit], compression=factor)


def _shape(result: Any) -> Any:
    return [_shape(item) for item in result] if isinstance(result, list) else type(result).__name__


def leave(cerebro: Any, tape: Tape) -> None:
    """What can be read after the run: account, positions, orders, trades, every line, analyzers, observers."""
    broker = cerebro.broker
    tape.add("account", *tapes.account(broker), broker.startingcash)
    tape.add("positions", tapes.positions(broker))
    tape.add("pending", [tape.order_ref(order.ref) for order in broker.pending if order is not None])
    for order in broker.orders:
        tape.add("own order", *tape.order(order))
    for data in cerebro.datas:
        _lines(tape, data._name, data)
    for strategy in _all(getattr(cerebro, "runstrats", []) or [getattr(cerebro, "runningstrats", [])]):
        _leave_strategy(strategy, tape)


def _leave_strategy(strategy: Any, tape: Tape) -> None:
    tape.at = (getattr(strategy, "_id", -1), -1)
    for name, analyzer in _analyzers(strategy):
        tape.add("analysis", name, tapes.analysis(analyzer))
    if not isinstance(strategy, bt.Strategy):
        return  # what an optimisation returns has analyzers and parameters alone
    _lines(tape, "strategy", strategy)
    for number, thing in enumerate(strategy.watched()):
        _lines(tape, f"indicator {number} {type(thing).__name__}", thing)
    for observer in strategy.getobservers():
        _lines(tape, f"observer {type(observer).__name__}", observer)
    for by_id in strategy._trades.values():
        for trades in by_id.values():
            for trade in trades:
                tape.add("trade", *tape.trade(trade))
    tape.add("kept orders", [(tape.order_ref(order.ref), order.status) for order in strategy._orders])


def _analyzers(strategy: Any) -> list[tuple[str, Any]]:
    if isinstance(strategy, bt.Strategy):
        return list(strategy.analyzers.getitems())
    return [(type(analyzer).__name__, analyzer) for analyzer in strategy.analyzers]


def _all(nested: Any) -> list[Any]:
    if isinstance(nested, list):
        return [item for part in nested for item in _all(part)]
    return [nested]


def _lines(tape: Tape, owner: str, thing: Any) -> None:
    """Each line's whole array, with its length as the owner sees it."""
    owner = re.sub("LinesCoupler_[0-9]+", "LinesCoupler", owner)  # stock counts the classes that it makes
    names = thing.getlinealiases() if hasattr(thing, "getlinealiases") else ()
    for number, line in enumerate(tapes.lines_of(thing)):
        name = names[number] if number < len(names) else number
        tape.add("line", owner, name, len(line), len(thing), Floats(line.array))
