"""``halflife reconcile``: what an account's journal holds back, and the decisions that only a person can take.

It reads the journal at any time; a decision is written while `halflife live` does not run.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import Debug, console, readable
from core.config import load_settings
from core.errors import IntentError, LedgerError, SessionError, did_you_mean
from core.settings import PathSettings, Settings

if TYPE_CHECKING:
    from books.intents import IntentJournal
    from books.intents_book import IntentBook
    from live.places import Places

NOTHING_DONE = "Stopped; nothing was decided."
WHOLE_ACCOUNT = "account"


def reconcile(
    settings: Annotated[
        Path | None, typer.Argument(metavar="SETTINGS.toml", help="For paths.state, live.account and names of units.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Instead of paths.state.", show_default=False)
    ] = None,
    account: Annotated[
        str, typer.Option("--account", metavar="ACCOUNT", help="Where several have traded.", show_default=False)
    ] = "",
    accept: Annotated[
        str,
        typer.Option(
            "--accept",
            metavar="SYMBOL",
            help="Accept a difference: as your own, or with --unit into its book, at --price.",
            show_default=False,
        ),
    ] = "",
    adopt: Annotated[
        str,
        typer.Option(
            "--adopt",
            metavar="SYMBOL",
            help="Give units that you bought by hand to --unit, at --price.",
            show_default=False,
        ),
    ] = "",
    quantity: Annotated[
        float | None,
        typer.Option(
            "--quantity",
            metavar="N",
            help="Signed units, short < 0. --accept takes the whole difference without it.",
            show_default=False,
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", metavar="UNIT", help="Of the settings: whose book.", show_default=False)
    ] = "",
    resolve: Annotated[
        str,
        typer.Option(
            "--resolve", metavar="REF", help="Say what became of an order: --filled, --price.", show_default=False
        ),
    ] = "",
    filled: Annotated[
        float | None,
        typer.Option("--filled", metavar="N", help="Units filled that no execution tells.", show_default=False),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            "--price",
            metavar="P",
            help="Per unit, in the instrument's currency. --accept needs it where units of --unit are closed.",
            show_default=False,
        ),
    ] = None,
    release: Annotated[
        str,
        typer.Option(
            "--release", metavar="SYMBOL", help="End a halt; 'account' for that of the account.", show_default=False
        ),
    ] = "",
    rearm: Annotated[bool, typer.Option("--rearm", metavar="", help="Let trading go on after a kill.")] = False,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="A reason, kept in the journal.")
    ] = "by halflife reconcile",
    debug: Debug = False,
) -> None:
    """Show what is halted or in doubt, with the commands that mend it, and take a decision.

    --accept and --release take a symbol or a conId.
    """
    with readable(debug, NOTHING_DONE):
        chosen = [name for name, given in _given(accept, adopt, resolve, release, rearm) if given]
        if len(chosen) > 1:
            raise SessionError(f"{' and '.join(chosen)} are two decisions; give them one after the other")
        if price is not None and not (accept or adopt or resolve):
            raise SessionError("--price belongs to --accept, --adopt or --resolve; leave it out here")
        config = load_settings(settings) if settings is not None else None
        places = _places(config, state, account)
        if chosen:
            _decide(places, config, accept, adopt, quantity, unit, resolve, filled, price, release, why)
        _show(places, state)


def _given(accept: str, adopt: str, resolve: str, release: str, rearm: bool) -> list[tuple[str, bool]]:
    return [
        ("--accept", bool(accept)),
        ("--adopt", bool(adopt)),
        ("--resolve", bool(resolve)),
        ("--release", bool(release)),
        ("--rearm", rearm),
    ]


def _places(config: Settings | None, state: Path | None, account: str) -> Places:
    from live.places import find_account

    paths = config.paths if config is not None else PathSettings()
    return find_account(state or paths.state, account or (config.live.account if config is not None else ""))


def _show(places: Places, state: Path | None) -> None:
    from books.intents import read_book
    from commands.reconcile_tables import standing

    suffix = f" --state {state}" if state is not None else ""
    for part in standing(read_book(places.intents), suffix):
        console.print(part)


def _decide(
    places: Places,
    config: Settings | None,
    accept: str,
    adopt: str,
    quantity: float | None,
    unit: str,
    resolve: str,
    filled: float | None,
    price: float | None,
    release: str,
    why: str,
) -> None:
    """Write one decision. Raises SessionError and IntentError for one that cannot be, LedgerError while live runs."""
    with _opened(places) as journal:
        book = journal.book
        if unit:
            _check_unit(unit, book, config)
        if accept:
            con_id, symbol = _instrument(book, accept)
            size = _difference(book, con_id, symbol) if quantity is None else _number("--quantity", quantity)
            journal.accept(con_id, symbol, size, why, unit, _price(price))
            at = f" at {price:,.12g}" if price is not None else ""
            said = f"{size:+,.12g} {symbol}{at} accepted {f'into the book of {unit}' if unit else 'as your own'}."
        elif adopt:
            paid = _price(price)
            if quantity is None or paid is None or not unit:
                raise SessionError("--adopt needs --quantity, --unit and --price")
            con_id, symbol = _instrument(book, adopt)
            journal.adopt(con_id, symbol, unit, _number("--quantity", quantity), paid)
            said = f"{quantity:+,.12g} {symbol} at {price:,.12g} adopted by {unit}."
        elif resolve:
            if filled is None or (price is None and filled):
                raise SessionError("--resolve needs --filled and, where anything was filled, --price")
            journal.resolve(resolve, _number("--filled", filled), _price(price) or 0.0, why)
            said = f"{resolve}: {filled:,.12g} filled, and done."
        elif release:
            con_id, symbol = (0, WHOLE_ACCOUNT) if release in ("0", WHOLE_ACCOUNT) else _instrument(book, release)
            if not any(halted == con_id for _, halted, _ in book.halts):
                raise IntentError(f"{symbol} is not halted, so there is nothing to release; see `halflife reconcile`")
            journal.release(con_id, why)
            said = f"{symbol} is released."
        else:
            if not journal.killed:
                raise IntentError("the kill switch is not latched, so there is nothing to re-arm")
            journal.rearm(why)
            said = "The kill switch is armed again; trading goes on with the next `halflife live`."
    console.print(said, highlight=False)


def _opened(places: Places) -> IntentJournal:
    """The journal, to be written. Raises LedgerError, and says what to do while live trading holds it."""
    from books.intents import IntentJournal

    try:
        return IntentJournal(places.intents, places.account)
    except LedgerError as error:
        if "is held by" not in str(error):
            raise
        holder = str(error).partition("is held by ")[2].partition(":")[0]
        raise LedgerError(
            f"`halflife live` runs on {places.account} ({holder}) and alone may write its journal: stop it (Ctrl-C "
            f"leaves positions and their protective orders as they are), give this command again, and start it again"
        ) from error


def _instrument(book: IntentBook, name: str) -> tuple[int, str]:
    """conId and symbol of what is named by either. Raises SessionError where the journal does not know it."""
    if name.isascii() and name.isdigit() and int(name) in book.symbols:
        return int(name), book.symbols[int(name)]
    found = sorted(con_id for con_id, symbol in book.symbols.items() if symbol == name.upper())
    if not found:
        known = did_you_mean(name.upper(), set(book.symbols.values())) or "; it knows none"
        raise SessionError(f"the journal knows no instrument {name}{known}")
    if len(found) > 1:
        raise SessionError(f"{name} is several instruments, of conId {', '.join(map(str, found))}; give the conId")
    return found[0], book.symbols[found[0]]


def _difference(book: IntentBook, con_id: int, symbol: str) -> float:
    """Units that were found beyond those expected, from the halt of the instrument."""
    for (_, halted, _), halt in book.halts.items():
        if halted == con_id and halt.found is not None and halt.expected is not None:
            return halt.found - halt.expected
    raise SessionError(f"no difference of {symbol} is known; give --quantity, or see `halflife reconcile`")


def _check_unit(unit: str, book: IntentBook, config: Settings | None) -> None:
    if config is not None:
        known = set(config.units)
    else:
        holding = {held for held, _ in book.unit_positions() if held}
        known = {order.intent.unit for order in book.orders.values()} | holding
    if unit not in known:
        hint = did_you_mean(unit, known) or "; give the settings file, which names its units"
        raise SessionError(f"there is no unit {unit!r}{hint}")


def _price(value: float | None) -> float | None:
    if value is not None and _number("--price", value) <= 0.0:
        raise SessionError(f"--price {value} is no price; give what one unit was traded at, above zero")
    return value


def _number(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise SessionError(f"{name} {value} is not a finite number")
    return value
