"""Cameras: read from the stage, or made to frame the scene; conformed to the picture's aspect ratio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pxr import Gf, Tf, Usd, UsdGeom

from ..diagnostics import Diagnostics
from ..errors import RenderBootError
from ..scene import MAX_DISTANCE, Camera, Matrix
from .values import matrix_of

_THREE_QUARTER = (0.75, 0.5, 1.0)
"""Direction from the scene to the default camera: right, up, front."""
_MAX_OPTICS = 1e9
"""Tenths of a scene unit."""
_MAX_PROPORTION = 1e6
"""Of the far clipping distance to the near one."""
_FAR_MARGIN = 100.0
"""Of a far clipping distance, for lights that are outside the scene's bounding box."""
_NEAREST = 1e-3
_FRAMING_MARGIN = 1.08


def read_camera(prim: Usd.Prim, time: Usd.TimeCode, diagnostics: Diagnostics) -> Camera:
    """Return the camera at the frame.

    Args:
        prim: The camera.
        time: The frame.
        diagnostics: Receives a warning for each value that no lens can have; its default is used.

    Raises:
        RenderBootError: Its transform cannot be read, is not finite or has no size.
    """
    camera = UsdGeom.Camera(prim)
    try:
        optics = camera.GetCamera(time)
    except Tf.ErrorException as error:
        raise RenderBootError(f"The transform of the camera {prim.GetPath()} cannot be read.") from error
    matrix = matrix_of(optics.transform)
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > MAX_DISTANCE or not _has_size(matrix):
        raise RenderBootError(f"The transform of the camera {prim.GetPath()} is not finite or has no size.")
    _mend(optics, str(prim.GetPath()), diagnostics)
    near, far = optics.clippingRange.min, optics.clippingRange.max
    exposure = float(camera.ComputeLinearExposureScale(time))
    if not np.isfinite(np.float32(exposure)):
        diagnostics.warn("A camera's exposure that is not finite is rendered as none", str(prim.GetPath()))
        exposure = 1.0
    # USD gives focal length and aperture in tenths of a scene unit.
    diameter = optics.focalLength * Gf.Camera.FOCAL_LENGTH_UNIT / optics.fStop if optics.fStop > 0 else 0.0
    has_focus = diameter > 0.0 and optics.focusDistance > 0.0
    return Camera(
        path=str(prim.GetPath()),
        transform=orthonormal(matrix),
        horizontal_aperture=optics.horizontalAperture,
        vertical_aperture=optics.verticalAperture,
        horizontal_offset=optics.horizontalApertureOffset,
        vertical_offset=optics.verticalApertureOffset,
        focal_length=optics.focalLength,
        is_orthographic=optics.projection == Gf.Camera.Orthographic,
        near=near,
        far=far,
        lens_radius=diameter / 2.0 if has_focus else 0.0,
        focus_distance=optics.focusDistance if has_focus else 0.0,
        exposure_scale=exposure,
    )


def _has_size(matrix: Matrix) -> bool:
    return bool((np.linalg.norm(matrix[:3, :3], axis=0) > 0.0).all())


def _mend(optics: Gf.Camera, path: str, diagnostics: Diagnostics) -> None:
    """Replace values that no lens can have by USD's defaults, and warn of them."""
    default, wrong = Gf.Camera(), []
    for name in ("focalLength", "horizontalAperture", "verticalAperture"):
        if not 0.0 < getattr(optics, name) < _MAX_OPTICS:
            wrong.append(name)
            setattr(optics, name, getattr(default, name))
    for name in ("horizontalApertureOffset", "verticalApertureOffset", "fStop", "focusDistance"):
        if not abs(getattr(optics, name)) < MAX_DISTANCE:
            wrong.append(name)
            setattr(optics, name, 0.0)
    near, far = optics.clippingRange.min, optics.clippingRange.max
    if not 0.0 < near < far:
        wrong.append("clippingRange")
        # An orthographic camera may begin behind itself; here it begins where it is.
        near = near if 0.0 < near < MAX_DISTANCE else _NEAREST
        optics.clippingRange = Gf.Range1f(near, far if far > near else near + default.clippingRange.max)
    if wrong:
        diagnostics.warn(f"Values of the camera that cannot be rendered: {', '.join(wrong)}", path)


