"""The tables on the console."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from core.settings import Settings
from engine.report import formats, summary_tables

Vary = Callable[..., Any]


def printed(result: Any, width: int = 100, color: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="standard" if color else None)
    for part in summary_tables(result):
        console.print(part)
    return out.getvalue()


def row(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.strip().startswith(name))
    return line.split()[1:]


def test_table_has_a_row_for_each_strategy_and_the_portfolio(sample: Any) -> None:
    text = printed(sample)
    for name, metrics, start in (
        ("meanrev", sample.summary["strategies"]["meanrev"], 50_000),
        ("pairs", sample.summary["strategies"]["pairs"], 50_000),
        ("Portfolio", sample.summary["portfolio"], 100_000),
    ):
        shown = [float(re.sub("[+,%]", "", cell.replace("\u2212", "-"))) for cell in row(text, name)]
        expected = [
            metrics["final_equity_eur"] - start, metrics["cagr"] * 100, metrics["sharpe"],
            metrics["max_drawdown"] * 100, metrics["profit_factor"], metrics["trades"], metrics["win_rate"] * 100,
            metrics["avg_trade_eur"], metrics["exposure"] * 100,
        ]  # fmt: skip
        assert shown == pytest.approx(expected, abs=0.5)


def test_it_fits_a_hundred_columns_and_says_the_rest(sample: Any) -> None:
    text = printed(sample)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    words = " ".join(text.split())
    assert sample.summary["daily_target"]["sentence"] in words
    assert all(note in words for note in sample.notes)
    assert "Kill switch 2008-10-13: drawdown 20.1% reached the limit of 20.0%" in words
    assert "24 orders refused by the risk gate: 12 max_gross_exposure and 12 cooldown." in words
    assert "The portfolio also holds interest of EUR \u2212813; no strategy is charged for it." in words
    assert "PARTIAL" not in text


def test_answer_stands_before_its_sentence(vary: Vary, sample: Any) -> None:
    target = sample.summary["daily_target"] | {"mean_interval_eur": (-2.21, 0.58), "enough_evidence": False}
    words = " ".join(printed(vary(summary=sample.summary | {"daily_target": target})).split())
    assert f"Does it earn EUR 50 a day? No, not at this capital. {target['sentence']}" in words


def test_costs_that_are_off_are_said_first(vary: Vary, sample: Any) -> None:
    assert "COSTS ARE OFF" not in printed(sample)
    costs = sample.settings.costs.model_copy(update={"enabled": False})
    text = printed(vary(settings=sample.settings.model_copy(update={"costs": costs})))
    assert text.startswith("COSTS ARE OFF: no commission, slippage, borrow fee or interest is charged.")
    assert "net of costs" not in text and "capital EUR 100,000, COSTS ARE OFF" in " ".join(text.split())
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100


def test_few_sessions_have_no_annual_figures(vary: Vary, sample: Any) -> None:
    text = printed(vary(equity=sample.equity.iloc[:19]))
    cells = row(text, "Portfolio")
    assert (cells[1], cells[2]) == (formats.DASH, formats.DASH) and cells[5] == str(
        sample.summary["portfolio"]["trades"]
    )
    assert "Annual figures are left out: fewer than 20 sessions are too few for it." in " ".join(text.split())
    assert "Annual figures" not in printed(vary(equity=sample.equity.iloc[:20]))


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (["a"], "1 order refused by the risk gate: 1 a."),
        (["a", "a", "b"], "3 orders refused by the risk gate: 2 a and 1 b."),
        (list("aabcde"), "6 orders refused by the risk gate: 2 a, 1 b, 1 c, 1 d and 1 more reason."),
        (list("aabcdef"), "7 orders refused by the risk gate: 2 a, 1 b, 1 c, 1 d and 2 more reasons."),
    ],
)
def test_refusals_are_counted_in_grammar(vary: Vary, sample: Any, reasons: list[str], words: str) -> None:
    orders = sample.orders.head(len(reasons)).assign(refusal=reasons)
    assert words in " ".join(printed(vary(orders=orders)).split())


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (list("abcd"), "a, b, c and d"),
        (list("abcde"), "a, b, c, d and 1 more"),
        (list("abcdefg"), "a, b, c, d and 3 more"),
    ],
)
def test_names_in_a_list(names: list[str], text: str) -> None:
    assert formats.listed(names) == text


@pytest.mark.parametrize(
    ("value", "daily", "shown"),
    [
        ("1999-01-04T21:00:00+00:00", True, "1999-01-04"),
        ("1999-01-04T21:00:00+00:00", False, "1999-01-04 21:00"),
        ("3fT9", True, "3fT9"),
        ("sample", True, "sample"),
        (7, True, 7),
        (None, True, None),
    ],
)
def test_times_are_shown_as_dates(value: Any, daily: bool, shown: Any) -> None:
    assert formats.dated(value, daily=daily) == shown


def test_colours_are_for_signs_only(sample: Any) -> None:
    colored = re.findall(r"\x1b\[3(\d)m([^\x1b]*)", printed(sample, color=True))
    assert {code for code, _ in colored} == {"1", "2"}
    for code, text in colored:
        assert text.strip().startswith("\u2212" if code == "1" else "+")


def test_partial_results_say_so_first(vary: Vary) -> None:
    assert printed(vary(partial=True)).startswith("PARTIAL RESULTS")


def test_names_are_text_and_long_ones_are_cut(sample: Any, vary: Vary) -> None:
    name = "[bold red]x[/] " + "long" * 20
    values = sample.settings.model_dump(mode="json")
    values["strategies"] = {name: values["strategies"]["meanrev"]}
    summary = sample.summary | {"strategies": {name: sample.summary["portfolio"]}}
    text = printed(vary(settings=Settings.model_validate(values), summary=summary, notes=["[link=x]a note[/link]"]))
    assert "[bold red]x[/]" in text and "[link=x]a note[/link]" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100


def test_nothing_to_say(sample: Any, vary: Vary) -> None:
    text = printed(vary(summary={}, notes=[], events=[], orders=sample.orders.iloc[:0], equity=sample.equity.iloc[:0]))
    assert "The daily target was not evaluated." in text
    assert row(text, "Portfolio") == [formats.DASH] * 9


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (formats.eur, 1234567.5, "1,234,568"),
        (formats.signed_cents, -0.004, "0.00"),
        (formats.signed_cents, -0.006, "\u22120.01"),
        (formats.signed_cents, 3, "+3.00"),
        (formats.percent, 0.1234, "12.3%"),
        (formats.percent, math.nan, "–"),
        (formats.ratio, math.inf, "∞"),
        (formats.ratio, -math.inf, "\u2212∞"),
        (formats.integer, None, "–"),
        (formats.integer, True, "–"),
        (formats.price, 1.23456, "1.2346"),
        (formats.price, 1234.5, "1,234.50"),
    ],
)
def test_formats(form: Callable[[Any], str], value: Any, text: str) -> None:
    assert form(value) == text


def test_sign_of_what_is_shown_as_zero_has_no_colour() -> None:
    assert [formats.sign(value, text) for value, text in ((-0.001, "0.0%"), (-1, "\u22121"), (1, "1"))] == [
        "", "loss", "gain",
    ]  # fmt: skip
