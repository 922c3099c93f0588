"""Reading, checking, hashing and writing settings, and the only door to secrets.

A settings file is TOML; ``load_settings(None)`` reads the sample desk that comes with the package.
TOML has no null: the text ``"off"`` switches off a limit that may be None (``max_trade_risk = "off"``).
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from core.checks import cross_problems
from core.errors import SecretMissingError, SettingsError
from core.explain import accepts_none, annotation_at, explain, raise_problems
from core.overrides import apply_override, parse_override
from core.redact import remember_secret
from core.settings import Settings

OFF = "off"
SAMPLE = "sample.toml"
# Where a run writes, what it draws, how much it says and how fast it is does not move its results
_NOT_HASHED: dict[str, Any] = {
    "engine": True, "paths": True, "live": True, "logging": True, "report": {"tear_sheet"},
}  # fmt: skip


def load_settings(path: Path | str | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Read settings from a TOML file (None: the sample desk), apply ``a.b=value`` overrides, check them.

    Data folders and files are made absolute, relative to the settings file (the sample desk: to the working
    directory). Raises SettingsError with every problem found, UnknownNameError if all are misspelt names.
    """
    where, folder, text = _read(path)
    values = _parse(text, where)
    for override in overrides:
        apply_override(values, *parse_override(override))
    if overrides:
        where += " with " + " ".join(f"--set {override.partition('=')[0]}=..." for override in overrides)
    switch_off(values, Settings)
    _resolve_paths(values, folder)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise_problems(explain(error, Settings, values), where)
        raise SettingsError(f"{where}: {error}") from error  # a ValidationError always lists a problem
    raise_problems(cross_problems(settings), where)
    return settings


def dump_toml(settings: Settings) -> str:
    """Write settings as TOML, complete with defaults; ``load_settings`` reads them back to equal settings."""
    return tomli_w.dumps(_plain(settings))


def settings_hash(settings: Settings) -> str:
    """SHA-256 over canonical JSON of all that can move results: not ``engine``, ``paths``, ``live``, ``logging`` and
    ``report.tear_sheet``."""
    values = settings.model_dump(mode="json", exclude=_NOT_HASHED)
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def secret(name: str) -> str:
    """Return a secret from the environment variable ``name`` or from the file that ``<name>_FILE`` names.

    Raises SecretMissingError when neither holds text. The text of a secret never appears in an error.
    """
    value = os.environ.get(name, "").strip()
    if value:
        remember_secret(value)
        return value
    file = os.environ.get(f"{name}_FILE", "")
    if not file:
        raise SecretMissingError(f"secret {name} is not set; export {name}=... or {name}_FILE=/path/to/a/file")
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SecretMissingError(f"secret {name}: cannot read {file} ({reason}); correct {name}_FILE") from error
    if not value:
        raise SecretMissingError(f"secret {name}: {file} is empty; write the secret into it")
    remember_secret(value)
    return value


def switch_off(values: Any, model: type[BaseModel], path: tuple[str, ...] = ()) -> None:
    """Replace the text ``"off"`` by None, in place, where a field of the model may be None."""
    for key, value in values.items():
        if isinstance(value, dict):
            switch_off(value, model, (*path, key))
        elif value == OFF:
            owner = annotation_at(model, path)
            fields = owner.model_fields if isinstance(owner, type) and issubclass(owner, BaseModel) else {}
            if key in fields and accepts_none(fields[key].annotation):
                values[key] = None


def _read(path: Path | str | None) -> tuple[str, Path, str]:
    """Name, folder and text of the settings file."""
    if path is None:
        return "sample desk", Path.cwd(), resources.files("core").joinpath(SAMPLE).read_text(encoding="utf-8")
    file = Path(path)
    try:
        return str(file), file.absolute().parent, file.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"{file}: no such settings file; give the path of a TOML file") from error
    except IsADirectoryError as error:
        raise SettingsError(f"{file} is a folder; give the TOML file in it") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{file}: not UTF-8 text (line {line}); save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise SettingsError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:  # its text ends with the line and column
        raise SettingsError(f"{where}: not valid TOML: {error}; text needs quotes, tables are [name]") from error


def _resolve_paths(values: dict[str, Any], folder: Path) -> None:
    """Make data folders and files absolute. Wrong types are left for the model to name."""

    def resolve(table: Any, *keys: str) -> None:
        if isinstance(table, dict):
            for key in keys or tuple(table):
                if isinstance(table.get(key), str) and table[key]:
                    table[key] = str(folder / Path(table[key]).expanduser())

    resolve(values.get("data"), "folder")
    instruments = values.get("instruments")
    for instrument in instruments.values() if isinstance(instruments, dict) else ():
        resolve(instrument, "file")
    costs = values.get("costs")
    for name in ("fx", "interest"):
        table = costs.get(name) if isinstance(costs, dict) else None
        resolve(table.get("files") if isinstance(table, dict) else None)


def _plain(table: BaseModel) -> dict[str, Any]:
    """A table as TOML can hold it: None is left out where it is the default, else written as "off"."""
    plain: dict[str, Any] = {}
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if value is None:
            if field.default is not None:
                plain[name] = OFF
        else:
            plain[name] = _plain_value(value)
    return plain


def _plain_value(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value)
    if isinstance(value, dict):
        return {key: _plain_value(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value
