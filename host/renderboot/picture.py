"""Pictures on disk: sRGB PNG for people, half-float EXR for compositing, each replaced atomically.

Pixels are (height, width, 4) float32, scene-linear, premultiplied. Independent of the renderer.
"""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import RenderBootError

Pixels = npt.NDArray[np.float32]

_PNG_LINES_PER_BLOCK = 32
_EXR_LINES_PER_BLOCK = 16
_EXR_ZIP = 3
_READER_TIMEOUT_S = 2.0
"""How long to retry while another program has the previous picture open (Windows)."""


def write_png(path: Path, pixels: Pixels) -> None:
    """Write an opaque 8-bit sRGB PNG (over black where nothing was hit).

    Raises:
        RenderBootError: The file cannot be written.
    """
    _replace(path, png(pixels))


def write_encoded(path: Path, content: bytes) -> bool:
    """Write a PNG encoded by `png`. Returns whether its folder was made. Raises as `write_png` does."""
    return _replace(path, content)


def png(
    pixels: Pixels,
    about: Mapping[str, str | int | float] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    level: int = 3,
) -> bytes:
    """Return the bytes that `write_png` writes.

    Args:
        pixels: the picture.
        about: texts for the header, by their names.
        is_cancelled: asked every few lines; when it returns True, the result is empty.
        level: zlib's level of compression, 0 to 9.
    """
    height, width = pixels.shape[:2]
    packer = zlib.compressobj(level)
    packed = []
    above = np.zeros(width * 3, np.uint8)
    for top in range(0, height, _PNG_LINES_PER_BLOCK):
        if is_cancelled():
            return b""
        curve = srgb(pixels[top : top + _PNG_LINES_PER_BLOCK, :, :3])
        curve *= 255.0
        curve += 0.5
        flat = curve.astype(np.uint8).reshape(len(curve), width * 3)
        # Filter 2 (Up) on every line: noise compresses no worse, gradients far better.
        lines = np.empty((len(flat), 1 + width * 3), np.uint8)
        lines[:, 0] = 2
        lines[0, 1:] = flat[0] - above
        lines[1:, 1:] = flat[1:] - flat[:-1]
        above = flat[-1]
        packed.append(packer.compress(lines.data))
    packed.append(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", header)
        + _png_chunk(b"sRGB", b"\0")
        + b"".join(_png_text(name, str(value)) for name, value in (about or {}).items())
        + _png_chunk(b"IDAT", b"".join(packed))
        + _png_chunk(b"IEND", b"")
    )


@dataclass(frozen=True)
class Header:
    """The header of an EXR."""

    display_size: tuple[int, int] | None = None
    """Width and height of the display window; None: the size of the pixels."""
    origin: tuple[int, int] = (0, 0)
    """Position of the pixels' top left corner in the display window."""
    pixel_aspect_ratio: float = 1.0
    about: Mapping[str, str | int | float] = field(default_factory=dict)
    """Further attributes by their names: scene, node, frame and so on."""


def framed(pixels: Pixels, header: Header) -> Pixels:
    """Return the display window's pixels: transparent black outside the data window, overscan cropped."""
    if header.display_size is None:
        return pixels
    width, height = header.display_size
    if header.origin == (0, 0) and pixels.shape[:2] == (height, width):
        return pixels
    left, top = header.origin
    whole = np.zeros((height, width, 4), np.float32)
    right, bottom = min(left + pixels.shape[1], width), min(top + pixels.shape[0], height)
    x, y = max(left, 0), max(top, 0)
    if x < right and y < bottom:
        whole[y:bottom, x:right] = pixels[y - top : bottom - top, x - left : right - left]
    return whole


