"""Secrets that were read are remembered here, so that no log line shows them."""

from __future__ import annotations

import json
import re

HIDDEN = "***"
_SHORTEST = 4  # hiding every "a" would hide the log
_SECRET_KEY = re.compile(r"passw|secret|token|api_?key|credential|private_?key", re.IGNORECASE)
_known: set[str] = set()  # secrets as they are and as JSON writes them


def remember_secret(value: str) -> None:
    """Hide this text in everything that ``redact`` sees from now on."""
    if len(value) >= _SHORTEST:
        _known.update((value, json.dumps(value)[1:-1]))


def redact(text: str) -> str:
    """The text with all remembered secrets replaced by ``***``."""
    for value in sorted(_known, key=len, reverse=True):  # one secret may contain another
        text = text.replace(value, HIDDEN)
    return text


def names_secret(key: str) -> bool:
    """Whether a field of that name is hidden whatever it holds."""
    return _SECRET_KEY.search(key) is not None
