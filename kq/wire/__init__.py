"""The only importer of zmq: frames, keys and sockets."""

# First, because it raises ImportError when pyzmq is too old for the rest.
from .requirement import check_pyzmq

# isort: split
from .frames import FrameDecoder, VersionMismatch, encode
from .key_limits import KeyLimits
from .keys import KeyPair, new_key_pair
from .peer_sockets import AgentWire, ClientWire
from .server_sockets import Incoming, ServerWire
from .sockets import Poller

__all__ = [
    "AgentWire",
    "ClientWire",
    "FrameDecoder",
    "Incoming",
    "KeyLimits",
    "KeyPair",
    "Poller",
    "ServerWire",
    "VersionMismatch",
    "check_pyzmq",
    "encode",
    "new_key_pair",
]
