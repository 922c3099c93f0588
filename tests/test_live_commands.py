"""``halflife reconcile``, ``live`` and ``replay`` as a person gives them."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import commands
from books import intents_records as rec
from books.intents import IntentJournal, read_book
from books.intents_records import Draft, Terms
from books.intents_states import HaltCause
from core.clock import VirtualClock
from core.orders import Role
from feeds import RawBars
from feeds.catalog import Catalog
from gateway.data.sample import XMPLA, make_sample
from live.places import Places

AT = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)
ACCOUNT = "DU1234567"
BAC, AIG = 101, 202  # conIds


def invoke(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, boxes taken off and lines joined."""
    outcome = CliRunner().invoke(commands.app, [str(argument) for argument in arguments])
    return outcome.exit_code, outcome.stdout, " ".join(outcome.stderr.replace("│", " ").split())


@pytest.fixture
def file() -> Path:
    """A journal with an unknown order for BAC and a halt of AIG, which has 100 more than is expected."""
    places = Places.of("state", ACCOUNT)
    with IntentJournal(places.intents, ACCOUNT, clock=VirtualClock(AT), journal_id="test") as journal:
        journal.settle()
        journal.intend(
            [
                Draft(
                    "meanrev",
                    "t1",
                    "entry",
                    Role.ENTRY,
                    BAC,
                    "BAC",
                    "BUY",
                    100.0,
                    Terms("LMT", limit_price=13.5, tif="GTC"),
                ),
                Draft("pairs", "t2", "y", Role.ENTRY, AIG, "AIG", "SELL", 50.0),
            ]
        )
        journal.mark_unknown("no answer within 10 s")
        journal.resolve(next(ref for ref in journal.book.orders if ".pairs." in ref), 50.0, 48.0, "statement")
        journal.settle(
            [
                rec.Halted(
                    at=AT, account=ACCOUNT, con_id=AIG, symbol="AIG", cause=HaltCause.POSITION, expected=-50.0,
                    found=50.0, why="50 found, -50 expected: no order of ours explains it",
                )
            ]
        )  # fmt: skip
    return places.intents


def ref_of(file: Path, unit: str) -> str:
    return next(ref for ref, order in read_book(file).orders.items() if order.intent.unit == unit)


def test_it_shows_differences_and_the_commands_that_mend_them(file: Path) -> None:
    code, out, err = invoke("reconcile")
    assert code == 0, err
    assert "50 found, -50 expected" in out and ref_of(file, "meanrev") in out
    for words in ("BUY 100 BAC LMT 13.5 GTC", "no answer within 10 s"):  # in cells of a few columns, none is cut
        assert all(word in out for word in words.split()), words
    assert max(map(len, out.splitlines())) <= 80
    assert f"halflife reconcile --accept {AIG} --quantity 50 --unit pairs --price PRICE" in out
    assert f"halflife reconcile --accept {AIG} --quantity 50\n" in out
    assert re.search(r"pairs +│ AIG +│ +-50", out)


def test_the_commands_it_shows_end_the_halt_one_after_the_other(file: Path) -> None:
    """The unit's part first, which closes what it holds, and then what is left, as the owner's own."""
    for words, expected in (
        ("+50 AIG at 48 accepted into the book of pairs.", {}),
        ("+50 AIG accepted as your own.", {("", AIG): 50.0}),
    ):
        _, out, _ = invoke("reconcile")
        shown = next(line for line in out.splitlines() if "--accept" in line).replace("PRICE", "48")
        code, out, err = invoke(*shlex.split(shown)[1:])
        assert code == 0 and words in out, err
        book = read_book(file)
        assert book.unit_positions() == expected
        assert bool(book.halts) is not bool(expected)
    assert [(record.unit, record.quantity, record.price) for record in book.taken] == [("pairs", 50.0, 48.0)]


