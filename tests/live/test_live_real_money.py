"""A session with real money, on a gateway whose account is none of paper: what lets it trade, and all that does not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from books.intents import read_book
from books.qualification import Evidence, qualify, write_qualification
from core.errors import HalflifeError, QualificationError, RealMoneyError
from gateway import Gateway
from gateway.market import Accounts
from live.places import Places
from live.rehearsal import rehearsal_settings, rehearsal_store
from live.session import LiveSession
from live.summary import SessionSummary

REAL = "U1234567"
FILE = Path("evidence/qualification.toml")
NAMED = (f"live.account={REAL}", f"live.qualification={FILE}")
WRITTEN = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
UNTIL = dt.datetime(2024, 6, 12, 13, 35, tzinfo=dt.UTC)  # the first entry is at 13:32
PASSED = Evidence(
    first_session=dt.date(2023, 1, 3), last_session=dt.date(2024, 5, 31), sessions=354, trades=80,
    net_eur_per_day=31.0, net_eur_per_day_low=4.0, sharpe=1.4, deflated_sharpe=0.97, pbo=0.2, trials=50,
    max_drawdown=0.08,
)  # fmt: skip


def write(evidence: Evidence = PASSED, *changes: str) -> None:
    """The qualification of the rehearsal's settings, with changes, on this evidence."""
    settings = rehearsal_settings(changes)
    FILE.parent.mkdir(exist_ok=True)
    write_qualification(qualify(settings, "data", dict.fromkeys(settings.strategies, evidence), WRITTEN), FILE)


@dataclass
class Desk:
    """A gateway with a real-money account."""

    tws: Gateway
    told: list[str] = field(default_factory=list)

    def run(self, *changes: str, real_money: bool = True, until: dt.datetime = UNTIL) -> SessionSummary:
        settings = rehearsal_settings([*NAMED, *changes])
        return LiveSession(
            settings, real_money=real_money, store=rehearsal_store(self.tws, settings), clock=self.tws.tws.clock,
            lockstep=True, until=until, tell=self.told.append,
        ).run()  # fmt: skip

    def refusal(self, kind: type[HalflifeError], *changes: str, real_money: bool = True) -> str:
        """Why it does not trade; nothing of it has reached the gateway."""
        before = self.orders()
        with pytest.raises(kind) as caught:
            self.run(*changes, real_money=real_money)
        assert self.orders() == before
        return str(caught.value)

    def orders(self) -> list[tuple[str, str, str, float]]:
        """Account, action, type and size of all orders that the gateway ever got."""
        return self.tws.call(
            lambda tws: [
                (o.account, o.terms["action"], o.terms["orderType"], o.quantity) for o in tws.market.orders.values()
            ]
        )


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Gateway.sample(speed="max", accounts=Accounts({REAL: 100_000.0})) as tws:
        yield Desk(tws)


def test_settings_that_have_qualified_are_traded(desk: Desk) -> None:
    write()
    found = desk.run()
    assert f"logged in: account {REAL} (REAL MONEY)" in desk.told
    orders = desk.orders()
    assert [(account, kind) for account, _, kind, _ in orders] == [(REAL, "MKT"), (REAL, "STP")]
    (size,) = {size for *_, size in orders}
    assert found.cash == pytest.approx(found.reported_cash) and found.protective == 1
    book = read_book(Places.of("state", REAL).intents)
    assert [abs(each) for each in book.unit_positions().values()] == [size]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("strategies.meanrev.parameters.zscore_entry=2.1", "zscore_entry is 2.1, qualified was 2.2"),
        ("risk.max_trade_notional=0.9", "risk.max_trade_notional is 0.9, qualified was 1.0"),
        ("strategies.pairs.allotment=0.5", "strategies.pairs.allotment is 0.5, qualified was 0.6"),
    ],
)
def test_one_parameter_that_differs_is_named_and_nothing_is_sent(desk: Desk, change: str, reason: str) -> None:
    write()
    assert reason in desk.refusal(QualificationError, change)
    assert not desk.orders() and not Places.of("state", REAL).folder.exists()
    write(PASSED, change)  # the same is traded once it has qualified
    desk.run(change)
    assert desk.orders()


def test_without_the_flag_nothing_is_sent(desk: Desk) -> None:
    write()
    said = desk.refusal(RealMoneyError, real_money=False)
    assert f"{REAL} is a real-money account, and nothing was sent: --real-money was not given" in said
    assert not desk.orders() and not Places.of("state", REAL).folder.exists()


def test_without_a_qualification_nothing_is_sent(desk: Desk) -> None:
    assert str(FILE) in desk.refusal(QualificationError)
    assert not desk.orders()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"last_session": dt.date(2023, 5, 31), "sessions": 100}, "100 sessions"),
        ({"deflated_sharpe": 0.94}, "deflated Sharpe"),
        ({"trades": 29}, "29 trades"),
    ],
)
def test_evidence_that_is_too_thin_or_too_old_is_none(desk: Desk, changes: dict[str, object], reason: str) -> None:
    write(PASSED.model_copy(update=changes))
    assert reason in desk.refusal(QualificationError)


def test_a_file_that_somebody_has_mended_is_none(desk: Desk) -> None:
    write(PASSED.model_copy(update={"deflated_sharpe": 0.5}))
    FILE.write_text(FILE.read_text(encoding="utf-8").replace("0.5", "0.97"), encoding="utf-8")
    assert f"{FILE} was changed after it was written" in desk.refusal(QualificationError)
    assert not desk.orders()


def test_a_position_stays_protected_where_the_next_start_is_refused(desk: Desk) -> None:
    write()
    desk.run()
    before = desk.orders()
    FILE.unlink()
    desk.refusal(QualificationError)
    assert desk.orders() == before
    working = desk.tws.call(lambda tws: [(o.terms["orderType"], o.terms["tif"]) for o in tws.market.open_orders()])
    assert working == [("STP", "GTC")]
    write()
    found = desk.run(until=UNTIL + dt.timedelta(minutes=15))  # and once it is there again, the position is gone on with
    assert len(desk.orders()) > len(before) and found.cash == pytest.approx(found.reported_cash)


def test_the_qualification_of_a_paper_account_is_not_asked_for() -> None:
    with Gateway.sample(speed="max") as tws:
        assert "is a paper account; log in to the real one" in Desk(tws).refusal(
            RealMoneyError, "live.account=DU1234567"
        )
        Desk(tws).run("live.account=DU1234567", real_money=False)
        assert Desk(tws).orders()
