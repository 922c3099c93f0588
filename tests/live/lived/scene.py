"""The sample's pair at a gateway in lockstep, what its account holds, and trades by somebody else."""

from __future__ import annotations

import datetime as dt

from lived import desks

from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape
from gateway.model import Instrument, Order
from gateway.tws import Tws

OPEN = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)


def at(minutes: int, seconds: int = 3) -> dt.datetime:
    """After the open of the sample's day."""
    return OPEN + dt.timedelta(minutes=minutes, seconds=seconds)


def sample(*faults: str, minute_days: int = 1) -> Gateway:
    made = desks.sample(minute_days=minute_days)
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1), made.book()
    return Gateway(tape, book, made.history(tape, book), speed="max", faults=faults)


def held(gateway: Gateway, instrument: Instrument = XMPLA) -> float:
    """Signed units of the only account."""
    return gateway.call(lambda tws: next(iter(tws.accounts)).held(instrument.con_id))


def working(gateway: Gateway) -> list[Order]:
    return gateway.call(lambda tws: list(tws.market.open_orders()))


def by_hand(tws: Tws, signed: float) -> None:
    """An order at market of another client, in the instrument that was traded first."""
    known = next(iter(tws.market.orders.values()))
    terms = {
        **known.terms, "action": "BUY" if signed > 0 else "SELL", "totalQuantity": abs(signed), "orderType": "MKT",
        "orderRef": "", "tif": "DAY", "parentId": 0, "ocaGroup": "", "transmit": True,
    }  # fmt: skip
    tws.market.place(tws.market.new_order(0, 900_001, "DU1234567", known.instrument, dict(known.contract), terms))
