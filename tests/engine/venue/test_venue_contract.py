"""The contract of brokers: on the gateway's market within the process, and on bars alone."""

from __future__ import annotations

from contracted.on_bars import run_on_bars
from contracted.on_market import run_on_market
from contracted.suite import BrokerContract

_NO_MODIFY = "an order on bars is cancelled and sent anew"
_NO_VENUE = "nobody corrects what was filled on bars"


class TestMarketVenue(BrokerContract):
    run = staticmethod(run_on_market)


class TestSimBroker(BrokerContract):
    """Where it differs is in docs/broker.md."""

    run = staticmethod(run_on_bars)
    differs = {
        "test_a_trailing_stop_follows_the_price_and_never_back": "it follows closes of minutes",
        "test_a_trailing_stop_limit_keeps_its_distance": "it follows closes of minutes",
        "test_an_order_is_good_till_its_time": "the time is compared with the end of the bar",
        "test_a_cancelled_order_is_alive_until_the_venue_says_so": "it is cancelled at once",
        "test_a_price_is_changed": _NO_MODIFY,
        "test_a_size_is_changed": _NO_MODIFY,
        "test_a_change_that_is_refused_leaves_the_order_as_it_was": _NO_MODIFY,
        "test_partial_fills_are_told_one_by_one": "one fill in a minute",
        "test_an_order_that_the_venue_does_not_take_is_rejected_with_its_words": "it takes fractions of shares",
        "test_an_order_beyond_the_margin_is_a_margin_call_with_ibkrs_words": "a margin call has no words",
        "test_a_sale_without_shares_to_borrow_waits": "that is the gate's, which is off here",
        "test_an_execution_is_corrected": _NO_VENUE,
        "test_an_execution_is_taken_back": _NO_VENUE,
    }
