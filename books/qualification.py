"""The qualification: a file that says which parameters have passed out of sample, on what evidence.

Real money trades nothing else. See docs/qualification.md for the format and the thresholds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.config import settings_hash
from core.errors import QualificationError
from core.settings import Settings
from core.version import code_version

FORMAT = 1
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
_INSTRUMENT = {"currency", "exchange", "kind", "tick", "shortable"}  # what an order depends on


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Evidence(_Table):
    """What one strategy did out of sample, after costs."""

    first_session: dt.date
    last_session: dt.date
    sessions: Annotated[int, Field(ge=1)]
    trades: Annotated[int, Field(ge=0)]  # closed
    net_eur_per_day: float  # mean over all sessions
    net_eur_per_day_low: float  # lower end of its bootstrap interval
    sharpe: float  # annual
    deflated_sharpe: Probability  # that the Sharpe ratio is above what the best of so many trials has by chance
    pbo: Probability  # probability of backtest overfitting of the sweep
    trials: Annotated[int, Field(ge=1)]  # that were tried, this one included
    max_drawdown: Probability  # fraction of the peak


class Qualification(_Table):
    """A qualification as it is in the file. ``tested`` is the part of the settings that orders depend on."""

    format: Literal[1] = 1
    name: str
    written_at: dt.datetime
    code_version: str
    settings_hash: str  # of the run that gave the evidence
    data_hash: str
    tested: dict[str, Any]
    evidence: dict[str, Evidence]  # name of the strategy in the settings ->
    digest: str = ""  # SHA-256 of all the rest


@dataclass(frozen=True, slots=True)
class Standard:
    """What evidence must reach."""

    min_sessions: int = 120  # half a year out of sample
    min_trades: int = 30
    min_deflated_sharpe: float = 0.95
    max_pbo: float = 0.5  # above it the best in sample is worse than the median out of sample (Bailey et al. 2015)
    max_age_days: int = 365  # since the last session of the evidence


def qualify(
    settings: Settings, data_hash: str, evidence: Mapping[str, Evidence], written_at: dt.datetime
) -> Qualification:
    """The qualification of ``settings`` on this evidence; whether it passes is for ``reasons_against`` to say."""
    made = Qualification(
        name=settings.name, written_at=written_at, code_version=code_version(), settings_hash=settings_hash(settings),
        data_hash=data_hash, tested=tested_part(settings), evidence=dict(evidence),
    )  # fmt: skip
    return made.model_copy(update={"digest": _digest(made)})


def write_qualification(qualification: Qualification, path: str | Path) -> None:
    """Write the file, whole or not at all. Raises QualificationError where it cannot be written."""
    file = Path(path)
    text = tomli_w.dumps(_plain(qualification.model_dump(mode="json")))
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, file)
    except OSError as error:
        raise QualificationError(
            f"qualification {file} cannot be written ({error.strerror or error}); give a file in a folder that may be "
            f"written and has room"
        ) from error


def read_qualification(path: str | Path) -> Qualification:
    """Read a file. Raises QualificationError where there is none, or it is damaged, edited or of a newer format."""
    file = Path(path)
    cure = "qualify these parameters anew"
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise QualificationError(f"there is no qualification {file}; {cure}, or correct its path") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise QualificationError(f"qualification {file} cannot be read ({reason}); {cure}") from error
    if isinstance(values.get("format"), int) and values["format"] > FORMAT:
        raise QualificationError(
            f"qualification {file} has format {values['format']}, this halflife knows {FORMAT}; update halflife"
        )
    try:
        found = Qualification.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise QualificationError(f"qualification {file}: {where}: {first['msg']}; {cure}") from error
    if found.digest != _digest(found):
        raise QualificationError(f"qualification {file} was changed after it was written; {cure}")
    return found


def reasons_against(
    qualification: Qualification, settings: Settings, today: dt.date, standard: Standard | None = None
) -> list[str]:
    """Why ``settings`` may not trade real money on this qualification, one sentence each; empty = they may."""
    required = standard or Standard()
    reasons = [
        f"{key} is {now}, qualified was {then}"
        for key, now, then in _differences(tested_part(settings), qualification.tested)
    ]
    for name in settings.strategies:
        evidence = qualification.evidence.get(name)
        if evidence is None:
            reasons.append(f"{name} has no out-of-sample evidence")
        else:
            reasons += [f"{name}: {reason}" for reason in _short_of(evidence, required, today)]
    return reasons


def require_qualification(
    path: str | Path, settings: Settings, today: dt.date, standard: Standard | None = None
) -> Qualification:
    """Read the file and return it; raises QualificationError, with every reason, unless it allows ``settings``."""
    found = read_qualification(path)
    reasons = reasons_against(found, settings, today, standard)
    if reasons:
        raise QualificationError(
            f"{settings.name} is not qualified for real money: {'; '.join(reasons)}. Trade on the paper account, or "
            f"qualify exactly these parameters"
        )
    return found


def remarks(qualification: Qualification) -> list[str]:
    """What a person should know although it forbids nothing."""
    if qualification.code_version == code_version():
        return []
    return [f"it was tested with halflife {qualification.code_version}, this is {code_version()}"]


def tested_part(settings: Settings) -> dict[str, Any]:
    """The settings that orders depend on, as plain values: strategies, risk, bars, execution, the instruments.

    Where the bars come from, how long they reach back and what is paid and reported may differ.
    """
    values = settings.model_dump(mode="json")
    symbols = settings.traded_symbols
    part = {
        "execution": values["execution"],
        "data": {"bar": values["data"]["bar"], "hours": values["data"]["hours"]},
        "account": {"currency": values["account"]["currency"]},
        "instruments": {
            symbol: {key: value for key, value in values["instruments"][symbol].items() if key in _INSTRUMENT}
            for symbol in symbols
            if symbol in values["instruments"]
        },
        "strategies": values["strategies"],
        "risk": values["risk"],
    }
    return dict(_plain(part))


def _short_of(evidence: Evidence, required: Standard, today: dt.date) -> list[str]:
    age = (today - evidence.last_session).days
    checks = (
        (evidence.sessions >= required.min_sessions, f"{evidence.sessions} sessions, needed {required.min_sessions}"),
        (evidence.trades >= required.min_trades, f"{evidence.trades} trades, needed {required.min_trades}"),
        (evidence.net_eur_per_day > 0.0, f"a mean of {evidence.net_eur_per_day:.2f} EUR a day, needed above 0"),
        (
            evidence.deflated_sharpe >= required.min_deflated_sharpe,
            f"a deflated Sharpe of {evidence.deflated_sharpe:.3f} ({evidence.trials} trials), needed "
            f"{required.min_deflated_sharpe:g}",
        ),
        (evidence.pbo <= required.max_pbo, f"a PBO of {evidence.pbo:.2f}, allowed {required.max_pbo:g}"),
        (
            age <= required.max_age_days,
            f"evidence ends {evidence.last_session}, {age} days ago, allowed {required.max_age_days}",
        ),
        (evidence.last_session <= today, f"evidence ends {evidence.last_session}, which has not come yet"),
    )
    return [said for holds, said in checks if not holds]


def _differences(now: Any, then: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(now, dict) and isinstance(then, dict):
        return [
            difference
            for key in sorted(now.keys() | then.keys())
            for difference in _differences(now.get(key, "absent"), then.get(key, "absent"), f"{path}.{key}".strip("."))
        ]
    return [] if now == then else [(path, now, then)]


def _plain(value: Any) -> Any:
    """As TOML can hold it: None becomes "off"."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return "off" if value is None else value


def _digest(qualification: Qualification) -> str:
    values = _plain(qualification.model_dump(mode="json", exclude={"digest"}))
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode("utf-8")).hexdigest()
