"""The sentences on settings: each only where it applies."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from core.settings import Settings
from engine.notes import settings_notes
from feeds import History


def settings_of(instrument: dict[str, Any] | None = None, **changes: Any) -> Settings:
    tables: dict[str, Any] = {
        "instruments": {"AAA": {"currency": "USD", **(instrument or {})}, "VIX": {"kind": "index"}},
        "strategies": {"one": {"strategy": "MeanReversion", "instruments": ["AAA"]}},
    }
    return Settings.model_validate({**tables, **changes})


def history(**begins: str) -> History:
    def bars(begin: str) -> pd.DataFrame:
        index = pd.bdate_range(begin, periods=5, tz="UTC") + pd.Timedelta("21h")
        return pd.DataFrame(1.0, index=index, columns=["open", "high", "low", "close", "volume"])

    return History({symbol: bars(begin) for symbol, begin in begins.items()})


RATE = "The EURUSD rate is a constant of the settings (0.9 EUR for one USD), so results hold no gains or losses"


@pytest.mark.parametrize(
    ("instrument", "changes", "words"),
    [
        ({}, {}, [RATE]),
        ({"currency": "EUR"}, {}, []),
        ({}, {"costs": {"fx": {"files": {"USD": "rates.csv"}}}}, []),
        ({"tradable_eu": False}, {}, [RATE, "AAA: an EU retail account cannot buy it, since there is no key"]),
        ({"currency": "EUR"}, {"costs": {"slippage": {"model": "none"}}}, ["No spread is paid"]),
        ({"currency": "EUR", "schedule": "none"}, {}, ["AAA: traded without commission"]),
        ({"currency": "EUR", "schedule": "none"}, {"costs": {"enabled": False}}, ["Costs are off"]),
    ],
)
def test_each_sentence_where_it_applies(instrument: dict[str, Any], changes: Any, words: list[str]) -> None:
    notes = settings_notes(settings_of(instrument, **changes), history(AAA="2014-06-02"))
    assert len(notes) == len(words)
    for note, opening in zip(notes, words, strict=True):
        assert note.startswith(opening)


@pytest.mark.parametrize(("begin", "said"), [("2015-01-05", True), ("2014-06-02", False)])
def test_a_volatility_index_that_begins_late_is_named(begin: str, said: bool) -> None:
    settings = settings_of({"currency": "EUR"}, risk={"throttle": {"series": "VIX"}})
    notes = settings_notes(settings, history(AAA="2014-06-02", VIX=begin))
    wanted = "VIX begins on 2015-01-05; before that the volatility throttle uses realised volatility."
    assert notes == ([wanted] if said else [])
