"""What is wrong with bytes on the wire."""

from __future__ import annotations


class WireError(ValueError):
    """A message that cannot be read or written. ``position`` counts its fields from 0, the message id included.

    ``message``, ``field`` and ``position`` are empty, empty and -1 where the fault is not in a field.
    """

    def __init__(self, what: str, message: str = "", field: str = "", position: int = -1):
        self.what, self.message, self.field, self.position = what, message, field, position
        place = f"{message or 'message'}, field {position}" if position >= 0 else message
        super().__init__(": ".join(part for part in (f"{place} ({field})" if field else place, what) if part))