def test_what_is_left_of_a_difference_is_halted_with_its_numbers(file: Path) -> None:
    code, out, err = invoke("reconcile", "--accept", "AIG", "--unit", "pairs", "--quantity", 20, "--price", 48)
    assert code == 0, err
    (halt,) = read_book(file).halts.values()
    assert (halt.expected, halt.found) == (-30.0, 50.0) and "50 found, -30 expected: a part" in " ".join(out.split())
    assert f"--accept {AIG} --quantity 30 --unit pairs --price PRICE" in out


def test_a_difference_goes_into_the_book_of_a_unit_by_its_symbol(file: Path) -> None:
    code, out, err = invoke("reconcile", "--accept", "aig", "--unit", "pairs", "--price", "47.5")
    assert code == 0, err
    assert "+100 AIG at 47.5 accepted into the book of pairs" in out
    assert read_book(file).unit_positions() == {("pairs", AIG): 50.0} and not read_book(file).halts


def test_help_says_when_a_price_is_needed() -> None:
    code, out, _ = invoke("reconcile", "--help")
    assert code == 0 and "--accept needs it where units of --unit are closed" in " ".join(out.replace("│", " ").split())


def test_an_outcome_is_resolved_by_hand(file: Path) -> None:
    ref = ref_of(file, "meanrev")
    code, _, err = invoke("reconcile", "--resolve", ref, "--filled", 40, "--price", 13.5)
    assert code == 0, err
    order = read_book(file).orders[ref]
    assert (order.state, order.filled, order.avg_fill_price) == ("cancelled", 40.0, 13.5)