def write_exr(path: Path, pixels: Pixels, about: Header | None = None) -> None:
    """Write a half-float RGBA EXR, ZIP-compressed, scene-linear with Rec. 709 primaries.

    Args:
        path: The file; replaced atomically.
        pixels: The pixels of the data window.
        about: Windows, pixel aspect ratio and further attributes.

    Raises:
        RenderBootError: The file cannot be written.
    """
    about = about or Header()
    height, width = pixels.shape[:2]
    # Values beyond half's largest would become infinities, which later filters spread.
    half = np.clip(pixels, -65504.0, 65504.0).astype("<f2")
    planes = np.ascontiguousarray(half[..., [3, 2, 1, 0]].transpose(0, 2, 1))  # each line: A, B, G, R
    channels = b"".join(name + b"\0" + struct.pack("<iiii", 1, 0, 1, 1) for name in (b"A", b"B", b"G", b"R"))
    left, top = about.origin
    window = struct.pack("<iiii", left, top, left + width - 1, top + height - 1)
    whole_width, whole_height = about.display_size or (left + width, top + height)
    display = struct.pack("<iiii", 0, 0, whole_width - 1, whole_height - 1)
    header = struct.pack("<II", 20000630, 2)
    header += _exr_attribute(b"channels", b"chlist", channels + b"\0")
    header += _exr_attribute(b"compression", b"compression", bytes([_EXR_ZIP]))
    header += _exr_attribute(b"dataWindow", b"box2i", window)
    header += _exr_attribute(b"displayWindow", b"box2i", display)
    header += _exr_attribute(b"lineOrder", b"lineOrder", b"\0")
    header += _exr_attribute(b"pixelAspectRatio", b"float", struct.pack("<f", about.pixel_aspect_ratio))
    header += _exr_attribute(b"screenWindowCenter", b"v2f", struct.pack("<ff", 0.0, 0.0))
    header += _exr_attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1.0))
    for name, value in about.about.items():
        header += _exr_attribute(name.encode(), *_exr_value(value))
    header += b"\0"
    blocks = []
    for line in range(0, height, _EXR_LINES_PER_BLOCK):
        packed = _exr_zip(planes[line : line + _EXR_LINES_PER_BLOCK].tobytes())
        blocks.append(struct.pack("<ii", top + line, len(packed)) + packed)
    offsets = []
    position = len(header) + 8 * len(blocks)
    for block in blocks:
        offsets.append(position)
        position += len(block)
    _replace(path, header + struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(blocks))


def srgb(linear: Pixels) -> Pixels:
    """The sRGB transfer curve, clipped to 0..1; anything that is not a number becomes black."""
    # fmax ignores NaN. In place: allocating a temporary array for a large picture costs more than the
    # arithmetic.
    clean = np.fmax(linear, np.float32(0.0))
    np.fmin(clean, np.float32(1.0), out=clean)
    curve: Pixels = np.power(clean, np.float32(1.0 / 2.4))
    curve *= np.float32(1.055)
    curve -= np.float32(0.055)
    np.multiply(clean, np.float32(12.92), out=curve, where=clean <= np.float32(0.0031308))
    return curve


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_text(name: str, text: str) -> bytes:
    # Uncompressed, without language and translated name.
    return _png_chunk(b"iTXt", name.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def _exr_attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value


def _exr_value(value: str | int | float) -> tuple[bytes, bytes]:
    if isinstance(value, str):
        return b"string", value.encode("utf-8", "replace")
    if isinstance(value, int):
        return b"int", struct.pack("<i", value)
    return b"float", struct.pack("<f", value)


def _exr_zip(raw: bytes) -> bytes:
    """Compress as OpenEXR ZIP: split even and odd bytes, delta, deflate; raw when that is smaller."""
    data = np.frombuffer(raw, np.uint8)
    split = np.concatenate([data[0::2], data[1::2]]).astype(np.int16)
    split[1:] = split[1:] - split[:-1] + 128
    packed = zlib.compress((split & 0xFF).astype(np.uint8).tobytes(), 4)
    return packed if len(packed) < len(raw) else raw


def _replace(path: Path, content: bytes) -> bool:
    """Write the file in one step; returns whether its folder was made. Raises RenderBootError."""
    made = not path.parent.is_dir()
    try:
        try:
            _write_in_place(path, content)
        except FileNotFoundError:  # the folder was moved or deleted meanwhile
            made = True
            _write_in_place(path, content)
    except OSError as error:
        # The cause first: where there is little room, the rest is cut.
        raise RenderBootError(
            f"{error.strerror or error}: the picture '{path}' cannot be written."
        ) from error
    return made


def _write_in_place(path: Path, content: bytes) -> None:
    # Programs read the picture while it renders: they must never see a partly written file.
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.unlink(missing_ok=True)  # Windows cannot overwrite hidden files, and shares hide dot names
        draft.write_bytes(content)
        _put_in_place(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _put_in_place(draft: Path, path: Path) -> None:
    # Windows cannot replace a file while a viewer has it open, even briefly.
    timeout_s = _READER_TIMEOUT_S if sys.platform == "win32" else 0.0
    end = time.monotonic() + timeout_s
    while True:
        try:
            draft.replace(path)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.02)
