"""A picture's data window that lies partly outside of the picture, for renderers that only crop."""

from __future__ import annotations

from dataclasses import replace

from ..scene import Camera, PictureSettings, Window

__all__ = ["overscanned"]


def overscanned(camera: Camera, settings: PictureSettings) -> tuple[Camera, int, int, Window]:
    """Enlarge the picture until it holds its data window.

    It grows on both sides equally, so that its centre stays the optical one.

    Returns:
        The camera with apertures enlarged, width and height in pixels, and the data window within those.
    """
    left, top, right, bottom = settings.window
    over_x = max(0, -left, right - settings.width)
    over_y = max(0, -top, bottom - settings.height)
    width, height = settings.width + 2 * over_x, settings.height + 2 * over_y
    enlarged = replace(
        camera,
        horizontal_aperture=camera.horizontal_aperture * width / settings.width,
        vertical_aperture=camera.vertical_aperture * height / settings.height,
    )
    return enlarged, width, height, (left + over_x, top + over_y, right + over_x, bottom + over_y)
