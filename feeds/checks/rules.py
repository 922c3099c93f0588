"""All rules by name, in the order in which they are asked: a rule may rely on what those before it left."""

from __future__ import annotations

from feeds.checks.activity import Stale, VolumeGap, ZeroVolume
from feeds.checks.gaps import MissingBars, MissingSession, NotDaily
from feeds.checks.moves import Exchanged, Jump, Wick
from feeds.checks.rule import Rule
from feeds.checks.strays import ForeignRows, Spike
from feeds.checks.times import ClosedSession, Duplicate, OddDate
from feeds.checks.values import AdjCloseOdd, CrossedQuotes, HighLow, MissingPrice, NegativeVolume, NonpositivePrice

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        MissingPrice(),
        NonpositivePrice(),
        NegativeVolume(),
        Duplicate(),
        ClosedSession(),
        HighLow(),
        CrossedQuotes(),
        Spike(),
        ForeignRows(),
        OddDate(),
        NotDaily(),
        MissingSession(),
        MissingBars(),
        Stale(),
        Jump(),
        Wick(),
        Exchanged(),
        ZeroVolume(),
        VolumeGap(),
        AdjCloseOdd(),
    )
}
