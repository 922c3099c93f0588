"""Accounts: commissions as IBKR's examples have them, cash by currency, P&L, margin, and the rows that TWS sends."""

from __future__ import annotations

import csv
import datetime as dt

import pytest

from books.interest import Interest
from books.rates import Rates
from core.settings import FeeSettings
from gateway.market import Accounts, MarginRates, account_values, portfolio, summary
from gateway.model import Instrument

NO_FEES = FeeSettings(sec_per_value=0.0, finra_taf_per_share=0.0, cat_per_share=0.0)


def rows(world, account="DU1"):
    told = account_values(world.market.accounts[account], world.clock.now())
    return {(key, currency): value for key, value, currency in told}


def trade(world, action, price, quantity=100, **terms):
    """Fill a market order at ``price``; return its commission."""
    order_id = len(world.market.orders) + 1
    world.place(order_id, action, quantity=quantity, **terms)
    world.bar(price, price, price, price, instrument=terms.get("instrument"))
    return [entry for entry in world.log if entry[0] == "fee" and entry[1] == order_id][-1]


# ---------------------------------------------------------------------- commissions (COSTS.md)


@pytest.mark.parametrize("shares, price, commission", [(100, 25.0, 1.00), (1000, 25.0, 5.00), (1000, 0.25, 2.50)])
def test_ibkrs_examples_of_the_fixed_schedule(make_world, shares, price, commission):
    world = make_world(accounts=Accounts({"DU1": 1e6}, fees=NO_FEES))
    assert trade(world, "BUY", price, shares)[2] == pytest.approx(commission)


def test_the_fees_of_a_sale(world):
    # 1,000 shares at 25: commission 5, SEC 25,000 x 0.0000278, FINRA 1,000 x 0.000166, audit trail 1,000 x 0.000072
    assert trade(world, "SELL", 25.0, 1000)[2] == pytest.approx(5.0 + 0.695 + 0.166 + 0.072)


def test_ibkrs_example_of_the_euro_zone(make_world):
    xetra = Instrument(1, "AAA", currency="EUR", calendar="XETR", time_zone="Europe/Berlin", schedule="ibkr_eu_tiered")
    world = make_world(instrument=xetra)
    # 1,000 shares at EUR 20: commission 10.00, exchange 0.96, clearing 0.18, regulatory 0.01
    assert trade(world, "BUY", 20.0, 1000)[2] == pytest.approx(11.15)
    assert world.market.accounts["DU1"].cash.balances == {"EUR": pytest.approx(1_000_000 - 20_000 - 11.15)}


def test_an_order_in_parts_pays_its_minimum_once(make_world):
    world = make_world(accounts=Accounts({"DU1": 1e6}, fees=NO_FEES))
    world.place(1, "BUY", "LMT", 300, lmtPrice=100.0)
    for size in (50, 100, 150):
        world.quote(99.9, 100.0, ask_size=size)
    assert [entry[2] for entry in world.log if entry[0] == "fee"] == [1.0, 0.0, 0.5]


def test_an_order_that_persists_overnight_pays_again(make_world):
    world = make_world(accounts=Accounts({"DU1": 1e6}, fees=NO_FEES))
    world.place(1, "BUY", "LMT", 100, lmtPrice=100.0, tif="GTC")
    world.quote(99.9, 100.0, ask_size=50)
    world.until(dt.datetime(2024, 3, 11, 13, 30, tzinfo=dt.UTC))
    world.quote(99.9, 100.0, ask_size=50)
    assert [entry[2] for entry in world.log if entry[0] == "fee"] == [1.0, 1.0]


def test_the_tiers_count_the_month_of_each_account(make_world):
    tiered = Instrument(1, "AAA", schedule="ibkr_us_tiered")
    fees = FeeSettings(
        sec_per_value=0, finra_taf_per_share=0, cat_per_share=0, clearing_per_share=0, nyse_pass_through=0,
        finra_pass_through=0, exchange_remove_per_share=0, exchange_add_per_share=0,
    )  # fmt: skip
    world = make_world(instrument=tiered, accounts=Accounts({"DU1": 1e9, "DU2": 1e9}, fees=fees))
    assert trade(world, "BUY", 10.0, 300_000, account="DU1")[2] == pytest.approx(300_000 * 0.0035)
    assert trade(world, "BUY", 10.0, 100_000, account="DU1")[2] == pytest.approx(100_000 * 0.0020)
    assert trade(world, "BUY", 10.0, 100_000, account="DU2")[2] == pytest.approx(100_000 * 0.0035)


