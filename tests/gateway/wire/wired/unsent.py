"""What a client sent, as the gateway reads it, beside what it was asked to send."""

from __future__ import annotations

from typing import Any

from wired.oracle import equal, flat

from gateway.model import Values
from gateway.wire import WireError, wire_for

# Fields that a library does not send as they are: no such attribute any more, or it sends them only in some orders
_DEPRECATED = {"order.faProfile", "order.eTradeOnly", "order.firmQuoteOnly", "order.nbboPriceCap"}
UNSENT = {
    "ib_insync": set(),
    "ib_async": {"order.volatility"},  # only with orders of type VOL
    "ibapi": _DEPRECATED | {"historicalNewsOptions.0.tag", "historicalNewsOptions.0.value"},  # 9.81 forgets them
}


def misread(library: str, version: int, name: str, values: Values, payload: bytes) -> list[str]:
    """What the gateway reads otherwise than it was meant."""
    try:
        read, got = wire_for(version).request(payload)
    except WireError as fault:
        return [str(fault)]
    if read != name:
        return [f"read as {read}"]
    found: dict[str, Any] = dict(flat(got))
    return [
        f"{path} is {found.get(path)!r}, meant was {meant!r}"
        for path, meant in flat(values)
        if meant is not None and path not in UNSENT[library] and not (path in found and equal(meant, found[path]))
    ]
