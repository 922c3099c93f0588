"""Settings and bars of the sample pair, for a backtest and for a live session alike."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.calendar import ExchangeCalendar
from core.settings import Settings
from engine.build import resolve
from feeds import History
from feeds.aggregate import aggregate
from gateway.data.sample import XMPLA, XMPLB, Sample, make_sample

DAY = dt.date(2024, 6, 12)
SYMBOLS = ("XMPLA", "XMPLB")
REVERSION: dict[str, Any] = {
    "strategy": "MeanReversion",
    "instruments": ["XMPLA"],
    "allotment": 0.5,
    "parameters": {
        "bollinger_period": 10, "bollinger_devs": 1.5, "adx_max": 0.0, "atr_period": 5, "half_life_average": 10,
        "half_life_period": 10, "vol_period": 5,
    },
}  # fmt: skip
PAIR: dict[str, Any] = {
    "strategy": "PairsTrading",
    "pairs": [["XMPLA", "XMPLB"]],
    "allotment": 0.5,
    "parameters": {
        "hedge_period": 20, "zscore_period": 10, "coint_max": 0.0, "correlation_min": 0.0, "half_life_min": 0.0,
        "half_life_period": 10, "vol_period": 5, "entry_z": 1.5,
    },
}  # fmt: skip
OFTEN = {  # the same, as often as possible: what is tried is what happens to orders
    "reversion": {
        **REVERSION,
        "parameters": {
            **REVERSION["parameters"],
            "entry": "zscore",
            "zscore_period": 3,
            "zscore_entry": 0.5,
            "zscore_exit": 0.1,
            "stop_atr": 8.0,
        },
    },
    "pair": {**PAIR, "parameters": {**PAIR["parameters"], "entry_z": 1.0}},
}


def settings(strategies: Mapping[str, Any] | None = None, **tables: Any) -> Settings:
    """Both strategies on the sample's pair, one-minute bars matched on seconds, or those that are named."""
    values: dict[str, Any] = {
        "name": "sample-pair",
        "matching": "ibkr",
        "data": {"source": "csv", "bar": "1m", "matching_bar": "1s"},
        "instruments": {symbol: {} for symbol in SYMBOLS},
        "strategies": strategies or {"reversion": REVERSION, "pair": PAIR},
        "costs": {"slippage": {"model": "none"}},
        "risk": {"max_daily_loss": "off", "throttle": {"enabled": False}},
        **tables,
    }
    values["risk"].setdefault("max_daily_loss", None)
    if values["risk"].get("max_daily_loss") == "off":
        values["risk"]["max_daily_loss"] = None
    return Settings.model_validate(values)


def resolved() -> Settings:
    """The settings with every default, as a run has them."""
    return resolve(settings())


@functools.cache
def sample(seed: int = 1, sessions: int = 1, minute_days: int = 3) -> Sample:
    return make_sample(DAY, seed, sessions=sessions, minute_days=minute_days)


def history(
    seed: int = 1, sessions: int = 1, until: dt.datetime | None = None, quotes: bool = False,
    minute_days: int = 3,
) -> History:  # fmt: skip
    """What a backtest over the sample's day loads: its minutes, those of the days before, and its seconds."""
    made = sample(seed, sessions, minute_days)
    calendar = ExchangeCalendar("XNYS")
    frames, fine, told = {}, {}, {}
    for instrument in (XMPLA, XMPLB):
        seconds = made.bars[instrument]
        seconds = seconds[calendar.in_session(pd.DatetimeIndex(seconds.index))]
        if until is not None:
            seconds = seconds[seconds.index <= until]
        columns = ["open", "high", "low", "close", "volume"]
        fine[instrument.symbol] = seconds[columns].astype(float)
        if quotes:
            shown = made.quotes[instrument]
            told[instrument.symbol] = shown if until is None else shown[shown.index <= until]
        minutes = aggregate(fine[instrument.symbol], "1m", calendar)
        before = made.frames[instrument][60][columns].astype(float)
        frames[instrument.symbol] = pd.concat([before, minutes])
    begin = min(frame.index[0] for frame in fine.values()).to_pydatetime()
    return History(frames, [], begin, fine=fine, fine_quotes=told)
