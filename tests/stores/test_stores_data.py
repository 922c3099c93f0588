"""Contracts, history and streams against the paper gateway: what is refused, dead, late or delayed, and what comes."""

from __future__ import annotations

import datetime as dt

import pytest
from stored.desk import OPEN, Desk, desk

from stores import ContractSpec, Instrument
from stores.codes import Reaction
from stores.errors import ContractError, NotSentError, RequestError, RequestRefused, UnansweredError
from stores.events import BarArrived, ErrorReported, FarmChanged, StreamChanged, StreamState, TickArrived

L = StreamState


def bars(one: Desk) -> list[BarArrived]:
    return one.of(BarArrived)


def states(one: Desk, stream: int) -> list[StreamState]:
    return [each.state for each in one.of(StreamChanged) if each.stream == stream]


# -- contracts --------------------------------------------------------------------------------------------------------


def test_a_contract_is_asked_for_once_and_tells_ticks_and_hours() -> None:
    with desk("on reqContractDetails 2: drop") as one:
        first = one.instrument()
        assert one.instrument() is first
        assert (first.con_id, first.symbol, first.primary_exchange, first.currency) == (
            900_000_001,
            "XMPLA",
            "NYSE",
            "USD",
        )
        assert first.min_tick == 0.01 and first.exchange == "SMART"
        assert one.store.market_rule(first.market_rule)[0].increment == 0.01
        opens, closes = first.liquid_hours[0]
        assert (opens, closes) == (OPEN.replace(hour=13, minute=30), OPEN.replace(hour=20, minute=0))
        by_id = ContractSpec(con_id=900_000_001)
        with pytest.raises(UnansweredError, match="contract exchange=SMART currency=USD con_id=900000001|contract sec"):
            one.store.qualify(by_id)
        assert one.store.qualify(by_id).key == first.key


def test_an_unknown_contract_and_an_ambiguous_one_are_refused_with_the_cure() -> None:
    with desk() as one:
        with pytest.raises(ContractError, match="IBKR knows no contract symbol=NOPE"):
            one.store.qualify(ContractSpec("NOPE"))
        with pytest.raises(ContractError, match="3 contracts fit symbol=XMPLD .*con_id=900000021.*; give primary_ex"):
            one.store.qualify(ContractSpec("XMPLD", currency=""))
        assert one.store.qualify(ContractSpec("XMPLD", currency="EUR")).con_id == 900_000_023
        assert one.store.qualify(ContractSpec("XMPLD", exchange="SMART", currency="GBP")).primary_exchange == "LSE"
        one.settle()
        assert [each.code for each in one.of(ErrorReported) if each.order_id is not None] == []


# -- history ----------------------------------------------------------------------------------------------------------


def ask(one: Desk, instrument: Instrument, minutes: int = 10) -> list[dt.datetime | dt.date]:
    got = one.store.history(instrument, duration=f"{minutes * 60} S", bar="1 min", end=OPEN)
    return [each.start for each in got]


def test_history_is_in_utc_and_ends_where_it_is_asked_to() -> None:
    with desk() as one:
        instrument = one.instrument()
        assert ask(one, instrument) == [OPEN - dt.timedelta(minutes=10 - n) for n in range(10)]
        days = one.store.history(instrument, duration="3 D", bar="1 day")
        assert all(type(each.start) is dt.date for each in days) and len(days) == 3
        middle = one.store.history(instrument, duration="600 S", bar="1 min", end=OPEN, what="MIDPOINT")
        assert all(each.wap is None and each.count is None and each.volume == 0.0 for each in middle) and middle
        head = one.store.head_timestamp(instrument)
        assert head.tzinfo is dt.UTC and head < OPEN


def test_no_data_is_empty_and_not_a_failure() -> None:
    with desk("history_no_data") as one:
        assert ask(one, one.instrument()) == []
        assert len(ask(one, one.instrument())) == 10