def with_far_in_reach(camera: Camera, low: Matrix, high: Matrix) -> Camera:
    """Bring a far clipping plane that is out of proportion nearer; renderers would move the near one away.

    Args:
        camera: As authored.
        low: Minimum corner of the scene in world space.
        high: Maximum corner.
    """
    if camera.far <= _MAX_PROPORTION * camera.near:
        return camera
    eye = camera.transform[:3, 3]
    reach = float(np.linalg.norm(np.maximum(np.abs(low - eye), np.abs(high - eye))))
    return replace(camera, far=max(2.0 * camera.near, min(camera.far, _FAR_MARGIN * reach)))


def conform(camera: Camera, aspect: float, policy: str) -> Camera:
    """Fit the camera's window to the picture.

    Args:
        camera: As authored.
        aspect: The picture's width / height.
        policy: UsdRender's aspectRatioConformPolicy; adjustPixelAspectRatio keeps the window.
    """
    width, height = camera.horizontal_aperture, camera.vertical_aperture
    if width <= 0 or height <= 0 or policy == "adjustPixelAspectRatio":
        return camera
    is_wider = width / height > aspect
    fixes_width = {
        "expandAperture": is_wider,
        "cropAperture": not is_wider,
        "adjustApertureHeight": True,
        "adjustApertureWidth": False,
    }.get(policy, is_wider)
    if fixes_width:
        return replace(camera, vertical_aperture=width / aspect)
    return replace(camera, horizontal_aperture=height * aspect)


def framing_camera(low: Matrix, high: Matrix, aspect: float, *, up_is_z: bool) -> Camera:
    """Return a three-quarter view of the whole bounding box with a small margin.

    Args:
        low: Minimum corner in world space.
        high: Maximum corner.
        aspect: The picture's width by its height.
        up_is_z: Whether Z is up on this stage, else Y.
    """
    direction = np.array(_THREE_QUARTER)
    up = np.array([0.0, 1.0, 0.0])
    if up_is_z:
        direction, up = np.array([direction[0], -direction[2], direction[1]]), np.array([0.0, 0.0, 1.0])
    back = direction / np.linalg.norm(direction)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    true_up = np.cross(back, right)
    box = np.array(
        [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    centre = (low + high) / 2.0
    focal, height = 50.0, 24.0
    half_y = height / 2.0 / focal / _FRAMING_MARGIN
    half_x = half_y * aspect
    x, y, z = (box - centre) @ right, (box - centre) @ true_up, (box - centre) @ back
    # Shift the eye until both opposite edges touch at one distance, then move it back until all fits.
    eye_x, far_x = _slide(x, z, half_x)
    eye_y, far_y = _slide(y, z, half_y)
    distance = max(far_x, far_y)
    size = float(np.linalg.norm(high - low)) or 1.0
    distance = max(distance, float(z.max()) + size * 0.05)
    transform = np.eye(4)
    transform[:3, 0], transform[:3, 1], transform[:3, 2] = right, true_up, back
    transform[:3, 3] = centre + right * eye_x + true_up * eye_y + back * distance
    return Camera(
        path="",
        transform=transform,
        horizontal_aperture=height * aspect,
        vertical_aperture=height,
        focal_length=focal,
        near=size * 1e-4,
        far=distance + size * 100.0,
    )


def _slide(across: Matrix, towards: Matrix, half: float) -> tuple[float, float]:
    """Return the eye's offset (sideways, back) at which all points are in view; half = tan(half angle)."""
    left = float((-across + half * towards).max())
    right = float((across + half * towards).max())
    return (right - left) / 2.0, (left + right) / (2.0 * half)


def orthonormal(matrix: Matrix) -> Matrix:
    """Return the matrix without scale, shear and mirroring, which do not apply to cameras."""
    back, up = matrix[:3, 2], matrix[:3, 1]
    right = np.cross(up, back)
    if not np.linalg.norm(back) or not np.linalg.norm(right):
        return matrix
    back = back / np.linalg.norm(back)
    right = right / np.linalg.norm(right)
    result = np.eye(4)
    result[:3, 0], result[:3, 1], result[:3, 2] = right, np.cross(back, right), back
    result[:3, 3] = matrix[:3, 3]
    return result
