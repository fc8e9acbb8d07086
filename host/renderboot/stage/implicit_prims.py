"""Spheres, cubes, cylinders, cones, capsules and planes at one frame: shapes and their primvars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pxr import Usd

from ..diagnostics import Diagnostics
from ..scene import Array, Material, Matrix, Mesh
from . import implicit
from .bindings import without_primvars
from .mesh_parts import Ints, Values
from .primvars import PrimvarReader
from .values import get


class ImplicitReader:
    """Reads implicit shapes at one frame."""

    def __init__(self, time: Usd.TimeCode, primvars: PrimvarReader, diagnostics: Diagnostics) -> None:
        self._time = time
        self._primvars = primvars
        self._diagnostics = diagnostics

    def mesh(self, prim: Usd.Prim, material: Material, transform: Matrix) -> Mesh | None:
        """Return the shape as triangles; None when its size is not finite."""
        kind = str(prim.GetTypeName())
        with np.errstate(all="ignore"):
            shape = SHAPES[kind](prim, self._time)
        if not np.isfinite(shape.positions).all():
            self._diagnostics.warn("A shape whose size is not finite is skipped", str(prim.GetPath()))
            return None
        attributes: dict[str, Array] = {}
        for primvar in material.primvars.values():
            values = self._primvars.values(prim, primvar.name, primvar.width)
            found = self._spread(prim, kind, values, primvar.width, len(shape.positions)) if values else None
            if found is not None:
                attributes[primvar.name] = found
        missing = {primvar.name for primvar in material.primvars.values()} - set(attributes)
        return Mesh(
            path=str(prim.GetPath()),
            positions=shape.positions,
            triangles=shape.triangles,
            material=without_primvars(material, missing),
            transform=transform,
            normals=shape.normals,
            uvs=shape.uvs,
            attributes=attributes,
            is_closed=kind != "Plane",
        )

    def _spread(self, prim: Usd.Prim, kind: str, values: Values, width: int, count: int) -> Array | None:
        """Return the primvar at each vertex; with a warning the first value, where USD defines no mapping."""
        array = values.array[:, None] if values.array.ndim == 1 else values.array
        if array.ndim != 2 or array.shape[1] < width or not len(array):
            self._diagnostics.warn(
                f"The primvar '{values.name}' does not fit and is ignored", str(prim.GetPath())
            )
            return None
        array = np.nan_to_num(array[:, :width], nan=0.0, posinf=0.0, neginf=0.0)
        rows: Ints | None = None
        if kind == "Cube":
            by = implicit.cube_elements()
            rows = by.get(values.interpolation, by["vertex"])
        elif kind == "Plane" and values.interpolation in ("vertex", "varying", "faceVarying"):
            rows = np.arange(4)
        if rows is not None and values.indices is not None:
            rows = values.indices[rows].astype(np.int64) if int(rows.max()) < len(values.indices) else None
        if rows is None or int(rows.max()) >= len(array) or int(rows.min()) < 0:
            self._diagnostics.warn(
                f"Several values of the primvar '{values.name}' on a {kind}: the first is rendered",
                str(prim.GetPath()),
            )
            rows = np.zeros(count, np.int64)
        return np.ascontiguousarray(array[rows], np.float32)


def _sphere(prim: Usd.Prim, time: Usd.TimeCode) -> implicit.Shape:
    return implicit.sphere(_number(prim, "radius", time, 1.0))


def _cube(prim: Usd.Prim, time: Usd.TimeCode) -> implicit.Shape:
    return implicit.cube(_number(prim, "size", time, 2.0))


def _cylinder(prim: Usd.Prim, time: Usd.TimeCode) -> implicit.Shape:
    bottom, top = _radii(prim, time, 1.0)
    return implicit.cylinder(bottom, top, _number(prim, "height", time, 2.0), _axis(prim))


def _cone(prim: Usd.Prim, time: Usd.TimeCode) -> implicit.Shape:
    radius, height = _number(prim, "radius", time, 1.0), _number(prim, "height", time, 2.0)
    return implicit.cylinder(radius, 0.0, height, _axis(prim))


def _capsule(prim: Usd.Prim, time: Usd.TimeCode) -> implicit.Shape:
    bottom, top = _radii(prim, time, 0.5)
    return implicit.capsule(bottom, top, _number(prim, "height", time, 1.0), _axis(prim))


def _plane(prim: Usd.Prim, time: Usd.TimeCode) -> implicit.Shape:
    return implicit.plane(_number(prim, "width", time, 2.0), _number(prim, "length", time, 2.0), _axis(prim))


def _number(prim: Usd.Prim, name: str, time: Usd.TimeCode, default: float) -> float:
    return float(get(prim.GetAttribute(name), time, default))


def _radii(prim: Usd.Prim, time: Usd.TimeCode, default: float) -> tuple[float, float]:
    if prim.HasAttribute("radiusBottom"):
        return _number(prim, "radiusBottom", time, default), _number(prim, "radiusTop", time, default)
    radius = _number(prim, "radius", time, default)
    return radius, radius


def _axis(prim: Usd.Prim) -> str:
    axis = str(get(prim.GetAttribute("axis"), Usd.TimeCode.Default(), "Z"))
    return axis if axis in ("X", "Y", "Z") else "Z"


SHAPES: dict[str, Callable[[Usd.Prim, Usd.TimeCode], implicit.Shape]] = {
    "Sphere": _sphere,
    "Cube": _cube,
    "Cylinder": _cylinder,
    "Cylinder_1": _cylinder,
    "Cone": _cone,
    "Capsule": _capsule,
    "Capsule_1": _capsule,
    "Plane": _plane,
}