def test_a_pacing_violation_is_waited_out_and_asked_again() -> None:
    with desk("history_pacing") as one:
        before = one.tws.now()
        assert len(ask(one, one.instrument())) == 10
        assert one.codes() == [162] and one.tws.now() - before >= dt.timedelta(seconds=15)


@pytest.mark.parametrize("fault", ["history_no_permission", "history_other_address", "history_cancelled"])
def test_what_asking_again_does_not_mend_is_raised(fault: str) -> None:
    with desk(fault) as one:
        with pytest.raises(
            RequestRefused, match="history of XMPLA .1 min, 600 S to .*: IBKR refuses with 162"
        ) as caught:
            ask(one, one.instrument())
        assert caught.value.number == 162


def test_our_own_pacing_keeps_the_limits_of_small_bars() -> None:
    with desk() as one:
        instrument, began = one.instrument(), one.tws.now()
        for n in range(70):
            end = OPEN - dt.timedelta(minutes=n)
            assert one.store.history(instrument, duration="60 S", bar="5 secs", end=end, rth=False) is not None
        for _ in range(2):
            one.store.history(instrument, duration="60 S", bar="5 secs", end=OPEN, rth=False)
        assert one.codes().count(162) == 0 or all(
            "pacing" not in each.text for each in one.of(ErrorReported) if each.code == 162
        )
        assert one.tws.now() - began >= dt.timedelta(minutes=10)


def test_a_tighter_limit_is_met_by_waiting() -> None:
    with desk("history_rate:count=5,seconds=60") as one:
        instrument = one.instrument()
        for n in range(8):
            end = OPEN - dt.timedelta(minutes=n)
            assert len(one.store.history(instrument, duration="60 S", bar="5 secs", end=end)) == 12


def test_history_waits_for_its_farm() -> None:
    with desk("history_farm_broken:after=5,seconds=60", settings={"history_timeout": 0.3}) as one:
        instrument = one.instrument()
        one.after(6)
        assert [(each.kind, each.is_up) for each in one.of(FarmChanged)][-1] == ("history", False)
        with pytest.raises(NotSentError, match="history farm is down"):
            ask(one, instrument)
        one.after(61)
        assert [(each.kind, each.is_up) for each in one.of(FarmChanged)][-1] == ("history", True)
        assert len(ask(one, instrument)) == 10 and one.store.is_ready


def test_history_without_an_answer_is_bounded_and_cancelled() -> None:
    with desk("on reqHistoricalData 1: drop", settings={"history_timeout": 0.2}) as one:
        with pytest.raises(UnansweredError, match="no answer within 0.2 s"):
            ask(one, one.instrument())
        assert len(ask(one, one.instrument())) == 10


def test_history_over_a_drop_is_asked_again() -> None:
    with desk("on reqHistoricalData 1: close before") as one:
        assert len(ask(one, one.instrument())) == 10


def test_bars_that_do_not_exist_are_named() -> None:
    with desk() as one, pytest.raises(RequestError, match="IBKR has no bars of '7 min'; it has 1 secs"):
        one.store.history(one.instrument(), duration="1 D", bar="7 min")


# -- streams ----------------------------------------------------------------------------------------------------------


def test_real_time_bars_come_each_once_in_order() -> None:
    with desk() as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(30)
        got = bars(one)
        assert [each.start for each in got] == [OPEN + dt.timedelta(seconds=5 * n) for n in range(len(got))]
        assert len(got) >= 5 and {each.stream for each in got} == {stream} and all(each.is_complete for each in got)
        assert all(each.low <= min(each.open, each.close) <= each.high and each.seconds == 5 for each in got)
        assert states(one, stream) == [L.LIVE] and one.store.last_heard(stream) == one.tws.now()
        one.store.unsubscribe(stream)
        one.after(30)
        assert len(bars(one)) == len(got) and states(one, stream)[-1] is L.ENDED


