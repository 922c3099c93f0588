"""Exchange rates at the start of a session. IBKR tells that of a currency once the account holds it: until then the
middle of bid and ask of the currency pair counts, so that the book need not change its rate in the middle of a day."""

from __future__ import annotations

import logging

from core.errors import ContractError
from core.logs import log_event
from core.settings import Settings
from live.reconcile_store import CURRENCY_PAIR
from live.values import ReportedAccount
from stores import ContractSpec, IBStore
from stores.errors import NotSentError, RequestError, StoreError, UnansweredError

logger = logging.getLogger(__name__)
EXCHANGE = "IDEALPRO"
TRIES = 3  # of a question whose answer is lost


def ask_rates(store: IBStore, settings: Settings, reported: ReportedAccount) -> list[str]:
    """Ask for the rates that IBKR has not told and the book needs; a sentence on each that nobody knows.

    Nothing is asked where the book is kept at the rates of the settings.
    """
    if settings.live.fx != "broker":
        return []
    sentences: list[str] = []
    base = settings.account.currency
    currencies = {settings.instruments[symbol].currency for symbol in settings.traded_symbols}
    for currency in sorted(currencies - {base}):
        if reported.rate(currency) is not None:
            continue
        rate, why = _asked(store, currency, base)
        if rate is not None:
            reported.quoted[currency] = rate
            log_event(logger, "rate", currency=currency, base=base, rate=rate)
            continue
        constant = settings.costs.fx.rates.get(currency)
        instead = "of costs.fx.files" if currency in settings.costs.fx.files else f"of {constant:g} in costs.fx.rates"
        sentences.append(
            f"IBKR tells no rate of {currency} to {base} ({why}): the book is kept at the one {instead} until the "
            f"account holds {currency}, and sizes change with it then; set a rate that is near today's"
        )
    return sentences


def _asked(store: IBStore, currency: str, base: str) -> tuple[float | None, str]:
    """Units of ``base`` for one of ``currency``, by the pair that IBKR deals in; or why there is none."""
    why = ""
    for spec in (
        ContractSpec(base, CURRENCY_PAIR, EXCHANGE, currency),
        ContractSpec(currency, CURRENCY_PAIR, EXCHANGE, base),
    ):
        try:
            middle = _middle(store, spec)
        except ContractError as error:
            why = why or str(error.args[0])
            continue
        except (StoreError, UnansweredError, RequestError) as error:
            return None, str(error.args[0])
        if middle is None:
            return None, f"{spec.symbol}.{spec.currency} has no history"
        return (1.0 / middle if spec.symbol == base else middle), ""
    return None, why


def _middle(store: IBStore, spec: ContractSpec) -> float | None:
    """The last middle of bid and ask; the pair is dealt in around the clock, but for the weekend."""
    pair = store.qualify(spec)
    for left in reversed(range(TRIES)):
        try:
            rows = store.history(pair, duration="1 D", bar="1 min", what="MIDPOINT", rth=False)
        except (NotSentError, UnansweredError):
            if not left:
                raise
        else:
            return rows[-1].close if rows and rows[-1].close > 0.0 else None
    return None
