"""What every source's bars are told to lack: only what applies, with dates counted by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from core.config import load_settings
from feeds import load

DAYS = pd.bdate_range("2014-06-02", periods=12)


def notes_of(folder: Path, closes: list[float], *overrides: str) -> list[str]:
    rows = "".join(f"{day:%Y-%m-%d},{p},{p},{p},{p},100\n" for day, p in zip(DAYS, closes, strict=True))
    for symbol in ("A", "B"):
        (folder / f"{symbol}.csv").write_text("date,open,high,low,close,volume\n" + rows)
    settings = load_settings(
        None,
        [
            "data.source=csv", f"data.folder={folder}", "instruments.A.kind=stock", "instruments.B.kind=etf",
            "strategies.meanrev.instruments=[A]", "strategies.pairs.pairs=[[A, B]]", "risk.throttle.series=''",
            "regimes.benchmark=A", *overrides,
        ],
    )  # fmt: skip
    return load(settings).notes


def test_shares_of_a_csv_desk_are_told_what_their_source_cannot_know(tmp_path: Path) -> None:
    notes = notes_of(tmp_path, [10.0] * 12)
    assert len(notes) == 2
    assert notes[0].startswith("A, B: a source cannot know which companies failed") and "survivorship" in notes[0]
    assert notes[1].startswith("A, B: prices are taken as the source has them") and "splits and dividends" in notes[1]


def test_an_index_is_told_apart(tmp_path: Path) -> None:
    notes = notes_of(tmp_path, [10.0] * 12, "instruments.A.kind=index", "instruments.B.kind=index")
    assert len(notes) == 1 and notes[0].startswith("A, B: an index cannot be bought")


def test_jumps_are_named_with_their_dates(tmp_path: Path) -> None:
    """700 to 100 on the 6th session (a split of seven for one), and back to 150 from 100 on the tenth."""
    notes = notes_of(tmp_path, [700.0] * 5 + [100.0] * 4 + [150.0] * 3)
    assert DAYS[5].date().isoformat() == "2014-06-09"  # Apple's split
    found = [note for note in notes if "from the close before" in note]
    assert [note[:2] for note in found] == ["A:", "B:"]
    assert "A: 2 closes are more than 40% from the close before (2014-06-09 -86%, 2014-06-13 +50%)" in found[0]


def test_a_change_of_less_than_the_limit_is_news(tmp_path: Path) -> None:
    notes = notes_of(tmp_path, [100.0] * 5 + [61.0] * 4 + [85.0] * 3)  # -39%, +39.3%
    assert not [note for note in notes if "from the close before" in note]
