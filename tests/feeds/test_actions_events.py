"""One event that two sources name as two kinds, or on two days, is adjusted by once."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from feeds.actions import adjust, reconcile
from feeds.bars import ActionKind, CorporateAction


def _on(day: str, kind: ActionKind, value: float, source: str) -> CorporateAction:
    return CorporateAction(dt.date.fromisoformat(day), kind, value, source)


def _sources(kept: tuple[CorporateAction, ...]) -> list[tuple[str, str]]:
    return [(row.kind, row.source) for row in kept]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (_on("2024-01-08", "split", 1.05, "events.csv"), _on("2024-01-08", "dividend", 5.0, "adj_close")),
        (_on("2024-01-08", "dividend", 30.0, "yahoo"), _on("2024-01-08", "spin_off", 30.0, "adj_close")),
        (_on("2024-01-08", "split", 1.281, "polygon"), _on("2024-01-08", "spin_off", 21.9, "yahoo")),
        (_on("2024-01-08", "split", 1.05, "events.csv"), _on("2024-01-10", "dividend", 5.0, "adj_close")),
        (_on("2024-01-08", "dividend", 0.5, "polygon"), _on("2024-01-10", "dividend", 0.6, "yahoo")),
    ],
)
def test_one_event_of_two_kinds_or_days_counts_once_with_a_note(
    better: CorporateAction, worse: CorporateAction
) -> None:
    kept, notes = reconcile([worse, better])
    assert _sources(kept) == [(better.kind, better.source)]
    (note,) = notes
    assert better.source in note and worse.source in note and str(worse.ex_date) in note and "events file" in note


def test_a_stock_dividend_that_adj_close_has_too_moves_prices_once() -> None:
    index = pd.DatetimeIndex(["2024-01-05", "2024-01-08"], dtype="datetime64[us]")
    bars = pd.DataFrame({"close": [105.0, 100.0], "volume": [1.0, 1.0]}, index=index)
    actions = [
        _on("2024-01-08", "split", 1.05, "events.csv"), _on("2024-01-08", "dividend", 5.0, "adj_close")
    ]  # fmt: skip
    assert adjust(bars, actions, have="raw", want="total")["close"].tolist() == pytest.approx([100.0, 100.0])


def test_a_source_that_names_both_kinds_means_two_events() -> None:
    # splits.csv knows splits alone; Yahoo has that split, and a dividend of the same day
    rows = [
        _on("2024-01-08", "split", 2.0, "splits.csv"), _on("2024-01-08", "split", 2.0, "yahoo"),
        _on("2024-01-08", "dividend", 0.5, "yahoo"), _on("2024-01-05", "dividend", 0.4, "yahoo"),
    ]  # fmt: skip
    kept, notes = reconcile(rows)
    assert sorted(_sources(kept)) == [("dividend", "yahoo"), ("dividend", "yahoo"), ("split", "splits.csv")]
    assert notes == ()


def test_one_step_of_adj_close_is_the_sum_of_the_day() -> None:
    rows = [
        _on("2024-01-08", "split", 1.05, "polygon"), _on("2024-01-08", "dividend", 0.5, "polygon"),
        _on("2024-01-08", "spin_off", 5.5, "adj_close"),
    ]  # fmt: skip
    assert _sources(reconcile(rows)[0]) == [("dividend", "polygon"), ("split", "polygon")]


def test_two_kinds_far_apart_or_of_one_source_stay() -> None:
    far = [_on("2024-01-08", "split", 2.0, "events.csv"), _on("2024-01-13", "dividend", 1.0, "adj_close")]
    one = [_on("2024-01-08", "split", 2.0, "polygon"), _on("2024-01-08", "dividend", 1.0, "polygon")]
    for rows in (far, one):
        kept, notes = reconcile(rows)
        assert len(kept) == 2 and notes == ()


def test_two_files_of_the_user_are_taken_at_their_word_and_doubted() -> None:
    rows = [_on("2024-01-08", "split", 1.05, "splits.csv"), _on("2024-01-08", "dividend", 5.0, "paid.csv")]
    kept, notes = reconcile(rows)
    assert len(kept) == 2
    assert notes == (
        "2024-01-08 dividend 5 (paid.csv) and 2024-01-08 split 1.05 (splits.csv) both count; remove one if they are "
        "the same event.",
    )
