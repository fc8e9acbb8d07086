"""UsdPreviewSurface as mitsuba BSDFs and emitters.

Principled for what is opaque, dielectric for what is clear, masks for cut-outs.
"""

from __future__ import annotations

import numpy as np

from ...diagnostics import Diagnostics
from ...scene import Array, ColourInput, ImageTexture, Input, Material, Mesh, Primvar, ScalarInput
from ..surfaces import extent_of, from_specular_workflow, vertex_values
from ..textures import TextureLibrary
from ..wrapping import Extent
from .engine import PASSING, load, rgb
from .in_place import take_values

_WHITE = (1.0, 1.0, 1.0)
_SMOOTH = 0.03
"""Glass below this roughness renders as perfectly smooth, which needs a fraction of the samples."""
_CUT = "cut_opacity"
_GLOW = "cut_emission"
"""Names of mesh attributes that combine several primvars."""


class MaterialLibrary:
    """Makes each BSDF once; open and closed meshes of glass need different ones."""

    def __init__(self, textures: TextureLibrary, diagnostics: Diagnostics) -> None:
        self._textures = textures
        self._diagnostics = diagnostics
        self._known: dict[tuple[object, ...], object] = {}
        self._extent: Extent | None = None
        self.has_unsampled_light = False
        """Whether some surface has emission that mitsuba cannot sample as a light."""

    @property
    def count(self) -> int:
        """Return how many BSDFs are cached."""
        return len(self._known)

    def forget(self) -> None:
        """Empty the cache of BSDFs."""
        self._known.clear()

    def bsdf(self, mesh: Mesh) -> object:
        """The BSDF of a mesh."""
        key = self._key(mesh)
        if key not in self._known:
            self._known[key] = self._made(mesh)
        return self._known[key]

    def take_over(self, before: Mesh, now: Mesh) -> None:
        """Reuse the BSDF of one mesh for another, updated in place, if the two differ only in values.

        Args:
            before: the mesh whose BSDF is reused; no other mesh may use it.
            now: the mesh that gets the BSDF; may be the same mesh.
        """
        old_key, key = self._key(before), self._key(now)
        if old_key not in self._known or key in self._known or not _has_same_images(before, now):
            return
        if take_values(self._known[old_key], self._made(now)):
            self._known[key] = self._known.pop(old_key)

    def _key(self, mesh: Mesh) -> tuple[object, ...]:
        return (mesh.material, mesh.is_closed or not mesh.material.transmits, extent_of(mesh))

    def _made(self, mesh: Mesh) -> object:
        self._extent = extent_of(mesh)
        made: object = load(self._build(mesh.material, is_closed=mesh.is_closed))
        return made

    def emission(self, mesh: Mesh) -> object | None:
        """An area light for the surface, or None when it does not emit. Each shape needs its own."""
        material = mesh.material
        if not material.emits:
            return None
        self._extent = extent_of(mesh)
        radiance, is_sampled = self._radiance(mesh)
        area = {"type": "area", "radiance": radiance}
        if not is_sampled:
            # mitsuba samples textures over uv 0 to 1 only, and vertex values not at all.
            area["sampling_weight"] = 0.0
            self.has_unsampled_light = True
        emitter: object = load(area)
        return emitter

    def attributes(self, mesh: Mesh) -> dict[str, Array]:
        """Return the vertex attributes that the BSDF and the emission read, by mitsuba's attribute names."""
        found: dict[str, Array] = {}
        material = mesh.material
        for primvar in material.primvars.values():
            values = vertex_values(mesh, primvar)
            if primvar.width == 1:
                values = np.clip(values, 0.0, 1.0)
            found[_attribute(primvar)] = values
        opacity, emissive = material.opacity, material.emissive_colour
        if isinstance(opacity, Primvar):
            weight = np.clip(vertex_values(mesh, opacity), 0.0, 1.0)
            if material.opacity_threshold > 0.0:
                weight = (weight >= material.opacity_threshold).astype(np.float32)
            found[f"vertex_{_CUT}"] = weight
            if not isinstance(emissive, ImageTexture):
                glow = vertex_values(mesh, emissive) if isinstance(emissive, Primvar) else emissive
                found[f"vertex_{_GLOW}"] = np.maximum(weight * np.asarray(glow, np.float32), 0.0)
        return found

    # --- Emission ---

    def _radiance(self, mesh: Mesh) -> tuple[object, bool]:
        """Return the emission where it is not cut out, and whether mitsuba can sample it as a light."""
        material = mesh.material
        emissive, opacity = material.emissive_colour, material.opacity
        if isinstance(opacity, float):
            is_part = material.opacity_is_presence and material.opacity_threshold <= 0.0
            share = min(max(opacity, 0.0), 1.0) if is_part else 1.0
            if isinstance(emissive, tuple):
                return rgb((emissive[0] * share, emissive[1] * share, emissive[2] * share)), True
            return self._colour(emissive), isinstance(emissive, ImageTexture) and _is_within(mesh, emissive)
        if isinstance(opacity, ImageTexture) and not isinstance(emissive, Primvar):
            colour = emissive if isinstance(emissive, ImageTexture) else np.array(emissive, np.float32)
            cut = self._textures.cut_colour(opacity, self._extent, material.opacity_threshold, colour)
            return cut, _is_within(mesh, opacity)
        if isinstance(opacity, Primvar) and not isinstance(emissive, ImageTexture):
            return {"type": "mesh_attribute", "name": f"vertex_{_GLOW}"}, False
        self._diagnostics.warn("Emission is not cut out by an opacity of another kind", material.path)
        return self._colour(emissive), False

    # --- Surfaces ---

    def _build(self, material: Material, *, is_closed: bool) -> dict[str, object]:
        if material.transmits:
            return self._glass(material, is_closed=is_closed)
        surface: dict[str, object] = {"type": "twosided", "inside": self._opaque(material)}
        opacity, threshold = material.opacity, material.opacity_threshold
        if isinstance(opacity, Primvar):
            mask: object = {"type": "mesh_attribute", "name": f"vertex_{_CUT}"}
        elif isinstance(opacity, ImageTexture):
            mask = (
                self._textures.cutout(opacity, self._extent, threshold)
                if threshold > 0.0
                else self._textures.scalar(opacity, self._extent)
            )
        elif threshold > 0.0 or opacity >= 1.0:
            # A surface that the threshold removes entirely is not built at all.
            return surface
        else:
            mask = max(opacity, 0.0)
        return {"type": "mask", "opacity": mask, "bsdf": surface}

    def _opaque(self, material: Material) -> dict[str, object]:
        colour, metallic = material.diffuse_colour, material.metallic
        eta = min(max(material.ior, 1.01), 3.0)
        if material.use_specular_workflow:
            colour, metallic, eta = from_specular_workflow(material, self._diagnostics)
        bsdf: dict[str, object] = {
            "type": "principled",
            "base_color": self._reflectance(colour, material.path),
            "roughness": self._scalar(material.roughness, 0.02),
            "metallic": self._scalar(metallic),
            "eta": eta,
        }
        if not isinstance(material.clearcoat, float) or material.clearcoat > 0.0:
            bsdf["clearcoat"] = self._scalar(material.clearcoat)
            bsdf["clearcoat_gloss"] = self._gloss(material)
        if material.normal is not None:
            normals = self._textures.normals(material.normal, self._extent)
            return {"type": "normalmap", "normalmap": normals, "bsdf": bsdf}
        return bsdf

    def _gloss(self, material: Material) -> object:
        rough = material.clearcoat_roughness
        if isinstance(rough, ImageTexture):
            return self._textures.scalar(rough, self._extent, "invert")
        if isinstance(rough, Primvar):
            self._diagnostics.warn(
                "A clearcoatRoughness that varies by primvar is not rendered", material.path
            )
            rough = rough.fallback[0]
        return 1.0 - min(max(rough, 0.0), 1.0)

    def _glass(self, material: Material, *, is_closed: bool) -> dict[str, object]:
        roughness = material.roughness if isinstance(material.roughness, float) else 0.0
        ior = min(max(material.ior, 1.0), 3.0)
        opacity = material.opacity if isinstance(material.opacity, float) else 0.0
        clear: dict[str, object]
        if material.emits and (ior <= 1.001 or not is_closed):
            # Without the reflections of thin glass: its transmission loses the emission as `null` does.
            clear = dict(PASSING)
        elif ior <= 1.001:
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
                "alpha": min(max(roughness**2, 1e-3), 1.0),
            }
        if material.transmission_colour != _WHITE and clear["type"] != "null":
            clear["specular_transmittance"] = self._reflectance(material.transmission_colour, material.path)
        if opacity <= 0.0:
            return clear
        surface = {"type": "twosided", "inside": self._opaque(material)}
        return {"type": "blendbsdf", "weight": opacity, "clear": clear, "surface": surface}

    # --- Inputs ---

    def _colour(self, value: ColourInput) -> object:
        if isinstance(value, ImageTexture):
            return self._textures.colour(value, self._extent)
        if isinstance(value, Primvar):
            return {"type": "mesh_attribute", "name": _attribute(value)}
        return rgb((max(value[0], 0.0), max(value[1], 0.0), max(value[2], 0.0)))

    def _reflectance(self, value: ColourInput, path: str) -> object:
        if isinstance(value, tuple) and max(value) > 1.0:
            self._diagnostics.warn(
                "A surface that reflects more light than it gets is rendered with all of it", path
            )
            value = (min(value[0], 1.0), min(value[1], 1.0), min(value[2], 1.0))
        return self._colour(value)

    def _scalar(self, value: ScalarInput, least: float = 0.0) -> object:
        if isinstance(value, ImageTexture):
            return self._textures.scalar(value, self._extent)
        if isinstance(value, Primvar):
            return {"type": "mesh_attribute", "name": _attribute(value)}
        return min(max(float(value), least), 1.0)


def _has_same_images(one: Mesh, other: Mesh) -> bool:
    images = [
        [value if isinstance(value, ImageTexture) else None for value in mesh.material.inputs.values()]
        for mesh in (one, other)
    ]
    is_same_normal = one.material.normal == other.material.normal
    # An opacity threshold is in the pixels of its mask.
    is_same_mask = one.material.opacity_threshold == other.material.opacity_threshold
    return images[0] == images[1] and is_same_normal and is_same_mask and extent_of(one) == extent_of(other)


def _attribute(primvar: Primvar) -> str:
    """Return mitsuba's attribute name of a primvar, which may hold only letters and digits."""
    return f"vertex_{primvar.name.encode().hex()}_{primvar.width}"


def _is_within(mesh: Mesh, value: Input) -> bool:
    """Whether the mesh's uvs stay within the image once, which mitsuba assumes when it samples it."""
    if mesh.uvs is None or not isinstance(value, ImageTexture) or value.is_udim:
        return False
    is_plain = value.uv_transform == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    is_whole = value.wrap_s == value.wrap_t and value.wrap_s != "black"
    return is_plain and is_whole and bool(mesh.uvs.min() >= 0.0) and bool(mesh.uvs.max() <= 1.0)
