"""What a session leaves for the next one beside the intent journal: the risk gate, and what interest has cost.

Orders, fills and positions come from the journal. The file is written whole or not at all, once a bar is dealt with.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import backtrader as bt

from analyzers.wiring import account_of
from books.intents import IntentJournal
from core.errors import LedgerError, SessionError

FORMAT = 1
State = Mapping[str, Any]


def taken_state(broker: Any, when: dt.datetime, settings_hash: str) -> dict[str, Any]:
    """The state of a broker as JSON can hold it."""
    account = account_of(broker)
    gate = getattr(broker, "gate", None)
    return {
        "format": FORMAT,
        "at": when.isoformat(),
        "settings_hash": settings_hash,
        "gate": gate.state() if gate is not None else None,
        "account": account.state() if account is not None else None,
    }


def write_state(path: Path, state: State) -> None:
    """Raises LedgerError where it cannot be written; the file of before then stands."""
    beside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            json.dump(state, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise LedgerError(
            f"{path}: the state of the session cannot be written ({error.strerror or error}); free space on the disk "
            f"or set paths.state to another one"
        ) from error


def read_state(path: Path) -> dict[str, Any] | None:
    """None where there is none yet. Raises SessionError for a file that is damaged or of a newer version."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SessionError(f"{path}: cannot be read ({error.strerror or error}); mend its rights") from error
    cure = (
        "put a copy from a backup back, or remove it: losses of the day and the week then count from now, and a kill "
        "switch that is latched in the intent journal stays so"
    )
    try:
        state: dict[str, Any] = json.loads(text)
        version = state["format"]
        dt.datetime.fromisoformat(state["at"])
    except (ValueError, KeyError, TypeError) as error:
        raise SessionError(f"{path}: damaged ({error}); {cure}") from error
    if version != FORMAT:
        raise SessionError(f"{path} has format {version}, this halflife reads {FORMAT}; update halflife, or {cure}")
    return state


class StateWriter:
    """Writes the state after each bar, off the way to its orders: once the strategies have decided and sent.

    ``take`` gives the state as of a bar, ``post`` does something soon in the thread that trades
    (``live.pump.EventPump.post``), ``failed`` is told once where the file cannot be written. Two bars write at once,
    before anything is decided: one on which a loss limit or the kill switch has latched, and one that is over before
    the bar before it was written (bars that were late come without a pause), so the file is never older than one bar.
    """

    def __init__(
        self,
        path: Path,
        take: Callable[[dt.datetime], State],
        post: Callable[[Callable[[], object]], object],
        failed: Callable[[str], object],
    ) -> None:
        self._path = path
        self._take = take
        self._post = post
        self._failed = failed
        self._due: dt.datetime | None = None  # the bar whose state is not on the disk yet
        self._latches: object = None  # as of the last bar
        self._has_failed = False

    def marked(self, when: dt.datetime) -> None:
        """A bar is over."""
        before, self._due = self._due, when
        latched, self._latches = self._latches, latches(self._take(when))
        if before is None and latched == self._latches:
            self._post(self.write)
        else:
            self.write()

    def write(self) -> None:
        """Write what is due; does nothing where nothing is."""
        when, self._due = self._due, None
        if when is None:
            return
        try:
            write_state(self._path, self._take(when))
        except LedgerError as error:
            if not self._has_failed:
                self._failed(str(error))
            self._has_failed = True
        else:
            self._has_failed = False


def latches(state: State) -> object:
    """What holds entries back in a state, however the equity goes on."""
    gate = state["gate"] or {}
    losses, switch = gate.get("losses", {}), gate.get("kill_switch", {})
    return [losses[window]["breached"] for window in ("day", "week") if window in losses], switch.get("killed_on")


def latch_again(journal: IntentJournal, state: State | None) -> None:
    """Latch the kill switch in the journal where the state of before has it and nobody has re-armed it since.

    The journal could not be written when it tripped, as on a full disk. Raises LedgerError where it still cannot.
    """
    switch = ((state or {}).get("gate") or {}).get("kill_switch", {})
    if state is None or not switch.get("killed_on") or journal.killed:
        return
    rearmed = journal.book.rearmed
    if rearmed is None or rearmed.at <= dt.datetime.fromisoformat(str(state["at"])):
        journal.kill(str(switch.get("reason") or "it was on when the last session ended"))


class StateKeeper(bt.Analyzer):
    """Gives a broker the state of the session before, once it has started.

    Params:
      - ``state`` (None): of ``taken_state``
      - ``rearmed`` (False): a person has re-armed the kill switch since
    """

    params = (("state", None), ("rearmed", False))

    def start(self) -> None:
        cerebro = self.strategy.env
        state: State | None = self.p.state
        if state is None or self.strategy is not cerebro.runningstrats[0]:
            return
        broker = cerebro.broker
        when = dt.datetime.fromisoformat(state["at"])
        account, gate = account_of(broker), getattr(broker, "gate", None)
        if account is not None and state["account"] is not None:
            account.restore(state["account"], when)
            broker.paid_until(account.cash.accrued_on)
        if gate is not None and state["gate"] is not None:
            gate.restore(state["gate"])
            if self.p.rearmed:
                gate.reset()
