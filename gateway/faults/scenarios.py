"""Named scenarios."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named script. ``settings``: name -> default of the ``{holes}`` in its text."""

    text: str
    happens: str
    must: str
    reference: str
    settings: dict[str, str] = field(default_factory=dict)


SCENARIOS: dict[str, Scenario] = {
    "drop_middle": Scenario(
        "on {message} {n}: close middle",
        "The connection is dropped after half of the bytes of a message.",
        "Discard the half, reconnect, and reconcile.",
        "https://github.com/erdewit/ib_insync",
        {"message": "execDetails", "n": "1"},
    ),
}
