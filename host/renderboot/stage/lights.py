"""UsdLux lights at one frame as neutral lights: intensity, exposure, colour and normalize multiplied out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdLux

from ..diagnostics import Diagnostics
from ..light_areas import cylinder_area, flat_scale, sphere_area
from ..scene import (
    Colour,
    CylinderLight,
    DiskLight,
    DistantLight,
    DomeLight,
    ImageTexture,
    Light,
    Matrix,
    PointLight,
    RectLight,
    SphereLight,
    SpotLight,
    Wrap,
)
from .assets import existing_file
from .values import colour_of, get

_SMALLEST_RADIUS = 1e-6
_WHITE = (1.0, 1.0, 1.0, 1.0)

_MIN_AREA = 1e-18
"""Square scene units: the renderer computes in single precision."""


class LightReader:
    """Reads lights at one frame; warns of attributes that are not rendered."""

    def __init__(self, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._time = time
        self._diagnostics = diagnostics
        self._kinds: dict[str, Callable[[Usd.Prim, Matrix, Colour], Light | None]] = {
            "DistantLight": self._distant,
            "SphereLight": self._sphere,
            "RectLight": self._rect,
            "DiskLight": self._disk,
            "CylinderLight": self._cylinder,
            "DomeLight": self._dome,
            "DomeLight_1": self._dome,
        }
        self.has_dark_light = False
        """Whether a light without intensity or area was read."""

    def is_known(self, prim: Usd.Prim) -> bool:
        """Whether the prim is a light of a kind that can be rendered."""
        return str(prim.GetTypeName()) in self._kinds

    def light(self, prim: Usd.Prim, transform: Matrix) -> Light | None:
        """The light, or None when its kind cannot be rendered or it gives no light.

        Args:
            prim: A prim that has UsdLuxLightAPI.
            transform: From the light's local space to its group's.
        """
        kind = str(prim.GetTypeName())
        read = self._kinds.get(kind)
        path = str(prim.GetPath())
        if read is None:
            self._diagnostics.warn(f"Cannot render {kind} lights: skipped", path)
            return None
        api = UsdLux.LightAPI(prim)
        emission = self._emission(api)
        if not all(math.isfinite(component) for component in emission):
            self._diagnostics.warn(
                "A light whose intensity, colour or temperature is not finite is skipped", path
            )
            return None
        if max(emission) <= 0.0:
            self.has_dark_light = True
            self._diagnostics.note("A light with no intensity gives no light", path)
            return None
        light = read(prim, transform, emission)
        if light is not None and not _is_finite(light):
            self._diagnostics.warn("A light whose size is not finite is skipped", path)
            return None
        return light

    def _emission(self, api: UsdLux.LightAPI) -> Colour:
        colour = np.array(get(api.GetColorAttr(), self._time, (1.0, 1.0, 1.0)), np.float64)
        if get(api.GetEnableColorTemperatureAttr(), self._time, False):
            kelvin = float(get(api.GetColorTemperatureAttr(), self._time, 6500.0))
            if not math.isfinite(kelvin):
                return (math.nan, math.nan, math.nan)  # USD would crash
            colour = colour * np.array(UsdLux.BlackbodyTemperatureAsRgb(kelvin))
        intensity = float(get(api.GetIntensityAttr(), self._time, 1.0))
        exposure = float(get(api.GetExposureAttr(), self._time, 0.0))
        # An exposure beyond all floats makes it infinite, which is a warning; Python's power would raise.
        with np.errstate(over="ignore", invalid="ignore"):
            return colour_of(np.maximum(colour * intensity * np.exp2(exposure), 0.0))

    def _is_normalized(self, prim: Usd.Prim) -> bool:
        return bool(get(UsdLux.LightAPI(prim).GetNormalizeAttr(), self._time, False))

    # -- kinds

    def _distant(self, prim: Usd.Prim, transform: Matrix, emission: Colour) -> Light | None:
        angle = float(get(UsdLux.DistantLight(prim).GetAngleAttr(), self._time, 0.53))
        irradiance = emission
        if angle > 0.0 and not self._is_normalized(prim):
            irradiance = _times(emission, math.pi * math.sin(math.radians(min(angle, 180.0)) / 2.0) ** 2)
        return DistantLight(str(prim.GetPath()), transform, irradiance, angle)

    def _sphere(self, prim: Usd.Prim, transform: Matrix, emission: Colour) -> Light | None:
        light = UsdLux.SphereLight(prim)
        path = str(prim.GetPath())
        radius = float(get(light.GetRadiusAttr(), self._time, 0.5))
        scales = np.linalg.norm(transform[:3, :3], axis=0) * radius
        is_point = (
            bool(get(light.GetTreatAsPointAttr(), self._time, False))
            or float(scales.max()) < _SMALLEST_RADIUS
        )
        is_normalized = self._is_normalized(prim)
        area = sphere_area(transform, radius)
        # A distant sphere is seen as a disk of a quarter of its surface area.
        if is_normalized or area <= 0.0:
            intensity = _times(emission, 0.25)
            radiance = _times(emission, 1.0 / area) if area > 0.0 else emission
        else:
            intensity = _times(emission, area / 4.0)
            radiance = emission
        cone = self._cone(prim)
        is_fixed = is_normalized or area <= 0.0
        if cone:
            return self._spot(path, transform, intensity, cone, is_normalized=is_fixed)
        if is_point:
            return PointLight(path, transform, intensity, is_normalized=is_fixed)
        return SphereLight(path, transform, radiance, radius, is_normalized=is_normalized)

    def _rect(self, prim: Usd.Prim, transform: Matrix, emission: Colour) -> Light | None:
        light = UsdLux.RectLight(prim)
        path = str(prim.GetPath())
        width = float(get(light.GetWidthAttr(), self._time, 1.0))
        height = float(get(light.GetHeightAttr(), self._time, 1.0))
        area = width * height * flat_scale(transform)
        radiance = self._per_area(prim, emission, area, path)
        if radiance is None:
            return None
        cone = self._cone(prim)
        if cone:
            if get(light.GetTextureFileAttr(), self._time, None):
                self._diagnostics.warn("The texture of a light with a cone is not rendered", path)
            return self._flat_spot(prim, transform, _times(radiance, area), cone)
        texture = self._texture(prim, light.GetTextureFileAttr(), wrap_u=False)
        is_normalized = self._is_normalized(prim)
        return RectLight(path, transform, radiance, width, height, texture, is_normalized=is_normalized)

    def _disk(self, prim: Usd.Prim, transform: Matrix, emission: Colour) -> Light | None:
        path = str(prim.GetPath())
        radius = float(get(UsdLux.DiskLight(prim).GetRadiusAttr(), self._time, 0.5))
        area = math.pi * radius**2 * flat_scale(transform)
        radiance = self._per_area(prim, emission, area, path)
        if radiance is None:
            return None
        cone = self._cone(prim)
        if cone:
            return self._flat_spot(prim, transform, _times(radiance, area), cone)
        return DiskLight(path, transform, radiance, radius, is_normalized=self._is_normalized(prim))

    def _cylinder(self, prim: Usd.Prim, transform: Matrix, emission: Colour) -> Light | None:
        light = UsdLux.CylinderLight(prim)
        path = str(prim.GetPath())
        radius = float(get(light.GetRadiusAttr(), self._time, 0.5))
        length = float(get(light.GetLengthAttr(), self._time, 1.0))
        area = cylinder_area(transform, radius, length)
        if self._cone(prim):
            self._diagnostics.warn("A cone on a CylinderLight is not rendered", path)
        radiance = self._per_area(prim, emission, area, path)
        if radiance is None:
            return None
        is_normalized = self._is_normalized(prim)
        return CylinderLight(path, transform, radiance, radius, length, is_normalized=is_normalized)

    def _dome(self, prim: Usd.Prim, transform: Matrix, emission: Colour) -> Light | None:
        light = UsdLux.DomeLight(prim)
        if prim.GetTypeName() == "DomeLight_1":
            transform = transform @ self._pole(prim)
        texture = self._texture(prim, light.GetTextureFileAttr(), wrap_u=True)
        return DomeLight(str(prim.GetPath()), transform, emission, texture)

    # -- parts

    def _per_area(self, prim: Usd.Prim, emission: Colour, area: float, path: str) -> Colour | None:
        if area < _MIN_AREA:
            self.has_dark_light = True
            self._diagnostics.warn("A light without any area gives no light", path)
            return None
        return _times(emission, 1.0 / area) if self._is_normalized(prim) else emission

    def _cone(self, prim: Usd.Prim) -> tuple[float, float] | None:
        """Return half angle in degrees and softness; None unless shaping narrows it below a half space."""
        if not prim.HasAPI(UsdLux.ShapingAPI):
            if prim.HasAttribute("inputs:shaping:cone:angle"):
                self._diagnostics.warn(
                    "A cone on a light without ShapingAPI has no effect", str(prim.GetPath())
                )
            return None
        shaping = UsdLux.ShapingAPI(prim)
        angle = float(get(shaping.GetShapingConeAngleAttr(), self._time, 90.0))
        softness = float(get(shaping.GetShapingConeSoftnessAttr(), self._time, 0.0))
        return (max(angle, 0.01), min(max(softness, 0.0), 1.0)) if angle < 90.0 else None

    def _flat_spot(
        self, prim: Usd.Prim, transform: Matrix, intensity: Colour, cone: tuple[float, float]
    ) -> SpotLight:
        is_normalized = self._is_normalized(prim)
        spot = self._spot(str(prim.GetPath()), transform, intensity, cone, is_normalized=is_normalized)
        return replace(spot, is_flat=True)

    def _spot(
        self,
        path: str,
        transform: Matrix,
        intensity: Colour,
        cone: tuple[float, float],
        *,
        is_normalized: bool,
    ) -> SpotLight:
        self._diagnostics.note(
            "A light with a cone is rendered as a spot from its centre, with hard shadows", path
        )
        return SpotLight(path, transform, intensity, *cone, is_normalized=is_normalized)

    def _pole(self, prim: Usd.Prim) -> Matrix:
        pole = get(UsdLux.DomeLight_1(prim).GetPoleAxisAttr(), self._time, "scene")
        is_z = pole == "Z" or (
            pole == "scene" and UsdGeom.GetStageUpAxis(prim.GetStage()) == UsdGeom.Tokens.z
        )
        if not is_z:
            return np.eye(4)
        return np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float64)

    def _texture(self, prim: Usd.Prim, attribute: Usd.Attribute, *, wrap_u: bool) -> ImageTexture | None:
        asset = get(attribute, self._time, None)
        if not isinstance(asset, Sdf.AssetPath) or not asset.path:
            return None
        file = existing_file(asset)
        if file is None:
            self._diagnostics.warn(f"Texture '{asset.path}' is missing", str(prim.GetPath()))
            return None
        wrap: Wrap = "repeat" if wrap_u else "clamp"
        return ImageTexture(file, str(prim.GetPath()), wrap_s=wrap, wrap_t="clamp", fallback=_WHITE)


def _is_finite(light: Light) -> bool:
    """Whether all numbers of the light, its transform aside, are finite."""
    values = (getattr(light, field.name) for field in fields(light) if field.name != "transform")
    return all(np.isfinite(value).all() for value in values if isinstance(value, float | tuple))


def _times(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
