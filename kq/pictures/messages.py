"""What the desktop and the process that decodes pictures send each other: a JSON line a message.

After a `PixelsReply` line come its pixels.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "PIXEL_BYTES",
    "FailedReply",
    "FileReadReply",
    "PixelsReply",
    "ReadRequest",
    "Reply",
    "UnchangedReply",
]

MAX_FILE_BYTES = 512 << 20
PIXEL_BYTES = 4
MAX_PIXELS = (512 << 20) // PIXEL_BYTES
"""Most pixels of a picture, as in the file and as sent."""


class ReadRequest(msgspec.Struct, frozen=True):
    """From the desktop: read this picture. The last reply is none of FileReadReply."""

    path: str
    fit: tuple[int, int] | None
    """Scale the picture to fit into this width and height; None: do not scale."""
    stamp: tuple[int, int] | None
    """Size and mtime_ns of the file that was read before; if it still has them, it is not read."""


class FileReadReply(msgspec.Struct, frozen=True, tag="file read"):
    """The file has been read into memory: what takes long now is its decoder, not its share."""


class UnchangedReply(msgspec.Struct, frozen=True, tag="unchanged"):
    """The file has the stamp of the request."""


class PixelsReply(msgspec.Struct, frozen=True, tag="pixels"):
    """The picture; its pixels follow: width x height x 4 bytes, red first, premultiplied by alpha."""

    width: int
    height: int
    has_alpha: bool
    """If not, the fourth byte is 255."""
    stamp: tuple[int, int]


class FailedReply(msgspec.Struct, frozen=True, tag="failed"):
    """The picture cannot be shown."""

    reason: str
    """Completes "The picture PATH cannot be shown: "."""


Reply = FileReadReply | UnchangedReply | PixelsReply | FailedReply
