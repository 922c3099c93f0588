"""Real money trades exactly what has passed, and everything else is told why not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import tomli_w

from books.qualification import (
    Evidence,
    Qualification,
    Standard,
    qualify,
    read_qualification,
    reasons_against,
    remarks,
    require_qualification,
    write_qualification,
)  # fmt: skip
from core.config import load_settings, settings_hash
from core.errors import QualificationError
from core.settings import Settings

FILE = Path("state/qualification.toml")
TODAY = dt.date(2025, 3, 1)
NOON = dt.datetime(2025, 2, 1, 12, tzinfo=dt.UTC)
GOOD = Evidence(
    first_session=dt.date(2024, 1, 2), last_session=dt.date(2024, 12, 31), sessions=252, trades=80,
    net_eur_per_day=31.0, net_eur_per_day_low=4.0, sharpe=1.4, deflated_sharpe=0.97, pbo=0.2, trials=50,
    max_drawdown=0.08,
)  # fmt: skip


@pytest.fixture
def settings() -> Settings:
    return load_settings(None)


@pytest.fixture
def good(settings: Settings) -> Qualification:
    return qualify(settings, "data", dict.fromkeys(settings.strategies, GOOD), NOON)


def test_what_was_written_is_read_and_allows_what_was_tested(settings: Settings, good: Qualification) -> None:
    write_qualification(good, FILE)
    assert read_qualification(FILE) == good
    assert require_qualification(FILE, settings, TODAY) == good
    assert good.settings_hash == settings_hash(settings) and remarks(good) == []


def test_where_bars_come_from_and_how_much_is_reported_may_differ(settings: Settings, good: Qualification) -> None:
    other = load_settings(None, ["name=live", "report.seed=8", "account.capital=50000", "data.start=2020-01-01"])
    assert settings_hash(other) != settings_hash(settings)
    assert reasons_against(good, other, TODAY) == []


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("risk.max_trade_risk=0.05", "risk.max_trade_risk is 0.05, qualified was"),
        ("risk.max_trade_risk=off", "risk.max_trade_risk is off, qualified was"),
        ("execution=next_open", "execution is next_open, qualified was next_close"),
        ("data.bar=1m", "data.bar is 1m, qualified was 1d"),
    ],
)
def test_another_setting_is_named(good: Qualification, override: str, reason: str) -> None:
    (found,) = reasons_against(good, load_settings(None, [override]), TODAY)
    assert found.startswith(reason)


def test_another_parameter_is_named_by_its_path(settings: Settings, good: Qualification) -> None:
    name, strategy = next(iter(settings.strategies.items()))
    changed = strategy.model_copy(update={"parameters": {**strategy.parameters, "added": 3}})
    other = settings.model_copy(update={"strategies": {**settings.strategies, name: changed}})
    assert reasons_against(good, other, TODAY) == [f"strategies.{name}.parameters.added is 3, qualified was absent"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sessions": 60}, "60 sessions, needed 120"),
        ({"trades": 29}, "29 trades, needed 30"),
        ({"net_eur_per_day": 0.0}, "a mean of 0.00 EUR a day"),
        ({"deflated_sharpe": 0.949}, "a deflated Sharpe of 0.949 .50 trials., needed 0.95"),
        ({"pbo": 0.51}, "a PBO of 0.51, allowed 0.5"),
        ({"last_session": dt.date(2024, 2, 1)}, "394 days ago, allowed 365"),
        ({"last_session": dt.date(2025, 3, 2)}, "which has not come yet"),
    ],
)
def test_evidence_that_falls_short_is_named(settings: Settings, change: dict[str, object], reason: str) -> None:
    weak = qualify(settings, "data", dict.fromkeys(settings.strategies, GOOD.model_copy(update=change)), NOON)
    write_qualification(weak, FILE)
    with pytest.raises(QualificationError, match=f"is not qualified for real money: .*{reason}.*paper account"):
        require_qualification(FILE, settings, TODAY)
    assert len(reasons_against(weak, settings, TODAY)) == len(settings.strategies)


def test_a_strategy_without_evidence_is_named(settings: Settings) -> None:
    none = qualify(settings, "data", {}, NOON)
    assert reasons_against(none, settings, TODAY) == [
        f"{name} has no out-of-sample evidence" for name in settings.strategies
    ]


def test_a_standard_of_ones_own(settings: Settings, good: Qualification) -> None:
    assert reasons_against(good, settings, TODAY, Standard(max_pbo=0.1))


def test_a_file_that_was_edited_is_refused(good: Qualification) -> None:
    write_qualification(good, FILE)
    FILE.write_text(FILE.read_text(encoding="utf-8").replace("pbo = 0.2", "pbo = 0.1"), encoding="utf-8")
    with pytest.raises(QualificationError, match="was changed after it was written; qualify"):
        read_qualification(FILE)


def test_bad_files_are_named(good: Qualification) -> None:
    with pytest.raises(QualificationError, match="there is no qualification .*; qualify these parameters anew"):
        read_qualification(FILE)
    FILE.parent.mkdir()
    FILE.write_text("not TOML", encoding="utf-8")
    with pytest.raises(QualificationError, match="cannot be read"):
        read_qualification(FILE)
    FILE.write_bytes(b"\xff\xfe")
    with pytest.raises(QualificationError, match="cannot be read"):
        read_qualification(FILE)
    FILE.write_text("format = 2\n", encoding="utf-8")
    with pytest.raises(QualificationError, match="format 2, this halflife knows 1; update halflife"):
        read_qualification(FILE)
    FILE.write_text(tomli_w.dumps({"format": 1}), encoding="utf-8")
    with pytest.raises(QualificationError, match="name: Field required; qualify"):
        read_qualification(FILE)
    FILE.unlink()
    FILE.mkdir()
    with pytest.raises(QualificationError, match="cannot be read"):
        read_qualification(FILE)
    with pytest.raises(QualificationError, match="cannot be written"):
        write_qualification(good, FILE)


def test_other_code_is_remarked(good: Qualification) -> None:
    assert remarks(good.model_copy(update={"code_version": "0.0.9+abc"})) == [
        f"it was tested with halflife 0.0.9+abc, this is {good.code_version}"
    ]
