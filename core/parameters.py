"""Parameters of strategies and sizers: declared once as a pydantic model, checked before anything is built.

backtrader drops or swallows keyword arguments that it does not know; here they fail with a did-you-mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import StrategyError, UnknownNameError, did_you_mean


class Parameters(BaseModel):
    """Base of a set of parameters: frozen, no unknown names, no type guessing (an int may stand for a float)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, strict=True)


Model = TypeVar("Model", bound=Parameters)


def defaults(model: type[Parameters]) -> tuple[tuple[str, Any], ...]:
    """``((name, default), ...)`` as backtrader's ``params`` wants it."""
    return tuple((name, field.default) for name, field in model.model_fields.items())


def declared(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body of a component's class with backtrader's ``params`` made from its ``model``.

    Raises TypeError where a class gives ``params`` of its own, which no model would check.
    """
    if "params" in body:
        raise TypeError(f"{name}: declare parameters as a subclass of its base's model, not as params")
    return body | {"params": defaults(body["model"])} if "model" in body else body


def check(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Return ``values`` completed by the defaults; ``where`` opens the text of an error.

    Raises UnknownNameError for a name that does not exist and StrategyError for a value that is not possible.
    """
    for name in values:
        if name not in model.model_fields:
            raise UnknownNameError(f"{where}: unknown parameter '{name}'{did_you_mean(name, model.model_fields)}")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise StrategyError(f"{where}: " + "; ".join(_sentence(model, item) for item in error.errors())) from None


def _sentence(model: type[Parameters], item: Any) -> str:
    message: str = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:  # a rule about several parameters
        return message
    name = str(item["loc"][0])
    hint = ""
    if item["type"] == "literal_error" and isinstance(item["input"], str):
        hint = did_you_mean(item["input"], map(str, get_args(model.model_fields[name].annotation)))
        hint = hint if hint.startswith("; did") else ""  # the message has the list already
    return f"parameter '{name}' is {item['input']!r}: {message[0].lower()}{message[1:]}{hint}"
