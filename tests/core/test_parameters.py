"""Parameters of components: checked by one model, known to backtrader by the same one."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from core.errors import StrategyError, UnknownNameError
from core.parameters import Parameters, check, declared, defaults


class Colour(Parameters):
    shade: Literal["light", "dark"] = "light"
    depth: Annotated[float, Field(gt=0.0)] = 1.0
    count: int = 3

    @model_validator(mode="after")
    def _together(self) -> Colour:
        if self.count > 5 and self.shade == "light":
            raise ValueError("count above 5 needs shade = 'dark'")
        return self


def test_defaults_are_backtraders_params() -> None:
    assert defaults(Colour) == (("shade", "light"), ("depth", 1.0), ("count", 3))


def test_check_completes() -> None:
    assert check(Colour, {"depth": 2}, "here") == Colour(depth=2.0)


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"shad": "dark"}, UnknownNameError, "here: unknown parameter 'shad'; did you mean 'shade'?"),
        ({"zzz": 1}, UnknownNameError, "here: unknown parameter 'zzz'; known: count, depth, shade"),
        ({"shade": "drak"}, StrategyError, "parameter 'shade' is 'drak'.*; did you mean 'dark'?"),
        ({"depth": -1.0}, StrategyError, "parameter 'depth' is -1.0: input should be greater than 0"),
        ({"depth": float("inf")}, StrategyError, "parameter 'depth' is inf"),
        ({"depth": "1"}, StrategyError, "parameter 'depth' is '1'"),
        ({"depth": True}, StrategyError, "parameter 'depth' is True"),
        ({"count": 1.0}, StrategyError, "parameter 'count' is 1.0"),
        ({"count": True}, StrategyError, "parameter 'count' is True"),
        ({"count": 6}, StrategyError, "here: count above 5 needs shade = 'dark'"),
    ],
)
def test_errors_name_the_parameter_and_the_cure(values: dict[str, object], error: type, text: str) -> None:
    with pytest.raises(error, match=text.replace("?", "[?]")):
        check(Colour, values, "here")


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(StrategyError, match="'depth' is 0.0.*'count' is 'x'"):
        check(Colour, {"depth": 0.0, "count": "x"}, "here")


def test_a_class_declares_a_model_or_nothing() -> None:
    assert declared("A", {"model": Colour})["params"] == defaults(Colour)
    assert "params" not in declared("A", {})
    with pytest.raises(TypeError, match="A: declare parameters as a subclass of its base's model"):
        declared("A", {"params": (("x", 1),)})
