"""Curves, points and NURBS patches at one frame as meshes: tubes, ribbons, small spheres, grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pxr import Usd, UsdGeom

from ..diagnostics import Diagnostics
from ..scene import Array, Indices, Material, Matrix, Mesh
from . import implicit
from .bindings import without_primvars
from .curve_basis import Weights, basis, dense, nurbs
from .mesh_parts import Ints, Values
from .primvars import PrimvarReader
from .values import get

KINDS = frozenset(("BasisCurves", "NurbsCurves", "HermiteCurves", "Points", "NurbsPatch"))
MAX_POINTS = 300_000
"""A Points prim with more points than this is thinned out."""
_MAX_SAMPLES = 400_000
"""Above this many samples in total, tubes have three sides instead of six."""


@dataclass(frozen=True, eq=False)
class _Elements:
    """How primvar values map to vertices: as a weighted sum of control points, or by an index."""

    vertex: tuple[Weights, Ints] | None
    """Two arrays of equal shape: the weights, and the indices of the control points they apply to."""
    uniform: Ints
    count: int
    """The number of control points: how many values a `vertex` primvar must have."""


class CurveReader:
    """Reads curves, points and patches at one frame."""

    def __init__(self, time: Usd.TimeCode, primvars: PrimvarReader, diagnostics: Diagnostics) -> None:
        self._time = time
        self._primvars = primvars
        self._diagnostics = diagnostics

    def mesh(self, prim: Usd.Prim, material: Material, transform: Matrix) -> Mesh | None:
        """Return the prim as triangles; None, with a warning, when its arrays are inconsistent."""
        path = str(prim.GetPath())
        points = np.asarray(
            get(UsdGeom.PointBased(prim).GetPointsAttr(), self._time, []), np.float64
        ).reshape(-1, 3)
        if not len(points) or not np.isfinite(points).all():
            self._diagnostics.warn(
                f"{prim.GetTypeName()} without points, or with some not finite: skipped", path
            )
            return None
        kind = str(prim.GetTypeName())
        if kind == "Points":
            made = self._points(prim, points)
        elif kind == "NurbsPatch":
            made = self._patch(prim, points)
        else:
            made = self._curves(prim, kind, points)
        if made is None:
            self._diagnostics.warn(f"{kind} whose numbers do not fit together: skipped", path)
            return None
        positions, triangles, normals, uvs, elements = made
        attributes: dict[str, Array] = {}
        for primvar in material.primvars.values():
            values = self._primvars.values(prim, primvar.name, primvar.width)
            found = _spread(values, elements, primvar.width) if values else None
            if found is not None:
                attributes[primvar.name] = found
            elif values:
                self._diagnostics.warn(f"The primvar '{primvar.name}' does not fit and is ignored", path)
        missing = {primvar.name for primvar in material.primvars.values()} - set(attributes)
        with np.errstate(over="ignore"):
            placed = positions.astype(np.float32)
        return Mesh(
            path=path,
            positions=placed,
            triangles=triangles,
            material=without_primvars(material, missing),
            transform=transform,
            normals=normals.astype(np.float32) if normals is not None else None,
            uvs=uvs.astype(np.float32),
            attributes=attributes,
            is_closed=kind == "Points",
        )

    # --- Points ---

    def _points(self, prim: Usd.Prim, points: Matrix) -> _Made | None:
        widths = self._widths(prim, len(points))
        kept = np.arange(len(points))
        if len(points) > MAX_POINTS:
            self._diagnostics.warn(f"More than {MAX_POINTS:,} points are thinned out", str(prim.GetPath()))
            kept = np.linspace(0, len(points) - 1, MAX_POINTS).astype(np.int64)
        ball = implicit.ball(2 if len(kept) <= 2000 else 1 if len(kept) <= 20_000 else 0)
        count = len(ball.positions)
        radii = widths[kept] / 2.0
        positions = points[kept][:, None] + ball.positions[None] * radii[:, None, None]
        starts = np.arange(len(kept))[:, None, None] * count
        triangles = (ball.triangles[None].astype(np.int64) + starts).reshape(-1, 3).astype(np.uint32)
        owner = np.repeat(kept, count)
        elements = _Elements(
            (np.ones((len(owner), 1)), owner[:, None]), np.zeros(len(owner), np.int64), len(points)
        )
        normals, uvs = np.tile(ball.normals, (len(kept), 1)), np.tile(ball.uvs, (len(kept), 1))
        return positions.reshape(-1, 3), triangles, normals, uvs, elements

    def _widths(self, prim: Usd.Prim, count: int) -> Matrix:
        values = self._width_values(prim)
        if values is None or len(values.array) == 1 or values.interpolation == "constant":
            width = 1.0 if values is None else float(values.array.reshape(-1)[0])
            return np.full(count, abs(width) if np.isfinite(width) else 1.0)
        array = values.array.reshape(-1).astype(np.float64)
        if len(array) != count:
            self._diagnostics.warn("Widths that do not fit: the first is used", str(prim.GetPath()))
            array = np.full(count, array[0])
        return np.abs(np.nan_to_num(array))

    def _width_values(self, prim: Usd.Prim) -> Values | None:
        primvar = self._listed_primvar(prim, "widths", 1)
        if primvar is not None:
            return primvar
        attribute = prim.GetAttribute("widths")
        array = np.asarray(get(attribute, self._time, []), np.float32)
        interpolation = str(attribute.GetMetadata("interpolation") or "vertex") if attribute else "vertex"
        return Values("widths", array, None, interpolation, 1) if len(array) else None

    def _listed_primvar(self, prim: Usd.Prim, name: str, width: int) -> Values | None:
        """Return a primvar without indices; None, with a warning, where one of them is out of range."""
        values = self._primvars.values(prim, name, width)
        listed = _listed(values) if values else None
        if values and listed is None:
            self._diagnostics.warn(
                f"The primvar '{name}' has an index out of range and is ignored", str(prim.GetPath())
            )
        return listed

    # --- Patches ---

    def _patch(self, prim: Usd.Prim, points: Matrix) -> _Made | None:
        patch = UsdGeom.NurbsPatch(prim)
        grids: list[tuple[Weights, Ints]] = []
        sizes: list[int] = []
        for letter in "UV":
            count = int(get(getattr(patch, f"Get{letter}VertexCountAttr")(), self._time, 0))
            order = int(get(getattr(patch, f"Get{letter}OrderAttr")(), self._time, 0))
            knots = np.asarray(get(getattr(patch, f"Get{letter}KnotsAttr")(), self._time, []), np.float64)
            ends = get(getattr(patch, f"Get{letter}RangeAttr")(), self._time, None)
            weights = nurbs(count, order, knots, (float(ends[0]), float(ends[1])) if ends else None)
            if weights is None:
                return None
            grids.append(weights)
            sizes.append(count)
        (across, of_u), (down, of_v) = grids
        if sizes[0] * sizes[1] != len(points):
            return None
        rows, columns = len(down), len(across)
        # Rows of v, columns of u: u varies fastest in a point's index.
        weights = np.einsum("vj,ui->vuji", down, across).reshape(rows * columns, -1)
        numbers = (of_v[:, None, :, None] * sizes[0] + of_u[None, :, None, :]).reshape(weights.shape)
        rational = np.asarray(get(patch.GetPointWeightsAttr(), self._time, []), np.float64)
        if len(rational) == len(points):
            weights = weights * rational[numbers]
            weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        positions = np.einsum("sn,snd->sd", weights, points[numbers])
        corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
        triangles = _two_triangles(corner, corner + 1, corner + columns + 1, corner + columns)
        if get(patch.GetOrientationAttr(), self._time, "rightHanded") == "leftHanded":
            triangles = triangles[:, [0, 2, 1]]
        v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
        elements = _Elements(
            (weights, numbers),
            np.zeros(len(weights), np.int64),
            len(points),
        )
        uvs = np.stack([u, v], axis=2).reshape(-1, 2)
        return positions, triangles, _smooth(positions, triangles), uvs, elements

    # --- Curves ---

    def _curves(self, prim: Usd.Prim, kind: str, points: Matrix) -> _Made | None:
        curves = UsdGeom.Curves(prim)
        counts = np.asarray(get(curves.GetCurveVertexCountsAttr(), self._time, []), np.int64)
        if not len(counts) or int(counts.min()) < 0 or int(counts.sum()) != len(points):
            return None
        starts = np.cumsum(counts) - counts
        widths = self._width_values(prim)
        facing = self._facing(prim, counts)
        parts: list[_Made] = []
        sides = 6 if len(points) <= _MAX_SAMPLES // 6 else 3
        for members, weights, control in self._bundles(prim, kind, points, counts, starts):
            numbers = starts[members][:, None] + np.arange(weights.shape[1])
            lines = np.einsum("mn,knd->kmd", weights, control)
            radii = _along(widths, members, weights, numbers, len(counts), len(points)) / 2.0
            across = None if facing is None else np.einsum("mn,knd->kmd", weights, facing[numbers])
            parts.append(_tubes(lines, radii, across, sides, members, weights, numbers, len(points)))
        return _joined(parts) if parts else None

    def _facing(self, prim: Usd.Prim, counts: Ints) -> Matrix | None:
        """Return the normal of each control point; None where there are none, or they do not fit."""
        listed = self._listed_primvar(prim, "normals", 3)
        authored = get(UsdGeom.Curves(prim).GetNormalsAttr(), self._time, [])
        normals = np.asarray(listed.array if listed else authored, np.float64)
        if not len(normals):
            return None
        rows: Ints | None = None
        if len(normals) == int(counts.sum()):
            rows = np.arange(len(normals))
        elif len(normals) == len(counts):
            rows = np.repeat(np.arange(len(counts)), counts)
        elif len(normals) == 1:
            rows = np.zeros(int(counts.sum()), np.int64)
        if rows is None or normals.ndim != 2 or normals.shape[1] != 3 or not np.isfinite(normals).all():
            self._diagnostics.warn("Normals that do not fit the curves: drawn as tubes", str(prim.GetPath()))
            return None
        return normals[rows]

    def _bundles(
        self, prim: Usd.Prim, kind: str, points: Matrix, counts: Ints, starts: Ints
    ) -> list[tuple[Ints, Weights, Matrix]]:
        """Group curves that share basis weights: curve indices, weights, control points of each."""
        found: list[tuple[Ints, Weights, Matrix]] = []
        if kind == "NurbsCurves":
            nurbs_curves = UsdGeom.NurbsCurves(prim)
            orders = np.asarray(get(nurbs_curves.GetOrderAttr(), self._time, []), np.int64)
            knots = np.asarray(get(nurbs_curves.GetKnotsAttr(), self._time, []), np.float64)
            rational = np.asarray(get(nurbs_curves.GetPointWeightsAttr(), self._time, []), np.float64)
            first = 0
            for number, count in enumerate(counts.tolist()):
                order = int(orders[min(number, len(orders) - 1)]) if len(orders) else 4
                local = nurbs(count, order, knots[first : first + count + order], None)
                weights = dense(*local, count) if local else None
                if weights is not None and len(rational) == len(points):
                    weights = weights * rational[starts[number] : starts[number] + count]
                    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
                first += count + order
                self._add(found, prim, np.array([number]), weights, points, starts, count)
            return found
        for count in np.unique(counts).tolist():
            members = np.flatnonzero(counts == count)
            if kind == "HermiteCurves":
                made = basis(count, "cubic", "catmullRom", "pinned")
            else:
                curves = UsdGeom.BasisCurves(prim)
                made = basis(
                    count,
                    str(get(curves.GetTypeAttr(), self._time, "cubic")),
                    str(get(curves.GetBasisAttr(), self._time, "bezier")),
                    str(get(curves.GetWrapAttr(), self._time, "nonperiodic")),
                )
            self._add(found, prim, members, made[0] if made else None, points, starts, count)
        return found

    def _add(
        self,
        found: list[tuple[Ints, Weights, Matrix]],
        prim: Usd.Prim,
        members: Ints,
        weights: Weights | None,
        points: Matrix,
        starts: Ints,
        count: int,
    ) -> None:
        if weights is None:
            self._diagnostics.warn(
                "Curves with too few points, or too many, are skipped", str(prim.GetPath())
            )
            return
        found.append((members, weights, points[starts[members][:, None] + np.arange(count)]))


_Made = tuple[Any, Indices, Any, Any, _Elements]
"""Positions, triangles, normals, texture coordinates, and how primvar values map to the vertices."""


def _along(
    values: Values | None, members: Ints, weights: Weights, numbers: Ints, curves: int, points: int
) -> Matrix:
    """Interpolate a scalar primvar at each sample of each curve."""
    shape = (len(members), len(weights))
    if values is None:
        return np.ones(shape)
    array = np.abs(np.nan_to_num(values.array.reshape(-1).astype(np.float64)))
    if len(array) == 1 or values.interpolation == "constant":
        return np.full(shape, array[0])
    if len(array) == points:
        mixed: Matrix = np.einsum("mn,kn->km", weights, array[numbers])
        return mixed
    if len(array) == curves:
        return np.tile(array[members][:, None], (1, len(weights)))
    if len(array) >= 2 * curves:
        # `varying`: one value for each segment end, so both ends of the curve have one.
        each = len(array) // curves
        place = np.linspace(0, each - 1, len(weights))
        below = np.minimum(place.astype(np.int64), each - 2)
        own = members[:, None] * each + below[None]
        return array[own] * (1 - (place - below)) + array[own + 1] * (place - below)
    first: Matrix = np.full(shape, array[0])
    return first


def _tubes(
    lines: Matrix,
    radii: Matrix,
    across: Matrix | None,
    sides: int,
    members: Ints,
    weights: Weights,
    numbers: Ints,
    points: int,
) -> _Made:
    """Build tubes around polylines (curves, samples, 3), or flat ribbons where `across` is given."""
    curves, samples = lines.shape[:2]
    tangents = _unit(np.gradient(lines, axis=1))
    if across is not None:
        normal = _unit(across)
        side = _unit(np.cross(normal, tangents))
        rings = np.stack([lines - side * radii[..., None], lines + side * radii[..., None]], axis=2)
        normals, columns, is_round = np.repeat(normal[:, :, None], 2, axis=2), 2, False
    else:
        helper = np.where(np.abs(tangents[:, :1, 1:2]) < 0.9, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
        first = _unit(np.cross(helper, tangents[:, :1]))[:, 0]
        frame = np.empty_like(tangents)
        for sample in range(samples):
            # Parallel transport of the previous frame keeps tubes from twisting.
            tangent = tangents[:, sample]
            first = _unit(first - tangent * np.sum(first * tangent, axis=1, keepdims=True))
            frame[:, sample] = first
        other = np.cross(tangents, frame)
        angles = np.arange(sides) / sides * 2 * np.pi
        normals = frame[:, :, None] * np.cos(angles)[:, None] + other[:, :, None] * np.sin(angles)[:, None]
        rings = lines[:, :, None] + normals * radii[..., None, None]
        columns, is_round = sides, True
    row = np.arange(curves)[:, None, None] * samples + np.arange(samples - 1)[:, None]
    column = np.arange(columns if is_round else columns - 1)
    a = row * columns + column
    b = row * columns + (column + 1) % columns
    triangles = _two_triangles(
        a.reshape(-1), b.reshape(-1), (b + columns).reshape(-1), (a + columns).reshape(-1)
    )
    v = np.linspace(0, 1, samples)[None, :, None] * np.ones((curves, 1, columns))
    u = np.arange(columns) / max(columns - 1, 1) * np.ones((curves, samples, 1))
    owners = np.repeat(members, samples * columns)
    per_vertex = np.tile(np.repeat(weights, columns, axis=0), (curves, 1))
    elements = _Elements((per_vertex, np.repeat(numbers, samples * columns, axis=0)), owners, points)
    return (
        rings.reshape(-1, 3),
        triangles,
        normals.reshape(-1, 3),
        np.stack([u, v], axis=3).reshape(-1, 2),
        elements,
    )


def _joined(parts: list[_Made]) -> _Made:
    """Return several meshes merged into one."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    triangles = np.concatenate(
        [part[1].astype(np.int64) + start for part, start in zip(parts, starts, strict=True)]
    ).astype(np.uint32)
    width = max(part[4].vertex[0].shape[1] for part in parts if part[4].vertex)
    pairs = [part[4].vertex for part in parts if part[4].vertex]
    padded = [np.pad(weights, ((0, 0), (0, width - weights.shape[1]))) for weights, _ in pairs]
    numbers = [np.pad(number, ((0, 0), (0, width - number.shape[1]))) for _, number in pairs]
    elements = _Elements(
        (np.concatenate(padded), np.concatenate(numbers)),
        np.concatenate([part[4].uniform for part in parts]),
        parts[0][4].count,
    )
    normals = np.concatenate([part[2] for part in parts if part[2] is not None])
    return (
        np.concatenate([part[0] for part in parts]),
        triangles,
        normals,
        np.concatenate([part[3] for part in parts]),
        elements,
    )


