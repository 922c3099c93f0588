"""The page of the rules says what the rules do."""

from __future__ import annotations

from pathlib import Path

from core.calendar import FIRST
from feeds import open_close
from feeds.checks import RULES, activity, gaps, local, moves, rows, strays, times, values
from feeds.checks.path import LARGE, SURGE


def page(repository: Path) -> str:
    return (repository / "docs" / "data_checks.md").read_text(encoding="utf-8")


def test_the_table_has_every_rule_in_their_order(repository: Path) -> None:
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in page(repository).splitlines() if "|" in line]
    assert cells[2:] == [[rule.name, rule.severity, rule.repair or ""] for rule in RULES.values()]


def test_the_page_says_which_rules_may_mend_in_both_ways(repository: Path) -> None:
    """The others do what the table says alone: test_checks_planted.py holds them to it."""
    lines = {line.split("|")[1].strip(): line.split("|")[5] for line in page(repository).splitlines() if "|" in line}
    for name in ("missing_price", "nonpositive_price"):
        assert RULES[name].repair == "drop" and "set to NaN" in lines[name]
    for name in ("high_low", "crossed_quotes"):
        assert RULES[name].repair == "set" and "is dropped" in lines[name]


def test_the_thresholds_of_the_page_are_those_of_the_code(repository: Path) -> None:
    text = page(repository)
    assert f"more than {times.WRONG_CALENDAR:.0%} of the rows" in text
    assert f"{strays.DEVIATIONS:g} robust deviations and {strays.LEAST['1d']:.0%}" in text
    assert f"at most {strays.CANCELS:.0%} may be left" in text
    assert f"{strays.DRIFT:g} deviations times the root" in text
    assert f"less than {gaps.SPARSE:.0%} of their bars" in text
    assert f"(after {gaps.ENOUGH_SESSIONS} sessions)" in text
    assert f"bars before {times.FIRST_YEAR}" in text
    assert f"once in {gaps.COARSE:g} sessions or more" in text
    assert f"Fewer than {rows.FEWEST_SPACINGS + 1} bars do not tell" in text
    assert f"Calendars begin in {FIRST.year} at the earliest" in text
    assert "daily {} bars with a range or {} without".format(*activity.SAME["1d"]) in text
    assert "1h {} and {}, 1m {} and {}, 1s {} and {:,}".format(
        *activity.SAME["1h"], *activity.SAME["1m"], *activity.SAME["1s"]) in text  # fmt: skip
    assert f"{LARGE:g} in logs" in text
    assert f"and {moves.JUMP_DEVIATIONS:g} robust deviations" in text
    assert f"{moves.LEAST_WICK['1d']:.0%} (1h {moves.LEAST_WICK['1h']:.0%}, 1m {moves.LEAST_WICK['1m']:.0%}" in text
    assert f"and {moves.WICK_RANGES:g} median ranges" in text
    assert f"in more than {open_close.LEAST:.0%} of at least {open_close.FEWEST} bars" in text
    assert f"by {open_close.DEVIATIONS:g} deviations more" in text
    assert f"where more than {activity.SELDOM:.0%}" in text
    assert f"{activity.LITTLE:.0%} of the median of 20 days" in text
    assert f"{local.MAD_TO_DEVIATION} times" in text
    assert f"{local.NEIGHBOURS} bars on each side, or {local.NEAR} on each\nside" in text
    assert f"fewer than {local.FEWEST} returns" in text
    assert f"within {times.ORDINARY:g}\n  deviations" in text
    assert f"each other one more than {times.CLEARLY * times.ORDINARY:g}" in text
    assert f"within {values.PLAUSIBLE:g} (log; or {values.PLAUSIBLE_DEVIATIONS:g} deviations)" in text
    assert f"at most {values.ORDINARY_SPREAD:g} times the median spread" in text
    assert SURGE == 2.0 and "more than twice\nthe usual volume" in text
