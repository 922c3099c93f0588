"""Settings as resolved: every parameter of every strategy and sizer, and nothing that moves when done twice."""

from __future__ import annotations

from typing import Any

import pytest

from core.config import settings_hash
from core.settings import Settings
from engine.build import resolve

LOOSE = {"adx_max": 0.0, "time_stop": 0.0}
OWN_YEAR = {"bars_per_year": 99.0}


def settings_of(**changes: Any) -> Settings:
    tables: dict[str, Any] = {
        "instruments": {"AAA": {"currency": "EUR"}, "BBB": {"currency": "EUR"}},
        "strategies": {
            "one": {"strategy": "MeanReversion", "instruments": ["AAA"], "allotment": 0.5, "parameters": LOOSE},
            "pair": {
                "strategy": "PairsTrading", "pairs": [["AAA", "BBB"]], "allotment": 0.5,
                "parameters": {"coint_max": 0.0},
            },
        },
    }  # fmt: skip
    return Settings.model_validate({**tables, **changes})


def test_resolved_settings_hold_every_parameter_and_stay_as_they_are() -> None:
    given = settings_of()
    settings = resolve(given)
    one, pair = settings.strategies["one"], settings.strategies["pair"]
    assert (one.sizer, pair.sizer) == ("FixedRisk", "PairSizer")
    assert one.parameters["stop_atr"] == 3.0 and one.parameters["adx_max"] == 0.0  # the default, and what was given
    assert pair.parameters["coint_max"] == 0.0 and pair.sizing["gross"] == 0.4
    assert not {"unit", "allotment_eur"} & (one.parameters.keys() | pair.parameters.keys())
    assert resolve(settings) == settings and settings_hash(resolve(settings)) == settings_hash(settings)
    assert given.strategies["one"].parameters == LOOSE


@pytest.mark.parametrize(("bar", "bars"), [("1d", 252.0), ("1h", 252.0 * 7), ("1m", 252.0 * 390)])
def test_a_year_has_as_many_bars_as_its_sessions(bar: str, bars: float) -> None:
    strategies = {
        "one": {"strategy": "MeanReversion", "instruments": ["AAA"], "allotment": 0.5, "sizer": "VolatilityTarget"},
        "given": {"strategy": "MeanReversion", "instruments": ["BBB"], "allotment": 0.5, "parameters": OWN_YEAR},
    }
    settings = resolve(settings_of(strategies=strategies, data={"bar": bar}))
    assert settings.strategies["one"].parameters["bars_per_year"] == bars
    assert settings.strategies["one"].sizing["bars_per_year"] == bars
    assert settings.strategies["given"].parameters["bars_per_year"] == 99.0
    assert resolve(settings) == settings
