"""Currencies: codes of ISO 4217 and nothing else."""

from __future__ import annotations

import pytest

from core.currencies import CURRENCIES, HUNDREDTHS, check_currency
from core.errors import UnknownNameError
from core.settings import InstrumentSettings


@pytest.mark.parametrize("code", ["USD", "EUR", "GBP", "JPY", "CHF", "CNY", "HKD", "ZAR", "ILS", "PLN", "XCG", "DEM"])
def test_codes_of_the_standard(code: str) -> None:
    assert check_currency(code) == code


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("usd", "currency usd does not exist; did you mean 'USD'?"),
        ("Eur", "did you mean 'EUR'?"),
        ("EURO", "did you mean 'EUR'?"),
        ("XXZ", "currency XXZ does not exist; give its code of ISO 4217, such as USD, EUR or GBP"),
        ("XXX", "does not exist"),  # the standard's word for none
        ("XTS", "does not exist"),  # and for tests
        ("BTC", "does not exist"),
        ("", "does not exist"),
        ("$", "does not exist; give its code"),
        ("GBX", "currency GBX is a hundredth of GBP; divide the prices by 100, and say GBP"),
        ("GBp", "divide the prices by 100, and say GBP"),
        ("ILA", "divide the prices by 100, and say ILS"),
    ],
)
def test_what_is_no_code_is_refused_with_the_cure(code: str, cure: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        check_currency(code)
    assert cure in str(caught.value)


def test_every_code_is_one_that_settings_take() -> None:
    for code in CURRENCIES:
        assert InstrumentSettings(currency=code).currency == code
    assert CURRENCIES.isdisjoint(HUNDREDTHS) and CURRENCIES.issuperset(HUNDREDTHS.values())