def test_a_kill_is_shown_and_armed_again(file: Path) -> None:
    with IntentJournal(file, ACCOUNT) as journal:
        journal.kill("drawdown of 21%")
    code, out, _ = invoke("reconcile")
    assert code == 0 and "drawdown of 21%" in out and "--rearm" in out
    assert invoke("reconcile", "--rearm", "--why", "looked at it")[0] == 0
    assert read_book(file).killed is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--accept", "BCA"], "did you mean 'BAC'?"),
        (["--accept", "BAC"], "no difference of BAC is known; give --quantity"),
        (["--accept", "AIG", "--unit", "pair"], "did you mean 'pairs'?"),
        (
            ["--accept", "AIG"],
            "+100 AIG cannot be accepted as your own: pairs holds -50, and with units of yours against that its exit "
            f"would open a position; give `halflife reconcile --accept {AIG} --quantity 50 --unit pairs --price PRICE` "
            f"and then `halflife reconcile --accept {AIG} --quantity 50`",
        ),
        (["--accept", "AIG", "--quantity", "20"], f"--accept {AIG} --quantity 20 --unit pairs --price PRICE`"),
        (["--accept", "AIG", "--unit", "pairs"], "closes what pairs holds (-50), and nothing tells at which price"),
        (["--accept", "AIG", "--unit", "pairs", "--price", "0"], "--price 0.0 is no price"),
        (["--accept", "AIG", "--quantity", "-5", "--price", "48"], "-5 AIG as your own has no price"),
        (["--release", "AIG", "--price", "48"], "--price belongs to --accept, --adopt or --resolve"),
        (["--accept", "AIG", "--quantity", "nan"], "is not a finite number"),
        (["--adopt", "AIG", "--quantity", "5"], "--adopt needs --quantity, --unit and --price"),
        (["--adopt", "AIG", "--quantity", "5", "--unit", "pairs", "--price", "1"], "held by hand are 0"),
        (["--resolve", "hl.nothing", "--filled", "0"], "holds no order hl.nothing"),
        (["--resolve", "x"], "--resolve needs --filled"),
        (["--release", "BAC"], "BAC is not halted"),
        (["--rearm"], "the kill switch is not latched"),
        (["--rearm", "--release", "AIG"], "--release and --rearm are two decisions"),
        (["--account", "DU7654321"], f"DU7654321 has no journal below state/live; there are {ACCOUNT}"),
        (["--state", "nowhere"], "no account has traded live below nowhere/live"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_and_changes_nothing(file: Path, arguments: list[str], words: str) -> None:
    before = read_book(file)
    code, out, err = invoke("reconcile", *arguments)
    assert code == 2 and words in err and "Traceback" not in err, err
    after = read_book(file)
    assert out == "" and after.halts == before.halts and after.unit_positions() == before.unit_positions()
    assert not Path("nowhere").exists()


@pytest.fixture
def running(file: Path) -> Iterator[IntentJournal]:
    with IntentJournal(file, ACCOUNT) as journal:
        yield journal


def test_while_live_runs_it_shows_and_decides_nothing(file: Path, running: IntentJournal) -> None:
    code, out, _ = invoke("reconcile")
    assert code == 0 and "50 found" in out
    code, _, err = invoke("reconcile", "--accept", "AIG")
    assert code == 2 and f"`halflife live` runs on {ACCOUNT}" in err and "stop it" in err
    assert read_book(file).halts


def test_settings_name_the_folder_the_account_and_the_units(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        f'[paths]\nstate = "state"\n[live]\naccount = "{ACCOUNT}"\n[data]\nsource = "catalog"\n'
        '[strategies.late]\nstrategy = "MeanReversion"\ninstruments = ["AIG"]\n',
        encoding="utf-8",
    )
    code, out, err = invoke("reconcile", "mine.toml", "--accept", "AIG", "--unit", "late")
    assert code == 0, err
    assert read_book(file).unit_positions()["late", AIG] == 100.0


BAC_ALONE = ["--set", "instruments.BAC.kind=stock", "--set", 'strategies.meanrev.instruments=["BAC"]']


# -- live and replay --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["live"], "give the settings to trade, or --rehearse"),
        (["live", "mine.toml", "--speed", "60"], "--speed, --date and --fault are of a rehearsal"),
        (["live", "--rehearse", "--real-money"], "a rehearsal has no real money"),
        (["live", "--rehearse", "--speed", "fast"], "--speed 'fast' is none"),
        (["live", "--rehearse", "--until", "noon"], "--until 'noon' is no time; write HH:MM"),
        (["live", "--rehearse", "--until", "25:00"], "--until '25:00' is no time"),
        (["live", "--rehearse", "--until", "2024-06-11T12:00"], "2024-06-11 12:00 UTC is over"),
        (["live", "--rehearse", "--until", "08:00"], "2024-06-12 12:00 UTC is over before the day begins at 2024-06"),
        (["live", "--rehearse", "--until", "09:30"], "2024-06-12 13:30 UTC is over before the day begins at 2024-06"),
        (["live", "--rehearse", "--set", "data.hours=all"], "rehearsal cannot be traded live"),
        (["live", "--rehearse", *BAC_ALONE], "the rehearsal has XMPLA and XMPLB alone, and rehearsal trades BAC"),
        (["live", "--rehearse", "--clock", "tws"], "leave --clock or --rehearse out"),
        (["live", "mine.toml", "--clock", "sun"], "--clock 'sun' is none; give machine or tws"),
        (["live", "mine.toml", "--clock", "tws", "--real-money"], "--clock tws is for paper accounts"),
        (["live", "--rehearse", "--fault", "nightly_restrt"], "did you mean 'nightly_restart'?"),
        (["live", "--rehearse", "--set", "acount.capital=1"], "did you mean 'account'?"),
        (["live", "nowhere.toml"], "no such settings file"),
        (["live", "--rehearse", "--set", "live.account=U999"], "the account U999, and a rehearsal trades DU1234567"),
        (["replay", "2024-06-12"], "no live day 2024-06-12 was recorded there; --state names another folder"),
        (["replay", "nonsense"], "'nonsense' is neither a day (write YYYY-MM-DD) nor the folder of a record"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], words: str) -> None:
    code, out, err = invoke(*arguments)
    assert code == 2 and words in err and "Traceback" not in err, err
    assert "Rehearsal" not in out and not list(Path("state").glob("live/*"))


