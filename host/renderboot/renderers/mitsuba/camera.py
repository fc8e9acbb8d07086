"""The neutral camera as a mitsuba sensor with its film."""

from __future__ import annotations

import math

import numpy as np

from ...diagnostics import Diagnostics
from ...scene import Camera, PictureSettings
from ..overscan import overscanned
from .engine import transform

_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])
"""USD cameras look along -Z with +X to the right, mitsuba's along +Z with +X to the left."""


def sensor(camera: Camera, settings: PictureSettings, diagnostics: Diagnostics) -> dict[str, object]:
    """The sensor's dictionary, for a picture of the settings' size.

    mitsuba's pixels are square: where the picture's are not, the film has more columns or fewer than it.
    """
    camera, width, height, (left, top, right, bottom) = overscanned(camera, settings)
    ratio = settings.pixel_aspect_ratio
    film_width = max(1, round(width * ratio))
    crop_left = min(round(left * ratio), film_width - 1)
    result: dict[str, object] = {
        "film": {
            "type": "hdrfilm",
            "width": film_width,
            "height": height,
            "crop_offset_x": crop_left,
            "crop_offset_y": top,
            "crop_width": max(1, min(round(right * ratio), film_width) - crop_left),
            "crop_height": bottom - top,
            "pixel_format": "rgba",
            "component_format": "float32",
            # Any other filter gives neighbouring pixels common noise, which a denoiser takes for detail.
            "rfilter": {"type": "box" if settings.denoise else "gaussian"},
        },
        "sampler": {"type": "multijitter"},
        "near_clip": max(camera.near, 1e-6 * camera.far, 1e-9),
        "far_clip": camera.far,
    }
    offset_x = camera.horizontal_offset / camera.horizontal_aperture
    offset_y = camera.vertical_offset / camera.vertical_aperture
    if camera.is_orthographic:
        # Apertures count tenths of a scene unit.
        half = camera.horizontal_aperture / 10.0 / 2.0
        aspect = camera.vertical_aperture / camera.horizontal_aperture
        window = np.eye(4)
        window[0, 3], window[1, 3] = 2.0 * half * offset_x, 2.0 * half * aspect * offset_y
        place = camera.transform @ window @ _TURN @ np.diag([half, half, 1.0, 1.0])
        return {**result, "type": "orthographic", "to_world": transform(place)}
    result["fov"] = math.degrees(2.0 * math.atan(camera.horizontal_aperture / 2.0 / camera.focal_length))
    result["fov_axis"] = "x"
    result["to_world"] = transform(camera.transform @ _TURN)
    if camera.lens_radius > 0.0:
        if offset_x or offset_y:
            diagnostics.note("An aperture offset is not rendered together with depth of field", camera.path)
        lens = {"aperture_radius": camera.lens_radius, "focus_distance": camera.focus_distance}
        return {**result, **lens, "type": "thinlens"}
    shift = {"principal_point_offset_x": offset_x, "principal_point_offset_y": -offset_y}
    return {**result, **shift, "type": "perspective"}
