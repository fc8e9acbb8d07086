"""Sphere, cube, cylinder, cone, capsule and plane as triangles with exact normals, in local space.

Shapes are cached by their dimensions: a thousand equal spheres share one set of arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..scene import Array, Indices

Ints = npt.NDArray[np.int64]

_AROUND = 64
_ARC = 32


@dataclass(frozen=True, eq=False)
class Shape:
    """Triangles in local space."""

    positions: Array
    normals: Array
    uvs: Array
    triangles: Indices


@dataclass(frozen=True)
class _Ring:
    """One ring of a surface of revolution: radius, height, the normal's two parts, v."""

    radius: float
    height: float
    outward: float
    upward: float
    v: float


@lru_cache(maxsize=256)
def sphere(radius: float) -> Shape:
    """A sphere around the origin, pole along +Y so that pictures wrapped on it stand upright."""
    return _revolved([_arc(radius, 0.0, -math.pi / 2, math.pi / 2, 0.0, 1.0)], "Y")


@lru_cache(maxsize=8)
def ball(detail: int) -> Shape:
    """A unit sphere of few triangles: an octahedron, its faces split into four `detail` + 1 times."""
    positions = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.float64)
    triangles = np.array(
        [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)], np.int64
    )
    for _ in range(detail + 1):
        pairs = np.sort(
            np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
        )
        edges, where = np.unique(pairs, axis=0, return_inverse=True)
        a, b, c = (len(positions) + where.reshape(-1)).reshape(3, -1)
        middles = positions[edges].sum(axis=1)
        positions = np.concatenate([positions, middles / np.linalg.norm(middles, axis=1, keepdims=True)])
        x, y, z = triangles.T
        parts = ([x, a, c], [a, y, b], [c, b, z], [a, b, c])
        triangles = np.concatenate([np.stack(part, axis=1) for part in parts])
    exact = positions.astype(np.float32)
    return Shape(exact, exact, np.zeros((len(exact), 2), np.float32), triangles.astype(np.uint32))


@lru_cache(maxsize=256)
def cylinder(
    radius_bottom: float, radius_top: float, height: float, axis: str, *, capped: bool = True
) -> Shape:
    """A cylinder, cone or truncated cone, centred at the origin."""
    half = height / 2
    slope = math.hypot(height, radius_bottom - radius_top) or 1.0
    outward, upward = height / slope, (radius_bottom - radius_top) / slope
    strips = [
        [_Ring(radius_bottom, -half, outward, upward, 0.0), _Ring(radius_top, half, outward, upward, 1.0)]
    ]
    if capped and radius_bottom > 0:
        strips.insert(0, [_Ring(0.0, -half, 0.0, -1.0, 0.0), _Ring(radius_bottom, -half, 0.0, -1.0, 1.0)])
    if capped and radius_top > 0:
        strips.append([_Ring(radius_top, half, 0.0, 1.0, 0.0), _Ring(0.0, half, 0.0, 1.0, 1.0)])
    return _revolved(strips, axis)


@lru_cache(maxsize=256)
def capsule(radius_bottom: float, radius_top: float, height: float, axis: str) -> Shape:
    """A capsule; `height` excludes the two hemispheres."""
    half = height / 2
    bottom = _arc(radius_bottom, -half, -math.pi / 2, 0.0, 0.0, 0.25)
    top = _arc(radius_top, half, 0.0, math.pi / 2, 0.75, 1.0)
    return _revolved([bottom, [bottom[-1], top[0]], top], axis)


