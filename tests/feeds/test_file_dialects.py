"""Whatever dialect bars are written in, they come back as they were."""

from __future__ import annotations

import gzip
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
from hypothesis import strategies as st

from feeds.sources.files import FileFormat, read_file

NAMES = {
    "time": ["Date", "datetime", "TIMESTAMP", "time", "<DATE>"],
    "open": ["Open", "o", "<OPEN>", "OPEN_PRICE"],
    "high": ["High", "h", "<HIGH>", " high "],
    "low": ["Low", "l", "<LOW>"],
    "close": ["Close", "c", "Close/Last", "Price", "<CLOSE>"],
    "volume": ["Volume", "Vol.", "v", "<VOL>"],
}
DATES = {
    "%Y-%m-%d": None, "%Y/%m/%d": None, "%Y.%m.%d": None, "%Y%m%d": None, "%d-%b-%Y": None, "%b %d, %Y": None,
    "%d.%m.%Y": "dmy", "%d/%m/%Y": "dmy", "%m/%d/%Y": "mdy", "%m-%d-%Y": "mdy",
}  # fmt: skip
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo"]
STEPS = {"1h": 3_600, "1m": 60, "1s": 1}
prices = st.decimals("0.01", "99999.9999", places=4)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, FileFormat, pd.DataFrame, str]:
    """Text of a file, what its reader is told, the bars in it, and their size."""
    size = draw(st.sampled_from(["1d", "1h", "1m", "1s"]))
    count = draw(st.integers(2, 12))
    form: dict[str, Any] = {"date_order": None}
    if size == "1d":
        start = draw(st.dates(pd.Timestamp("1960-01-01").date(), pd.Timestamp("2039-01-01").date()))
        index = pd.DatetimeIndex(pd.bdate_range(start, periods=count))
        layout = draw(st.sampled_from(list(DATES)))
        form["date_order"] = DATES[layout]
        stamps = [stamp.strftime(layout) for stamp in index]
    else:
        zone = draw(st.sampled_from(ZONES))
        # noon to midnight in June: clocks change on no such day
        start_of = pd.Timestamp("2018-06-01 12:00", tz=zone) + pd.Timedelta(draw(st.integers(0, 25)), "D")
        index = pd.date_range(start_of, periods=count, freq=pd.Timedelta(STEPS[size], "s"))
        kind = draw(st.sampled_from(["naive", "offset", "Z", "seconds", "milliseconds"]))
        form["timezone"] = zone if kind == "naive" else None
        stamps = {
            "naive": lambda: [stamp.strftime("%Y-%m-%d %H:%M:%S") for stamp in index],
            "offset": lambda: [stamp.isoformat() for stamp in index],
            "Z": lambda: [stamp.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ") for stamp in index],
            "seconds": lambda: [str(int(stamp.timestamp())) for stamp in index],
            "milliseconds": lambda: [str(int(stamp.timestamp()) * 1000) for stamp in index],
        }[kind]()
    index = index.as_unit("us") if index.tz is None else index.tz_convert("UTC").as_unit("us")
    mark = draw(st.sampled_from([",", ";", "\t", "|"]))
    comma = mark != "," and draw(st.booleans())
    columns: dict[str, list[Any]] = {name: [] for name in ("open", "high", "low", "close", "volume")}
    for _ in range(count):
        low, *between, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
        for name, value in zip(("open", "high", "low", "close"), (between[0], high, low, between[1]), strict=True):
            columns[name].append(value)
        columns["volume"].append(draw(st.integers(0, 10**10)))
    quoted = draw(st.booleans()) or (mark == "," and any("," in stamp for stamp in stamps))

    def cell(value: object) -> str:
        text = str(value)
        text = text.replace(".", ",") if comma and isinstance(value, Decimal) else text
        return f'"{text}"' if quoted else text

    order = draw(st.permutations(["time", *columns]))
    header = mark.join(cell(draw(st.sampled_from(NAMES[name]))) for name in order)
    body = {"time": stamps, **columns}
    rows = [mark.join(cell(body[name][at]) for name in order) for at in range(count)]
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    text = ending.join([header, *rows]) + draw(st.sampled_from(["", ending, ending * 2]))
    frame = pd.DataFrame({name: np.array([float(value) for value in values]) for name, values in columns.items()})
    return text, FileFormat(**form), frame.set_axis(index.rename("time"), axis=0), size


@hypothesis.settings(max_examples=150)
@hypothesis.given(case=written(), packed=st.booleans(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_bars_written_in_any_dialect_are_read_back(
    tmp_path_factory: Any, case: tuple[str, FileFormat, pd.DataFrame, str], packed: bool, encoding: str
) -> None:
    text, form, expected, size = case
    file = Path(tmp_path_factory.getbasetemp()) / "dialect.csv"
    content = text.encode(encoding)
    file.write_bytes(gzip.compress(content, 1) if packed else content)
    (bars,) = read_file(file, form)
    assert (bars.symbol, bars.bar) == ("dialect", size)
    pd.testing.assert_frame_equal(bars.frame, expected, check_freq=False, check_exact=True)


@hypothesis.settings(max_examples=40)
@hypothesis.given(case=written(), single=st.booleans(), indexed=st.booleans())
def test_parquet_files_are_read_back(
    tmp_path_factory: Any, case: tuple[str, FileFormat, pd.DataFrame, str], single: bool, indexed: bool
) -> None:
    _, _, expected, size = case
    bars = expected.round(2)
    stored = bars.astype({name: "float32" for name in ("open", "high", "low", "close")}) if single else bars
    buffer = io.BytesIO()
    (stored if indexed else stored.reset_index()).to_parquet(buffer)
    file = Path(tmp_path_factory.getbasetemp()) / "dialect.parquet"
    file.write_bytes(buffer.getvalue())
    (read,) = read_file(file)
    assert read.bar == size
    assert (read.frame.index == bars.index).all()
    if not single:
        pd.testing.assert_frame_equal(read.frame, bars, check_freq=False, check_exact=True)
        return
    for name in ("open", "high", "low", "close"):
        again = read.frame[name].to_numpy().astype("float32")
        np.testing.assert_array_equal(again.view("int32"), stored[name].to_numpy().view("int32"))
        quoted = bars[name] < 10_000  # seven digits are what 32 bits hold
        np.testing.assert_array_equal(read.frame[name][quoted], bars[name][quoted])


@hypothesis.settings(max_examples=200)
@hypothesis.given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_anything_is_read_or_refused_by_name(tmp_path_factory: Any, content: bytes) -> None:
    from core.errors import HalflifeError

    file = Path(tmp_path_factory.getbasetemp()) / "anything.csv"
    file.write_bytes(content)
    try:
        read_file(file)
    except HalflifeError as error:
        assert "anything.csv" in str(error)


@hypothesis.settings(max_examples=300)
@hypothesis.given(data=st.data())
def test_a_good_file_with_a_spoilt_spot_is_read_or_refused_by_name(tmp_path_factory: Any, data: st.DataObject) -> None:
    from core.errors import HalflifeError

    text, form, expected, _ = data.draw(written())
    at = data.draw(st.integers(0, len(text)))
    spoilt = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    file = Path(tmp_path_factory.getbasetemp()) / "spoilt.csv"
    file.write_bytes(spoilt.encode())
    try:
        read = read_file(file, form)
    except HalflifeError as error:
        assert "spoilt.csv" in str(error) or "timezone" in str(error)
    else:
        assert sum(len(bars.frame) for bars in read) <= len(expected) + 2
