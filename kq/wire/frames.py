"""One message, one frame: a mark, the protocol's version, then msgpack. Never pickle, never a socket."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from ..errors import MalformedMessage
from ..messages import PROTOCOL_VERSION

__all__ = ["MAX_MESSAGE_BYTES", "FrameDecoder", "VersionMismatch", "encode"]

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""A larger frame is refused before anything of it is looked at."""
_MARK = b"KQ"
_HEADER = _MARK + PROTOCOL_VERSION.to_bytes(2, "big")
_ENCODER = msgspec.msgpack.Encoder()

T = TypeVar("T")


class VersionMismatch(MalformedMessage):
    """The other side speaks another version of the protocol."""

    def __init__(self, theirs: int) -> None:
        super().__init__(
            f"the other side speaks protocol version {theirs}, this one {PROTOCOL_VERSION}: "
            f"install the same version of Katana Queue on both"
        )
        self.theirs = theirs


def encode(message: msgspec.Struct) -> bytes:
    """The frame of `message`.

    Raises:
        MalformedMessage: it would be too large to be accepted.
    """
    frame = _HEADER + _ENCODER.encode(message)
    if len(frame) > MAX_MESSAGE_BYTES:
        raise MalformedMessage(
            f"a message of {len(frame):,} bytes is larger than {MAX_MESSAGE_BYTES:,}: send less at once"
        )
    return frame


class FrameDecoder(Generic[T]):
    """Reads frames of one set of message types."""

    def __init__(self, types: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(types)

    def decode(self, frame: bytes) -> T:
        """The message in `frame`. Size, mark and version are checked before its content is looked at.

        Raises:
            VersionMismatch: the header names another version.
            MalformedMessage: anything else is wrong with it.
        """
        if len(frame) > MAX_MESSAGE_BYTES:
            raise MalformedMessage(f"a frame of {len(frame):,} bytes is too large")
        if frame[:2] != _MARK or len(frame) < len(_HEADER):
            raise MalformedMessage("a frame that does not begin with the mark of a message")
        if frame[:4] != _HEADER:
            raise VersionMismatch(int.from_bytes(frame[2:4], "big"))
        try:
            return self._decoder.decode(memoryview(frame)[4:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # ValidationError is a DecodeError; RecursionError comes of deep nesting.
            raise MalformedMessage(f"a message that cannot be read: {error}") from error
