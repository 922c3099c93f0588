"""Ending a run in spite of errors: each thing that has to be given back is, whatever the one before it raised."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def do_all(calls: Iterable[Callable[[], object]]) -> None:
    """Make every call, in order; then raise the first error that came up."""
    errors = []
    for call in calls:
        try:
            call()
        except BaseException as error:  # also an interrupt: the objects of the user come first
            errors.append(error)
    if errors:
        raise errors[0]
