"""What a log-in has found is named by kind, and nothing is said where nothing was found."""

from __future__ import annotations

import datetime as dt

from lived.runs import live

from core.events import Connection, ConnectionEvent
from gateway import Gateway
from live.findings import in_words
from live.reconcile_records import Finding, FindingKind
from live.rehearsal import rehearsal_settings


def test_kinds_are_counted_and_named() -> None:
    assert in_words([]) == "" and in_words([Finding(FindingKind.MATCHED, "position 5")] * 3) == ""
    kinds = [FindingKind.ADOPTED, FindingKind.HALT, FindingKind.ADOPTED, FindingKind.MATCHED]
    assert in_words(Finding(kind, "") for kind in kinds) == "1 halt, 2 executions that were not known"
    named = [kind for kind in FindingKind if in_words([Finding(kind, "")])]
    assert set(FindingKind) - set(named) == {FindingKind.MATCHED}


def test_a_start_with_positions_as_expected_says_nothing_of_them() -> None:
    settings = rehearsal_settings()
    with Gateway.sample(speed="max") as tws:
        for minute in (35, 36):  # the second one finds the short of the first
            run = live(settings, tws, dt.datetime(2024, 6, 12, 13, minute, tzinfo=dt.UTC))
            told = [
                event.text
                for event in run.events
                if isinstance(event, ConnectionEvent) and event.state is Connection.SYNCHRONISED
            ]
            assert told == ["connected"]
