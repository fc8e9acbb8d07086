"""Triangulates mesh arrays: n-gons, holes, winding, every interpolation; merges equal corners.

Independent of USD: the result depends on the arrays alone, so it can be cached by their digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..cache import digest
from ..scene import Array, Indices
from .triangulate import cross, triangulate

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32] | Ints

_LARGEST_KEY = 2**62
_TABLE_SHARE = 4
"""Up to this ratio of key range to key count, a lookup table is faster than sorting."""


@dataclass(frozen=True, eq=False)
class MeshPart:
    """The triangles of one material; vertices are split where corners have different attributes."""

    positions: Array
    triangles: Indices
    normals: Array | None
    uvs: Array | None
    attributes: dict[str, Array]
    """Vertex values of the material's primvars, by name, without those whose length does not match."""
    is_closed: bool
    warnings: tuple[str, ...]
    """Descriptions of the mesh data that was ignored."""


@dataclass(frozen=True, eq=False)
class Values:
    """A primvar as authored; `indices` is None when it is not indexed."""

    name: str
    array: Array
    indices: Numbers | None
    interpolation: str
    width: int
    """How many numbers of each value are used."""

    def words(self) -> tuple[object, ...]:
        """Return all fields, for a digest."""
        return self.name, self.array, self.indices, self.interpolation, self.width


@dataclass(frozen=True, eq=False)
class Choice:
    """Which faces (None: all) and which primvars to use: of each list the first that matches the mesh."""

    faces: Ints | None
    normals: tuple[Values, ...]
    uvs: tuple[Values, ...]
    attributes: tuple[Values, ...]
    """Every matching one of these is used, not only the first."""
    is_smooth: bool
    """Whether to compute smooth normals when no authored ones match."""
    needs_closed: bool
    """Whether to compute `MeshPart.is_closed`, which is slow."""


@dataclass(frozen=True, eq=False)
class _Attribute:
    """Values, and for each face corner the index of its value."""

    values: Array
    by_corner: Ints


