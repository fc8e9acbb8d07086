"""Neutral lights as mitsuba emitters.

Emitting shapes let light from behind pass, so that their backs do not render as black cards.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import fields, replace

import numpy as np

from ...diagnostics import Diagnostics
from ...scene import (
    Array,
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
from ...stage import implicit
from ..textures import TextureLibrary
from .engine import PASSING, load, mi, rgb, transform
from .in_place import set_values, take_values
from .kept import Generation
from .light_shares import shares

_SUN_DISTANCE = 400.0
"""Distance of a distant light's disk, in scene radii: irradiance across the scene varies by under 1%."""
_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])
"""USD lights shine along -Z, mitsuba's rectangles and disks along +Z."""


class LightBuilder:
    """Makes emitters and emitting shapes; the scene's bounding sphere must be known."""

    def __init__(
        self,
        textures: TextureLibrary,
        diagnostics: Diagnostics,
        centre: Matrix,
        radius: float,
        kept: Generation,
    ) -> None:
        self._kept = kept
        self._textures = textures
        self._diagnostics = diagnostics
        self._centre = centre
        self._radius = radius

    def build(self, lights: list[Light]) -> list[object]:
        """Return an emitter for each light; domes are merged into the one environment mitsuba allows."""
        made: list[object] = []
        domes: list[DomeLight] = []
        dome_share = 0.0
        for light, share in zip(lights, shares(lights, self._centre, self._radius), strict=True):
            if isinstance(light, DomeLight):
                domes.append(light)
                dome_share += share
            else:
                made.append(self._kept_one(light, share, len(made)))
        if domes:
            made.append(self._kept_environment(domes, dome_share))
        return made

    def _kept_one(self, light: Light, share: float, number: int) -> object:
        def make() -> object:
            part = self._one(light, share)
            return load(part) if isinstance(part, dict) else part

        # A distant light's disk depends on the scene's bounds.
        scene = (self._centre.tobytes(), self._radius) if isinstance(light, DistantLight) else ()
        image = light.texture if isinstance(light, RectLight) else None
        # The radiance is multiplied into the texture's pixels.
        radiance = light.radiance if isinstance(light, RectLight) and image else ()
        key = ("light", number, light.path, type(light), image, radiance)
        content = (_content(light), share, scene)
        return self._kept.tuned(key, content, make, lambda old: take_values(old, make()))

    def _kept_environment(self, domes: list[DomeLight], share: float) -> object:
        def make() -> object:
            return load({**self._environment(domes), "sampling_weight": share})

        def tune(old: object) -> bool:
            values = {"sampling_weight": share}
            if len(domes) == 1 and _is_image(domes[0]):
                values["scale"] = _strength(domes[0])
            set_values(mi.traverse(old), values)
            return True

        # A large image is not rebuilt when only its strength changes: that is updated in place.
        structure = tuple(_content(_with_unit_strength(dome) if len(domes) == 1 else dome) for dome in domes)
        strengths = tuple(_strength(dome) for dome in domes)
        return self._kept.tuned(("domes", structure), (strengths, share), make, tune)

    def _one(self, light: Light, share: float) -> object:
        if isinstance(light, PointLight):
            place = light.transform[:3, 3].tolist()
            point = {"type": "point", "position": place, "intensity": rgb(light.intensity)}
            return {**point, "sampling_weight": share}
        if isinstance(light, SpotLight):
            return {**_spot(light), "sampling_weight": share}
        if isinstance(light, DistantLight):
            return self._distant(light, share)
        if isinstance(light, RectLight):
            size = np.diag([light.width / 2.0, light.height / 2.0, 1.0, 1.0])
            return _glowing("rectangle", light.transform @ _TURN @ size, self._rect_radiance(light), share)
        if isinstance(light, DiskLight):
            size = np.diag([light.radius, light.radius, 1.0, 1.0])
            return _glowing("disk", light.transform @ _TURN @ size, rgb(light.radiance), share)
        if isinstance(light, SphereLight):
            return _sphere(light, share)
        if isinstance(light, CylinderLight):
            return _cylinder(light, share)
        raise TypeError(f"no translation for {type(light).__name__}")

    def _rect_radiance(self, light: RectLight) -> object:
        if light.texture is None:
            return rgb(light.radiance)
        pixels = self._textures.pixels(light.texture) * np.array(light.radiance, np.float32)
        return {
            "type": "bitmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(pixels[::-1])),
            "raw": True,
            "wrap_mode": "clamp",
        }

    def _distant(self, light: DistantLight, share: float) -> dict[str, object]:
        direction = -light.transform[:3, 2]
        direction = direction / (np.linalg.norm(direction) or 1.0)
        half = math.radians(min(light.angle, 170.0)) / 2.0
        if half < 1e-4:
            return {
                "type": "directional",
                "direction": direction.tolist(),
                "irradiance": rgb(light.irradiance),
                "sampling_weight": share,
            }
        # A far disk of the light's angular size gives soft shadows; mitsuba's directional light cannot.
        distance = self._radius * _SUN_DISTANCE
        radius = distance * math.tan(half)
        area = math.pi * math.sin(half) ** 2
        place = np.eye(4)
        place[:3, :3] = _frame(direction) * radius
        place[:3, 3] = self._centre - direction * distance
        radiance = tuple(c / area for c in light.irradiance)
        return _glowing("disk", place, rgb((radiance[0], radiance[1], radiance[2])), share)

    # -- the environment

    def _environment(self, domes: list[DomeLight]) -> dict[str, object]:
        pictured = [dome for dome in domes if _is_image(dome)]
        plain = np.sum([dome.radiance for dome in domes if not _is_image(dome)] or [(0.0, 0.0, 0.0)], axis=0)
        if not pictured:
            return {"type": "constant", "radiance": rgb((float(plain[0]), float(plain[1]), float(plain[2])))}
        scale = 1.0
        if len(domes) == 1:
            scale, pictured = _strength(domes[0]), [_with_unit_strength(domes[0])]
        images = [self._dome_pixels(dome) * np.array(dome.radiance, np.float32) for dome in pictured]
        # mitsuba has one environment: all domes are resampled into the space of the one with most pixels.
        finest = max(range(len(images)), key=lambda number: images[number].size)
        within = _rotation(pictured[finest].transform)
        pixels = images[finest] + plain.astype(np.float32)
        for number, dome in enumerate(pictured):
            if number != finest:
                turn = _rotation(dome.transform)[:3, :3].T @ within[:3, :3]
                pixels = pixels + _turned(images[number], turn, pixels.shape)
        return {
            "type": "envmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(np.maximum(pixels, 0.0), np.float32)),
            "to_world": transform(within),
            "scale": scale,
        }

    def _dome_pixels(self, dome: DomeLight) -> Array:
        if dome.pixels is not None:
            return dome.pixels
        if dome.texture is None:
            raise TypeError("a dome without an image has no pixels")
        pixels = self._textures.pixels(dome.texture)
        # mitsuba's envmap refuses images of fewer than two rows or columns.
        repeats = (max(1, -(-2 // pixels.shape[0])), max(1, -(-4 // pixels.shape[1])), 1)
        return np.tile(pixels, repeats)


def _is_image(dome: DomeLight) -> bool:
    return dome.texture is not None or dome.pixels is not None


def _strength(dome: DomeLight) -> float:
    return max(dome.radiance)


def _with_unit_strength(dome: DomeLight) -> DomeLight:
    """The dome of the same hue whose strongest channel is 1; one without an image stays as it is."""
    strength = _strength(dome)
    if not _is_image(dome) or strength <= 0.0:
        return dome
    red, green, blue = (channel / strength for channel in dome.radiance)
    return replace(dome, radiance=(round(red, 6), round(green, 6), round(blue, 6)))


def _content(light: Light) -> Hashable:
    """Return a key of all the light's values; equal lights have equal keys."""
    values = (getattr(light, each.name) for each in fields(light))
    texts = (value.tobytes() if isinstance(value, np.ndarray) else value for value in values)
    return (type(light), *texts)


def _glowing(kind: str, matrix: Matrix, radiance: object, share: float) -> dict[str, object]:
    glow = {"type": "area", "radiance": radiance, "sampling_weight": share}
    return {"type": kind, "to_world": transform(matrix), "bsdf": PASSING, "emitter": glow}


def _sphere(light: SphereLight, share: float) -> object:
    scales = np.linalg.norm(light.transform[:3, :3], axis=0)
    if np.ptp(scales) > 1e-3 * scales.max():
        return _glowing_mesh(implicit.sphere(light.radius), light.transform, light.radiance, share)
    place = np.eye(4)
    place[:3, :3] *= scales.max() * light.radius
    place[:3, 3] = light.transform[:3, 3]
    return _glowing("sphere", place, rgb(light.radiance), share)


def _cylinder(light: CylinderLight, share: float) -> object:
    shape = implicit.cylinder(light.radius, light.radius, light.length, "X", capped=False)
    return _glowing_mesh(shape, light.transform, light.radiance, share)


def _glowing_mesh(shape: implicit.Shape, matrix: Matrix, radiance: Colour, share: float) -> object:
    positions = shape.positions.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    triangles = shape.triangles if np.linalg.det(matrix[:3, :3]) > 0 else shape.triangles[:, [0, 2, 1]]
    properties = mi.Properties()
    properties["bsdf"] = load(PASSING)
    glow = {"type": "area", "radiance": rgb(radiance), "sampling_weight": share}
    properties["emitter"] = load(glow)
    mesh = mi.Mesh("light", len(positions), len(triangles), props=properties)
    values = mi.traverse(mesh)
    values["vertex_positions"] = positions.astype(np.float32).ravel()
    values["faces"] = np.ascontiguousarray(triangles, np.uint32).ravel()
    values.update()
    return mesh


def _spot(light: SpotLight) -> dict[str, object]:
    turned = light.transform @ _TURN
    place = np.eye(4)
    place[:3, :3] = _frame(turned[:3, 2] / (np.linalg.norm(turned[:3, 2]) or 1.0))
    place[:3, 3] = turned[:3, 3]
    return {
        "type": "spot",
        "to_world": transform(place),
        "intensity": rgb(light.intensity),
        "cutoff_angle": light.angle,
        # The fade must have some width: mitsuba divides by it.
        "beam_width": light.angle * min(1.0 - light.softness, 0.995),
    }


def _frame(direction: Matrix) -> Matrix:
    """A rotation whose third column is the direction."""
    helper = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    first = np.cross(helper, direction)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first), direction], axis=1)


