"""Translates a live scene after each change: reuses shapes, updates values in place.

If more than values changed, a new mitsuba scene is built, with the acceleration structures of all its parts.
From the first such change on meshes are one shape group, and each that was moved is a group of its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from ...diagnostics import Diagnostics
from ...scene import Group, Material, Matrix, Mesh, Scene, every_group
from .kept import Generation
from .materials import MaterialLibrary
from .mitsuba_picture import MitsubaPicture, Sensors, denoiser_of, lights_of, mitsuba_scene, translating
from .shapes import ShapeBuilder
from .textures import MitsubaTextures

_KEPT_BEYOND_FIRST = 32
"""How many textures and materials may be cached beyond those of the first translation."""


class LiveTranslation:
    """See `renderers.LiveTranslation`. Render thread only."""

    def __init__(self, threads: int, diagnostics: Diagnostics) -> None:
        self._threads = threads
        self._diagnostics = diagnostics
        self._textures = MitsubaTextures(diagnostics)
        self._materials = MaterialLibrary(self._textures, diagnostics)
        self._kept = Generation()
        self._kept_lights = Generation()
        self._root: Group | None = None
        self._shapes: ShapeBuilder | None = None
        self._light_count = 0
        """How many of the lights are not in instances: the first ones."""
        self._looks: list[Hashable] = []
        self._parts: list[object] = []
        self._places: dict[str, bytes] = {}
        """The transform of each mesh outside instances, by its path."""
        self._moved: set[str] = set()
        """Meshes whose transform has changed."""
        self._is_grouped = False
        """Whether meshes are in groups: slower for rays by 6 %, but a new scene takes half the time."""
        self._meshes: dict[Hashable, Mesh | None] = {}
        self._whole: Any = None
        self._sensors: Sensors | None = None
        self._most_kept = 0

    def prepare(self, scene: Scene) -> MitsubaPicture:
        """See `renderers.LiveTranslation.prepare`."""
        try:
            with translating(self._threads):
                return self._prepared(scene)
        except BaseException:
            # Objects may be partly updated in place: discard all of them.
            self._kept, self._kept_lights, self._meshes = Generation(), Generation(), {}
            self._whole = self._root = self._shapes = None
            self._materials.forget()
            raise

    def _prepared(self, scene: Scene) -> MitsubaPicture:
        kept_lights = Generation(self._kept_lights)
        shapes = self._shapes_of(scene)
        lights = lights_of(
            scene, shapes.lights, self._textures, self._materials, self._diagnostics, kept_lights
        )
        parts = [*shapes.shapes, *lights]
        if self._whole is None or [id(part) for part in parts] != [id(part) for part in self._parts]:
            if self._whole is not None and not self._is_grouped:
                self._is_grouped = True
                parts = [*self._build_shapes(scene.root).shapes, *lights]
            self._whole, self._parts = mitsuba_scene(parts), parts
        elif kept_lights.has_tuned:
            self._whole.parameters_changed()
        self._kept_lights = kept_lights
        self._forget_if_many()
        denoiser = denoiser_of(scene, self._diagnostics)
        sensors = self._sensors
        if sensors is None or sensors.camera is not scene.camera or sensors.settings != scene.settings:
            sensors = self._sensors = Sensors(scene.camera, scene.settings, self._diagnostics)
        return MitsubaPicture(self._whole, sensors, denoiser)

    def _shapes_of(self, scene: Scene) -> ShapeBuilder:
        """Return the scene's shapes: the previous ones where no mesh and no instance needs another."""
        root, last = scene.root, self._root
        is_known = self._shapes is not None and last is not None and root.instances is last.instances
        if not (is_known and last is not None and root.meshes is last.meshes):
            meshes = _by_slot(scene)
            self._tune_materials(meshes)
            looks = [self._look_of(mesh) for mesh in root.meshes]
            if not is_known or looks != self._looks:
                self._note_moved(root)
                self._build_shapes(root)
            self._meshes, self._looks = meshes, looks
        assert self._shapes is not None
        instance_lights = self._shapes.lights[self._light_count :]
        self._shapes.lights = [*root.lights, *instance_lights]
        self._root, self._light_count = root, len(root.lights)
        return self._shapes

    def _build_shapes(self, root: Group) -> ShapeBuilder:
        self._kept = Generation(self._kept)
        moved = self._moved if self._is_grouped else None
        shapes = _KeptShapeBuilder(self._materials, self._diagnostics, self._kept, moved)
        shapes.add(root)
        shapes.add_unmoved()
        self._shapes, self._light_count = shapes, len(root.lights)
        return shapes

    def _note_moved(self, root: Group) -> None:
        for mesh in root.meshes:
            place = mesh.transform.tobytes()
            if self._places.setdefault(mesh.path, place) != place:
                self._places[mesh.path] = place
                self._moved.add(mesh.path)

    def _look_of(self, mesh: Mesh) -> Hashable:
        """Return a key of all that a mesh's shape is made from, by its arrays and its BSDF."""
        if mesh.material.is_absent:
            return None
        return (_content(mesh, self._materials), mesh.transform.tobytes())

    def _tune_materials(self, meshes: dict[Hashable, Mesh | None]) -> None:
        """Update a BSDF in place when all meshes with one material now have another."""
        pairs: dict[Material, dict[Material, tuple[Mesh, Mesh]]] = {}
        is_shared: set[Material] = set()
        for slot, mesh in meshes.items():
            before = self._meshes.get(slot)
            if mesh is None or before is None:
                is_shared.update(each.material for each in (mesh, before) if each is not None)
            else:
                pairs.setdefault(before.material, {})[mesh.material] = (before, mesh)
        for old, wanted in pairs.items():
            [(new, (before, mesh)), *others] = wanted.items()
            if new != old and not others and old not in is_shared and not new.emits and not new.primvars:
                self._materials.take_over(before, mesh)

    def _forget_if_many(self) -> None:
        """Empty the caches when large: dragging a colour makes a new material for each change."""
        count = self._materials.count + self._textures.count
        if not self._most_kept:
            self._most_kept = count + _KEPT_BEYOND_FIRST
        elif count > self._most_kept:
            self._materials.forget()
            self._textures.forget()


