"""Caches meshes of a stage that is read repeatedly: an unchanged prim returns the same objects.

Identity means that nothing changed. Used by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from pxr import Sdf, Usd, UsdShade

from ..cache import PartCache
from ..scene import Bounds, Camera, Group, Matrix, Mesh, PictureSettings
from .settings import StageSettings

_PARTS_BEYOND_FIRST = 64
"""How many parts may be cached beyond those of the first reading."""


@dataclass
class _Entry:
    meshes: list[Mesh]
    inherited_names: frozenset[str]
    path: Sdf.Path


@dataclass
class Reading:
    """A reading of the whole stage."""

    settings: StageSettings
    root: Group
    bounds: Bounds
    cameras: list[Usd.Prim]
    view: tuple[Camera, PictureSettings] | None = None
    """The camera and the picture's settings; None until they are read."""


class KeptMeshes:
    """The meshes of each prim. Call `changed` with changed prims before the stage is read again."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._first_parts = 0
        self._changed: set[Sdf.Path] = set()
        self.collections: set[Sdf.Path] = set()
        """Prims of the collections that bind materials to prims anywhere, or would if they were there."""
        self.sources: dict[str, frozenset[Sdf.Path]] = {}
        """By path, the materials that were read or refused: themselves, and the prims that feed them."""
        self.last: Reading | None = None
        """The last reading, for one in which only values have changed."""
        self.parts = PartCache(lambda: None)
        """Triangles by what they are made of: read again, what is equal is the same arrays."""

    def meshes(
        self, key: Hashable, path: Sdf.Path, place: Matrix, read: Callable[[], tuple[list[Mesh], set[str]]]
    ) -> tuple[list[Mesh], frozenset[str]]:
        """Return the meshes of one prim, read now if they are not kept, and what primvars they inherit.

        Args:
            key: the prim, and what else decides how it is read.
            path: the prim's.
            place: where it is now.
            read: reads the meshes at that place, and names the primvars that come from outside.
        """
        entry = self._entries.get(key)
        if entry is None:
            meshes, names = read()
            entry = self._entries[key] = _Entry(meshes, frozenset(names), path)
        elif entry.meshes and not np.array_equal(entry.meshes[0].transform, place):
            entry.meshes = [replace(mesh, transform=place) for mesh in entry.meshes]
        return list(entry.meshes), entry.inherited_names

    def forget_all(self) -> None:
        """Clear the cache: everything may have changed."""
        self._entries.clear()
        self._changed.clear()
        self.sources.clear()
        self.last = None
        # Of an animated mesh, each frame has its own.
        if self._first_parts and len(self.parts) > 2 * self._first_parts + _PARTS_BEYOND_FIRST:
            self.parts = PartCache(lambda: None)
            self._first_parts = 0

    def materials_of(self, path: Sdf.Path) -> set[str]:
        """Return the materials that are read from this prim, or from prims below it."""
        return {
            look
            for look, sources in self.sources.items()
            if any(path.HasPrefix(each) or each.HasPrefix(path) for each in sources)
        }

    def changed(self, prims: Iterable[Sdf.Path]) -> None:
        """Note prims that have changed, other than by a transform."""
        self._changed |= set(prims)

    def is_only_moved(self, path: Sdf.Path) -> bool:
        """Return whether the prim and those around it have not changed other than by a transform."""
        return not any(path.HasPrefix(each) or each.HasPrefix(path) for each in self._changed)

    def forget_changed(self, stage: Usd.Stage) -> None:
        """Forget what the changed prims decide: those above and below them, and users of their material."""
        self._first_parts = self._first_parts or len(self.parts)
        looks = {
            mesh.material.path
            for entry in self._entries.values()
            for mesh in entry.meshes
            if mesh.material.path.startswith("/")  # else it is a displayColor
        }
        prefixes, self._changed = self._changed, set()
        changed_looks: set[str] = set()
        for path in prefixes:
            # One that was removed, or has come back.
            if any(each.HasPrefix(path) for each in self.collections):
                self.forget_all()
                return
            prim = stage.GetPrimAtPath(path)
            if prim and (prim.IsInstanceProxy() or prim.IsInPrototype()):
                self.forget_all()
                return
            read = self.materials_of(path)
            # A Material is a NodeGraph, too. One that nothing shows may be a new look of something.
            is_of_material = prim and (prim.IsA(UsdShade.NodeGraph) or prim.IsA(UsdShade.Shader))
            if is_of_material and not (read and read <= looks):
                self.forget_all()
                return
            changed_looks |= read
        self._entries = {
            key: entry
            for key, entry in self._entries.items()
            # What is below a mesh may be its material subset.
            if not any(entry.path.HasPrefix(each) or each.HasPrefix(entry.path) for each in prefixes)
            and not any(mesh.material.path in changed_looks for mesh in entry.meshes)
        }
