"""Bars of the catalog for a run: repaired, adjusted, cut, refused with the cure; factors worked out by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.errors import (
    AdjustmentError,
    CatalogError,
    FeedEmptyError,
    FeedError,
    HalflifeError,
    SettingsError,
    UnknownNameError,
)
from core.settings import Settings
from feeds import History, complete, load
from feeds.bars import PRICES, Adjustment, BarSize, CorporateAction, RawBars, Request
from feeds.catalog import Catalog, Repair
from feeds.catalog_source import CatalogSource

DAYS = ["2014-06-04", "2014-06-05", "2014-06-06", "2014-06-09", "2014-06-10"]  # a weekend before the split
CLOSES = [640.0, 650.0, 700.0, 100.0, 96.0]  # seven for one on the 9th, as Apple did it; two dollars paid on the 10th
ACTIONS = (
    CorporateAction(dt.date(2014, 6, 9), "split", 7.0, "file"),
    CorporateAction(dt.date(2014, 6, 10), "dividend", 2.0, "file"),
)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog") as made:
        yield made


def bars(
    symbol: str = "AAPL",
    times: list[str] = DAYS,
    closes: list[float] = CLOSES,
    *,
    bar: BarSize = "1d",
    adjusted: Adjustment = "raw",
    currency: str = "USD",
    exchange: str = "XNYS",
    actions: tuple[CorporateAction, ...] = (),
) -> RawBars:
    """Bars of one price each."""
    index = pd.DatetimeIndex(times, name="time").as_unit("us")
    frame = pd.DataFrame({name: closes for name in ("open", "high", "low", "close")}, index=index).assign(volume=700.0)
    return RawBars(
        symbol,
        bar,
        frame,
        f"csv:{symbol}.csv",
        adjusted=adjusted,
        currency=currency,
        exchange=exchange,
        actions=actions,
    )


def settings(symbols: str = "AAPL", instruments: dict[str, Any] | None = None, **changes: Any) -> Settings:
    data = {"source": "catalog", **changes.pop("data", {})}
    tables: dict[str, Any] = {
        "data": data,
        "strategies": {"one": {"strategy": "MeanReversion", "instruments": symbols.split()}},
        **({} if instruments is None else {"instruments": instruments}),
    }
    return Settings.model_validate({**tables, **changes})


def loaded(symbols: str = "AAPL", **changes: Any) -> History:
    return load(settings(symbols, **changes))


def test_the_source_speaks_of_its_symbols_and_their_metadata(catalog: Catalog) -> None:
    catalog.append(bars(actions=ACTIONS))
    catalog.append(bars("BRK.B"))
    source = CatalogSource(catalog, "raw")
    assert (source.name, list(source.symbols())) == ("catalog", ["AAPL", "BRK.B"])
    got = source.fetch(Request("AAPL", "1d", dt.date(2014, 6, 6), dt.date(2014, 6, 9)))
    assert got.frame["close"].tolist() == [700.0, 100.0]
    assert (got.currency, got.exchange, got.adjusted) == ("USD", "XNYS", "raw")
    assert got.actions == ACTIONS[:1]  # the dividend is of a later day


@pytest.mark.parametrize(
    ("adjustment", "closes", "volumes"),
    [
        ("raw", CLOSES, [700.0] * 5),
        ("split", [640 / 7, 650 / 7, 100.0, 100.0, 96.0], [4900.0, 4900.0, 4900.0, 700.0, 700.0]),
        # 2 dollars of the 100 at which the session before closed: 98 of 100 remain
        ("total", [0.98 * 640 / 7, 0.98 * 650 / 7, 98.0, 98.0, 96.0], [4900.0, 4900.0, 4900.0, 700.0, 700.0]),
    ],
)
def test_prices_are_adjusted_as_the_settings_say(
    catalog: Catalog, adjustment: str, closes: list[float], volumes: list[float]
) -> None:
    catalog.append(bars(actions=ACTIONS))
    frame = loaded(data={"adjustment": adjustment}).frames["AAPL"]
    assert frame["close"].tolist() == pytest.approx(closes, rel=1e-12)
    assert frame["open"].tolist() == pytest.approx(closes, rel=1e-12)
    assert frame["volume"].tolist() == pytest.approx(volumes, rel=1e-12)


def test_what_happens_after_the_last_bar_that_is_used_adjusts_nothing(catalog: Catalog) -> None:
    catalog.append(bars(actions=ACTIONS))
    assert loaded(data={"end": "2014-06-08"}).frames["AAPL"]["close"].tolist() == [640.0, 650.0, 700.0]
    split = loaded(data={"end": "2014-06-09"}).frames["AAPL"]["close"].tolist()
    assert split == pytest.approx([640 / 7, 650 / 7, 100.0, 100.0])  # the dividend of the 10th is not known yet


@pytest.mark.parametrize(
    ("adjustment", "actions", "words"),
    [
        (
            "total",
            ACTIONS,
            ["backward from the last bar used: sizes, commissions by the share and ticks are those of adj"],
        ),
        ("total", ACTIONS, ["AAPL: adjusted for 1 split and 1 dividend."]),
        ("total", (), ["knows of nothing to adjust for in the range", "`halflife data adjust`"]),
        ("split", ACTIONS, ["AAPL: adjusted for 1 split.", "AAPL: not adjusted for 1 dividend.", "look like losses"]),
        ("raw", ACTIONS, ['nothing is adjusted (data.adjustment = "raw")', "not adjusted for 1 split and 1 dividend."]),
    ],
)
def test_the_report_says_what_was_adjusted(
    catalog: Catalog, adjustment: str, actions: tuple[CorporateAction, ...], words: list[str]
) -> None:
    catalog.append(bars(actions=actions))
    text = "\n".join(loaded(data={"adjustment": adjustment}).notes)
    for each in (
        *words,
        f"AAPL: bars of the catalog, the latest from csv, updated on {pd.Timestamp.now('UTC'):%Y-%m-%d}.",
    ):
        assert each in text
    assert "nothing is adjusted for splits and dividends here" not in text  # what other sources are told


def test_prices_that_came_adjusted_are_told_and_not_turned_back(catalog: Catalog) -> None:
    catalog.append(bars(closes=[91.0, 93.0, 100.0, 100.0, 96.0], adjusted="total"))
    assert "AAPL: prices came adjusted for splits and dividends from their source." in loaded().notes
    with pytest.raises(AdjustmentError, match="adjusted for dividends already"):
        loaded(data={"adjustment": "raw"})


def test_what_is_said_of_several_symbols_is_said_once(catalog: Catalog) -> None:
    for symbol in ("AAPL", "IBM"):
        catalog.append(bars(symbol, closes=[10.0] * 5))
    notes = loaded("AAPL IBM").notes
    assert [note.partition(":")[0] for note in notes] == ["AAPL, IBM"] * 4  # survivorship, origin, adjustment, check


def doubled(catalog: Catalog) -> None:
    catalog.append(bars(times=[*DAYS[:2], DAYS[1], *DAYS[2:]], closes=[640.0, 650.0, 650.0, 700.0, 700.0, 702.0]))


def test_bars_that_nobody_can_trade_on_are_refused_with_the_command_that_repairs_them(catalog: Catalog) -> None:
    doubled(catalog)
    with pytest.raises(FeedError, match=r"AAPL: 1 bar with the same time .*2014-06-05.*`halflife data repair AAPL`"):
        loaded()
    assert len(loaded(data={"start": "2014-06-06"}).frames["AAPL"]) == 3  # nobody trades on the others


def test_repairs_are_applied_and_told(catalog: Catalog) -> None:
    doubled(catalog)
    price = {"open": 650.0, "high": 650.0, "low": 650.0, "close": 650.0, "volume": 700.0}
    drop = Repair(pd.Timestamp("2014-06-05"), 1, "duplicate", "drop", price, {}, "the same row twice")
    was, now = dict.fromkeys(PRICES, 702.0), dict.fromkeys(PRICES, 701.0)
    put = Repair(pd.Timestamp("2014-06-10"), 0, "outlier", "set", was, now, "by hand")
    catalog.add_repairs("AAPL", "1d", [drop, put])
    catalog.append(bars(times=["2014-06-11"], closes=[702.0]))
    text = "\n".join(loaded(data={"end": "2014-06-09"}).notes)
    assert "AAPL: 1 bar dropped or corrected by `halflife data repair` (duplicate 1); the bars as they came" in text
    history = loaded(data={"end": "2014-06-10"})
    assert "AAPL: 2 bars dropped or corrected by `halflife data repair` (duplicate 1, outlier 1)" in "\n".join(
        history.notes
    )
    assert history.frames["AAPL"]["close"].tolist() == [640.0, 650.0, 700.0, 700.0, 701.0]


def test_rows_on_holidays_are_left_out_as_from_any_source(catalog: Catalog) -> None:
    catalog.append(bars(times=["2014-07-03", "2014-07-04", "2014-07-07"], closes=[10.0] * 3))
    history = loaded()
    assert list(history.frames["AAPL"].index) == [pd.Timestamp("2014-07-03 17:00Z"), pd.Timestamp("2014-07-07 20:00Z")]
    assert "AAPL: bars of 1 day without a session were left out (2014-07-04)." in history.notes


def test_the_evening_belongs_to_the_next_session(catalog: Catalog) -> None:
    """New York closes at 20:00 UTC in June: what is traded later on Friday the 6th is of Monday the 9th."""
    times = ["2014-06-06 19:59Z", "2014-06-06 20:00Z", "2014-06-06 20:01Z", "2014-06-06 20:02Z", "2014-06-09 13:31Z"]
    catalog.append(bars(times=times, closes=[10.0] * 5, bar="1m"))
    monday = loaded(data={"bar": "1m", "hours": "all", "start": "2014-06-09", "end": "2014-06-10"}).frames["AAPL"]
    assert list(monday.index.strftime("%d %H:%M")) == ["06 20:01", "06 20:02", "09 13:31"]
    friday = loaded(data={"bar": "1m", "hours": "all", "start": "2014-06-05", "end": "2014-06-06"}).frames["AAPL"]
    assert list(friday.index.strftime("%d %H:%M")) == ["06 19:59", "06 20:00"]


def test_intraday_bars_are_adjusted_by_the_day_of_the_exchange(catalog: Catalog) -> None:
    times = ["2014-06-06 19:59Z", "2014-06-06 20:00Z", "2014-06-09 13:31Z", "2014-06-09 13:32Z"]
    catalog.append(bars(times=times, closes=[693.0, 700.0, 100.0, 101.0], bar="1m", actions=ACTIONS))
    assert loaded(data={"bar": "1m"}).frames["AAPL"]["close"].tolist() == pytest.approx([99.0, 100.0, 100.0, 101.0])

    before = loaded(data={"bar": "1m", "end": "2014-06-08"}).frames["AAPL"]
    assert before["close"].tolist() == [693.0, 700.0]  # the split is not known yet


def test_the_day_of_an_intraday_split_is_that_of_its_exchange(catalog: Catalog) -> None:
    """9:01 in Tokyo on the 9th is a minute after midnight UTC, when New York still has the 8th."""
    times = ["2014-06-06 05:59Z", "2014-06-06 06:00Z", "2014-06-09 00:01Z", "2014-06-09 00:02Z"]
    closes = [693.0, 700.0, 100.0, 101.0]
    catalog.append(bars("7203", times, closes, bar="1m", exchange="XTKS", actions=ACTIONS))
    assert loaded("7203", data={"bar": "1m"}).frames["7203"]["close"].tolist() == pytest.approx([99, 100, 100, 101])


def test_dividends_fit_the_prices_of_their_day_where_prices_came_adjusted_for_splits(catalog: Catalog) -> None:
    """14 dollars paid on a share of 650 that the source gives as 650 / 7, for a split after the last bar used."""
    paid = CorporateAction(dt.date(2014, 6, 6), "dividend", 14.0, "file")
    closes = [640 / 7, 650 / 7, 100.0, 100.0, 96.0]
    catalog.append(bars(closes=closes, adjusted="split", actions=(*ACTIONS, paid)))
    history = loaded(data={"end": "2014-06-08"})
    left = 1.0 - 14.0 / 650.0
    assert history.frames["AAPL"]["close"].tolist() == pytest.approx([640.0 * left, 650.0 * left, 700.0])
    assert "AAPL: prices came adjusted for splits from their source." in history.notes
    assert "AAPL: adjusted for 1 dividend." in history.notes


def test_sources_that_contradict_each_other_are_told(catalog: Catalog) -> None:
    catalog.append(bars(actions=(*ACTIONS, CorporateAction(dt.date(2014, 6, 10), "dividend", 3.0, "yahoo"))))
    doubt = "AAPL: 2014-06-10 dividend: file says 2, yahoo says 3; 2 is used."
    assert doubt in loaded().notes
    assert doubt not in loaded(data={"adjustment": "raw"}).notes


def test_only_the_range_is_read(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.append(bars())
    asked: list[tuple[Any, ...]] = []
    true = Catalog.bars

    def recorded(self: Catalog, symbol: str, bar: BarSize, start: Any = None, end: Any = None) -> pd.DataFrame:
        asked.append((symbol, bar, start, end))
        return true(self, symbol, bar, start, end)

    monkeypatch.setattr(Catalog, "bars", recorded)
    loaded(data={"start": "2014-06-05", "end": "2014-06-09"})
    assert asked == [("AAPL", "1d", dt.date(2014, 6, 5), dt.date(2014, 6, 9))]


def test_missing_tables_are_completed_from_the_catalog(catalog: Catalog) -> None:
    catalog.append(bars("SAP", currency="EUR", exchange="XETR"))
    catalog.append(bars("DAX", currency="EUR", exchange="XETR"))
    given = settings("SAP", instruments={"SAP": {"half_spread_bps": 2.0}}, regimes={"benchmark": "DAX"})
    done = complete(given)
    assert {name: (one.currency, one.exchange) for name, one in done.instruments.items()} == {
        "SAP": ("EUR", "XETR"), "DAX": ("EUR", "XETR"),
    }  # fmt: skip
    assert (done.instruments["SAP"].half_spread_bps, done.instruments["DAX"].kind) == (2.0, "stock")
    assert complete(done) is done
    assert list(load(given).frames) == ["SAP", "DAX"]


def test_settings_of_other_sources_are_complete() -> None:
    given = settings(data={"source": "sample"}, instruments={"AAPL": {}})
    assert complete(given) is given


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"currency": "USD"}, 'instruments.SAP.currency = "USD", but source \'catalog\' has SAP with "EUR"'),
        ({"exchange": "XNYS"}, 'instruments.SAP.exchange = "XNYS", but source \'catalog\' has SAP with "XETR"'),
        ({"currency": "EUR", "exchange": "XETR", "schedule": "none"}, None),
    ],
)
def test_what_the_settings_say_otherwise_is_an_error(
    catalog: Catalog, table: dict[str, str], words: str | None
) -> None:
    catalog.append(bars("SAP", currency="EUR", exchange="XETR"))
    if words is None:
        assert len(loaded("SAP", instruments={"SAP": table}).frames) == 1
    else:
        with pytest.raises(SettingsError, match=words):
            loaded("SAP", instruments={"SAP": table})


def test_a_currency_of_the_catalog_needs_its_rate(catalog: Catalog) -> None:
    catalog.append(bars("VOD", currency="GBP", exchange="XLON"))
    with pytest.raises(
        SettingsError, match='instruments.VOD.currency = "GBP": no rate against EUR; add GBP = '
    ) as caught:
        loaded("VOD")
    assert "with the catalog catalog" in str(caught.value)


@pytest.mark.parametrize(
    ("symbol", "bar", "words"),
    [
        (
            "APPL",
            "1d",
            "has no symbol 'APPL'; did you mean 'AAPL'.; `halflife data import` or `halflife data pull` brings",
        ),
        ("ZZZ", "1d", "has no symbol 'ZZZ'; known: AAPL, IBM; `halflife data import`"),
        ("AAPL", "1h", "has AAPL with bars of 1d, not of 1h; .*data.bar"),
        ("IBM", "1m", "has IBM with bars of 1d, 1h, not of 1m; .*data.bar"),
    ],
)
@pytest.mark.parametrize("table", [None, {"currency": "USD", "exchange": "XNYS"}])
def test_a_symbol_that_is_not_there_is_named_with_the_cure(
    catalog: Catalog, symbol: str, bar: str, words: str, table: dict[str, str] | None
) -> None:
    catalog.append(bars())
    catalog.append(bars("IBM"))
    catalog.append(bars("IBM", ["2014-06-06 14:30Z"], [10.0], bar="1h"))
    with pytest.raises(UnknownNameError, match=words):
        loaded(symbol, data={"bar": bar}, instruments={symbol: table} if table else None)


def test_no_catalog_is_said_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(
        CatalogError, match="there is no catalog in catalog; `halflife data import` or `halflife data pull` makes"
    ):
        loaded()
    assert not (tmp_path / "catalog").exists()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(CatalogError, match="elsewhere"):
        loaded(paths={"catalog": "elsewhere"})
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_empty_catalog_and_an_empty_range_are_said(catalog: Catalog) -> None:
    with pytest.raises(UnknownNameError, match="has no symbol 'AAPL'; `halflife data import`"):
        loaded()
    catalog.append(bars())
    for data in ({"start": "2015-01-02"}, {"end": "1985-01-02"}, {"end": "1985-01-02", "bar": "1d"}):
        with pytest.raises(FeedEmptyError, match="AAPL: no bars from .*; widen data.start"):
            loaded(data=data)


def test_a_volatility_index_without_bars_in_the_range_is_left_out(catalog: Catalog) -> None:
    catalog.append(bars())
    catalog.append(bars("VIX", ["2015-06-05"], [14.0]))
    history = loaded(risk={"throttle": {"series": "VIX"}}, data={"end": "2014-07-01"})
    assert list(history.frames) == ["AAPL"]
    assert "VIX has no bars in the range, so the volatility throttle uses realised volatility." in history.notes


def test_the_catalog_is_closed_when_loading_fails(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    doubled(catalog)
    closed: list[Catalog] = []
    true = Catalog.close
    monkeypatch.setattr(Catalog, "close", lambda self: (closed.append(self), true(self))[1])
    with pytest.raises(HalflifeError):
        loaded(instruments={"AAPL": {"currency": "USD", "exchange": "XNYS"}})
    assert len(closed) == 1
