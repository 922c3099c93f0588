"""Scenarios of market data and history: refused, dead, stale, wrong."""

from __future__ import annotations

from gateway.faults.scenarios.scenario import IB_INSYNC, LEAN, LEAN_IB, NAUTILUS, Scenario

_FIRST = {"n": "1"}
_SOON = {"when": "at start", "after": "60"}
_SYMBOL = _SOON | {"symbol": "first"}
_NO_TRADING = "Report NOTSUBSCRIBED; no trading on a price that is not there."
_KEPT = "reqHistoricalData where keepUpToDate=yes"
_ASKED = ("reqMktData", "reqRealTimeBars", _KEPT)  # what streams are subscribed by
_BARS = "realtimeBar,historicalDataUpdate"
_PRICES = ("open", "high", "low", "close")
_DELAYED = "\n".join(  # tick types: live -> delayed
    f"on {name} where tickType={live}: set tickType={delayed}"
    for name, types in {
        "tickPrice": {1: 66, 2: 67, 4: 68, 6: 72, 7: 73, 9: 75, 14: 76},
        "tickSize": {0: 69, 3: 70, 5: 71, 8: 74},
        "tickString": {45: 88},
        "tickGeneric": {49: 90},
    }.items()
    for live, delayed in types.items()
)


def _no_history(text: str, happens: str, must: str, reference: str) -> Scenario:
    """162 with a text."""
    return Scenario(
        f'on reqHistoricalData {{n}}: drop; error 162 "Historical Market Data Service error message:{text}"',
        happens, must, reference, _FIRST,
    )  # fmt: skip


def _refused(code: int, happens: str, reference: str) -> Scenario:
    """A stream is not begun: the n-th of each kind."""
    return Scenario(
        "\n".join(f"on {asked} {{n}}: drop; error {code}" for asked in _ASKED), happens, _NO_TRADING, reference, _FIRST
    )


