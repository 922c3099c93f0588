"""Settings from files, overrides and the environment: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from core.config import dump_toml, load_settings, secret, settings_hash
from core.errors import HalflifeError, SecretMissingError, SettingsError, UnknownNameError
from core.settings import DataSettings, Settings

MINIMAL = """
[instruments.A]
currency = "EUR"
exchange = "XETR"
[strategies.meanrev]
strategy = "MeanReversion"
instruments = ["A"]
"""


def load_text(tmp_path: Path, text: str, *overrides: str) -> Settings:
    file = tmp_path / "desk.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, overrides)


def refused(text: str, tmp_path: Path, *overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_text(tmp_path, text, *overrides)
    return str(caught.value)


def test_the_sample_desk_trades_both_strategies_in_eur() -> None:
    desk = load_settings()
    assert desk.account.currency == "EUR" and desk.account.capital == 100_000.0
    assert desk.execution == "next_close"
    assert {strategy.strategy for strategy in desk.strategies.values()} == {"MeanReversion", "PairsTrading"}
    assert desk.traded_symbols == ("SPX", "IXIC")
    assert desk.risk.throttle.series == "VIX"
    assert desk.data.source == "sample"
    assert len(desk.periods) >= 3


def test_a_minimal_file_takes_the_defaults(tmp_path: Path) -> None:
    desk = load_text(tmp_path, MINIMAL)
    assert desk.account.capital == 100_000.0
    assert list(desk.units) == ["meanrev"]


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().name = "other"  # type: ignore[misc]


def test_windows_line_ends_and_a_byte_order_mark_are_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_settings(file) == load_text(tmp_path, MINIMAL)


UNREADABLE = {
    "missing": (None, "no such settings file"),
    "syntax": (b"[account\n", r"not valid TOML: .*line 1, column 9"),
    "twice": (b"a = 1\na = 2\n", r"not valid TOML: .*line 2"),
    "bare text": (b"[account]\ncurrency = EUR\n", r"line 2, column 12.*text needs quotes"),
    "latin-1": ('name = "caf\xe9"\n'.encode("latin-1"), r"not UTF-8 text \(line 1\)"),
    "binary": (bytes(range(256)), "not UTF-8|not valid TOML"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused(case: str, tmp_path: Path) -> None:
    content, words = UNREADABLE[case]
    file = tmp_path / "desk.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"desk.toml.*(?:{words})"):
        load_settings(file)


def test_a_folder_a_null_byte_and_an_unreadable_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder; give the TOML file in it"):
        load_settings(tmp_path)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings("desk\0.toml")
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "loop.toml")


def test_an_empty_file_says_what_is_missing(tmp_path: Path) -> None:
    text = refused("", tmp_path)
    assert "instruments is missing" in text and "strategies is missing" in text


def test_every_problem_is_listed_with_key_value_and_cure(tmp_path: Path) -> None:
    text = refused(
        "execution = 'next_opn'\n[account]\ncapital = -5\ncurrency = 'euro'\n[data]\nstart = 2018-01-02\n"
        "end = 2018-01-01\n[report]\nconfidence = 2.0\n" + MINIMAL + "parameters = {entry = [1, 2]}\n",
        tmp_path,
    )
    assert "6 problems" in text
    assert "execution = \"next_opn\": should be 'next_open' or 'next_close'; did you mean 'next_open'?" in text
    assert "account.capital = -5: should be greater than 0" in text
    assert 'account.currency = "euro"' in text
    assert "data: start 2018-01-02 is not before end 2018-01-01" in text
    assert "report.confidence = 2.0: should be less than 1" in text or "report.confidence = 2.0: input" in text
    assert "strategies.meanrev.parameters.entry = [1, 2]: should be a valid" in text
    assert text.count("strategies.meanrev.parameters.entry") == 1  # one line for four alternatives


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("[acount]\ncapital = 1\n", "acount is not a setting; did you mean 'account'?"),
        ("[account]\ncapitl = 1\n", "account.capitl is not a setting; did you mean 'capital'?"),
        ("[risk.kill_switch]\nmax_drawdwn = 0.1\n", "risk.kill_switch.max_drawdwn is not a setting; did you mean"),
        ("[instruments.'BRK.B']\ncurency = 'EUR'\n", 'instruments."BRK.B".curency is not a setting; did you mean'),
        ("[instruments.BRK.B]\ntick = 1\n", 'instruments.BRK.B is not a setting; a symbol with a dot in it is quoted: ['
         'instruments."BRK.B"]'),
        ("[account]\nxyz = 1\n", "account.xyz is not a setting; known: capital, currency,"),
    ],
)  # fmt: skip
def test_a_misspelt_key_fails_with_a_did_you_mean(extra: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_text(tmp_path, extra + MINIMAL)
    assert words in str(caught.value)


def test_the_value_of_an_unknown_key_is_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in refused("[account]\npassword = 'hunter2'\n" + MINIMAL, tmp_path)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["strategies.meanrev.instruments=[SPY]"],
            "strategies.meanrev.instruments: 'SPY' is not in [instruments]; did",
        ),
        (
            ["strategies.pairs.pairs=[[SPX, IXI]]"],
            "strategies.pairs.pairs: 'IXI' is not in [instruments]; did you mean",
        ),
        (["risk.throttle.series=VIXX"], "risk.throttle.series = \"VIXX\" is not in [instruments]; did you mean 'VIX'?"),
        (["regimes.benchmark=SP"], "regimes.benchmark = \"SP\" is not in [instruments]; did you mean 'SPX'?"),
        (["instruments.SPX.exchange=XETRA"], "SPX.exchange = \"XETRA\": unknown exchange; did you mean 'XETR'?"),
    ],
)
def test_an_unknown_name_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_settings(None, overrides)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["strategies.meanrev.allotment=0.6"], "add up to 1.1, more than the capital: meanrev 0.6 + pairs 0.5"),
        (["instruments.SPX.currency=JPY"], "instruments.SPX.currency = \"JPY\": no rate against EUR; add JPY = "),
        (["costs.fx.rates.EUR=1.1"], "costs.fx.rates.EUR contradicts account.currency"),
        (["periods.old.start=1492-01-01", "periods.old.end=1493-01-01"], "periods.old: 1492-01-01 to 1493"),
        (["periods.gfc.end=2001-01-01"], "periods.gfc: start 2007-10-09 is not before end 2001-01-01"),
        (["strategies.'a/b'.strategy=X", "strategies.'a/b'.instruments=[SPX]"], "a name is printable text without '/'"),
        (["strategies.reference.strategy=X", "strategies.reference.instruments=[SPX]"], "kept for data that nobody"),
        (["strategies.'meanrev:SPX'.strategy=X", "strategies.'meanrev:SPX'.instruments=[SPX]",
          "strategies.'meanrev:SPX'.allotment=0.01"], "two units have one name"),
        (["strategies.pairs.instruments=[SPX]"], "strategies.pairs: give either 'instruments' or 'pairs'"),
        (["risk.throttle.scale_above=0.5"], "risk.throttle: scale_above 0.5 is not below stop_above 0.45"),
        (["name=2018"], 'name = 2018: should be a valid string; write it in quotes: "2018"'),
        (["account.capital=nan"], "account.capital = nan: should be a finite number"),
        (["data.adjustment=raw"],
         'data.adjustment = "raw" is for data.source = "catalog": bars of source "sample" are'),
        (["instruments={}"], "instruments is empty; add a table [instruments.SYMBOL]"),
        (["instruments=5"], "'instruments' is a table of tables: [instruments.NAME]"),
        (["account=5"], "account = 5: "),
    ],
)  # fmt: skip
def test_contradictions_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, overrides)
    assert words in str(caught.value)
    assert "--set" in str(caught.value)


def test_a_catalog_knows_its_instruments(tmp_path: Path) -> None:
    """No table, some tables, misspelt tables: what is in the catalog is checked where it is read."""
    text = "[data]\nsource = 'catalog'\nadjustment = 'split'\n[strategies.one]\nstrategy = 'MeanReversion'\n"
    bare = load_text(tmp_path, text + "instruments = ['BRK.B', 'SAP']\n[regimes]\nbenchmark = 'DAX'\n")
    assert bare.instruments == {}
    assert bare.wanted_symbols == ("BRK.B", "SAP", "DAX")
    tabled = load_text(tmp_path, text + "instruments = ['BRK.B', 'SAP']\n[instruments.SAP]\nhalf_spread_bps = 2\n")
    assert tabled.instruments["SAP"].model_fields_set == {"half_spread_bps"}
    assert settings_hash(bare) != settings_hash(tabled)
    assert load_settings(None, ["data.source=catalog"]).instruments.keys() == {"SPX", "IXIC", "VIX"}
    table = {"strategy": "MeanReversion", "instruments": ("A",)}
    assert Settings(data=DataSettings(source="catalog"), strategies={"one": table}).instruments == {}


def test_a_rate_from_a_file_is_a_rate(tmp_path: Path) -> None:
    desk = load_settings(None, ["instruments.SPX.currency=JPY", "costs.fx.files.JPY=jpy.csv"])
    assert desk.costs.fx.files == {"JPY": str(tmp_path / "jpy.csv")}


def test_files_are_relative_to_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir("/")
    extra = "file = 'a.csv'\n[data]\nfolder = 'bars'\n[costs.interest.files]\nEUR = '/rates/eur.csv'\n"
    (folder / "desk.toml").write_text(MINIMAL.replace('"XETR"\n', f'"XETR"\n{extra}', 1))
    desk = load_settings(folder / "desk.toml")
    assert desk.data.folder == str(folder / "bars")
    assert desk.instruments["A"].file == str(folder / "a.csv")
    assert desk.costs.interest.files == {"EUR": "/rates/eur.csv"}
    assert load_settings().data.folder == ""  # nothing is made of nothing


def test_off_switches_a_limit_off() -> None:
    desk = load_settings(None, ["risk.max_trade_risk=off", "risk.max_open_positions=off"])
    assert desk.risk.max_trade_risk is None and desk.risk.max_open_positions is None
    with pytest.raises(SettingsError, match="account.capital"):
        load_settings(None, ["account.capital=off"])
    # a parameter of a strategy may well be the text "off"
    kept = load_settings(None, ["strategies.meanrev.parameters.regime=off"])
    assert kept.strategies["meanrev"].parameters == {"regime": "off"}


def test_dump_is_complete_and_reads_back_equal(tmp_path: Path) -> None:
    desk = load_settings(
        None,
        ["risk.max_net_exposure=off", "data.start=2001-02-03", "costs.fx.rates={USD=0.8, GBP=1.2}",
         "instruments.'BRK.B'.currency=GBP", "strategies.meanrev.parameters={a=1, b=1.0, c=true, d='x\"y'}"],
    )  # fmt: skip
    text = dump_toml(desk)
    assert 'max_net_exposure = "off"' in text and "confidence = 0.95" in text
    again = load_text(tmp_path, text)
    assert again == desk
    assert settings_hash(again) == settings_hash(desk)
    assert [type(value) for value in again.strategies["meanrev"].parameters.values()] == [int, float, bool, str]
    assert dump_toml(again) == text


finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="/"), min_size=1, max_size=8)
parameters = st.dictionaries(words, st.booleans() | st.integers() | finite | words, max_size=3)
dates = st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1))


@st.composite
def desks(draw: st.DrawFn) -> Settings:
    symbols = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    start, end = sorted(draw(st.lists(dates, min_size=2, max_size=2, unique=True)))
    limit = st.none() | st.floats(0.001, 5.0)
    return Settings.model_validate(
        {
            "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)),
            "account": {"capital": draw(st.floats(1e-3, 1e12))},
            "data": {"start": draw(st.none() | st.just(start)), "end": draw(st.none() | st.just(end))},
            "instruments": {symbol: {"tick": draw(st.floats(1e-6, 1.0))} for symbol in symbols},
            "strategies": {
                draw(names.filter(lambda name: name != "reference")): {
                    "strategy": draw(words),
                    "pairs": [symbols[:2]],
                    "parameters": draw(parameters),
                    "sizing": draw(parameters),
                }
            },
            "costs": {"fx": {"rates": {"USD": draw(st.floats(0.01, 100.0))}}, "enabled": draw(st.booleans())},
            "risk": {"max_trade_risk": draw(limit), "max_net_exposure": draw(limit)},
            "periods": {draw(names): {"start": start, "end": end}},
        }
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(desk=desks())
def test_any_settings_survive_dump_and_load(desk: Settings, tmp_path: Path) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(dump_toml(desk).encode("utf-8"))
    again = load_settings(file)
    assert again == desk
    assert repr(again) == repr(desk)  # 1 and 1.0 and True are equal, but not the same setting


def test_the_hash_is_of_what_moves_results() -> None:
    first = settings_hash(load_settings())
    assert first == settings_hash(load_settings(None, ["paths.results=elsewhere", "logging.console=DEBUG"]))
    assert first != settings_hash(load_settings(None, ["account.capital=100001"]))
    assert first != settings_hash(load_settings(None, ["strategies.meanrev.parameters.entry=2"]))
    assert len(first) == 64 and int(first, 16)


def test_secrets_come_from_the_environment_or_a_file_named_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HL_TEST_TOKEN", " from-environment \n")
    assert secret("HL_TEST_TOKEN") == "from-environment"
    monkeypatch.setenv("HL_TEST_TOKEN", "")
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("HL_TEST_TOKEN_FILE", str(tmp_path / "token"))
    assert secret("HL_TEST_TOKEN") == "from-file"


def test_a_missing_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HL_TEST_TOKEN", raising=False)
    with pytest.raises(SecretMissingError, match="secret HL_TEST_TOKEN is not set; export") as caught:
        secret("HL_TEST_TOKEN")
    assert isinstance(caught.value, KeyError) and isinstance(caught.value, HalflifeError)
    monkeypatch.setenv("HL_TEST_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(SecretMissingError, match="No such file"):
        secret("HL_TEST_TOKEN")
    (tmp_path / "none").write_bytes(b"\xff\xfe\x00hidden")
    with pytest.raises(SecretMissingError, match="not UTF-8") as caught:
        secret("HL_TEST_TOKEN")
    assert "hidden" not in str(caught.value)
    (tmp_path / "none").write_text(" \n")
    with pytest.raises(SecretMissingError, match="is empty"):
        secret("HL_TEST_TOKEN")
