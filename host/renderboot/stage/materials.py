"""UsdShade networks around UsdPreviewSurface as neutral materials; other shaders are named and left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pxr import Sdf, Usd, UsdShade

from ..diagnostics import Diagnostics
from ..scene import (
    Colour,
    ColourInput,
    ColourSpace,
    ImageTexture,
    Material,
    ScalarInput,
    VertexColour,
    Wrap,
)
from .values import colour_of

_PREVIEW_SURFACE = "UsdPreviewSurface"
_COLOUR_READERS = ("UsdPrimvarReader_float3", "UsdPrimvarReader_vector", "UsdPrimvarReader_normal")
_MISSING_TEXTURE: Colour = (0.5, 0.5, 0.5)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class MaterialReader:
    """Reads each material once; the same path gives the same object."""

    def __init__(self, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._time = time
        self._diagnostics = diagnostics
        self._known: dict[str, Material | None] = {}

    def material(self, material: UsdShade.Material) -> Material | None:
        """The material, or None when nothing in it can be rendered."""
        path = str(material.GetPath())
        if path not in self._known:
            self._known[path] = self._read(material, path)
        return self._known[path]

    def _read(self, material: UsdShade.Material, path: str) -> Material | None:
        shader = material.ComputeSurfaceSource("")[0]
        if not shader:
            kinds = {str(output.GetBaseName()) for output in material.GetSurfaceOutputs()}
            reason = f"for {', '.join(sorted(kinds))} only" if kinds else "without a surface"
            self._diagnostics.warn(f"Cannot render materials {reason}; their objects show displayColor", path)
            return None
        identifier = shader.GetShaderId()
        if identifier != _PREVIEW_SURFACE:
            name = identifier or "of unknown kind"
            self._diagnostics.warn(f"Cannot render {name} shaders; their objects show displayColor", path)
            return None
        return _SurfaceReading(shader, self._time, self._diagnostics).material(path)


class _SurfaceReading:
    def __init__(self, shader: UsdShade.Shader, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._shader = shader
        self._time = time
        self._diagnostics = diagnostics

    def material(self, path: str) -> Material:
        if self._source("displacement"):
            self._diagnostics.note("Displacement is not rendered", path)
        normal = self._colour("normal", (0.0, 0.0, 1.0))
        return Material(
            path=path,
            diffuse_colour=self._colour("diffuseColor", (0.18, 0.18, 0.18)),
            emissive_colour=self._colour("emissiveColor", (0.0, 0.0, 0.0)),
            use_specular_workflow=int(self._number("useSpecularWorkflow", 0.0)) == 1,
            specular_colour=self._colour("specularColor", (0.0, 0.0, 0.0)),
            metallic=self._scalar("metallic", 0.0),
            roughness=self._scalar("roughness", 0.5),
            clearcoat=self._scalar("clearcoat", 0.0),
            clearcoat_roughness=self._scalar("clearcoatRoughness", 0.01),
            opacity=self._scalar("opacity", 1.0),
            opacity_threshold=self._number("opacityThreshold", 0.0),
            opacity_is_presence=self._constant("opacityMode") == "presence",
            ior=self._number("ior", 1.5),
            normal=normal if isinstance(normal, ImageTexture) else None,
        )

    # -- inputs

    def _source(self, name: str) -> tuple[UsdShade.Shader, str] | None:
        """The shader and output that feed an input, through node graphs; None for a plain value."""
        shader_input = self._shader.GetInput(name)
        return _source_of(shader_input) if shader_input else None

    def _constant(self, name: str) -> Any:
        shader_input = self._shader.GetInput(name)
        return _value_of(shader_input, self._time) if shader_input else None

    def _number(self, name: str, default: float) -> float:
        value = self._constant(name)
        return default if value is None else float(value)

    def _colour(self, name: str, default: Colour) -> ColourInput:
        source = self._source(name)
        if source is None:
            value = self._constant(name)
            return default if value is None else colour_of(value)
        shader, output = source
        kind = shader.GetShaderId()
        if kind == "UsdUVTexture":
            texture = self._texture(shader, output)
            if isinstance(texture, ImageTexture):
                return texture
            return default if texture is None else texture
        if kind in _COLOUR_READERS:
            fallback = _value(shader, "fallback", self._time)
            return VertexColour(
                str(_value(shader, "varname", self._time) or "displayColor"),
                default if fallback is None else colour_of(fallback),
            )
        self._diagnostics.warn(
            f"Cannot evaluate {kind or 'unknown'} nodes; {name} stays at its default", str(shader.GetPath())
        )
        return default

    def _scalar(self, name: str, default: float) -> ScalarInput:
        source = self._source(name)
        if source is None:
            value = self._constant(name)
            return default if value is None else float(value)
        shader, output = source
        if shader.GetShaderId() != "UsdUVTexture":
            kind = shader.GetShaderId() or "unknown"
            self._diagnostics.warn(
                f"Cannot evaluate {kind} nodes; {name} stays at its default", str(shader.GetPath())
            )
            return default
        texture = self._texture(shader, output)
        if isinstance(texture, ImageTexture):
            return texture if texture.output != "rgb" else _with_output(texture, "r")
        return default

    # -- textures

    def _texture(self, shader: UsdShade.Shader, output: str) -> ImageTexture | Colour | None:
        """The image; a colour to use instead when the file is missing; None when there is no file at all."""
        asset = _value(shader, "file", self._time)
        prim = str(shader.GetPath())
        if not isinstance(asset, Sdf.AssetPath) or not asset.path:
            fallback = _value(shader, "fallback", self._time)
            return None if fallback is None else colour_of(fallback)
        file = asset.resolvedPath or asset.path
        if "<UDIM>" in file:
            self._diagnostics.note("Of a UDIM set only the tile 1001 is rendered", prim)
            file = _udim_tile(shader, file)
        if not Path(file.partition("[")[0]).is_file():
            self._diagnostics.warn(f"Texture '{asset.path}' is missing", prim)
            fallback = _value(shader, "fallback", self._time)
            return _MISSING_TEXTURE if fallback is None else colour_of(fallback)
        wrap_s, wrap_t = self._wrap(shader, "wrapS"), self._wrap(shader, "wrapT")
        uv_primvar, uv_transform = self._coordinates(shader)
        return ImageTexture(
            file=file,
            prim=prim,
            output=output if output in ("r", "g", "b", "a") else "rgb",
            wrap_s=wrap_s,
            wrap_t=wrap_t,
            colour_space=_colour_space(_value(shader, "sourceColorSpace", self._time)),
            scale=_four(_value(shader, "scale", self._time), 1.0),
            bias=_four(_value(shader, "bias", self._time), 0.0),
            uv_primvar=uv_primvar,
            uv_transform=uv_transform,
        )

    def _wrap(self, shader: UsdShade.Shader, name: str) -> Wrap:
        value = _value(shader, name, self._time)
        if value == "mirror":
            return "mirror"
        if value == "clamp":
            return "clamp"
        if value == "black":
            return "black"
        return "repeat"  # useMetadata too: images of today carry no wrap metadata, and viewers repeat

    def _coordinates(self, shader: UsdShade.Shader) -> tuple[str, tuple[float, ...]]:
        """Which primvar gives the coordinates, and the 2D transforms on the way, as one 3 by 3 matrix."""
        matrix = np.eye(3)
        shader_input = shader.GetInput("st")
        source = _source_of(shader_input) if shader_input else None
        while source:
            node = source[0]
            kind = node.GetShaderId()
            if kind == "UsdPrimvarReader_float2":
                return str(_value(node, "varname", self._time) or "st"), tuple(matrix.reshape(-1).tolist())
            if kind != "UsdTransform2d":
                self._diagnostics.warn(
                    f"Cannot evaluate {kind or 'unknown'} nodes; 'st' is used", str(node.GetPath())
                )
                break
            matrix = matrix @ self._transform_2d(node)
            shader_input = node.GetInput("in")
            source = _source_of(shader_input) if shader_input else None
        return "st", tuple(matrix.reshape(-1).tolist())

    def _transform_2d(self, node: UsdShade.Shader) -> Any:
        scale = _value(node, "scale", self._time) or (1.0, 1.0)
        translation = _value(node, "translation", self._time) or (0.0, 0.0)
        angle = np.radians(float(_value(node, "rotation", self._time) or 0.0))
        c, s = np.cos(angle), np.sin(angle)
        rotate = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        move = np.array([[1, 0, translation[0]], [0, 1, translation[1]], [0, 0, 1]])
        return move @ rotate @ np.diag([scale[0], scale[1], 1.0])


def displayed(colour: Colour | None, opacity: float, primvar: str | None = None) -> Material:
    """The material of objects that have none: their displayColor, matte, or plain grey.

    Args:
        colour: A constant colour, or None for grey.
        opacity: displayOpacity.
        primvar: The primvar to read when the colour varies over the surface.
    """
    constant = colour or (0.5, 0.5, 0.5)
    name = primvar or " ".join(f"{component:.3g}" for component in constant)
    return Material(
        path=f"displayColor {name} {opacity:g}",
        diffuse_colour=VertexColour(primvar, constant) if primvar else constant,
        roughness=0.6,
        opacity=opacity,
        opacity_is_presence=True,
    )


def _source_of(shader_input: UsdShade.Input) -> tuple[UsdShade.Shader, str] | None:
    for attribute in shader_input.GetValueProducingAttributes():
        name, kind = UsdShade.Utils.GetBaseNameAndType(attribute.GetName())
        if kind == UsdShade.AttributeType.Output:
            shader = UsdShade.Shader(attribute.GetPrim())
            if shader:
                return shader, str(name)
    return None


def _value_of(shader_input: UsdShade.Input, time: Usd.TimeCode) -> Any:
    for attribute in shader_input.GetValueProducingAttributes():
        return attribute.Get(time)
    return None


def _value(shader: UsdShade.Shader, name: str, time: Usd.TimeCode) -> Any:
    shader_input = shader.GetInput(name)
    return _value_of(shader_input, time) if shader_input else None


def _four(value: Any, default: float) -> tuple[float, float, float, float]:
    if value is None:
        return (default, default, default, default)
    return (float(value[0]), float(value[1]), float(value[2]), float(value[3]))


def _colour_space(value: Any) -> ColourSpace:
    if value == "sRGB":
        return "srgb"
    if value == "raw":
        return "linear"
    return "auto"


def _with_output(texture: ImageTexture, output: str) -> ImageTexture:
    return ImageTexture(**{**texture.__dict__, "output": output})


def _udim_tile(shader: UsdShade.Shader, file: str) -> str:
    tile = file.replace("<UDIM>", "1001")
    if Path(tile).is_absolute():
        return tile
    # USD leaves a set's path unresolved; it is anchored where the strongest opinion about it stands.
    for spec in shader.GetInput("file").GetAttr().GetPropertyStack():
        return str(spec.layer.ComputeAbsolutePath(tile))
    return tile
