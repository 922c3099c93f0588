"""Every error halflife raises: one root, a stable code each, and a text that says what, where and the cure.

An error is also the builtin exception that a caller would catch, so ``except ValueError`` keeps working.
Each code has a page in ``docs/errors/<code>.md``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HalflifeError(Exception):
    """Root of all errors of halflife. ``code`` is stable and names the page in docs/errors."""

    code = "HL000"

    def __str__(self) -> str:
        return f"[{self.code}] {super().__str__()}"


class SettingsError(HalflifeError, ValueError):
    """Settings that cannot be read, contradict each other or hold an unknown key."""

    code = "HL100"


class UnknownNameError(SettingsError):
    """A strategy, parameter, symbol, schedule or period that does not exist."""

    code = "HL101"


class SecretMissingError(HalflifeError, KeyError):
    """A secret that the environment does not hold."""

    code = "HL102"

    def __str__(self) -> str:  # KeyError would show the repr of the text
        return f"[{self.code}] {self.args[0] if self.args else ''}"


class FeedError(HalflifeError, ValueError):
    """Bars that cannot be traded on: wrong columns or types, unsorted, duplicated, not finite."""

    code = "HL200"


class FeedEmptyError(FeedError):
    """A feed without a single bar in the asked range."""

    code = "HL201"


class FeedOverlapError(FeedError):
    """Two feeds of a pair that share no bar."""

    code = "HL202"


class FeedTooShortError(FeedError):
    """Fewer bars than the indicators of a strategy need to settle."""

    code = "HL203"


class FeedSourceError(HalflifeError, OSError):
    """A source (file, archive) that cannot be opened or understood."""

    code = "HL204"


class CatalogError(HalflifeError, OSError):
    """A catalog of bars that cannot be opened, read or written, is damaged, or was written by a newer version."""

    code = "HL205"


class SourceAnswerError(FeedSourceError, ConnectionError):
    """A service that gives no usable answer: unreachable, too many requests, wrong key, garbage, half a page."""

    code = "HL206"


class AdjustmentError(FeedError):
    """Corporate actions that contradict each other or the bars, or an adjustment that the bars do not allow."""

    code = "HL207"


class CalendarError(HalflifeError, ValueError):
    """An unknown exchange calendar or a date outside its range."""

    code = "HL300"


class RateError(HalflifeError, LookupError):
    """No exchange rate or interest rate for a currency at a time."""

    code = "HL301"


class CostError(HalflifeError, ValueError):
    """A fee schedule that cannot charge the given fill."""

    code = "HL302"


class StrategyError(HalflifeError, ValueError):
    """A strategy that is given parameters or datas with which it cannot trade."""

    code = "HL400"


class RiskError(HalflifeError, ValueError):
    """Risk settings that cannot be enforced."""

    code = "HL500"


class ResultsError(HalflifeError, OSError):
    """A results folder that exists, is read-only, or a disk that is full."""

    code = "HL600"


class ResultsExistError(ResultsError, FileExistsError):
    """The results folder exists and holds files; nothing was overwritten."""

    code = "HL601"


class LedgerError(HalflifeError, OSError):
    """The trial ledger or the journal cannot be opened or written."""

    code = "HL602"


class LogError(HalflifeError, OSError):
    """The log file cannot be opened or written."""

    code = "HL603"


class IntentError(HalflifeError, RuntimeError):
    """An order that may not be sent now: its instrument is halted, an outcome is unknown, the journal is closed."""

    code = "HL604"


class QualificationError(HalflifeError, ValueError):
    """Real money for parameters that are not qualified, or a qualification that cannot be read."""

    code = "HL605"


class EngineError(HalflifeError, RuntimeError):
    """A graph that cannot be built or run."""

    code = "HL700"


class GatewayError(HalflifeError, ConnectionError):
    """A paper gateway that cannot be started, asked or moved on."""

    code = "HL800"


class FaultScriptError(HalflifeError, ValueError):
    """A script of faults that cannot be understood, or a scenario that does not exist."""

    code = "HL801"


class StoreError(HalflifeError, ConnectionError):
    """The connection to Interactive Brokers cannot be used for what was asked."""

    code = "HL810"


class LibraryError(StoreError):
    """The client library of Interactive Brokers is missing or unusable."""

    code = "HL811"


class UnreachableError(StoreError):
    """TWS or IB Gateway cannot be reached or logged in to."""

    code = "HL812"


class NotSentError(StoreError):
    """Nothing was sent: there is no connection, it is not reconciled yet, or IBKR's servers are lost."""

    code = "HL813"


class UnansweredError(HalflifeError, TimeoutError):
    """A request was sent and not answered in time, or the connection was lost meanwhile: its outcome is unknown."""

    code = "HL814"


class RequestError(HalflifeError, ValueError):
    """A request that IBKR refuses, or an order that it would."""

    code = "HL815"


class ContractError(RequestError):
    """A contract that IBKR does not know, or of which it knows several: then those are its ``candidates``."""

    code = "HL816"
    candidates: tuple[str, ...] = ()  # exchange, currency and con_id of each


class AccountError(HalflifeError, PermissionError):
    """An account that this log-in does not have, or whose kind is not the one that is expected."""

    code = "HL817"


class SessionError(HalflifeError, RuntimeError):
    """A live session that cannot begin or go on."""

    code = "HL820"


class RealMoneyError(HalflifeError, PermissionError):
    """Real money without what it takes: the account named, ``--real-money``, a qualification."""

    code = "HL821"


class RecordError(HalflifeError, OSError):
    """The record of a live day that cannot be written or read."""

    code = "HL822"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, else the list of what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""
