"""The only importer of zmq: frames, keys and sockets. No decision about jobs is made here."""

from kq.wire.frames import FrameDecoder, VersionMismatch, encode
from kq.wire.keys import KeyPair, new_key_pair, write_private
from kq.wire.peer_sockets import AgentWire, ClientWire
from kq.wire.server_sockets import Incoming, ServerWire
from kq.wire.sockets import Poller

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
    "write_private",
]
