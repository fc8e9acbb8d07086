"""Malicious files that a render may report as its picture, to harm the desktop that opens them."""

from __future__ import annotations

import os
import stat
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

__all__ = ["HOSTILE", "NOT_REGULAR", "announce_size", "png_of", "truncated_tiff", "write_picture"]

_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'


def png_of(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG whose header announces this size; `pixels` are its compressed data, as they are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def write_picture(path: Path, width: int = 40, height: int = 20) -> Path:
    """Write a valid picture."""
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(path))
    return path


def _pipe(folder: Path) -> str:
    path = folder / "pipe.png"
    os.mkfifo(path)
    return str(path)


def _terminal(_folder: Path) -> str:
    return "/dev/ptmx"


def _zeros(_folder: Path) -> str:
    return "/dev/zero"


def _link_to_device(folder: Path) -> str:
    path = folder / "link.png"
    path.symlink_to("/dev/zero")
    return str(path)


def _folder(folder: Path) -> str:
    path = folder / "folder.png"
    path.mkdir()
    return str(path)


def _content(name: str, content: bytes) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content)
        return str(path)

    return make


def _truncated(folder: Path) -> str:
    path = write_picture(folder / "half.png", 400, 300)
    path.write_bytes(path.read_bytes()[:200])
    return str(path)


def truncated_tiff(folder: Path) -> str:
    """A TIFF without the directory at its end, which Qt logs as critical."""
    path = write_picture(folder / "half.tif", 400, 300)
    path.write_bytes(path.read_bytes()[:-60])
    return str(path)


def _bomb(folder: Path) -> str:
    """A file of under 3 MB that decodes to 596 MiB."""
    rows = zlib.compressobj(1)
    row = bytes(1 + 3 * 12_500)
    pixels = b"".join(rows.compress(row) for _ in range(12_500)) + rows.flush()
    path = folder / "bomb.png"
    path.write_bytes(png_of(12_500, 12_500, pixels))
    return str(path)


def _huge(folder: Path) -> str:
    path = folder / "huge.png"
    with path.open("wb") as file:
        file.write(png_of(8, 8))
        file.truncate((512 << 20) + 1)
    return str(path)


def _no_path(_folder: Path) -> str:
    return "/tmp/a\0b.png"  # never made


_NOT_REGULAR = "regular"
HOSTILE: dict[str, tuple[Callable[[Path], str], str]] = {
    "folder": (_folder, _NOT_REGULAR),
    "SVG called PNG": (_content("vector.png", _SVG), "PNG"),
    "text called EXR": (
        _content("text.exr", b"no picture at all, but long enough"),
        "PNG",
    ),
    "announces 60,000 x 60,000": (_content("announced.png", png_of(60_000, 60_000)), "60,000 x 60,000"),
    "3 MB that decode to 596 MiB": (_bomb, "of memory"),
    "truncated": (_truncated, "damaged"),
    "empty": (_content("empty.png", b""), "is empty"),
    "larger than the limit": (_huge, "larger than 512 MiB"),
    "a path with NUL": (_no_path, "path"),
}
"""For each kind: the function that makes it in a folder, and part of the expected error."""
if sys.platform != "win32":
    HOSTILE |= {
        "pipe": (_pipe, _NOT_REGULAR),
        "terminal device": (_terminal, _NOT_REGULAR),
        "endless device": (_zeros, _NOT_REGULAR),
        "link to a device": (_link_to_device, _NOT_REGULAR),
    }
NOT_REGULAR = [name for name, (_, error) in HOSTILE.items() if error is _NOT_REGULAR]
"""Those kinds that are no regular file."""


def announce_size(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Make fstat report `size` bytes for every file, to simulate a file that grows after the check."""
    real = os.fstat

    def asked(fd: int) -> os.stat_result:
        status = list(real(fd))
        status[stat.ST_SIZE] = size
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", asked)
