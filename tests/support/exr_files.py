"""Splits an EXR of renderboot into header and pixels, so that tests can compare bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["ExrFile", "read_exr", "without_times"]

_OF_THE_RUN = ("renderTime", "capDate")
"""Header attributes that differ from one render of the same scene to the next."""


class ExrFile(NamedTuple):
    """The bytes of the header, without those of `_OF_THE_RUN`, and of the pixels."""

    attributes: dict[str, bytes]
    pixels: bytes


def read_exr(path: Path) -> ExrFile:
    """Take a file with scan lines apart."""
    content = path.read_bytes()
    assert content[:4] == b"v/1\x01", path
    attributes = {}
    at = 8
    while content[at]:
        name, kind, rest = content[at:].split(b"\0", 2)
        [size] = struct.unpack("<i", rest[:4])
        attributes[name.decode()] = kind + b" " + rest[4 : 4 + size]
        at += len(name) + len(kind) + 2 + 4 + size
    [first] = struct.unpack("<Q", content[at + 1 : at + 9])  # the place of the first block of lines
    kept = {name: value for name, value in attributes.items() if name not in _OF_THE_RUN}
    return ExrFile(kept, content[first:])


def without_times(path: Path) -> bytes:
    """Return all bytes of an EXR, with the date and the render time set to zero.

    Two renders never have the same ones: one is the clock's, the other is measured.
    """
    content = path.read_bytes()
    for attribute, size in ((rb"capDate\0string\0", 19), (rb"renderTime\0float\0", 4)):
        content, count = re.subn(
            rb"(%b.{4}).{%d}" % (attribute, size), rb"\1" + bytes(size), content, flags=re.DOTALL
        )
        assert count == 1, (path, attribute)
    return content
