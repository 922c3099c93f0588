"""Faults by name, file and text, several together; what is said of a name that does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty.acting import MONDAY, Stage

from gateway.faults import FaultScriptError, load, make_injector, parse
from gateway.faults.scenarios import SCENARIOS


def test_a_scenario_by_its_name_has_its_defaults() -> None:
    assert load("drop_middle") == parse("on execDetails 1: close middle")


def test_settings_of_a_scenario_are_replaced() -> None:
    assert load("drop_middle:message=openOrder,n=3") == parse("on openOrder 3: close middle")
    assert load("nightly_restart:when=at 10:30 UTC,seconds=5m") == parse("at 10:30 UTC: refuse_logins 5m; close")


def test_a_setting_may_hold_commas_colons_and_equal_signs() -> None:
    assert load("silent_feed:when=on orderStatus where status=Filled 1,after=0,seconds=9") == parse(
        "on orderStatus where status=Filled 1: wait 0; mute data 9"
    )


def test_a_file_and_a_text(tmp_path: Path) -> None:
    path = tmp_path / "bad day.fault"
    path.write_text("seed 3\non execDetails: drop\n", encoding="utf-8")
    assert load(str(path)) == parse("seed 3\non execDetails: drop")
    assert load("on execDetails: drop") == parse("on execDetails: drop")
    assert load("at start: close") == parse("at start: close")


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        ("drop_midle", ["no scenario 'drop_midle'", "did you mean 'drop_middle'", ".fault", "gateway_faults.md"]),
        ("drop_middle:mesage=error", ["drop_middle has no setting 'mesage'", "did you mean 'message'"]),
        ("drop_middle:message", ["no setting 'message'"]),
        ("clock_skew:n=1", ["has no setting 'n'", "seconds"]),
        ("drop_middle:message=eror", ["drop_middle, line 1", "no message 'eror'", "did you mean 'error'"]),
        ("nowhere.fault", ["nowhere.fault cannot be read", "check the path"]),
        ("on execDetails: dorp", ["line 1", "did you mean 'drop'"]),
    ],
)
def test_what_cannot_be_loaded_is_named_with_its_cure(fault: str, parts: list[str]) -> None:
    with pytest.raises(FaultScriptError) as caught:
        load(fault)
    for part in parts:
        assert part in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.fault"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FaultScriptError, match="UTF-8"):
        load(str(path))


def test_an_error_in_a_file_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.fault"
    path.write_text("seed 3\n\non execDetails: dorp\n", encoding="utf-8")
    with pytest.raises(FaultScriptError, match=r"x\.fault, line 3: there is no action 'dorp'"):
        load(str(path))


def test_several_faults_work_together() -> None:
    injector = make_injector(["execution_duplicated", "commission_never", "on orderStatus: drop"], lambda: MONDAY)
    assert injector is not None and len(injector.script.rules) == 3
    assert [rule.place for rule in injector.script.rules] == [
        "execution_duplicated, line 1", "commission_never, line 1", "script, line 1",
    ]  # fmt: skip


def test_all_scenarios_together_are_one_script() -> None:
    injector = make_injector(SCENARIOS, lambda: MONDAY)
    assert injector is not None
    stage = Stage(injector.script)
    assert stage.wait(0)  # and it plays


def test_no_faults_are_no_injector(tmp_path: Path) -> None:
    path = tmp_path / "empty.fault"
    path.write_text("# nothing goes wrong\nseed 3\n", encoding="utf-8")
    assert make_injector([], lambda: MONDAY) is None and make_injector([str(path)], lambda: MONDAY) is None
