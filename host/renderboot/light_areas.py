"""Areas of lights, and lights placed by a transform, which give more light unless they are normalized."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .scene import (
    Colour,
    CylinderLight,
    DiskLight,
    Light,
    Matrix,
    PointLight,
    RectLight,
    SphereLight,
    SpotLight,
)

__all__ = ["cylinder_area", "flat_scale", "placed_light", "sphere_area"]


def flat_scale(transform: Matrix) -> float:
    """Return by how much areas in the XY plane grow."""
    return float(np.linalg.norm(np.cross(transform[:3, 0], transform[:3, 1])))


def sphere_area(transform: Matrix, radius: float) -> float:
    """Return the area of a scaled sphere by Thomsen's approximation, within about one percent."""
    radii = np.linalg.norm(transform[:3, :3], axis=0) * radius
    a, b, c = (abs(float(r)) ** 1.6075 for r in radii)
    return float(4.0 * math.pi * ((a * b + a * c + b * c) / 3.0) ** (1.0 / 1.6075))


def cylinder_area(transform: Matrix, radius: float, length: float) -> float:
    """Return the area of a scaled cylinder along X, without its caps."""
    along, across, other = np.linalg.norm(transform[:3, :3], axis=0)
    return float(2.0 * math.pi * radius * math.sqrt((across**2 + other**2) / 2.0) * length * along)


def placed_light(light: Light, matrix: Matrix) -> Light:
    """Return a light of a group in the space that `matrix` transforms the group to."""
    result = replace(light, transform=matrix @ light.transform)
    before, after = _area(light), _area(result)
    if not (before > 0.0 and after > 0.0):
        return result
    if isinstance(result, PointLight | SpotLight) and not light.is_normalized:
        return replace(result, intensity=_times(result.intensity, after / before))
    if isinstance(result, RectLight | DiskLight | SphereLight | CylinderLight) and light.is_normalized:
        return replace(result, radiance=_times(result.radiance, before / after))
    return result


def _times(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _area(light: Light) -> float:
    """Return the light's area, or what is in proportion to it at any transform."""
    if isinstance(light, SphereLight | PointLight) or (isinstance(light, SpotLight) and not light.is_flat):
        return sphere_area(light.transform, 1.0)
    if isinstance(light, CylinderLight):
        return cylinder_area(light.transform, light.radius, light.length)
    return flat_scale(light.transform)
