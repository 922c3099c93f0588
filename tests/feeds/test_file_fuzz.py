"""Whatever a file holds, it is bars or a HalflifeError: small CSV and Parquet files, mutated."""

from __future__ import annotations

import contextlib
import decimal
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import HalflifeError
from feeds.bars import BAR_SIZES, Request
from feeds.sources.files import CsvSource, FileFormat, read_file

SEEDS = (
    "date,open,high,low,close,volume\n2018-12-24,10,12,9,11,1000\n2018-12-26,10,12,9,11,1000\n",
    "symbol,date,open,high,low,close,adj_close\nA,2018-12-24,10,12,9,11,5\nB,2018-12-24,10,12,9,11,5\n",
    "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>\nX,60,20181224,093000,10,12,9,11\n",
    "Date;Open;High;Low;Close;Volume\n24.12.2018;10,5;12,5;9,5;11,5;1.000\n",
    "datetime,bid,ask\n2018-11-04 01:30:00Z,1.1,1.2\n2018-11-04 01:31:00Z,1.1,1.2\n",
    "timestamp,open,high,low,close\n1545661800,10,12,9,11\n1545661860,10,12,9,11\n",
    'Date,Close/Last,Volume,Open,High,Low\n12/24/2018,$11.0,"1,000",$10,$12,$9\n',
    "time\topen\thigh\tlow\tclose\n2018-12-24 09:30:00 US/Eastern\t10\t12\t9\t11\n",
    "Date,Open,High,Low,Close\nDec 24 2018,10,12,9,11\nDec 26 2018,10,12,9,11\n",
)
CELLS = (
    "", "nan", "-1e400", "9" * 400, "0x10", "1,5", '"', "\0", "\ufeff", "\u2028", "٣", "--", "9999-12-31", "0000-00-00",
    "10000-01-01", "2018-02-30", "2018-12-24T25:00Z", "2018-12-24T14:30:00+99:99", "2018-12-24T14:30:00+5",
    "2018-12-24T14+05", "20181224T143000+0100", "2018-12-24T23:59:60Z", "9223372036854775808", "-5", "20189999",
    "2460", "930", "US/Eastern", "2018-12-24 14:30:00 Mars/Olympus", "12/24/2018", "24/12/2018", "2018-W52-1", "$$1",
    "1M", "K", "\n", "\r\n", ";", ",", "\t", "date", "open", "volume",
)  # fmt: skip
FORMS = (
    None, FileFormat(timezone="UTC"), FileFormat(bar="1d"), FileFormat(symbol="A", date_order="dmy"),
    FileFormat(bar="1m", timezone="America/New_York", stamp="open"),
    FileFormat(bar="1h", timezone="Europe/London", stamp="open", exchange="XLON"),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A file of which some cells, a column or a stretch became something else."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        how, value = draw(st.sampled_from(["cell", "column", "insert", "cut"])), draw(st.sampled_from(CELLS))
        rows = [line.split(",") for line in text.split("\n")]
        row, place = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(text)))
        cell = draw(st.integers(0, len(rows[row]) - 1))
        if how == "cell":
            rows[row][cell] = value
            text = "\n".join(map(",".join, rows))
        elif how == "column":
            text = "\n".join(
                ",".join([*cells[:cell], value, *cells[cell + 1 :]] if number and len(cells) > cell else cells)
                for number, cells in enumerate(rows)
            )
        elif how == "insert":
            text = text[:place] + value + text[place:]
        else:
            text = text[:place] + text[place + draw(st.integers(1, 12)) :]
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig"])))


