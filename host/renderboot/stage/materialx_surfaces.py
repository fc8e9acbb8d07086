"""Inputs of MaterialX's surface and image nodes: which are rendered, which are not, and their defaults.

A test compares the tables with MaterialX's node definitions: every input of a new version must be classified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..scene import Colour

_ONE: Colour = (1.0, 1.0, 1.0)
_NONE: Colour = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Surface:
    """Input names and defaults of one kind of surface; an empty name: the surface has no such input."""

    colour: tuple[str, Colour]
    weight: tuple[str, float]
    metallic: tuple[str, float]
    roughness: tuple[str, float]
    specular: tuple[str, float]
    ior: tuple[str, float]
    transmission: tuple[str, float]
    transmission_colour: tuple[str, Colour]
    coat: tuple[str, float]
    coat_roughness: tuple[str, float]
    coat_colour: str
    emission: tuple[str, float]
    emission_colour: tuple[str, Colour]
    opacity: tuple[str, float]
    normal: str
    also: Mapping[str, float | Colour]
    """Further inputs that are rendered, and their defaults."""
    beyond: Mapping[str, float | Colour | None]
    """Inputs that are not rendered, and their defaults (None: only a connection has an effect)."""
    beyond_transmission: Mapping[str, float | Colour]
    """The same, of inputs without effect on a surface that does not transmit."""
    beyond_coat: Mapping[str, float | Colour | None]
    """The same, of inputs without effect on a surface without a coat."""
    details: frozenset[str]
    """Inputs that only refine one of the former, or that describe what the renderer computes itself."""

    @property
    def rendered(self) -> dict[str, float | Colour]:
        """The inputs that are rendered, except `normal`, and their defaults."""
        fields = (
            *(self.colour, self.weight, self.metallic, self.roughness, self.specular, self.ior),
            *(self.transmission, self.transmission_colour, self.coat, self.coat_roughness),
            *(self.emission, self.emission_colour, self.opacity),
        )
        coat = {self.coat_colour: _ONE} if self.coat_colour else {}
        return {name: default for name, default in fields if name} | coat | dict(self.also)


SURFACES = {
    "standard_surface": Surface(
        colour=("base_color", (0.8, 0.8, 0.8)),
        weight=("base", 1.0),
        metallic=("metalness", 0.0),
        roughness=("specular_roughness", 0.2),
        specular=("specular", 1.0),
        ior=("specular_IOR", 1.5),
        transmission=("transmission", 0.0),
        transmission_colour=("transmission_color", _ONE),
        coat=("coat", 0.0),
        coat_roughness=("coat_roughness", 0.1),
        coat_colour="coat_color",
        emission=("emission", 0.0),
        emission_colour=("emission_color", _ONE),
        opacity=("opacity", 1.0),
        normal="normal",
        also={},
        beyond={
            "diffuse_roughness": 0.0,
            "specular_color": _ONE,
            "specular_anisotropy": 0.0,
            "subsurface": 0.0,
            "sheen": 0.0,
            "thin_film_thickness": 0.0,
            "thin_walled": 0.0,
        },
        beyond_transmission={
            "transmission_depth": 0.0,
            "transmission_scatter": _NONE,
            "transmission_dispersion": 0.0,
            "transmission_extra_roughness": 0.0,
        },
        beyond_coat={
            "coat_anisotropy": 0.0,
            "coat_IOR": 1.5,
            "coat_normal": None,
            "coat_affect_color": 0.0,
            "coat_affect_roughness": 0.0,
        },
        details=frozenset(
            (
                *("specular_rotation", "transmission_scatter_anisotropy", "tangent", "thin_film_IOR"),
                *("subsurface_color", "subsurface_radius", "subsurface_scale", "subsurface_anisotropy"),
                *("sheen_color", "sheen_roughness", "coat_rotation"),
            )
        ),
    ),
    "open_pbr_surface": Surface(
        colour=("base_color", (0.8, 0.8, 0.8)),
        weight=("base_weight", 1.0),
        metallic=("base_metalness", 0.0),
        roughness=("specular_roughness", 0.3),
        specular=("specular_weight", 1.0),
        ior=("specular_ior", 1.5),
        transmission=("transmission_weight", 0.0),
        transmission_colour=("transmission_color", _ONE),
        coat=("coat_weight", 0.0),
        coat_roughness=("coat_roughness", 0.0),
        coat_colour="coat_color",
        emission=("emission_luminance", 0.0),
        emission_colour=("emission_color", _ONE),
        opacity=("geometry_opacity", 1.0),
        normal="geometry_normal",
        also={},
        beyond={
            "base_diffuse_roughness": 0.0,
            "specular_color": _ONE,
            "specular_roughness_anisotropy": 0.0,
            "subsurface_weight": 0.0,
            "fuzz_weight": 0.0,
            "thin_film_weight": 0.0,
            "geometry_thin_walled": 0.0,
        },
        beyond_transmission={
            "transmission_depth": 0.0,
            "transmission_scatter": _NONE,
            "transmission_dispersion_scale": 0.0,
        },
        beyond_coat={
            "coat_roughness_anisotropy": 0.0,
            "coat_ior": 1.6,
            "coat_darkening": 1.0,
            "geometry_coat_normal": None,
        },
        details=frozenset(
            (
                *("transmission_scatter_anisotropy", "transmission_dispersion_abbe_number"),
                *("subsurface_color", "subsurface_radius", "subsurface_radius_scale"),
                *("subsurface_scatter_anisotropy", "fuzz_color", "fuzz_roughness", "thin_film_thickness"),
                *("thin_film_ior", "geometry_tangent", "geometry_coat_tangent"),
            )
        ),
    ),
    "gltf_pbr": Surface(
        colour=("base_color", _ONE),
        weight=("", 1.0),
        metallic=("metallic", 1.0),
        roughness=("roughness", 1.0),
        specular=("specular", 1.0),
        ior=("ior", 1.5),
        transmission=("transmission", 0.0),
        # What passes through is tinted by the base colour.
        transmission_colour=("base_color", _ONE),
        coat=("clearcoat", 0.0),
        coat_roughness=("clearcoat_roughness", 0.0),
        coat_colour="",
        emission=("emissive_strength", 1.0),
        emission_colour=("emissive", _NONE),
        opacity=("alpha", 1.0),
        normal="normal",
        also={"alpha_mode": 0.0, "alpha_cutoff": 0.5},
        beyond={
            "specular_color": _ONE,
            "iridescence": 0.0,
            "sheen_color": _NONE,
            "anisotropy_strength": 0.0,
        },
        beyond_transmission={"thickness": 0.0, "attenuation_color": _ONE, "dispersion": 0.0},
        beyond_coat={"clearcoat_normal": None},
        details=frozenset(
            (
                *("occlusion", "tangent", "iridescence_ior", "iridescence_thickness", "sheen_roughness"),
                *("attenuation_distance", "anisotropy_rotation"),
            )
        ),
    ),
    "UsdPreviewSurface": Surface(
        colour=("diffuseColor", (0.18, 0.18, 0.18)),
        weight=("", 1.0),
        metallic=("metallic", 0.0),
        roughness=("roughness", 0.5),
        specular=("", 1.0),
        ior=("ior", 1.5),
        transmission=("", 0.0),
        transmission_colour=("", _ONE),
        coat=("clearcoat", 0.0),
        coat_roughness=("clearcoatRoughness", 0.01),
        coat_colour="",
        emission=("", 1.0),
        emission_colour=("emissiveColor", _NONE),
        opacity=("opacity", 1.0),
        normal="normal",
        also={
            "useSpecularWorkflow": 0.0,
            "specularColor": _NONE,
            "opacityMode": 0.0,
            "opacityThreshold": 0.0,
        },
        beyond={"displacement": 0.0},
        beyond_transmission={},
        beyond_coat={},
        details=frozenset(("occlusion",)),
    ),
}

IMAGE_BEYOND: dict[str, object] = {
    "layer": "",
    "framerange": "",
    "frameoffset": 0,
    "realworldimagesize": (1.0, 1.0),
    "realworldtilesize": (1.0, 1.0),
}
"""Inputs of image nodes that are not rendered, and their defaults."""
IMAGE_READ = frozenset(
    ("file", "default", "texcoord", "uaddressmode", "vaddressmode", "uvtiling", "uvoffset")
)
IMAGE_DETAILS = frozenset(("filtertype", "frameendaction"))
"""Inputs without an effect of their own that can be seen."""
