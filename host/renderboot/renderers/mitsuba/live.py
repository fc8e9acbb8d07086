"""Translates a live scene after each change: reuses shapes, updates values in place.

Each mesh is a shape group with one instance, so moving it replaces only the instance. If more than values
changed, a new mitsuba scene is built, with the acceleration structures of all groups.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from ...diagnostics import Diagnostics
from ...scene import Material, Matrix, Mesh, Scene, every_group
from .kept import Generation
from .materials import MaterialLibrary
from .mitsuba_picture import MitsubaPicture, lights_of, mitsuba_scene, picture_of, translating
from .shapes import ShapeBuilder
from .textures import TextureLibrary

_KEPT_BEYOND_FIRST = 32
"""How many textures and materials may be cached beyond those of the first translation."""


class LiveTranslation:
    """See `renderers.LiveTranslation`. Render thread only."""

    def __init__(self, threads: int, diagnostics: Diagnostics) -> None:
        self._threads = threads
        self._diagnostics = diagnostics
        self._textures = TextureLibrary(diagnostics)
        self._materials = MaterialLibrary(self._textures, diagnostics)
        self._kept = Generation()
        self._parts: list[object] = []
        self._meshes: dict[Hashable, Mesh | None] = {}
        self._whole: Any = None
        self._most_kept = 0

    def prepare(self, scene: Scene) -> MitsubaPicture:
        """See `renderers.LiveTranslation.prepare`."""
        try:
            with translating(self._threads):
                return self._prepared(scene)
        except BaseException:
            # Objects may be partly updated in place: discard all of them.
            self._kept, self._meshes, self._whole = Generation(), {}, None
            self._materials.forget()
            raise

    def _prepared(self, scene: Scene) -> MitsubaPicture:
        kept = Generation(self._kept)
        meshes = _by_slot(scene)
        self._tune_materials(meshes)
        shapes = _KeptShapeBuilder(self._materials, self._diagnostics, kept)
        shapes.add(scene.root)
        lights = lights_of(scene, shapes, self._textures, self._materials, self._diagnostics, kept)
        parts = [*shapes.shapes, *lights]
        if self._whole is None or [id(part) for part in parts] != [id(part) for part in self._parts]:
            self._whole, self._parts = mitsuba_scene(parts), parts
        elif kept.has_tuned:
            self._whole.parameters_changed()
        self._kept, self._meshes = kept, meshes
        self._forget_if_many()
        return picture_of(self._whole, scene, self._diagnostics)

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
    """Reuses shapes of the previous translation. Cached shapes hold their meshes, so ids are not reused."""

    def __init__(self, materials: MaterialLibrary, diagnostics: Diagnostics, kept: Generation) -> None:
        super().__init__(materials, diagnostics)
        self._kept = kept
        self._listed: set[int] = set()

    def add_mesh(self, mesh: Mesh, matrix: Matrix) -> None:
        placed = matrix @ mesh.transform
        # Neither a light nor a mirrored mesh can be an instance.
        if mesh.material.emits or np.linalg.det(placed[:3, :3]) <= 0.0:
            key = ("shape", self._content(mesh), placed.tobytes())
            self.shapes.append(self._kept.get(key, lambda: (self.shape(mesh, matrix), mesh))[0])
            return
        group = self.shape_group([replace(mesh, transform=np.eye(4))])
        if id(group) not in self._listed:
            self._listed.add(id(group))
            self.shapes.append(group)
        self.shapes.append(self.instance(group, placed))

    def shape_group(self, meshes: list[Mesh]) -> object:
        key = ("group", *((self._content(mesh), mesh.transform.tobytes()) for mesh in meshes))
        make = super().shape_group
        return self._kept.get(key, lambda: (make(meshes), meshes))[0]

    def instance(self, shared: object, matrix: Matrix) -> object:
        key = ("instance", id(shared), matrix.tobytes())
        make = super().instance
        return self._kept.get(key, lambda: (make(shared, matrix), shared))[0]

    def _content(self, mesh: Mesh) -> Hashable:
        """Return a key of a mesh without its transform; equal for the same arrays with the same BSDF."""
        material = mesh.material
        look = material if material.emits or material.primvars else id(self._materials.bsdf(mesh))
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
