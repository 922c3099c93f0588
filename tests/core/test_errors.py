"""Errors: one root, stable codes, a page for each, and the builtin that a caller would catch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import core.errors
from core.errors import HalflifeError, SecretMissingError, did_you_mean

ERRORS = [value for value in vars(core.errors).values() if isinstance(value, type) and issubclass(value, HalflifeError)]


def test_codes_are_unique() -> None:
    codes = [error.code for error in ERRORS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"HL\d{3}", code) for code in codes)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_has_a_page_with_an_example_and_a_cure(error: type[HalflifeError], repository: Path) -> None:
    page = (repository / "docs" / "errors" / f"{error.code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {error.code}: {error.__name__}\n")
    assert "## Example" in page and f"[{error.code}]" in page and "## Cure" in page
    builtin = next(base for base in error.__mro__ if base.__module__ == "builtins")
    assert f"It is also a `{builtin.__name__}`." in page
    index = (repository / "docs" / "errors" / "README.md").read_text(encoding="utf-8")
    assert f"| [{error.code}]({error.code}.md) | `{error.__name__}` | `{builtin.__name__}` |" in index


def test_there_is_no_page_without_an_error(repository: Path) -> None:
    pages = {page.stem for page in (repository / "docs" / "errors").glob("HL*.md")}
    assert pages == {error.code for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_says_its_code_and_is_a_builtin(error: type[HalflifeError]) -> None:
    assert str(error("what, where, cure")) == f"[{error.code}] what, where, cure"
    assert error is HalflifeError or len([base for base in error.__mro__ if base.__module__ == "builtins"]) > 2


def test_a_missing_secret_without_text_has_its_code() -> None:
    assert str(SecretMissingError()) == "[HL102] "


def test_did_you_mean_proposes_the_closest_name_or_lists_all() -> None:
    assert did_you_mean("capitl", ["currency", "capital"]) == "; did you mean 'capital'?"
    assert did_you_mean("xyz", ["b", "a"]) == "; known: a, b"
    assert did_you_mean("xyz", []) == ""
