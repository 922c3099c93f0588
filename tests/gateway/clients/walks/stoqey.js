// @stoqey/ib walks through the gateway: `node stoqey.js NODE_MODULES PORT VERSION`. The steps are those of official.py.
"use strict";
const path = require("path");
const readline = require("readline");

const [folder, port, version] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const library = path.join(folder, "@stoqey", "ib", "dist");
const { IBApi } = require(path.join(library, "index.js"));
require(path.join(library, "api", "api.js")).MAX_SUPPORTED_SERVER_VERSION = version;

const ACCOUNT = "DU1234567";
const TAGS = ["AccountType", "NetLiquidation", "BuyingPower", "InitMarginReq"];
const VALUES = ["CashBalance BASE", "CashBalance EUR", "ExchangeRate EUR", "NetLiquidation EUR"];
const SCHEDULES = 165;
const COMPLETED = 177; // below, this library forgets faProfile when it reads a completed order
const LONGEST = 20000; // milliseconds for an answer
const lot = version < 163 ? 100 : 1;
const END = "20240612-14:00:00";

const contract = (symbol, secType = "STK", exchange = "SMART", currency = "USD") => ({ symbol, secType, exchange, currency });
const STOCK = contract("XMPLA");
const OTHER = contract("XMPLB");
const PAIR = contract("EUR", "CASH", "IDEALPRO");

const report = { version: 0, results: {}, errors: {}, objections: [] };
const tell = (name, value) => (report.results[name] = value);
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const ib = new IBApi({ host: "127.0.0.1", port, maxReqPerSec: 100000 });
const calls = []; // [event, arguments]
let step = "";
let known = 0;
let reqId = 0;
let orderId = 0;
let wake = () => undefined;

const refused = (code, text) => {
    if (/Decoding error|Underrun error|No parser implementation/.test(text)) report.objections.push(text);
    (report.errors[step] ??= []).push(code);
};
ib.on("error", (error, code) => refused(code, error.message));
ib.on("info", (text, code) => refused(code, text));
ib.on("server", (found) => (report.version = found));
ib.on("connected", () => ib.controller.socket.client.setNoDelay(true)); // two requests in a row: no waiting
ib.on("all", (name, values) => {
    calls.push([name, values]);
    if (name === "currentTime" || name === "nextValidId") wake();
});

