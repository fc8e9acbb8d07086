"""What each renderer needs to know of a material and its mesh. Imports no renderer."""

from __future__ import annotations

import numpy as np

from ..diagnostics import Diagnostics
from ..scene import Array, ColourInput, Material, Mesh, Primvar, ScalarInput
from .wrapping import Extent, needs_extent

_SEEN = 0.1

__all__ = ["extent_of", "from_specular_workflow", "vertex_values"]


def vertex_values(mesh: Mesh, primvar: Primvar) -> Array:
    """Return the primvar's value at each vertex, (n, width); its fallback on meshes without it."""
    values = mesh.attributes.get(primvar.name)
    if values is None:
        return np.tile(np.array(primvar.fallback, np.float32), (len(mesh.positions), 1))
    return np.ascontiguousarray(values[:, : primvar.width], np.float32)


def extent_of(mesh: Mesh) -> Extent | None:
    """Return the uv range of the mesh after the texture's transform; None unless a wrap mode needs it."""
    boxes = []
    for texture in mesh.material.textures:
        if mesh.uvs is not None and needs_extent(texture):
            place = np.array(texture.uv_transform).reshape(3, 3)
            seen = mesh.uvs.astype(np.float64) @ place[:2, :2].T + place[:2, 2]
            boxes.append((seen.min(axis=0), seen.max(axis=0)))
    if not boxes:
        return None
    low = np.floor(np.min([box[0] for box in boxes], axis=0))
    high = np.ceil(np.max([box[1] for box in boxes], axis=0))
    edges = np.clip([*low, *high], -1e6, 1e6)
    return int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])


def from_specular_workflow(
    material: Material, diagnostics: Diagnostics
) -> tuple[ColourInput, ScalarInput, float]:
    """Convert the specular workflow to metalness: reflectance above a dielectric's counts as metal.

    Returns:
        Base colour, metalness, index of refraction.
    """
    specular, diffuse = material.specular_colour, material.diffuse_colour
    if not isinstance(specular, tuple) or not isinstance(diffuse, tuple):
        diagnostics.warn(
            "A specular workflow that varies is rendered with a constant reflectance", material.path
        )
        return diffuse, 0.0, 1.5
    strongest = max(specular)
    metal = min(max((strongest - 0.08) / 0.92, 0.0), 1.0)
    if metal > 0.0:
        # A metal has one colour for both: where the reflection is weak, the diffuse colour would be seen.
        if max(d * (1.0 - s) for d, s in zip(diffuse, specular, strict=True)) > _SEEN:
            diagnostics.warn(
                "A strong specularColor is rendered as metal, without all of its diffuseColor", material.path
            )
        total = max(metal + (1.0 - metal) * max(diffuse), 1e-6)
        share = metal * strongest / total if total else 1.0
        mixed = tuple(d * (1.0 - share) + s * share for d, s in zip(diffuse, specular, strict=True))
        return (mixed[0], mixed[1], mixed[2]), metal, 1.5
    root = max(strongest, 0.0) ** 0.5
    return diffuse, 0.0, max((1.0 + root) / (1.0 - root), 1.01)
