"""Encodes and decodes messages: a mark, the protocol version, then msgpack. Uses no pickle and no socket."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from ..errors import MalformedMessage
from ..messages import PROTOCOL_VERSION

__all__ = ["MAX_MESSAGE_BYTES", "FrameDecoder", "VersionMismatch", "encode"]

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Larger frames are refused without being decoded."""
_MARK = b"KQ"
_HEADER = _MARK + PROTOCOL_VERSION.to_bytes(2, "big")
_ENCODER = msgspec.msgpack.Encoder()

T = TypeVar("T")


class VersionMismatch(MalformedMessage):
    """The peer uses another version of the protocol, `theirs`."""

    def __init__(self, theirs: int) -> None:
        super().__init__(
            f"the other side speaks protocol version {theirs}, this one {PROTOCOL_VERSION}: "
            f"install the same version of Katana Queue on both"
        )
        self.theirs = theirs


def encode(message: msgspec.Struct) -> bytes:
    """Return `message` as a frame.

    Raises:
        MalformedMessage: it is too large, or contains text that is not Unicode, or a number beyond 64 bits.
    """
    try:
        frame = _HEADER + _ENCODER.encode(message)
    except UnicodeEncodeError as error:
        raise MalformedMessage(
            f"text that is not valid Unicode cannot be sent: {error.object[:80]!a}"
        ) from error
    except OverflowError as error:
        raise MalformedMessage(f"a number cannot be sent: {error}") from error
    if len(frame) > MAX_MESSAGE_BYTES:
        raise MalformedMessage(
            f"a message of {len(frame):,} bytes is larger than {MAX_MESSAGE_BYTES:,}: send less at once"
        )
    return frame


class FrameDecoder(Generic[T]):
    """Decodes frames of the message types `types`, a union."""

    def __init__(self, types: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(types)

    def decode(self, frame: bytes) -> T:
        """Return the message in `frame`. Checks size, mark and version before it decodes the content.

        Raises:
            VersionMismatch: the header has another version.
            MalformedMessage: the frame is invalid in any other way.
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
            # ValidationError is a DecodeError; RecursionError is raised for deep nesting.
            raise MalformedMessage(f"a message that cannot be read: {error}") from error
