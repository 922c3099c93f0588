"""Overrides: TOML keys and values, bare words, lists."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from core.errors import SettingsError
from core.overrides import apply_override, dotted, parse_override, parse_value


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("account.capital=50000", ("account", "capital"), 50000),
        (" account . capital = 5e4 ", ("account", "capital"), 5e4),
        ("data.source=csv", ("data", "source"), "csv"),
        ("data.bar=1d", ("data", "bar"), "1d"),
        ("data.start=2018-01-02", ("data", "start"), dt.date(2018, 1, 2)),
        ("risk.enabled=false", ("risk", "enabled"), False),
        ("a=True", ("a",), "True"),
        ("a=", ("a",), ""),
        ("a=b=c", ("a",), "b=c"),
        ("a='1'", ("a",), "1"),
        ('a="x = y"', ("a",), "x = y"),
        ("a=C:\\data", ("a",), "C:\\data"),
        ("a=1 # note", ("a",), 1),
        ("a=1\nb = 2", ("a",), "1\nb = 2"),
        ('instruments."BRK.B".currency=USD', ("instruments", "BRK.B", "currency"), "USD"),
        ("instruments.'A=B'.file=x y.csv", ("instruments", "A=B", "file"), "x y.csv"),
        ("s.instruments=[SPX, IXIC]", ("s", "instruments"), ["SPX", "IXIC"]),
        ("s.pairs=[[SPX,IXIC],['A B', BRK.B]]", ("s", "pairs"), [["SPX", "IXIC"], ["A B", "BRK.B"]]),
        ("s.x=[1, 2.5, true, word, two words, 2018-01-02]", ("s", "x"),
         [1, 2.5, True, "word", "two words", dt.date(2018, 1, 2)]),
        ("s.x=[]", ("s", "x"), []),
        ("s.x={a = 1, b = 'c'}", ("s", "x"), {"a": 1, "b": "c"}),
    ],
)  # fmt: skip
def test_an_override_is_a_toml_key_and_a_toml_value_or_a_word(text: str, path: tuple[str, ...], value: Any) -> None:
    assert parse_override(text) == (path, value)
    assert type(parse_override(text)[1]) is type(value)


@pytest.mark.parametrize("text", ["", "capital", "=5", ".a=5", "a..b=5", "a b=5", "[a]=5", "a\nb=5", "ä=5"])
def test_what_is_no_override_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match="is not of the form a.b=value; write for example --set account.capital"):
        parse_override(text)


def test_a_list_that_does_not_close_is_refused() -> None:
    with pytest.raises(SettingsError, match="is not a list"):
        parse_value("[a, 'b]")


def test_apply_makes_tables_and_refuses_to_enter_values() -> None:
    values: dict[str, Any] = {"a": {"b": 1}}
    apply_override(values, ("a", "c", "d"), 2)
    assert values == {"a": {"b": 1, "c": {"d": 2}}}
    with pytest.raises(SettingsError, match="cannot set a.b.c: a.b is a value, not a table"):
        apply_override(values, ("a", "b", "c"), 3)


keys = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
scalars = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=10)


@given(st.lists(keys, min_size=1, max_size=4).map(tuple), scalars | texts | st.lists(scalars | texts, max_size=3))
def test_any_path_and_value_written_as_toml_is_read_back(path: tuple[str, ...], value: Any) -> None:
    # JSON's scalars and lists are TOML's: strings in double quotes with the same escapes
    parsed_path, parsed = parse_override(f"{dotted(path)}={json.dumps(value, ensure_ascii=False)}")
    assert parsed_path == path
    assert parsed == value


@given(st.lists(st.from_regex(r"[A-Z][A-Z0-9.]{0,5}( [A-Z]+)?", fullmatch=True), min_size=1, max_size=5))
def test_any_list_of_bare_symbols_is_read(symbols: list[str]) -> None:
    assert parse_value(f"[{', '.join(symbols)}]") == symbols


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_named_error(text: str) -> None:
    try:
        parse_value(text)
    except SettingsError as error:
        assert "is not a list" in str(error)  # both outcomes are right
