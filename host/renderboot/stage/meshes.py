"""UsdGeomMesh at one frame as arrays: points, faces, holes, primvars with their fallbacks.

mesh_parts.py triangulates them; traversal.py provides material and matrix.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pxr import Usd, UsdGeom

from ..cache import PartCache
from ..diagnostics import Diagnostics
from .mesh_parts import Choice, Ints, MeshPart, Numbers, Topology, Values
from .primvars import PrimvarReader
from .subdivide import LEVELS, Sharpness, Subdivision, levels_for
from .values import get

_SMOOTH = ("catmullClark", "loop")
"""Schemes whose limit surface is smooth."""


class MeshReading:
    """One mesh at one frame; `part` returns the triangles of some of its faces."""

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
            diagnostics: receives warnings of what cannot be rendered.
            cache: parts that were made before; None: no cache.
        """
        self._mesh = mesh
        self._time = time
        self._primvars = primvars
        self._diagnostics = diagnostics
        self._cache = cache
        self._path = str(mesh.GetPath())
        self._control = self._read_topology()
        self._topology = self._control
        self._subdivision = self._subdivided()
        if self._subdivision:
            self._topology = self._subdivision.topology

    @property
    def is_valid(self) -> bool:
        """Whether the mesh has anything to render."""
        return self._topology is not None

    @property
    def face_count(self) -> int:
        """Number of faces, holes included."""
        return len(self._control.counts) if self._control else 0

    def part(
        self, faces: Ints | None, uv_primvar: str, primvars: Mapping[str, int], *, needs_closed: bool
    ) -> MeshPart | None:
        """Triangles of the given faces (None: all), or None when there are none.

        Args:
            faces: Face indices.
            uv_primvar: Which primvar is the texture coordinate.
            primvars: Other primvars that the material reads, and how many numbers of each value.
            needs_closed: Whether to compute `MeshPart.is_closed`, which is slow.
        """
        topology = self._topology
        if topology is None:
            return None
        if self._subdivision and faces is not None:
            faces = np.flatnonzero(np.isin(self._subdivision.parents, faces))
        choice = Choice(
            faces=faces,
            # USD ignores authored normals on subdivision surfaces: the limit surface defines them.
            normals=() if self._subdivision else self._normals(),
            uvs=self._uvs(uv_primvar),
            attributes=_listed(*(self._primvar(name, width) for name, width in primvars.items())),
            is_smooth=self._scheme() in _SMOOTH,
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
        """Return a primvar, inherited ones included; None when absent."""
        values = self._primvars.values(self._mesh.GetPrim(), name, width)
        if values is None or self._subdivision is None or self._control is None:
            return values
        refined = self._subdivision.values(values, self._control.indices.astype(np.int64))
        if refined is None:
            self._diagnostics.warn(f"The primvar '{name}' has too few values and is ignored", self._path)
        return refined

    # --- Subdivision ---

    def _scheme(self) -> str:
        return str(get(self._mesh.GetSubdivisionSchemeAttr(), self._time, "catmullClark"))

    def _subdivided(self) -> Subdivision | None:
        if self._control is None or self._scheme() not in _SMOOTH:
            return None
        if self._scheme() == "loop":
            self._diagnostics.note("Loop subdivision is rendered as Catmull-Clark", self._path)
        levels = levels_for(self._control.counts)
        if levels < LEVELS:
            times = ("not", "once")[levels]
            self._diagnostics.note(f"Many faces: subdivided {times} instead of {LEVELS} times", self._path)
        if not levels or int(self._control.counts.min()) < 3:
            return None
        return Subdivision(self._control, self._sharpness(), levels)

    def _sharpness(self) -> Sharpness:
        mesh, time = self._mesh, self._time
        indices = _ints(get(mesh.GetCreaseIndicesAttr(), time, None))
        lengths = _ints(get(mesh.GetCreaseLengthsAttr(), time, None))
        sharp = np.asarray(get(mesh.GetCreaseSharpnessesAttr(), time, None) or [], np.float64)
        starts = np.cumsum(lengths) - lengths
        points = len(self._control.points) if self._control else 0
        is_whole = int(lengths.sum()) == len(indices) and (lengths >= 2).all()
        per_edge = len(sharp) == int((lengths - 1).sum())
        if not is_whole or not (per_edge or len(sharp) == len(lengths)):
            self._diagnostics.warn("Creases that do not fit together are ignored", self._path)
            indices, lengths, starts, sharp = _ints(None), _ints(None), _ints(None), np.zeros(0)
        is_first = np.ones(len(indices), bool)
        is_first[(starts + lengths - 1).astype(np.int64)] = False
        first = np.flatnonzero(is_first)
        edges = (
            np.stack([indices[first], indices[first + 1]], axis=1)
            if len(first)
            else np.zeros((0, 2), np.int64)
        )
        values = sharp if per_edge else np.repeat(sharp, np.maximum(lengths - 1, 0))
        is_there = ((edges >= 0) & (edges < points)).all(axis=1) & np.isfinite(values[: len(edges)])
        corners = _ints(get(mesh.GetCornerIndicesAttr(), time, None))
        corner_sharp = np.asarray(get(mesh.GetCornerSharpnessesAttr(), time, None) or [], np.float64)
        count = min(len(corners), len(corner_sharp))
        return Sharpness(
            edges[is_there],
            np.maximum(values[is_there], 0.0),
            corners[:count],
            np.maximum(np.nan_to_num(corner_sharp[:count]), 0.0),
            get(mesh.GetInterpolateBoundaryAttr(), time, "edgeAndCorner") == "edgeAndCorner",
        )

    def _uvs(self, name: str) -> tuple[Values, ...]:
        """Return the named texture coordinates, then the mesh's first ones as a fallback."""
        asked = self._primvar(name, 2)
        for primvar in UsdGeom.PrimvarsAPI(self._mesh.GetPrim()).GetPrimvarsWithValues():
            if primvar.GetTypeName().role == "TextureCoordinate":
                first = str(primvar.GetPrimvarName())
                return _listed(asked, None if first == name and asked else self._primvar(first, 2))
        return _listed(asked)

    def _normals(self) -> tuple[Values, ...]:
        """Return `primvars:normals`, then the older `normals` attribute."""
        attribute = self._mesh.GetNormalsAttr()
        array = get(attribute, self._time, None)
        plain = None
        if array:
            interpolation = str(self._mesh.GetNormalsInterpolation())
            plain = Values("normals", np.asarray(array, np.float32), None, interpolation, 3)
        return _listed(self._primvar("normals", 3), plain)

    def _read_topology(self) -> Topology | None:
        points = get(self._mesh.GetPointsAttr(), self._time, None)
        counts = get(self._mesh.GetFaceVertexCountsAttr(), self._time, None)
        indices = get(self._mesh.GetFaceVertexIndicesAttr(), self._time, None)
        if not points or not counts or not indices:
            self._diagnostics.warn("A mesh without points or faces is skipped", self._path)
            return None
        orientation = get(self._mesh.GetOrientationAttr(), self._time, None)
        with np.errstate(over="ignore"):
            positions = np.asarray(points, np.float32).reshape(-1, 3)
        topology = Topology(
            points=positions,
            counts=np.asarray(counts),
            indices=np.asarray(indices),
            holes=_numbers(get(self._mesh.GetHoleIndicesAttr(), self._time, None)),
            is_left_handed=orientation == UsdGeom.Tokens.leftHanded,
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


def _ints(values: object) -> Ints:
    return np.asarray(values if values else [], np.int64)


def _numbers(values: object) -> Numbers | None:
    return np.asarray(values) if values else None


def _listed(*values: Values | None) -> tuple[Values, ...]:
    return tuple(each for each in values if each is not None)
