"""Bakes wrap modes and UDIM sets into images: renderers have one mode for both axes, and no `black`.

In this module v points down, as image rows do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..images import MAX_PIXELS
from ..scene import ImageTexture, Matrix, Wrap

Half = npt.NDArray[np.float16]
Extent = tuple[int, int, int, int]
"""Integer bounds of a mesh's texture coordinates: minimum s, minimum t, maximum s, maximum t."""

_PERIODIC = ("repeat", "mirror")
_FINE = 256
"""Smaller images are upsampled before a black border is added: filtering blurs it half a pixel inwards."""


def needs_extent(texture: ImageTexture) -> bool:
    """Whether the image must be repeated over the whole uv range of its mesh."""
    return not texture.is_udim and (texture.wrap_s in _PERIODIC) != (texture.wrap_t in _PERIODIC)


def wrapped(image: Half, texture: ImageTexture, extent: Extent | None) -> tuple[Half, str, Matrix]:
    """Return an image with the wrap modes baked in.

    Args:
        image: (height, width, channels).
        texture: Provides the wrap modes.
        extent: If `needs_extent`: the uv range of the mesh after the texture's transform; None: 0 to 1.

    Returns:
        The image, its wrap mode (repeat, mirror or clamp), and the 3 by 3 matrix from the texture's uvs to
        the new image's.
    """
    if texture.is_udim:
        left, top, columns, rows = _tiles(dict(texture.tiles))
        place = np.diag([1.0 / columns, 1.0 / rows, 1.0])
        place[0, 2], place[1, 2] = -left / columns, (top - 1) / rows
        image, border_s = _bordered(image, 1)
        image, border_t = _bordered(image, 0)
        return image, "clamp", _placed(border_s, border_t) @ place
    modes: tuple[Wrap, Wrap] = (texture.wrap_s, texture.wrap_t)
    if modes[0] == modes[1] and modes[0] != "black":
        return image, modes[0], np.eye(3)
    if not any(mode in _PERIODIC for mode in modes):
        scales = [(1.0, 0.0), (1.0, 0.0)]
        for axis, mode in ((1, modes[0]), (0, modes[1])):
            if mode == "black":
                image, scales[1 - axis] = _bordered(image, axis)
        return image, "clamp", _placed(*scales)
    if all(mode in _PERIODIC for mode in modes):
        axis = 1 if modes[0] == "mirror" else 0
        image = np.concatenate([image, np.flip(image, axis)], axis)
        halved = (0.5, 0.0)
        return image, "repeat", _placed(*((halved, (1.0, 0.0)) if axis == 1 else ((1.0, 0.0), halved)))
    axis = 0 if modes[0] in _PERIODIC else 1
    low, high = (0, 1) if extent is None else (extent[1 - axis], extent[3 - axis])
    if axis == 0:
        low, high = 1 - high, 1 - low
    image, scale = _laid_out(image, axis, low, high, is_black=modes[1 - axis] == "black")
    whole = (1.0, 0.0)
    return image, modes[axis], _placed(*((whole, scale) if axis == 0 else (scale, whole)))


def sampled(image: Half, texture: ImageTexture, place: Matrix, size: tuple[int, ...]) -> Half:
    """Resample the image to another's pixels, (height, width); `place` maps the other's uvs to this one's."""
    image, mode, inner = wrapped(image, texture, (-8, -8, 9, 9))
    y, x = np.meshgrid(
        (np.arange(size[0]) + 0.5) / size[0], (np.arange(size[1]) + 0.5) / size[1], indexing="ij"
    )
    points = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    u, v = (inner @ place @ points)[:2]
    rows, columns = _index(v, image.shape[0], mode), _index(u, image.shape[1], mode)
    seen: Half = image[rows, columns].reshape(size[0], size[1], -1)
    return seen


