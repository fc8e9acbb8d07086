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
    first_triangles = np.cumsum(per_face) - per_face
    within = np.arange(len(faces)) - np.repeat(first_triangles, per_face)
    first = starts[faces]
    corners = np.stack([first, first + within + 1, first + within + 2], axis=1)
    for face in _concave_faces(points, counts, indices, starts):
        start, count, first_triangle = int(starts[face]), int(counts[face]), int(first_triangles[face])
        polygon = points[indices[start : start + count]].astype(np.float64)
        corners[first_triangle : first_triangle + count - 2] = np.array(_ears(polygon)) + start
    return corners, faces


def cross(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """As np.cross of 3-vectors, but faster: np.cross copies its arguments."""
    result = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.subtract(a[..., y] * b[..., z], a[..., z] * b[..., y], out=result[..., x])
    return result


def _concave_faces(points: Points, counts: Ints, indices: Ints, starts: Ints) -> Ints:
    """Return the concave faces of four or more corners."""
    sizes = np.flatnonzero(np.bincount(counts, minlength=1))
    found: list[Ints] = []
    largest = 0.0
    agreements: list[tuple[Ints, npt.NDArray[np.float64]]] = []
    # All faces of one size at once: one row for each face, one column for each corner.
    for size in sizes[sizes >= 4]:
        faces = np.flatnonzero(counts == size)
        polygons = points[indices[starts[faces][:, None] + np.arange(size)]].astype(np.float64)
        edges = np.roll(polygons, -1, axis=1) - polygons
        turns = cross(np.roll(edges, 1, axis=1), edges)
        # Newell's normal is right for concave polygons too. From a corner of its own, so that small faces far
        # from the origin keep their digits.
        spokes = polygons - polygons[:, :1]
        normals = cross(spokes[:, 1:-1], spokes[:, 2:]).sum(axis=1)
        agreement = np.einsum("fcx,fx->fc", turns, normals)
        largest = max(largest, float(np.abs(agreement).max(initial=0.0)))
        agreements.append((faces, agreement.min(axis=1)))
    for faces, least in agreements:
        found.append(faces[least < -1e-9 * largest])
    concave: Ints = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return concave


def _ears(polygon: npt.NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """Ear clipping in the polygon's own plane; a fan when the polygon is degenerate."""
    normal = np.cross(polygon, np.roll(polygon, -1, axis=0)).sum(axis=0)
    drop = int(np.argmax(np.abs(normal)))
    plane = np.delete(polygon, drop, axis=1)
    # Dropping Y swaps the plane's handedness; a negative normal does so again.
    if (normal[drop] < 0) != (drop == 1):
        plane = plane * np.array([-1.0, 1.0])
    # Plain floats: arithmetic on single numbers takes ten times as long with numpy's.
    flat: list[tuple[float, float]] = [(x, y) for x, y in plane.tolist()]
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


def _is_ear(flat: list[tuple[float, float]], before: int, tip: int, after: int, left: list[int]) -> bool:
    """Whether the corner turns left and no other point lies in its triangle."""
    (ax, ay), (bx, by), (cx, cy) = flat[before], flat[tip], flat[after]
    ab_x, ab_y, bc_x, bc_y, ca_x, ca_y = bx - ax, by - ay, cx - bx, cy - by, ax - cx, ay - cy
    if ab_x * (cy - ay) - ab_y * (cx - ax) <= 0:
        return False
    for other in left:
        x, y = flat[other]
        if (
            ab_x * (y - ay) - ab_y * (x - ax) >= 0
            and bc_x * (y - by) - bc_y * (x - bx) >= 0
            and ca_x * (y - cy) - ca_y * (x - cx) >= 0
            and other not in (before, tip, after)
        ):
            return False
    return True
