"""ColumnarData takes the parameters of PandasData: the same bars of the same columns, or an error that says why not."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from core.errors import FeedError
from feeds import BarArrays, ColumnarData

BARS = 30


def frame() -> pd.DataFrame:
    close = 100.0 + np.sin(np.arange(BARS))
    columns = {"open": close - 0.1, "high": close + 1.0, "low": close - 1.0, "close": close, "volume": 5.0}
    more = {"openinterest": 7.0, "adj": close / 2.0, "ratio": 3.0, "pe": 9.0}
    return pd.DataFrame(columns | more, index=pd.date_range("2020-01-01 15:30", periods=BARS, name="date"))


def bars(kind: Any, table: Any, preload: bool, **params: Any) -> Any:
    cerebro = bt.Cerebro(stdstats=False, preload=preload)
    data = kind(dataname=table, **params)
    cerebro.adddata(data)
    seen: list[Any] = []

    class Sees(bt.Strategy):
        def next(self) -> None:
            seen.append([(name, repr(getattr(self.data.lines, name)[0])) for name in self.data.getlinealiases()])

    cerebro.addstrategy(Sees)
    cerebro.run()
    return seen


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "defaults": (frame(), {}),
    "no open interest": (frame(), {"openinterest": None}),
    "no price": (frame(), {"open": None}),
    "detected": (frame(), {"openinterest": -1, "close": -1}),
    "by name": (frame(), {"close": "adj", "volume": "ratio"}),
    "by name in another case": (frame(), {"close": "ADJ"}),
    "by position": (frame(), {"close": 6, "openinterest": 0}),
    "upper case": (frame().rename(columns=str.upper), {}),
    "case kept": (frame(), {"nocase": False, "close": "adj"}),
    "two names but for their case": (frame().assign(Close=1.0), {"nocase": False}),
    "no volume, detected": (frame().drop(columns="volume"), {"volume": -1}),
    "times by name": (frame().reset_index(), {"datetime": "date"}),
    "times by position": (frame().reset_index(), {"datetime": 0}),
    "times detected": (frame().reset_index(names="DateTime"), {"datetime": -1}),
    "times of the index, as none are detected": (frame(), {"datetime": -1}),
    "aware times": (frame().tz_localize("Europe/Berlin").reset_index(), {"datetime": "date"}),
    "times of two columns": (frame().assign(later=lambda f: f.index + pd.Timedelta(hours=1)), {"datetime": "later"}),
}


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_parameters_of_pandas_data(case: str, preload: bool) -> None:
    table, params = CASES[case]
    assert bars(ColumnarData, table, preload, **params) == bars(bt.feeds.PandasData, table, preload, **params)


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize(
    ("lines", "params"),
    [
        (("pe",), (("pe", -1),)),
        (("pe",), (("pe", "ratio"),)),
        (("pe",), (("pe", 7),)),
        (("pe",), (("pe", None),)),
        ((), (("close", "adj"),)),
        (("pe", "adj"), (("pe", "adj"), ("adj", "pe"), ("volume", None))),
    ],
)
def test_subclasses_with_lines_and_columns_of_their_own(lines: Any, params: Any, preload: bool) -> None:
    ours, stock = (
        type(bt.feed.DataBase)("Data", (base,), {"lines": lines, "params": params, "__module__": __name__})
        for base in (ColumnarData, bt.feeds.PandasData)
    )
    assert bars(ours, frame(), preload) == bars(stock, frame(), preload)


def test_shared_arrays_take_parameters() -> None:
    arrays = BarArrays(frame())
    assert bars(ColumnarData, arrays, True, close="adj") == bars(bt.feeds.PandasData, frame(), True, close="adj")
    later = frame().assign(later=lambda f: f.index + pd.Timedelta(hours=1))
    ours = bars(ColumnarData, BarArrays(later), True, datetime="later")
    assert ours == bars(bt.feeds.PandasData, later, True, datetime="later")


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a name that is none": (frame(), {"close": "adjj"}, "no column 'adjj'; did you mean 'adj'"),
    "another case": (frame(), {"close": "ADJ", "nocase": False}, "no column 'ADJ'"),
    "prices in another case": (
        frame().rename(columns=str.upper),
        {"nocase": False},
        "no column 'close'; known: ADJ, CLOSE",
    ),
    "a position that is none": (frame(), {"close": 9}, "close=9 is no column: the frame has 9, counted from 0"),
    "no number": (frame(), {"close": 1.5}, "close=1.5 is no column"),
    "times that are none": (frame(), {"datetime": "adj"}, "column 'adj' is of type float64, not times"),
    "times that are texts": (frame().reset_index().astype({"date": str}), {"datetime": "date"}, "not times; convert"),
    "a column of times that is none": (frame(), {"datetime": "dates"}, "no column 'dates'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_stock_would_take_wrongly_is_refused(case: str) -> None:
    table, params, text = REFUSED[case]
    with pytest.raises(FeedError, match=text):
        ColumnarData(dataname=table, **params)
