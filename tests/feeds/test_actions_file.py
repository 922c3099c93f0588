from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FeedEmptyError, FeedError, FeedSourceError
from feeds.actions import read_actions, write_actions
from feeds.bars import CorporateAction

FACTS = Path(__file__).parent / "data"
SPLIT = CorporateAction(dt.date(2014, 6, 9), "split", 7.0)
PAID = CorporateAction(dt.date(2014, 8, 7), "dividend", 0.47)


def _write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "actions.csv"
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize(
    "text",
    [
        "symbol,ex_date,kind,value\nAAPL,2014-06-09,split,7\nAAPL,2014-08-07,dividend,0.47\n",
        "Ticker,Date,Type,Amount\r\nAAPL,2014-08-07,Dividend,0.47\r\n\r\nAAPL,2014-06-09,SPLIT,7:1\r\n",
        '\ufeffvalue,kind,"ex-date",symbol,text\n7/1,split,2014-06-09,AAPL,"a,b"\n0.47,dividend,2014-08-07, AAPL ,\n',
        "symbol,ex_date,kind,value\nAAPL,2014-06-09 00:00:00-04:00,split,7-for-1\nAAPL,20140807,dividend,0.470\n",
    ],
)
def test_lines_become_actions(tmp_path: Path, text: str) -> None:
    found = read_actions(_write(tmp_path, text))
    assert found == {"AAPL": (SPLIT, PAID)}
    assert {action.source for action in found["AAPL"]} == {"actions.csv"}


def test_a_reverse_split_and_a_spin_off(tmp_path: Path) -> None:
    text = "symbol,ex_date,kind,value\nRRD,2016-10-03,split,1:3\nMAS,2015-07-01,spin-off,3.23\n"
    found = read_actions(_write(tmp_path, text))
    assert found["RRD"][0].value == pytest.approx(1 / 3)
    assert found["MAS"] == (CorporateAction(dt.date(2015, 7, 1), "spin_off", 3.23),)


def test_yahoo_payments_per_share_of_today_become_those_of_their_day() -> None:
    found = read_actions(FACTS / "yahoo_aapl.csv", symbol="AAPL")["AAPL"]
    assert [(str(row.ex_date), row.kind) for row in found] == [
        ("2012-08-09", "dividend"), ("2014-05-08", "dividend"), ("2014-06-09", "split"),
        ("2014-08-07", "dividend"), ("2020-08-31", "split"), ("2020-11-06", "dividend"),
    ]  # fmt: skip
    assert [row.value for row in found] == pytest.approx([2.65, 3.29, 7.0, 0.47, 4.0, 0.205], abs=1e-4)


def test_a_file_without_symbols_takes_the_one_that_is_named(tmp_path: Path) -> None:
    file = _write(tmp_path, "ex_date,kind,value\n2014-06-09,split,7\n")
    assert read_actions(file, symbol="AAPL") == {"AAPL": (SPLIT,)}
    with pytest.raises(FeedError, match="line 2: no symbol; add a column symbol, or name the symbol of the file"):
        read_actions(file)


HEADER = "symbol,ex_date,kind,value\n"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", FeedEmptyError, r"has no action in it; write lines of symbol,ex_date,kind,value"),
        (HEADER + "\n", FeedEmptyError, "has no action in it"),
        (HEADER + "A,2014-06-09,split\n", FeedError, "line 2: 3 values under 4 columns; give every line as many"),
        (HEADER + "A,2014-06-09,split,2\n\nA,09.06.2014,split,2\n", FeedError, "line 4: '09.06.2014' is not a date"),
        (HEADER + "A,2014-06-31,split,2\n", FeedError, "line 2: '2014-06-31' is not a date; write ISO 8601"),
        (HEADER + "A,2014-06-09,splits,2\n", FeedError, "unknown kind 'splits'; did you mean 'split'"),
        (HEADER + "A,2014-06-09,dividend,0\n", FeedError, "dividend of '0'; write a number above 0"),
        (HEADER + "A,2014-06-09,dividend,-1\n", FeedError, "write a number above 0"),
        (HEADER + 'A,2014-06-09,dividend,"0,82"\n', FeedError, "'0,82' under value is not a number"),
        (HEADER + "A,2014-06-09,dividend,\n", FeedError, "nothing under value is not a number"),
        (HEADER + "A,2014-06-09,dividend,inf\n", FeedError, "is not a number"),
        (HEADER + "A,2014-06-09,split,2:0\n", FeedError, "the ratio '2:0' has 0 shares before it; write it as 7:1"),
        ("symbol;ex_date;kind;value\nA;2014-06-09;split;2\n", FeedError, "line 1: .* is not separated by commas"),
        ("date,open,close\n2014-06-09,1,2\n", FeedError, "is not that of a file of actions; write symbol,ex_date"),
        ("Date,Ex-Date,Kind,Value\n2014-06-09,2014-06-09,split,2\n", FeedError, "two columns are 'ex_date'; keep one"),
        ("Date,Dividends\n2012-08-09,0.0946\n", FeedError, "line 1: dividends without splits .* Stock Splits"),
        ("Date,Dividends,Stock Splits\n2012-08-09,-0.1,0\n", FeedError, "line 2: a number below 0"),
        ("\0\1", FeedSourceError, "is a binary file, not text"),
        (HEADER + 'A,"2014\n' + "x" * 140_000, FeedError, "field larger than field limit.*close the quotes"),
    ],
)
def test_bad_files_are_refused_with_the_line_and_the_cure(
    tmp_path: Path, text: str, kind: type[Exception], said: str
) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(kind, match=f"actions.csv.*{said}"):
        read_actions(file, symbol="A")


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(FeedSourceError, match=r"cannot read .*missing.csv \(No such file"):
        read_actions(tmp_path / "missing.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("symbol,ex_date,kind,value\nSOCI\xc9T\xc9,2014-06-09,split,2\n".encode("latin-1"))
    with pytest.raises(FeedSourceError, match="is not UTF-8 text"):
        read_actions(latin)
    with pytest.raises(FeedSourceError, match="cannot write .*choose another place"):
        write_actions(tmp_path / "no folder" / "a.csv", {"AAPL": [SPLIT]})


def test_the_written_layout(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    write_actions(file, {"MSFT": [PAID], "AAPL": [PAID, SPLIT]})
    assert file.read_text(encoding="utf-8").splitlines() == [
        "symbol,ex_date,kind,value",
        "AAPL,2014-06-09,split,7",
        "AAPL,2014-08-07,dividend,0.47",
        "MSFT,2014-08-07,dividend,0.47",
    ]


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8),
        st.lists(
            st.builds(
                CorporateAction,
                st.dates(),
                st.sampled_from(["split", "spin_off", "dividend"]),
                st.floats(1e-9, 1e9, exclude_min=True),
            ),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, actions: dict[str, list[CorporateAction]]
) -> None:
    file = tmp_path_factory.mktemp("actions") / "a.csv"
    write_actions(file, actions)
    assert read_actions(file) == {symbol: tuple(sorted(rows)) for symbol, rows in actions.items()}
