"""How many of the light samples each light should get: by what it adds to the scene's middle, roughly.

mitsuba picks lights evenly otherwise, and a dim lamp then takes as many samples as the sun.
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
"""What even the dimmest light gets of the brightest one's share: it may be all that lights some corner."""
_POWER = 0.75
"""Between even (0) and by strength (1): the noise of the sample scene is least around here."""
_NEAREST = 0.35
"""Lights within the scene count as if at this part of its radius: something is always near them."""


def shares(lights: list[Light], centre: Matrix, radius: float) -> list[float]:
    """Relative weights for sampling, around 1.

    Args:
        lights: All lights.
        centre: The scene's middle.
        radius: The scene's radius.
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
    """Radiant intensity towards where the light shines most."""
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
