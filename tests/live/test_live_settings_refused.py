"""Faults of settings and of the connection are told before anything is begun, once, with one code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from core.config import load_settings
from core.errors import SessionError, SettingsError, UnreachableError
from live.checks import check_settings
from live.rehearsal import rehearsal_settings
from live.session import LiveSession
from stores import IBStore, StoreSettings


@pytest.mark.parametrize("zone", ["Mars/City", "", "America", "../etc/localtime", "New York"])
def test_a_zone_that_does_not_exist_is_a_fault_of_the_settings(zone: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, [f'live.zone="{zone}"'])
    said = str(caught.value)
    assert f'live.zone: "{zone}" is no time zone; write one as America/New_York or Europe/Berlin' in said
    assert "\n" not in said


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "UTC"])
def test_zones_that_exist_are_taken(zone: str) -> None:
    assert load_settings(None, [f"live.zone={zone}"]).live.zone == zone


def test_a_sweep_is_refused_with_the_other_faults_of_the_settings() -> None:
    settings = rehearsal_settings(["costs.fx.policy=sweep", "execution=next_close"])
    with pytest.raises(SessionError) as caught:
        check_settings(settings)
    assert 'costs.fx.policy = "sweep": IBKR converts no balances' in str(caught.value)
    assert 'set "borrow"' in str(caught.value) and "next_close" in str(caught.value)


def test_a_sweep_is_refused_though_tws_does_not_run() -> None:
    told: list[str] = []
    session = LiveSession(
        rehearsal_settings(["costs.fx.policy=sweep"]), store=StoreSettings(port=1, start_timeout=2.0), tell=told.append
    )
    with pytest.raises(SessionError, match=r'costs\.fx\.policy = "sweep"'):
        session.run()
    assert told == [] and not Path("state/live").exists()


def refusal(settings: StoreSettings) -> str:
    store = IBStore(settings)
    with pytest.raises(UnreachableError) as caught:
        store.start()
    return str(caught.value)


def test_a_tws_that_does_not_run_is_told_with_one_code_and_no_blame_on_time() -> None:
    said = refusal(StoreSettings(port=1, start_timeout=0.5, backoff_first=0.05))
    assert said.startswith("[HL812] nothing listens on 127.0.0.1:1; start TWS or IB Gateway")
    assert said.count("[HL") == 1 and "within" not in said


def test_a_port_that_says_nothing_is_told_with_one_code() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        said = refusal(StoreSettings(port=port, start_timeout=1.0, login_timeout=0.2, backoff_first=0.05))
        early = refusal(StoreSettings(port=port, start_timeout=0.2, login_timeout=5.0))
    assert said.startswith(f"[HL812] 127.0.0.1:{port} takes the connection") and said.count("[HL") == 1
    # No attempt has ended yet
    assert early.startswith(f"[HL812] 127.0.0.1:{port} has not completed the log-in within 0.2 s; look at the window")
