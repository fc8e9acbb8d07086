"""Sampling weights of lights, by their approximate contribution at the scene's centre.

By default mitsuba samples lights uniformly: a dim lamp gets as many samples as the sun.
"""

from __future__ import annotations

import math

import numpy as np

from ...scene import (
    Colour,
    CylinderLight,
    DiskLight,
    DistantLight,
    DomeLight,
    Light,
    Matrix,
    PointLight,
    RectLight,
    SphereLight,
    SpotLight,
)

_LEAST = 0.1
"""The dimmest light's minimum share of the brightest's: it may be the only light in some corner."""
_POWER = 0.75
"""Exponent from uniform (0) to proportional (1), chosen for the least noise in the sample scene."""
_NEAREST = 0.35
"""Minimum distance of a light, in scene radii: lights inside the scene are always near some surface."""


def shares(lights: list[Light], centre: Matrix, radius: float) -> list[float]:
    """Return each light's sampling weight, 0.1 to 1, in the order of `lights`.

    Args:
        lights: All lights.
        centre: Centre of the scene's bounding sphere.
        radius: Its radius, in scene units.
    """
    strengths = [_irradiance(light, centre, radius) for light in lights]
    strongest = max(strengths, default=0.0)
    if strongest <= 0.0:
        return [1.0] * len(lights)
    return [max((strength / strongest) ** _POWER, _LEAST) for strength in strengths]


def _irradiance(light: Light, centre: Matrix, radius: float) -> float:
    if isinstance(light, DistantLight):
        return _luminance(light.irradiance)
    if isinstance(light, DomeLight):
        return math.pi * _luminance(light.radiance) * 0.5
    distance = float(np.linalg.norm(light.transform[:3, 3] - centre))
    return _intensity(light) / max(distance, _NEAREST * radius, 1e-9) ** 2


def _intensity(light: Light) -> float:
    """Return the radiant intensity in the light's brightest direction."""
    if isinstance(light, PointLight | SpotLight):
        return _luminance(light.intensity)
    x, y, _ = (float(length) for length in np.linalg.norm(light.transform[:3, :3], axis=0))
    if isinstance(light, RectLight):
        return _luminance(light.radiance) * light.width * x * light.height * y
    if isinstance(light, DiskLight | SphereLight):
        return _luminance(light.radiance) * math.pi * light.radius**2 * x * y
    if isinstance(light, CylinderLight):
        return _luminance(light.radiance) * 2.0 * light.radius * y * light.length * x
    return 0.0


def _luminance(colour: Colour) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