@dataclass(frozen=True, eq=False)
class Topology:
    """Points and faces of one mesh, already validated."""

    points: Array
    counts: Numbers
    indices: Numbers
    holes: Numbers | None
    is_left_handed: bool

    @cached_property
    def digest(self) -> bytes:
        """Return a digest of all arrays of the mesh."""
        return digest("topology", self.points, self.counts, self.indices, self.holes, self.is_left_handed)

    def digest_of(self, choice: Choice) -> bytes:
        """Return a digest of everything that `part` depends on."""
        values: list[object] = []
        for candidates in (choice.normals, choice.uvs, choice.attributes):
            values.append(len(candidates))
            for each in candidates:
                values += each.words()
        return digest("part", self.digest, choice.faces, choice.is_smooth, choice.needs_closed, *values)

    @property
    def has_triangles(self) -> bool:
        """Whether any face yields a triangle."""
        has_surface = self.counts >= 3
        if self.holes is not None:
            has_surface = has_surface.copy()
            has_surface[self.holes[(self.holes >= 0) & (self.holes < len(has_surface))]] = False
        return bool(has_surface.any())

    @cached_property
    def _wide(self) -> tuple[Ints, Ints]:
        return self.counts.astype(np.int64), self.indices.astype(np.int64)

    @cached_property
    def _triangles(self) -> tuple[Ints, Ints]:
        """Return the corners of all triangles, and each triangle's face."""
        counts, indices = self._wide
        corners, faces = triangulate(self.points, counts, indices)
        if self.holes is not None:
            kept = ~np.isin(faces, self.holes)
            corners, faces = corners[kept], faces[kept]
        if self.is_left_handed:
            corners = corners[:, [0, 2, 1]]
        return corners, faces

    def part(self, choice: Choice) -> MeshPart | None:
        """Triangles of the chosen faces, or None when there are none."""
        corners, of_face = self._triangles
        if choice.faces is not None:
            corners = corners[np.isin(of_face, choice.faces)]
        if not len(corners):
            return None
        warnings: list[str] = []
        normals = self._with_lengths(self._first(choice.normals, warnings), warnings)
        if normals is None and choice.is_smooth:
            # The limit surface is smooth, so the mesh is shaded smooth too.
            normals = _Attribute(self._smooth_normals, self._wide[1])
        uvs = self._first(choice.uvs, warnings)
        others = {values.name: self._attribute(values, warnings) for values in choice.attributes}
        attributes = {name: found for name, found in others.items() if found}
        used = corners.reshape(-1)
        carried = [each for each in (normals, uvs, *attributes.values()) if each]
        vertex_of_corner, first_corner = self._welded(used, carried)
        return MeshPart(
            positions=self.points[self._wide[1][first_corner]],
            triangles=vertex_of_corner.reshape(-1, 3).astype(np.uint32),
            normals=_unit(normals.values[normals.by_corner[first_corner]]) if normals else None,
            uvs=uvs.values[uvs.by_corner[first_corner]] if uvs else None,
            attributes={name: each.values[each.by_corner[first_corner]] for name, each in attributes.items()},
            is_closed=self._is_closed(used) if choice.needs_closed else True,
            warnings=tuple(warnings),
        )

    def _with_lengths(self, normals: _Attribute | None, warnings: list[str]) -> _Attribute | None:
        """Return the normals; those of zero length are replaced by the surface's smooth normals."""
        if normals is None:
            return None
        is_empty = np.abs(normals.values).max(axis=1) == 0.0
        if not is_empty.any():
            return normals
        warnings.append("The primvar 'normals' has vectors of no length; the surface's own are used there")
        if is_empty.all():
            return None
        corner_is_empty = is_empty[normals.by_corner]
        whole = np.concatenate([normals.values, self._smooth_normals])
        return _Attribute(
            whole, np.where(corner_is_empty, len(normals.values) + self._wide[1], normals.by_corner)
        )

    @cached_property
    def _smooth_normals(self) -> Array:
        triangle_points = self._wide[1][self._triangles[0]]
        a, b, c = (self.points[triangle_points[:, i]].astype(np.float64) for i in range(3))
        weighted = cross(b - a, c - a)
        total = np.empty((len(self.points), 3))
        corner_points = triangle_points.T.reshape(-1)
        for i in range(3):
            total[:, i] = np.bincount(corner_points, np.tile(weighted[:, i], 3), len(self.points))
        return _unit(total.astype(np.float32))

    def _first(self, candidates: tuple[Values, ...], warnings: list[str]) -> _Attribute | None:
        for values in candidates:
            found = self._attribute(values, warnings)
            if found:
                return found
        return None

    def _attribute(self, values: Values, warnings: list[str]) -> _Attribute | None:
        counts, corner_points = self._wide
        array, width = values.array, values.width
        if array.ndim == 1 and width == 1:
            array = array.reshape(-1, 1)
        if array.ndim != 2 or array.shape[1] < width:
            if array.size == width:
                array = array.reshape(1, width)
            else:
                warnings.append(f"The primvar '{values.name}' is not of {width} numbers each and is ignored")
                return None
        if not np.isfinite(array).all():
            warnings.append(f"The primvar '{values.name}' has values that are not finite; 0 is used for them")
            array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
        if values.interpolation == "constant":
            by_corner = np.zeros(len(corner_points), np.int64)
        elif values.interpolation == "uniform":
            by_corner = np.repeat(np.arange(len(counts)), counts)
        elif values.interpolation == "faceVarying":
            by_corner = np.arange(len(corner_points))
        else:
            by_corner = corner_points
        if values.indices is not None:
            if int(by_corner.max()) >= len(values.indices):
                warnings.append(f"The primvar '{values.name}' has too few indices and is ignored")
                return None
            by_corner = values.indices.astype(np.int64)[by_corner]
        if int(by_corner.max()) >= len(array) or int(by_corner.min()) < 0:
            warnings.append(f"The primvar '{values.name}' has too few values and is ignored")
            return None
        return _Attribute(np.ascontiguousarray(array[:, :width]), by_corner)

    def _welded(self, used: Ints, attributes: list[_Attribute]) -> tuple[Ints, Ints]:
        """Merge corners that share a point and all attribute values into one vertex.

        Returns:
            For each used corner its vertex, and for each vertex one of its corners.
        """
        key, bound = self._wide[1][used], len(self.points)
        for attribute in attributes:
            if np.array_equal(attribute.by_corner, self._wide[1]):
                continue
            column = attribute.by_corner[used]
            width = int(column.max()) + 1
            if bound * width > _LARGEST_KEY:
                key, first = _numbered(key, bound)
                bound = len(first)
            key, bound = key * width + column, bound * width
        vertex_of_corner, first = _numbered(key, bound)
        return vertex_of_corner, used[first]

    def _is_closed(self, used: Ints) -> bool:
        points = self._wide[1][used].reshape(-1, 3)
        edges = np.concatenate([points[:, [0, 1]], points[:, [1, 2]], points[:, [2, 0]]])
        edges.sort(axis=1)
        _, counts = np.unique(edges[:, 0] * len(self.points) + edges[:, 1], return_counts=True)
        return bool((counts % 2 == 0).all())


def _numbered(keys: Ints, bound: int) -> tuple[Ints, Ints]:
    """Number the keys without gaps, in their order.

    Args:
        keys: From 0 to `bound`.
        bound: Greater than every key.

    Returns:
        For each key its number, and for each number the position of a key that has it.
    """
    if bound <= _TABLE_SHARE * len(keys) + 1024:
        # A table of all that a key may be: no sorting.
        position = np.full(bound, -1, np.int64)
        position[keys] = np.arange(len(keys))
        there = position >= 0
        numbers = np.cumsum(there) - 1
        return numbers[keys], position[there]
    order = np.argsort(keys)
    in_order = keys[order]
    begins = np.empty(len(keys), bool)
    begins[:1], begins[1:] = True, in_order[1:] != in_order[:-1]
    number = np.empty(len(keys), np.int64)
    number[order] = np.cumsum(begins) - 1
    return number, order[begins]


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Array = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return result
