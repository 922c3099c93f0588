"""Repairs change what readers see and never what is stored; corporate actions belong to their source."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.errors import CatalogError, UnknownNameError
from feeds.bars import BarSize, CorporateAction, RawBars
from feeds.catalog import Catalog, Repair
from feeds.checks import propose_repairs
from feeds.room import DataRoom

NAN = float("nan")
PRICES = ("open", "high", "low", "close")
DAYS = ["2020-01-02", "2020-01-03", "2020-01-03", "2020-01-03", "2020-01-06", "2020-01-07"]
CLOSES = [10.0, 11.0, 11.5, 11.0, NAN, 13.0]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog") as made:
        made.append(bars(DAYS, CLOSES))
        yield made


def bars(
    times: list[str], closes: list[float], bar: BarSize = "1d", actions: tuple[CorporateAction, ...] = ()
) -> RawBars:
    """Bars of one price each."""
    frame = pd.DataFrame({**dict.fromkeys(PRICES, closes), "volume": 5.0}, index=pd.DatetimeIndex(times, name="time"))
    return RawBars("AAA", bar, frame, "made", actions=actions)


def drop(day: str, row: int = 0, **before: float) -> Repair:
    return Repair(pd.Timestamp(day), row, "duplicate", "drop", before, {}, "it is there twice")


def put(day: str, row: int = 0, before: float = NAN, **after: float) -> Repair:
    return Repair(pd.Timestamp(day), row, "price", "set", {"close": before}, after, "no price")


DROP_SECOND = drop("2020-01-03", 1, close=11.5, volume=5.0)
DROP_THIRD = drop("2020-01-03", 2)
SET_CLOSE = put("2020-01-06", close=12.0, volume=0.0)


def seen(catalog: Catalog, start: dt.date | None = None, end: dt.date | None = None) -> list[float]:
    return [round(close, 6) for close in catalog.bars("AAA", "1d", start, end)["close"].fillna(-1.0)]


def test_readers_see_repairs_and_raw_rows_stay(catalog: Catalog) -> None:
    raw = catalog.raw("AAA", "1d")
    files = {file: file.stat().st_mtime_ns for file in catalog.folder.rglob("*.parquet")}
    assert catalog.add_repairs("AAA", "1d", [SET_CLOSE, DROP_SECOND, DROP_THIRD]) == 3
    assert seen(catalog) == [10.0, 11.0, 12.0, 13.0]
    assert catalog.bars("AAA", "1d")["volume"].tolist() == [5.0, 5.0, 0.0, 5.0]
    pd.testing.assert_frame_equal(catalog.raw("AAA", "1d"), raw)
    assert {file: file.stat().st_mtime_ns for file in catalog.folder.rglob("*.parquet")} == files
    assert catalog.get("AAA", "1d").repairs == 3 and catalog.get("AAA", "1d").rows == 6
    assert catalog.undo_repairs("AAA", "1d") == 3
    pd.testing.assert_frame_equal(catalog.bars("AAA", "1d"), raw)
    assert catalog.undo_repairs("AAA", "1d") == 0
    assert [(act.act, act.detail) for act in catalog.acts()[1:]] == [
        ("repair", "3 rows: duplicate, price"),
        ("undo", "3 repairs were taken back"),
    ]


def test_repairs_come_back_as_they_were_given_and_count_once(catalog: Catalog) -> None:
    assert catalog.add_repairs("AAA", "1d", []) == 0
    assert catalog.add_repairs("AAA", "1d", [SET_CLOSE, DROP_SECOND]) == 2
    assert catalog.repairs("AAA", "1d") == (DROP_SECOND, SET_CLOSE)
    assert catalog.add_repairs("AAA", "1d", [SET_CLOSE, DROP_SECOND, DROP_THIRD]) == 1
    assert catalog.add_repairs("AAA", "1d", [put("2020-01-06", close=99.0)]) == 0  # the row has its repair
    assert seen(catalog) == [10.0, 11.0, 12.0, 13.0]
    assert [act.detail for act in catalog.acts() if act.act == "repair"] == [
        "2 rows: duplicate, price",
        "1 rows: duplicate, price",
    ]


def test_repairs_take_the_place_of_all_earlier_ones(catalog: Catalog) -> None:
    catalog.add_repairs("AAA", "1d", [SET_CLOSE, DROP_SECOND])
    change = catalog.set_repairs("AAA", "1d", [SET_CLOSE, DROP_THIRD])
    assert (change.new, change.withdrawn) == ((DROP_THIRD,), (DROP_SECOND,))
    assert seen(catalog) == [10.0, 11.0, 11.5, 12.0, 13.0]
    assert catalog.acts()[-1].detail == "1 rows: duplicate; 1 repairs withdrawn: duplicate"
    count = len(catalog.acts())
    assert catalog.set_repairs("AAA", "1d", [SET_CLOSE, DROP_THIRD]).withdrawn == () and len(catalog.acts()) == count
    with pytest.raises(CatalogError, match="row 3 of 2020-01-03"):
        catalog.set_repairs("AAA", "1d", [drop("2020-01-03", 3)])
    assert seen(catalog) == [10.0, 11.0, 11.5, 12.0, 13.0]  # the refused ones took no place
    assert len(catalog.set_repairs("AAA", "1d", []).withdrawn) == 2
    assert catalog.repairs("AAA", "1d") == () and len(seen(catalog)) == 6


def test_repair_keeps_one_row_of_a_duplicate_whatever_was_dropped_before(tmp_path: Path) -> None:
    with Catalog(tmp_path / "room") as catalog:
        catalog.append(bars(["2020-01-02", "2020-01-03", "2020-01-03", "2020-01-06"], [10.0, 10.1, 10.1, 10.2]))
        catalog.add_repairs("AAA", "1d", [drop("2020-01-03", 0)])  # as other rules, or fewer bars, once proposed
    room = DataRoom(tmp_path / "room")
    tried = room.repair(dry_run=True)
    assert (tried.new, tried.withdrawn) == (0, 1) and "1 earlier repair withdrawn if this" in tried.sentence()
    done = room.repair()
    assert (done.new, done.withdrawn) == (1, 1) and "1 earlier repair withdrawn; the raw" in done.sentence()
    with Catalog(tmp_path / "room") as catalog:
        assert [repair.row for repair in catalog.repairs("AAA", "1d")] == [1]
        assert seen(catalog) == [10.0, 10.1, 10.2]


def test_a_range_sees_its_own_repairs(catalog: Catalog) -> None:
    catalog.add_repairs("AAA", "1d", [SET_CLOSE, DROP_SECOND, drop("2020-01-07")])
    assert seen(catalog, dt.date(2020, 1, 3), dt.date(2020, 1, 3)) == [11.0, 11.0]
    assert seen(catalog, dt.date(2020, 1, 6), dt.date(2020, 1, 6)) == [12.0]
    assert seen(catalog, None, dt.date(2020, 1, 2)) == [10.0]
    assert seen(catalog, dt.date(2020, 1, 7), None) == []


def test_repairs_of_bars_within_the_day_know_the_moment(catalog: Catalog) -> None:
    times = ["2019-12-31 23:59Z", "2020-01-01 00:00Z", "2020-01-01 00:01Z"]
    catalog.append(bars(times, [1.0, 2.0, 3.0], bar="1m"))  # of two files
    repairs = [drop("2019-12-31 18:59-05:00"), put("2020-01-01 00:00Z", before=2.0, bid=1.9)]
    assert catalog.add_repairs("AAA", "1m", repairs) == 2
    read = catalog.bars("AAA", "1m")
    assert read["close"].tolist() == [2.0, 3.0]
    assert read["bid"].fillna(0.0).tolist() == [1.9, 0.0]  # a column that the row did not have
    assert "bid" not in catalog.raw("AAA", "1m")
    assert catalog.repairs("AAA", "1m")[0].time == pd.Timestamp("2019-12-31 23:59Z")
    assert catalog.repairs("AAA", "1d") == ()


def test_appending_keeps_repairs_and_replacing_forgets_those_of_the_rows_that_went(catalog: Catalog) -> None:
    catalog.add_repairs("AAA", "1d", [SET_CLOSE, DROP_SECOND, DROP_THIRD])
    catalog.append(bars(["2020-01-02", "2020-01-08"], [77.0, 14.0]))
    assert seen(catalog) == [10.0, 11.0, 12.0, 13.0, 14.0]
    catalog.append(bars(["2020-01-02", "2020-01-03"], [10.5, 11.25]), replace=True)
    assert seen(catalog) == [10.5, 11.25, 12.0, 13.0, 14.0]
    assert catalog.repairs("AAA", "1d") == (SET_CLOSE,)
    assert "2 times replaced" in catalog.acts()[-1].detail and "2 repairs of them gone" in catalog.acts()[-1].detail
    catalog.append(bars(["2020-01-06"], [NAN]), replace=True)  # equal to what is stored: nothing is replaced
    assert len(catalog.repairs("AAA", "1d")) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (drop("2020-01-04"), "row 0 of 2020-01-04 00:00:00 is not what the repair 'duplicate' is for"),
        (drop("2020-01-03", 3), "row 3 of 2020-01-03"),
        (drop("2020-01-03", -1), "row -1 of 2020-01-03"),
        (drop("2021-01-01"), "check them again"),
        (drop("2020-01-03", 1, close=11.0), "the bars have changed since they were checked"),
        (put("2020-01-07", close=12.0), "row 0 of 2020-01-07"),  # it has a close
        (put("2020-01-06"), "is no repair; it drops a row, or sets some of open, high, low, close, volume"),
        (put("2020-01-06", vwap=1.0), "is no repair"),
        (dataclasses.replace(SET_CLOSE, action="drop"), "is no repair"),
        (dataclasses.replace(DROP_THIRD, action="delete"), "is no repair"),  # type: ignore[arg-type]
    ],
)
def test_a_repair_of_something_else_is_refused_with_all_that_came_with_it(
    catalog: Catalog, wrong: Repair, message: str
) -> None:
    with pytest.raises(CatalogError, match=message):
        catalog.add_repairs("AAA", "1d", [DROP_SECOND, wrong])
    assert catalog.repairs("AAA", "1d") == () and len(catalog.acts()) == 1


def test_a_repair_proposed_before_a_replacement_is_refused_after_it(catalog: Catalog) -> None:
    catalog.append(bars(["2020-01-06"], [12.5]), replace=True)
    with pytest.raises(CatalogError, match="AAA 1d: row 0 of 2020-01-06 00:00:00 is not what the repair 'price'"):
        catalog.add_repairs("AAA", "1d", [SET_CLOSE])


def test_a_repair_of_a_missing_value_is_refused_once_the_row_has_it(tmp_path: Path) -> None:
    days = ["2020-01-02", "2020-01-03", "2020-01-06"]
    with Catalog(tmp_path / "volumes") as catalog:
        came = bars(days, [10.0, 11.0, 12.0])
        came.frame.loc["2020-01-03", "volume"] = NAN
        catalog.append(came)
        repairs = propose_repairs("AAA", "1d", catalog.raw("AAA", "1d"), ExchangeCalendar("XNYS"))
        assert [(repair.rule, repair.after) for repair in repairs] == [("negative_volume", {"volume": 0.0})]
        again = bars(["2020-01-03"], [11.0])
        again.frame["volume"] = 7_000.0
        catalog.append(again, replace=True)
        for put_in_force in (catalog.add_repairs, catalog.set_repairs):
            with pytest.raises(CatalogError, match="row 0 of 2020-01-03 00:00:00 is not what the repair 'negative_vol"):
                put_in_force("AAA", "1d", repairs)
        assert catalog.bars("AAA", "1d")["volume"].tolist() == [5.0, 7_000.0, 5.0]


def test_missing_values_are_kept_with_their_repair_and_shown_as_a_dash(tmp_path: Path) -> None:
    with Catalog(tmp_path / "room") as catalog:
        came = bars(["2020-01-02", "2020-01-03", "2020-01-06"], [10.0, 11.0, NAN])
        came.frame.loc["2020-01-03", "volume"] = NAN
        catalog.append(came)
    room = DataRoom(tmp_path / "room")
    assert room.repair().new == 2 and room.repair().new == 0  # what is not there is what it was
    with Catalog(tmp_path / "room") as catalog:
        volume, price = catalog.repairs("AAA", "1d")
        assert propose_repairs("AAA", "1d", catalog.raw("AAA", "1d"), ExchangeCalendar("XNYS")) == [volume, price]
    assert math.isnan(volume.before["volume"]) and math.isnan(price.before["close"])
    shown = room.repair(dry_run=True).table().set_index("rule")
    assert shown.loc["negative_volume", ["before", "after"]].tolist() == ["volume –", "volume 0"]
    assert shown.loc["missing_price", "before"] == "open –, high –, low –, close –, volume 5"


def test_repairs_that_were_stored_without_the_values_that_were_missing_are_read_and_replaced(tmp_path: Path) -> None:
    """As earlier versions wrote them."""
    with Catalog(tmp_path / "room") as catalog:
        came = bars(["2020-01-02", "2020-01-03"], [10.0, 11.0])
        came.frame.loc["2020-01-03", "volume"] = NAN
        catalog.append(came)
        earlier = Repair(pd.Timestamp("2020-01-03"), 0, "negative_volume", "set", {}, {"volume": 0.0}, "no number")
        catalog.add_repairs("AAA", "1d", [earlier])
        assert catalog.repairs("AAA", "1d") == (earlier,)
        assert catalog.bars("AAA", "1d")["volume"].tolist() == [5.0, 0.0]
    assert DataRoom(tmp_path / "room").repair().new == 0  # it does what it did
    with Catalog(tmp_path / "room") as catalog:
        (now,) = catalog.repairs("AAA", "1d")
        assert math.isnan(now.before["volume"]) and now != earlier


def test_repairs_are_equal_where_they_say_the_same() -> None:
    assert put("2020-01-06", close=NAN) == put("2020-01-06", close=float("nan"))
    assert put("2020-01-06", close=NAN) != put("2020-01-06", close=1.0)
    assert put("2020-01-06", before=1.0, close=NAN) != put("2020-01-06", close=NAN)
    assert DROP_THIRD not in (drop("2020-01-03", 1), drop("2020-01-02", 2), drop("2020-01-03", 2, close=NAN), "row 2")
    for name, other in [("rule", "price"), ("action", "set"), ("reason", "")]:
        assert dataclasses.replace(DROP_THIRD, **{name: other}) != DROP_THIRD


def test_a_series_that_comes_back_after_its_removal_has_no_old_repairs(catalog: Catalog) -> None:
    catalog.add_repairs("AAA", "1d", [DROP_SECOND])
    catalog.remove("AAA", "1d")
    catalog.append(bars(DAYS, CLOSES))
    assert catalog.repairs("AAA", "1d") == () and len(seen(catalog)) == 6


# --- corporate actions


def action(day: int, kind: str, value: float, source: str = "yahoo") -> CorporateAction:
    return CorporateAction(dt.date(2020, 1, day), kind, value, source)  # type: ignore[arg-type]


def held(catalog: Catalog) -> list[tuple[int, str, float, str]]:
    return [(one.ex_date.day, one.kind, one.value, one.source) for one in catalog.actions("AAA")]


def test_two_dividends_of_one_day_are_two_actions(catalog: Catalog) -> None:
    pair = (action(3, "dividend", 0.5), action(3, "dividend", 0.5), action(3, "split", 2.0))
    catalog.append(bars(["2020-01-08"], [14.0], actions=pair))
    wanted = [(3, "dividend", 0.5, "yahoo"), (3, "dividend", 0.5, "yahoo"), (3, "split", 2.0, "yahoo")]
    assert held(catalog) == wanted
    assert catalog.get("AAA", "1d").actions == 3
    catalog.append(bars(["2020-01-08"], [14.0], actions=pair))
    assert held(catalog) == wanted
    assert [act.detail for act in catalog.acts() if act.act == "actions"] == ["made: 3 new, 0 gone"]


def test_an_append_replaces_actions_of_its_days_and_leaves_the_others(catalog: Catalog) -> None:
    catalog.append(bars([], [], actions=(action(2, "dividend", 0.1), action(3, "dividend", 0.2))))
    catalog.append(bars([], [], actions=(action(3, "dividend", 0.25), action(3, "split", 4.0))))
    assert held(catalog) == [(2, "dividend", 0.1, "yahoo"), (3, "dividend", 0.25, "yahoo"), (3, "split", 4.0, "yahoo")]
    assert catalog.acts()[-1].detail == "made: 2 new, 1 gone"
    assert catalog.acts()[-1].bar is None


def test_sources_do_not_touch_one_another(catalog: Catalog) -> None:
    catalog.append(bars([], [], actions=(action(3, "split", 2.0),)))
    assert catalog.put_actions("AAA", [action(3, "split", 2.0), action(6, "dividend", 1.0)], source="events.csv") == 2
    assert held(catalog) == [
        (3, "split", 2.0, "events.csv"), (3, "split", 2.0, "yahoo"), (6, "dividend", 1.0, "events.csv"),
    ]  # fmt: skip
    assert catalog.put_actions("AAA", [action(6, "dividend", 1.0), action(7, "split", 3.0)], source="events.csv") == 1
    assert held(catalog) == [
        (3, "split", 2.0, "yahoo"), (6, "dividend", 1.0, "events.csv"), (7, "split", 3.0, "events.csv"),
    ]  # fmt: skip
    count = len(catalog.acts())
    assert catalog.put_actions("AAA", [action(6, "dividend", 1.0), action(7, "split", 3.0)], source="events.csv") == 0
    assert len(catalog.acts()) == count
    assert catalog.put_actions("AAA", [], source="events.csv") == 0
    assert held(catalog) == [(3, "split", 2.0, "yahoo")]
    assert catalog.acts()[-1].detail == "events.csv: 0 new, 2 gone"


def test_an_action_without_a_source_has_that_of_its_bars(catalog: Catalog) -> None:
    catalog.append(bars([], [], actions=(action(3, "split", 2.0, ""),)))
    assert held(catalog) == [(3, "split", 2.0, "made")]


def test_actions_of_nothing_or_without_a_value_are_refused(catalog: Catalog) -> None:
    with pytest.raises(UnknownNameError, match="no symbol 'AAB'; did you mean 'AAA'"):
        catalog.put_actions("AAB", [action(3, "split", 2.0)], source="file")
    with pytest.raises(CatalogError, match="AAA: the dividend of 2020-01-03 has no value"):
        catalog.append(bars(["2020-01-08"], [14.0], actions=(action(3, "dividend", NAN),)))
    assert held(catalog) == [] and catalog.get("AAA", "1d").rows == 6
    assert len(list((catalog.folder / "bars").rglob("*"))) == 3  # the file of the refused bars is gone again


# --- the record


def test_acts_are_told_by_symbol_and_number_oldest_first(catalog: Catalog) -> None:
    for day in range(10, 14):
        catalog.append(bars([f"2020-01-{day}"], [1.0]))
    catalog.append(dataclasses.replace(bars(DAYS[:1], [1.0]), symbol="BBB"))
    assert [act.symbol for act in catalog.acts()] == ["AAA"] * 5 + ["BBB"]
    assert len(catalog.acts(limit=2)) == 2 and catalog.acts(limit=2)[-1].symbol == "BBB"
    assert len(catalog.acts("AAA", limit=None)) == 5
    last = catalog.acts()[-1]
    assert (last.act, last.bar, last.detail) == ("append", "1d", "made: 1 rows added")
    assert last.when.tzinfo is not None and catalog.acts()[0].when <= last.when