def test_bars_kept_up_to_date_are_told_once_they_are_complete() -> None:
    with desk() as one:
        stream = one.store.subscribe_bars(one.instrument(), kind="update", bar="1 min", duration="600 S")
        one.after(200)
        got = bars(one)
        starts = [each.start for each in got]
        assert starts == sorted(set(starts)) and all(each.is_complete and each.seconds == 60 for each in got)
        assert starts[-1] == OPEN + dt.timedelta(minutes=2) and {each.stream for each in got} == {stream}
        history = {each.start: each for each in one.store.history(one.instrument(), duration="1800 S", bar="1 min")}
        assert [(each.close, each.volume) for each in got[-3:]] == [
            (history[each.start].close, history[each.start].volume) for each in got[-3:]
        ]


def test_growing_bars_are_marked() -> None:
    with desk() as one:
        one.store.subscribe_bars(one.instrument(), kind="update", bar="1 min", duration="600 S", growing=True)
        one.after(70)
        assert {each.is_complete for each in bars(one)} == {True, False}


@pytest.mark.parametrize("kind", ["realtime", "update"])
def test_streams_go_on_by_themselves_after_a_drop(kind: str) -> None:
    with desk("on reqMarketRule 1: close before") as one:
        stream = one.store.subscribe_bars(one.instrument(), kind=kind, duration="60 S", bar="1 min")
        one.after(70)
        count = len(bars(one))
        with pytest.raises(UnansweredError):
            one.store.market_rule(26)
        one.until_again()
        one.until(lambda: one.tws.call(lambda tws: any(tws.is_streaming(each) for each in tws.connections)))
        one.after(130)
        assert len(bars(one)) > count and states(one, stream)[:1] == [L.LIVE]
        assert L.BROKEN in states(one, stream) and states(one, stream)[-1] is L.LIVE
        assert {each.stream for each in bars(one)} == {stream}


def test_a_stream_that_is_wanted_before_the_log_in_is_subscribed_by_it() -> None:
    with desk("on reqMarketRule 1: refuse_logins 9; close") as one:
        instrument = one.instrument()
        with pytest.raises(UnansweredError):
            one.store.market_rule(26)
        one.until(lambda: not one.store.is_ready)
        stream = one.store.subscribe_bars(instrument)
        one.tws.advance(seconds=10)
        one.until_again()
        one.until(lambda: one.tws.call(lambda tws: any(tws.is_streaming(each) for each in tws.connections)))
        one.after(20)
        assert bars(one) and states(one, stream)[-1] is L.LIVE


def test_a_broken_farm_is_apart_from_the_socket_and_streams_are_subscribed_anew() -> None:
    with desk("market_farm_broken:after=10,seconds=3") as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(11)
        assert states(one, stream)[-1] is L.BROKEN and one.store.is_ready
        assert one.store.farms()["market", "usfarm"] is False
        one.after(3)
        one.until(lambda: one.tws.call(lambda tws: any(tws.is_streaming(each) for each in tws.connections)))
        count = len(bars(one))
        one.after(20)
        assert states(one, stream)[-1] is L.LIVE and len(bars(one)) >= count + 3
        assert [(each.kind, each.is_up) for each in one.of(FarmChanged)][-2:] == [("market", False), ("market", True)]
        assert len(one.states()) == 3, "the socket was left alone"


@pytest.mark.parametrize(
    ("fault", "code"), [("connectivity_restored", 1102), ("connectivity_restored_data_lost", 1101)]
)
def test_streams_live_again_after_an_outage_of_the_servers(fault: str, code: int) -> None:
    with desk(f"{fault}:after=10,seconds=60") as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(11)
        one.after(30)
        assert states(one, stream)[-1] is L.BROKEN
        one.after(61)
        one.until_again()
        one.until(lambda: one.tws.call(lambda tws: any(tws.is_streaming(each) for each in tws.connections)))
        count = len(bars(one))
        one.after(20)
        assert len(bars(one)) >= count + 3 and states(one, stream)[-1] is L.LIVE and code in one.codes()
        starts = [each.start for each in bars(one)]
        assert len(starts) == len(set(starts))


