"""Images as mitsuba textures: read, linearised, scaled, one channel picked; each combination loaded once."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from host.renderboot.renderers.mitsuba.engine import mi
from host.renderboot.scene import Array, ImageTexture
from host.renderboot.stage.findings import Findings

_CHANNELS = {"r": 0, "g": 1, "b": 2, "a": 3}
_NEUTRAL = 0.5


class TextureLibrary:
    """Reads files once and makes textures of them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._files: dict[tuple[str, str], Array] = {}
        self._textures: dict[tuple[object, ...], object] = {}

    def colour(self, texture: ImageTexture) -> object:
        """A three-channel texture of linear values."""
        return self._texture(texture, "colour", self.pixels(texture))

    def scalar(self, texture: ImageTexture, shape: str = "") -> object:
        """A one-channel texture. `shape`: '' as it is, 'invert' for 1 - x."""
        channel = self._channel(texture)
        return self._texture(texture, f"scalar {shape}", 1.0 - channel if shape == "invert" else channel)

    def cutout(self, texture: ImageTexture, threshold: float) -> object:
        """0 below the threshold, 1 elsewhere."""
        return self._texture(
            texture, f"cutout {threshold}", (self._channel(texture) >= threshold).astype(np.float32)
        )

    def normals(self, texture: ImageTexture) -> object:
        """A normal map in the 0..1 encoding, whatever scale and bias it was authored with."""
        vectors = self.pixels(texture)
        if texture.scale == (1.0, 1.0, 1.0, 1.0) and texture.bias == (0.0, 0.0, 0.0, 0.0):
            return self._texture(texture, "normal", vectors)
        return self._texture(texture, "normal", (vectors + 1.0) / 2.0)

    def pixels(self, texture: ImageTexture) -> Array:
        """(height, width, 3), linear, scale and bias applied; grey when the file cannot be read."""
        image = self._image(texture)
        result = image[..., :3] * np.array(texture.scale[:3], np.float32) + np.array(
            texture.bias[:3], np.float32
        )
        if texture.output in _CHANNELS:
            result = np.repeat(self._channel(texture), 3, axis=2)
        return result.astype(np.float32)

    def _channel(self, texture: ImageTexture) -> Array:
        index = _CHANNELS.get(texture.output, 0)
        channel = self._image(texture)[..., index : index + 1]
        return (channel * texture.scale[index] + texture.bias[index]).astype(np.float32)

    def _image(self, texture: ImageTexture) -> Array:
        key = (texture.file, texture.colour_space)
        if key not in self._files:
            try:
                self._files[key] = _read(texture)
            # mitsuba raises RuntimeError for every kind of damage; the picture goes on with grey.
            except (RuntimeError, OSError, KeyError, zipfile.BadZipFile) as error:
                reason = str(error).strip().splitlines()[-1] if str(error).strip() else "it is damaged"
                self._findings.warn(f"Texture '{texture.file}' cannot be read ({reason})", texture.prim)
                self._files[key] = np.full((1, 1, 4), _NEUTRAL, np.float32)
        return self._files[key]

    def _texture(self, texture: ImageTexture, use: str, pixels: Array) -> object:
        key = (texture.file, texture.output, texture.colour_space, texture.scale, texture.bias, use)
        key += (texture.wrap_s, texture.wrap_t, texture.uv_transform)
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
                "bitmap": mi.Bitmap(np.ascontiguousarray(pixels)),
                "raw": True,
                "wrap_mode": wrap,
                "to_uv": mi.ScalarTransform4f(whole),
            }
        )
        return self._textures[key]


def _read(texture: ImageTexture) -> Array:
    """RGBA float32, linear."""
    bitmap = _bitmap(texture.file)
    is_eight_bit = bitmap.component_format() in (mi.Struct.Type.UInt8, mi.Struct.Type.UInt16)
    is_encoded = texture.colour_space == "srgb" or (texture.colour_space == "auto" and is_eight_bit)
    image = np.array(bitmap)
    if image.ndim == 2:
        image = image[..., None]
    if image.dtype.kind in "ui":
        image = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    image = image.astype(np.float32)
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    elif image.shape[2] == 2:
        image = np.concatenate([np.repeat(image[..., :1], 3, axis=2), image[..., 1:]], axis=2)
    if image.shape[2] == 3:
        image = np.concatenate([image, np.ones((*image.shape[:2], 1), np.float32)], axis=2)
    if is_encoded:
        colour = image[..., :3]
        image[..., :3] = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return np.ascontiguousarray(image[..., :4])


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
