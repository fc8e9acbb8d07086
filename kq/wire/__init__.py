"""The only importer of zmq: frames, keys and sockets. No decision about jobs is made here."""

from .frames import FrameDecoder, VersionMismatch, encode
from .keys import KeyPair, new_key_pair
from .peer_sockets import AgentWire, ClientWire
from .server_sockets import Incoming, ServerWire
from .sockets import Poller

__all__ = [
    "AgentWire",
    "ClientWire",
    "FrameDecoder",
    "Incoming",
    "KeyPair",
    "Poller",
    "ServerWire",
    "VersionMismatch",
    "encode",
    "new_key_pair",
]