def test_updates_that_die_are_asked_for_anew_and_the_gap_comes_with_them() -> None:
    with desk("updates_dead:n=3") as one:
        stream = one.store.subscribe_bars(one.instrument(), kind="update", bar="1 min", duration="600 S")
        one.after(30)
        one.until(lambda: one.tws.call(lambda tws: any(tws.is_streaming(each) for each in tws.connections)))
        one.after(180)
        assert 10182 in one.codes() and L.BROKEN in states(one, stream) and states(one, stream)[-1] is L.LIVE
        starts = {each.start for each in bars(one)}
        assert {OPEN + dt.timedelta(minutes=n) for n in range(2)} <= starts


def test_a_silence_can_be_ended_by_subscribing_anew() -> None:
    with desk("midnight_silence:when=at 10:00:10 exchange") as one:
        stream = one.store.subscribe_bars(one.instrument())
        one.after(60)
        count = len(bars(one))
        heard = one.store.last_heard(stream)
        one.after(60)
        assert one.store.last_heard(stream) == heard and len(bars(one)) == count
        one.store.resubscribe(stream)
        one.after(20)
        assert len(bars(one)) >= count + 3


@pytest.mark.parametrize(
    ("fault", "code"), [("not_subscribed", 354), ("needs_subscription", 10089), ("delayed_disabled", 10168)]
)
def test_data_that_is_not_subscribed_says_so_and_is_not_asked_for_again(fault: str, code: int) -> None:
    with desk(fault) as one:
        stream = one.store.subscribe_quotes(one.instrument())
        one.after(10)
        assert states(one, stream) == [L.NOT_SUBSCRIBED] and one.codes() == [code] and one.of(TickArrived) == []
        (error,) = [each for each in one.of(ErrorReported) if each.code == code]
        assert (error.reaction, error.stream) == (Reaction.NOT_SUBSCRIBED, stream)


def test_delayed_data_is_called_delayed() -> None:
    with desk("delayed_shown") as one:
        stream = one.store.subscribe_quotes(one.instrument())
        one.after(10)
        assert states(one, stream)[-1] is L.DELAYED and one.codes() == [10167] and one.of(TickArrived)


def test_quotes_and_shortable_shares_come_as_ticks() -> None:
    with desk() as one:
        stream = one.store.subscribe_quotes(one.instrument(), generic="236")
        one.after(10)
        kinds = {each.kind for each in one.of(TickArrived)}
        assert {1, 2} <= kinds and {46, 89} & kinds and states(one, stream) == [L.LIVE]


def test_a_competing_session_pauses_and_data_comes_back() -> None:
    with desk("competing_session:n=20,seconds=20") as one:
        stream = one.store.subscribe_quotes(one.instrument())
        one.after(15)
        one.after(60)
        assert 10197 in one.codes() and L.BROKEN in states(one, stream) and states(one, stream)[-1] is L.LIVE


def test_bars_out_of_order_are_handed_on_as_they_come() -> None:
    with desk("bars_out_of_order:n=3") as one:
        one.store.subscribe_bars(one.instrument())
        one.after(40)
        starts = [each.start for each in bars(one)]
        assert starts != sorted(starts) and len(starts) == len(set(starts))


def test_a_bad_bar_is_handed_on_for_the_feed_to_judge() -> None:
    with desk("bar_corrupt:n=3") as one:
        one.store.subscribe_bars(one.instrument())
        one.after(30)
        assert [each.low > each.open for each in bars(one)[:4]] == [False, False, True, False]


# -- lockstep ---------------------------------------------------------------------------------------------------------


def test_in_lockstep_the_question_for_the_time_moves_it_and_every_bar_comes() -> None:
    with desk(speed="max", settings={"messages_per_second": 0}) as one:
        a = one.store.subscribe_bars(one.instrument("XMPLA"))
        b = one.store.subscribe_bars(one.instrument("XMPLB"))
        for _ in range(400):
            one.store.current_time(timeout=0)
        got = bars(one)
        by_stream = {stream: [each.start for each in got if each.stream == stream] for stream in (a, b)}
        assert len(by_stream[a]) > 100 and all(starts == sorted(set(starts)) for starts in by_stream.values())
