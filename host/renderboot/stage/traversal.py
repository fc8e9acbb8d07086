"""Traverses a stage: transforms, visibility, purposes, and which reader handles each prim.

The other modules of this package read the prims; this one warns of prims that cannot be rendered.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pxr import Sdf, Tf, Usd, UsdGeom, UsdLux, UsdShade, UsdSkel

from ..cache import PartCache
from ..diagnostics import Diagnostics
from ..errors import RenderBootError
from ..scene import MAX_DISTANCE, Group, Material, Matrix, Mesh
from .bindings import BindingReader, without_primvars
from .curves import KINDS, CurveReader
from .implicit_prims import SHAPES, ImplicitReader
from .instancing import InstanceReader
from .kept import KeptMeshes
from .lights import LightReader
from .materials import MaterialReader
from .mesh_parts import Ints
from .meshes import MeshReading
from .not_rendered import mention_not_rendered
from .place import Place
from .primvars import PrimvarReader
from .values import WrongTypeError, get, matrix_of

_PURPOSES = ("", *UsdGeom.Imageable.GetOrderedPurposeTokens())
_UNSEEN = (UsdShade.Material, UsdShade.Shader, UsdShade.NodeGraph, UsdGeom.Subset)


MAX_PRIMS = 4_000_000
"""A mesh with more would take minutes and tens of gigabytes to read."""


def has_children(prim: Usd.Prim) -> bool:
    """Whether anything is below the prim, also as an instance."""
    return bool(prim.IsInstance() or prim.GetAllChildren())


class StageWalk:
    """Builds the neutral groups of one stage at one frame."""

    def __init__(
        self,
        stage: Usd.Stage,
        time: Usd.TimeCode,
        purposes: frozenset[str],
        diagnostics: Diagnostics,
        cache: PartCache | None,
        kept: KeptMeshes | None = None,
    ) -> None:
        self._stage = stage
        self._kept = kept
        self._cache = kept.parts if kept else cache
        self._time = time
        self._purposes = purposes
        self._diagnostics = diagnostics
        self.primvars = PrimvarReader(time)
        materials = MaterialReader(time, diagnostics)
        self.bindings = BindingReader(time, materials, self.primvars, diagnostics)
        if kept:
            self.bindings.collections = kept.collections
            materials.sources = kept.sources
        self._implicit = ImplicitReader(time, self.primvars, diagnostics)
        self._curves = CurveReader(time, self.primvars, diagnostics)
        self._lights = LightReader(time, diagnostics)
        self._xforms = UsdGeom.XformCache(time)
        self._instances = InstanceReader(self, stage, time, diagnostics)
        self.cameras: list[Usd.Prim] = []
        self.prims_seen = 0
        self.skipped: dict[str, int] = {}
        """Number of prims that cannot be rendered, by type."""
        self._hidden: list[Usd.Prim] = []

    def walk(self) -> Group:
        """Return everything on the stage that is rendered, in world space."""
        root = Group("/")
        place = Place(np.eye(4), UsdGeom.Imageable.PurposeInfo())
        self.visit(self._stage.GetPseudoRoot().GetChildren(), place, root)
        return root

    @property
    def has_dark_light(self) -> bool:
        """Whether a light was found that is hidden or has no intensity or area."""
        return self._lights.has_dark_light or any(map(self._lights.is_known, self._hidden_prims()))

    @property
    def hidden_cameras(self) -> list[Usd.Prim]:
        """Cameras below prims that are hidden: a camera sees although it is not seen."""
        return [prim for prim in self._hidden_prims() if prim.IsA(UsdGeom.Camera)]

    def _hidden_prims(self) -> Iterator[Usd.Prim]:
        """Yield hidden prims and what is below them; of instances with one prototype, below the first."""
        seen: set[Sdf.Path] = set()
        for hidden in self._hidden:
            prims = iter(Usd.PrimRange(hidden, Usd.TraverseInstanceProxies()))
            for prim in prims:
                if prim.IsInstance():
                    prototype = prim.GetPrototype().GetPath()
                    if prototype in seen:
                        prims.PruneChildren()
                    seen.add(prototype)
                yield prim

    def visit(
        self,
        prims: list[Usd.Prim],
        above: Place,
        group: Group,
        children: Usd.PrimFlagsPredicate | None = None,
    ) -> None:
        """Add the prims and all below them to the group.

        Args:
            prims: Siblings.
            above: What they inherit from their parent.
            group: Receives what is rendered.
            children: Which children are followed; None: those that are active, loaded, defined, not abstract.
        """
        follow = Usd.TraverseInstanceProxies() if children is None else children
        # A list, not recursion: scenes may nest deeper than Python's stack.
        waiting = [(prim, above) for prim in reversed(prims)]
        while waiting:
            prim, place = waiting.pop()
            here = self._enter(prim, place, group)
            if here is None:
                continue
            below = [
                child
                for child in prim.GetFilteredChildren(follow)
                if child.GetSpecifier() != Sdf.SpecifierClass
            ]
            waiting += [(child, here) for child in reversed(below)]

    def _enter(self, prim: Usd.Prim, above: Place, group: Group) -> Place | None:
        """Add one prim; returns what its children inherit, or None when they must not be visited."""
        try:
            return self._entered(prim, above, group)
        except WrongTypeError as error:
            self._diagnostics.warn(f"Skipped: {error}", str(prim.GetPath()))
        except OverflowError:
            self._diagnostics.warn("Skipped: a value of it is too large", str(prim.GetPath()))
        return None

    def _entered(self, prim: Usd.Prim, above: Place, group: Group) -> Place | None:
        self.prims_seen += 1
        if self.prims_seen > MAX_PRIMS:
            raise RenderBootError(
                f"The stage has more than {MAX_PRIMS:,} prims: use instances, or fewer of them"
            )
        if any(prim.IsA(kind) for kind in _UNSEEN):
            return None
        is_camera = prim.IsA(UsdGeom.Camera)
        if is_camera:
            self.cameras.append(prim)
            # What is below it moves with it: a light, a card.
            if not has_children(prim):
                return None
        place = self.place(prim, above)
        if place is None:
            return None
        if not is_camera:
            mention_not_rendered(prim, self._time, self._diagnostics)
        if prim.IsInstance() and not self._instances.is_reading_prototype:
            self._instances.add_instance(prim, place, group)
            return None
        if prim.IsA(UsdGeom.PointInstancer):
            if self.is_included(place):
                self._instances.add_points(UsdGeom.PointInstancer(prim), place, group)
            return None
        if self.is_included(place):
            self.add(prim, place, group)
        return place

    def place(self, prim: Usd.Prim, above: Place) -> Place | None:
        """Return the prim's transform and purpose; None when it is invisible or has no valid transform."""
        imageable = UsdGeom.Imageable(prim)
        if not imageable:
            return above
        if get(imageable.GetVisibilityAttr(), self._time, "inherited") == UsdGeom.Tokens.invisible:
            self._hidden.append(prim)
            return None
        matrix = self._matrix(prim, above.matrix)
        if not np.isfinite(matrix).all():
            self._diagnostics.warn("A transform that is not finite: the prim is skipped", str(prim.GetPath()))
            return None
        purpose = imageable.ComputePurposeInfo(above.purpose)
        if purpose.purpose not in _PURPOSES:
            self._diagnostics.warn(
                f"The purpose '{purpose.purpose}' is unknown: skipped", str(prim.GetPath())
            )
        return Place(matrix, purpose)

    def is_included(self, place: Place) -> bool:
        """Whether prims of this purpose are rendered."""
        return str(place.purpose.purpose or "default") in self._purposes

    def _matrix(self, prim: Usd.Prim, above: Matrix) -> Matrix:
        if not prim.IsA(UsdGeom.Xformable):
            return above
        try:
            local, resets = self._xforms.GetLocalTransformation(prim)
        except Tf.ErrorException:
            self._diagnostics.warn("A transform that cannot be read is ignored", str(prim.GetPath()))
            return above
        if resets and self._instances.is_reading_prototype:
            self._diagnostics.warn(
                "A transform that is reset within an instance moves with the instance", str(prim.GetPath())
            )
        return matrix_of(local) if resets else above @ matrix_of(local)

    # --- One prim ---

    def add(self, prim: Usd.Prim, place: Place, group: Group) -> None:
        """Add the prim itself, without its children, to the group."""
        kind = str(prim.GetTypeName())
        if kind == "Mesh" or kind in SHAPES or kind in KINDS:
            group.meshes += self._within_limits(self._meshes(prim, kind, place))
            if prim.HasAPI(UsdLux.LightAPI):
                self._diagnostics.warn(
                    "Cannot render mesh lights: drawn as plain meshes", str(prim.GetPath())
                )
        elif prim.HasAPI(UsdLux.LightAPI):
            light = self._lights.light(prim, place.matrix)
            if light:
                group.lights.append(light)
        elif prim.IsA(UsdSkel.Root):
            self._diagnostics.warn(
                "Skinning is not rendered: SkelRoots stay in their rest pose", str(prim.GetPath())
            )
        elif prim.IsA(UsdGeom.Boundable) and not prim.IsA(UsdSkel.Skeleton):
            self.skipped[kind] = self.skipped.get(kind, 0) + 1
            self._diagnostics.warn(f"Cannot render {kind} prims: skipped", str(prim.GetPath()))

    def _within_limits(self, meshes: list[Mesh]) -> list[Mesh]:
        kept = []
        for mesh in meshes:
            with np.errstate(all="ignore"):
                is_within = not len(mesh.positions) or bool((np.abs(mesh.bounds) < MAX_DISTANCE).all())
            if is_within:
                kept.append(mesh)
            else:
                self._diagnostics.warn("Skipped: too large or too far away to be rendered", mesh.path)
        return kept

    def _meshes(self, prim: Usd.Prim, kind: str, place: Place) -> list[Mesh]:
        if self._kept is None:
            return self._read_meshes(prim, kind, place)
        path = prim.GetPath()
        key = (path, self.primvars.given)

        def read() -> tuple[list[Mesh], set[str]]:
            outer, self.primvars.inherited_names = self.primvars.inherited_names, set()
            try:
                return self._read_meshes(prim, kind, place), self.primvars.inherited_names
            finally:
                self.primvars.inherited_names = outer

        meshes, names = self._kept.meshes(key, path, place.matrix, read)
        self.primvars.inherited_names |= names
        return meshes

    def _read_meshes(self, prim: Usd.Prim, kind: str, place: Place) -> list[Mesh]:
        if kind == "Mesh":
            return self._mesh(prim, place)
        reader = self._implicit if kind in SHAPES else self._curves
        mesh = reader.mesh(prim, self.bindings.material(prim, prim), place.matrix)
        return [mesh] if mesh else []

    def _mesh(self, prim: Usd.Prim, place: Place) -> list[Mesh]:
        mesh = UsdGeom.Mesh(prim)
        reading = MeshReading(mesh, self._time, self.primvars, self._diagnostics, self._cache)
        if not reading.is_valid:
            return []
        parts = (
            self._part(prim, bound, faces, reading, place)
            for bound, faces in self._face_sets(prim, reading.face_count)
        )
        return [part for part in parts if part]

    def _face_sets(self, prim: Usd.Prim, face_count: int) -> list[tuple[Usd.Prim, Ints | None]]:
        """Return GeomSubsets that bind materials, and the mesh with the remaining faces; None: all faces."""
        parts: list[tuple[Usd.Prim, Ints | None]] = []
        rest = np.ones(face_count, bool)
        for subset in UsdShade.MaterialBindingAPI(prim).GetMaterialBindSubsets():
            if subset.GetElementTypeAttr().Get() != UsdGeom.Tokens.face:
                self._diagnostics.warn(
                    "A material subset of other elements than faces is not rendered", str(subset.GetPath())
                )
                continue
            listed: Ints = np.asarray(get(subset.GetIndicesAttr(), self._time, []), np.int64)
            listed = listed[(listed >= 0) & (listed < face_count)]
            rest[listed] = False
            parts.append((subset.GetPrim(), listed))
        if not parts:
            return [(prim, None)]
        if rest.any():
            parts.append((prim, np.flatnonzero(rest)))
        return parts

    def _part(
        self, prim: Usd.Prim, bound: Usd.Prim, faces: Ints | None, reading: MeshReading, place: Place
    ) -> Mesh | None:
        material = self.bindings.material(bound, prim)
        uv_primvar = self._uv_primvar(material)
        names = {primvar.name: primvar.width for primvar in material.primvars.values()}
        part = reading.part(faces, uv_primvar, names, needs_closed=material.transmits)
        if part is None:
            return None
        uvs = part.uvs
        if material.textures and uvs is None:
            self._diagnostics.warn(f"Textured, but without the primvar '{uv_primvar}'", str(prim.GetPath()))
            fallback = material.textures[0].uv_fallback
            uvs = np.tile(np.array(fallback, np.float32), (len(part.positions), 1))
        elif material.textures and self.primvars.values(prim, uv_primvar, 2) is None:
            self._diagnostics.warn(
                f"Textured, but without the primvar '{uv_primvar}': its first texture coordinates are used",
                str(prim.GetPath()),
            )
        return Mesh(
            path=str(bound.GetPath()),
            positions=part.positions,
            triangles=part.triangles,
            material=without_primvars(material, set(names) - set(part.attributes)),
            transform=place.matrix,
            normals=part.normals,
            uvs=uvs,
            attributes=part.attributes,
            is_closed=part.is_closed,
        )

    def _uv_primvar(self, material: Material) -> str:
        names = [texture.uv_primvar for texture in material.textures]
        if len(set(names)) > 1:
            self._diagnostics.warn(
                f"Several texture coordinates on one material; '{names[0]}' is used", material.path
            )
        return names[0] if names else "st"
