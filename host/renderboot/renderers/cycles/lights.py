"""Neutral lights: meshes that emit, Blender's own lamps for points, spots and suns, the world for domes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...scene import (
    Array,
    Colour,
    CylinderLight,
    DiskLight,
    DistantLight,
    DomeLight,
    Indices,
    Light,
    Matrix,
    PointLight,
    RectLight,
    SphereLight,
    SpotLight,
)
from ...stage import implicit
from ..textures import TextureLibrary
from .engine import bpy, mathutils
from .nodes import Nodes
from .shapes import ObjectBuilder, blender_mesh
from .textures import UV_MAP, blender_image

_DISK_SIDES = 64
_SAMPLE_MAP = 512
"""Columns of the map by which Cycles samples the domes."""
_WATTS = 4.0 * math.pi
"""Blender's power of a point or spot lamp whose radiant intensity is 1."""
_TO_EQUIRECTANGULAR = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""USD has a dome's image upright along +Y and its centre at +Z, Blender along +Z and at +X."""


class LightBuilder:
    """Adds lights to Blender's scene."""

    def __init__(self, scene: Any, objects: ObjectBuilder, textures: TextureLibrary) -> None:
        self._scene = scene
        self._objects = objects
        self._textures = textures

    def build(self, lights: list[Light]) -> None:
        """Add all lights; without a dome, the picture's background is transparent."""
        domes = [light for light in lights if isinstance(light, DomeLight)]
        for light in lights:
            if not isinstance(light, DomeLight):
                self._add(light)
        world = self._scene.world = bpy.data.worlds.new("world")
        self._scene.render.film_transparent = not domes
        # By default the map has as many pixels as the image, or more: 2 s for the sample scene.
        world.cycles.sampling_method = "MANUAL"
        world.cycles.sample_map_resolution = _SAMPLE_MAP
        nodes = Nodes(world)
        shaders = [self._dome(nodes, dome) for dome in domes]
        shader = shaders[0] if shaders else nodes.value("Background", {"Strength": 0.0})
        for other in shaders[1:]:
            shader = nodes.value("AddShader", {0: shader, 1: other})
        nodes.finish(shader, "OutputWorld")

    def _add(self, light: Light) -> None:
        if isinstance(light, PointLight):
            self._lamp(light, "POINT", light.intensity, _WATTS)
        elif isinstance(light, SpotLight):
            lamp = self._lamp(light, "SPOT", light.intensity, _WATTS)
            lamp.spot_size = math.radians(min(2.0 * light.angle, 180.0))
            lamp.spot_blend = min(max(light.softness, 0.0), 1.0)
        elif isinstance(light, DistantLight):
            lamp = self._lamp(light, "SUN", light.irradiance, 1.0)
            lamp.angle = math.radians(min(light.angle, 170.0))
        elif isinstance(light, RectLight):
            self._card(light)
        elif isinstance(light, DiskLight):
            turns = np.arange(_DISK_SIDES) * (2.0 * math.pi / _DISK_SIDES)
            rim = light.radius * np.stack([np.cos(turns), np.sin(turns), np.zeros_like(turns)], axis=1)
            numbers = np.arange(1, _DISK_SIDES - 1, dtype=np.uint32)
            self._glow(
                light,
                light.radiance,
                rim,
                np.stack([0 * numbers, numbers + 1, numbers], axis=1),
            )
        elif isinstance(light, SphereLight):
            sphere = implicit.sphere(light.radius)
            self._glow(light, light.radiance, sphere.positions, sphere.triangles)
        elif isinstance(light, CylinderLight):
            tube = implicit.cylinder(light.radius, light.radius, light.length, "X", capped=False)
            self._glow(light, light.radiance, tube.positions, tube.triangles)
        else:
            raise TypeError(f"no translation for {type(light).__name__}")

    def _lamp(self, light: Light, kind: str, colour: Colour, watts: float) -> Any:
        strength = max(*colour, 0.0)
        lamp = bpy.data.lights.new(light.path or "light", kind)
        lamp.energy = strength * watts
        lamp.color = [max(channel, 0.0) / (strength or 1.0) for channel in colour]
        if kind != "SUN":
            lamp.shadow_soft_size = 0.0
        self._objects.place(lamp, _unscaled(light.transform))
        return lamp

    # --- Meshes that emit ---

    def _card(self, light: RectLight) -> None:
        x, y = light.width / 2.0, light.height / 2.0
        corners = np.array([(x, -y, 0), (-x, -y, 0), (-x, y, 0), (x, y, 0)])
        triangles = np.array([(0, 1, 2), (0, 2, 3)], np.uint32)
        if light.texture is None:
            self._glow(light, light.radiance, corners, triangles)
            return
        pixels = self._textures.pixels(light.texture) * np.array(light.radiance, np.float32)
        data = self._glow(light, blender_image(pixels), corners, triangles)
        # Upright for who looks at the side that emits.
        seen = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
        data.uv_layers.new(name=UV_MAP).uv.foreach_set("vector", seen[triangles.ravel()].ravel())

    def _glow(self, light: Light, glow: Colour | Any, positions: Array | Matrix, triangles: Indices) -> Any:
        """Add a mesh that emits on its front: a colour, or an image of Blender's. Light passes through it."""
        material = bpy.data.materials.new(light.path or "light")
        material.cycles.emission_sampling = "FRONT"
        nodes = Nodes(material)
        behind = nodes.add("NewGeometry").outputs["Backfacing"]
        colour = glow
        if not isinstance(glow, tuple):
            where = nodes.value("UVMap", uv_map=UV_MAP)
            colour = nodes.value("TexImage", {"Vector": where}, image=glow, extension="EXTEND")
        front = nodes.math("SUBTRACT", 1.0, behind)
        emission = nodes.value("Emission", {"Color": colour, "Strength": front})
        clear = nodes.value("AddShader", {0: emission, 1: nodes.value("BsdfTransparent")})
        # Its front is opaque for the camera alone, so that the picture's alpha shows it.
        seen = nodes.math("MULTIPLY", nodes.add("LightPath").outputs["Is Camera Ray"], front)
        nodes.finish(nodes.mix(seen, clear, emission))
        data = blender_mesh(light.path or "light", positions, triangles)
        data.materials.append(material)
        self._objects.place(data, light.transform)
        return data

    # --- Domes ---

    def _dome(self, nodes: Nodes, dome: DomeLight) -> Any:
        pixels = dome.pixels
        if pixels is None and dome.texture is not None:
            pixels = self._textures.pixels(dome.texture)
        if pixels is None:
            return nodes.value("Background", {"Color": dome.radiance, "Strength": 1.0})
        turn = _TO_EQUIRECTANGULAR @ _unscaled(dome.transform)[:3, :3].T
        direction = nodes.add("TexCoord").outputs["Generated"]
        angles = tuple(mathutils.Matrix(turn.tolist()).to_euler("XYZ"))
        seen = nodes.value("Mapping", {"Vector": direction, "Rotation": angles}, vector_type="POINT")
        image = blender_image(pixels * np.array(dome.radiance, np.float32))
        colour = nodes.value("TexEnvironment", {"Vector": seen}, image=image)
        return nodes.value("Background", {"Color": colour, "Strength": 1.0})


def _unscaled(matrix: Matrix) -> Matrix:
    """Return the position and the nearest rotation: lamps and domes have no size."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    result = np.eye(4)
    result[:3, :3] = left @ right
    result[:3, 3] = matrix[:3, 3]
    return result
