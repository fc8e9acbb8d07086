"""Instanceable prims and PointInstancers: prototypes read once for each set of values that reaches them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from pxr import Sdf, Usd, UsdGeom

from ..diagnostics import Diagnostics
from ..scene import Group, Instances, Matrix
from .bindings import BindingReader
from .mesh_parts import Ints, Values
from .place import Place
from .primvars import InstanceValues, PrimvarReader, padded
from .values import get

MAX_VARIANTS = 256
"""The most copies of one prototype: each distinct set of instance primvars needs its own meshes."""
_MAX_NESTING = 32

_IN_PROTOTYPES = Usd.TraverseInstanceProxies(
    Usd.PrimIsActive & Usd.PrimIsLoaded & Usd.PrimHasDefiningSpecifier
)
"""Prototypes may be below an `over` or a `class`: only their own specifier is tested."""


class PrimVisitor(Protocol):
    """Reads ordinary prims: the traversal of the stage, which calls InstanceReader in turn."""

    primvars: PrimvarReader
    bindings: BindingReader

    def visit(
        self,
        prims: list[Usd.Prim],
        above: Place,
        group: Group,
        children: Usd.PrimFlagsPredicate | None = None,
    ) -> None:
        """Add the prims and all below them to `group`."""

    def add(self, prim: Usd.Prim, place: Place, group: Group) -> None:
        """Add the prim itself, without its children, to `group`."""

    def place(self, prim: Usd.Prim, above: Place) -> Place | None:
        """Return the prim's transform and purpose; None when it is invisible or has no valid transform."""

    def is_included(self, place: Place) -> bool:
        """Return whether prims of this purpose are rendered."""


