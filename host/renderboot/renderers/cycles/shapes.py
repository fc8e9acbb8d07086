"""Meshes and instances as Blender's objects: one for each place of a mesh, the mesh itself made once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...light_areas import placed_light
from ...scene import Array, Group, Indices, Light, Matrix, Mesh
from .engine import bpy, mathutils
from .materials import MaterialLibrary, attributes
from .textures import UV_MAP


class ObjectBuilder:
    """Adds objects to Blender's scene; lights are returned with their transforms."""

    def __init__(self, scene: Any, materials: MaterialLibrary) -> None:
        self._objects = scene.collection.objects
        self._materials = materials
        self._meshes: dict[int, Any] = {}
        self._parent = bpy.data.objects.new("world", None)
        self._objects.link(self._parent)
        self.lights: list[Light] = []

    def add(self, group: Group, places: Matrix | None = None) -> None:
        """Add a group once for each of the matrices, (n, 4, 4); None: once, without a transform."""
        for matrix in [np.eye(4)] if places is None else places:
            for mesh in group.meshes:
                if not mesh.material.is_absent and len(mesh.triangles):
                    self.place(self._mesh(mesh), matrix @ mesh.transform)
            self.lights += [placed_light(light, matrix) for light in group.lights]
        for instances in group.instances:
            matrices = instances.matrices
            if places is not None:
                matrices = (places[:, None] @ matrices[None]).reshape(-1, 4, 4)
            self.add(instances.prototype, matrices)

    def place(self, data: Any, matrix: Matrix) -> Any:
        """Add an object of a mesh, light or camera of Blender's."""
        made = bpy.data.objects.new(data.name, data)
        self._objects.link(made)
        # Blender takes a matrix of an object apart, and loses its shear; it keeps this one as it is.
        made.parent = self._parent
        made.matrix_parent_inverse = mathutils.Matrix(matrix.tolist())
        return made

    def _mesh(self, mesh: Mesh) -> Any:
        if id(mesh) not in self._meshes:
            made = blender_mesh(mesh.path, mesh.positions, mesh.triangles)
            made.materials.append(self._materials.material(mesh))
            if mesh.normals is not None:
                normals = made.attributes.new("custom_normal", "FLOAT_VECTOR", "POINT")
                normals.data.foreach_set("vector", np.ascontiguousarray(mesh.normals, np.float32).ravel())
            else:
                made.shade_flat()
            if mesh.uvs is not None:
                uvs = made.uv_layers.new(name=UV_MAP)
                corners = mesh.uvs[mesh.triangles.ravel()]
                uvs.uv.foreach_set("vector", np.ascontiguousarray(corners, np.float32).ravel())
            for name, values in attributes(mesh).items():
                kind, field = ("FLOAT", "value") if values.shape[1] == 1 else ("FLOAT_VECTOR", "vector")
                attribute = made.attributes.new(name, kind, "POINT")
                attribute.data.foreach_set(field, values.ravel())
            self._meshes[id(mesh)] = made
        return self._meshes[id(mesh)]


def blender_mesh(name: str, positions: Array | Matrix, triangles: Indices) -> Any:
    """Return a mesh of Blender's, of triangles."""
    made = bpy.data.meshes.new(name or "mesh")
    made.vertices.add(len(positions))
    made.vertices.foreach_set("co", np.ascontiguousarray(positions, np.float32).ravel())
    made.loops.add(triangles.size)
    made.loops.foreach_set("vertex_index", np.ascontiguousarray(triangles, np.int32).ravel())
    made.polygons.add(len(triangles))
    made.polygons.foreach_set("loop_start", np.arange(0, triangles.size, 3, dtype=np.int32))
    made.update(calc_edges=True)
    return made
