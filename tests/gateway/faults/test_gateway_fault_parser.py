"""The script language: what it reads, that a script's text is the script, and what it says of lines that are wrong."""

from __future__ import annotations

import datetime as dt

import pytest
from faulty.scripts import scripts
from hypothesis import given
from hypothesis import strategies as st

from gateway.faults import FaultScriptError, Script, parse
from gateway.faults.script import Action, AtMessage, AtStart, AtTime, Condition, On, Rule, Trigger


def rule(text: str) -> Rule:
    (found,) = parse(text).rules
    return found


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("at start: error 1100", AtStart()),
        ("at message 12: drop", AtMessage(12)),
        ("at request 3: drop", AtMessage(3, "request")),
        ("at 10:15 exchange: close", AtTime(dt.time(10, 15), "exchange")),
        ("at 10:15:30 UTC: close", AtTime(dt.time(10, 15, 30), "UTC")),
        ("at 2024-06-10 10:15 UTC: close", AtTime(dt.time(10, 15), "UTC", dt.date(2024, 6, 10))),
        ("every day at 23:45 exchange: close", AtTime(dt.time(23, 45), "exchange", every="day")),
        ("every Sunday at 01:00 exchange: close", AtTime(dt.time(1), "exchange", every="Sunday")),
        ("on execDetails: drop", On("execDetails")),
        ("on execDetails 2: drop", On("execDetails", nth=2)),
        ("on tickPrice,realtimeBar 20: drop", On("tickPrice,realtimeBar", nth=20)),
        ("on orderStatus every 3: drop", On("orderStatus", every=3)),
        ("on orderStatus with probability 0.25: drop", On("orderStatus", probability=0.25)),
        (
            "on orderStatus where status=Filled client!=3 2: drop",
            On("orderStatus", (Condition("status", "Filled"), Condition("client", "3", negated=True)), nth=2),
        ),
        ('on error where errorString="a: b" : drop', On("error", (Condition("errorString", "a: b"),))),
        ("on bar 5: halt BAC", On("bar", nth=5)),
    ],
)
def test_a_trigger_is_read(text: str, trigger: Trigger) -> None:
    assert rule(text).trigger == trigger


def test_an_action_takes_its_parameters_by_place_or_by_name() -> None:
    by_place = rule('on placeOrder: error 201 "Order rejected - reason:x"').actions
    by_name = rule('on placeOrder: error text="Order rejected - reason:x" code=201').actions
    assert by_place == by_name
    assert by_place == (Action("error", (("code", "201"), ("text", "Order rejected - reason:x"))),)


def test_fields_stand_beside_parameters() -> None:
    (action,) = rule("at start: send orderStatus client=4 orderId=7 status=Filled").actions
    assert action == Action(
        "send", (("name", "orderStatus"), ("client", "4")), (("orderId", "7"), ("status", "Filled"))
    )


def test_comments_blank_lines_quotes_and_several_actions() -> None:
    script = parse(
        "# a day that goes wrong\n"
        "seed 42   # of chance\n"
        "\n"
        'on placeOrder 2: error 201 "no # comment; no \\"end\\"\\n"; drop;  # the end\n'
    )
    assert script.seed == 42
    assert [action.verb for action in script.rules[0].actions] == ["error", "drop"]
    assert dict(script.rules[0].actions[0].parameters)["text"] == 'no # comment; no "end"\n'
    assert script.rules[0].place == "script, line 4"


def test_windows_line_ends_are_read() -> None:
    assert parse("seed 1\r\non execDetails: drop\r\n") == parse("seed 1\non execDetails: drop\n")


def test_an_empty_script_has_no_rules() -> None:
    assert parse("\n  # nothing\n") == Script()


def test_scripts_add_up_and_the_last_seed_counts() -> None:
    first, second = parse("seed 1\non execDetails: drop"), parse("seed 2\non error: drop")
    assert (first + second).seed == 2 and (first + parse("on error: drop")).seed == 1
    assert (first + second).rules == first.rules + second.rules


