"""Executions that are taken back and stand again, and those that are corrected before anybody had heard of them."""

from __future__ import annotations

from typing import Any

import pytest
from contracted.scenario import Outcome, Scenario
from contracted.scripted import Item, ScriptedVenue, charged, corrected, ended, filled, run_scripted

ROWS = [(f"14:{minute}:01", 10.0) for minute in range(30, 40)]
FEE = 1.0072  # 100 shares: the minimum of 1, and 0.000072 a share
BOUGHT = filled("14:31:10", 100, 10.0, "e.01")
TAKEN_BACK = corrected("14:32:10", 0, 10.0, "e.02", "e.01")


def bought(*items: Item, settings: Any = None) -> Outcome:
    scenario = Scenario({"A": ROWS}, {1: lambda s: s.send("buy", 100)}, settings=settings or {})
    return run_scripted(scenario, ScriptedVenue(*items))


def test_an_execution_that_was_taken_back_and_stands_again_is_booked_with_its_fee() -> None:
    out = bought(BOUGHT, TAKEN_BACK, corrected("14:33:10", 100, 10.2, "e.03", "e.02"))
    assert out.position() == 100 and out.of("buy")[-1] == ("buy", "Completed", 100, 10.2)
    assert out.orders["buy"].executed.comm == pytest.approx(FEE) and out.orders["buy"].executed.remsize == 0
    account = out.broker.account
    assert account.equity_eur == pytest.approx(100_000 + 0.9 * (-100 * 0.2 - FEE))
    assert account.books["one/A"].size == 100


def test_its_fee_is_made_exact_and_it_can_be_corrected_and_taken_back_again() -> None:
    again = corrected("14:33:10", 100, 10.2, "e.03", "e.02")
    out = bought(BOUGHT, TAKEN_BACK, again, charged("14:33:11", 2.0, exec_id="e.03"))
    assert out.broker.account.equity_eur == pytest.approx(100_000 + 0.9 * (-100 * 0.2 - 2.0))
    out = bought(BOUGHT, TAKEN_BACK, again, corrected("14:34:10", 60, 10.1, "e.04", "e.03"))
    assert out.position() == 60 == out.orders["buy"].executed.size
    assert out.broker.account.equity_eur == pytest.approx(100_000 + 0.9 * (-60 * 0.1 - FEE))
    out = bought(BOUGHT, TAKEN_BACK, again, corrected("14:34:10", 0, 10.1, "e.04", "e.03"))
    assert out.position() == 0 and out.broker.account.equity_eur == pytest.approx(100_000)


def test_what_is_told_again_of_it_counts_once() -> None:
    again = corrected("14:33:10", 100, 10.0, "e.03", "e.02")
    repeats = filled("14:34:10", 100, 10.0, "e.01"), corrected("14:34:11", 100, 10.0, "e.03", "e.02"), TAKEN_BACK
    assert bought(BOUGHT, TAKEN_BACK, again, *repeats).position() == 100


def test_the_slippage_of_an_execution_that_stands_again_is_the_one_it_had() -> None:
    paid = filled("14:31:10", 100, 10.0, "e.01", is_quoted=False)
    slipping = {"costs": {"slippage": {"model": "bps", "bps": 100.0}}}  # 0.10 of 10.00
    out = bought(paid, TAKEN_BACK, corrected("14:33:10", 100, 10.0, "e.03", "e.02"), settings=slipping)
    assert out.orders["buy"].executed.price == pytest.approx(10.1)
    assert out.broker.account.costs["slippage"] == pytest.approx(100 * 0.10 * 0.9)


def test_an_order_that_has_ended_stays_so_when_its_part_stands_again() -> None:
    out = bought(
        filled("14:31:10", 40, 10.0, "e.01"), ended("14:31:20"), TAKEN_BACK,
        corrected("14:33:10", 40, 10.0, "e.03", "e.02"),
    )  # fmt: skip
    assert out.of("buy")[-1] == ("buy", "Canceled", 40, 10.0) and out.position() == 40


def test_an_exit_that_stands_again_closes_the_position_it_had_left() -> None:
    def left(*items: Item) -> tuple[float, float]:
        scenario = Scenario({"A": ROWS}, {1: lambda s: s.send("buy", 100), 2: lambda s: s.send("sell", -100)})
        sold = filled("14:32:10", 100, 11.0, "x.01", place=1)
        out = run_scripted(scenario, ScriptedVenue(BOUGHT, sold, *items))
        return out.position(), out.broker.account.equity_eur

    taken_back = corrected("14:33:10", 0, 11.0, "x.02", "x.01", place=1)
    again = corrected("14:34:10", 100, 11.0, "x.03", "x.02", place=1)
    position, equity = left(taken_back, again)
    assert position == 0 and equity == pytest.approx(left()[1])  # as if nothing had been


def test_an_execution_that_was_taken_back_before_it_was_told_is_none_until_it_stands_again() -> None:
    assert bought(TAKEN_BACK, BOUGHT).position() == 0  # it is told late
    out = bought(TAKEN_BACK, corrected("14:33:10", 100, 10.0, "e.03", "e.02"))
    assert out.position() == 100 and out.orders["buy"].executed.comm == pytest.approx(FEE)


def test_a_fill_that_is_told_after_its_correction_counts_once() -> None:
    out = bought(corrected("14:32:10", 80, 10.0, "e.02", "e.01"), filled("14:33:10", 100, 10.0, "e.01"))
    assert out.position() == 80
