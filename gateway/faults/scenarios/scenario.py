"""What a named scenario is, and where its public threads and pages are."""

from __future__ import annotations

from dataclasses import dataclass, field

IBKR = "https://interactivebrokers.github.io/tws-api"
IB_INSYNC = "https://github.com/erdewit/ib_insync/issues"
IB_ASYNC = "https://github.com/ib-api-reloaded/ib_async/issues"
LEAN = "https://github.com/QuantConnect/Lean"
LEAN_IB = "https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers"
NAUTILUS = "https://github.com/nautechsystems/nautilus_trader"
PYSYSTEMTRADE = "https://github.com/pst-group/pysystemtrade"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script with a name.

    ``text``: the script, with ``{settings}``; ``happens``: what a client sees; ``must``: what it has to do;
    ``reference``: the public thread or page that describes it; ``settings``: name -> default.
    """

    text: str
    happens: str
    must: str
    reference: str
    settings: dict[str, str] = field(default_factory=dict)
