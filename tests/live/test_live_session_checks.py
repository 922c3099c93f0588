"""Bad input of a live session: one sentence with its cure, and nothing sent."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from books.intents import IntentJournal
from books.qualification import Evidence, qualify, write_qualification
from core.errors import (
    AccountError,
    ContractError,
    HalflifeError,
    LedgerError,
    QualificationError,
    RealMoneyError,
    RequestError,
    SessionError,
    UnreachableError,
)
from core.settings import Settings
from gateway import Gateway
from gateway.data.clock import AcceleratedClock
from gateway.data.contracts import ContractBook
from gateway.data.sample import XMPLD as XMPLD_AT
from gateway.data.sample import make_sample
from gateway.market import Accounts
from live.checks import check_account, check_clock, check_settings, closed_until
from live.places import Places
from live.rehearsal import rehearsal_settings, rehearsal_store
from live.session import LiveSession
from stores.events import AccountKind

TODAY = dt.date(2024, 6, 12)
REAL, PAPER = "U1234567", "DU1234567"
READ_ONLY = "Error validating request.-'bO' : cause - The API interface is currently in Read-Only mode."
NO_PERMISSION = "Historical Market Data Service error message:No market data permissions for NYSE STK"


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["data.bar=1s", "data.hours=regular"], '"1s": IBKR sends bars of 5 seconds at the finest'),
        (["execution=next_close"], 'test with "next_open", and trade that'),
        (["data.hours=all"], 'set "regular"'),
        (["instruments.XMPLA.kind=index"], "XMPLA is an index, which nobody can buy"),
        (["instruments.XMPLB.tradable_eu=false"], "XMPLB has no KID"),
        (["strategies.pairs.parameters.disaster_stop=0.0"], "pairs: the legs have no disaster stop"),
    ],
)
def test_settings_that_cannot_be_traded_say_why(changes: list[str], words: str) -> None:
    with pytest.raises(SessionError, match="rehearsal cannot be traded live: ") as caught:
        check_settings(rehearsal_settings(changes))
    assert words in str(caught.value)


def test_legs_without_stops_may_be_accepted() -> None:
    check_settings(
        rehearsal_settings(["strategies.pairs.parameters.disaster_stop=0.0", "risk.legs.accept_without_stops=true"])
    )


# -- real money -------------------------------------------------------------------------------------------------------


@pytest.fixture
def qualified() -> Settings:
    """Settings that name the real account and a qualification of exactly them."""
    settings = rehearsal_settings([f"live.account={REAL}", "live.qualification=q.toml"])
    evidence = Evidence(
        first_session=dt.date(2023, 1, 3), last_session=dt.date(2024, 6, 11), sessions=360, trades=80,
        net_eur_per_day=31.0, net_eur_per_day_low=4.0, sharpe=1.4, deflated_sharpe=0.97, pbo=0.2, trials=50,
        max_drawdown=0.08,
    )  # fmt: skip
    made = qualify(
        settings, "hash", dict.fromkeys(settings.strategies, evidence), dt.datetime(2024, 6, 12, tzinfo=dt.UTC)
    )
    write_qualification(made, "q.toml")
    return settings


def test_real_money_needs_all_three(qualified: Settings) -> None:
    found = check_account(qualified, REAL, AccountKind.REAL, real_money=True, today=TODAY)
    assert found is not None and found.name == "rehearsal"


def test_real_money_without_the_flag_is_refused(qualified: Settings) -> None:
    with pytest.raises(RealMoneyError, match=r"--real-money was not given"):
        check_account(qualified, REAL, AccountKind.REAL, real_money=False, today=TODAY)


def test_real_money_of_another_account_is_refused(qualified: Settings) -> None:
    with pytest.raises(RealMoneyError, match=f'the settings name "{REAL}": write account = "U7654321" into'):
        check_account(qualified, "U7654321", AccountKind.REAL, real_money=True, today=TODAY)


def test_real_money_for_other_parameters_is_refused(qualified: Settings) -> None:
    table = qualified.strategies["meanrev"]
    changed = table.model_copy(update={"parameters": {**table.parameters, "zscore_entry": 2.0}})
    settings = qualified.model_copy(update={"strategies": {**qualified.strategies, "meanrev": changed}})
    with pytest.raises(QualificationError, match=r"zscore_entry is 2\.0, qualified was 2\.2"):
        check_account(settings, REAL, AccountKind.REAL, real_money=True, today=TODAY)


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(RealMoneyError) as caught:
        check_account(rehearsal_settings(), REAL, AccountKind.REAL, real_money=False, today=TODAY)
    told = str(caught.value)
    assert "the settings name no account" in told and "--real-money was not given" in told
    assert "qualification.toml" in told and "nothing was sent" in told


def test_a_paper_account_is_not_taken_for_a_real_one() -> None:
    assert check_account(rehearsal_settings(), PAPER, AccountKind.PAPER, real_money=False, today=TODAY) is None
    with pytest.raises(RealMoneyError, match=f"{PAPER} is a paper account"):
        check_account(rehearsal_settings(), PAPER, AccountKind.PAPER, real_money=True, today=TODAY)


# -- the exchange is closed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ("2024-06-12T13:00", "XNYS is closed until Wednesday 2024-06-12 13:30 UTC"),
        ("2024-06-12T20:00:01", "XNYS is closed until Thursday 2024-06-13 13:30 UTC"),
        ("2024-06-15T12:00", "XNYS is closed until Monday 2024-06-17 13:30 UTC"),  # a Saturday
        ("2024-06-19T15:00", "XNYS is closed until Thursday 2024-06-20 13:30 UTC"),  # Juneteenth
        ("2024-07-03T18:00", "XNYS is closed until Friday 2024-07-05 13:30 UTC"),  # closed at 13:00 New York
        ("2024-06-12T13:30", ""),
        ("2024-06-12T15:00", ""),
    ],
)
def test_a_closed_exchange_is_told_until_when(now: str, told: str) -> None:
    said = closed_until(rehearsal_settings(), dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC))
    assert said.startswith(told) and bool(said) == bool(told)


# -- clocks -----------------------------------------------------------------------------------------------------------

NOON = dt.datetime(2024, 6, 12, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize("minutes", [-60, 0, 60])
def test_a_clock_that_is_a_little_off_may_trade(minutes: int) -> None:
    check_clock(NOON, dt.timedelta(minutes=minutes))


@pytest.mark.parametrize(("minutes", "theirs"), [(61, "2024-06-12 13:01"), (-61, "2024-06-12 10:59")])
def test_a_clock_that_is_far_off_is_told_with_its_cure(minutes: int, theirs: str) -> None:
    with pytest.raises(SessionError, match=f"IBKR's clock is at {theirs} UTC and this machine's at 2024-06-12 12:00"):
        check_clock(NOON, dt.timedelta(minutes=minutes))


def _paced(ahead: dt.timedelta) -> tuple[str, list[str]]:
    """What ends a start in real time on a machine whose clock is off, and what was told before."""
    settings, told = rehearsal_settings(), list[str]()
    with Gateway.sample(speed=1.0) as tws:
        clock = AcceleratedClock(tws.now() + ahead, 1.0)
        session = LiveSession(
            settings, store=rehearsal_store(tws, settings), clock=clock, until=clock.now(), tell=told.append
        )
        try:
            session.run()
        except SessionError as error:
            assert tws.call(lambda state: len(state.market.orders)) == 0
            return str(error), told
    return "", told


def test_a_start_on_another_day_than_ibkr_is_refused() -> None:
    said, told = _paced(dt.timedelta(days=880))
    assert "IBKR's clock is at 2024-06-12 13:29 UTC" in said and "keep its time by NTP" in said
    assert not [text for text in told if "closed until" in text]
    assert not (Path(rehearsal_settings().paths.state) / "live").exists()  # no journal was made


def test_opening_hours_go_by_the_clock_of_ibkr() -> None:
    """The machine is half an hour ahead, where the exchange has opened; at IBKR it has a minute to go."""
    said, told = _paced(dt.timedelta(minutes=30))
    assert not said
    assert [text for text in told if text.startswith("XNYS is closed until Wednesday 2024-06-12 13:30 UTC")]


# -- on a gateway -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Attempt:
    """A start that must not send anything."""

    tws: Gateway
    told: list[str]
    session: LiveSession

    def refusal(self, kind: type[HalflifeError]) -> str:
        with pytest.raises(kind) as caught:
            self.session.run()
        assert self.tws.call(lambda tws: len(tws.market.orders)) == 0
        return str(caught.value)


@contextlib.contextmanager
def attempt(
    *faults: str, changes: Sequence[str] = (), store: dict[str, Any] | None = None, accounts: Accounts | None = None,
    **options: Any,
) -> Iterator[Attempt]:  # fmt: skip
    """A session in lockstep until 09:35 New York."""
    settings, told = rehearsal_settings(changes), list[str]()
    more: dict[str, Any] = {"accounts": accounts} if accounts is not None else {}
    with Gateway.sample(speed="max", faults=faults, **more) as tws:
        session = LiveSession(
            settings,
            store=dataclasses.replace(rehearsal_store(tws, settings), start_timeout=2.0, **(store or {})),
            clock=tws.tws.clock,
            lockstep=True,
            until=dt.datetime(2024, 6, 12, 13, 35, tzinfo=dt.UTC),
            tell=told.append,
            **options,
        )
        yield Attempt(tws, told, session)


def test_tws_that_does_not_run_is_told_with_the_ports() -> None:
    with attempt(store={"port": 1}) as tried:
        said = tried.refusal(UnreachableError)
    assert "nothing listens on 127.0.0.1:1; start TWS or IB Gateway" in said and "4002" in said


def test_an_api_that_is_switched_off_is_told() -> None:
    with attempt("on startApi: drop", store={"login_timeout": 0.5}) as tried:
        assert "tick 'Enable ActiveX and Socket Clients'" in tried.refusal(UnreachableError)


def test_a_read_only_api_is_told() -> None:
    with attempt(f'on reqOpenOrders: drop; error 321 "{READ_ONLY}"') as tried:
        assert "clear 'Read-Only API' in Global Configuration" in tried.refusal(UnreachableError)


def test_another_account_is_told() -> None:
    with attempt(store={"account": "DU7654321"}) as tried:
        assert f"account DU7654321 is not one of this log-in ({PAPER})" in tried.refusal(AccountError)


def test_a_real_account_is_known_by_its_name_not_by_its_port() -> None:
    with attempt(accounts=Accounts({REAL: 100_000.0}), real_money=True) as tried:
        said = tried.refusal(RealMoneyError)
    assert f"{REAL} is a real-money account, and nothing was sent: the settings name no account" in said
    assert not Path("state/live").exists()


def test_a_contract_that_nobody_knows_is_told() -> None:
    with attempt(changes=["instruments.NOPE.kind=stock", 'strategies.meanrev.instruments=["NOPE"]']) as tried:
        assert "instruments.NOPE: IBKR knows no contract symbol=NOPE" in tried.refusal(ContractError)


XMPLD = ["instruments.XMPLD.kind=stock", 'strategies.meanrev.instruments=["XMPLD"]']


def test_a_contract_of_other_currencies_is_told_with_all_of_them() -> None:
    with attempt(
        changes=[*XMPLD, "instruments.XMPLD.currency=CHF", "costs.fx.rates.CHF=1.0", "costs.fx.rates.USD=0.9"]
    ) as tried:
        said = tried.refusal(ContractError)
    assert "instruments.XMPLD: IBKR knows no contract symbol=XMPLD" in said and "currency=CHF, but " in said
    for candidate in ("NYSE USD con_id=900000021", "LSE GBP con_id=900000022", "IBIS EUR con_id=900000023"):
        assert candidate in said
    assert said.endswith("; set instruments.XMPLD.exchange (XNYS = NYSE) and .currency")


def test_an_ambiguous_contract_is_told_with_its_candidates_and_the_cure() -> None:
    """Two listings in dollars, and neither is on the exchange that the settings name."""
    made = make_sample(TODAY)
    twin = dataclasses.replace(XMPLD_AT[0], con_id=900_000_024, primary_exchange="NASDAQ")
    tape, book = made.tape(), ContractBook((*made.book().instruments, twin))
    settings = rehearsal_settings([*XMPLD, "instruments.XMPLD.exchange=XASE"])
    with Gateway(tape, book, made.history(tape, book), speed="max") as tws:
        session = LiveSession(
            settings, store=rehearsal_store(tws, settings), clock=tws.tws.clock, lockstep=True,
        )  # fmt: skip
        said = Attempt(tws, [], session).refusal(ContractError)
    assert said == (
        "[HL816] instruments.XMPLD: IBKR knows 2 in USD: NASDAQ USD con_id=900000024, NYSE USD con_id=900000021; "
        "set instruments.XMPLD.exchange (XASE = AMEX)"
    )


def test_a_kind_that_is_another_is_told() -> None:
    changes = ["instruments.XMPLX.kind=stock", 'strategies.meanrev.instruments=["XMPLX"]']
    with attempt(changes=changes) as tried:
        said = tried.refusal(ContractError)
    assert said.endswith("but as index: CBOE USD con_id=900000010; set instruments.XMPLX.kind")


def test_market_data_that_is_not_subscribed_is_told() -> None:
    with attempt("on reqRealTimeBars: drop; error 354") as tried:
        said = tried.refusal(SessionError)
    assert "no market data of XMPLA" in said and "XMPLB" in said and "live.delayed_data = true" in said


def test_history_without_permission_is_told() -> None:
    with attempt(f'on reqHistoricalData: drop; error 162 "{NO_PERMISSION}"') as tried:
        assert "subscribe to the exchange's data in Client Portal" in tried.refusal(RequestError)


def test_more_capital_than_the_account_has_is_told() -> None:
    with attempt(changes=["account.capital=200000"]) as tried:
        said = tried.refusal(SessionError)
    assert f"account.capital is EUR 200,000.00 and {PAPER} is worth EUR 100,000.00" in said


def test_a_second_process_on_the_journal_is_told_before_it_connects() -> None:
    places = Places.of("state", PAPER)
    with IntentJournal(places.intents, PAPER), attempt(store={"port": 1}) as tried:
        assert "is held by process" in tried.refusal(LedgerError)


def test_a_journal_of_another_account_is_told() -> None:
    with IntentJournal(Places.of("state", "DU7654321").intents, "DU7654321"):
        pass
    Places.of("state", "DU7654321").folder.rename(Places.of("state", PAPER).folder)
    with attempt() as tried:
        said = tried.refusal(LedgerError)
    assert "DU7654321" in said and PAPER in said


def test_a_folder_that_cannot_be_written_is_told() -> None:
    Path("state").mkdir()
    Path("state/live").touch()
    with attempt() as tried:
        assert "cannot be" in tried.refusal(LedgerError)


def test_a_closed_market_is_told_and_waited_for() -> None:
    with attempt() as tried:
        tried.session.run()
    assert "XNYS is closed until Wednesday 2024-06-12 13:30 UTC (XMPLA, XMPLB); the session waits for it" in tried.told
