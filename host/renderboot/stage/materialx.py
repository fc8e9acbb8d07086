"""MaterialX surfaces (standard_surface, OpenPBR, glTF and preview surfaces) as neutral materials.

Reads UsdShade networks of MaterialX nodes; .mtlx files become such networks in mtlx_layer.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from pxr import Sdf, Usd, UsdShade

from ..diagnostics import Diagnostics
from ..scene import Colour, ColourInput, ColourSpace, ImageTexture, Material, Primvar, ScalarInput, Wrap
from .assets import existing_file, is_udim, udim_tiles
from .shading import attribute_of, numbers_of, source_of, value_of

_ID = re.compile(
    r"^ND_(?P<category>\w+?)_(?P<type>surfaceshader|color[34]|float|integer|vector[234])(?:_\w+)?$"
)
_ADDRESS: dict[str, Wrap] = {"periodic": "repeat", "clamp": "clamp", "mirror": "mirror", "constant": "black"}
_Found = ImageTexture | Primvar | tuple[float, ...]


@dataclass(frozen=True)
class _Surface:
    """Input names and defaults of one kind of surface; an empty name: the surface has no such input."""

    colour: tuple[str, Colour]
    weight: tuple[str, float]
    metallic: tuple[str, float]
    roughness: tuple[str, float]
    ior: tuple[str, float]
    transmission: str
    coat: str
    coat_roughness: tuple[str, float]
    emission: tuple[str, float]
    emission_colour: tuple[str, Colour]
    opacity: str
    normal: str
    beyond: tuple[str, ...]
    """Inputs that are not rendered; a warning lists those that are not zero."""


_SURFACES = {
    "standard_surface": _Surface(
        ("base_color", (0.8, 0.8, 0.8)),
        ("base", 1.0),
        ("metalness", 0.0),
        ("specular_roughness", 0.2),
        ("specular_IOR", 1.5),
        "transmission",
        "coat",
        ("coat_roughness", 0.1),
        ("emission", 0.0),
        ("emission_color", (1.0, 1.0, 1.0)),
        "opacity",
        "normal",
        (
            "diffuse_roughness",
            "specular_anisotropy",
            "subsurface",
            "sheen",
            "thin_film_thickness",
            "coat_normal",
        ),
    ),
    "open_pbr_surface": _Surface(
        ("base_color", (0.8, 0.8, 0.8)),
        ("base_weight", 1.0),
        ("base_metalness", 0.0),
        ("specular_roughness", 0.3),
        ("specular_ior", 1.5),
        "transmission_weight",
        "coat_weight",
        ("coat_roughness", 0.0),
        ("emission_luminance", 0.0),
        ("emission_color", (1.0, 1.0, 1.0)),
        "geometry_opacity",
        "geometry_normal",
        (
            *("base_diffuse_roughness", "specular_roughness_anisotropy", "subsurface_weight"),
            *("fuzz_weight", "thin_film_weight", "geometry_coat_normal"),
        ),
    ),
    "gltf_pbr": _Surface(
        ("base_color", (1.0, 1.0, 1.0)),
        ("", 1.0),
        ("metallic", 1.0),
        ("roughness", 1.0),
        ("ior", 1.5),
        "transmission",
        "clearcoat",
        ("clearcoat_roughness", 0.0),
        ("", 1.0),
        ("emissive", (0.0, 0.0, 0.0)),
        "alpha",
        "normal",
        ("sheen_roughness", "iridescence", "anisotropy_strength"),
    ),
    "UsdPreviewSurface": _Surface(
        ("diffuseColor", (0.18, 0.18, 0.18)),
        ("", 1.0),
        ("metallic", 0.0),
        ("roughness", 0.5),
        ("ior", 1.5),
        "",
        "clearcoat",
        ("clearcoatRoughness", 0.01),
        ("", 1.0),
        ("emissiveColor", (0.0, 0.0, 0.0)),
        "opacity",
        "normal",
        ("useSpecularWorkflow", "displacement"),
    ),
}


def surface_of(material: UsdShade.Material) -> tuple[UsdShade.Shader, str] | None:
    """Return the material's MaterialX surface node and its kind; None when it has none."""
    shader = material.ComputeSurfaceSource("mtlx")[0]
    found = _ID.match(str(shader.GetShaderId() or "")) if shader else None
    return (shader, found["category"]) if found and found["type"] == "surfaceshader" else None


def can_render(kind: str) -> bool:
    """Whether surfaces of this kind are rendered."""
    return kind in _SURFACES


