"""MaterialX surfaces (standard_surface, OpenPBR, glTF and preview surfaces) as neutral materials.

Reads UsdShade networks of MaterialX nodes; .mtlx files become such networks in mtlx_layer.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from pxr import Sdf, Usd, UsdShade

from ..diagnostics import Diagnostics
from ..images import from_srgb
from ..scene import Colour, ColourInput, ColourSpace, ImageTexture, Material, Primvar, ScalarInput, Wrap
from .assets import existing_file, is_udim, udim_tiles
from .materialx_surfaces import IMAGE_BEYOND, SURFACES, Surface
from .shading import attribute_of, is_animated, numbers_of, source_of, value_of

_ID = re.compile(
    r"^ND_(?P<category>\w+?)_(?P<type>surfaceshader|color[34]|float|integer|vector[234])(?:_\w+)?$"
)
_ADDRESS: dict[str, Wrap] = {"periodic": "repeat", "clamp": "clamp", "mirror": "mirror", "constant": "black"}
_MAX_DEPTH = 64
"""Nodes in a row: more are as good as endless."""
_LINEAR = (
    "lin_rec709",
    "lin_rec709_scene",
    "lin_srgb",
    "linear",
    "raw",
    "none",
    "data",
    "identity",
    "unknown",
    "utility - linear - srgb",
    "scene-linear rec.709-srgb",
)
_OTHER_GAMUTS = ("p3", "ap1")
"""In names of colour spaces with the curve of sRGB."""
_BLACK: Colour = (0.0, 0.0, 0.0)
_Found = ImageTexture | Primvar | tuple[float, ...]


def surface_of(material: UsdShade.Material) -> tuple[UsdShade.Shader, str] | None:
    """Return the material's MaterialX surface node and its kind; None when it has none."""
    shader = material.ComputeSurfaceSource("mtlx")[0]
    found = _ID.match(str(shader.GetShaderId() or "")) if shader else None
    return (shader, found["category"]) if found and found["type"] == "surfaceshader" else None


def can_render(kind: str) -> bool:
    """Whether surfaces of this kind are rendered."""
    return kind in SURFACES


