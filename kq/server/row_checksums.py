"""Checksums in the journal's rows: SQLite has none, and one wrong byte may decode to another job."""

from __future__ import annotations

from zlib import crc32

__all__ = ["DamagedRow", "with_checksum", "without_checksum"]

_BYTES = 4


class DamagedRow(Exception):
    """A row does not match its checksum, or is incomplete."""


def with_checksum(content: bytes, *columns: object) -> bytes:
    """`content` followed by a checksum of it and of `columns`, other columns of its row."""
    return content + _checksum(content, columns)


def without_checksum(stored: object, *columns: object) -> bytes:
    """The `content` of a value that `with_checksum` returned. Raises DamagedRow."""
    if not isinstance(stored, bytes) or stored[-_BYTES:] != _checksum(stored[:-_BYTES], columns):
        raise DamagedRow("its checksum is wrong")
    return stored[:-_BYTES]


def _checksum(content: bytes, columns: tuple[object, ...]) -> bytes:
    return crc32(repr(columns).encode(), crc32(content)).to_bytes(_BYTES, "big")
