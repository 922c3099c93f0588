"""The error of fault scripts."""

from __future__ import annotations

from core.errors import HalflifeError


class ScriptError(HalflifeError, ValueError):
    """A fault script that cannot be understood, or a scenario that does not exist."""

    code = "HL802"