class MaterialXReader:
    """Reads MaterialX surfaces at one frame."""

    def __init__(self, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._time = time
        self._diagnostics = diagnostics
        self._open: list[str] = []
        """Paths of the nodes that are being evaluated."""

    def material(self, shader: UsdShade.Shader, kind: str, path: str) -> Material:
        """The surface as a neutral material.

        Args:
            shader: The surface's node.
            kind: As returned by `surface_of`; one for which `can_render` is true.
            path: The material's prim path, for warnings.
        """
        names = SURFACES[kind]
        transmission = self._constant(shader, *names.transmission)
        coat = self._scalar(shader, *names.coat)
        self._name_beyond(shader, names.beyond, path)
        if transmission > 0.0:
            self._name_beyond(shader, names.beyond_transmission, path)
        if coat != 0.0:
            self._name_beyond(shader, names.beyond_coat, path)
        opacity, threshold, is_presence = self._opacity(shader, kind, names)
        tint: Colour = (1.0, 1.0, 1.0)
        if transmission > 0.0 and opacity == 1.0:
            opacity, is_presence = 1.0 - min(transmission, 1.0), False
            tint = self._constant_colour(shader, *names.transmission_colour)
        is_specular = (
            kind == "UsdPreviewSurface" and self._constant(shader, "useSpecularWorkflow", 0.0) == 1.0
        )
        ior = self._constant(shader, *names.ior)
        weight = self._constant(shader, *names.specular)
        base = self._weighted(shader, names.colour, names.weight, path)
        if names.coat_colour and isinstance(coat, float) and coat > 0.0:
            base = self._coated(shader, names.coat_colour, min(coat, 1.0), base, path)
        return Material(
            path=path,
            diffuse_colour=base,
            emissive_colour=self._weighted(shader, names.emission_colour, names.emission, path),
            use_specular_workflow=is_specular,
            specular_colour=self._colour(shader, "specularColor", (0.0, 0.0, 0.0)) if is_specular else _BLACK,
            metallic=self._scalar(shader, *names.metallic),
            roughness=self._scalar(shader, *names.roughness),
            clearcoat=coat,
            clearcoat_roughness=self._scalar(shader, *names.coat_roughness),
            opacity=opacity,
            opacity_threshold=threshold,
            opacity_is_presence=is_presence,
            # A reflection of a part of its strength is that of a lower index; refraction keeps its own.
            ior=ior if transmission > 0.0 else _weaker(ior, weight),
            transmission_colour=tint,
            normal=self._normal(shader, names.normal),
            is_emission_animated=is_animated(shader, names.emission[0], names.emission_colour[0]),
        )

    def _coated(
        self, shader: UsdShade.Shader, name: str, coat: float, base: ColourInput, path: str
    ) -> ColourInput:
        """Return the base colour as seen through the coat, which tints it as far as it covers it."""
        tint = self._colour(shader, name, (1.0, 1.0, 1.0))
        if isinstance(tint, tuple):
            share = tuple(1.0 - coat + coat * each for each in tint)
            if isinstance(base, tuple):
                return _three(tuple(a * b for a, b in zip(base, share, strict=True)))
            if isinstance(base, ImageTexture):
                return _times(base, share)
            if tint == (1.0, 1.0, 1.0):
                return base
        if isinstance(tint, ImageTexture) and isinstance(base, tuple):
            scale = _three(tuple(each * coat * old for each, old in zip(base, tint.scale, strict=False)))
            bias = _three(
                tuple(each * (1.0 - coat + coat * old) for each, old in zip(base, tint.bias, strict=False))
            )
            return replace(tint, scale=(*scale, tint.scale[3]), bias=(*bias, tint.bias[3]))
        self._warn(f"The MaterialX input '{name}' is not rendered with a base colour that varies too", path)
        return base

    def _opacity(self, shader: UsdShade.Shader, kind: str, names: Surface) -> tuple[ScalarInput, float, bool]:
        """Return the opacity, its threshold (0: none), and whether it is presence rather than glass."""
        opacity = self._scalar(shader, *names.opacity)
        if kind == "gltf_pbr":
            mode = int(self._constant(shader, "alpha_mode", 0.0))
            if mode == 0:
                return 1.0, 0.0, True
            return opacity, self._constant(shader, "alpha_cutoff", 0.5) if mode == 1 else 0.0, True
        if kind == "UsdPreviewSurface":
            threshold = self._constant(shader, "opacityThreshold", 0.0)
            return opacity, threshold, int(self._constant(shader, "opacityMode", 0.0)) == 1
        return opacity, 0.0, True

    def _name_beyond(
        self, shader: UsdShade.Shader, inputs: Mapping[str, float | Colour | None], path: str
    ) -> None:
        """Warn of inputs that are not rendered and have another value than their default."""
        for name, default in inputs.items():
            count = 3 if isinstance(default, tuple) else 1
            value, usual = numbers_of(value_of(shader, name, self._time), count), numbers_of(default, count)
            # The stage holds single precision.
            is_other = bool(value and usual and not np.allclose(value, usual, atol=1e-6))
            if source_of(shader, name) or is_other:
                self._warn(f"The MaterialX input '{name}' is not rendered", path)

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

    def _colour(self, shader: UsdShade.Shader, name: str, default: Colour) -> ColourInput:
        found = self._value(shader, name, 3)
        if found is None or isinstance(found, tuple):
            return _three(found or default)
        return found

    def _constant_colour(self, shader: UsdShade.Shader, name: str, default: Colour) -> Colour:
        found = self._value(shader, name, 3) if name else None
        if found is None or isinstance(found, tuple):
            return _three(found or default)
        self._warn(f"A MaterialX input '{name}' that varies is not rendered", str(shader.GetPath()))
        return default

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
                    return self._scaled(node, replace(found, colour_space="linear"))
            elif inner:
                self._named(inner[0], name)
        elif category not in ("normal", ""):
            self._named(node, name)
        return None

    def _scaled(self, node: UsdShade.Shader, image: ImageTexture) -> ImageTexture:
        """Return a normal map's image with the strength that its node gives it."""
        found = self._value(node, "scale", 2)
        if found is not None and not isinstance(found, tuple):
            self._warn("A MaterialX input 'scale' that varies is not rendered", str(node.GetPath()))
        x, y = found if isinstance(found, tuple) else (1.0, 1.0)
        if (x, y) == (1.0, 1.0):
            return image
        return replace(image, scale=(2.0 * x, 2.0 * y, 2.0, 1.0), bias=(-x, -y, -1.0, 0.0))

    def _numbers(self, shader: UsdShade.Shader, name: str, width: int) -> tuple[float, ...] | None:
        """Return an input's own value, a colour as linear numbers; None where it has none."""
        attribute = attribute_of(shader, name)
        numbers = numbers_of(attribute.Get(self._time), width) if attribute else None
        if attribute and numbers and attribute.GetTypeName().role == "Color":
            path = str(shader.GetPath())
            if self._space(attribute, path) == "srgb":
                return tuple(from_srgb(np.array(numbers, np.float32)).tolist())
        return numbers

    def _space(self, attribute: Usd.Attribute, prim: str) -> ColourSpace:
        """Return the colour space of a value or an image that is a colour."""
        name = str(attribute.GetColorSpace() or "").lower()
        if name in ("", "auto"):
            return "auto"
        is_srgb = "srgb" in name and "lin" not in name
        is_rendered = not any(gamut in name for gamut in _OTHER_GAMUTS) if is_srgb else name in _LINEAR
        if not is_rendered:
            taken = "sRGB" if is_srgb else "linear Rec. 709"
            self._warn(f"The colour space '{name}' is not converted: taken as {taken}", prim)
        return "srgb" if is_srgb else "linear"

    # --- Nodes ---

    def _value(self, shader: UsdShade.Shader, name: str, width: int) -> _Found | None:
        """Resolve an input to an image, a primvar or numbers; None: use the input's default."""
        source = source_of(shader, name)
        if source is None:
            return self._numbers(shader, name, width)
        path = str(source[0].GetPath())
        if path in self._open or len(self._open) >= _MAX_DEPTH:
            self._warn(f"A MaterialX node that feeds itself: {name} stays at its default", path)
            return None
        self._open.append(path)
        try:
            return self._node(source[0], source[1], name, width)
        finally:
            self._open.pop()

    def _node(self, node: UsdShade.Shader, output: str, name: str, width: int) -> _Found | None:
        category = _category(node)
        if category in ("image", "tiledimage", "UsdUVTexture"):
            return self._image(node, output, width)
        if category == "constant":
            return self._numbers(node, "value", width)
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
        space = self._space(attribute, prim) if _is_colour(node, width) else "linear"
        for name, default in IMAGE_BEYOND.items():
            value = value_of(node, name, self._time)
            if source_of(node, name) or (value is not None and value != default):
                self._warn(f"The MaterialX input '{name}' is not rendered", prim)
        return ImageTexture(
            file=file,
            prim=prim,
            output=output if output in tuple("rgba") else "rgb" if width == 3 else "r",
            wrap_s="repeat" if is_tiled else self._address(node, "uaddressmode"),
            wrap_t="repeat" if is_tiled else self._address(node, "vaddressmode"),
            colour_space="linear" if space == "auto" and width != 3 else space,
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


def _three(value: tuple[float, ...]) -> Colour:
    return (value[0], value[1], value[2])


def _weaker(ior: float, weight: float) -> float:
    """Return the index of refraction whose reflection is `weight` times that of `ior`."""
    if weight >= 1.0 or ior <= 1.0:
        return ior
    root = math.sqrt(max(weight, 0.0)) * (ior - 1.0) / (ior + 1.0)
    return (1.0 + root) / (1.0 - root)


def _times(texture: ImageTexture, factor: tuple[float, ...]) -> ImageTexture:
    three = _three(factor if len(factor) >= 3 else factor[:1] * 3)
    scale, bias = (
        _three(tuple(a * b for a, b in zip(values, three, strict=False)))
        for values in (texture.scale, texture.bias)
    )
    return replace(texture, scale=(*scale, texture.scale[3]), bias=(*bias, texture.bias[3]))


def _is_colour(node: UsdShade.Shader, width: int) -> bool:
    """Whether an image is one of colours, which alone have a colour space."""
    found = _ID.match(str(node.GetShaderId() or ""))
    return found["type"].startswith("color") if found else width == 3
