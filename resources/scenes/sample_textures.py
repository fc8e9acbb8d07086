"""The sample scene's images and its palette, computed: nothing is loaded. Only make_sample.py uses it."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from pxr import Gf

TEXTURES = Path(__file__).resolve().parent / "textures"

# The palette, as sRGB: one warm family, one cold accent, one metal.
CLAY = (0.82, 0.54, 0.43)
CREAM = (0.93, 0.86, 0.76)
BLUSH = (0.90, 0.66, 0.57)
TEAL = (0.05, 0.29, 0.31)
MUSTARD = (0.85, 0.58, 0.16)
INK = (0.07, 0.09, 0.13)


def linear(colour: tuple[float, float, float]) -> Gf.Vec3f:
    """An sRGB colour as USD wants it."""
    return Gf.Vec3f(*[c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour])


def write_png(name: str, pixels: np.ndarray) -> None:
    """8-bit RGB from values 0..1, already encoded as they should be stored."""
    image = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    height, width = image.shape[:2]
    lines = np.zeros((height, 1 + width * 3), np.uint8)
    lines[:, 0] = 1  # filter Sub
    rows = image.reshape(height, width, 3)
    lines[:, 1:4] = rows[:, 0]
    lines[:, 4:] = (rows[:, 1:] - rows[:, :-1]).reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b"")
    (TEXTURES / name).write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def tiling_noise(random: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth noise in 0..1 that repeats at its borders."""
    grid = random.random((cells, cells))
    at = np.arange(size) / size * cells
    low = np.floor(at).astype(int)
    share = at - low
    share = share * share * (3.0 - 2.0 * share)
    a, b = low % cells, (low + 1) % cells
    top = grid[np.ix_(a, a)] * (1 - share) + grid[np.ix_(a, b)] * share
    bottom = grid[np.ix_(b, a)] * (1 - share) + grid[np.ix_(b, b)] * share
    return top * (1 - share[:, None]) + bottom * share[:, None]


def terrazzo(size: int = 512) -> np.ndarray:
    """Chips of stone in cream cement: a Voronoi diagram of which some cells are filled and shrunk."""
    random = np.random.default_rng(7)
    count = 230
    points = random.random((count, 2)) * size
    stretch = random.random((count, 2)) * 0.9 + 0.55
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    nearest = np.full((size, size), 1e9)
    second = np.full((size, size), 1e9)
    owner = np.zeros((size, size), int)
    for number, (px, py) in enumerate(points):
        dx = np.abs(x - px)
        dy = np.abs(y - py)
        dx, dy = np.minimum(dx, size - dx), np.minimum(dy, size - dy)
        distance = np.hypot(dx * stretch[number, 0], dy * stretch[number, 1])
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        owner = np.where(closer, number, owner)
        nearest = np.minimum(nearest, distance)
    chips = np.array([CLAY, TEAL, BLUSH, MUSTARD, INK, (0.98, 0.95, 0.9), (0.55, 0.5, 0.46)])
    colour_of = random.integers(0, len(chips), count)
    filled = random.random(count) < 0.72
    gap = random.random(count) * 7.0 + 3.0
    inside = filled[owner] & (second - nearest > gap[owner])
    image = np.broadcast_to(np.array(CREAM), (size, size, 3)).copy()
    image[inside] = chips[colour_of[owner[inside]]]
    return np.round(image * 63) / 63


def plaster(size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Troweled plaster: its colour, and its normals in the 0..1 encoding."""
    random = np.random.default_rng(11)
    height = sum(
        tiling_noise(random, size, cells) / weight for cells, weight in ((4, 1.0), (9, 2.2), (23, 5.0))
    )
    height = (height - height.min()) / np.ptp(height)
    shade = 0.9 + 0.1 * height
    colour = np.round(np.array(CLAY) * shade[..., None] * 127) / 127
    slope_x = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * 3.0
    slope_y = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * 3.0
    # Image rows go down while v goes up.
    normal = np.stack([-slope_x, slope_y, np.ones_like(height)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return colour, np.round((normal * 0.5 + 0.5) * 127) / 127


def orbit_pattern(width: int = 512, height: int = 256) -> np.ndarray:
    """The hero sphere: rows of half circles, so that its turning is seen."""
    columns, rows = 8, 4
    v, u = np.mgrid[0:height, 0:width].astype(np.float64)
    cell_x, cell_y = u / width * columns, v / height * rows
    column, row = np.floor(cell_x).astype(int), np.floor(cell_y).astype(int)
    x, y = cell_x - column - 0.5, cell_y - row - 0.5
    turned = (column + row) % 2 == 0
    arc = np.hypot(x, np.where(turned, y - 0.5, y + 0.5))
    image = np.broadcast_to(np.array(CREAM), (height, width, 3)).copy()
    colours = np.array([TEAL, CLAY, MUSTARD, INK])
    ring = colours[(column * 3 + row) % 4]
    image = np.where((arc < 0.9)[..., None], ring, image)
    image = np.where((arc < 0.62)[..., None], np.array(CREAM), image)
    return np.where((arc < 0.36)[..., None], colours[(column + row * 2 + 1) % 4], image)


def sky(width: int = 128, height: int = 64) -> np.ndarray:
    """Dusk for the dome: cold above, a warm band at the horizon, dark below."""
    v = (np.arange(height) + 0.5) / height
    up = np.cos(v * math.pi)
    zenith, horizon, ground = (
        np.array((0.36, 0.48, 0.66)),
        np.array((0.86, 0.66, 0.56)),
        np.array((0.2, 0.14, 0.13)),
    )
    rise = np.clip(up, 0, 1)[:, None] ** 0.6
    above = horizon * (1 - rise) + zenith * rise
    below = horizon * 0.6 + (ground - horizon * 0.6) * np.clip(-up * 4, 0, 1)[:, None]
    column = np.where(up[:, None] > 0, above, below)
    return np.repeat(column[:, None], width, axis=1)
