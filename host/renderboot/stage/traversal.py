"""The walk over a stage: places, visibility, purposes, instancing, and which prim becomes what.

What each prim means is read by the neighbours; prims that nothing can render are named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdLux, UsdShade, UsdSkel

from ..cache import PartCache
from ..diagnostics import Diagnostics
from ..scene import Group, Instances, Material, Matrix, Mesh
from . import implicit
from .lights import LightReader
from .materials import MaterialReader, displayed
from .mesh_parts import Ints
from .meshes import MeshReading
from .values import colour_of, get, matrix_of

_UNSEEN = (UsdShade.Material, UsdShade.Shader, UsdShade.NodeGraph, UsdGeom.Camera, UsdGeom.Subset)


@dataclass(frozen=True)
class _Place:
    """What a prim has from its ancestors."""

    matrix: Matrix
    purpose: UsdGeom.Imageable.PurposeInfo


class StageWalk:
    """Builds the neutral groups of one stage at one frame."""

    def __init__(
        self,
        stage: Usd.Stage,
        time: Usd.TimeCode,
        purposes: frozenset[str],
        diagnostics: Diagnostics,
        cache: PartCache | None,
    ) -> None:
        self._stage = stage
        self._cache = cache
        self._time = time
        self._purposes = purposes
        self._diagnostics = diagnostics
        self._materials = MaterialReader(time, diagnostics)
        self._lights = LightReader(time, diagnostics)
        self._xforms = UsdGeom.XformCache(time)
        self._prototypes: dict[tuple[str, ...], Group] = {}
        self._open_prototypes: list[str] = []
        self.cameras: list[Usd.Prim] = []
        self.prims_seen = 0

    def walk(self) -> Group:
        """Everything to be seen on the stage, in world space."""
        root = Group("/")
        for prim in self._stage.GetPseudoRoot().GetChildren():
            self._visit(prim, _Place(np.eye(4), UsdGeom.Imageable.PurposeInfo()), root)
        return root

    def _visit(self, prim: Usd.Prim, above: _Place, group: Group) -> None:
        self.prims_seen += 1
        if any(prim.IsA(kind) for kind in _UNSEEN):
            if prim.IsA(UsdGeom.Camera):
                self.cameras.append(prim)
            return
        imageable = UsdGeom.Imageable(prim)
        place = above
        if imageable:
            if get(imageable.GetVisibilityAttr(), self._time, "inherited") == UsdGeom.Tokens.invisible:
                return
            place = _Place(self._matrix(prim, above.matrix), imageable.ComputePurposeInfo(above.purpose))
        if prim.IsInstance() and not self._open_prototypes:
            self._instance(prim, place, group)
            return
        if prim.IsA(UsdGeom.PointInstancer):
            if self._is_included(place):
                self._point_instancer(UsdGeom.PointInstancer(prim), place, group)
            return
        if self._is_included(place):
            self._content(prim, place, group)
        if prim.IsA(UsdGeom.Gprim) and not prim.IsA(UsdGeom.Mesh) and not prim.GetChildren():
            return
        for child in prim.GetFilteredChildren(Usd.TraverseInstanceProxies()):
            self._visit(child, place, group)

    def _is_included(self, place: _Place) -> bool:
        return str(place.purpose.purpose or "default") in self._purposes

    def _matrix(self, prim: Usd.Prim, above: Matrix) -> Matrix:
        if not prim.IsA(UsdGeom.Xformable):
            return above
        local, resets = self._xforms.GetLocalTransformation(prim)
        return matrix_of(local) if resets else above @ matrix_of(local)

    # -- what a prim is

    def _content(self, prim: Usd.Prim, place: _Place, group: Group) -> None:
        kind = str(prim.GetTypeName())
        if kind == "Mesh":
            self._mesh(prim, place, group)
        elif kind in _IMPLICIT:
            self._implicit(prim, place, group)
        elif prim.HasAPI(UsdLux.LightAPI):
            light = self._lights.light(prim, place.matrix)
            if light:
                group.lights.append(light)
            return
        elif prim.IsA(UsdSkel.Root):
            self._diagnostics.warn(
                "Skinning is not rendered: SkelRoots stay in their rest pose", str(prim.GetPath())
            )
        elif prim.IsA(UsdGeom.Boundable) and not prim.IsA(UsdSkel.Skeleton):
            self._diagnostics.warn(f"Cannot render {kind} prims: skipped", str(prim.GetPath()))
        if kind == "Mesh" and prim.HasAPI(UsdLux.MeshLightAPI):
            self._diagnostics.warn("Cannot render mesh lights: drawn as plain meshes", str(prim.GetPath()))

    def _mesh(self, prim: Usd.Prim, place: _Place, group: Group) -> None:
        mesh = UsdGeom.Mesh(prim)
        reading = MeshReading(mesh, self._time, self._diagnostics, self._cache)
        if not reading.is_valid:
            return
        if mesh.GetSubdivisionSchemeAttr().Get() != UsdGeom.Tokens.none:
            self._diagnostics.note(
                "Subdivision surfaces are rendered as their control meshes", str(prim.GetPath())
            )
        parts: list[tuple[Usd.Prim, Ints | None]] = []
        rest = np.ones(reading.face_count, bool)
        for subset in UsdShade.MaterialBindingAPI(prim).GetMaterialBindSubsets():
            if subset.GetElementTypeAttr().Get() != UsdGeom.Tokens.face:
                continue
            listed: Ints = np.asarray(get(subset.GetIndicesAttr(), self._time, []), np.int64)
            listed = listed[(listed >= 0) & (listed < reading.face_count)]
            rest[listed] = False
            parts.append((subset.GetPrim(), listed))
        if not parts:
            parts = [(prim, None)]
        elif rest.any():
            parts.append((prim, np.flatnonzero(rest)))
        for bound, faces in parts:
            material = self._material_of(bound, prim)
            colour_primvar = getattr(material.diffuse_colour, "primvar", None)
            uv_primvar = self._uv_primvar(material)
            part = reading.part(faces, uv_primvar, colour_primvar, needs_closed=material.transmits)
            if part is None:
                continue
            if material.textures and part.uvs is None:
                self._diagnostics.warn(
                    f"Textured, but without the primvar '{uv_primvar}'", str(prim.GetPath())
                )
            group.meshes.append(
                Mesh(
                    path=str(bound.GetPath()),
                    positions=part.positions,
                    triangles=part.triangles,
                    material=material,
                    transform=place.matrix,
                    normals=part.normals,
                    uvs=part.uvs,
                    colours=part.colours,
                    is_closed=part.is_closed,
                )
            )

    def _implicit(self, prim: Usd.Prim, place: _Place, group: Group) -> None:
        shape = _IMPLICIT[str(prim.GetTypeName())](prim, self._time)
        group.meshes.append(
            Mesh(
                path=str(prim.GetPath()),
                positions=shape.positions,
                triangles=shape.triangles,
                material=self._material_of(prim, prim),
                transform=place.matrix,
                normals=shape.normals,
                uvs=shape.uvs,
                is_closed=prim.GetTypeName() != "Plane",
            )
        )

    # -- materials

    def _material_of(self, bound: Usd.Prim, geometry: Usd.Prim) -> Material:
        material = UsdShade.MaterialBindingAPI(bound).ComputeBoundMaterial(UsdShade.Tokens.full)[0]
        if material:
            readable = self._materials.material(material)
            if readable:
                return readable
        elif (
            bound.HasRelationship("material:binding")
            and bound.GetRelationship("material:binding").GetTargets()
        ):
            self._diagnostics.warn(
                "Bound to a material that does not exist; shows displayColor", str(bound.GetPath())
            )
        return self._displayed(geometry)

    def _displayed(self, prim: Usd.Prim) -> Material:
        primvars = UsdGeom.PrimvarsAPI(prim)
        opacity_primvar = primvars.FindPrimvarWithInheritance("displayOpacity")
        opacities = opacity_primvar.Get(self._time) if opacity_primvar else None
        opacity = float(np.mean(np.asarray(opacities))) if opacities else 1.0
        colours = primvars.FindPrimvarWithInheritance("displayColor")
        values = colours.Get(self._time) if colours else None
        if not values:
            return displayed(None, opacity)
        if len(values) == 1 or not prim.IsA(UsdGeom.Mesh):
            return displayed(colour_of(values[0]), opacity)
        return displayed(colour_of(values[0]), opacity, "displayColor")

    def _uv_primvar(self, material: Material) -> str:
        names = [texture.uv_primvar for texture in material.textures]
        if len(set(names)) > 1:
            self._diagnostics.warn(
                f"Several texture coordinates on one material; '{names[0]}' is used", material.path
            )
        return names[0] if names else "st"

    # -- instances

    def _instance(self, prim: Usd.Prim, place: _Place, group: Group) -> None:
        """An instanceable prim: read once for each prototype, material and purpose that reach it."""
        bound = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial(UsdShade.Tokens.full)[0]
        outside = str(bound.GetPath()) if bound else ""
        colour = UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance("displayColor")
        shown = str(colour.Get(self._time)) if colour else ""
        key = (str(prim.GetPrototype().GetPath()), outside, shown, str(place.purpose.purpose))
        prototype = self._prototypes.get(key)
        if prototype is None:
            prototype = self._prototype(prim, place.purpose)
            self._prototypes[key] = prototype
        if not prototype.is_empty:
            _add_instances(group, str(prim.GetPath()), prototype, place.matrix[None])

    def _prototype(self, prim: Usd.Prim, purpose: UsdGeom.Imageable.PurposeInfo) -> Group:
        """The subtree of a prim in that prim's own space."""
        prototype = Group(str(prim.GetPath()))
        here = _Place(np.eye(4), purpose)
        self._open_prototypes.append(str(prim.GetPath()))
        try:
            if prim.IsA(UsdGeom.PointInstancer):
                self._point_instancer(UsdGeom.PointInstancer(prim), here, prototype)
                return prototype
            if self._is_included(here):
                self._content(prim, here, prototype)
            for child in prim.GetFilteredChildren(Usd.TraverseInstanceProxies()):
                self._visit(child, here, prototype)
        finally:
            self._open_prototypes.pop()
        return prototype

    def _point_instancer(self, instancer: UsdGeom.PointInstancer, place: _Place, group: Group) -> None:
        path = str(instancer.GetPath())
        targets = instancer.GetPrototypesRel().GetForwardedTargets()
        indices = instancer.GetProtoIndicesAttr().Get(self._time)
        if not targets or not indices:
            self._diagnostics.warn("A PointInstancer without prototypes or indices is skipped", path)
            return
        transforms = instancer.ComputeInstanceTransformsAtTime(
            self._time,
            self._time,
            UsdGeom.PointInstancer.IncludeProtoXform,
            UsdGeom.PointInstancer.IgnoreMask,
        )
        chosen = np.asarray(indices, np.int64)
        if len(transforms) != len(chosen):
            self._diagnostics.warn("A PointInstancer with fewer positions than indices is skipped", path)
            return
        shown = np.asarray(instancer.ComputeMaskAtTime(self._time) or [True] * len(chosen), bool)
        matrices = place.matrix @ np.asarray(transforms, np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)
        for number, target in enumerate(targets):
            here = shown & (chosen == number)
            if not here.any():
                continue
            prototype = self._instancer_prototype(target, place, path)
            if prototype and not prototype.is_empty:
                _add_instances(group, path, prototype, matrices[here])
        if ((chosen < 0) | (chosen >= len(targets))).any():
            self._diagnostics.warn("A PointInstancer points to prototypes it does not have", path)

    def _instancer_prototype(self, target: Sdf.Path, place: _Place, instancer: str) -> Group | None:
        prim = self._stage.GetPrimAtPath(target)
        if not prim:
            self._diagnostics.warn(f"The prototype {target} does not exist", instancer)
            return None
        if str(target) in self._open_prototypes:
            self._diagnostics.warn(f"The prototype {target} contains its own instancer", instancer)
            return None
        key = (str(target), str(place.purpose.purpose))
        if key not in self._prototypes:
            self._prototypes[key] = self._prototype(prim, place.purpose)
        return self._prototypes[key]


def _add_instances(group: Group, path: str, prototype: Group, matrices: Matrix) -> None:
    """Instances of the same prototype gather in one record, whoever asked for them."""
    for instances in group.instances:
        if instances.prototype is prototype:
            instances.matrices = np.concatenate([instances.matrices, matrices])
            return
    group.instances.append(Instances(path, prototype, matrices))


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
    return str(get(prim.GetAttribute("axis"), Usd.TimeCode.Default(), "Z"))


_IMPLICIT: dict[str, Callable[[Usd.Prim, Usd.TimeCode], implicit.Shape]] = {
    "Sphere": _sphere,
    "Cube": _cube,
    "Cylinder": _cylinder,
    "Cylinder_1": _cylinder,
    "Cone": _cone,
    "Capsule": _capsule,
    "Capsule_1": _capsule,
    "Plane": _plane,
}