@settings(max_examples=300, deadline=None)
@given(content=mutated(), form=st.sampled_from(FORMS), bar=st.sampled_from(BAR_SIZES))
def test_mutated_text_is_bars_or_refused(content: bytes, form: FileFormat | None, bar: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "X.csv"
        file.write_bytes(content)
        with contextlib.suppress(HalflifeError):
            assert read_file(file, form)
        with contextlib.suppress(HalflifeError):
            assert CsvSource(folder, {}).fetch(Request("X", bar)).frame.notna().all(axis=None)


ZONES = st.sampled_from([None, None, "UTC", "America/New_York", "+05:30", "-23:59", "Mars/Olympus", "../x", ""])
NUMBERS = st.sampled_from([0, 1, -1, 10, 20181224, 1545661800, 2**31 - 1, -(2**31), None])
LONG = st.one_of(NUMBERS, st.sampled_from([2**53, 2**62, 2**63 - 1, -(2**63), 1545661800 * 10**9]))
TEXTS = st.sampled_from(
    ["", "a", "10", "nan", "-1e400", "9" * 400, "2018-12-24", "2018-12-24T14:30Z", "0930", "\0", None]
)
SHORT_KINDS = st.sampled_from([pa.int32(), pa.float32(), pa.date32(), pa.time32("s")])
LONG_KINDS = st.one_of(
    st.builds(pa.timestamp, st.sampled_from(["s", "ms", "us", "ns"]), ZONES),
    st.sampled_from([pa.int64(), pa.uint64(), pa.float64(), pa.date64(), pa.time64("ns"), pa.duration("ns")]),
)
TEXT_KINDS = st.sampled_from([pa.string(), pa.large_string(), pa.string_view(), pa.binary()])


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pa.Array:
    """Any bits under a type, text, decimals; also lists, structs and dictionaries of them."""
    numbers = draw(st.lists(NUMBERS, min_size=rows, max_size=rows))
    made = draw(
        st.one_of(
            SHORT_KINDS.map(lambda kind: pa.array(numbers, pa.int32()).view(kind)),
            st.tuples(LONG_KINDS, st.lists(LONG, min_size=rows, max_size=rows)).map(
                lambda both: pa.array(both[1], pa.int64()).view(both[0])
            ),
            st.tuples(TEXT_KINDS, st.lists(TEXTS, min_size=rows, max_size=rows)).map(
                lambda both: pa.array(both[1], both[0])
            ),
            st.sampled_from([
                pa.nulls(rows), pa.array([True] * rows), pa.array([b"\xff"] * rows),
                pa.array([b"\xff\x00"] * rows, pa.binary(2)),
                pa.array([decimal.Decimal("9" * 30)] * rows), pa.array([decimal.Decimal("9" * 60)] * rows),
                pa.array([[("a", 1)]] * rows, pa.map_(pa.string(), pa.int64())), pa.array([1.5] * rows, pa.float16()),
            ]),
        )
    )  # fmt: skip
    wrapped = draw(st.sampled_from(["", "", "", "", "list", "struct", "dictionary"]))
    if wrapped == "list":
        return pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), made)
    if wrapped == "struct":
        return pa.StructArray.from_arrays([made], ["a"])
    return made.dictionary_encode() if wrapped == "dictionary" and not pa.types.is_map(made.type) else made


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Three good bars of which some columns became something else."""
    rows = draw(st.integers(0, 3))
    days = [f"2018-12-{day}" for day in (24, 26, 27)][:rows]
    found = {"date": pa.array(days, pa.string())}
    found |= dict.fromkeys(["open", "high", "low", "close"], pa.array([1.0] * rows))
    names = ["date", "date", "date", "open", "close", "volume", "symbol", "time", "bid", "x", "__index_level_0__"]
    found |= {name: draw(columns(rows)) for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))}
    twice = draw(st.sampled_from([None] * 9 + ["x", "open"]))
    extra = [twice, twice] if twice else []
    return pa.Table.from_arrays([*found.values(), *(found["close"] for _ in extra)], [*found, *extra])


@settings(max_examples=400, deadline=None)
@given(table=tables(), form=st.sampled_from(FORMS), int96=st.booleans())
def test_parquet_of_any_types_is_bars_or_refused(table: pa.Table, form: FileFormat | None, int96: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "X.parquet"
        try:
            pq.write_table(table, file, use_deprecated_int96_timestamps=int96)
        except (pa.ArrowException, OverflowError):  # Parquet has no such type
            return
        with contextlib.suppress(HalflifeError):
            assert read_file(file, form)
