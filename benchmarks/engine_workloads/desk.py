"""F: the shipped strategies on the sample's daily bars, as ``run_backtest`` builds them, and as plain stock would."""

from __future__ import annotations

from collections.abc import Callable

import backtrader as bt
from engine_workloads.measure import Outcome

import analyzers
from core.config import load_settings
from core.settings import Settings
from engine import SimBroker, build
from engine.build import allotment_eur, bars_needed, resolve
from feeds import History, load
from indicators.recall import RECALL
from sizers import SIZERS
from strategies import STRATEGIES


def desk(name: str) -> tuple[Settings, History]:
    """The sample desk with one unit of one of its strategies (S&P 500, or the pair), its feed loaded."""
    settings = load_settings(None)
    chosen = settings.strategies[name]
    one = chosen.model_copy(update={"instruments": chosen.instruments[:1], "pairs": chosen.pairs[:1]})
    settings = settings.model_copy(update={"strategies": {name: one}})
    settings = resolve(settings)
    return settings, load(settings, warm_up=bars_needed(settings))


def ours(settings: Settings, history: History, *, recall: bool = False) -> Callable[[], Outcome]:
    """``engine.build`` and ``run``: risk gate, costs, all analyzers; without report and summary.

    ``recall``: indicators that an earlier run has computed are known, as to the later trials of a sweep.
    """

    def run() -> Outcome:
        if not recall:
            RECALL.clear()
        cerebro = build(settings, history, SimBroker(settings=settings))
        strategies = cerebro.run()
        return Outcome(float(cerebro.broker.getvalue()), sum(len(s.broker.orders) for s in strategies[:1]))

    return run


def plain_stock(settings: Settings, history: History) -> Callable[[], Outcome]:
    """The same strategies, sizers and analyzers in ``bt.Cerebro`` with ``BackBroker`` and ``PandasData``.

    No risk gate and no costs, so its trades differ: it is what a run costs, not what it gives.
    """

    def run() -> Outcome:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.setbroker(bt.brokers.BackBroker())
        cerebro.broker.setcash(settings.account.capital)
        for unit, (_, symbols) in settings.units.items():
            for symbol in symbols:
                data = bt.feeds.PandasData(dataname=history.frames[symbol], timeframe=bt.TimeFrame.Days)
                data.unit, data.symbol, data.instrument = unit, symbol, settings.instruments[symbol]
                cerebro.adddata(data, name=f"{unit}/{symbol}")
        for position, (unit, (name, _)) in enumerate(settings.units.items()):
            chosen = settings.strategies[name]
            given = {"unit": unit, "allotment_eur": allotment_eur(settings, name, unit), "trade_from": history.begin}
            cerebro.addstrategy(STRATEGIES[chosen.strategy], **given, **chosen.parameters)
            cerebro.addsizer_byidx(position, SIZERS[chosen.sizer], **chosen.sizing)
        for analyzer in (analyzers.Equity, analyzers.Trades, analyzers.OrderLog):
            cerebro.addanalyzer(analyzer)
        cerebro.run()
        return Outcome(float(cerebro.broker.getvalue()), len(cerebro.broker.orders))

    return run
