"""Images as mitsuba textures: read, linearised, scaled, one channel picked; each combination made once."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...cache import PartCache, digest
from ...diagnostics import Diagnostics
from ...scene import Array, ColourSpace, ImageTexture, Wrap
from .engine import mi, transform

_CHANNELS = {"r": 0, "g": 1, "b": 2, "a": 3}
_NEUTRAL = 0.5

Result = TypeVar("Result")


class _UnreadableError(Exception):
    """Why an image cannot be used."""


@dataclass(frozen=True)
class _Source:
    """A file as it was when it was read; what is made of it is known by this digest, never by its name."""

    file: str
    content: bytes
    digest: bytes


class TextureLibrary:
    """Reads files and makes textures of them, each combination once."""

    def __init__(self, diagnostics: Diagnostics, cache: PartCache | None = None) -> None:
        """
        Args:
            findings: receives what cannot be read.
            stash: where textures and images may have been made already.
        """
        self._diagnostics = diagnostics
        self._cache = cache
        self._source_of_late: _Source | None = None
        self._unreadable: set[str] = set()
        self._images: dict[bytes, mi.Bitmap] = {}
        self._textures: dict[tuple[object, ...], object] = {}

    def colour(self, texture: ImageTexture) -> object:
        """A three-channel texture of linear values."""
        if texture.output in _CHANNELS or not _is_unscaled(texture):
            return self._texture(texture, "colour", lambda: mi.Bitmap(self._pixels(texture)))
        # The common case: no copy through arrays, which for large images takes longer than reading them.
        return self._texture(texture, "colour", lambda: self._image(texture, "RGB"))

    def scalar(self, texture: ImageTexture, shape: str = "") -> object:
        """A one-channel texture. `shape`: '' as it is, 'invert' for 1 - x."""

        def values() -> mi.Bitmap:
            channel = self._channel(texture)
            return mi.Bitmap(1.0 - channel if shape == "invert" else channel)

        return self._texture(texture, f"scalar {shape}", values)

    def cutout(self, texture: ImageTexture, threshold: float) -> object:
        """0 below the threshold, 1 elsewhere."""

        def mask() -> mi.Bitmap:
            return mi.Bitmap((self._channel(texture) >= threshold).astype(np.float32))

        return self._texture(texture, f"cutout {threshold}", mask)

    def normals(self, texture: ImageTexture) -> object:
        """A normal map in the 0..1 encoding, whatever scale and bias it was authored with."""

        def encoded() -> mi.Bitmap:
            vectors = self._pixels(texture)
            vectors = vectors if _is_unscaled(texture) else (vectors + 1.0) / 2.0
            return mi.Bitmap(np.ascontiguousarray(vectors, np.float32))

        return self._texture(texture, "normal", encoded)

    def pixels(self, texture: ImageTexture) -> Array:
        """(height, width, 3), linear, scale and bias applied; grey when the file cannot be read."""
        return self._or_grey(texture, lambda: self._pixels(texture, is_kept=True))

    def _pixels(self, texture: ImageTexture, *, is_kept: bool = False) -> Array:
        if texture.output in _CHANNELS:
            return np.repeat(self._channel(texture, is_kept=is_kept), 3, axis=2)
        result: Array = np.array(self._image(texture, "RGB", is_kept=is_kept), np.float32)
        if texture.scale != (1.0, 1.0, 1.0, 1.0):
            result = result * np.array(texture.scale[:3], np.float32)
        if texture.bias != (0.0, 0.0, 0.0, 0.0):
            result = result + np.array(texture.bias[:3], np.float32)
        return result

    def _channel(self, texture: ImageTexture, *, is_kept: bool = False) -> Array:
        index = _CHANNELS.get(texture.output, 0)
        image = self._image(texture, "RGBA", is_kept=is_kept)
        channel = np.array(image, np.float32)[..., index : index + 1]
        result: Array = np.ascontiguousarray(channel * texture.scale[index] + texture.bias[index], np.float32)
        return result

    def _image(self, texture: ImageTexture, layout: str, *, is_kept: bool = False) -> mi.Bitmap:
        """The file's pixels, linear, as RGB or RGBA of half floats.

        Args:
            texture: names the file.
            layout: RGB or RGBA.
            is_kept: whether it belongs into the stash: not where a texture made of it does.
        """
        if texture.file in self._unreadable:
            return mi.Bitmap(np.full((1, 1, len(layout)), _NEUTRAL, np.float32))
        source = self._source(texture.file)
        key = digest("image", source.digest, texture.colour_space, layout)

        def decoded() -> mi.Bitmap:
            return _decoded(source.content, texture.colour_space, layout)

        if key not in self._images:
            cache = self._cache if is_kept else None
            self._images[key] = cache.made(key, decoded) if cache else decoded()
        return self._images[key]

    def _source(self, file: str) -> _Source:
        """The file, read anew unless it is the one that was read last: what is many at once may be large."""
        if self._source_of_late is None or self._source_of_late.file != file:
            content = _content(file)
            self._source_of_late = _Source(file, content, digest(content))
        return self._source_of_late

    def _texture(self, texture: ImageTexture, use: str, make: Callable[[], mi.Bitmap]) -> object:
        # All that is told of it but which prim it is and which primvar its mesh has to bring along.
        values = (texture.output, texture.colour_space, texture.scale, texture.bias, texture.uv_transform)
        key = (texture.file, *values, texture.wrap_s, texture.wrap_t, use)
        if key in self._textures:
            return self._textures[key]
        wrap = texture.wrap_s
        if texture.wrap_t != wrap:
            self._diagnostics.note(
                "Different wrap modes in s and t: the one of s is used for both", texture.prim
            )
        if wrap == "black":
            self._diagnostics.note("The wrap mode black is rendered as clamp", texture.prim)
            wrap = "clamp"

        def made() -> object:
            return _bitmap_texture(make(), texture, wrap)

        def found_or_made() -> object:
            if self._cache is None or texture.file in self._unreadable:
                return made()
            source = self._source(texture.file)
            return self._cache.made(digest("texture", source.digest, *values, wrap, use), made)

        self._textures[key] = self._or_grey(texture, found_or_made)
        return self._textures[key]

    def _or_grey(self, texture: ImageTexture, make: Callable[[], Result]) -> Result:
        """What `make` returns; where the image cannot be read, what it returns for grey."""
        try:
            return make()
        except _UnreadableError as error:
            self._diagnostics.warn(f"Texture '{texture.file}' cannot be read ({error})", texture.prim)
            self._unreadable.add(texture.file)
            return make()


def _is_unscaled(texture: ImageTexture) -> bool:
    return texture.scale == (1.0, 1.0, 1.0, 1.0) and texture.bias == (0.0, 0.0, 0.0, 0.0)


def _content(file: str) -> bytes:
    """Of a file, or of a file inside a .usdz package written as package.usdz[inner]."""
    package, bracket, inner = file.partition("[")
    try:
        if not bracket:
            return Path(file).read_bytes()
        with zipfile.ZipFile(package) as archive:
            return archive.read(inner.rstrip("]"))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise _UnreadableError(_reason(error)) from error


def _decoded(content: bytes, colour_space: ColourSpace, layout: str) -> mi.Bitmap:
    stream = mi.MemoryStream(len(content))
    stream.write(content)
    stream.seek(0)
    try:
        bitmap = mi.Bitmap(stream)
    # mitsuba raises RuntimeError for every kind of damage.
    except RuntimeError as error:
        raise _UnreadableError(_reason(error)) from error
    is_eight_bit = bitmap.component_format() in (mi.Struct.Type.UInt8, mi.Struct.Type.UInt16)
    is_encoded = colour_space == "srgb" or (colour_space == "auto" and is_eight_bit)
    bitmap.set_srgb_gamma(is_encoded)
    pixel_format = getattr(mi.Bitmap.PixelFormat, layout)
    is_linear_half = not is_encoded and bitmap.component_format() == mi.Struct.Type.Float16
    if is_linear_half and bitmap.pixel_format() == pixel_format:
        return bitmap
    return bitmap.convert(pixel_format, mi.Struct.Type.Float16, srgb_gamma=False)


def _bitmap_texture(bitmap: mi.Bitmap, texture: ImageTexture, wrap: Wrap) -> object:
    # USD counts v upwards, mitsuba downwards: turn over, apply the artist's transform, turn back.
    turn = np.array([[1, 0, 0], [0, -1, 1], [0, 0, 1]], np.float64)
    uv = turn @ np.array(texture.uv_transform).reshape(3, 3) @ turn
    whole = np.eye(4)
    whole[:2, :2], whole[:2, 3] = uv[:2, :2], uv[:2, 2]
    result: object = mi.load_dict(
        {
            "type": "bitmap",
            "bitmap": bitmap,
            "raw": True,
            # Half the memory, and finer than what images are stored in.
            "format": "fp16",
            "wrap_mode": wrap,
            "to_uv": transform(whole),
        }
    )
    return result


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else "it is damaged"