def _listed(values: Values) -> Values | None:
    """Return the primvar without indices; None where one of them is out of range."""
    if values.indices is None:
        return values
    which = values.indices
    if not len(which) or int(which.min()) < 0 or int(which.max()) >= len(values.array):
        return None
    return Values(values.name, values.array[which], None, values.interpolation, values.width)


def _spread(values: Values, elements: _Elements, width: int) -> Array | None:
    """Return the primvar's value at each vertex; None when its length does not match."""
    listed = _listed(values)
    if listed is None:
        return None
    array = listed.array[:, None] if listed.array.ndim == 1 else listed.array
    if array.ndim != 2 or array.shape[1] < width:
        return None
    array = np.nan_to_num(array[:, :width], nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    if values.interpolation in ("vertex", "varying", "faceVarying") and elements.vertex:
        if len(array) != elements.count:
            return None
        weights, numbers = elements.vertex
        mixed: Array = np.einsum("vn,vnd->vd", weights, array[numbers]).astype(np.float32)
        return mixed
    if int(elements.uniform.max()) >= len(array):
        return None
    return array[elements.uniform].astype(np.float32)


def _two_triangles(a: Ints, b: Ints, c: Ints, d: Ints) -> Indices:
    pairs = np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], 1)
    return pairs.reshape(-1, 3).astype(np.uint32)


def _smooth(positions: Matrix, triangles: Indices) -> Matrix:
    a, b, c = (positions[triangles[:, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    total = np.zeros_like(positions)
    for corner in range(3):
        np.add.at(total, triangles[:, corner], faces)
    return _unit(total)


def _unit(vectors: Matrix) -> Matrix:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Matrix = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return result