class MaterialXReader:
    """Reads MaterialX surfaces at one frame."""

    def __init__(self, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._time = time
        self._diagnostics = diagnostics

    def material(self, shader: UsdShade.Shader, kind: str, path: str) -> Material:
        """The surface as a neutral material.

        Args:
            shader: The surface's node.
            kind: As returned by `surface_of`; one for which `can_render` is true.
            path: The material's prim path, for warnings.
        """
        names = _SURFACES[kind]
        for name in names.beyond:
            value = numbers_of(value_of(shader, name, self._time), 1)
            if source_of(shader, name) or (value and value[0] != 0.0):
                self._warn(f"The MaterialX input '{name}' is not rendered", path)
        opacity = self._scalar(shader, names.opacity, 1.0)
        transmission = self._constant(shader, names.transmission, 0.0)
        if transmission > 0.0 and opacity == 1.0:
            opacity, is_presence = 1.0 - min(transmission, 1.0), False
        else:
            is_presence = kind != "UsdPreviewSurface"
        return Material(
            path=path,
            diffuse_colour=self._weighted(shader, names.colour, names.weight, path),
            emissive_colour=self._weighted(shader, names.emission_colour, names.emission, path),
            metallic=self._scalar(shader, *names.metallic),
            roughness=self._scalar(shader, *names.roughness),
            clearcoat=self._scalar(shader, names.coat, 0.0),
            clearcoat_roughness=self._scalar(shader, *names.coat_roughness),
            opacity=opacity,
            opacity_threshold=self._constant(shader, "opacityThreshold", 0.0),
            opacity_is_presence=is_presence,
            ior=self._constant(shader, *names.ior),
            normal=self._normal(shader, names.normal),
        )

    # --- Inputs ---

    def _warn(self, text: str, prim: str) -> None:
        self._diagnostics.warn(text, prim)

    def _constant(self, shader: UsdShade.Shader, name: str, default: float) -> float:
        found = self._value(shader, name, 1) if name else None
        if found is None:
            return default
        if isinstance(found, tuple):
            return found[0]
        self._warn(f"A MaterialX input '{name}' that varies is not rendered", str(shader.GetPath()))
        return default

    def _scalar(self, shader: UsdShade.Shader, name: str, default: float) -> ScalarInput:
        found = self._value(shader, name, 1) if name else None
        if found is None:
            return default
        if isinstance(found, ImageTexture):
            return replace(found, output="r") if found.output == "rgb" else found
        return found[0] if isinstance(found, tuple) else found

    def _weighted(
        self, shader: UsdShade.Shader, colour: tuple[str, Colour], weight: tuple[str, float], path: str
    ) -> ColourInput:
        found = self._value(shader, colour[0], 3)
        amount = self._constant(shader, *weight)
        if found is None or isinstance(found, tuple):
            value = found or colour[1]
            return (value[0] * amount, value[1] * amount, value[2] * amount)
        if amount <= 0.0:
            return (0.0, 0.0, 0.0)
        if amount == 1.0:
            return found
        if isinstance(found, ImageTexture):
            return _times(found, (amount, amount, amount))
        self._warn(f"The MaterialX input '{weight[0]}' is not rendered with a primvar", path)
        return found

    def _normal(self, shader: UsdShade.Shader, name: str) -> ImageTexture | None:
        source = source_of(shader, name)
        if source is None:
            return None
        node, category = source[0], _category(source[0])
        if category == "normalmap":
            inner = source_of(node, "in")
            if inner and _category(inner[0]) in ("image", "tiledimage"):
                found = self._image(inner[0], inner[1], 3)
                if isinstance(found, ImageTexture):
                    return replace(found, colour_space="linear")
        elif category not in ("normal", ""):
            self._named(node, name)
        return None

    # --- Nodes ---

    def _value(self, shader: UsdShade.Shader, name: str, width: int) -> _Found | None:
        """Resolve an input to an image, a primvar or numbers; None: use the input's default."""
        source = source_of(shader, name)
        if source is None:
            return numbers_of(value_of(shader, name, self._time), width)
        return self._node(source[0], source[1], name, width)

    def _node(self, node: UsdShade.Shader, output: str, name: str, width: int) -> _Found | None:
        category = _category(node)
        if category in ("image", "tiledimage", "UsdUVTexture"):
            return self._image(node, output, width)
        if category == "constant":
            return numbers_of(value_of(node, "value", self._time), width)
        if category in ("convert", "dot"):
            return self._value(node, "in", width)
        if category == "geompropvalue":
            primvar = str(value_of(node, "geomprop", self._time) or "")
            fallback = numbers_of(value_of(node, "default", self._time), width)
            return Primvar(primvar, width, fallback or (0.0,) * width)
        if category in ("extract", "separate2", "separate3", "separate4"):
            found = self._value(node, "in", 3)
            index = numbers_of(value_of(node, "index", self._time), 1) or (0.0,)
            number = int(index[0]) if category == "extract" else "rgba".find(output.removeprefix("out")[:1])
            if isinstance(found, ImageTexture) and 0 <= number < 4:
                return replace(found, output="rgba"[number])
            return (found[number],) * width if isinstance(found, tuple) and 0 <= number < len(found) else None
        if category == "multiply":
            first, second = self._value(node, "in1", width), self._value(node, "in2", width)
            for one, other in ((first, second), (second, first)):
                if isinstance(one, tuple) and isinstance(other, tuple):
                    return tuple(a * b for a, b in zip(one, other, strict=False))
                if isinstance(one, tuple) and isinstance(other, ImageTexture):
                    return _times(other, one)
        self._named(node, name)
        return None

    def _named(self, node: UsdShade.Shader, name: str) -> None:
        kind = node.GetShaderId() or "unknown"
        self._warn(
            f"Cannot evaluate MaterialX nodes {kind}; {name} stays at its default", str(node.GetPath())
        )

    def _image(self, node: UsdShade.Shader, output: str, width: int) -> _Found | None:
        asset, prim = value_of(node, "file", self._time), str(node.GetPath())
        attribute = attribute_of(node, "file")
        fallback = numbers_of(value_of(node, "default", self._time), 3)
        if not isinstance(asset, Sdf.AssetPath) or not asset.path or attribute is None:
            return fallback[:width] if fallback else None
        tiles = udim_tiles(asset, attribute) if is_udim(asset) else ()
        file = asset.path if tiles else existing_file(asset)
        if file is None:
            self._warn(f"Texture '{asset.path}' is missing", prim)
            return fallback[:width] if fallback else (0.5,) * width if width == 3 else None
        scale = numbers_of(value_of(node, "uvtiling", self._time), 2) or (1.0, 1.0)
        offset = numbers_of(value_of(node, "uvoffset", self._time), 2) or (0.0, 0.0)
        place = np.array([[scale[0], 0, -offset[0]], [0, scale[1], -offset[1]], [0, 0, 1]])
        is_tiled = _category(node) == "tiledimage"
        return ImageTexture(
            file=file,
            prim=prim,
            output=output if output in tuple("rgba") else "rgb" if width == 3 else "r",
            wrap_s="repeat" if is_tiled else self._address(node, "uaddressmode"),
            wrap_t="repeat" if is_tiled else self._address(node, "vaddressmode"),
            colour_space=_colour_space(attribute, width),
            fallback=(fallback[0], fallback[1], fallback[2], 1.0) if fallback else None,
            tiles=tiles,
            uv_primvar=self._coordinates(node),
            uv_transform=tuple(place.reshape(-1).tolist()),
        )

    def _address(self, node: UsdShade.Shader, name: str) -> Wrap:
        return _ADDRESS.get(str(value_of(node, name, self._time) or "periodic"), "repeat")

    def _coordinates(self, node: UsdShade.Shader) -> str:
        source = source_of(node, "texcoord")
        if source is None or _category(source[0]) == "texcoord":
            return "st"
        if _category(source[0]) == "geompropvalue":
            return str(value_of(source[0], "geomprop", self._time) or "st")
        self._named(source[0], "texcoord")
        return "st"


def _category(node: UsdShade.Shader) -> str:
    found = _ID.match(str(node.GetShaderId() or ""))
    return found["category"] if found else ""


def _times(texture: ImageTexture, factor: tuple[float, ...]) -> ImageTexture:
    three = factor if len(factor) >= 3 else factor[:1] * 3
    scale = tuple(a * b for a, b in zip(texture.scale, (*three[:3], 1.0), strict=True))
    return replace(texture, scale=(scale[0], scale[1], scale[2], scale[3]))


def _colour_space(attribute: Usd.Attribute, width: int) -> ColourSpace:
    name = str(attribute.GetColorSpace() or "").lower()
    if "srgb" in name and "lin" not in name:
        return "srgb"
    if name or width != 3:
        return "linear"
    return "auto"
