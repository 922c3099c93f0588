"""Cerebro's assembly, the simulated broker, runs, results and the report.

Five lines in a notebook::

    import engine
    from core.config import load_settings

    result = engine.backtest(load_settings("desk.toml"))
    engine.write_results(result, "results/desk")
"""

from engine.brokers import make_broker
from engine.build import build
from engine.cerebro import Cerebro
from engine.report import check_folder, summary_tables, write_results
from engine.results import RunResult
from engine.run import backtest, run
from engine.sim_broker import SimBroker
from engine.venue_broker import VenueBroker

__all__ = [
    "Cerebro", "RunResult", "SimBroker", "VenueBroker", "backtest", "build", "check_folder", "make_broker", "run",
    "summary_tables", "write_results",
]  # fmt: skip
