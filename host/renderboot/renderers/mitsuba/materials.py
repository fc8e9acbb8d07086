"""UsdPreviewSurface as mitsuba BSDFs.

Principled for what is opaque, dielectric for what is clear, masks for cut-outs.
"""

from __future__ import annotations

from ...diagnostics import Diagnostics
from ...scene import ColourInput, ImageTexture, Material, ScalarInput, VertexColour
from .engine import mi, rgb
from .textures import TextureLibrary

VERTEX_COLOUR = "vertex_colour"
"""The mesh attribute that carries displayColor."""

_SMOOTH = 0.03
"""Below this roughness glass is taken as perfectly smooth: it converges in a fraction of the samples."""


class MaterialLibrary:
    """Makes each material once; sheets of glass differ from bodies of glass."""

    def __init__(self, textures: TextureLibrary, diagnostics: Diagnostics) -> None:
        self._textures = textures
        self._diagnostics = diagnostics
        self._known: dict[tuple[Material, bool], object] = {}

    def bsdf(self, material: Material, *, is_closed: bool) -> object:
        """The BSDF for meshes of this material.

        Args:
            material: The neutral material.
            is_closed: Whether the mesh encloses a volume.
        """
        key = (material, is_closed or not material.transmits)
        if key not in self._known:
            self._known[key] = mi.load_dict(self._build(material, is_closed=is_closed))
        return self._known[key]

    def emission(self, material: Material) -> object | None:
        """An area light for the surface, or None when it does not glow. Each shape needs its own."""
        if not material.emits:
            return None
        emitter: object = mi.load_dict({"type": "area", "radiance": self._colour(material.emissive_colour)})
        return emitter

    def _build(self, material: Material, *, is_closed: bool) -> dict[str, object]:
        if material.transmits:
            return self._glass(material, is_closed=is_closed)
        surface: dict[str, object] = {"type": "twosided", "inside": self._opaque(material)}
        opacity = material.opacity
        if isinstance(opacity, ImageTexture):
            threshold = material.opacity_threshold
            mask = (
                self._textures.cutout(opacity, threshold)
                if threshold > 0.0
                else self._textures.scalar(opacity)
            )
            return {"type": "mask", "opacity": mask, "bsdf": surface}
        if material.opacity_threshold > 0.0:
            opacity = 1.0 if opacity >= material.opacity_threshold else 0.0
        if opacity < 1.0:
            return {"type": "mask", "opacity": max(opacity, 0.0), "bsdf": surface}
        return surface

    def _opaque(self, material: Material) -> dict[str, object]:
        colour, metallic = material.diffuse_colour, material.metallic
        eta = min(max(material.ior, 1.01), 3.0)
        if material.use_specular_workflow:
            colour, metallic, eta = self._from_specular_workflow(material)
        bsdf: dict[str, object] = {
            "type": "principled",
            "base_color": self._colour(colour),
            "roughness": self._scalar(material.roughness, 0.02),
            "metallic": self._scalar(metallic),
            "eta": eta,
        }
        if not isinstance(material.clearcoat, float) or material.clearcoat > 0.0:
            bsdf["clearcoat"] = self._scalar(material.clearcoat)
            rough = material.clearcoat_roughness
            is_map = isinstance(rough, ImageTexture)
            bsdf["clearcoat_gloss"] = self._textures.scalar(rough, "invert") if is_map else 1.0 - float(rough)  # type: ignore[arg-type]
        if material.normal is not None:
            normals = self._textures.normals(material.normal)
            return {"type": "normalmap", "normalmap": normals, "bsdf": bsdf}
        return bsdf

    def _from_specular_workflow(self, material: Material) -> tuple[ColourInput, ScalarInput, float]:
        """A specular colour as metalness: what reflects more than dielectrics do is metal of that colour."""
        specular, diffuse = material.specular_colour, material.diffuse_colour
        if not isinstance(specular, tuple) or not isinstance(diffuse, tuple):
            self._diagnostics.note(
                "A textured specular workflow is rendered with a constant reflectance", material.path
            )
            return diffuse, 0.0, 1.5
        strongest = max(specular)
        metal = min(max((strongest - 0.08) / 0.92, 0.0), 1.0)
        if metal > 0.0:
            total = max(metal + (1.0 - metal) * max(diffuse), 1e-6)
            share = metal * strongest / total if total else 1.0
            mixed = tuple(d * (1.0 - share) + s * share for d, s in zip(diffuse, specular, strict=True))
            return (mixed[0], mixed[1], mixed[2]), metal, 1.5
        root = max(strongest, 0.0) ** 0.5
        return diffuse, 0.0, max((1.0 + root) / (1.0 - root), 1.01)

    def _glass(self, material: Material, *, is_closed: bool) -> dict[str, object]:
        roughness = material.roughness if isinstance(material.roughness, float) else 0.0
        ior = min(max(material.ior, 1.0), 3.0)
        opacity = material.opacity if isinstance(material.opacity, float) else 0.0
        clear: dict[str, object]
        if ior <= 1.001:
            clear = {"type": "null"}
        elif not is_closed:
            clear = {"type": "thindielectric", "int_ior": ior, "ext_ior": 1.0}
        elif roughness < _SMOOTH:
            clear = {"type": "dielectric", "int_ior": ior, "ext_ior": 1.0}
        else:
            clear = {
                "type": "roughdielectric",
                "int_ior": ior,
                "ext_ior": 1.0,
                "alpha": max(roughness**2, 1e-3),
            }
        if opacity <= 0.0:
            return clear
        surface = {"type": "twosided", "inside": self._opaque(material)}
        return {"type": "blendbsdf", "weight": opacity, "clear": clear, "surface": surface}

    def _colour(self, value: ColourInput) -> object:
        if isinstance(value, ImageTexture):
            return self._textures.colour(value)
        if isinstance(value, VertexColour):
            return {"type": "mesh_attribute", "name": f"vertex_{VERTEX_COLOUR}"}
        return rgb(value)

    def _scalar(self, value: ScalarInput, least: float = 0.0) -> object:
        if isinstance(value, ImageTexture):
            return self._textures.scalar(value)
        return min(max(float(value), least), 1.0)
