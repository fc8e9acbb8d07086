"""UsdPreviewSurface as Blender's node trees.

Principled for what is opaque, its alpha for cut-outs, glass for what is clear.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ...diagnostics import Diagnostics
from ...scene import Array, Colour, ColourInput, ImageTexture, Material, Mesh, Primvar, ScalarInput
from ..surfaces import extent_of, from_specular_workflow, vertex_values
from ..textures import TextureLibrary
from ..wrapping import Extent
from .engine import bpy
from .nodes import Nodes
from .textures import UV_MAP, Bitmap

_WHITE = (1.0, 1.0, 1.0)
_SMOOTH = 0.03
"""Glass below this roughness renders as perfectly smooth, as with mitsuba."""


class MaterialLibrary:
    """Makes each material once; open and closed meshes of glass need different ones."""

    def __init__(self, textures: TextureLibrary, diagnostics: Diagnostics) -> None:
        self._textures = textures
        self._diagnostics = diagnostics
        self._known: dict[tuple[object, ...], Any] = {}

    def material(self, mesh: Mesh) -> Any:
        """Return Blender's material of a mesh."""
        is_closed = mesh.is_closed or not mesh.material.transmits
        key = (mesh.material, is_closed, extent_of(mesh))
        if key not in self._known:
            made = bpy.data.materials.new(mesh.material.path or "material")
            tree = _Tree(Nodes(made), mesh.material, extent_of(mesh), self._textures, self._diagnostics)
            tree.build(is_closed=is_closed)
            self._known[key] = made
        return self._known[key]


def attributes(mesh: Mesh) -> dict[str, Array]:
    """Return the values at each vertex that the material reads, (n, 1) or (n, 3), by attribute name."""
    return {_attribute(primvar): vertex_values(mesh, primvar) for primvar in mesh.material.primvars.values()}


def _attribute(primvar: Primvar) -> str:
    """Return the attribute's name in Blender, which allows 67 bytes."""
    return f"primvar {hashlib.sha256(primvar.name.encode()).hexdigest()[:16]} {primvar.width}"


class _Tree:
    """Builds the nodes of one material."""

    def __init__(
        self,
        nodes: Nodes,
        material: Material,
        extent: Extent | None,
        textures: TextureLibrary,
        diagnostics: Diagnostics,
    ) -> None:
        self._nodes = nodes
        self._material = material
        self._extent = extent
        self._textures = textures
        self._diagnostics = diagnostics

    def build(self, *, is_closed: bool) -> None:
        material, nodes = self._material, self._nodes
        if not material.transmits:
            nodes.finish(self._opaque(emits=True, alpha=self._alpha()))
            return
        shader = self._glass(is_closed=is_closed)
        if isinstance(material.opacity, float) and material.opacity > 0.0:
            shader = nodes.mix(material.opacity, shader, self._opaque())
        if material.emits:
            glow = nodes.emission(self._colour(material.emissive_colour))
            shader = nodes.value("AddShader", {0: shader, 1: glow})
        nodes.finish(shader)

    def _opaque(self, *, emits: bool = False, alpha: Any = 1.0) -> Any:
        material = self._material
        colour, metallic, ior = material.diffuse_colour, material.metallic, material.ior
        if material.use_specular_workflow:
            colour, metallic, ior = from_specular_workflow(material, self._diagnostics)
        inputs: dict[str | int, Any] = {
            "Base Color": self._colour(colour),
            "Metallic": self._scalar(metallic),
            "Roughness": self._scalar(material.roughness, 0.02),
            "IOR": min(max(ior, 1.01), 3.0),
            "Alpha": alpha,
        }
        if not isinstance(material.clearcoat, float) or material.clearcoat > 0.0:
            inputs["Coat Weight"] = self._scalar(material.clearcoat)
            inputs["Coat Roughness"] = self._scalar(material.clearcoat_roughness)
        if emits and material.emits:
            inputs["Emission Color"] = self._colour(material.emissive_colour)
            inputs["Emission Strength"] = 1.0
        if material.normal is not None:
            colours = self._image(self._textures.normals(material.normal, self._extent))
            inputs["Normal"] = self._nodes.value("NormalMap", {"Color": colours}, uv_map=UV_MAP)
        return self._nodes.value("BsdfPrincipled", inputs)

    def _alpha(self) -> Any:
        opacity, threshold = self._material.opacity, self._material.opacity_threshold
        if threshold <= 0.0:
            return self._scalar(opacity)
        if isinstance(opacity, ImageTexture):
            return self._image(self._textures.cutout(opacity, self._extent, threshold))
        if isinstance(opacity, Primvar):
            return self._nodes.math("GREATER_THAN", self._scalar(opacity), threshold - 1e-6)
        # A surface that the threshold removes entirely is not built at all.
        return 1.0

    def _glass(self, *, is_closed: bool) -> Any:
        material, nodes = self._material, self._nodes
        ior = min(max(material.ior, 1.0), 3.0)
        tint = material.transmission_colour
        if ior <= 1.001:
            return nodes.value("BsdfTransparent", {"Color": _WHITE})
        if not is_closed:
            return self._thin_sheet(ior, tint)
        rough = material.roughness if isinstance(material.roughness, float) else 0.0
        inputs: dict[str | int, Any] = {"Roughness": 0.0 if rough < _SMOOTH else min(rough, 1.0), "IOR": ior}
        if tint == _WHITE:
            return nodes.value("BsdfGlass", {**inputs, "Color": _WHITE})
        # Blender's glass would tint what it reflects, too.
        through = nodes.value("BsdfRefraction", {**inputs, "Color": tint})
        mirror = nodes.value("BsdfAnisotropic", {"Color": _WHITE, "Roughness": inputs["Roughness"]})
        return nodes.mix(nodes.value("Fresnel", {"IOR": ior}), through, mirror)

    def _thin_sheet(self, ior: float, tint: Colour) -> Any:
        """Return a sheet that reflects on both of its sides, R = 2r / (1 + r), and does not bend light."""
        nodes = self._nodes
        behind = nodes.add("NewGeometry").outputs["Backfacing"]
        # The node inverts the index on the back, where it takes the ray to be inside.
        index = nodes.math("POWER", ior, nodes.math("MULTIPLY_ADD", behind, -2.0, 1.0))
        once = nodes.value("Fresnel", {"IOR": index})
        share = nodes.math("DIVIDE", nodes.math("MULTIPLY", once, 2.0), nodes.math("ADD", once, 1.0))
        mirror = nodes.value("BsdfAnisotropic", {"Color": _WHITE, "Roughness": 0.0})
        return nodes.mix(share, nodes.value("BsdfTransparent", {"Color": tint}), mirror)

    # --- Inputs ---

    def _image(self, texture: object) -> Any:
        assert isinstance(texture, Bitmap)
        return texture.node(self._nodes)

    def _colour(self, value: ColourInput) -> Any:
        if isinstance(value, ImageTexture):
            return self._image(self._textures.colour(value, self._extent))
        if isinstance(value, Primvar):
            return self._nodes.add("Attribute", attribute_name=_attribute(value)).outputs["Vector"]
        return tuple(np.maximum(value, 0.0).tolist())

    def _scalar(self, value: ScalarInput, least: float = 0.0) -> Any:
        if isinstance(value, ImageTexture):
            return self._image(self._textures.scalar(value, self._extent))
        if isinstance(value, Primvar):
            found = self._nodes.add("Attribute", attribute_name=_attribute(value)).outputs["Fac"]
            return self._nodes.value("Clamp", {"Value": found})
        return min(max(float(value), least), 1.0)
