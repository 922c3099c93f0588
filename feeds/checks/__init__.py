"""Checks of raw bars: rules with names, what they find, and the repairs that they propose."""

from feeds.checks.examine import Examination, check_series, examine_series, propose_repairs
from feeds.checks.finding import Finding
from feeds.checks.rules import RULES

__all__ = ["RULES", "Examination", "Finding", "check_series", "examine_series", "propose_repairs"]
