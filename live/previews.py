"""IBKR's own preview (what-if) of the margin that large entries would need."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from books.rates import Rates
from core.errors import NotSentError, RateError, RequestError, StoreError, UnansweredError
from core.orders import Refusal
from engine.venue import VenueOrder, VenueRefused
from live.values import ReportedAccount
from live.venue_desk import VenueDesk
from stores import OrderTerms
from stores.codes import is_margin
from stores.errors import RequestRefused
from stores.records import WhatIf

logger = logging.getLogger(__name__)


class Previews:
    """Asks for entries of at least ``live.what_if_eur``; 0 asks for none."""

    def __init__(self, desk: VenueDesk, reported: ReportedAccount) -> None:
        self._desk = desk
        self._reported = reported
        self._rates = Rates.exchange(desk.settings.costs.fx, desk.settings.account.currency)

    def check(self, entries: Sequence[VenueOrder]) -> None:
        """Raises VenueRefused where IBKR's numbers say that the margin is not enough, or it does not say."""
        least = self._desk.settings.live.what_if_eur
        values = [self._value_eur(order) for order in entries]
        if not least or not entries or (None not in values and sum(v for v in values if v is not None) < least):
            return
        margin, equity = 0.0, float("inf")
        told = []
        for order in entries:
            preview = self._ask(order)
            if preview.init_margin_change is None or preview.equity_with_loan_after is None:
                continue  # a kind of account without margins
            before = preview.init_margin_before or 0.0
            margin = (margin or before) + preview.init_margin_change
            equity = min(equity, preview.equity_with_loan_after)
            told.append(f"{order.action} {order.quantity:.12g} {order.symbol} needs {preview.init_margin_change:,.2f}")
        if margin > equity:
            raise VenueRefused(
                Refusal.NO_MARGIN,
                f"IBKR's preview: {'; '.join(told)}; initial margin {margin:,.2f} would be above the equity with loan "
                f"value of {equity:,.2f}",
            )

    def _ask(self, order: VenueOrder) -> WhatIf:
        desk = self._desk
        what = f"{order.action} {order.quantity:.12g} {order.symbol}"
        try:
            desk.store.raise_order_ids(desk.journal.book.order_id_mark + 1)
            terms = OrderTerms(
                order_id=desk.store.next_order_id(), order_ref="", action=order.action, quantity=order.quantity,
                kind=order.kind, tif=order.tif, limit_price=order.limit_price, aux_price=order.aux_price,
                trail_stop_price=order.trail_stop_price, trailing_percent=order.trailing_percent,
                limit_offset=order.limit_offset, good_till=order.good_till, account=desk.journal.account,
            )  # fmt: skip
            return desk.store.what_if(desk.instruments[order.symbol], terms)
        except RequestRefused as refused:
            reason = Refusal.NO_MARGIN if is_margin(refused.said) else Refusal.NOT_SENT
            raise VenueRefused(
                reason, f"IBKR's preview of {what}: {refused.number} {refused.said.strip()}"
            ) from refused
        except (RequestError, NotSentError, StoreError, UnansweredError) as error:
            raise VenueRefused(Refusal.NOT_SENT, f"no preview of {what}: {error.args[0]}") from error

    def _value_eur(self, order: VenueOrder) -> float | None:
        """None where no price is known yet."""
        instrument = self._desk.instruments[order.symbol]
        price = order.limit_price or order.aux_price or self._desk.prices.get(instrument.con_id)
        rate = self._reported.rate(instrument.currency) or self._rate_of_settings(instrument.currency)
        if price is None or rate is None:
            return None
        return order.quantity * price * instrument.multiplier * rate

    def _rate_of_settings(self, currency: str) -> float | None:
        try:
            return self._rates.rate(currency, self._desk.clock.now())
        except RateError:
            return None
