"""Where a live account keeps what must survive: one folder for each account, below ``paths.state``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from books.intents_file import KIND
from books.intents_lock import ProcessLock
from core.errors import SessionError

LIVE = "live"  # folder in paths.state
REHEARSALS = "rehearsals"  # the same: each has a folder of its own in it, since each begins with a new account


@dataclass(frozen=True, slots=True)
class Places:
    """Files of one account: ``paths.state/live/ACCOUNT/``."""

    folder: Path

    @classmethod
    def of(cls, state: str | Path, account: str) -> Places:
        return cls(Path(state) / LIVE / account)

    @property
    def account(self) -> str:
        return self.folder.name

    @property
    def intents(self) -> Path:
        """The intent journal."""
        return self.folder / "intents.sqlite"

    @property
    def events(self) -> Path:
        """What happened, as dated events: ``books.journal.Journal``."""
        return self.folder / "events.sqlite"

    @property
    def state(self) -> Path:
        """The risk gate and the account as the last bar left them."""
        return self.folder / "state.json"

    @property
    def days(self) -> Path:
        """Records of days, for ``halflife replay``."""
        return self.folder / "days"


def accounts_in(state: str | Path) -> list[str]:
    """Accounts that have an intent journal below ``state``, sorted."""
    return sorted(file.parent.name for file in (Path(state) / LIVE).glob("*/intents.sqlite"))


def rehearsed(state: str | Path) -> list[Places]:
    """Accounts of rehearsals below ``state``, or in the folder of rehearsals itself; the newest last."""
    found = [
        (file.parents[2].name, Places(file.parent))
        for below in (Path(state) / REHEARSALS, Path(state))
        for file in below.glob(f"*/{LIVE}/*/intents.sqlite")
    ]
    return [places for _, places in sorted(found, key=lambda each: each[0])]


def find_account(state: str | Path, account: str = "") -> Places:
    """The folder of ``account``, or of the only one that there is. Raises SessionError where it has no journal."""
    known = accounts_in(state)
    where = Path(state) / LIVE
    if not known:
        raise SessionError(
            f"no account has traded live below {where}; `halflife live` makes its journal, and --state names another "
            f"folder (paths.state)"
        )
    if account and account not in known:
        raise SessionError(f"{account} has no journal below {where}; there are {', '.join(known)}")
    if not account and len(known) > 1:
        raise SessionError(
            f"several accounts have a journal below {where}; name one with --account: {', '.join(known)}"
        )
    return Places.of(state, account or known[0])


def refuse_second(state: str | Path, account: str = "") -> None:
    """Raise LedgerError where another process trades the account (or the only one there is), before anything is done.

    Without it the second one would wait for a log-in that the first one has.
    """
    known = [account] if account else accounts_in(state)
    if len(known) == 1 and (place := Places.of(state, known[0])).intents.exists():
        ProcessLock(place.intents.with_name(place.intents.name + ".lock"), f"{KIND} {place.intents}").release()


def refuse_without_journal(places: Places) -> None:
    """Raise SessionError where an account has traded here and its intent journal is gone."""
    others = [file for file in (places.state, places.events, places.days) if file.exists()]
    if places.intents.exists() or not others:
        return
    there = " and ".join(file.name for file in others)
    raise SessionError(
        f"{places.intents} is gone, while there is {there} beside it: put its newest copy back from a backup. A new "
        f"journal does not know what halflife holds and takes its positions for your own; to begin with one all the "
        f"same, move {places.folder} away"
    )
