"""``--clock tws``: a session in one process and a paper gateway that plays another day in another one."""

from __future__ import annotations

import datetime as dt
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

import commands
from core.errors import SessionError
from gateway import Gateway
from gateway.gateway import Speed
from gateway.market import Accounts
from live import tws_clock as module
from live.rehearsal import rehearsal_settings
from live.session import LiveSession, store_settings
from live.tws_clock import tws_clock
from stores import StoreSettings

NEAR = dt.timedelta(seconds=10)  # TWS's time and ours; the machine's is years away


def settings_for(tws: Gateway) -> StoreSettings:
    return store_settings(rehearsal_settings([f"live.port={tws.port}"]))


def test_the_clock_is_that_of_tws_and_a_session_trades_by_it() -> None:
    told: list[str] = []
    with Gateway.sample(speed=1.0) as tws:
        clock = tws_clock(settings_for(tws))
        assert abs(clock.now() - tws.now()) < NEAR
        session = LiveSession(
            rehearsal_settings(["live.record=false"]), store=settings_for(tws), clock=clock, until=clock.now(),
            tell=told.append,
        )  # fmt: skip
        summary = session.run()
    assert summary.why == "the session is stopping: its time is over"
    assert [text for text in told if "trading meanrev, pairs" in text]


def refusal(accounts: Accounts | None = None, *, speed: Speed) -> str:
    more = {"accounts": accounts} if accounts is not None else {}
    with Gateway.sample(speed=speed, **more) as tws, pytest.raises(SessionError) as caught:
        tws_clock(settings_for(tws))
    return str(caught.value)


def test_a_real_account_is_refused() -> None:
    said = refusal(Accounts({"U1234567": 100_000.0}), speed=1.0)
    assert "--clock tws is for paper accounts, and U1234567 is a real-money account" in said


def test_a_time_that_is_not_the_real_one_s_pace_is_refused() -> None:
    said = refusal(speed=40.0)
    assert "times as fast as the real one" in said and "at --speed 1" in said


def test_a_time_that_stands_still_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    assert "the time of TWS stands still at 2024-06-12 13:29:00 UTC" in refusal(speed="max")


@pytest.mark.slow
def test_by_the_command_line_it_is_asked_for() -> None:
    """A gateway that plays 2024 is refused without; with it the start goes on to what is wrong with the capital."""
    with resources.as_file(resources.files("live").joinpath("rehearsal.toml")) as file:
        Path("mine.toml").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")

    def said(*more: str) -> str:
        outcome = CliRunner().invoke(commands.app, ["live", "mine.toml", "--set", f"live.port={tws.port}", *more])
        assert outcome.exit_code == 2
        return " ".join((outcome.stdout + outcome.stderr.replace("│", " ")).split())

    with Gateway.sample(speed=1.0) as tws:
        assert "IBKR's clock is at 2024-06-12 13:29" in said()
        found = said("--clock", "tws", "--set", "account.capital=200000")
        assert "the time is that of TWS: 2024-06-12 13:" in found
        assert "account.capital is EUR 200,000.00 and DU1234567 is worth EUR 100,000.00" in found
        assert "2024-06-12 13:00 UTC is over" in said("--clock", "tws", "--until", "09:00")
        assert tws.call(lambda state: len(state.market.orders)) == 0
