"""The wire of TWS in its text era: frames, handshake, and messages of versions 157 to 178 (without 158).

``wire_for(version)`` gives the messages: ``answer(name, values)`` and ``request(payload)`` for the side of TWS,
``write_request`` and ``read_answer`` for the side of a client, by the same tables. ``frames`` puts them on a socket.
"""

from gateway.wire.codec import VERSIONS, Wire, wire_for
from gateway.wire.errors import WireError
from gateway.wire.kinds import UNSET_DOUBLE, UNSET_INTEGER

__all__ = ["UNSET_DOUBLE", "UNSET_INTEGER", "VERSIONS", "Wire", "WireError", "wire_for"]
