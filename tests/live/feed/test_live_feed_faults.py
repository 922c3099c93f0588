"""What goes wrong with data at IBKR: which bars come all the same, what the strategies are told, when entries rest."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from fed.playing import PAIR, Play, expected, playing, same_bars, sample_of, settings_of

from live.status import Status

S = Status
START = dt.datetime(2024, 6, 12, 13, 29, tzinfo=dt.UTC)  # a minute before the open
UNTIL = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)
ALWAYS = [S.DELAYED, S.LIVE]
LOST = [S.CONNBROKEN, S.DISCONNECTED, S.CONNECTED, S.CONNBROKEN, S.DELAYED, S.LIVE]


def play_out(play: Play, *, warm_up: int = 5) -> None:
    play.run(warm_up=warm_up, until=UNTIL + dt.timedelta(seconds=20))


def blind_at(play: Play, symbol: str = "XMPLA") -> dict[str, str]:
    """HH:MM of the steps on which no entry was allowed -> why."""
    assert play.history is not None and play.history.begin is not None
    return {
        f"{each.when:%H:%M}": each.blind[symbol]
        for each in play.rounds
        if each.when >= play.history.begin and each.blind[symbol]
    }


@pytest.mark.parametrize(
    ("faults", "statuses"),
    [
        (["market_farm_broken:after=700,seconds=130"], [*ALWAYS, S.CONNBROKEN, S.DELAYED, S.LIVE, S.DELAYED, S.LIVE]),
        (["connectivity_restored_data_lost:after=700,seconds=150"],
         [*ALWAYS, S.CONNBROKEN, S.CONNECTED, S.CONNBROKEN, S.DELAYED, S.LIVE]),
        (["connectivity_restored:after=700,seconds=150"],
         [*ALWAYS, S.CONNBROKEN, S.CONNECTED, S.LIVE, S.DELAYED, S.LIVE]),
        (["nightly_restart:when=at 09:45 exchange,seconds=190"], ALWAYS + LOST),
        (["port_reset:after=700"], ALWAYS + LOST),
        (["on realtimeBar 200: close middle", "on realtimeBar 280: close before"], ALWAYS + LOST + LOST),
        (["silent_feed:after=700,seconds=5m"], [*ALWAYS, S.CONNBROKEN, S.LIVE]),
        (["at 09:45:20 exchange: lose_streams"], [*ALWAYS, S.DELAYED, S.LIVE]),
        (["on realtimeBar 200: drop; error 10197; mute data 60"], [*ALWAYS, S.CONNBROKEN, S.LIVE]),
        (["bars_out_of_order:n=3,seconds=60"], ALWAYS),
        (["on realtimeBar every 7: drop"], ALWAYS),
        (["on realtimeBar every 5: duplicate"], ALWAYS),
        (["on realtimeBar every 24: delay 1.5"], ALWAYS),  # one leg is always late
        (["on realtimeBar 200: drop; mute realtimeBar 90 id=$reqId"], None),  # one leg is silent
        (["on realtimeBar every 100: scale high 1.5"], ALWAYS),
        (["on realtimeBar every 50: scale low 1.1"], ALWAYS),  # above its own high
        (["on realtimeBar every 90: drop", "on reqHistoricalData 5: drop; error 162 \"Historical Market Data Service "
          "error message:HMDS query returned no data: XMPLA\""], ALWAYS),  # HMDS is behind for a moment
        (["on realtimeBar every 90: drop", "history_pacing:n=5"], None),
        # no answer while it starts, and none later
        (["on realtimeBar 150: drop", "on reqHistoricalData 5: drop", "on reqHistoricalData 2: drop"], None),
        (["clock_skew:seconds=90"], ALWAYS),
    ],
    ids=lambda value: value[0][:40] if isinstance(value, list) and value and isinstance(value[0], str) else "",
)  # fmt: skip
def test_every_bar_comes_once_in_order_and_with_its_pair(faults: list[str], statuses: list[Status] | None) -> None:
    market = sample_of(dt.date(2024, 6, 12))
    with playing(market, *faults, start=START, store={"history_timeout": 0.5}) as play:
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        play.were_aligned()
        assert all(len(step.bars) == 2 for step in play.steps)
        for symbol in PAIR:
            told = play.statuses(symbol)
            assert told[-1] is S.DISCONNECTED and (statuses is None or told[:-1] == statuses)
        assert not play.hub.store.events or play.hub.is_closed


def test_while_the_history_farm_is_down_bars_wait_for_it() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    fault = "on realtimeBar 130: drop; error 2105; wait 170; error 2106"
    with playing(market, fault, start=START) as play:
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        play.were_aligned()
        late = [step for step in play.steps if step.is_late and not step.is_warm]
        assert 2 <= len(late) <= 3 and all("came late" in why for why in blind_at(play, "XMPLB").values())
        assert play.statuses("XMPLB")[-3:] == [S.DELAYED, S.LIVE, S.DISCONNECTED]


def test_after_an_outage_the_bars_are_late_and_nobody_enters_on_them() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    with playing(market, "nightly_restart:when=at 09:45:30 exchange,seconds=190", start=START) as play:
        play_out(play)
        blind = blind_at(play)
        assert list(blind) == ["13:46", "13:47", "13:48"]
        late = [f"{step.when:%H:%M}" for step in play.steps if step.is_late and not step.is_warm]
        assert late == ["13:46", "13:47", "13:48"]
        clocks = {f"{each.when:%H:%M}": f"{each.clock:%H:%M}" for each in play.rounds if each.when > START}
        assert clocks["13:45"] == "13:45" and clocks["13:46"] == "13:48" and clocks["13:49"] == "13:49"


def test_without_permission_history_gives_the_bars_and_nobody_enters() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    with playing(market, "on reqRealTimeBars where contract.symbol=XMPLA: drop; error 354", start=START) as play:
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        play.were_aligned()
        assert play.statuses("XMPLA") == [S.DELAYED, S.NOTSUBSCRIBED, S.DISCONNECTED]
        assert len(blind_at(play)) == 30 and not blind_at(play, "XMPLB")
        assert "market data is not subscribed" in blind_at(play)["13:45"]
        assert {each.clock - each.when for each in play.rounds if each.when > START} <= {
            dt.timedelta(seconds=n) for n in (2, 3, 4, 5)
        }


def test_what_ibkr_refuses_for_a_while_is_traded_on_again() -> None:
    """354 at the log-in of 13:35:30, as after a nightly restart; 15 minutes later it is asked for again."""
    market = sample_of(dt.date(2024, 6, 12))
    faults = ("at 09:35:30 exchange: close", "on reqRealTimeBars where contract.symbol=XMPLA 2: drop; error 354")
    with playing(market, *faults, start=START) as play:
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        play.were_aligned()
        assert play.statuses("XMPLA")[-3:] == [S.NOTSUBSCRIBED, S.LIVE, S.DISCONNECTED]
        blind = blind_at(play)
        assert set(blind) == {f"13:{minute}" for minute in range(36, 51)} and not blind_at(play, "XMPLB")
        assert all("is not subscribed (Requested market data" in why for why in blind.values())


def test_what_was_refused_is_asked_for_at_each_log_in() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    closes = [f"at 09:{minute}:30 exchange: close" for minute in (35, 40)]
    fault = "on reqRealTimeBars where contract.symbol=XMPLA 2: drop; error 354"
    with playing(market, *closes, fault, start=START) as play:
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        assert set(blind_at(play)) == {f"13:{minute}" for minute in range(36, 41)}


@pytest.mark.parametrize("allowed", [False, True])
def test_delayed_data_is_traded_on_only_where_the_settings_say_so(allowed: bool) -> None:
    market = sample_of(dt.date(2024, 6, 12))
    settings = settings_of(delayed_data=allowed)
    with playing(market, "on reqRealTimeBars 1: pass; error 10167", start=START, settings=settings) as play:
        play_out(play)
        assert play.statuses("XMPLA") == [S.DELAYED, S.DISCONNECTED]
        assert len(blind_at(play)) == (0 if allowed else 30)
        assert allowed or "live.delayed_data = true allows" in blind_at(play)["13:31"]


@pytest.mark.parametrize("fault", ["symbol_halt:after=700,seconds=5m", "stale_data:after=700,seconds=5m"])
def test_a_stock_that_does_not_trade_has_no_bars_and_the_other_goes_on(fault: str) -> None:
    market = sample_of(dt.date(2024, 6, 12))
    with playing(market, fault, start=START) as play:
        play_out(play)
        same_bars(play.bars("XMPLB"), expected(market, "XMPLB", begin=START, until=UNTIL))
        play.were_aligned()
        gone = [each for each in play.bars("XMPLB").index if each not in play.bars("XMPLA").index]
        assert gone == list(pd.date_range("2024-06-12 13:42", periods=4, freq="min", tz="UTC"))
        assert list(blind_at(play)) == ["13:42", "13:43", "13:44", "13:45"] and not blind_at(play, "XMPLB")
        assert all(each.clock - each.when < dt.timedelta(seconds=20) for each in play.rounds if each.when > START)


def test_a_real_print_is_in_the_bar_and_a_bad_tick_is_not() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    with playing(market, "outlier_print:after=700,factor=1.5", start=START) as play:  # history has it, too
        play_out(play)
        bar, made = play.bars("XMPLA").loc["2024-06-12 13:41"], expected(market, "XMPLA").loc["2024-06-12 13:41"]
        assert bar["high"] > 1.4 * made["high"] and bar["close"] == made["close"] and bar["volume"] == made["volume"]
    with playing(market, "on realtimeBar 288: scale high 1.5", start=START) as play:  # the last piece of 13:42
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        (why,) = blind_at(play, "XMPLB").values()
        assert "a price 50% from" in why and "is not confirmed yet" in why


def test_instruments_of_other_units_do_not_wait_long_for_a_dead_one() -> None:
    market = sample_of(dt.date(2024, 6, 12))
    settings = settings_of((), alone=PAIR)
    fault = "on realtimeBar 200: drop; error 2105; mute realtimeBar 3m id=$reqId; wait 100; error 2106"
    with playing(market, fault, start=START, settings=settings) as play:
        play_out(play)
        play.are_those_of(market, until=UNTIL)
        longest = {
            symbol: max(each.clock - each.when for each in play.rounds if symbol in each.fresh and each.when > START)
            for symbol in PAIR
        }
        dead, alive = sorted(PAIR, key=lambda symbol: longest[symbol], reverse=True)
        assert longest[dead] > dt.timedelta(seconds=45) and longest[alive] <= dt.timedelta(seconds=6)
        for symbol in PAIR:
            stamps = [step.when for step in play.steps if symbol in step.bars]
            assert stamps == sorted(set(stamps))