function until(happened) {
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${step}: no answer`)), LONGEST);
        wake = () => happened() && (clearTimeout(late), resolve());
        wake();
    });
}

/** Make a request and return what was told since the last one, up to the answer to a request for the time. */
async function ask(request, ...values) {
    if (request) ib[request](...values);
    ib.reqCurrentTime();
    await until(() => calls.slice(known).some(([name]) => name === "currentTime"));
    const told = calls.slice(known);
    known = calls.length;
    return told;
}
const only = (told, name) => told.filter(([called]) => called === name).map(([, values]) => values);
const rows = async (name, request, ...values) => only(await ask(request, ++reqId, ...values), name);
async function passTime(seconds) {
    say({ advance: seconds });
    await lines.next();
    return ask();
}

// -- orders ----------------------------------------------------------------------------------------------------------

const order = (action, totalQuantity, orderType, terms = {}) => ({ orderId: orderId++, action, totalQuantity, orderType, tif: "DAY", transmit: true, ...terms });
async function place(made) {
    await ask("placeOrder", made.orderId, STOCK, made);
    return made;
}
/** Status, filled, remaining, fills. */
function trade(made) {
    const [, status, filled, remaining] = only(calls, "orderStatus").filter(([id]) => id === made.orderId).at(-1);
    const fills = only(calls, "execDetails").filter(([id, , execution]) => id === -1 && execution.orderId === made.orderId);
    return [status, filled, remaining, fills.map(([, , execution]) => [execution.shares, execution.price])];
}
const details = ({ contract: c, ...row }) => [c.conId, c.symbol, c.secType, c.currency, c.localSymbol, row.longName, row.minTick, row.timeZoneId, row.marketRuleIds.split(",")[0]];
const held = ([, found, position]) => [found.symbol, position];
const tenth = (amount) => Math.round(amount * 10) / 10;

const steps = {
    async connect() {
        ib.connect(7);
        await until(() => only(calls, "nextValidId").length);
        const told = await ask();
        tell("accounts", only(told, "managedAccounts")[0][0].split(","));
        tell("time", only(told, "currentTime")[0][0]);
        [[orderId]] = only(await ask("reqIds"), "nextValidId");
        tell("next_id", orderId);
    },
    async account() {
        const summary = await rows("accountSummary", "reqAccountSummary", "All", TAGS.join());
        tell("summary", Object.fromEntries(summary.map(([, , tag, value]) => [tag, value])));
        await ask("cancelAccountSummary", reqId);
        const told = only(await ask("reqAccountUpdates", true, ACCOUNT), "updateAccountValue");
        const values = Object.fromEntries(told.map(([key, value, currency]) => [`${key} ${currency}`, value]));
        tell("values", Object.fromEntries(VALUES.map((key) => [key, values[key]])));
        tell("positions", only(await ask("reqPositions"), "position").map(held));
        await rows("positionMulti", "reqPositionsMulti", ACCOUNT, "");
        await rows("accountUpdateMulti", "reqAccountUpdatesMulti", ACCOUNT, "", true);
        tell("pnl", (await rows("pnl", "reqPnL", ACCOUNT, ""))[0].slice(1));
        await ask("cancelPnL", reqId);
        await ask("reqFamilyCodes");
    },
    async contracts() {
        const found = async (wanted) => (await rows("contractDetails", "reqContractDetails", wanted)).map(([, row]) => row);
        const stock = await found(STOCK);
        tell("stock", stock.map(details));
        tell("pair", (await found(PAIR)).map(details));
        const several = await found({ symbol: "XMPLD", secType: "STK" });
        tell("ambiguous", several.map((row) => [row.contract.conId, row.contract.currency]).sort());
        tell("unknown", (await found(contract("NOSUCH"))).map(details));
        const [[, samples]] = await rows("symbolSamples", "reqMatchingSymbols", "XMPLA");
        tell("matching", samples.map((row) => row.contract.conId));
        for (const [name, rule] of [["rule", 26], ["pair_rule", 239]]) {
            const [[, increments]] = only(await ask("reqMarketRule", rule), "marketRule");
            tell(name, increments.map((row) => [row.lowEdge, row.increment]));
        }
        STOCK.conId = stock[0].contract.conId;
        tell("chains", await rows("securityDefinitionOptionParameter", "reqSecDefOptParams", "XMPLA", "", "STK", STOCK.conId));
        await ask("reqMktDepthExchanges");
        await ask("reqNewsProviders");
    },
    async history() {
        const bars = async (wanted, duration, size, what, form = 2) => {
            const told = await rows("historicalData", "reqHistoricalData", wanted, "", duration, size, what, what === "TRADES", form, false);
            if (!told.pop()[1].startsWith("finished")) throw new Error("no end of history");
            return told.map((row) => row.slice(1, 7));
        };
        const shares = ([date, open, high, low, close, volume]) => [date, open, high, low, close, volume * lot];
        const seconds = ([date, ...others]) => [Number(date), ...others];
        tell("daily", (await bars(STOCK, "3 D", "1 day", "TRADES", 1)).map(shares));
        tell("fine", (await bars(STOCK, "30 S", "10 secs", "TRADES")).map(shares).map(seconds));
        tell("midpoint", (await bars(PAIR, "30 S", "15 secs", "MIDPOINT")).map((row) => seconds(row.slice(0, 5))));
        const [[, head]] = await rows("headTimestamp", "reqHeadTimestamp", STOCK, "TRADES", true, 2);
        tell("head", Number(head));
        const ticks = async (name, count, what) => (await rows(name, "reqHistoricalTicks", STOCK, "", END, count, what, false, false))[0][1];
        const last = await ticks("historicalTicksLast", 2, "TRADES");
        tell("ticks_last", last.map((row) => [Number(row.time), row.price, row.size, row.exchange]));
        const both = await ticks("historicalTicksBidAsk", 1, "BID_ASK");
        tell("ticks_bid_ask", both.map((row) => [Number(row.time), row.priceBid, row.priceAsk, row.sizeAsk]));
        tell("ticks_midpoint", (await ticks("historicalTicks", 1, "MIDPOINT")).map((row) => [Number(row.time), row.price]));
        if (report.version < SCHEDULES) return;
        const [[, , , zone, sessions]] = await rows("historicalSchedule", "reqHistoricalData", STOCK, "", "1 D", "1 day", "SCHEDULE", true, 1, false);
        tell("schedule", [zone, sessions.map((session) => session.refDate)]);
    },
    async market_data() {
        const quoted = async (wanted, generic = "", snapshot = false) => {
            const told = await ask("reqMktData", ++reqId, wanted, generic, snapshot, false);
            const ticks = told.filter(([name]) => ["tickPrice", "tickSize", "tickString", "tickGeneric"].includes(name));
            const found = Object.fromEntries(ticks.map(([, [, type, value]]) => [type, value]));
            if (snapshot && !only(told, "tickSnapshotEnd").length) throw new Error("no end of the snapshot: " + told.map(([name]) => name));
            return { ...found, kind: only(told, "marketDataType")[0]?.[1] };
        };
        const live = await quoted(STOCK, "233,236");
        tell("live", [live[1], live[2], live[0] * lot, live[4], live[9], live.kind]);
        tell("generic", [Number(live[48].split(";")[4]), live[89] * lot, live[49]]);
        await ask("cancelMktData", reqId);
        const snapshot = await quoted(PAIR, "", true);
        tell("snapshot", [snapshot[1], snapshot[2]]);
        await ask("reqMarketDataType", 3);
        const delayed = await quoted(OTHER);
        tell("delayed", [delayed[75], delayed.kind]);
        await ask("cancelMktData", reqId);
        await ask("reqMarketDataType", 1);
        await quoted(OTHER);
    },
    async streams() {
        const first = reqId + 1;
        await rows("", "reqRealTimeBars", STOCK, 5, "TRADES", false);
        await rows("", "reqHistoricalData", STOCK, "", "30 S", "10 secs", "TRADES", true, 2, true);
        const kinds = ["Last", "AllLast", "BidAsk", "MidPoint"].map((kind, place) => [first + 2 + place, kind]);
        for (const [, kind] of kinds) await rows("", "reqTickByTickData", STOCK, kind, 0, false);
        const told = await passTime(12);
        tell("fives", only(told, "realtimeBar").map(([, time, open, high, low, close, volume]) => [time, open, high, low, close, volume * lot]));
        const growing = only(told, "historicalDataUpdate").at(-1);
        tell("growing", [[Number(growing[1]), ...growing.slice(2, 6), growing[6] * lot]]);
        const ticks = {};
        for (const [name, [id, ...values]] of told.filter(([called]) => called.startsWith("tickByTick"))) {
            const kind = Object.fromEntries(kinds)[id];
            if (name === "tickByTickAllLast") ticks[kind] = [values[2], values[3], values[5]];
            else ticks[kind] = values.slice(1, kind === "BidAsk" ? 5 : 2);
        }
        tell("by_tick", ticks);
        for (const [id] of kinds) await ask("cancelTickByTickData", id);
        await ask("cancelHistoricalData", first + 1);
        await ask("cancelRealTimeBars", first);
    },
    async what_if() {
        const made = order("BUY", 100, "LMT", { lmtPrice: 50.0, whatIf: true, account: ACCOUNT });
        const [[, , , state]] = only(await ask("placeOrder", made.orderId, STOCK, made), "openOrder");
        const margin = (amount) => Number(amount).toFixed(2);
        tell("what_if", [margin(state.initMarginChange), margin(state.equityWithLoanBefore), tenth(state.commission)]);
    },
    async simple_orders() {
        const bought = order("BUY", 100, "MKT", { orderRef: "first" });
        const told = await ask("placeOrder", bought.orderId, STOCK, bought);
        tell("market", trade(bought));
        const [[, , execution]] = only(told, "execDetails");
        const [[fee]] = only(told, "commissionReport");
        tell("commission", [fee.execId === execution.execId, tenth(fee.commission), fee.currency]);
        tell("reference", [execution.orderRef, execution.side, execution.exchange]);
        const [day, clock] = execution.time.split(/ +/);
        // New York is four hours behind UTC in June
        tell("executed_at", Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T${clock}-04:00`) / 1000);
        const resting = await place(order("BUY", 100, "LMT", { lmtPrice: 49.0, tif: "GTC" }));
        tell("resting", trade(resting));
        Object.assign(resting, { lmtPrice: 49.5, totalQuantity: 200 });
        await place(resting);
        const [[, , changed]] = only(await ask("reqAllOpenOrders"), "openOrder");
        tell("modified", [changed.lmtPrice, changed.totalQuantity, changed.tif]);
        await ask("cancelOrder", resting.orderId);
        tell("cancelled", trade(resting));
        await passTime(1);
        const partial = await place(order("BUY", 700, "LMT", { lmtPrice: 50.02 }));
        tell("part", trade(partial));
        await passTime(2);
        tell("partial", trade(partial));
    },
    async linked_orders() {
        await passTime(1);
        const parent = order("BUY", 100, "LMT", { lmtPrice: 50.02, transmit: false });
        const profit = order("SELL", 100, "LMT", { lmtPrice: 50.9, parentId: parent.orderId, transmit: false });
        const loss = order("SELL", 100, "STP", { auxPrice: 45.0, parentId: parent.orderId });
        const bracket = [parent, profit, loss];
        for (const made of bracket) await place(made);
        tell("bracket", bracket.map(trade));
        const pair = [50.95, 52.0].map((lmtPrice) => order("SELL", 100, "LMT", { lmtPrice, ocaGroup: "pair", ocaType: 1 }));
        for (const made of pair) await place(made);
        const trail = await place(order("SELL", 100, "TRAIL", { auxPrice: 0.5 }));
        for (const [name, request] of [["open", "reqOpenOrders"], ["all_open", "reqAllOpenOrders"]]) {
            tell(name, only(await ask(request), "openOrder").map(([, , found]) => found.orderType).sort());
        }
        await passTime(290);
        tell("bracket_done", bracket.map(trade));
        tell("oca_done", pair.map(trade));
        tell("trailing", trade(trail)[0]);
        await passTime(60);
        tell("trailed", trade(trail));
    },
    async looking_back() {
        tell("executions", (await rows("execDetails", "reqExecutions", {})).length);
        const sold = await rows("execDetails", "reqExecutions", { side: "SELL", symbol: "XMPLA" });
        tell("sold", sold.map(([, , execution]) => [execution.shares, execution.price]));
        if (report.version >= COMPLETED) {
            const done = only(await ask("reqCompletedOrders", false), "completedOrder");
            tell("completed", done.map(([, , state]) => state.status).sort());
        }
        tell("held", only(await ask("reqPositions"), "position").map(held));
        const kept = Object.fromEntries(only(calls, "updatePortfolio").map((row) => [row[0].symbol, row]));
        tell("portfolio", Object.entries(kept).map(([symbol, row]) => [symbol, row[1], row[2]]));
        const [pnl] = await rows("pnlSingle", "reqPnLSingle", ACCOUNT, "", STOCK.conId);
        tell("pnl_single", [pnl[1], pnl.at(-1)]);
        await ask("cancelPnLSingle", reqId);
        const far = [41.0, 42.0].map((lmtPrice) => order("BUY", 100, "LMT", { lmtPrice }));
        for (const made of far) await place(made);
        await ask("reqGlobalCancel");
        tell("all_cancelled", far.map((made) => trade(made)[0]));
    },
    async refusals() {
        const refusal = async (name, request, ...values) => {
            step = name;
            await ask(request, ...values);
        };
        const orders = {
            too_much: order("BUY", 1000000, "LMT", { lmtPrice: 50.0 }),
            off_tick: order("BUY", 100, "LMT", { lmtPrice: 49.995 }),
            no_type: order("BUY", 100, "PEG"),
        };
        for (const [name, made] of Object.entries(orders)) await refusal(name, "placeOrder", made.orderId, STOCK, made);
        await refusal("not_found", "cancelOrder", 99999);
        await refusal("scanner", "reqScannerSubscription", ++reqId, { instrument: "STK", scanCode: "TOP_PERC_GAIN" });
        await refusal("scanner_parameters", "reqScannerParameters");
        await refusal("fundamentals", "reqFundamentalData", ++reqId, STOCK, "ReportSnapshot");
        await refusal("depth", "reqMktDepth", ++reqId, STOCK, 5, false);
    },
};

(async () => {
    for (const [name, take] of Object.entries(steps)) {
        step = name;
        try {
            await take();
        } catch (fault) {
            report.objections.push(`${name}: raised ${fault.stack}`);
        }
    }
    step = "disconnect";
    say(report);
    process.exit(0);
})();