class InstanceReader:
    """Reads instanceable prims and PointInstancers; `walk` reads what their prototypes contain."""

    def __init__(
        self, walk: PrimVisitor, stage: Usd.Stage, time: Usd.TimeCode, diagnostics: Diagnostics
    ) -> None:
        self._walk = walk
        self._stage = stage
        self._time = time
        self._diagnostics = diagnostics
        self._prototypes: dict[tuple[object, ...], Group] = {}
        self._names: dict[str, set[str]] = {}
        """Names of primvars that a prototype's prims inherit from outside."""
        self._open: list[str] = []

    @property
    def is_reading_prototype(self) -> bool:
        """Whether a prototype is being read; instances nested in it are then expanded."""
        return bool(self._open)

    # --- Instanceable prims ---

    def add_instance(self, prim: Usd.Prim, place: Place, group: Group) -> None:
        """Add an instanceable prim."""
        shared = str(prim.GetPrototype().GetPath())
        bound = tuple(str(material.GetPath()) for material in self._walk.bindings.candidates(prim))
        above = (shared, bound, str(place.purpose.purpose))
        names = self._names.get(shared, set())
        key = (*above, self._walk.primvars.inherited(prim, names))
        prototype = self._prototypes.get(key)
        if prototype is None or shared not in self._names:
            prototype = self._prototype(prim, place, shared, Usd.TraverseInstanceProxies())
            key = (*above, self._walk.primvars.inherited(prim, self._names[shared]))
            self._prototypes[key] = prototype
        if not prototype.is_empty:
            _add_instances(group, str(prim.GetPath()), prototype, place.matrix[None])

    def _prototype(self, prim: Usd.Prim, place: Place, name: str, children: Usd.PrimFlagsPredicate) -> Group:
        """Read the prim's subtree in its local space; records which primvars it inherits from outside."""
        walk = self._walk
        prototype = Group(str(prim.GetPath()))
        here = Place(np.eye(4), place.purpose)
        outer, walk.primvars.inherited_names = walk.primvars.inherited_names, set()
        self._open.append(name)
        try:
            if prim.IsA(UsdGeom.PointInstancer):
                if walk.is_included(here):
                    self.add_points(UsdGeom.PointInstancer(prim), here, prototype)
            else:
                if walk.is_included(here):
                    walk.add(prim, here, prototype)
                below = [
                    child
                    for child in prim.GetFilteredChildren(children)
                    if child.GetSpecifier() != Sdf.SpecifierClass
                ]
                walk.visit(below, here, prototype, children)
        finally:
            self._open.pop()
            self._names.setdefault(name, set()).update(walk.primvars.inherited_names)
            outer.update(walk.primvars.inherited_names)
            walk.primvars.inherited_names = outer
        return prototype

    # --- PointInstancers ---

    def add_points(self, instancer: UsdGeom.PointInstancer, place: Place, group: Group) -> None:
        """Add all visible instances of a PointInstancer."""
        path = str(instancer.GetPath())
        targets = instancer.GetPrototypesRel().GetForwardedTargets()
        indices = get(instancer.GetProtoIndicesAttr(), self._time, None)
        if not targets or not indices:
            self._diagnostics.warn("A PointInstancer without prototypes or indices is skipped", path)
            return
        if len(self._open) >= _MAX_NESTING:
            self._diagnostics.warn(f"PointInstancers more than {_MAX_NESTING} deep are skipped", path)
            return
        transforms = instancer.ComputeInstanceTransformsAtTime(
            self._time,
            self._time,
            UsdGeom.PointInstancer.IncludeProtoXform,
            UsdGeom.PointInstancer.IgnoreMask,
        )
        chosen = np.asarray(indices, np.int64)
        if len(transforms) != len(chosen):
            self._diagnostics.warn(
                "A PointInstancer whose positions and indices do not fit together is skipped", path
            )
            return
        shown = np.asarray(instancer.ComputeMaskAtTime(self._time) or [True] * len(chosen), bool)
        matrices = place.matrix @ np.asarray(transforms, np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)
        is_finite = np.isfinite(matrices).all(axis=(1, 2))
        if not is_finite.all():
            self._diagnostics.warn("Instances whose transforms are not finite are skipped", path)
        shown &= is_finite
        for number, target in enumerate(targets):
            here = np.flatnonzero(shown & (chosen == number))
            if len(here):
                self._add_target(instancer, target, place, group, matrices, here)
        if ((chosen < 0) | (chosen >= len(targets))).any():
            self._diagnostics.warn("A PointInstancer points to prototypes it does not have", path)

    def _add_target(
        self,
        instancer: UsdGeom.PointInstancer,
        target: Sdf.Path,
        place: Place,
        group: Group,
        matrices: Matrix,
        here: Ints,
    ) -> None:
        path, name = str(instancer.GetPath()), str(target)
        prim = self._stage.GetPrimAtPath(target)
        if not prim:
            self._diagnostics.warn(f"The prototype {target} does not exist", path)
            return
        if name in self._open:
            self._diagnostics.warn(f"The prototype {target} contains its own instancer", path)
            return
        if not (prim.IsActive() and prim.IsLoaded() and prim.HasDefiningSpecifier()):
            self._diagnostics.warn(f"The prototype {target} is inactive, unloaded or an 'over'", path)
            return
        # The root's visibility and purpose apply as usual; its transform is already in the matrices.
        root = self._walk.place(prim, place)
        if root is None:
            return
        # Primvars of enclosing instances also reach this prototype.
        key: tuple[object, ...] = (name, str(root.purpose.purpose), self._walk.primvars.given)
        if name not in self._names:
            # The first reading shows which primvars the prototype takes from its instances.
            self._prototypes[(*key, ())] = self._prototype(prim, root, name, _IN_PROTOTYPES)
        self._walk.primvars.inherited_names |= self._names[name]
        for values, members in self._by_values(instancer, self._names[name], len(matrices), here):
            if (*key, values) not in self._prototypes:
                with self._walk.primvars.instance(values):
                    self._prototypes[(*key, values)] = self._prototype(prim, root, name, _IN_PROTOTYPES)
            prototype = self._prototypes[(*key, values)]
            if not prototype.is_empty:
                _add_instances(group, path, prototype, matrices[members])

    def _by_values(
        self, instancer: UsdGeom.PointInstancer, names: set[str], count: int, here: Ints
    ) -> list[tuple[InstanceValues, Ints]]:
        """Group the instances `here` by the primvar values that they give to the prototype."""
        columns: list[tuple[str, Matrix]] = []
        for name in sorted(names):
            primvar = UsdGeom.PrimvarsAPI(instancer).GetPrimvar(name)
            if primvar and primvar.HasAuthoredValue():
                rows = self._instance_rows(instancer, name, count)
                if rows is not None:
                    columns.append((name, rows[here]))
        if not columns:
            return [((), here)]
        table = np.concatenate([rows for _, rows in columns], axis=1)
        unique, inverse = np.unique(table, axis=0, return_inverse=True)
        if len(unique) > MAX_VARIANTS:
            self._diagnostics.warn(
                f"More than {MAX_VARIANTS} different values of an instancer's primvars are rendered as fewer",
                str(instancer.GetPath()),
            )
            unique, inverse = _fewer(table)
        found = []
        for number, row in enumerate(unique):
            values, start = [], 0
            for name, rows in columns:
                values.append((name, tuple(float(x) for x in row[start : start + rows.shape[1]])))
                start += rows.shape[1]
            found.append((tuple(values), here[inverse.reshape(-1) == number]))
        return found

    def _instance_rows(self, instancer: UsdGeom.PointInstancer, name: str, count: int) -> Matrix | None:
        """Return one row per instance; None, with a warning, when there are too few values."""
        values = self._walk.primvars.values(instancer.GetPrim(), name, 1)
        rows = _rows(values, count) if values else None
        if rows is None:
            self._diagnostics.warn(
                f"The instancer's primvar '{name}' does not fit its instances and is ignored",
                str(instancer.GetPath()),
            )
        return rows


def _rows(values: Values, count: int) -> Matrix | None:
    array = values.array[:, None] if values.array.ndim == 1 else values.array
    if array.ndim != 2 or not len(array):
        return None
    width = array.shape[1]
    is_one = values.interpolation == "constant" or (values.indices is None and len(array) == 1)
    which = np.zeros(count, np.int64) if is_one else np.arange(count)
    if values.indices is not None:
        if int(which.max()) >= len(values.indices):
            return None
        which = np.asarray(values.indices, np.int64)[which]
    if int(which.max()) >= len(array) or int(which.min()) < 0:
        return None
    rows = np.asarray(array[which], np.float64)
    return rows if padded(rows.sum(axis=0), width) else None


def _fewer(table: Matrix) -> tuple[Matrix, Ints]:
    """Round the rows until at most MAX_VARIANTS differ; return those, and each row's index among them."""
    low, high = table.min(axis=0), table.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    for steps in range(64, 0, -1):
        rounded = np.round((table - low) / span * steps) / steps * span + low
        unique, inverse = np.unique(rounded, axis=0, return_inverse=True)
        if len(unique) <= MAX_VARIANTS:
            break
    else:
        unique, inverse = table.mean(axis=0)[None], np.zeros(len(table), np.int64)
    return unique, inverse


def _add_instances(group: Group, path: str, prototype: Group, matrices: Matrix) -> None:
    """Add instances to the group's record of this prototype, shared by all prims that instance it."""
    for instances in group.instances:
        if instances.prototype is prototype:
            instances.matrices = np.concatenate([instances.matrices, matrices])
            return
    group.instances.append(Instances(path, prototype, matrices))