@lru_cache(maxsize=256)
def cube(size: float) -> Shape:
    """A cube around the origin; the uvs of each face cover 0 to 1."""
    h = size / 2
    positions, normals = [], []
    for axis in range(3):
        for sign in (1.0, -1.0):
            normal = np.zeros(3)
            normal[axis] = sign
            up = np.array([0.0, 1.0, 0.0]) if axis != 1 else np.array([0.0, 0.0, -sign])
            right = np.cross(up, normal)
            positions += [h * (normal + x * right + y * up) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            normals += [normal] * 4
    return _quads(np.array(positions), np.array(normals))


_CUBE_POINTS = (
    (1, 1, 1),
    (-1, 1, 1),
    (-1, -1, 1),
    (1, -1, 1),
    (-1, -1, -1),
    (-1, 1, -1),
    (1, 1, -1),
    (1, -1, -1),
)
_CUBE_FACES = ((0, 1, 2, 3), (4, 5, 6, 7), (0, 6, 5, 1), (4, 7, 3, 2), (0, 3, 7, 6), (4, 2, 1, 5))
"""The order of a Cube's points and faces in USD's imaging, which primvars are indexed by."""


@lru_cache(maxsize=1)
def cube_elements() -> dict[str, Ints]:
    """Return, by interpolation, the index of the primvar value for each vertex of `cube`."""
    shape = cube(2.0)
    points = [_CUBE_POINTS.index((round(x), round(y), round(z))) for x, y, z in shape.positions.tolist()]
    faces = []
    for normal in shape.normals:
        ends = [np.mean([_CUBE_POINTS[corner] for corner in face], axis=0) @ normal for face in _CUBE_FACES]
        faces.append(int(np.argmax(ends)))
    corners = [4 * face + _CUBE_FACES[face].index(point) for face, point in zip(faces, points, strict=True)]
    return {
        "uniform": np.array(faces),
        "vertex": np.array(points),
        "varying": np.array(points),
        "faceVarying": np.array(corners),
    }


@lru_cache(maxsize=256)
def plane(width: float, length: float, axis: str) -> Shape:
    """A rectangle facing along `axis`; width and length are oriented as in UsdGeomPlane."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    w, length_half = corners[:, 0] * width / 2, corners[:, 1] * length / 2
    zero = np.zeros(4)
    if axis == "X":
        positions, normal = np.stack([zero, length_half, -w], 1), (1.0, 0.0, 0.0)
    elif axis == "Y":
        positions, normal = np.stack([w, zero, -length_half], 1), (0.0, 1.0, 0.0)
    else:
        positions, normal = np.stack([w, length_half, zero], 1), (0.0, 0.0, 1.0)
    return _quads(positions, np.tile(np.array(normal), (4, 1)))


def _quads(positions: Array, normals: Array) -> Shape:
    count = len(positions) // 4
    uvs = np.tile(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32), (count, 1))
    starts = np.arange(count)[:, None] * 4
    triangles = (starts + np.array([0, 1, 2, 0, 2, 3])).reshape(-1, 3)
    return Shape(positions.astype(np.float32), normals.astype(np.float32), uvs, triangles.astype(np.uint32))


def _arc(radius: float, centre: float, start: float, end: float, v_start: float, v_end: float) -> list[_Ring]:
    steps = max(4, round(_ARC * (end - start) / math.pi))
    rings = []
    for step in range(steps + 1):
        share = step / steps
        angle = start + (end - start) * share
        c, s = max(math.cos(angle), 0.0), math.sin(angle)
        rings.append(_Ring(radius * c, centre + radius * s, c, s, v_start + (v_end - v_start) * share))
    return rings


def _revolved(strips: list[list[_Ring]], axis: str) -> Shape:
    """Turn profiles, listed from the bottom up (caps from or to the axis), around an axis."""
    angles = np.linspace(0.0, 2.0 * math.pi, _AROUND + 1)
    cosine, sine = np.cos(angles), np.sin(angles)
    rings = [ring for strip in strips for ring in strip]
    table = np.array([(ring.radius, ring.height, ring.outward, ring.upward, ring.v) for ring in rings])
    radius, height, outward, upward, v = (column[:, None] for column in table.T)
    # One row for each ring, one column for each direction.
    shape = (len(rings), _AROUND + 1)
    positions, normals, uvs = np.empty((*shape, 3)), np.empty((*shape, 3)), np.empty((*shape, 2))
    positions[..., 0], positions[..., 1], positions[..., 2] = radius * cosine, radius * sine, height
    normals[..., 0], normals[..., 1], normals[..., 2] = outward * cosine, outward * sine, upward
    uvs[..., 0], uvs[..., 1] = angles / (2.0 * math.pi), v
    triangles = []
    base = 0
    for strip in strips:
        a = base + np.arange(len(strip) - 1)[:, None] * (_AROUND + 1) + np.arange(_AROUND)
        b, c, d = a + 1, a + _AROUND + 2, a + _AROUND + 1
        quads = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 1)
        # Next to a ring of radius 0 one of a quad's two triangles is degenerate.
        is_wide = np.array([ring.radius > 0 for ring in strip])
        triangles.append(quads[np.stack([is_wide[:-1], is_wide[1:]], 1)].reshape(-1, 3))
        base += len(strip) * (_AROUND + 1)
    order = {"Z": [0, 1, 2], "X": [2, 0, 1], "Y": [1, 2, 0]}[axis]
    return Shape(
        positions.reshape(-1, 3)[:, order].astype(np.float32),
        normals.reshape(-1, 3)[:, order].astype(np.float32),
        uvs.reshape(-1, 2).astype(np.float32),
        np.concatenate(triangles).astype(np.uint32),
    )