DATA = {
    "history_no_data": _no_history(
        "HMDS query returned no data: $contract.symbol@$contract.exchange Trades",
        "162: there is no data for the request.",
        "An empty answer, not a failure: do not ask the same again and again.",
        f"{LEAN}/issues/4344",
    ),
    "history_pacing": _no_history(
        "Historical data request pacing violation",
        "162: too many requests for history.",
        "Wait, then go on more slowly; it is not an empty answer.",
        f"{LEAN}/issues/607",
    ),
    "history_cancelled": _no_history(
        "API historical data query cancelled: $reqId",
        "162: the query was cancelled, by the client's own timeout as a rule.",
        "Ask for less at once.",
        f"{IB_INSYNC}/268",
    ),
    "history_other_address": _no_history(
        "Trading TWS session is connected from a different IP address",
        "162: somebody is logged in with the same user elsewhere.",
        "Alert: data comes back when the other session ends.",
        "https://github.com/extrange/ibkr-docker/issues/118",
    ),
    "history_no_permission": _no_history(
        "No market data permissions for $contract.exchange $contract.secType",
        "162: no permission for the exchange's data.",
        "Report it; trying again does not help.",
        "https://github.com/softwarespartan/IB4m/issues/60",
    ),
    "history_rate": Scenario(
        "at start: limit historical {count} {seconds}",
        "Pacing violations (162) come earlier than by IBKR's limits, which hold without this scenario too.",
        "Pace requests: 60 in ten minutes, no identical one within 15 seconds, fewer than six for a contract in two.",
        "https://github.com/mementum/backtrader/issues/110",
        {"count": "5", "seconds": "10m"},
    ),
    "not_subscribed": _refused(
        354,
        "354: the market data is not subscribed.",
        "https://github.com/brndnmtthws/thetagang/issues/175",
    ),
    "needs_subscription": _refused(
        10089,
        "10089: the data needs an additional subscription for the API.",
        "https://github.com/wboayue/rust-ibapi/issues/768",
    ),
    "delayed_shown": Scenario(
        "\n".join([f"on {asked}: error 10167" for asked in _ASKED])
        + "\non marketDataType: set marketDataType=3\n"
        + _DELAYED,
        "10167: delayed data is sent instead, ticks under types of their own.",
        "Report DELAYED; no trading on it unless the settings say so.",
        "https://github.com/wboayue/rust-ibapi/pull/672",
    ),
    "delayed_disabled": _refused(
        10168,
        "10168: not subscribed, and delayed data is not enabled.",
        f"{IB_INSYNC}/198",
    ),
    "competing_session": Scenario(
        f"on tickPrice,{_BARS} {{n}}: drop; error 10197; mute data {{seconds}}",
        "10197: another session of the user takes the market data; ticks and bars stop, and come back silently.",
        "Pause what trades on them until data flows again.",
        f"{LEAN_IB}/issues/140",
        {"n": "20", "seconds": "60"},
    ),
    "updates_dead": Scenario(
        "\n".join(
            f"on {told} {{n}}: drop; error {code}; mute {told} client=own id=$reqId"
            for told, code in (("historicalDataUpdate", 10182), ("realtimeBar", 10225))
        ),
        "10182 (10225 for bars of 5 seconds): bars that are kept up to date stop for good.",
        "Request them anew and fill the gap; orders and the socket are fine.",
        f"{IB_INSYNC}/670",
        {"n": "3"},
    ),
    "midnight_silence": Scenario(
        "{when}: lose_streams",
        "At midnight streams stop without a word (lockstep: with two sessions or more).",
        "Watch for silence in the session, and subscribe anew each day.",
        f"{IB_INSYNC}/533",
        {"when": "every day at 00:00 exchange"},
    ),
    "silent_feed": Scenario(
        "{when}: wait {after}; mute data {seconds}",
        "A subscription is open and delivers nothing for a while; no notice says so.",
        "Measure silence against the session's calendar; treat the price as unknown.",
        f"{NAUTILUS}/issues/4949",
        _SOON | {"seconds": "5m"},
    ),
    "stale_data": Scenario(
        "{when}: wait {after}; stale {symbol} {seconds}",
        "Bars and quotes go on, but repeat the last price without volume.",
        "Look at volume and change, not at arrival alone.",
        f"{LEAN}/issues/9496",
        _SYMBOL | {"seconds": "5m"},
    ),
    "outlier_tick": Scenario(
        "on tickPrice {n}: scale price {factor}\n"
        f"on {_BARS} {{n}}: {'; '.join(f'scale {price} {{factor}}' for price in _PRICES)}",
        "One tick, or one bar that is told live, has an absurd price; the market did not trade there.",
        "Filter prices against the last ones before they reach indicators and stops.",
        f"{LEAN}/pull/3191",
        {"n": "20", "factor": "1.5"},
    ),
    "outlier_print": Scenario(
        "{when}: wait {after}; outlier {symbol} {factor}",
        "One bar has an absurd high (or low) that is a real print: resting orders there are filled.",
        "Expect stops to be hit by bad prints.",
        f"{LEAN}/pull/3191",
        _SYMBOL | {"factor": "1.5"},
    ),
    "bar_corrupt": Scenario(
        f"on {_BARS} {{n}}: scale low {{factor}}",
        "A bar's low is above its open and close.",
        "Check bars before they are used, and leave bad ones out.",
        f"{NAUTILUS}/issues/3347",
        {"n": "3", "factor": "1.5"},
    ),
    "crossed_quote": Scenario(
        "{when}: wait {after}; cross {symbol}",
        "One quote has its bid above its ask.",
        "No middle and no spread is to be computed from it.",
        "https://github.com/ezhulenev/scala-openbook/issues/9",
        _SYMBOL,
    ),
    "bars_out_of_order": Scenario(
        "on realtimeBar every {n}: swap {seconds}\non historicalDataUpdate every {n}: swap {seconds}",
        "Every n-th bar comes after the next one.",
        "Order bars by their time; a bar that is older than the last one changes nothing that was decided.",
        f"{NAUTILUS}/issues/4299",
        {"n": "3", "seconds": "60"},
    ),
    "split_overnight": Scenario(
        "{when}: split {symbol} {ratio}",
        "A stock is split in the night (lockstep: with two sessions or more): prices, "
        "positions, average costs and history change, no execution.",
        "Reconcile positions before the open; cancel orders that were sized before the split.",
        f"{LEAN}/issues/2532",
        {"when": "at 03:00 exchange", "symbol": "first", "ratio": "2"},
    ),
    "symbol_halt": Scenario(
        "{when}: wait {after}; halt {symbol}; wait {seconds}; resume {symbol}",
        "Trading in a stock is halted for a while: tick 49, no fills, no prices.",
        "Expect neither fills nor cancels; the other leg of a pair trades on.",
        f"{LEAN}/issues/5275",
        _SYMBOL | {"seconds": "5m"},
    ),
}
