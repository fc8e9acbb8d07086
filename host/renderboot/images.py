"""Image files as arrays, read by OpenImageIO: any format it knows, of bounded size, in .usdz packages too.

Independent of USD's shaders and of the renderer.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from .scene import ColourSpace

Half = npt.NDArray[np.float16]

MAX_PIXELS = 2**26
"""Larger images are downsampled while read: 8192 x 8192 pixels take 0.5 GB as RGBA half floats."""
_REDUCED_PIXELS = 2**24
MAX_FILE_PIXELS = 2**31
"""Larger images are rejected: decoding alone would take minutes."""
_STRIP_PIXELS = 2**22
_HALF_MAX = 65504.0


class UnreadableImageError(Exception):
    """An image cannot be used; the text gives the reason."""


@dataclass(frozen=True, eq=False)
class Image:
    """Linear RGBA pixels, (height, width, 4); warnings list what was changed on reading."""

    pixels: Half
    warnings: tuple[str, ...] = ()


def image_bytes(file: str) -> bytes:
    """Return the file's bytes; accepts paths within packages (`package.usdz[image.png]`, nested too).

    Raises:
        UnreadableImageError: It is no regular file, or cannot be read.
    """
    try:
        if Path(file).is_file():
            return Path(file).read_bytes()
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error
    # USD is imported here: plain image files do not need it.
    from pxr import Ar, Tf

    if not Ar.IsPackageRelativePath(file) or not Path(Ar.SplitPackageRelativePathOuter(file)[0]).is_file():
        raise UnreadableImageError("no such file")
    try:
        with Ar.GetResolver().OpenAsset(Ar.ResolvedPath(file)) as asset:
            return bytes(asset.GetBuffer())
    except (Tf.ErrorException, TypeError, ValueError, AttributeError) as error:
        raise UnreadableImageError("it is not in the package") from error


def read_image(file: str, colour_space: ColourSpace) -> Image:
    """Read and linearise an image.

    Args:
        file: A path, or a path within a package.
        colour_space: With 'auto', 8-bit images of three or four channels are sRGB, all others are linear.

    Raises:
        UnreadableImageError: It is no image, is damaged, or is too large.
    """
    try:
        is_plain = Path(file).is_file()
    except OSError as error:  # its folder may not be entered, or its name is too long
        raise UnreadableImageError(error.strerror or str(error)) from error
    if is_plain:
        return _read(file, colour_space)
    content = image_bytes(file)
    with tempfile.TemporaryDirectory() as folder:
        # OpenImageIO's Python API opens files only, and tries the format of the extension first.
        copy = Path(folder, "image" + PurePosixPath(file.rstrip("]")).suffix)
        copy.write_bytes(content)
        return _read(str(copy), colour_space)


def _read(file: str, colour_space: ColourSpace) -> Image:
    try:
        import OpenImageIO as oiio  # noqa: N813  (its own documentation's name for it)
    except ImportError as error:
        raise UnreadableImageError("OpenImageIO is not installed: pip install openimageio") from error

    # OpenImageIO's default limits would reject images that are downsampled here.
    oiio.attribute("limits:imagesize_MB", 65536)
    config = oiio.ImageSpec()
    # Keep colours unassociated (not premultiplied): shaders read the file's values.
    config.attribute("oiio:UnassociatedAlpha", 1)
    opened = oiio.ImageInput.open(file, config)
    if opened is None:
        raise UnreadableImageError(_reason(oiio.geterror()))
    try:
        spec = opened.spec()
        if spec.deep:
            raise UnreadableImageError("deep images are not read")
        if spec.width * spec.height > MAX_FILE_PIXELS:
            raise UnreadableImageError(f"{spec.width} by {spec.height} pixels are too many")
        channels = _channels(spec)
        values, warnings = _values(opened, spec, channels, oiio)
    finally:
        opened.close()
    is_eight_bit = str(spec.format) == "uint8"
    is_encoded = colour_space == "srgb" or (
        colour_space == "auto" and is_eight_bit and spec.nchannels in (3, 4)
    )
    return _linear(values, channels, warnings, is_encoded=is_encoded)


def _channels(spec: Any) -> list[int]:
    """Positions of red, green, blue and, if there is one, alpha; grey is used for all three colours."""
    names = [str(name).rpartition(".")[2].upper() for name in spec.channelnames]
    alpha = spec.alpha_channel if spec.alpha_channel >= 0 else (names.index("A") if "A" in names else -1)
    if all(letter in names for letter in "RGB"):
        colours = [names.index(letter) for letter in "RGB"]
    else:
        plain = [position for position in range(spec.nchannels) if position != alpha] or [0]
        colours = plain[:3] if len(plain) >= 3 else [plain[0]] * 3
    return [*colours, alpha] if alpha >= 0 else colours


def _values(
    opened: Any, spec: Any, channels: list[int], oiio: Any
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """(height, width, channels of the file up to the last that is used): 8-bit codes or floats."""
    count = max(channels) + 1
    kind = "uint8" if str(spec.format) == "uint8" else "float"
    pixels = spec.width * spec.height
    if pixels <= MAX_PIXELS:
        whole = opened.read_image(0, 0, 0, count, kind)
        if whole is None:
            raise UnreadableImageError(_reason(opened.geterror()))
        return np.asarray(whole).reshape(spec.height, spec.width, count), ()
    factor = math.ceil(math.sqrt(pixels / _REDUCED_PIXELS))
    result = _reduced(opened, spec, count, factor, kind)
    size, small = f"{spec.width} by {spec.height}", f"{result.shape[1]} by {result.shape[0]}"
    return result, (f"An image of {size} pixels is used at {small}",)


def _reduced(opened: Any, spec: Any, count: int, factor: int, kind: str) -> npt.NDArray[np.float32]:
    """Average blocks of `factor` x `factor` pixels, read in strips to limit memory."""
    height, width = max(1, spec.height // factor), max(1, spec.width // factor)
    strips = []
    lines = factor * max(1, spec.tile_height or _STRIP_PIXELS // (spec.width * factor))
    for top in range(0, height * factor, lines):
        bottom = min(top + lines, height * factor)
        y = (spec.y + top, spec.y + bottom)
        if spec.tile_width:
            x, end = (spec.x, spec.x + spec.width), min(y[0] + lines, spec.y + spec.height)
            strip = opened.read_tiles(0, 0, *x, y[0], end, 0, 1, 0, count, kind)
        else:
            strip = opened.read_scanlines(0, 0, y[0], y[1], 0, 0, count, kind)
        if strip is None:
            raise UnreadableImageError(_reason(opened.geterror()))
        rows = np.asarray(strip).reshape(-1, spec.width, count)[: bottom - top, : width * factor]
        blocks = rows.reshape(-1, factor, width, factor, count)
        if kind == "uint8":
            strips.append(blocks.sum(axis=(1, 3), dtype=np.uint32).astype(np.float32) / (255.0 * factor**2))
        else:
            strips.append(blocks.mean(axis=(1, 3), dtype=np.float32))
    return np.concatenate(strips).astype(np.float32)


def _linear(
    values: npt.NDArray[Any], channels: list[int], warnings: tuple[str, ...], *, is_encoded: bool
) -> Image:
    height, width = values.shape[:2]
    result = np.ones((height, width, 4), np.float16)
    codes = np.arange(256, dtype=np.float32) / np.float32(255.0)
    is_finite = True
    for target, channel in enumerate(channels):
        plane = values[..., channel]
        decode = is_encoded and target < 3
        if plane.dtype == np.uint8:
            table = (from_srgb(codes) if decode else codes).astype(np.float16)
            result[..., target] = table[plane]
            continue
        if not np.isfinite(plane).all():
            is_finite = False
            plane = np.nan_to_num(plane, nan=0.0, posinf=_HALF_MAX, neginf=0.0)
        plane = np.clip(plane, -_HALF_MAX, _HALF_MAX)
        result[..., target] = from_srgb(plane) if decode else plane
    if not is_finite:
        warnings = (*warnings, "An image has values that are not finite: replaced")
    return Image(result, warnings)


def from_srgb(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return values in sRGB as linear ones."""
    positive = np.maximum(encoded, 0.0)
    linear: npt.NDArray[np.float32] = np.where(
        positive <= 0.04045, positive / 12.92, ((positive + 0.055) / 1.055) ** 2.4
    ).astype(np.float32)
    return linear


def _reason(text: str) -> str:
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it is damaged"
