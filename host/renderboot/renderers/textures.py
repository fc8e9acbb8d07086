"""Images as textures of any renderer: wrapped, scaled, one channel picked; each combination made once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..cache import PartCache, digest
from ..diagnostics import Diagnostics
from ..images import UnreadableImageError, image_bytes, read_image
from ..scene import Array, ImageTexture, Matrix
from . import wrapping
from .wrapping import Extent, Half

Values = npt.NDArray[np.floating]

_CHANNELS = {"r": 0, "g": 1, "b": 2, "a": 3}
_GREY = (0.5, 0.5, 0.5, 1.0)
_FLAT_NORMAL = (0.5, 0.5, 1.0, 1.0)
FLIP_V = np.array([[1, 0, 0], [0, -1, 1], [0, 0, 1]], np.float64)
"""Flips v, which points up in USD, and down where images count their rows."""


class TextureLibrary(ABC):
    """Reads image files and makes a renderer's textures of them; caches each combination of settings."""

    def __init__(self, diagnostics: Diagnostics, cache: PartCache | None = None) -> None:
        """
        Args:
            diagnostics: receives a warning for each file that cannot be read.
            cache: textures and images of earlier renders; None: no cache.
        """
        self._diagnostics = diagnostics
        self._cache = cache
        self._digests: dict[str, bytes | None] = {}
        self._images: dict[tuple[object, ...], Half] = {}
        self._textures: dict[tuple[object, ...], object] = {}

    @property
    def count(self) -> int:
        """Return how many textures are cached."""
        return len(self._textures)

    def forget(self) -> None:
        """Empty the cache of textures; decoded images stay cached."""
        self._textures.clear()

    def colour(self, texture: ImageTexture, extent: Extent | None) -> object:
        """A three-channel texture of linear values; `extent`: see `wrapping.wrapped`."""
        return self._texture(texture, extent, "colour", lambda image: self._colours(texture, image))

    def scalar(self, texture: ImageTexture, extent: Extent | None, shape: str = "") -> object:
        """A one-channel texture. `shape`: '' as it is, 'invert' for 1 - x."""

        def values(image: Half) -> Array:
            channel = self._channel(texture, image)
            return 1.0 - channel if shape == "invert" else channel

        return self._texture(texture, extent, f"scalar {shape}", values)

    def cutout(self, texture: ImageTexture, extent: Extent | None, threshold: float) -> object:
        """0 below the threshold, 1 elsewhere."""

        def mask(image: Half) -> Array:
            return (self._channel(texture, image) >= threshold).astype(np.float32)

        return self._texture(texture, extent, f"cutout {threshold}", mask)

    def cut_colour(
        self, mask: ImageTexture, extent: Extent | None, threshold: float, colour: ImageTexture | Array
    ) -> object:
        """Return the emission times the opacity, which a threshold above 0 makes 0 or 1.

        Args:
            mask: The opacity.
            extent: See `wrapping.wrapped`.
            threshold: Opacity below this removes the surface; 0: opacity blends.
            colour: The emission: an image, or three numbers.
        """

        def values(image: Half) -> Array:
            weight = self._channel(mask, image)
            if threshold > 0.0:
                weight = (weight >= threshold).astype(np.float32)
            if not isinstance(colour, ImageTexture):
                return weight * np.asarray(colour, np.float32)
            source = self._image(colour)
            place = np.array(colour.uv_transform).reshape(3, 3) @ np.linalg.pinv(
                np.array(mask.uv_transform).reshape(3, 3)
            )
            seen = wrapping.sampled(source, colour, FLIP_V @ place @ FLIP_V, image.shape[:2])
            return weight * self._colours(colour, seen)

        what = colour if isinstance(colour, ImageTexture) else tuple(np.asarray(colour).tolist())
        return self._texture(mask, extent, f"cut {threshold} {what}", values, others=(colour,), pads=False)

    def normals(self, texture: ImageTexture, extent: Extent | None) -> object:
        """A normal map in the 0..1 encoding, whatever scale and bias it was authored with."""

        def encoded(image: Half) -> Array:
            vectors = self._colours(texture, image)
            return vectors if _is_unscaled(texture) else (vectors + 1.0) / 2.0

        return self._texture(texture, extent, "normal", encoded)

    def pixels(self, texture: ImageTexture) -> Array:
        """(height, width, 3), linear, scale and bias applied; the fallback when the file cannot be read."""
        return self._colours(texture, self._image(texture, is_kept=True))

    # --- Values ---

    def _colours(self, texture: ImageTexture, image: Half) -> Array:
        if texture.output in _CHANNELS:
            return np.repeat(self._channel(texture, image), 3, axis=2)
        colours = image[..., :3].astype(np.float32)
        if not _is_unscaled(texture):
            colours = colours * np.array(texture.scale[:3], np.float32) + np.array(
                texture.bias[:3], np.float32
            )
        return colours

    def _channel(self, texture: ImageTexture, image: Half) -> Array:
        index = _CHANNELS.get(texture.output, 0)
        channel = image[..., index : index + 1].astype(np.float32)
        result: Array = channel * np.float32(texture.scale[index]) + np.float32(texture.bias[index])
        return result

    def _image(self, texture: ImageTexture, use: str = "", *, is_kept: bool = False) -> Half:
        """The image's pixels, linear, red, green, blue and alpha; a UDIM set as one image of all its tiles.

        Args:
            texture: names the file.
            use: 'normal' for normal maps, which have another fallback.
            is_kept: whether to cache the image; not needed when the texture made of it is cached.
        """
        key = (texture.file, texture.tiles, texture.colour_space, texture.fallback, use == "normal")
        if key not in self._images:
            if texture.is_udim:
                tiles = {number: self._file(file, texture, use) for number, file in texture.tiles}
                image, warning = wrapping.atlas(tiles, texture.fallback)
                if warning:
                    self._diagnostics.warn(warning, texture.prim)
                self._images[key] = image
            else:
                self._images[key] = self._file(texture.file, texture, use, is_kept=is_kept)
        return self._images[key]

    def _file(self, file: str, texture: ImageTexture, use: str, *, is_kept: bool = False) -> Half:
        def decoded() -> Half:
            image = read_image(file, texture.colour_space)
            for warning in image.warnings:
                self._diagnostics.warn(warning, texture.prim)
            return image.pixels

        try:
            found = self._digest(file) if is_kept else None
            if found is None or self._cache is None:
                return decoded()
            return self._cache.made(digest("image", found, texture.colour_space), decoded)
        except UnreadableImageError as error:
            self._diagnostics.warn(f"Texture '{file}' cannot be read ({error})", texture.prim)
            # The fallback replaces the final value: scale and bias apply to the file's pixels only.
            fallback = _FLAT_NORMAL if use == "normal" else texture.fallback or _GREY
            return np.array(fallback, np.float16).reshape(1, 1, 4)

    def _digest(self, file: str) -> bytes | None:
        """Return a digest of the file's content; None without a cache, or when it cannot be read."""
        if self._cache is None:
            return None
        if file not in self._digests:
            try:
                self._digests[file] = digest(image_bytes(file))
            except UnreadableImageError:
                self._digests[file] = None
        return self._digests[file]

    # --- Textures ---

    @abstractmethod
    def _made(self, values: Values, mode: str, place: Matrix, texture: ImageTexture) -> object:
        """Return the renderer's texture.

        Args:
            values: (height, width, 1 or 3), linear, top row first.
            mode: repeat, mirror or clamp.
            place: 3 by 3, from the texture's uvs (after `uv_transform`) to the image's; v points down.
            texture: names the prim and the transform of its uvs.
        """

    def _texture(
        self,
        texture: ImageTexture,
        extent: Extent | None,
        use: str,
        values: Callable[[Half], Array],
        others: tuple[object, ...] = (),
        *,
        pads: bool = True,
    ) -> object:
        """Return a texture of the wrapped image's pixels, converted by `values`.

        Args:
            texture: the image with its wrap modes and uv transform.
            extent: see `wrapping.wrapped`.
            use: name of the conversion, part of the cache key.
            values: converts the image's pixels to the texture's.
            others: further images and numbers that `values` depends on, part of the cache key.
            pads: whether the image may be wrapped before `values` sees it.
        """
        # All fields but the prim's path and the uv primvar, which do not change the pixels.
        properties: tuple[object, ...] = (
            texture.output,
            texture.colour_space,
            texture.scale,
            texture.bias,
            texture.uv_transform,
        )
        properties += (texture.fallback, texture.wrap_s, texture.wrap_t, extent)
        key = (texture.file, texture.tiles, *properties, use)
        if key in self._textures:
            return self._textures[key]

        def make() -> object:
            image = self._image(texture, use)
            if not pads:
                return self._made(*wrapping.wrapped(_as_half(values(image)), texture, extent), texture)
            wrapped, mode, place = wrapping.wrapped(image, texture, extent)
            return self._made(values(wrapped), mode, place, texture)

        parts = [texture, *(other for other in others if isinstance(other, ImageTexture))]
        files = [file for part in parts for file in ([file for _, file in part.tiles] or [part.file])]
        digests = [self._digest(file) for file in files]
        if self._cache is None or None in digests:
            self._textures[key] = make()
        else:
            numbers = tuple(number for number, _ in texture.tiles)
            self._textures[key] = self._cache.made(
                digest("texture", *digests, numbers, properties, use), make
            )
        return self._textures[key]


def _as_half(values: Array) -> Half:
    return values.astype(np.float16)


def _is_unscaled(texture: ImageTexture) -> bool:
    return texture.scale == (1.0, 1.0, 1.0, 1.0) and texture.bias == (0.0, 0.0, 0.0, 0.0)