def atlas(tiles: dict[int, Half], fallback: tuple[float, float, float, float] | None) -> tuple[Half, str]:
    """Return a UDIM set as one image, and a warning when its tiles were downsampled, else empty."""
    left, top, columns, rows = _tiles(tiles)
    height = max(tile.shape[0] for tile in tiles.values())
    width = max(tile.shape[1] for tile in tiles.values())
    warning = ""
    pixels = height * width * columns * rows
    if pixels > MAX_PIXELS:
        factor = (MAX_PIXELS / pixels) ** 0.5
        warning = f"Tiles of {width} by {height} pixels are used smaller, {len(tiles)} of them in one set"
        height, width = max(1, int(height * factor)), max(1, int(width * factor))
    whole = np.empty((rows * height, columns * width, 4), np.float16)
    whole[...] = np.array(fallback or (0.0, 0.0, 0.0, 0.0), np.float16)
    for number, tile in tiles.items():
        column, row = (number - 1001) % 10 - left, top - 1 - (number - 1001) // 10
        y = np.arange(height) * tile.shape[0] // height
        x = np.arange(width) * tile.shape[1] // width
        whole[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile[y[:, None], x]
    return whole, warning


def _tiles(tiles: dict[int, object] | dict[int, str] | dict[int, Half]) -> tuple[int, int, int, int]:
    """Return the set's minimum u, maximum v, number of columns and number of rows."""
    columns = [(number - 1001) % 10 for number in tiles]
    rows = [(number - 1001) // 10 for number in tiles]
    return min(columns), max(rows) + 1, max(columns) - min(columns) + 1, max(rows) - min(rows) + 1


def _bordered(image: Half, axis: int) -> tuple[Half, tuple[float, float]]:
    """Add a black line at both ends of the axis; return the image, and uv scale and offset on that axis."""
    count = image.shape[axis]
    if count < _FINE:
        image = _finer(image, axis, -(-_FINE // count))
        count = image.shape[axis]
    widths = [(0, 0)] * image.ndim
    widths[axis] = (1, 1)
    return np.pad(image, widths), (count / (count + 2), 1 / (count + 2))


def _finer(image: Half, axis: int, factor: int) -> Half:
    """Upsample linearly by `factor` along the axis, with edge pixels held."""
    count = image.shape[axis]
    position = np.clip((np.arange(count * factor) + 0.5) / factor - 0.5, 0.0, count - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, count - 1)
    shape = [1] * image.ndim
    shape[axis] = -1
    share = (position - below).astype(np.float32).reshape(shape)
    low, high = np.take(image, below, axis), np.take(image, above, axis)
    finer: Half = (low * (1.0 - share) + high * share).astype(np.float16)
    return finer


def _laid_out(
    image: Half, axis: int, low: int, high: int, *, is_black: bool
) -> tuple[Half, tuple[float, float]]:
    """Extend the image to uv `low`..`high` with its edge or black, plus a pixel on both sides."""
    if is_black and image.shape[axis] < _FINE:
        image = _finer(image, axis, -(-_FINE // image.shape[axis]))
    count = image.shape[axis]
    other = image.shape[1 - axis]
    # Coordinates beyond the limit are clamped: they are too far outside to be recognisable.
    most = max(2, MAX_PIXELS // max(other * count, 1))
    low, high = max(min(low, 0), -most), min(max(high, 1), most + 1)
    wanted = np.arange(low * count - 1, high * count + 1)
    result = np.take(image, np.clip(wanted, 0, count - 1), axis)
    if is_black:
        outside = (wanted < 0) | (wanted >= count)
        result[(slice(None),) * axis + (outside,)] = 0.0
    length = len(wanted)
    return result, (count / length, -float(wanted[0]) / length)


def _placed(s: tuple[float, float], t: tuple[float, float]) -> Matrix:
    return np.array([[s[0], 0.0, s[1]], [0.0, t[0], t[1]], [0.0, 0.0, 1.0]])


def _index(position: Matrix, count: int, mode: str) -> npt.NDArray[np.int64]:
    index = np.floor(np.clip(position, -1e6, 1e6) * count).astype(np.int64)
    if mode == "repeat":
        return index % count
    if mode == "mirror":
        turned = index % (2 * count)
        return np.where(turned < count, turned, 2 * count - 1 - turned)
    return np.clip(index, 0, count - 1)
