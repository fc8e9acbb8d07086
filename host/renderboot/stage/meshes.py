"""UsdGeomMesh at one frame as arrays: points, faces, holes, primvars with their fallbacks.

What triangles they make is said next door; their material and matrix are the traversal's business.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pxr import Usd, UsdGeom

from ..cache import PartCache
from ..diagnostics import Diagnostics
from .mesh_parts import Choice, Ints, MeshPart, Numbers, Topology, Values
from .primvars import PrimvarReader


class MeshReading:
    """One mesh at one frame. Ask for parts by their faces."""

    def __init__(
        self,
        mesh: UsdGeom.Mesh,
        time: Usd.TimeCode,
        primvars: PrimvarReader,
        diagnostics: Diagnostics,
        cache: PartCache | None = None,
    ) -> None:
        """
        Args:
            mesh: the mesh.
            time: the frame.
            primvars: reads the mesh's primvars.
            diagnostics: receives what of it cannot be rendered.
            cache: where parts may have been made already.
        """
        self._mesh = mesh
        self._time = time
        self._primvars = primvars
        self._diagnostics = diagnostics
        self._cache = cache
        self._path = str(mesh.GetPath())
        self._topology = self._read_topology()

    @property
    def is_valid(self) -> bool:
        """Whether there is anything to be seen of it."""
        return self._topology is not None

    @property
    def face_count(self) -> int:
        """Faces, holes included."""
        return len(self._topology.counts) if self._topology else 0

    def part(
        self, faces: Ints | None, uv_primvar: str, primvars: Mapping[str, int], *, needs_closed: bool
    ) -> MeshPart | None:
        """Triangles of the given faces (None: all), or None when there are none.

        Args:
            faces: Face indices.
            uv_primvar: Which primvar is the texture coordinate.
            primvars: Which other primvars the material reads, and how many numbers of each value.
            needs_closed: Whether to find out if the part has a border, which takes a while.
        """
        topology = self._topology
        if topology is None:
            return None
        # The limit surface of these is smooth.
        smooth = (UsdGeom.Tokens.catmullClark, UsdGeom.Tokens.loop)
        choice = Choice(
            faces=faces,
            normals=self._normals(),
            uvs=self._uvs(uv_primvar),
            attributes=_listed(*(self._primvar(name, width) for name, width in primvars.items())),
            is_smooth=self._mesh.GetSubdivisionSchemeAttr().Get() in smooth,
            needs_closed=needs_closed,
        )
        if self._cache is None:
            part = topology.part(choice)
        else:
            part = self._cache.made(topology.digest_of(choice), lambda: topology.part(choice))
        for warning in part.warnings if part else ():
            self._diagnostics.warn(warning, self._path)
        return part

    def _primvar(self, name: str, width: int) -> Values | None:
        """A primvar (inherited ones too); None when absent."""
        return self._primvars.values(self._mesh.GetPrim(), name, width)

    def _uvs(self, name: str) -> tuple[Values, ...]:
        """The texture coordinates asked for, else the mesh's first ones."""
        asked = self._primvar(name, 2)
        for primvar in UsdGeom.PrimvarsAPI(self._mesh.GetPrim()).GetPrimvarsWithValues():
            if primvar.GetTypeName().role == "TextureCoordinate":
                first = str(primvar.GetPrimvarName())
                return _listed(asked, None if first == name and asked else self._primvar(first, 2))
        return _listed(asked)

    def _normals(self) -> tuple[Values, ...]:
        """The primvar before the attribute of old."""
        attribute = self._mesh.GetNormalsAttr()
        array = attribute.Get(self._time) if attribute.HasValue() else None
        plain = None
        if array:
            interpolation = str(self._mesh.GetNormalsInterpolation())
            plain = Values("normals", np.asarray(array, np.float32), None, interpolation, 3)
        return _listed(self._primvar("normals", 3), plain)

    def _read_topology(self) -> Topology | None:
        points = self._mesh.GetPointsAttr().Get(self._time)
        counts = self._mesh.GetFaceVertexCountsAttr().Get(self._time)
        indices = self._mesh.GetFaceVertexIndicesAttr().Get(self._time)
        if not points or not counts or not indices:
            self._diagnostics.warn("A mesh without points or faces is skipped", self._path)
            return None
        topology = Topology(
            points=np.asarray(points, np.float32).reshape(-1, 3),
            counts=np.asarray(counts),
            indices=np.asarray(indices),
            holes=_numbers(self._mesh.GetHoleIndicesAttr().Get(self._time)),
            is_left_handed=self._mesh.GetOrientationAttr().Get(self._time) == UsdGeom.Tokens.leftHanded,
        )
        if (
            int(topology.counts.sum(dtype=np.int64)) != len(topology.indices)
            or int(topology.counts.min()) < 0
            or int(topology.indices.min()) < 0
            or int(topology.indices.max()) >= len(topology.points)
        ):
            self._diagnostics.warn("A mesh whose faces and points do not fit together is skipped", self._path)
            return None
        if not np.isfinite(topology.points).all():
            self._diagnostics.warn("A mesh with points that are not numbers is skipped", self._path)
            return None
        return topology if topology.has_triangles else None


def _numbers(values: object) -> Numbers | None:
    return np.asarray(values) if values else None


def _listed(*values: Values | None) -> tuple[Values, ...]:
    return tuple(each for each in values if each is not None)
