"""The catalog's bars before a live session: the same as IBKR's, and not used where they do not fit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from lived import desks, runs

from core.settings import Settings
from feeds import RawBars
from feeds.catalog import Catalog
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape
from live.feed import LiveHistory
from live.stored import joined, misfit
from stores import IBStore

END = dt.datetime(2024, 6, 12, 13, 45, 3, tzinfo=dt.UTC)
BEFORE = dt.datetime(2024, 6, 12, tzinfo=dt.UTC)
DAYS = 8  # before the sample's: more than a session asks for
COLUMNS = ["open", "high", "low", "close", "volume"]


def settings(catalog: Path) -> Settings:
    return desks.settings(
        live={"fx": "settings"},
        data={"source": "catalog", "bar": "1m", "matching_bar": "1s", "adjustment": "raw"},
        instruments={symbol: {"currency": "USD", "exchange": "XNYS"} for symbol in desks.SYMBOLS},
        paths={"catalog": str(catalog)},
    )


def keep(folder: Path, factor: float = 1.0, drop: dt.date | None = None, until: dt.datetime = BEFORE) -> None:
    """The minutes of the days before the sample's day, or of more, in a catalog."""
    with Catalog(folder) as catalog:
        for instrument in (XMPLA, XMPLB):
            frame = desks.history(minute_days=DAYS).frames[instrument.symbol][COLUMNS]
            frame = frame[frame.index <= until]
            if drop is not None:
                frame = frame[frame.index.date != drop]
            prices = frame.assign(**{name: frame[name] * factor for name in COLUMNS[:4]})
            catalog.append(RawBars(instrument.symbol, "1m", prices, source="test"), currency="USD", exchange="XNYS")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Durations of the history that IBKR is asked for."""
    durations: list[str] = []
    history = IBStore.history

    def counted(store: IBStore, instrument: object, *, duration: str, **rest: object) -> object:
        durations.append(duration)
        return history(store, instrument, duration=duration, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(IBStore, "history", counted)
    return durations


def session(
    chosen: Settings, state: Path, monkeypatch: pytest.MonkeyPatch, start: dt.datetime | None = None
) -> tuple[runs.Lived, LiveHistory]:
    made = desks.sample(minute_days=DAYS)
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1), made.book()
    histories: list[LiveHistory] = []
    load = LiveHistory.load

    def loaded(*args: object, **rest: object) -> LiveHistory:
        histories.append(load(*args, **rest))  # type: ignore[arg-type]
        return histories[-1]

    gateway = Gateway(tape, book, made.history(tape, book), speed="max", start=start)
    with monkeypatch.context() as patched, gateway:
        patched.setattr(LiveHistory, "load", loaded)
        lived = runs.live(chosen, gateway, END, state)
    return lived, histories[0]


def test_stored_bars_stand_in_for_those_of_ibkr(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = desks.settings(live={"fx": "settings"})
    expected, before = session(plain, tmp_path / "plain", monkeypatch)
    asked.clear()
    keep(tmp_path / "catalog")
    found, stored = session(settings(tmp_path / "catalog"), tmp_path / "stored", monkeypatch)
    for symbol, frame in stored.frames.items():
        pd.testing.assert_frame_equal(frame, before.frames[symbol], check_freq=False)
    assert found.heard.decisions == expected.heard.decisions and found.heard.decisions
    assert asked and not any(each.endswith(("W", "M", "D")) for each in asked)  # seconds alone: the last bar


@pytest.mark.parametrize(
    ("factor", "drop", "note"),
    [
        (0.5, None, ", and they at "), (1.0, dt.date(2024, 6, 10), ""),
        pytest.param(1.0, dt.date(2024, 6, 11), "", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_bars_that_do_not_fit_are_not_used(
    factor: float, drop: dt.date | None, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = session(desks.settings(live={"fx": "settings"}), tmp_path / "plain", monkeypatch)
    keep(tmp_path / "catalog", factor, drop)
    _, stored = session(settings(tmp_path / "catalog"), tmp_path / "stored", monkeypatch)
    for symbol, frame in stored.frames.items():
        pd.testing.assert_frame_equal(frame, before.frames[symbol], check_freq=False)
    assert any(note in each for each in stored.notes) if note else not any("catalog" in n for n in stored.notes)


def test_a_history_that_does_not_know_the_newest_bar_yet_is_joined(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = dt.datetime(2024, 6, 12, 13, 38, 5, tzinfo=dt.UTC)
    told = IBStore.history

    def behind(store: IBStore, *args: object, **rest: object) -> list[object]:
        rows = told(store, *args, **rest)  # type: ignore[arg-type]
        is_early = store.clock.now() < start + dt.timedelta(seconds=5)
        return [row for row in rows if not (is_early and row.start == start - dt.timedelta(seconds=65))]

    monkeypatch.setattr(IBStore, "history", behind)
    _, before = session(desks.settings(live={"fx": "settings"}), tmp_path / "plain", monkeypatch, start)
    asked.clear()
    keep(tmp_path / "catalog", until=start)
    lived, stored = session(settings(tmp_path / "catalog"), tmp_path / "stored", monkeypatch, start)
    for symbol, frame in stored.frames.items():
        assert frame.index[-1] == pd.Timestamp("2024-06-12 13:37", tz="UTC")
        pd.testing.assert_frame_equal(frame, before.frames[symbol], check_freq=False)
        pd.testing.assert_frame_equal(stored.counted(symbol), before.counted(symbol))
        assert stored.counted(symbol).index[0] == pd.Timestamp("2024-06-12 13:38", tz="UTC")
    assert not [note for note in stored.notes if "catalog" in note] and lived.heard.equity
    assert asked and not any(each.endswith(("W", "M", "D")) for each in asked)


def test_two_that_differ_are_not_joined() -> None:
    stamps = pd.date_range("2024-06-11 19:58", periods=3, freq="1min", tz="UTC")
    stored = pd.DataFrame({name: [10.0, 10.1] for name in COLUMNS}, index=stamps[:2])
    told = pd.DataFrame({name: [10.1, 10.2] for name in COLUMNS}, index=stamps[1:])
    assert not misfit(stored, told) and joined(stored, told)["close"].tolist() == [10.0, 10.1, 10.2]
    assert misfit(stored, told * 2) == "IBKR has the last of them (2024-06-11 19:59 UTC) at 20.2, and they at 10.1"
    assert misfit(stored, told[1:]) == "IBKR does not have the last of them (2024-06-11 19:59 UTC)"
