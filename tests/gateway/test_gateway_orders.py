"""Orders on the wire: previews, accounts after a fill, and currencies that the books cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faulty.wire import ACCOUNT, Client, codes, gateway, named

from gateway import Gateway
from gateway.data.sample import EURUSD, XMPLD

EXAMPLE = next(instrument for instrument in XMPLD if instrument.currency == "GBP")


@pytest.fixture
def running() -> Iterator[Gateway]:
    with gateway() as made:
        yield made


def told(client: Client) -> dict[tuple[str, str], str]:
    """The account values that have come: key, currency -> the last one."""
    return {(v["key"], v["currency"]): v["val"] for v in named(client.sync(), "updateAccountValue")}


def test_a_preview_with_the_id_of_a_working_order_leaves_it_alone(running: Gateway) -> None:
    with Client(running.port) as client:
        client.place(5, orderType="LMT", lmtPrice=40.0)
        client.sync()
        client.place(5, orderType="LMT", lmtPrice=41.0, totalQuantity=500.0, whatIf=True)
        answers = client.sync()
        [preview] = named(answers, "openOrder")
        # 500 shares at 41 instead of 100 at 40, half of it, and no order changed
        assert preview["order"]["whatIf"] and preview["orderId"] == 5
        assert float(preview["orderState"]["initMarginChange"]) > 0.0
        assert named(answers, "orderStatus") == [] and codes(answers) == []
        client.tell("reqAllOpenOrders")
        [live] = named(client.until("openOrderEnd"), "openOrder")
        assert (live["order"]["totalQuantity"], live["order"]["lmtPrice"], live["order"]["whatIf"]) == (
            100,
            40.0,
            False,
        )


def test_a_preview_of_a_currency_pair_tells_its_commission(running: Gateway) -> None:
    with Client(running.port) as client:
        pair = {"conId": EURUSD.con_id, "symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}
        order = {"action": "BUY", "totalQuantity": 20_000.0, "orderType": "MKT", "tif": "DAY", "whatIf": True}
        client.tell("placeOrder", orderId=5, contract=pair, order=order)
        [preview] = named(client.sync(), "openOrder")
        usd = running.call(lambda tws: tws.accounts.rates.rate("USD", tws.clock.now()))
        assert usd != 0.90
        assert preview["orderState"]["commission"] == pytest.approx(2.0 * usd)
        assert preview["orderState"]["commissionCurrency"] == "EUR"


def test_account_values_follow_a_fill_at_once_and_once_a_step(running: Gateway) -> None:
    with Client(running.port) as client, Client(running.port, 2) as other:
        client.tell("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
        client.tell("reqAccountUpdatesMulti", reqId=7, account=ACCOUNT, modelCode="", ledgerAndNLV=False)
        assert told(client)["GrossPositionValue", "EUR"] == "0.00"
        running.advance(seconds=1)
        client.sync()  # what is sent every three minutes has been
        client.place(5)
        client.place(6)
        client.sync()
        running.advance(seconds=1)
        answers = client.sync()
        assert len(named(answers, "execDetails")) == 2
        values = named(answers, "updateAccountValue")
        [gross] = [v["val"] for v in values if v["key"] == "GrossPositionValue"]
        assert float(gross) > 0.0
        assert len({(v["key"], v["currency"]) for v in values}) == len(values)
        assert ("AccountReady", "") not in {(v["key"], v["currency"]) for v in values}  # has not changed
        assert [v["value"] for v in named(answers, "accountUpdateMulti") if v["key"] == "GrossPositionValue"] == [gross]
        running.advance(seconds=1)
        assert named(client.sync(), "updateAccountValue") == []
        assert named(other.sync(), "updateAccountValue") == []


def test_account_values_follow_a_fill_at_the_quote_that_stands() -> None:
    with gateway(standing=True) as running, Client(running.port) as client:
        client.tell("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
        client.sync()
        client.place(5)
        answers = client.sync()
        names = [name for name, _ in answers]
        assert "commissionReport" in names
        assert names.index("commissionReport") < names.index("updateAccountValue")


def test_an_order_in_a_currency_without_a_rate_is_refused(running: Gateway) -> None:
    with Client(running.port) as client:
        contract = {"conId": EXAMPLE.con_id, "symbol": EXAMPLE.symbol, "secType": "STK", "exchange": "SMART"}
        order = {"action": "BUY", "totalQuantity": 10.0, "orderType": "LMT", "lmtPrice": 5.0, "tif": "DAY"}
        for number, terms in ((5, order), (6, order | {"whatIf": True})):
            client.tell("placeOrder", orderId=number, contract=contract, order=terms)
            assert codes(client.sync()) == [201]
        client.tell("reqAllOpenOrders")
        assert named(client.until("openOrderEnd"), "openOrder") == []
        client.tell("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
        assert told(client)["NetLiquidation", "EUR"] == "100000.00" and not client.is_closed
