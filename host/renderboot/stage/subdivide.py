"""Catmull-Clark subdivision of polygons with boundaries and creases. Works on arrays; independent of USD."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..scene import Array
from .mesh_parts import Ints, Topology, Values

Floats = npt.NDArray[np.float64]

LEVELS = 2
MAX_FACES = 250_000
"""The most faces of a refined mesh. Larger meshes get fewer levels: their faces are small as they are."""


@dataclass(frozen=True, eq=False)
class Sharpness:
    """Creased edges and corners; a sharpness of 10 or more is infinite."""

    edges: Ints = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    edge_values: Floats = field(default_factory=lambda: np.zeros(0))
    points: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    point_values: Floats = field(default_factory=lambda: np.zeros(0))
    keeps_corners: bool = True
    """Whether a boundary point of one face stays where it is."""


class Subdivision:
    """A mesh refined by some levels, and its primvars interpolated to match."""

    def __init__(self, topology: Topology, sharpness: Sharpness, levels: int = LEVELS) -> None:
        """
        Args:
            topology: The control mesh.
            sharpness: Its creases.
            levels: Number of refinements; each splits a face into one quad for each corner.
        """
        self._levels: list[_Level] = []
        counts, indices = topology.counts.astype(np.int64), topology.indices.astype(np.int64)
        points = topology.points.astype(np.float64)
        self.parents: Ints = np.arange(len(counts))
        """For each refined face, the index of its control face."""
        for _ in range(levels):
            level = _Level(counts, indices, len(points), sharpness)
            points = level.smooth(points)
            self.parents = self.parents[level.face_of_corner]
            counts, indices, sharpness = level.counts, level.indices, level.sharpness
            self._levels.append(level)
        holes = None if topology.holes is None else np.flatnonzero(np.isin(self.parents, topology.holes))
        self.topology = Topology(points.astype(np.float32), counts, indices, holes, topology.is_left_handed)

    def values(self, values: Values, corner_points: Ints) -> Values | None:
        """Interpolate a primvar to the refined mesh; None when its length does not match.

        Args:
            values: The primvar.
            corner_points: The control mesh's points by corners.
        """
        if values.interpolation == "constant":
            return values
        array = values.array if values.array.ndim > 1 else values.array[:, None]
        if values.indices is not None:
            used = values.indices
            if not len(used) or int(used.min()) < 0 or int(used.max()) >= len(array):
                return None
            array = array[used]
        if array.ndim != 2:
            return None
        if values.interpolation == "uniform":
            return (
                None
                if int(self.parents.max()) >= len(array)
                else _made(values, array[self.parents], "uniform")
            )
        is_by_corner = values.interpolation == "faceVarying"
        wanted = len(corner_points) if is_by_corner else int(corner_points.max()) + 1
        if len(array) < wanted:
            return None
        rows = np.nan_to_num(array.astype(np.float64))
        if not is_by_corner:
            # The values may end before unused points at the end of the array.
            rows = np.pad(rows, ((0, max(0, self._levels[0].point_count - len(rows))), (0, 0)))
        for level in self._levels:
            if is_by_corner:
                rows = level.by_corner(rows)
            elif values.interpolation == "varying":
                rows = level.linear(rows)
            else:
                rows = level.smooth(rows)
        return _made(values, rows.astype(np.float32), values.interpolation)


class _Level:
    """One refinement: each corner of a face becomes a face of four corners."""

    def __init__(self, counts: Ints, indices: Ints, point_count: int, sharpness: Sharpness) -> None:
        corners = np.arange(len(indices))
        starts = np.cumsum(counts) - counts
        self.face_of_corner: Ints = np.repeat(np.arange(len(counts)), counts)
        within = corners - starts[self.face_of_corner]
        size = counts[self.face_of_corner]
        self._next = starts[self.face_of_corner] + (within + 1) % size
        self._previous = starts[self.face_of_corner] + (within - 1) % size
        self.point_count, self._counts, self._old = point_count, counts, indices
        a, b = indices, indices[self._next]
        key = np.minimum(a, b) * point_count + np.maximum(a, b)
        edges, self._edge_of_corner, used = np.unique(key, return_inverse=True, return_counts=True)
        self._low, self._high = edges // point_count, edges % point_count
        self._sharp = np.zeros(len(edges))
        if len(sharpness.edges):
            pairs = np.sort(sharpness.edges, axis=1)
            wanted = pairs[:, 0] * point_count + pairs[:, 1]
            found = np.minimum(np.searchsorted(edges, wanted), len(edges) - 1)
            is_edge = edges[found] == wanted
            self._sharp[found[is_edge]] = np.where(
                sharpness.edge_values[is_edge] >= 10.0, np.inf, sharpness.edge_values[is_edge]
            )
        is_border = used != 2
        self._sharp[is_border] = np.inf
        self._corner_sharp = np.zeros(point_count)
        is_point = (sharpness.points >= 0) & (sharpness.points < point_count)
        self._corner_sharp[sharpness.points[is_point]] = sharpness.point_values[is_point]
        if sharpness.keeps_corners:
            on_border = np.zeros(point_count, bool)
            on_border[self._low[is_border]] = on_border[self._high[is_border]] = True
            self._corner_sharp[on_border & (np.bincount(indices, minlength=point_count) == 1)] = np.inf
        edge_points = point_count + self._edge_of_corner
        face_points = point_count + len(edges) + self.face_of_corner
        quads = np.stack([indices, edge_points, face_points, edge_points[self._previous]], axis=1)
        self.indices: Ints = quads.reshape(-1)
        self.counts: Ints = np.full(len(indices), 4, np.int64)
        self.sharpness = self._softer(sharpness, point_count)

    def _softer(self, sharpness: Sharpness, point_count: int) -> Sharpness:
        left = np.flatnonzero(self._sharp > 1.0)
        middles = point_count + left
        pairs = np.concatenate(
            [np.stack([self._low[left], middles], 1), np.stack([middles, self._high[left]], 1)]
        )
        values = np.tile(np.minimum(self._sharp[left] - 1.0, 1e6), 2)
        points = np.flatnonzero(self._corner_sharp > 1.0)
        return Sharpness(pairs, values, points, self._corner_sharp[points] - 1.0, sharpness.keeps_corners)

    def linear(self, rows: Floats) -> Floats:
        """Refine values per point linearly."""
        rows = rows[: self.point_count]
        return np.concatenate([rows, (rows[self._low] + rows[self._high]) / 2.0, self._face_means(rows)])

    def by_corner(self, rows: Floats) -> Floats:
        """Refine values per face corner linearly."""
        means = _summed(self.face_of_corner, rows, len(self._counts)) / self._counts[:, None]
        ahead, behind = (rows + rows[self._next]) / 2.0, (rows + rows[self._previous]) / 2.0
        result: Floats = np.stack([rows, ahead, means[self.face_of_corner], behind], axis=1)
        return result.reshape(-1, rows.shape[1])

    def smooth(self, rows: Floats) -> Floats:
        """Refine values per point with the Catmull-Clark weights."""
        rows = rows[: self.point_count]
        count = self.point_count
        faces = self._face_means(rows)
        ends = rows[self._low] + rows[self._high]
        beside = _summed(self._edge_of_corner, faces[self.face_of_corner], len(self._low))
        weight = np.minimum(self._sharp, 1.0)[:, None]
        edges = ends / 2.0 * weight + (ends + beside) / 4.0 * (1.0 - weight)

        both = np.concatenate([self._low, self._high])
        valence = np.bincount(both, minlength=count)[:, None]
        of_faces = np.bincount(self._old, minlength=count)[:, None]
        is_used = of_faces[:, 0] > 0
        valence, of_faces = np.maximum(valence, 1), np.maximum(of_faces, 1)
        q = _summed(self._old, faces[self.face_of_corner], count) / of_faces
        r = _summed(both, np.tile(ends / 2.0, (2, 1)), count) / valence
        soft = (q + 2.0 * r + (valence - 3.0) * rows) / valence
        is_sharp = self._sharp > 0.0
        low, high = self._low[is_sharp], self._high[is_sharp]
        at = np.concatenate([low, high])
        others = _summed(at, np.concatenate([rows[high], rows[low]]), count)
        number = np.bincount(at, minlength=count)
        mean_sharp = np.bincount(at, np.tile(np.minimum(self._sharp[is_sharp], 1.0), 2), count) / np.maximum(
            number, 1
        )
        hard = np.where((number == 2)[:, None], (6.0 * rows + others) / 8.0, rows)
        weight = np.where(number >= 2, mean_sharp, 0.0)[:, None]
        points = soft * (1.0 - weight) + hard * weight
        weight = np.minimum(self._corner_sharp, 1.0)[:, None]
        points = points * (1.0 - weight) + rows * weight
        points[~is_used] = rows[~is_used]
        return np.concatenate([points, edges, faces])

    def _face_means(self, rows: Floats) -> Floats:
        return _summed(self.face_of_corner, rows[self._old], len(self._counts)) / self._counts[:, None]


def levels_for(counts: npt.NDArray[np.integer]) -> int:
    """Return the number of levels for a mesh, from the number of corners of each face."""
    faces, levels = int(counts.sum(dtype=np.int64)), 0
    while levels < LEVELS and faces <= MAX_FACES:
        levels, faces = levels + 1, faces * 4
    return levels


def _summed(where: Ints, rows: Floats, count: int) -> Floats:
    columns = [np.bincount(where, rows[:, column], count) for column in range(rows.shape[1])]
    return np.stack(columns, axis=1)


def _made(values: Values, array: Array, interpolation: str) -> Values:
    return Values(values.name, array, None, interpolation, values.width)
