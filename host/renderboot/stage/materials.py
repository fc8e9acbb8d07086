"""Reads UsdPreviewSurface networks into neutral materials; warns of other shaders, and leaves them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pxr import Sdf, Usd, UsdShade

from ..diagnostics import Diagnostics
from ..scene import (
    COLOUR_INPUTS,
    SCALAR_INPUTS,
    Colour,
    ColourInput,
    ImageTexture,
    Material,
    Primvar,
    ScalarInput,
)
from .materialx import MaterialXReader, can_render, surface_of
from .shading import is_animated, numbers_of, source_of, value_of
from .uv_textures import TextureReader

_PREVIEW_SURFACE = "UsdPreviewSurface"
_READER_WIDTHS = {
    "UsdPrimvarReader_float": 1,
    "UsdPrimvarReader_int": 1,
    "UsdPrimvarReader_float3": 3,
    "UsdPrimvarReader_float4": 4,
    "UsdPrimvarReader_vector": 3,
    "UsdPrimvarReader_point": 3,
    "UsdPrimvarReader_normal": 3,
}
_NAMES = {
    "diffuse_colour": "diffuseColor",
    "emissive_colour": "emissiveColor",
    "specular_colour": "specularColor",
    "clearcoat_roughness": "clearcoatRoughness",
}
"""Input names of those `Material` fields that are named differently."""
_NUMBERS = {"useSpecularWorkflow": 0.0, "opacityThreshold": 0.0, "ior": 1.5}
SURFACE_INPUTS = {
    *("diffuseColor", "emissiveColor", "useSpecularWorkflow", "specularColor", "metallic", "roughness"),
    *("clearcoat", "clearcoatRoughness", "opacity", "opacityThreshold", "opacityMode", "ior", "normal"),
}


@dataclass(frozen=True)
class ReadMaterial:
    """A material as its network says, and the plain numbers of it that a primvar drives, by input names."""

    material: Material
    driven: tuple[tuple[str, Primvar], ...] = ()


class MaterialReader:
    """Reads each material once; the same path gives the same object."""

    def __init__(self, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._time = time
        self._diagnostics = diagnostics
        self._known: dict[str, ReadMaterial | None] = {}
        self.sources: dict[str, frozenset[Sdf.Path]] | None = None
        """If given, receives by path the materials that are read or refused: see `KeptMeshes.sources`."""

    def material(self, material: UsdShade.Material) -> ReadMaterial | None:
        """Return the material of the UsdPreviewSurface network; None when there is none."""
        path = str(material.GetPath())
        if path not in self._known:
            if self.sources is not None:
                self.sources[path] = _sources_of(material)
            shader = material.ComputeSurfaceSource("")[0]
            is_known = bool(shader) and shader.GetShaderId() == _PREVIEW_SURFACE
            self._known[path] = self._read(material, shader, path) if is_known else None
        return self._known[path]

    def translated(self, material: UsdShade.Material) -> ReadMaterial | None:
        """Return the material of the MaterialX network as far as supported; None when there is none."""
        path = str(material.GetPath())
        key = f"mtlx {path}"
        if key not in self._known:
            found = surface_of(material)
            self._known[key] = None
            if found and can_render(found[1]):
                reader = MaterialXReader(self._time, self._diagnostics)
                self._known[key] = ReadMaterial(reader.material(*found, path))
        return self._known[key]

    def refusal(self, material: UsdShade.Material) -> str:
        """Return why both `material` and `translated` return None."""
        found = surface_of(material)
        if found:
            return f"Cannot render MaterialX surfaces {found[0].GetShaderId()}"
        shader = material.ComputeSurfaceSource("")[0]
        if shader:
            return f"Cannot render {shader.GetShaderId() or 'unknown'} shaders"
        kinds = sorted({str(output.GetBaseName()) for output in material.GetSurfaceOutputs()} - {"surface"})
        if not kinds:
            return "Cannot render materials without a surface"
        names = ", ".join("MaterialX (mtlx)" if kind.startswith("mtlx") else kind for kind in kinds)
        return f"Cannot render materials for {names} only"

    def _read(self, material: UsdShade.Material, shader: UsdShade.Shader, path: str) -> ReadMaterial:
        displacing = material.ComputeDisplacementSource("")[0]
        amount = numbers_of(value_of(shader, "displacement", self._time), 1) or (0.0,)
        is_other = bool(displacing) and displacing.GetPath() != shader.GetPath()
        if is_other or source_of(shader, "displacement") or amount[0] != 0.0:
            self._diagnostics.warn("Displacement is not rendered", path)
        if material.ComputeVolumeSource("")[0]:
            self._diagnostics.warn("Volume shaders are not rendered", path)
        return _SurfaceReading(shader, self._time, self._diagnostics).material(path)


class _SurfaceReading:
    def __init__(self, shader: UsdShade.Shader, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._shader = shader
        self._time = time
        self._diagnostics = diagnostics
        self._textures = TextureReader(time, diagnostics)
        self._driven: list[tuple[str, Primvar]] = []

    def material(self, path: str) -> ReadMaterial:
        default = Material(path)
        inputs: dict[str, Any] = {}
        for field in COLOUR_INPUTS:
            inputs[field] = self._colour(_NAMES.get(field, field), getattr(default, field))
        for field in SCALAR_INPUTS:
            inputs[field] = self._scalar(_NAMES.get(field, field), getattr(default, field))
        numbers = {name: self._number(name, value) for name, value in _NUMBERS.items()}
        normal = self._normal()
        for shader_input in self._shader.GetInputs():
            name = str(shader_input.GetBaseName())
            if name not in SURFACE_INPUTS and name not in ("displacement", "occlusion"):
                self._warn(f"The surface input '{name}' is not rendered")
        material = Material(
            path=path,
            **inputs,
            use_specular_workflow=int(numbers["useSpecularWorkflow"]) == 1,
            opacity_threshold=numbers["opacityThreshold"],
            opacity_is_presence=value_of(self._shader, "opacityMode", self._time) == "presence",
            ior=numbers["ior"],
            normal=normal,
            is_emission_animated=is_animated(self._shader, "emissiveColor"),
        )
        return ReadMaterial(material, tuple(self._driven))

    # --- Inputs ---

    def _warn(self, text: str, shader: UsdShade.Shader | None = None) -> None:
        self._diagnostics.warn(text, str((shader or self._shader).GetPath()))

    def _number(self, name: str, default: float) -> float:
        source = source_of(self._shader, name)
        if source:
            primvar = self._reader(source[0], 1, (default,))
            if primvar is None:
                self._warn(
                    f"Cannot evaluate {_kind(source[0])} nodes; {name} stays at its default", source[0]
                )
                return default
            self._driven.append((name, primvar))
            return primvar.fallback[0]
        return self._constant(name, (default,))[0]

    def _constant(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        value = value_of(self._shader, name, self._time)
        if value is None:
            return default
        numbers = numbers_of(value, len(default))
        if numbers is None:
            self._warn(f"The value of {name} is not {len(default)} finite numbers; it stays at its default")
            return default
        return numbers

    def _colour(self, name: str, default: Colour) -> ColourInput:
        source = source_of(self._shader, name)
        if source is None:
            return _three(self._constant(name, default))
        shader, output = source
        if shader.GetShaderId() == "UsdUVTexture":
            found = self._textures.texture(shader, output)
            if found is None or isinstance(found, ImageTexture):
                return default if found is None else found
            return (found["rgba".index(output)],) * 3 if output in tuple("rgba") else _three(found)
        primvar = self._reader(shader, 3, default)
        if primvar is None:
            self._warn(f"Cannot evaluate {_kind(shader)} nodes; {name} stays at its default", shader)
            return default
        return primvar

    def _scalar(self, name: str, default: float) -> ScalarInput:
        source = source_of(self._shader, name)
        if source is None:
            return self._constant(name, (default,))[0]
        shader, output = source
        if shader.GetShaderId() == "UsdUVTexture":
            channel = output if output in tuple("rgba") else "r"
            found = self._textures.texture(shader, channel)
            if found is None or isinstance(found, ImageTexture):
                return default if found is None else found
            # A neutral grey is the colour of a missing image; a number has its default instead.
            is_authored = value_of(shader, "fallback", self._time) is not None
            return found["rgba".index(channel)] if is_authored else default
        primvar = self._reader(shader, 1, (default,))
        if primvar is None:
            self._warn(f"Cannot evaluate {_kind(shader)} nodes; {name} stays at its default", shader)
            return default
        return primvar

    def _normal(self) -> ImageTexture | None:
        source = source_of(self._shader, "normal")
        if source is None:
            return None
        if source[0].GetShaderId() == "UsdUVTexture":
            found = self._textures.texture(source[0], "rgb")
            return found if isinstance(found, ImageTexture) else None
        self._warn(f"Cannot evaluate {_kind(source[0])} nodes; normal stays at its default", source[0])
        return None

    def _reader(self, shader: UsdShade.Shader, width: int, default: tuple[float, ...]) -> Primvar | None:
        """Return a reader node's primvar; None for other nodes, and for readers of fewer numbers."""
        if _READER_WIDTHS.get(shader.GetShaderId(), 0) < width:
            return None
        name = str(value_of(shader, "varname", self._time) or "")
        if not name:
            self._warn("A primvar reader without a varname gives its fallback", shader)
        authored = numbers_of(value_of(shader, "fallback", self._time), width)
        # A reader's own default is zero, whatever the input's default is, once it has a fallback at all.
        return Primvar(name, width, authored or default)


def _sources_of(material: UsdShade.Material) -> frozenset[Sdf.Path]:
    """Return the material's path, and the prims outside of it that feed it, there or not."""
    path = material.GetPath()
    found = material.GetPrim().FindAllAttributeConnectionPaths(recurseOnSources=True)
    return frozenset({path, *(each.GetPrimPath() for each in found if not each.HasPrefix(path))})


def displayed(colour: ColourInput | None, opacity: ScalarInput) -> Material:
    """Return the material of unbound prims: matte, in their displayColor or grey.

    Args:
        colour: displayColor, or None for grey.
        opacity: displayOpacity.
    """
    base: ColourInput = colour or (0.5, 0.5, 0.5)
    return Material(
        path=f"displayColor {base} {opacity}",
        diffuse_colour=base,
        roughness=0.6,
        opacity=opacity,
        opacity_is_presence=True,
    )


def _three(value: tuple[float, ...]) -> Colour:
    return (value[0], value[1], value[2])


def _kind(shader: UsdShade.Shader) -> str:
    return shader.GetShaderId() or "unknown"