WRONG = {
    "on ordrStatus: drop": ["line 1", "no message 'ordrStatus'", "did you mean 'orderStatus'"],
    "on orderStatus drop": ["no ': '", "write `on execDetails 1: duplicate`"],
    "on tickPrice,realtimBar 3: drop": ["no message 'realtimBar'", "did you mean 'realtimeBar'"],
    "on tickPrice,tickPrice: drop": ["'tickPrice' is given twice"],
    "on tickPrice,reqMktData: drop": ["tickPrice is an answer and reqMktData a request; write a rule for each"],
    "on tickPrice,realtimeBar: scale price 2": ["realtimeBar has no field 'price'"],
    "on tickPrice,realtimeBar where tickType=4: drop": ["realtimeBar has no field 'tickType'"],
    "on tickPrice,realtimeBar: send error errorString=$time": ["tickPrice has no field 'time'"],
    "onn orderStatus: drop": ["begins with at, every, on or seed", "did you mean 'on'"],
    "on orderStatus: dorp": ["no action 'dorp'", "did you mean 'drop'"],
    "on orderStatus:": ["an action is missing", "write `drop`"],
    "on orderStatus: drop;; close": ["an action is missing"],
    "on orderStatus 0: drop": ["'0' is below 1"],
    "on orderStatus -1: drop": ["'-1' is below 1"],
    "on orderStatus twice: drop": ["'twice' after orderStatus", "`every 3`"],
    "on orderStatus every: drop": ["'every' after orderStatus"],
    "on orderStatus every x: drop": ["'x' is no whole number"],
    "on orderStatus with probability 2: drop": ["above 0 and not above 1", "this is 2"],
    "on orderStatus with probability 0: drop": ["above 0"],
    "on orderStatus with probability many: drop": ["'many' is no number"],
    "on orderStatus where: drop": ["`where` what", "where status=Filled"],
    "on orderStatus where =x: drop": ["names no field"],
    "on orderStatus 2 where status=x: drop": ["stand together after `where`"],
    "on orderStatus status=x: drop": ["stand together after `where`"],
    "on orderStatus where new=yes: drop": ["only placeOrder is new"],
    "on: drop": ["`on` which message"],
    "on a=b: drop": ["`on` which message"],
    "at: drop": ["`at` what"],
    "at noon: close": ["'noon' is no time"],
    "at strat: close": ["did you mean 'start'"],
    "at 10:15: close": ["whose 10:15", "`at 10:15 exchange`", "`at 10:15 UTC`"],
    "at 10:15 CET: close": ["'CET' is no zone", "UTC"],
    "at 25:00 UTC: close": ["'25:00' is no time of day", "15:30"],
    "at 2024-13-01 10:00 UTC: close": ["'2024-13-01' is no date"],
    "at 10:15 UTC daily: close": ["'daily' after the zone", "`every day at 10:15 UTC`"],
    "at message: drop": ["takes one number", "`at message 12`"],
    "at message 1 2: drop": ["takes one number"],
    "at message client=2: drop": ["only `on` takes conditions"],
    "every day 10:15 UTC: close": ["`every day at 23:45 exchange`"],
    "every Sonday at 10:15 UTC: close": ["'Sonday' is no day", "did you mean 'Sunday'"],
    "seed": ["a seed is one whole number"],
    "seed many": ["'many' is no whole number"],
    "seed 1\nseed 2": ["line 2", "a second seed"],
    "on orderStatus: close whn=after": ["no parameter 'whn'", "did you mean 'when'"],
    "on orderStatus: close sideways": ["when of `close`", "before, middle, after"],
    "on placeOrder: close middle": ["arrived whole"],
    "at start: close after": ["needs a message under way"],
    "on orderStatus: wait 3; close middle": ["needs a message under way"],
    "on orderStatus: wait 3; drop": ["`drop` after `wait`", "`delay`"],
    "at start: drop": ["`drop` needs a request or an answer", "is a time"],
    "on orderStatus: twin": ["`twin` needs a request", "is an answer"],
    "on bar: drop": ["is the tape"],
    "on orderStatus: delay": ["`delay` needs seconds", "write `delay seconds`"],
    "on orderStatus: delay soon": ["seconds of `delay`", "'soon' is no duration", "5m"],
    "on orderStatus: delay -5": ["'-5' is negative"],
    "on orderStatus: delay 5 6": ["'6' is too much"],
    "on orderStatus: delay 5 seconds=6": ["given twice"],
    "on orderStatus: set": ["`set` changes nothing", "`set status=Cancelled`"],
    "on orderStatus: set status!=x": ["write name=value"],
    "on orderStatus: error 9": ["the text of code 9 is not known", '`error 9 "its text"`'],
    "on orderStatus: error x": ["code of `error`", "'x' is no whole number"],
    "on orderStatus: correct": ["changes nothing", "price_by=0.05"],
    "on orderStatus: correct price=1 price_by=1": ["not both"],
    "on orderStatus: execute shares=1 fraction=0.5": ["not both"],
    "on orderStatus: execute shares=0": ["'0' is not above 0"],
    "on orderStatus: mute dat": ["no message 'dat'", "did you mean 'data'"],
    "on orderStatus: limit messages 5 1 2": ["too much"],
    "on orderStatus: limit messages 5 0": ["'0' is no time at all"],
    "on orderStatus: limit massages 5 1": ["'massages' is none of", "did you mean 'messages'"],
    "on orderStatus: send execDetail": ["no answer 'execDetail'", "did you mean 'execDetails'"],
    "on orderStatus: receive orderStatus": ["no request 'orderStatus'"],
    "on orderStatus: half_open bob": ["'bob' is no client"],
    "on orderStatus: halt 5": ["'5' is no symbol", "'first'"],
    "on orderStatus: change_port 70000": ["'70000' is no port"],
    "on orderStatus: scale price nan": ["'nan' is no number"],
    'on orderStatus: error 201 "open': ["column 27", "not closed"],
    'on orderStatus: error 201 "a\\d"': ["write \\\\ for a backslash"],
    "on orderStatus: drop : drop": ["a second ': '"],
    "on orderStatus where stauts=Filled: drop": ["orderStatus has no field 'stauts'", "did you mean 'status'"],
    "on placeOrder where order.tiff=DAY: drop": ["placeOrder has no field 'order.tiff'", "did you mean 'order.tif'"],
    "on placeOrder: set tiff=DAY": ["placeOrder has no field 'tiff'"],
    "on tickPrice: scale prize 2": ["tickPrice has no field 'prize'", "did you mean 'price'"],
    "on placeOrder: send orderStatus stauts=x": ["orderStatus has no field 'stauts'"],
    "on placeOrder: receive cancelOrder id=1": ["cancelOrder has no field 'id'"],
    "on orderStatus: set orderId=abc": ["orderId cannot be 'abc'", "whole number"],
    "on orderStatus: set filled=many": ["filled cannot be 'many'", "give a number"],
    "on orderStatus: set filled=inf": ["filled cannot be 'inf'"],
    "on placeOrder: set order.transmit=perhaps": ["order.transmit cannot be 'perhaps'", "yes or no"],
    "on placeOrder: set contract=x": ["contract cannot be 'x'", "several values"],
    "on orderStatus: scale status 2": ["status of orderStatus is no number"],
    "on orderStatus: set status=\0": ["a NUL"],
    "on bar: halt $symbl": ["bar has no field 'symbl'", "did you mean 'symbol'"],
    "on openOrder: receive placeOrder": ["`receive placeOrder` of which order", "orderId=$orderId"],
    "on openOrder: receive cancelOrder": ["`receive cancelOrder` of which order"],
    "on openOrder: execute price=-5": ["'-5' is not above 0"],
    "on openOrder: execute price=0": ["'0' is not above 0"],
    "on execDetails: correct price=-1": ["'-1' is not above 0"],
    "at start: skew_clock 999999999999d": ["longer than ten years", "at most 3650d"],
    "at start: wait 99999999999": ["longer than ten years"],
    "at start: split BAC 0.0000001": ["no ratio of prices", "from 0.001 to 1000"],
    "at start: outlier BAC 1e300": ["no ratio of prices"],
    "at 0001-01-01 00:00 exchange: close": ["outside of 1970 to 2199"],
    "at 9999-12-31 23:59 exchange: close": ["outside of 1970 to 2199"],
    "at start: error 202 $orderId": ["'$orderId' of which message"],
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text.replace("\n", " / "))
def test_a_wrong_line_is_named_with_its_cure(text: str) -> None:
    with pytest.raises(FaultScriptError) as caught:
        parse(text, "bad.fault")
    said = str(caught.value)
    assert said.startswith("[") and "bad.fault, line " in said
    for part in WRONG[text]:
        assert part in said


# A script's text is the script -------------------------------------------------------------------------------------


@given(scripts())
def test_the_text_of_a_script_parses_to_the_script(script: Script) -> None:
    text = str(script)
    again = parse(text)
    assert again == script
    assert str(again) == text


@given(st.text(max_size=60))
def test_any_text_is_a_script_or_a_script_error(text: str) -> None:
    try:
        parse(text)
    except FaultScriptError as error:
        assert "line" in str(error)


@given(st.sampled_from(sorted(WRONG)), st.text(st.sampled_from(' :;="#$\\@nx1'), max_size=6), st.integers(0, 40))
def test_a_damaged_line_is_a_script_or_a_script_error(line: str, noise: str, at: int) -> None:
    try:
        parse(line[:at] + noise + line[at:])
    except FaultScriptError as error:
        assert "line" in str(error)


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(FaultScriptError, match="UTF-8"):
        parse("on orderStatus: set status=\udcff")