class _KeptShapeBuilder(ShapeBuilder):
    """Reuses shapes of the previous translation. What ids in keys are of is held by the cached values."""

    def __init__(
        self, materials: MaterialLibrary, diagnostics: Diagnostics, kept: Generation, moved: set[str] | None
    ) -> None:
        """
        Args:
            kept: the previous translation's objects.
            moved: paths of the meshes that get a group each; all others get one. None: no groups.
        """
        super().__init__(materials, diagnostics)
        self._kept = kept
        self._moved = moved
        self._unmoved: list[Mesh] = []
        self._listed: set[int] = set()

    def add_unmoved(self) -> None:
        """Add the meshes that have never moved, as one group: rays are faster in it than in one a mesh."""
        if self._unmoved:
            group = self.shape_group(self._unmoved)
            self.shapes += [group, self.instance(group, np.eye(4))]

    def add_mesh(self, mesh: Mesh, matrix: Matrix) -> None:
        placed = matrix @ mesh.transform
        # Neither a light nor a mirrored mesh can be an instance.
        if self._moved is None or mesh.material.emits or np.linalg.det(placed[:3, :3]) <= 0.0:
            self.shapes.append(self.shape(mesh, matrix))
            return
        if mesh.path not in self._moved and np.array_equal(matrix, np.eye(4)):
            self._unmoved.append(mesh)
            return
        group = self.shape_group([replace(mesh, transform=np.eye(4))])
        if id(group) not in self._listed:
            self._listed.add(id(group))
            self.shapes.append(group)
        self.shapes.append(self.instance(group, placed))

    def shape_group(self, meshes: list[Mesh]) -> object:
        shapes = [self.shape(mesh, np.eye(4)) for mesh in meshes]
        key = ("group", *(id(shape) for shape in shapes))
        make = super().shape_group
        return self._kept.get(key, lambda: (make(meshes), shapes))[0]

    def shape(self, mesh: Mesh, matrix: Matrix) -> object:
        bsdf = self._materials.bsdf(mesh)
        key = ("shape", _content(mesh, self._materials), (matrix @ mesh.transform).tobytes())
        make = super().shape
        return self._kept.get(key, lambda: (make(mesh, matrix), mesh, bsdf))[0]

    def instance(self, shared: object, matrix: Matrix) -> object:
        key = ("instance", id(shared), matrix.tobytes())
        make = super().instance
        return self._kept.get(key, lambda: (make(shared, matrix), shared))[0]


def _content(mesh: Mesh, materials: MaterialLibrary) -> Hashable:
    """Return a key of a mesh without its transform; equal for the same arrays with the same BSDF."""
    material = mesh.material
    look = material if material.emits or material.primvars else id(materials.bsdf(mesh))
    return (*_arrays(mesh), look, mesh.is_closed)


def _arrays(mesh: Mesh) -> tuple[Hashable, ...]:
    arrays = (mesh.positions, mesh.triangles, mesh.normals, mesh.uvs)
    attributes = tuple((name, id(values)) for name, values in sorted(mesh.attributes.items()))
    return (*(id(array) for array in arrays), attributes)


def _by_slot(scene: Scene) -> dict[Hashable, Mesh | None]:
    """Return meshes by a key that a material change keeps; None where meshes of a key differ in look."""
    found: dict[Hashable, Mesh | None] = {}
    for group in every_group(scene.root):
        for mesh in group.meshes:
            slot = (mesh.path, _arrays(mesh))
            known = found.get(slot, mesh)
            found[slot] = mesh if known is not None and known.material == mesh.material else None
    return found
