"""Polygons into triangles: fans where a polygon is convex, ears where it is not. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Points = npt.NDArray[np.float32]


def triangulate(points: Points, counts: Ints, indices: Ints) -> tuple[Ints, Ints]:
    """Split faces into triangles.

    Args:
        points: (n, 3) positions.
        counts: Vertices of each face; faces of fewer than three give nothing.
        indices: Point of each corner, face after face.

    Returns:
        (m, 3) corner numbers (positions in `indices`), and for each triangle its face.
    """
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    per_face = np.maximum(counts - 2, 0)
    faces = np.repeat(np.arange(len(counts)), per_face)
    within = np.arange(len(faces)) - np.repeat(np.cumsum(per_face) - per_face, per_face)
    first = starts[faces]
    corners = np.stack([first, first + within + 1, first + within + 2], axis=1)
    for face in _concave_faces(points, counts, indices, starts):
        start, count = int(starts[face]), int(counts[face])
        polygon = points[indices[start : start + count]].astype(np.float64)
        corners[faces == face] = np.array(_ears(polygon)) + start
    return corners, faces


def _concave_faces(points: Points, counts: Ints, indices: Ints, starts: Ints) -> Ints:
    """Faces of four or more corners that turn both ways."""
    faces = np.flatnonzero(counts >= 4)
    if not len(faces):
        return faces
    of_face = np.repeat(np.arange(len(faces)), counts[faces])
    offsets = np.arange(len(of_face)) - np.repeat(np.cumsum(counts[faces]) - counts[faces], counts[faces])
    start, count = starts[faces][of_face], counts[faces][of_face]
    here = points[indices[start + offsets]].astype(np.float64)
    following = points[indices[start + (offsets + 1) % count]].astype(np.float64)
    before = points[indices[start + (offsets - 1) % count]].astype(np.float64)
    turns = np.cross(here - before, following - here)
    # Newell's normal is right for concave polygons too.
    normals = np.zeros((len(faces), 3))
    np.add.at(normals, of_face, np.cross(here, following))
    agreement = (turns * normals[of_face]).sum(axis=1)
    size = np.abs(agreement).max(initial=0.0)
    bad = np.unique(of_face[agreement < -1e-9 * size])
    concave: Ints = faces[bad]
    return concave


def _ears(polygon: npt.NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """Ear clipping in the polygon's own plane; a fan when the polygon is degenerate."""
    normal = np.cross(polygon, np.roll(polygon, -1, axis=0)).sum(axis=0)
    drop = int(np.argmax(np.abs(normal)))
    flat = np.delete(polygon, drop, axis=1)
    # Dropping Y swaps the plane's handedness; a negative normal does so again.
    if (normal[drop] < 0) != (drop == 1):
        flat = flat * np.array([-1.0, 1.0])
    left = list(range(len(polygon)))
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        for position, tip in enumerate(left):
            before, after = left[position - 1], left[(position + 1) % len(left)]
            if _is_ear(flat, before, tip, after, left):
                triangles.append((before, tip, after))
                left.pop(position)
                break
        else:
            break
    triangles += [(left[0], left[i], left[i + 1]) for i in range(1, len(left) - 1)]
    return triangles


def _is_ear(flat: npt.NDArray[np.float64], before: int, tip: int, after: int, left: list[int]) -> bool:
    a, b, c = flat[before], flat[tip], flat[after]
    if _side(a, b, c) <= 0:
        return False
    return not any(
        _side(a, b, flat[other]) >= 0 and _side(b, c, flat[other]) >= 0 and _side(c, a, flat[other]) >= 0
        for other in left
        if other not in (before, tip, after)
    )


def _side(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], c: npt.NDArray[np.float64]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