def test_a_currency_pair_pays_basis_points_in_the_base_currency(make_world):
    pair = Instrument(9, "EUR", sec_type="CASH", min_tick=0.00005)
    world = make_world(instrument=pair)
    # 2 USD at least = EUR 1.80; 1,000,000 EUR are 1,111,111 USD, of which 0.2 basis points
    assert trade(world, "SELL", 1.1, 20_000)[2] == pytest.approx(1.80)
    assert trade(world, "SELL", 1.1, 1_000_000)[2] == pytest.approx(1e6 / 0.9 * 0.00002 * 0.9)
    balances = world.market.accounts["DU1"].cash.balances
    assert balances["USD"] == pytest.approx(1_020_000 * 1.1)
    assert balances["EUR"] == pytest.approx(1e6 - 1_020_000 - 21.80)
    assert world.market.accounts["DU1"].held(9) == -1_020_000  # IBKR's virtual position
    assert rows(world)["StockMarketValue", "BASE"] == "0.00"


# ---------------------------------------------------------------------- cash and P&L


def test_a_purchase_in_dollars_leaves_a_debit_in_dollars(world):
    fee = trade(world, "BUY", 50.0)[2]
    told = rows(world)
    assert told["CashBalance", "EUR"] == "1000000.00"
    assert told["CashBalance", "USD"] == f"{-5000 - fee:.4f}"
    assert told["CashBalance", "BASE"] == f"{1e6 - (5000 + fee) * 0.9:.4f}"
    assert told["ExchangeRate", "USD"] == "0.9" and told["ExchangeRate", "BASE"] == "1.00"
    assert told["StockMarketValue", "USD"] == "5000.00" and told["StockMarketValue", "BASE"] == "4500.00"
    assert told["NetLiquidationByCurrency", "USD"] == f"{-fee:.4f}"
    assert told["NetLiquidation", "EUR"] == f"{1e6 - fee * 0.9:.2f}"


def test_realised_pnl_is_net_of_the_commissions_of_both_sides(world):
    # As in a public log of IBKR: 2 shares from 709.04 to 709.77 with 2.03 of commissions realise -0.57
    first = trade(world, "BUY", 709.04, 2)
    last = trade(world, "SELL", 709.77, 2)
    paid = first[2] + last[2]
    assert first[3] is None
    assert last[3] == pytest.approx(2 * 0.73 - paid, abs=1e-6)
    assert paid == pytest.approx(2.04, abs=0.005)  # the SEC fee has changed since
    assert rows(world)["RealizedPnL", "USD"] == f"{1.46 - paid:.2f}"


def test_a_reversal_realises_what_it_closes_and_opens_the_rest(make_world):
    world = make_world(accounts=Accounts({"DU1": 1e6}, fees=NO_FEES))
    trade(world, "BUY", 100.0, 100)  # 1.00
    fee = trade(world, "SELL", 110.0, 400)  # 2.00, a quarter of it for what closes
    assert fee[2:] == (2.0, pytest.approx(1000 - 1.0 - 0.5))
    position = world.market.accounts["DU1"].position(world.a)
    assert (position.quantity, position.average_cost) == (-300, pytest.approx(110 - 1.5 / 300))


def test_portfolio_rows(world):
    trade(world, "SELL", 50.0)
    world.bar(48, 48, 48, 48)
    [(instrument, told)] = portfolio(world.market.accounts["DU1"])
    fee = 1.0 + 100 * 0.000072 + 100 * 0.000166 + 5000 * 0.0000278
    assert instrument is world.a
    assert told == {
        "position": -100,
        "marketPrice": 48.0,
        "marketValue": -4800.0,
        "averageCost": pytest.approx(50 - fee / 100),
        "unrealizedPNL": pytest.approx(200 - fee),
        "realizedPNL": 0.0,
        "accountName": "DU1",
    }
    trade(world, "BUY", 48.0)
    [(_, told)] = portfolio(world.market.accounts["DU1"])
    assert (told["position"], told["marketValue"], told["unrealizedPNL"]) == (0, 0.0, 0.0)


