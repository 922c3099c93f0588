"""Adjusted prices beside adjusted prices: each split or dividend gives a source's whole history another scale."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from core.errors import CatalogError
from feeds.catalog.merge import Merged


def check_scale(
    about: Mapping[str, str], merged: Sequence[Merged], until: dt.date | None, stored_until: dt.date | None,
    replace: bool,
) -> bool:  # fmt: skip
    """Whether all stored prices give way to prices of another scale. Raises CatalogError where only some would.

    ``merged``: every part of the series. ``until``, ``stored_until``: the day up to which the prices brought and those
    stored are adjusted, which tells their scale where they have no time in common.
    """
    added, left = sum(one.added for one in merged), sum(one.left for one in merged)
    rescaled = next((one.rescaled for one in merged if one.rescaled is not None), None)
    what = f"{about['symbol']} {about['bar']}: the prices are adjusted ({about['adjusted']}), and those "
    whole = "bring the whole history anew with --replace, or raw prices with their corporate actions"
    if rescaled and left and (added or replace):
        raise CatalogError(
            f"{what}of {about['source']} have another scale than the stored ones: something was paid or split in "
            f"between. Side by side they would be a jump that never was; {whole}"
        )
    if rescaled is None and left and added and (until is None or until != stored_until):
        raise CatalogError(
            f"{what}of {about['source']} share no time with the stored ones, so nothing shows that they have one "
            f"scale; bring a few bars that are stored already along, say --adjusted-until for both, or {whole}"
        )
    return bool(rescaled and replace)
