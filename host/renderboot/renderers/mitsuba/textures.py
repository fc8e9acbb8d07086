"""Images as mitsuba textures: read, linearised, scaled, one channel picked; each combination loaded once."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from host.renderboot.findings import Findings
from host.renderboot.renderers.mitsuba.engine import mi, transform
from host.renderboot.scene import Array, ImageTexture

_CHANNELS = {"r": 0, "g": 1, "b": 2, "a": 3}
_NEUTRAL = 0.5


class TextureLibrary:
    """Reads files once and makes textures of them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._files: dict[tuple[str, str, str], mi.Bitmap] = {}
        self._textures: dict[tuple[object, ...], object] = {}

    def colour(self, texture: ImageTexture) -> object:
        """A three-channel texture of linear values."""
        if texture.output in _CHANNELS or not _is_unscaled(texture):
            return self._texture(texture, "colour", mi.Bitmap(self.pixels(texture)))
        # The common case: no copy through arrays, which for large images takes longer than reading them.
        return self._texture(texture, "colour", self._image(texture, "RGB"))

    def scalar(self, texture: ImageTexture, shape: str = "") -> object:
        """A one-channel texture. `shape`: '' as it is, 'invert' for 1 - x."""
        channel = self._channel(texture)
        values = 1.0 - channel if shape == "invert" else channel
        return self._texture(texture, f"scalar {shape}", mi.Bitmap(values))

    def cutout(self, texture: ImageTexture, threshold: float) -> object:
        """0 below the threshold, 1 elsewhere."""
        mask = (self._channel(texture) >= threshold).astype(np.float32)
        return self._texture(texture, f"cutout {threshold}", mi.Bitmap(mask))

    def normals(self, texture: ImageTexture) -> object:
        """A normal map in the 0..1 encoding, whatever scale and bias it was authored with."""
        vectors = self.pixels(texture)
        encoded = vectors if _is_unscaled(texture) else (vectors + 1.0) / 2.0
        return self._texture(texture, "normal", mi.Bitmap(np.ascontiguousarray(encoded, np.float32)))

    def pixels(self, texture: ImageTexture) -> Array:
        """(height, width, 3), linear, scale and bias applied; grey when the file cannot be read."""
        if texture.output in _CHANNELS:
            return np.repeat(self._channel(texture), 3, axis=2)
        result: Array = np.array(self._image(texture, "RGB"), np.float32)
        if texture.scale != (1.0, 1.0, 1.0, 1.0):
            result = result * np.array(texture.scale[:3], np.float32)
        if texture.bias != (0.0, 0.0, 0.0, 0.0):
            result = result + np.array(texture.bias[:3], np.float32)
        return result

    def _channel(self, texture: ImageTexture) -> Array:
        index = _CHANNELS.get(texture.output, 0)
        channel = np.array(self._image(texture, "RGBA"), np.float32)[..., index : index + 1]
        result: Array = np.ascontiguousarray(channel * texture.scale[index] + texture.bias[index], np.float32)
        return result

    def _image(self, texture: ImageTexture, layout: str) -> mi.Bitmap:
        """The file's pixels, linear, as RGB or RGBA of half floats."""
        key = (texture.file, texture.colour_space, layout)
        if key not in self._files:
            try:
                self._files[key] = _read(texture, layout)
            # mitsuba raises RuntimeError for every kind of damage; the picture goes on with grey.
            except (RuntimeError, OSError, KeyError, zipfile.BadZipFile) as error:
                reason = str(error).strip().splitlines()[-1] if str(error).strip() else "it is damaged"
                self._findings.warn(f"Texture '{texture.file}' cannot be read ({reason})", texture.prim)
                self._files[key] = mi.Bitmap(np.full((1, 1, len(layout)), _NEUTRAL, np.float32))
        return self._files[key]

    def _texture(self, texture: ImageTexture, use: str, bitmap: mi.Bitmap) -> object:
        values = (texture.file, texture.output, texture.colour_space, texture.scale, texture.bias)
        key = (*values, texture.wrap_s, texture.wrap_t, texture.uv_transform, use)
        if key in self._textures:
            return self._textures[key]
        wrap = texture.wrap_s
        if texture.wrap_t != wrap:
            self._findings.note(
                "Different wrap modes in s and t: the one of s is used for both", texture.prim
            )
        if wrap == "black":
            self._findings.note("The wrap mode black is rendered as clamp", texture.prim)
            wrap = "clamp"
        # USD counts v upwards, mitsuba downwards: turn over, apply the artist's transform, turn back.
        turn = np.array([[1, 0, 0], [0, -1, 1], [0, 0, 1]], np.float64)
        uv = turn @ np.array(texture.uv_transform).reshape(3, 3) @ turn
        whole = np.eye(4)
        whole[:2, :2], whole[:2, 3] = uv[:2, :2], uv[:2, 2]
        self._textures[key] = mi.load_dict(
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
        return self._textures[key]


def _is_unscaled(texture: ImageTexture) -> bool:
    return texture.scale == (1.0, 1.0, 1.0, 1.0) and texture.bias == (0.0, 0.0, 0.0, 0.0)


def _read(texture: ImageTexture, layout: str) -> mi.Bitmap:
    bitmap = _bitmap(texture.file)
    is_eight_bit = bitmap.component_format() in (mi.Struct.Type.UInt8, mi.Struct.Type.UInt16)
    is_encoded = texture.colour_space == "srgb" or (texture.colour_space == "auto" and is_eight_bit)
    bitmap.set_srgb_gamma(is_encoded)
    pixel_format = getattr(mi.Bitmap.PixelFormat, layout)
    is_linear_half = not is_encoded and bitmap.component_format() == mi.Struct.Type.Float16
    if is_linear_half and bitmap.pixel_format() == pixel_format:
        return bitmap
    return bitmap.convert(pixel_format, mi.Struct.Type.Float16, srgb_gamma=False)


def _bitmap(file: str) -> mi.Bitmap:
    """A file, or a file inside a .usdz package written as package.usdz[inner]."""
    package, bracket, inner = file.partition("[")
    if not bracket:
        return mi.Bitmap(file)
    name = inner.rstrip("]")
    with zipfile.ZipFile(package) as archive:
        content = archive.read(name)
    handle, copy = tempfile.mkstemp(suffix=Path(name).suffix)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        return mi.Bitmap(copy)
    finally:
        Path(copy).unlink()