def test_daily_pnl_begins_anew_at_midnight(world):
    state = world.market.accounts["DU1"]
    trade(world, "BUY", 100.0)
    world.bar(110, 110, 110, 110)
    fee = 1.0072
    assert state.pnl(world.clock.now()) == pytest.approx(((1000 - fee) * 0.9, (1000 - fee) * 0.9, 0.0))
    assert state.pnl_single(1, world.clock.now()) == pytest.approx(
        (100, (1000 - fee) * 0.9, (1000 - fee) * 0.9, 0.0, 11_000 * 0.9)
    )
    world.until(dt.datetime(2024, 3, 11, 13, 30, tzinfo=dt.UTC))
    assert state.pnl(world.clock.now())[0] == 0.0
    out = trade(world, "SELL", 105.0)
    daily, unrealized, realized = state.pnl(world.clock.now())
    assert daily == pytest.approx((-500 - out[2]) * 0.9)
    assert unrealized == 0.0 and realized == pytest.approx((500 - fee - out[2]) * 0.9)
    assert state.pnl_single(1, world.clock.now())[1] == pytest.approx(daily)
    assert state.pnl_single(77, world.clock.now()) == (0.0, 0.0, 0.0, 0.0, 0.0)


def test_exchange_rates_that_move(make_world, tmp_path):
    with (tmp_path / "usd.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("date", "rate"), ("2024-03-01", 0.90), ("2024-03-08T14:31:30", 0.95)])
    world = make_world(accounts=Accounts({"DU1": 1e6}, rates=Rates("EUR", files={"USD": tmp_path / "usd.csv"})))
    trade(world, "BUY", 100.0)
    world.bar(100, 100, 100, 100)
    state, now = world.market.accounts["DU1"], world.clock.now()
    state.cash.revalue(now, state.principal)
    # the shares gain what the debit loses
    assert state.cash.cash_fx_eur == pytest.approx(0.0)
    assert state.equity(now) == pytest.approx(1e6 - 1.0072 * 0.95)
    assert state.unrealized(now) == pytest.approx(-1.0072 * 0.95)


def test_interest_is_posted_at_midnight(make_world):
    interest = Interest(Rates(constants={"USD": 0.0532}, setting="costs.interest", bounds=(-0.1, 1.0)), False, 0.0)
    world = make_world(accounts=Accounts({"DU1": 1e6}, fees=NO_FEES, interest=interest))
    trade(world, "BUY", 100.0, 6000)  # leaves a debit of 600,000, and the commission of 30
    world.until(dt.datetime(2024, 3, 9, 6, tzinfo=dt.UTC))
    # IBKR's example: USD -600,000 cost 106.72 a day
    assert world.market.accounts["DU1"].cash.interest_eur == pytest.approx(-106.72 * 0.9, abs=0.01)


# ---------------------------------------------------------------------- margin and rows


def test_margins_of_long_short_and_pair():
    rates = MarginRates()
    stock, pair = Instrument(1, "AAA"), Instrument(2, "EUR", sec_type="CASH")
    assert (rates.initial(stock, 1000.0), rates.maintenance(stock, 1000.0)) == (500.0, 250.0)
    assert (rates.initial(stock, -1000.0), rates.maintenance(stock, -1000.0)) == (500.0, 300.0)
    assert rates.initial(pair, -1000.0) == rates.maintenance(pair, -1000.0) == 25.0


def test_margin_rows(make_world):
    world = make_world(capital=100_000.0, accounts=Accounts({"DU1": 100_000.0}, fees=NO_FEES))
    trade(world, "BUY", 100.0, 400)  # 36,000 EUR, commission 2 USD
    trade(world, "SELL", 50.0, 200, instrument=world.b)  # 9,000 EUR, commission 1 USD
    told = rows(world)
    expected = {
        "NetLiquidation": 100_000 - 2.7,
        "EquityWithLoanValue": 100_000 - 2.7,
        "GrossPositionValue": 45_000,
        "InitMarginReq": 22_500,
        "MaintMarginReq": 36_000 * 0.25 + 9_000 * 0.30,
        "AvailableFunds": 100_000 - 2.7 - 22_500,
        "ExcessLiquidity": 100_000 - 2.7 - 11_700,
        "BuyingPower": (100_000 - 2.7 - 22_500) * 2,
        "TotalCashValue": 100_000 - 36_000 + 9_000 - 2.7,
        "PreviousDayEquityWithLoanValue": 100_000,
    }
    assert {key: told[key, "EUR"] for key in expected} == {key: f"{value:.2f}" for key, value in expected.items()}
    assert told["FullInitMarginReq", "EUR"] == told["LookAheadInitMarginReq", "EUR"] == told["InitMarginReq-S", "EUR"]
    assert told["Cushion", ""] == f"{(100_000 - 2.7 - 11_700) / (100_000 - 2.7):.6f}"
    assert told["Leverage-S", ""] == "0.45"


# What a paper account of EUR base sent (a dump of ib_insync's accountValues, public on GitHub), without the duplicates
SEEN = """
AccountCode AccountOrGroup AccountReady AccountType AccruedCash AccruedDividend AvailableFunds Billable BuyingPower
CashBalance CorporateBondValue Currency Cushion EquityWithLoanValue ExcessLiquidity ExchangeRate FullAvailableFunds
FullExcessLiquidity FullInitMarginReq FullMaintMarginReq FundValue FutureOptionValue FuturesPNL FxCashBalance
GrossPositionValue Guarantee IndianStockHaircut InitMarginReq Leverage-S LookAheadAvailableFunds
LookAheadExcessLiquidity LookAheadInitMarginReq LookAheadMaintMarginReq LookAheadNextChange MaintMarginReq
MoneyMarketFundValue NLVAndMarginInReview NetLiquidation NetLiquidationByCurrency NetLiquidationUncertainty
PhysicalCertificateValue PostExpirationExcess PostExpirationMargin RealCurrency RealizedPnL SegmentTitle-S
StockMarketValue TBillValue TBondValue TotalCashBalance TotalCashValue TotalDebitCardPendingCharges TradingType-S
UnrealizedPnL WarrantValue
""".split()
BY_CURRENCY = ["CashBalance", "TotalCashBalance", "NetLiquidationByCurrency", "ExchangeRate", "Currency", "RealizedPnL"]


def test_the_keys_are_those_of_tws(world):
    trade(world, "BUY", 100.0)
    told = account_values(world.market.accounts["DU1"], world.clock.now())
    keys = [key for key, _, _ in told]
    assert set(SEEN) <= set(keys) and keys == sorted(keys)
    for key in BY_CURRENCY:
        assert [currency for k, _, currency in told if k == key] == ["BASE", "EUR", "USD"]
    assert len({(key, currency) for key, _, currency in told}) == len(told)


def test_account_summary(world):
    trade(world, "BUY", 100.0)
    state, now = world.market.accounts["DU1"], world.clock.now()
    assert [(key, currency) for key, _, currency in summary(state, "NetLiquidation, AccountType,Nonsense", now)] == [
        ("NetLiquidation", "EUR"),
        ("AccountType", ""),
    ]
    everything = summary(state, "All", now)
    assert len(everything) == len({key for key, _, _ in everything}) >= 25
    assert {row[2] for row in summary(state, "$LEDGER", now)} == {"BASE"}
    assert {row[2] for row in summary(state, "$LEDGER:USD", now)} == {"USD"}
    assert {row[2] for row in summary(state, "$LEDGER:ALL", now)} == {"BASE", "EUR", "USD"}
    assert ("TotalCashBalance", "1000000.00", "EUR") in summary(state, "$LEDGER:ALL", now)


def test_the_default_account():
    accounts = Accounts()
    assert accounts.names == ["DU1234567"] and accounts.base == "EUR"
    accounts.open(dt.datetime(2024, 3, 8, tzinfo=dt.UTC))
    assert accounts["DU1234567"].cash.balances == {"EUR": 100_000.0}
    with pytest.raises(ValueError, match="no account 'DU1234568'; did you mean 'DU1234567'"):
        accounts["DU1234568"]


def test_an_instrument_without_a_price_is_worth_its_cost(world):
    order = world.place(1)
    world.market.execute(order, price=50.0)
    state = world.market.accounts["DU1"]
    assert state.unrealized(world.clock.now()) == 0.0
