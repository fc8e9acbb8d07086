"""The neutral camera and picture settings as Blender's."""

from __future__ import annotations

from typing import Any

from ...scene import Camera, PictureSettings
from ..overscan import overscanned
from .engine import bpy
from .shapes import ObjectBuilder

_SENSOR_MM = 36.0
"""Blender wants millimetres; only the ratio of aperture and focal length matters."""


def set_camera(scene: Any, objects: ObjectBuilder, camera: Camera, settings: PictureSettings) -> None:
    """Add the camera, and set the picture's size, crop and pixel aspect ratio."""
    camera, width, height, (left, top, right, bottom) = overscanned(camera, settings)
    render = scene.render
    render.resolution_x, render.resolution_y = width, height
    # Blender's pixels are width to height as these two.
    ratio = settings.pixel_aspect_ratio
    render.pixel_aspect_x, render.pixel_aspect_y = max(ratio, 1.0), max(1.0 / ratio, 1.0)
    render.use_border = render.use_crop_to_border = (left, top, right, bottom) != (0, 0, width, height)
    render.border_min_x, render.border_max_x = left / width, right / width
    render.border_min_y, render.border_max_y = 1.0 - bottom / height, 1.0 - top / height

    made = bpy.data.cameras.new(camera.path or "camera")
    made.sensor_fit = "HORIZONTAL"
    made.sensor_width = _SENSOR_MM
    made.clip_start = max(camera.near, 1e-6 * camera.far, 1e-6)
    made.clip_end = camera.far
    made.shift_x = camera.horizontal_offset / camera.horizontal_aperture
    made.shift_y = camera.vertical_offset / camera.horizontal_aperture
    if camera.is_orthographic:
        made.type = "ORTHO"
        # Apertures count tenths of a scene unit.
        made.ortho_scale = camera.horizontal_aperture / 10.0
    else:
        made.lens = camera.focal_length / camera.horizontal_aperture * _SENSOR_MM
    if camera.lens_radius > 0.0 and not camera.is_orthographic:
        made.dof.use_dof = True
        made.dof.focus_distance = camera.focus_distance
        # Blender takes a scene unit for a metre, and the lens for millimetres.
        made.dof.aperture_fstop = made.lens / 1000.0 / (2.0 * camera.lens_radius)
    scene.camera = objects.place(made, camera.transform)