def _turned(image: Array, turn: Matrix, shape: tuple[int, ...]) -> Array:
    """Resample a lat-long image at the directions of another image's pixels.

    Args:
        image: (height, width, 3).
        turn: Rotation from the other image's space to this image's.
        shape: Shape of the other image.
    """
    result = np.empty(shape, np.float32)
    phi = (np.arange(shape[1]) + 0.5) / shape[1] * 2.0 * math.pi
    height, width = image.shape[:2]
    # Row by row: all directions of a large image at once would take gigabytes.
    for row in range(shape[0]):
        theta = (row + 0.5) / shape[0] * math.pi
        flat = np.full(len(phi), math.sin(theta))
        seen = np.stack([np.sin(phi) * flat, np.full(len(phi), math.cos(theta)), -np.cos(phi) * flat])
        x, y, z = turn @ seen
        across = np.arctan2(x, -z) / (2.0 * math.pi) % 1.0 * width - 0.5
        down = np.clip(np.arccos(np.clip(y, -1.0, 1.0)) / math.pi * height - 0.5, 0.0, height - 1)
        left, top = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
        below = np.minimum(top + 1, height - 1)
        share_x, share_y = (across - left)[:, None], (down - top)[:, None]
        upper = image[top, left % width] * (1 - share_x) + image[top, (left + 1) % width] * share_x
        lower = image[below, left % width] * (1 - share_x) + image[below, (left + 1) % width] * share_x
        result[row] = upper * (1 - share_y) + lower * share_y
    return result


def _rotation(matrix: Matrix) -> Matrix:
    """Return the rotation alone: a dome's position and scale have no effect."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    result = np.eye(4)
    result[:3, :3] = left @ right
    return result
