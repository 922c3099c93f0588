"""Prices beside prices: each split or dividend gives the whole adjusted history of a source another scale."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np

from core.errors import CatalogError
from feeds.catalog.merge import Floats, Merged

SAME = 1e-6  # relative: rounding of files; the smallest dividends are 100 times larger
CORRECTED = 0.25  # share of the common bars that may differ as corrections do; a scale moves all, but for rounding
ONE_FACTOR = 0.01  # how far the ratios of raw prices may lie apart that differ by one factor
FEW = 5  # common bars that tell nothing of raw prices


def check_scale(
    about: Mapping[str, str], merged: Sequence[Merged], until: dt.date | None, stored_until: dt.date | None,
    replace: bool,
) -> bool:  # fmt: skip
    """Whether all stored prices give way to prices of another scale. Raises CatalogError where both would stand side by
    side.

    ``merged``: every part of the series. ``until``, ``stored_until``: the day up to which the prices brought and those
    stored are adjusted, which tells their scale where they have no time in common.
    """
    added, left = sum(one.added for one in merged), sum(one.left for one in merged)
    pieces = [one.ratios for one in merged if one.ratios is not None]
    ratios = np.concatenate(pieces) if pieces else np.empty(0)
    moved = ratios[~(np.abs(ratios - 1.0) <= SAME)]
    mixes = bool(left) if replace else bool(added)
    if about["adjusted"] == "raw":
        if added and not replace and _by_one_factor(ratios, moved):
            raise CatalogError(
                f"{about['symbol']} {about['bar']}: {len(moved)} of {len(ratios)} closes of {about['source']} are "
                f"{float(np.median(moved)):.4g} times the stored ones, as adjusted prices are, and both are called "
                "raw. Side by side they would be a jump that never was; say --adjusted for what they are, and bring "
                "the whole history with --replace"
            )
        return False
    rescaled = len(moved) > CORRECTED * len(ratios)
    what = f"{about['symbol']} {about['bar']}: the prices are adjusted ({about['adjusted']}), and those "
    whole = "bring the whole history anew with --replace, or raw prices with their corporate actions"
    if rescaled and mixes:
        raise CatalogError(
            f"{what}of {about['source']} have another scale than the stored ones: something was paid or split in "
            f"between. Side by side they would be a jump that never was; {whole}"
        )
    if not len(ratios) and left and added and (until is None or until != stored_until):
        raise CatalogError(
            f"{what}of {about['source']} share no time with the stored ones, so nothing shows that they have one "
            f"scale; bring a few bars that are stored already along, say --adjusted-until for both, or {whole}"
        )
    return rescaled and replace


def _by_one_factor(ratios: Floats, moved: Floats) -> bool:
    if len(ratios) < FEW or len(moved) <= 0.5 * len(ratios) or not np.isfinite(moved).all():
        return False
    spread = float(np.quantile(moved, 0.9) - np.quantile(moved, 0.1))
    return abs(float(np.median(moved)) - 1.0) > 10.0 * ONE_FACTOR and spread <= ONE_FACTOR * float(np.median(moved))