def test_a_rehearsal_tells_what_it_does_and_its_record_replays() -> None:
    code, out, err = invoke(
        "live", "--rehearse", "--until", "10:13", "--set", "live.account=DU1234567", "--fault", "modify_twin",
        "--fault", "status_duplicated", "--fault", "message_rate:count=1000",
    )  # fmt: skip
    assert code == 0, err
    text = " ".join(out.split())
    assert "no account, no network" in text and "account DU1234567 (paper)" in text
    assert "13:31:05 meanrev: sold 323 XMPLA at 61" in text and "meanrev: short XMPLA closed, EUR +" in text
    assert "pairs: sold" in text and "stopping: its time is over" in text
    cash = re.search(r"USD (-?[\d,.]+) by the book, (-?[\d,.]+) by the broker", text)
    assert cash is not None and cash[1] == cash[2].rstrip(".")
    assert "replay " in text
    assert "Fault modify_twin: it never struck, since what it waits for did not come (on placeOrder where" in text
    assert "Fault status_duplicated: it struck." in text
    assert "Fault message_rate:count=1000: it held from the start." in text
    (record,) = Path("state/rehearsals").glob("*/live/DU1234567/days/2024-06-12/*")
    assert str(record) in out.replace("\n", "")
    code, out, err = invoke("replay", record)
    assert code == 0 and f"the same {12} orders" in " ".join(out.split()), out + err
    for place in ("state", "state/rehearsals"):
        code, out, err = invoke("replay", "2024-06-12", "--state", place)
        assert code == 0 and str(record) in out.replace("\n", ""), out + err
    code, out, err = invoke("replay", "2024-06-13")
    assert code == 2 and "no live day 2024-06-13 was recorded there; rehearsals have 2024-06-12" in err
    turns = record / "turns.jsonl"
    changed = turns.read_text(encoding="utf-8").replace('"quantity":323.0', '"quantity":324.0', 1)
    turns.write_text(changed, encoding="utf-8")
    code, out, err = invoke("replay", record)
    assert code == 2 and "are not those that were written" in " ".join(err.replace("│", " ").split()), err
    *lines, _ = changed.splitlines()  # without the last one, as a kill leaves it
    turns.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = invoke("replay", record)
    said = " ".join(out.split())
    assert code == 2 and "the first difference is at the bar of 2024-06-12 13:31:00 UTC" in said, said
    assert "recorded: SELL 324 XMPLA MKT DAY" in said and "now: SELL 323 XMPLA MKT DAY" in said


ACME = """
name = "acme"
[data]
source = "catalog"
bar = "1m"
adjustment = "raw"
[strategies.meanrev]
strategy = "MeanReversion"
instruments = ["ACME"]
allotment = 0.4
[strategies.meanrev.parameters]
entry = "zscore"
zscore_entry = 2.2
stop_atr = 6.0
"""


def test_a_day_of_the_catalog_is_rehearsed(tmp_path: Path) -> None:
    sample = make_sample(AT.date(), 1)
    with Catalog(tmp_path / "catalog") as catalog:
        for bar, frame in (("1m", sample.frames[XMPLA][60]), ("1s", sample.bars[XMPLA])):
            bars = frame[["open", "high", "low", "close", "volume"]]
            catalog.append(RawBars("ACME", bar, bars, "test", exchange="XNYS", currency="USD"))
    (tmp_path / "acme.toml").write_text(ACME, encoding="utf-8")
    code, out, err = invoke("live", "acme.toml", "--rehearse", "--until", "09:41")
    assert code == 0, err
    text = " ".join(out.split())
    assert "data of the catalog of 2024-06-12" in text and "meanrev: sold 327 ACME at" in text
    code, out, err = invoke("live", "acme.toml", "--rehearse", "--date", "2024-06-15")
    assert code == 2 and "2024-06-15" in err
    code, out, err = invoke("live", "--rehearse", "--date", "2024-06-12")
    assert code == 2 and "--date is of the catalog" in err
