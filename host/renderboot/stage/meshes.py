"""UsdGeomMesh at one frame as triangles: n-gons, holes, windings, primvars of every interpolation, subsets.

Works on arrays; which material or matrix belongs to them is the traversal's business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pxr import Usd, UsdGeom

from host.renderboot.findings import Findings
from host.renderboot.scene import Array, Indices
from host.renderboot.stage.triangulate import cross, triangulate

Ints = npt.NDArray[np.int64]

_LARGEST_KEY = 2**62
_TABLE_SHARE = 4
"""A table of this many times the keys is still made faster than they are sorted."""


@dataclass(frozen=True, eq=False)
class MeshPart:
    """The triangles of one material, per-vertex arrays already split where corners disagree."""

    positions: Array
    triangles: Indices
    normals: Array | None
    uvs: Array | None
    colours: Array | None
    is_closed: bool


@dataclass(frozen=True, eq=False)
class _Attribute:
    """Values, and for each corner which of them it uses."""

    values: Array
    by_corner: Ints


class MeshReading:
    """One mesh at one frame. Ask for parts by their faces."""

    def __init__(self, mesh: UsdGeom.Mesh, time: Usd.TimeCode, findings: Findings) -> None:
        self._mesh = mesh
        self._time = time
        self._findings = findings
        self._path = str(mesh.GetPath())
        self.is_valid = self._read_topology()

    @property
    def face_count(self) -> int:
        """Faces, holes included."""
        return len(self._counts)

    def part(
        self, faces: Ints | None, uv_primvar: str, colour_primvar: str | None, *, needs_closed: bool
    ) -> MeshPart | None:
        """Triangles of the given faces (None: all), or None when there are none.

        Args:
            faces: Face indices.
            uv_primvar: Which primvar is the texture coordinate.
            colour_primvar: Which primvar the material reads as colour, if any.
            needs_closed: Whether to find out if the part has a border, which takes a while.
        """
        corners, of_face = self._corners, self._faces_of_triangles
        if faces is not None:
            chosen = np.isin(of_face, faces)
            corners = corners[chosen]
        if not len(corners):
            return None
        normals = self._normals()
        uvs = self._uvs(uv_primvar)
        colours = self.primvar(colour_primvar, 3) if colour_primvar else None
        used = corners.reshape(-1)
        vertex_of_corner, first_corner = self._welded(used, [a for a in (normals, uvs, colours) if a])
        return MeshPart(
            positions=self._points[self._indices[first_corner]],
            triangles=vertex_of_corner.reshape(-1, 3).astype(np.uint32),
            normals=_unit(normals.values[normals.by_corner[first_corner]]) if normals else None,
            uvs=uvs.values[uvs.by_corner[first_corner]] if uvs else None,
            colours=colours.values[colours.by_corner[first_corner]] if colours else None,
            is_closed=self._is_closed(used) if needs_closed else True,
        )

    def primvar(self, name: str, width: int) -> _Attribute | None:
        """A primvar (inherited ones too) as values and a per-corner index; None when absent or broken."""
        primvar = UsdGeom.PrimvarsAPI(self._mesh.GetPrim()).FindPrimvarWithInheritance(name)
        if not primvar or not primvar.HasValue():
            return None
        values = primvar.Get(self._time)
        indices = primvar.GetIndices(self._time) if primvar.IsIndexed() else None
        return self._attribute(name, values, indices, str(primvar.GetInterpolation()), width)

    def _uvs(self, name: str) -> _Attribute | None:
        """The texture coordinates asked for, else the mesh's first ones."""
        found = self.primvar(name, 2)
        if found:
            return found
        for primvar in UsdGeom.PrimvarsAPI(self._mesh.GetPrim()).GetPrimvarsWithValues():
            if primvar.GetTypeName().role == "TextureCoordinate":
                return self.primvar(str(primvar.GetPrimvarName()), 2)
        return None

    def _read_topology(self) -> bool:
        points = self._mesh.GetPointsAttr().Get(self._time)
        counts = self._mesh.GetFaceVertexCountsAttr().Get(self._time)
        indices = self._mesh.GetFaceVertexIndicesAttr().Get(self._time)
        if not points or not counts or not indices:
            self._findings.warn("A mesh without points or faces is skipped", self._path)
            return False
        self._points = np.asarray(points, np.float32).reshape(-1, 3)
        self._counts: Ints = np.asarray(counts, np.int64)
        self._indices: Ints = np.asarray(indices, np.int64)
        if (
            int(self._counts.sum()) != len(self._indices)
            or int(self._counts.min()) < 0
            or int(self._indices.min()) < 0
            or int(self._indices.max()) >= len(self._points)
        ):
            self._findings.warn("A mesh whose faces and points do not fit together is skipped", self._path)
            return False
        if not np.isfinite(self._points).all():
            self._findings.warn("A mesh with points that are not numbers is skipped", self._path)
            return False
        corners, faces = triangulate(self._points, self._counts, self._indices)
        holes = self._mesh.GetHoleIndicesAttr().Get(self._time)
        if holes:
            kept = ~np.isin(faces, np.asarray(holes, np.int64))
            corners, faces = corners[kept], faces[kept]
        if self._mesh.GetOrientationAttr().Get(self._time) == UsdGeom.Tokens.leftHanded:
            corners = corners[:, [0, 2, 1]]
        self._corners, self._faces_of_triangles = corners, faces
        return len(corners) > 0

    def _normals(self) -> _Attribute | None:
        authored = self.primvar("normals", 3)
        if authored:
            return authored
        attribute = self._mesh.GetNormalsAttr()
        values = attribute.Get(self._time) if attribute.HasValue() else None
        if values:
            found = self._attribute("normals", values, None, str(self._mesh.GetNormalsInterpolation()), 3)
            if found:
                return found
        scheme = self._mesh.GetSubdivisionSchemeAttr().Get()
        if scheme in (UsdGeom.Tokens.catmullClark, UsdGeom.Tokens.loop):
            # The limit surface is smooth; so is its cage's shading.
            return _Attribute(self._smooth_normals(), self._indices)
        return None

    def _smooth_normals(self) -> Array:
        triangle_points = self._indices[self._corners]
        a, b, c = (self._points[triangle_points[:, i]].astype(np.float64) for i in range(3))
        weighted = cross(b - a, c - a)
        total = np.empty((len(self._points), 3))
        corner_points = triangle_points.T.reshape(-1)
        for i in range(3):
            total[:, i] = np.bincount(corner_points, np.tile(weighted[:, i], 3), len(self._points))
        return _unit(total.astype(np.float32))

    def _attribute(
        self, name: str, values: object, indices: object, interpolation: str, width: int
    ) -> _Attribute | None:
        array = np.asarray(values, np.float32)
        if array.ndim != 2 or array.shape[1] < width:
            if array.size == width:
                array = array.reshape(1, width)
            else:
                self._findings.warn(
                    f"The primvar '{name}' is not of {width} numbers each and is ignored", self._path
                )
                return None
        if interpolation == "constant":
            by_corner = np.zeros(len(self._indices), np.int64)
        elif interpolation == "uniform":
            by_corner = np.repeat(np.arange(len(self._counts)), self._counts)
        elif interpolation == "faceVarying":
            by_corner = np.arange(len(self._indices))
        else:
            by_corner = self._indices
        if indices:
            table = np.asarray(indices, np.int64)
            if int(by_corner.max()) >= len(table):
                self._findings.warn(f"The primvar '{name}' has too few indices and is ignored", self._path)
                return None
            by_corner = table[by_corner]
        if int(by_corner.max()) >= len(array) or int(by_corner.min()) < 0:
            self._findings.warn(f"The primvar '{name}' has too few values and is ignored", self._path)
            return None
        return _Attribute(np.ascontiguousarray(array[:, :width]), by_corner)

    def _welded(self, used: Ints, attributes: list[_Attribute]) -> tuple[Ints, Ints]:
        """Corners that agree in point and all attributes become one vertex.

        Returns:
            For each used corner its vertex, and for each vertex one corner that stands for it.
        """
        key, bound = self._indices[used], len(self._points)
        for attribute in attributes:
            if np.array_equal(attribute.by_corner, self._indices):
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
        points = self._indices[used].reshape(-1, 3)
        edges = np.concatenate([points[:, [0, 1]], points[:, [1, 2]], points[:, [2, 0]]])
        edges.sort(axis=1)
        _, counts = np.unique(edges[:, 0] * len(self._points) + edges[:, 1], return_counts=True)
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
