"""Each scenario of market data strikes a rehearsal: it shows in what the session tells or logs, by either stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import commands
from gateway.faults.scenarios import FAMILIES

STREAMS = ("realtime", "update")
HISTORY = "IBKR tells no rate of USD to EUR"  # the first request for history asks for it
HALTED = "XMPLA: CONNBROKEN (silent for"
REVIVED = "stream_revived"

# scenario -> its settings, what the session says or logs then and on no other day
SEEN: dict[str, tuple[str, str]] = {
    "history_no_data": ("", f"{HISTORY} (EUR.USD has no history)"),
    "history_pacing": ("", "request pacing violation"),
    "history_cancelled": ("", HISTORY),
    "history_other_address": ("", "connected from a different IP address"),
    "history_no_permission": ("", "No market data permissions"),
    "history_rate": ("count=1,seconds=60", "request pacing violation"),
    "not_subscribed": ("", "IBKR sends no market data of XMPLA (Requested market data is not subscribed.)"),
    "needs_subscription": ("", "IBKR sends no market data of XMPLA (Requested market data requires additional"),
    "delayed_shown": ("", "refused by the gate (blind): XMPLA: IBKR sends delayed data"),
    "delayed_disabled": ("", "Delayed market data is not enabled.): subscribe to it"),
    "competing_session": ("", "data of XMPLA: CONNBROKEN"),
    "updates_dead": ("", "data of XMPLA: CONNBROKEN"),
    "midnight_silence": ("when=at 09:35 exchange", REVIVED),
    "silent_feed": ("", HALTED),
    "stale_data": ("", "sold 324 XMPLA"),  # at another price than on a day without it
    "outlier_tick": ("n=23", "% from 6"),  # of updates the last of a bar counts: the 12th of XMPLA
    "outlier_print": ("", "% from 6"),
    "bar_corrupt": ("n=23", "bar_refused"),
    "crossed_quote": ("", "of quotes alone, and a session trades on bars"),
    "bars_out_of_order": ("", "13:31:10 meanrev: sold 323 XMPLA at 60.98"),  # five seconds later than without it
    "split_overnight": ("when=at 09:35 exchange", "XMPLA is halted (halt): -323 found, 0 expected"),
    "symbol_halt": ("", HALTED),
}
UNSEEN = {
    ("history_rate", "update"),  # bars of a minute are not paced, bars of five seconds are
    ("bars_out_of_order", "update"),  # an update that is behind the next one of its bar
}
SAMPLE = [("not_subscribed", "realtime"), ("needs_subscription", "update"), ("competing_session", "realtime")]
ALL = [
    pytest.param(name, stream, marks=[] if (name, stream) in SAMPLE else [pytest.mark.slow])
    for name in SEEN
    for stream in STREAMS
]


def rehearsed(stream: str, *faults: str) -> tuple[str, str]:
    """What is told by the end, and all that is told or logged, of a rehearsal of a quarter of an hour."""
    outcome = CliRunner().invoke(
        commands.app,
        [
            "live", "--rehearse", "--until", "09:45", "--set", f"live.stream={stream}", "--set", "live.record=false",
            *(part for fault in faults for part in ("--fault", fault)),
        ],
    )  # fmt: skip
    logs = [path.read_text(encoding="utf-8") for path in Path("state/logs").glob("live-*")]
    told = " ".join((outcome.stdout + outcome.stderr.replace("│", " ")).split())
    return told, " ".join([told, *logs])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What a day without faults says, by its stream."""
    known: dict[str, str] = {}

    def of(stream: str) -> str:
        if stream not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path_factory.mktemp(stream))
                known[stream] = rehearsed(stream)[1]
        return known[stream]

    return of


def test_every_scenario_of_market_data_is_rehearsed() -> None:
    assert list(SEEN) == list(FAMILIES["Market data and history"])


@pytest.mark.parametrize(("name", "stream"), ALL)
def test_a_scenario_of_market_data_strikes_a_session(name: str, stream: str, clean: Callable[[str], str]) -> None:
    settings, words = SEEN[name]
    fault = f"{name}:{settings}" if settings else name
    told, seen = rehearsed(stream, fault)
    if (name, stream) not in UNSEEN:
        assert words in seen and words not in clean(stream)
    if "error" not in told:  # the session ran to its end
        ends = {"history_rate": "it held from the start.", "crossed_quote": "of quotes alone"}
        assert f"Fault {fault}: {ends.get(name, 'it struck.')}" in told
