"""Meshes and instances as mitsuba shapes.

Transforms are baked into vertices, except for instances.
"""

from __future__ import annotations

import numpy as np

from ...diagnostics import Diagnostics
from ...light_areas import placed_light
from ...scene import Array, Group, Indices, Instances, Light, Matrix, Mesh
from .engine import load, mi, transform
from .materials import MaterialLibrary


class ShapeBuilder:
    """Collects the shapes of a scene; lights inside instances are returned with their transforms."""

    def __init__(self, materials: MaterialLibrary, diagnostics: Diagnostics) -> None:
        self._materials = materials
        self._diagnostics = diagnostics
        self._shared: dict[int, object | None] = {}
        self.shapes: list[object] = []
        self.lights: list[Light] = []

    def add(self, group: Group, places: Matrix | None = None) -> None:
        """Add a group once for each of the matrices, (n, 4, 4); None: once, without a transform."""
        for matrix in [np.eye(4)] if places is None else places:
            for mesh in group.meshes:
                if not mesh.material.is_absent:
                    self.add_mesh(mesh, matrix)
            self.lights += [placed_light(light, matrix) for light in group.lights]
        for instances in group.instances:
            self._add_instances(instances, places)

    def _add_instances(self, instances: Instances, places: Matrix | None) -> None:
        matrices = instances.matrices
        if places is not None:
            matrices = (places[:, None] @ matrices[None]).reshape(-1, 4, 4)
        prototype = instances.prototype
        if len(matrices) == 1:
            self.add(prototype, matrices)
            return
        # mitsuba's shape groups hold neither lights nor other instances: those are expanded.
        seen = [mesh for mesh in prototype.meshes if not mesh.material.is_absent]
        plain = [mesh for mesh in seen if not mesh.material.emits]
        others = [mesh for mesh in seen if mesh.material.emits]
        self.add(Group(prototype.path, others, prototype.lights, prototype.instances), matrices)
        if not plain:
            return
        shared = self._shape_group(prototype, plain)
        self.shapes += [self.instance(shared, matrix) for matrix in matrices]

    def add_mesh(self, mesh: Mesh, matrix: Matrix) -> None:
        """Add one mesh; `matrix` transforms the space of its group to world space."""
        self.shapes.append(self.shape(mesh, matrix))

    def instance(self, shared: object, matrix: Matrix) -> object:
        """Return an instance of a shape group with this transform."""
        made: object = load({"type": "instance", "group": shared, "to_world": transform(matrix)})
        return made

    def _shape_group(self, prototype: Group, meshes: list[Mesh]) -> object:
        key = id(prototype)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = self.shape_group(meshes)
            self.shapes.append(shared)
        return shared

    def shape_group(self, meshes: list[Mesh]) -> object:
        """Return a shape group of the meshes, for instances to share."""
        parts = {f"part{number}": self.shape(mesh, np.eye(4)) for number, mesh in enumerate(meshes)}
        made: object = load({"type": "shapegroup", **parts})
        return made

    def shape(self, mesh: Mesh, matrix: Matrix) -> object:
        """Return a shape with the mesh's transform and `matrix` baked into its vertices."""
        placed = matrix @ mesh.transform
        linear = placed[:3, :3]
        positions = mesh.positions.astype(np.float64) @ linear.T + placed[:3, 3]
        triangles = mesh.triangles
        determinant = float(np.linalg.det(linear))
        if determinant < 0.0:
            triangles = triangles[:, [0, 2, 1]]
        properties = mi.Properties()
        properties["bsdf"] = self._materials.bsdf(mesh)
        emission = self._materials.emission(mesh)
        # mitsuba refuses a light without area, and with it the whole scene.
        if emission is not None and _has_area(positions, triangles):
            properties["emitter"] = emission
        shape = mi.Mesh(
            mesh.path or "mesh",
            len(positions),
            len(triangles),
            has_vertex_normals=mesh.normals is not None,
            has_vertex_texcoords=mesh.uvs is not None,
            props=properties,
        )
        values = mi.traverse(shape)
        _fill(values, "vertex_positions", positions)
        _fill(values, "faces", triangles)
        if mesh.normals is not None:
            _fill(values, "vertex_normals", _placed_normals(mesh.normals, linear))
        if mesh.uvs is not None:
            # v points up in USD, down in mitsuba.
            _fill(values, "vertex_texcoords", np.stack([mesh.uvs[:, 0], 1.0 - mesh.uvs[:, 1]], axis=1))
        for name, attribute in self._materials.attributes(mesh).items():
            shape.add_attribute(name, attribute.shape[1], attribute.astype(np.float32).ravel())  # type: ignore[arg-type]
        values.update()
        return shape


def _has_area(positions: Matrix, triangles: Indices) -> bool:
    a, b, c = (positions[triangles[:, corner]].astype(np.float32) for corner in range(3))
    return bool(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() > 0.0)


def _fill(values: mi.SceneParameters, name: str, rows: Array | Indices | Matrix) -> None:
    """Write into the shape's memory directly: assignment would compare all values in Python first."""
    own = np.array(values[name], copy=False).reshape(rows.shape)
    own[...] = rows
    values.set_dirty(name)


def _placed_normals(normals: Array, linear: Matrix) -> Array:
    try:
        inverse = np.linalg.inv(linear)
    except np.linalg.LinAlgError:
        # A singular transform flattens the mesh: normals are undefined, so keep them.
        return normals.astype(np.float32)
    turned = normals.astype(np.float64) @ inverse
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    result: Array = np.divide(turned, lengths, out=np.zeros_like(turned), where=lengths > 0).astype(
        np.float32
    )
    return result
