"""Pydantic's findings as sentences: the dotted key, the value, what is wrong, the cure."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.errors import SettingsError, UnknownNameError, did_you_mean
from core.overrides import dotted


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings. ``unknown`` marks a name that does not exist."""

    text: str
    unknown: bool = False


def raise_problems(problems: Iterable[Problem], where: str) -> None:
    """Raise one error that lists all problems; UnknownNameError when all of them are unknown names."""
    found = list(dict.fromkeys(problems))
    if not found:
        return
    kind = UnknownNameError if all(problem.unknown for problem in found) else SettingsError
    if len(found) == 1:
        raise kind(f"{where}: {found[0].text}")
    raise kind(f"{where}: {len(found)} problems\n" + "\n".join(f"  - {problem.text}" for problem in found))


def explain(error: ValidationError, model: type[BaseModel], values: Any) -> list[Problem]:
    """Turn a ValidationError of ``model`` over the raw ``values`` into problems, one for each key."""
    by_key: dict[str, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        path = _settings_path(details, values)
        by_key.setdefault(dotted(path), []).append({**details, "loc": path})
    return [_problem(key, found, model) for key, found in by_key.items()]


def _settings_path(details: ErrorDetails, values: Any) -> tuple[int | str, ...]:
    """The part of ``loc`` that exists in the settings: pydantic appends tags of unions and of keys."""
    path: list[int | str] = []
    node = values
    for part in details["loc"]:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            if details["type"] == "missing":
                path.append(part)
            break
        path.append(part)
    return tuple(path)


def _problem(key: str, found: list[ErrorDetails], model: type[BaseModel]) -> Problem:
    first = found[0]
    kind = first["type"]
    path: tuple[int | str, ...] = first["loc"]
    if kind == "extra_forbidden":  # its value is not shown: it may be a secret in the wrong place
        if len(path) == 3 and path[0] == "instruments" and isinstance(first["input"], dict):  # [instruments.BRK.B]
            quoted = dotted(("instruments", f"{path[1]}.{path[2]}"))
            return Problem(f"{key} is not a setting; a symbol with a dot in it is quoted: [{quoted}]", True)
        return Problem(f"{key} is not a setting{did_you_mean(str(path[-1]), _names_at(model, path[:-1]))}", True)
    if kind == "missing":
        return Problem(f"{key} is missing; add it")
    message = _message(found)
    if kind == "value_error":  # of one of our validators: it names the values itself
        return Problem(f"{key}: {message}" if key else message)
    if kind == "literal_error":
        given, allowed = first["input"], _literals_at(model, path)
        if isinstance(given, str) and allowed:
            message += did_you_mean(given, allowed) if did_you_mean(given, allowed).startswith("; did") else ""
    elif kind == "string_type":
        message += f'; write it in quotes: "{first["input"]}"' if isinstance(first["input"], int | float) else ""
    return Problem(f"{key} = {_shown(first['input'])}: {message}")


def _message(found: list[ErrorDetails]) -> str:
    """What pydantic expects, in its words with a small letter; alternatives of a union joined by 'or'."""
    texts = [details["msg"].removeprefix("Value error, ") for details in found]
    texts = [text[:1].lower() + text[1:] if text.startswith("Input ") else text for text in texts]
    return " or ".join(dict.fromkeys(texts)).replace("input should be", "should be")


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value) if not isinstance(value, dict) else "a table"
    return text if len(text) <= 80 else text[:77] + "..."


def _names_at(model: type[BaseModel], path: tuple[int | str, ...]) -> tuple[str, ...]:
    node = annotation_at(model, path)
    return tuple(node.model_fields) if isinstance(node, type) and issubclass(node, BaseModel) else ()


def _literals_at(model: type[BaseModel], path: tuple[int | str, ...]) -> tuple[str, ...]:
    node = annotation_at(model, path)
    return tuple(map(str, get_args(node))) if get_origin(node) is Literal else ()


def annotation_at(model: type[BaseModel], path: tuple[int | str, ...]) -> Any:
    """The declared type at a path of the settings, or None where the path leaves the models."""
    node: Any = model
    for part in path:
        node = _inner(node)
        if isinstance(node, type) and issubclass(node, BaseModel):
            field = node.model_fields.get(str(part))
            node = field.annotation if field else None
        elif get_origin(node) is dict:
            node = get_args(node)[1]
        else:
            return None
    return _inner(node)


def accepts_none(annotation: Any) -> bool:
    """Whether a field may be None: a limit that can be switched off."""
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _inner(node: Any) -> Any:
    """Strip Annotated and ``| None``."""
    while True:
        if get_origin(node) is Annotated:
            node = get_args(node)[0]
        elif accepts_none(node) and len(get_args(node)) == 2:
            node = next(arm for arm in get_args(node) if arm is not type(None))
        else:
            return node
