"""Adjusted prices have one scale in a series, a newer adj_close takes the place of the older, quotes are no trades."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.errors import CatalogError
from feeds.bars import Content, RawBars
from feeds.catalog import Appended, Catalog

DAYS = ["2020-01-02", "2020-01-03", "2020-01-06"]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog") as made:
        yield made


def bars(days: list[str], closes: list[float], **extras: list[float]) -> RawBars:
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    frame = pd.DataFrame({**prices, "volume": 1.0, **extras}, index=pd.DatetimeIndex(days, name="time"))
    return RawBars("AAA", "1d", frame, "made")


def stored(catalog: Catalog) -> list[float]:
    return catalog.raw("AAA", "1d")["close"].tolist()


def test_an_adj_close_that_moved_with_a_dividend_is_taken_and_the_old_one_kept_aside(tmp_path: Path) -> None:
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(bars(DAYS[:2], [10.0, 11.0], adj_close=[10.0, 11.0]))
        # the file grew, and 1.10 was paid on the third day: every earlier adj_close is a tenth lower
        grown = catalog.append(bars(DAYS, [10.0, 11.0, 9.9], adj_close=[9.0, 9.9, 9.9]))
        assert grown == Appended("AAA", "1d", added=1, unchanged=0, differing=0, replaced=0, readjusted=2)
        assert catalog.raw("AAA", "1d")["adj_close"].tolist() == [9.0, 9.9, 9.9]
        assert "0 times replaced and 2 with a newer adj_close" in catalog.acts()[-1].detail
        (kept,) = (tmp_path / "catalog" / "replaced").rglob("*.parquet")
        assert pd.read_parquet(kept)["adj_close"].tolist() == [10.0, 11.0]
        # a part of the history leaves the others with the adj_close of before; a price that differs is not taken
        part = catalog.append(bars(DAYS[1:], [11.0, 9.8], adj_close=[8.8, 8.8]))
        assert part == Appended("AAA", "1d", added=0, unchanged=0, differing=1, replaced=0, readjusted=1, older=1)
        assert catalog.raw("AAA", "1d")["adj_close"].tolist() == [9.0, 8.8, 9.9]


def adjusted(days: list[str], closes: list[float], until: str | None = None, content: Content = "trades") -> RawBars:
    day = dt.date.fromisoformat(until) if until else None
    return replace(bars(days, closes), adjusted="split", adjusted_until=day, content=content)


def test_adjusted_prices_of_another_scale_are_never_put_beside_the_stored_ones(catalog: Catalog) -> None:
    catalog.append(adjusted(DAYS[:2], [10.0, 11.0]))
    halved = adjusted(DAYS, [5.0, 5.5, 6.0])  # a split 2:1 since
    for replaces in (False, True):
        with pytest.raises(CatalogError, match="another scale"):
            catalog.append(adjusted(DAYS[1:], [5.5, 6.0]), replace=replaces)
    with pytest.raises(CatalogError, match="another scale"):  # also where the file grew and covers all that is stored
        catalog.append(halved)
    assert catalog.append(adjusted(DAYS[:2], [5.0, 5.5])).differing == 2  # nothing is added, so nothing is mixed
    assert stored(catalog) == [10.0, 11.0]
    with pytest.raises(CatalogError, match="share no time"):
        catalog.append(adjusted(DAYS[2:], [6.0]))
    assert catalog.append(adjusted(DAYS[1:], [11.0, 12.0])).added == 1  # a bar in common shows that the scale is one
    assert catalog.append(halved, replace=True).replaced == 3
    assert stored(catalog) == [5.0, 5.5, 6.0]


def test_the_day_up_to_which_prices_are_adjusted_tells_their_scale_too(catalog: Catalog) -> None:
    catalog.append(adjusted(DAYS[:1], [10.0], until="2021-03-31"))
    assert catalog.append(adjusted(DAYS[1:2], [11.0], until="2021-03-31")).added == 1
    with pytest.raises(CatalogError, match="share no time"):
        catalog.append(adjusted(DAYS[2:], [12.0], until="2021-04-01"))
    assert catalog.append(adjusted(DAYS[1:], [11.0, 12.0], until="2021-04-30")).added == 1
    assert catalog.get("AAA", "1d").adjusted_until == dt.date(2021, 4, 30)
    catalog.append(adjusted(DAYS[:1], [10.0], until="2021-04-02"))  # stored already: nothing is new
    assert catalog.get("AAA", "1d").adjusted_until == dt.date(2021, 4, 30)
    catalog.append(adjusted(DAYS, [5.0, 5.5, 6.0]), replace=True)
    assert catalog.get("AAA", "1d").adjusted_until is None


def test_trades_and_quotes_of_a_symbol_are_not_one_series(catalog: Catalog) -> None:
    catalog.append(bars(DAYS[:1], [10.0]))
    with pytest.raises(CatalogError, match="content trades.*brings quotes.*--as"):
        catalog.append(replace(bars(DAYS[1:], [11.0, 12.0]), content="quotes"))
    assert stored(catalog) == [10.0]


def many(closes: list[float], first: int = 0) -> RawBars:
    days = pd.bdate_range("2020-01-01", periods=first + len(closes))[first:]
    return replace(bars([f"{day:%Y-%m-%d}" for day in days], closes), adjusted="total")


def test_a_scale_that_rounding_hides_on_some_bars_is_seen(catalog: Catalog) -> None:
    # 0.3% of a price near 1 is below the cent: on half of the bars both files say the same
    before = [1.00, 1.40, 1.10, 1.60, 1.02, 1.70, 1.05, 1.80]
    catalog.append(many(before))
    paid = [1.00, 1.39, 1.10, 1.59, 1.02, 1.69, 1.05, 1.79]
    with pytest.raises(CatalogError, match="another scale"):
        catalog.append(many([*paid, 1.9]))
    corrected = [1.00, 1.40, 1.10, 1.60, 1.02, 1.70, 1.05, 1.85]  # the last bar was not over yet
    assert catalog.append(many([*corrected, 1.9])).added == 1


def test_raw_prices_that_differ_by_one_factor_are_adjusted_ones(catalog: Catalog) -> None:
    traded = [400.0, 404.0, 408.0, 412.0, 416.0, 420.0]
    catalog.append(replace(many(traded), adjusted="raw"))
    quartered = [price / 4 for price in (*traded, 424.0)]
    with pytest.raises(CatalogError, match="6 of 6 closes .* are 0.25 times .* --adjusted"):
        catalog.append(replace(many(quartered), adjusted="raw"))
    odd = [390.0, 404.0, 380.0, 401.0, 416.0, 470.0, 424.0]  # corrections have no factor in common
    assert catalog.append(replace(many(odd), adjusted="raw")).added == 1
