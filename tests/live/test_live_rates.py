"""The exchange rates of the book from the first bar on, of sessions on the paper gateway in lockstep."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gateway import Gateway
from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLB, Sample, make_sample
from gateway.data.tape import Tape
from live.record_files import records_of
from live.rehearsal import rehearsal_settings, rehearsal_store
from live.replay import replay
from live.session import LiveSession

DAY = dt.date(2024, 6, 12)
UNTIL = dt.datetime(2024, 6, 12, 13, 40, tzinfo=dt.UTC)  # meanrev enters at 13:32 and leaves later
FX_OF_THE_SETTINGS = 0.90


def _run(tws: Gateway, *changes: str) -> tuple[list[float], list[str], LiveSession]:
    """Rates of USD at each bar, and what was told."""
    settings, rates, told = rehearsal_settings(changes), list[float](), list[str]()

    def marked(when: dt.datetime, broker: Any) -> None:
        rates.append(broker.account.cash.fx.rate("USD", when))

    session = LiveSession(
        settings, store=rehearsal_store(tws, settings), clock=tws.tws.clock, lockstep=True, until=UNTIL,
        tell=told.append, marked=marked,
    )  # fmt: skip
    session.run()
    assert tws.call(lambda state: len(state.market.executions)) >= 1  # there is USD cash at the end
    return rates, told, session


def _without_pair(made: Sample) -> Gateway:
    """A gateway that has never heard of EUR.USD."""
    stocks = (XMPLA, XMPLB)
    tape = Tape({each: made.bars[each] for each in stocks}, {each: made.quotes[each] for each in stocks}, bar_seconds=1)
    book = ContractBook(stocks)
    return Gateway(tape, book, History(tape, book, {each: made.frames[each] for each in stocks}), speed="max")


def test_the_book_has_the_rate_of_the_pair_from_the_first_bar_on() -> None:
    made = make_sample(DAY)
    with Gateway.sample(DAY, speed="max") as tws:
        start = tws.tws.clock.now()
        rates, told, session = _run(tws)
    quotes = made.quotes[EURUSD].loc[:start]
    before = float((quotes.bid + quotes.ask).iloc[-1]) / 2.0
    assert rates[0] == pytest.approx(1.0 / before, rel=1e-5) and rates[0] != FX_OF_THE_SETTINGS
    assert len(set(rates)) > 1  # IBKR's own rate follows
    assert max(rates) / min(rates) - 1.0 < 0.001  # 0.90 to 0.909 would be 0.01
    assert not [text for text in told if "no rate" in text]
    assert session.places is not None
    (folder,) = records_of(session.places.days, "2024-06-12")
    assert replay(folder).is_same


def test_without_the_pair_the_settings_hold_and_it_is_said() -> None:
    with _without_pair(make_sample(DAY)) as tws:
        rates, told, _ = _run(tws)
    assert set(rates) == {FX_OF_THE_SETTINGS}
    (sentence,) = [text for text in told if "no rate" in text]
    assert sentence.startswith("IBKR tells no rate of USD to EUR (") and "0.9 in costs.fx.rates" in sentence
    assert "set a rate that is near today's" in sentence


@pytest.mark.parametrize("code", [162, 354])
def test_a_pair_without_history_is_the_same_as_none(code: int) -> None:
    fault = f"on reqHistoricalData where whatToShow=MIDPOINT: error {code}; drop"
    with Gateway.sample(DAY, speed="max", faults=(fault,)) as tws:
        rates, told, _ = _run(tws)
    assert rates[0] == FX_OF_THE_SETTINGS
    assert [text for text in told if text.startswith("IBKR tells no rate of USD to EUR (")]


def test_with_the_rates_of_the_settings_nothing_is_asked() -> None:
    with Gateway.sample(DAY, speed="max") as tws:
        rates, told, _ = _run(tws, "live.fx=settings")
    assert set(rates) == {FX_OF_THE_SETTINGS} and not [text for text in told if "no rate" in text]
