"""Streams: who has subscribed to what, and what a step of the tape is told to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from gateway.data.board import Tick
from gateway.data.by_tick import BY_TICK, ByTick
from gateway.data.contracts import ContractBook, lot_of
from gateway.data.generic_ticks import parse_generic_ticks
from gateway.data.historical_ticks import historical_ticks
from gateway.data.history import WHOLE_SHARES, History, Shown
from gateway.data.live_bars import Answer, Client, FiveSeconds, GrowingBar, Listener, first_slot
from gateway.data.market_data import DELAY, DELAYED, DELAYED_FROZEN, FROZEN, LIVE, NO_DELAY, Feed, Line
from gateway.data.pieces import Piece, Pieces
from gateway.data.showing import QUOTED
from gateway.data.tape import Step, Tape
from gateway.hours import hours_of, moment_of, moment_to_datetime
from gateway.model import Instrument, Values
from gateway.refused import Refused, hmds, invalid

LINES = 100  # market data lines of a log-in
OPEN = 50  # historical requests at the same time, which those that keepUpToDate stay
TICKBY_TICK = 5  # of them at the same time
COARSEST = 3_600  # seconds: longer bars of a tape are not told as bars of 5 seconds
NOT_SUBSCRIBED = (
    "Requested market data is not subscribed. Check API status by selecting the Account menu then under Management "
    "choose Market Data Subscription Manager and/or availability of delayed data."
)
DISPLAYING_DELAYED = "Requested market data is not subscribed. Displaying delayed market data."
_PROCESSING = "Error processing request.-'bK' : cause - "


class Streams:
    """All subscriptions. ``feed`` takes each step of the tape and gives what is to be sent, in order.

    ``unsubscribed``: instruments for which the log-in has no market data subscription (delayed data only); it may be
    changed at any time and holds for later requests. Requests raise Refused with IBKR's error.
    """

    def __init__(
        self, tape: Tape, history: History, book: ContractBook, *, unsubscribed: Iterable[Instrument] = ()
    ) -> None:
        self.tape = tape
        self.history = history
        self.book = book
        self.unsubscribed = set(unsubscribed)
        self.data_types: dict[Client, int] = {}  # client -> market data type that it has asked for
        self._bars: dict[tuple[Instrument, str, bool], FiveSeconds] = {}
        self._growing: dict[tuple[Client, int], tuple[Instrument, GrowingBar]] = {}
        self._feeds: dict[tuple[Instrument, bool], Feed] = {}
        self._lines: dict[tuple[Client, int], Feed] = {}
        self._by_tick: dict[tuple[Client, int], tuple[Instrument, ByTick]] = {}
        self._listeners: dict[tuple[Client, int], FiveSeconds] = {}
        self.shortable: Mapping[
            int, float
        ] = {}  # con_id -> shares that can be borrowed; the market's, once there is one
        self._halted: set[Instrument] = set()
        self._busy = False  # whether there is any subscription

    def __len__(self) -> int:
        return len(self._growing) + len(self._lines) + len(self._by_tick) + len(self._listeners)

    def has(self, client: Client) -> bool:
        """Whether a client has any subscription."""
        held = (self._growing, self._lines, self._by_tick, self._listeners)
        return self._busy and any(owner == client for keys in held for owner, _ in keys)

    # ---- what clients ask for

    def real_time_bars(self, client: Client, request: Values, now: dt.datetime, version: int = 176) -> None:
        """reqRealTimeBars: contract, barSize, whatToShow, useRTH. Raises Refused (102, 200, 321, 420)."""
        key = self._new_key(self._listeners, client, request)
        instrument = self.book.one(request["contract"])
        what = str(request.get("whatToShow") or "TRADES").upper()
        if what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
            raise invalid(f"Invalid what to show {what} of real time bars", "bM")
        pieces = self._pieces(instrument, what)
        if pieces is None or not (pieces.carried or _in_fives(pieces.seconds)):
            raise Refused(420, f"Invalid Real-time Query:No data of type {what} for {instrument.symbol}")
        regular = bool(int(request.get("useRTH") or 0))
        source = self._bars.get((instrument, what, regular))
        if source is None:
            source = FiveSeconds(instrument, pieces, regular, moment_of(now))
            source.seed(self._price_now(instrument, pieces, now, regular))
            self._bars[instrument, what, regular] = source
        lot = lot_of(instrument) if version < WHOLE_SHARES else 1
        source.listeners.append(Listener(client, key[1], first_slot(moment_of(now)), lot))
        self._listeners[key] = source
        self._busy = True

    def keep_up_to_date(
        self, client: Client, request: Values, shown: Shown, now: dt.datetime, version: int = 176
    ) -> None:
        """Go on with a request of historical bars, which is answered with ``shown``. Raises Refused (322)."""
        key = client, int(request["reqId"])
        if key in self._growing:
            raise Refused(322, f"{_PROCESSING}Duplicate ticker ID for API historical data query: {key[1]}")
        if len(self._growing) >= OPEN:
            raise Refused(322, f"{_PROCESSING}Only {OPEN} simultaneous API historical data requests allowed.")
        pieces = self._pieces(shown.instrument, shown.what)
        if pieces is None:
            return
        stamps = self.history.stamps(shown.instrument, version, int(request.get("formatDate") or 1))
        growing = GrowingBar(client, key[1], shown.instrument, pieces, shown.grid, stamps, shown.bound)
        if len(shown.series):
            last = shown.series.take(slice(-1, None))
            first, end = shown.grid.edges(last.number, last.slot)
            window = (int(first[0]), int(end[0]))
            if shown.grid.seconds > 86_400:
                found = shown.grid.slot_at(int(end[0]))
                window = window if found is None else (found[1], found[2])
            volume = float(last.volume[0])
            piece = Piece(
                shown.bound,
                float(last.open[0]),
                float(last.high[0]),
                float(last.low[0]),
                float(last.close[0]),
                volume,
                float(last.wap[0]) * volume,
                int(last.count[0]),
            )
            growing.begin(int(last.number[0]), window, piece)
        self._growing[key] = shown.instrument, growing
        self._busy = True

    def market_data(self, client: Client, request: Values, now: dt.datetime, version: int = 176) -> list[Answer]:
        """reqMktData: contract, genericTickList, snapshot. The first answers; a snapshot has ended with them.

        Raises Refused (101, 102, 200, 321, 354).
        """
        key = self._new_key(self._lines, client, request)
        instrument = self.book.one(request["contract"])
        snapshot = bool(request.get("snapshot") or request.get("regulatorySnapshot"))
        text = str(request.get("genericTickList") or "")
        if snapshot and text.strip():
            raise invalid("Snapshot market data subscription is not applicable to generic ticks")
        generics = parse_generic_ticks(text, instrument.sec_type)
        if len(self._lines) + len(self._by_tick) >= LINES:
            raise Refused(101, "Max number of tickers has been reached")
        out: list[Answer] = []
        wanted = self.data_types.get(client, LIVE)
        delayed = instrument in self.unsubscribed
        if delayed:
            if wanted not in (DELAYED, DELAYED_FROZEN):
                raise Refused(354, NOT_SUBSCRIBED)
            warning = {"errorCode": 10167, "errorString": DISPLAYING_DELAYED, "advancedOrderRejectJson": ""}
            out.append((client, "error", {"reqId": key[1], **warning}))
        feed = self._feeds.get((instrument, delayed))
        if feed is None:
            feed = Feed(instrument, self.history, now, DELAY if delayed else NO_DELAY, self.shortable)
            feed.board.halted = instrument in self._halted
        lot = lot_of(instrument) if version < WHOLE_SHARES else 1
        line = Line(client, key[1], instrument, generics, delayed, lot)
        out.append(
            (
                client,
                "tickReqParams",
                {"reqId": key[1], "minTick": instrument.min_tick, "bboExchange": "9c0001", "snapshotPermissions": 3},
            )
        )
        out.append(
            (
                client,
                "marketDataType",
                {"reqId": key[1], "marketDataType": self._told(instrument, wanted, delayed, now)},
            )
        )
        feed.board.wanted |= generics
        out += line.answers(feed.board.standing())
        if snapshot:
            out.append((client, "tickSnapshotEnd", {"reqId": key[1]}))
            return out
        feed.turn_to([*feed.lines, line])
        self._feeds[instrument, delayed] = self._lines[key] = feed
        self._busy = True
        return out

    def set_data_type(self, client: Client, data_type: int) -> None:
        """reqMarketDataType: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen; it holds for later requests."""
        if data_type not in (LIVE, FROZEN, DELAYED, DELAYED_FROZEN):
            raise invalid(f"Invalid market data type {data_type}", "bO")
        self.data_types[client] = data_type

    def tick_by_tick(self, client: Client, request: Values, now: dt.datetime) -> list[Answer]:
        """reqTickByTickData: contract, tickType, numberOfTicks, ignoreSize. Answers: earlier ticks, where asked for.

        Raises Refused (102, 200, 321, 10189, 10190).
        """
        key = self._new_key(self._by_tick, client, request)
        kind = str(request.get("tickType") or "")
        if kind not in BY_TICK:
            raise invalid(f"Invalid tick-by-tick type {kind}", "bP")
        instrument = self.book.one(request["contract"])
        traded = kind in ("Last", "AllLast")
        held = self.tape.bars if traded else self.tape.quotes
        if instrument in self.unsubscribed or instrument not in held or (traded and instrument.sec_type == "CASH"):
            raise Refused(
                10189,
                "Failed to request tick-by-tick data.No market data permissions for "
                f"{instrument.primary_exchange} {instrument.sec_type}",
            )
        if len(self._by_tick) >= TICKBY_TICK or len(self._lines) + len(self._by_tick) >= LINES:
            raise Refused(10190, "Max number of tick-by-tick requests has been reached.")
        out: list[Answer] = []
        count = int(request.get("numberOfTicks") or 0)
        if count:
            what = {"BidAsk": "BID_ASK", "MidPoint": "MIDPOINT"}.get(kind, "TRADES")
            earlier = {
                "reqId": key[1],
                "contract": request["contract"],
                "endDateTime": f"{now:%Y%m%d-%H:%M:%S}",
                "numberOfTicks": count,
                "whatToShow": what,
                "ignoreSize": request.get("ignoreSize"),
            }
            out.append((client, *historical_ticks(self.history, earlier, now)))
        self._by_tick[key] = instrument, ByTick(client, key[1], kind, bool(request.get("ignoreSize")))
        self._busy = True
        return out

    # ---- how subscriptions end

    def cancel_real_time_bars(self, client: Client, req_id: int) -> None:
        """Raises Refused (300) for an unknown reqId, as the other cancels do, but that of historical data (366)."""
        source = self._listeners.pop((client, req_id), None)
        if source is None:
            raise Refused(300, f"Can't find EId with tickerId:{req_id}")
        source.listeners[:] = [each for each in source.listeners if (each.client, each.req_id) != (client, req_id)]
        self._tidy()

    def cancel_historical_data(self, client: Client, req_id: int) -> list[Answer]:
        """End keepUpToDate; TWS confirms it with error 162."""
        if self._growing.pop((client, req_id), None) is None:
            raise Refused(366, f"No historical data query found for ticker id:{req_id}")
        self._tidy()
        ended = hmds(f"API historical data query cancelled: {req_id}")
        values = {"reqId": req_id, "errorCode": ended.number, "errorString": ended.text, "advancedOrderRejectJson": ""}
        return [(client, "error", values)]

    def cancel_market_data(self, client: Client, req_id: int) -> None:
        feed = self._lines.pop((client, req_id), None)
        if feed is None:
            raise Refused(300, f"Can't find EId with tickerId:{req_id}")
        feed.turn_to(each for each in feed.lines if (each.client, each.req_id) != (client, req_id))
        self._tidy()

    def cancel_tick_by_tick(self, client: Client, req_id: int) -> None:
        if self._by_tick.pop((client, req_id), None) is None:
            raise Refused(300, f"Can't find EId with tickerId:{req_id}")
        self._tidy()

    def drop(self, client: Client) -> None:
        """A client has left: end all that it had."""
        for cancel, held in (
            (self.cancel_real_time_bars, self._listeners),
            (self.cancel_historical_data, self._growing),
            (self.cancel_market_data, self._lines),
            (self.cancel_tick_by_tick, self._by_tick),
        ):
            for owner, req_id in [key for key in held if key[0] == client]:
                cancel(owner, req_id)
        self.data_types.pop(client, None)

    # ---- what the tape says

    def feed(self, step: Step, *, is_over: bool = False) -> list[Answer]:
        """What a step, which may be empty, is told to clients: (client, name, values).

        ``is_over``: the tape has ended, so only what is delayed comes; no flat bars, as nobody knows what follows.
        """
        if not self._busy:
            return []
        out: list[Answer] = []
        bars, quotes, moment = step.bars, step.quotes, moment_of(step.when)
        for (instrument, _), feed in self._feeds.items():
            bar, quote = bars.get(instrument), quotes.get(instrument)
            if bar is not None or quote is not None:
                feed.hear(bar, quote, out)
            feed.until(step.when, out)
        if is_over:
            return out
        for instrument, by_tick in self._by_tick.values():
            by_tick.hear(instrument, bars.get(instrument), quotes.get(instrument), out)
        for (instrument, _, _), source in self._bars.items():
            source.hear(bars.get(instrument), quotes.get(instrument), out)
            source.until(moment, out)
        for instrument, growing in self._growing.values():
            growing.hear(bars.get(instrument), quotes.get(instrument), out)
            growing.until(moment, out)
        return out

    def next_due(self) -> dt.datetime | None:
        """When the next bar of 5 seconds ends, whether anything trades at that moment or not."""
        due = min((each for source in self._bars.values() if (each := source.next_due) is not None), default=None)
        return None if due is None else moment_to_datetime(due)

    def halt(self, instrument: Instrument, halted: bool) -> list[Answer]:
        """Tell the lines of an instrument that its trading stops or goes on, also those that begin later."""
        (self._halted.add if halted else self._halted.discard)(instrument)
        out: list[Answer] = []
        for (held, _), feed in self._feeds.items():
            if held == instrument:
                ticks: list[Tick] = feed.board.halt(halted)
                feed.tell(ticks, out)
        return out

    def inventory(self, instrument: Instrument) -> list[Answer]:
        """Tell the lines of an instrument how many of its shares can be borrowed now."""
        out: list[Answer] = []
        for (held, delayed), feed in self._feeds.items():
            if held == instrument and not delayed:
                feed.tell(feed.board.inventory(), out)
        return out

    # ---- inside

    def _new_key(
        self, held: Mapping[tuple[Client, int], object], client: Client, request: Values
    ) -> tuple[Client, int]:
        key = client, int(request["reqId"])
        if key in held:
            raise Refused(102, "Duplicate ticker ID.")
        return key

    def _pieces(self, instrument: Instrument, what: str) -> Pieces | None:
        """What makes pieces of an instrument's steps; None: the tape has nothing of that kind."""
        if what in QUOTED and instrument in self.tape.quotes:
            return Pieces(self.tape, instrument, what)
        columns = self.tape.bars.get(instrument)
        if columns is None or instrument.sec_type == "CASH" and what not in QUOTED:
            return None
        return Pieces(self.tape, instrument, what)

    def _price_now(self, instrument: Instrument, pieces: Pieces, now: dt.datetime, regular: bool) -> float | None:
        """The price of the current session that holds at ``now``."""
        hours = hours_of(instrument)
        moment = moment_of(now)
        number = hours.number_at(moment, regular)
        quote = self.tape.last_quote(instrument, now) if pieces.carried else None
        bar = None if pieces.carried else self.tape.last_bar(instrument, now)
        piece = pieces.of(bar, quote)
        if number is None or piece is None or piece.end <= int(hours.windows(regular)[0][number]):
            return None
        return piece.close

    def _told(self, instrument: Instrument, wanted: int, delayed: bool, now: dt.datetime) -> int:
        """The market data type that is really sent."""
        frozen = wanted in (FROZEN, DELAYED_FROZEN) and hours_of(instrument).number_at(moment_of(now), False) is None
        if delayed:
            return DELAYED_FROZEN if frozen else DELAYED
        return FROZEN if frozen else LIVE

    def _tidy(self) -> None:
        """Forget what nobody listens to."""
        self._bars = {key: source for key, source in self._bars.items() if source.listeners}
        self._feeds = {key: feed for key, feed in self._feeds.items() if feed.lines}
        self._busy = bool(len(self))


def _in_fives(seconds: int) -> bool:
    """Whether bars of a tape make bars of 5 seconds, or consist of not too many of them."""
    return 5 % seconds == 0 or (seconds % 5 == 0 and seconds <= COARSEST)
