"""Reads a stage file into a `Scene`: the interface between USD and every renderer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from pxr import Sdf, Usd, UsdGeom

from ...scene_origin import read_origin
from ..arguments import Arguments
from ..cache import PartCache
from ..diagnostics import Diagnostics
from ..errors import RenderBootError
from ..scene import Array, Camera, DomeLight, Group, PictureSettings, Scene, Window, every_group, world_bounds
from .cameras import conform, framing_camera, read_camera, with_far_in_reach
from .changed_values import with_changed_values
from .kept import KeptMeshes, Reading
from .not_rendered import mention_not_rendered
from .open_stage import open_stage, usd_warnings
from .settings import StageSettings, read_settings
from .traversal import StageWalk
from .values import WrongTypeError

MAX_SIDE = 16384
"""Pixels a side, as -width and -height allow."""
_MAX_RATIO = 16.0


def read_scene(arguments: Arguments, diagnostics: Diagnostics, cache: PartCache | None = None) -> Scene:
    """Read the stage file at the frame.

    Args:
        arguments: The command line; the stage's render settings supply what it leaves out.
        diagnostics: Receives warnings of what is missing or cannot be rendered.
        cache: Parts of the scene that were made before; None: no cache.

    Raises:
        RenderBootError: It is no USD file, holds nothing to render, or has no such camera.
    """
    stage = open_stage(arguments.stage, diagnostics)
    return read_stage(stage, arguments, diagnostics, cache)


def read_stage(
    stage: Usd.Stage,
    arguments: Arguments,
    diagnostics: Diagnostics,
    cache: PartCache | None = None,
    kept: KeptMeshes | None = None,
    changed: frozenset[Sdf.Path] | None = None,
) -> Scene:
    """Read a stage that is already open; otherwise as `read_scene`.

    Args:
        kept: meshes of earlier readings of this stage, for live renders.
        changed: the prims of which values have changed since the last reading, if `kept` is given and
            nothing else has changed; None: anything may have.
    """
    if not stage.GetPseudoRoot().GetAllChildren():
        raise RenderBootError(f"The stage '{arguments.stage}' is empty: it has no prims.")
    time, frame = _time(stage, arguments.frame)
    with usd_warnings(diagnostics):
        reading = None
        if kept and kept.last and changed is not None:
            walk = StageWalk(stage, time, kept.last.settings.purposes, diagnostics, None, kept)
            reading = with_changed_values(walk, stage, kept, changed)
        if reading is None:
            reading = _whole_reading(stage, time, arguments, diagnostics, cache, kept)
        if reading.view is None:
            reading.view = _view(stage, time, arguments, reading, diagnostics)
    if kept:
        kept.last = reading
    root, (camera, picture) = reading.root, reading.view
    source = read_origin(stage.GetRootLayer()).scene
    return Scene(root, camera, picture, reading.bounds, frame, source)


def _whole_reading(
    stage: Usd.Stage,
    time: Usd.TimeCode,
    arguments: Arguments,
    diagnostics: Diagnostics,
    cache: PartCache | None,
    kept: KeptMeshes | None,
) -> Reading:
    settings = _settings(stage, time, diagnostics)
    for path in settings.prims:
        mention_not_rendered(stage.GetPrimAtPath(path), time, diagnostics)
    for path in settings.other_products:
        diagnostics.warn("Only the first render product is rendered", path)
    walk = StageWalk(stage, time, settings.purposes, diagnostics, cache, kept)
    if kept:
        kept.forget_changed(stage)
    root = walk.walk()
    bounds = world_bounds(root)
    if bounds is None:
        raise RenderBootError(
            f"There is nothing to render in '{arguments.stage}': {_reason(walk, settings)}."
        )
    if not _has_light(root):
        # A dome would be brighter than a light that fades in from zero.
        is_animated = any(
            mesh.material.is_emission_animated for each in every_group(root) for mesh in each.meshes
        )
        if is_animated or walk.has_dark_light:
            diagnostics.note("All lights are off: the scene is dark")
        else:
            diagnostics.note("No light on the stage: a soft dome was added")
            root.lights.append(_soft_dome(up_is_z=_is_z_up(stage)))
    return Reading(settings, root, bounds, walk.cameras or walk.hidden_cameras)


def _view(
    stage: Usd.Stage, time: Usd.TimeCode, arguments: Arguments, reading: Reading, diagnostics: Diagnostics
) -> tuple[Camera, PictureSettings]:
    settings, bounds = reading.settings, reading.bounds
    picture = _picture(arguments, settings, diagnostics)
    camera = _Cameras(stage, time, settings, diagnostics).choose(arguments.camera, reading.cameras)
    aspect = picture.width * picture.pixel_aspect_ratio / picture.height
    if camera is None:
        diagnostics.note("No camera on the stage: one was made that frames everything")
        return framing_camera(bounds[0], bounds[1], aspect, up_is_z=_is_z_up(stage)), picture
    if settings.conform_policy == "adjustPixelAspectRatio":
        picture = replace(picture, pixel_aspect_ratio=_fitting_ratio(camera, picture))
    camera = with_far_in_reach(conform(camera, aspect, settings.conform_policy), *bounds)
    mention_not_rendered(stage.GetPrimAtPath(camera.path), time, diagnostics)
    return camera, picture


def _is_z_up(stage: Usd.Stage) -> bool:
    return bool(UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z)


def _settings(stage: Usd.Stage, time: Usd.TimeCode, diagnostics: Diagnostics) -> StageSettings:
    try:
        return read_settings(stage, time)
    except WrongTypeError as error:
        diagnostics.warn(f"The render settings are ignored: {error}")
        return StageSettings()


def _reason(walk: StageWalk, settings: StageSettings) -> str:
    """Return why there is nothing to render: what was skipped, or that there is no geometry."""
    if walk.skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(walk.skipped.items()))
        return f"its geometry is of kinds that cannot be rendered ({kinds})"
    purposes = " and ".join(sorted(settings.purposes))
    return f"{walk.prims_seen} prims, but no visible geometry for the purposes {purposes}"


@dataclass
class _Cameras:
    stage: Usd.Stage
    time: Usd.TimeCode
    settings: StageSettings
    diagnostics: Diagnostics

    def choose(self, asked: str | None, found: list[Usd.Prim]) -> Camera | None:
        """Return the requested camera, else the render settings', else the first one found."""
        if asked:
            prim = self._prim(asked)
            if prim is None:
                there = ", ".join(str(prim.GetPath()) for prim in found) or "none"
                raise RenderBootError(f"There is no camera '{asked}' on the stage; its cameras: {there}.")
            return read_camera(prim, self.time, self.diagnostics)
        if self.settings.camera:
            prim = self._prim(self.settings.camera)
            if prim is not None:
                return read_camera(prim, self.time, self.diagnostics)
            self.diagnostics.warn(
                f"The render settings' camera {self.settings.camera} does not exist", self.settings.prim
            )
        return read_camera(found[0], self.time, self.diagnostics) if found else None

    def _prim(self, path: str) -> Usd.Prim | None:
        if not Sdf.Path.IsValidPathString(path) or not path.startswith("/"):
            return None
        prim = self.stage.GetPrimAtPath(path)
        return prim if prim and prim.IsA(UsdGeom.Camera) else None


def _time(stage: Usd.Stage, frame: float | None) -> tuple[Usd.TimeCode, float | None]:
    if frame is not None:
        return Usd.TimeCode(frame), frame
    if stage.HasAuthoredTimeCodeRange():
        return Usd.TimeCode(stage.GetStartTimeCode()), stage.GetStartTimeCode()
    # Without a frame range, use the earliest sample: default values may not exist.
    return Usd.TimeCode.EarliestTime(), None


def _picture(arguments: Arguments, settings: StageSettings, diagnostics: Diagnostics) -> PictureSettings:
    default = PictureSettings()
    for side in (settings.width, settings.height):
        if side is not None and side <= 0:
            diagnostics.warn(f"A resolution of {side} pixels is ignored", settings.prim)
    width = arguments.width or max(settings.width or 0, 0) or default.width
    height = arguments.height or max(settings.height or 0, 0) or default.height
    if max(width, height) > MAX_SIDE:
        raise RenderBootError(
            f"The render settings {settings.prim} ask for {width} by {height} pixels; "
            f"at most {MAX_SIDE} a side are rendered."
        )
    ratio = settings.pixel_aspect_ratio
    if not 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        diagnostics.warn(f"A pixel aspect ratio of {ratio:g} is rendered as 1", settings.prim)
        ratio = 1.0
    return PictureSettings(
        width=width,
        height=height,
        samples=arguments.samples or settings.samples or default.samples,
        pixel_aspect_ratio=ratio,
        data_window=_pixels_of(settings, width, height, diagnostics),
        denoise=settings.denoise == "always"
        or (settings.denoise == "previews" and arguments.method != "diskRender"),
    )


def _pixels_of(settings: StageSettings, width: int, height: int, diagnostics: Diagnostics) -> Window | None:
    """The data window in pixels from the top left; None when it is the whole picture."""
    if settings.data_window is None:
        return None
    left, bottom, right, top = settings.data_window
    # Beyond these edges it has too many pixels whatever the resolution; NaN is within no edges.
    if not all(-MAX_SIDE < edge < MAX_SIDE for edge in settings.data_window):
        left, bottom, right, top = 0.0, 0.0, 0.0, 0.0
    window = (
        math.ceil(left * width - 0.5),
        math.ceil((1.0 - top) * height - 0.5),
        math.ceil(right * width - 0.5),
        math.ceil((1.0 - bottom) * height - 0.5),
    )
    if window == (0, 0, width, height):
        return None
    size = (window[2] - window[0], window[3] - window[1])
    if min(size) < 1 or max(size) > MAX_SIDE:
        diagnostics.warn("A dataWindowNDC without pixels, or with too many, is ignored", settings.prim)
        return None
    return window


def _fitting_ratio(camera: Camera, picture: PictureSettings) -> float:
    if camera.horizontal_aperture <= 0.0 or camera.vertical_aperture <= 0.0:
        return 1.0
    ratio = camera.horizontal_aperture / camera.vertical_aperture * picture.height / picture.width
    return min(max(ratio, 1 / _MAX_RATIO), _MAX_RATIO)


def _has_light(group: Group) -> bool:
    if group.lights or any(mesh.material.emits and not mesh.material.is_absent for mesh in group.meshes):
        return True
    return any(_has_light(instances.prototype) for instances in group.instances)


def _soft_dome(*, up_is_z: bool) -> DomeLight:
    """Return a default sky, brighter above and to the front left: shading without hard shadows."""
    height, width = 32, 64
    theta = (np.arange(height) + 0.5) / height * math.pi
    phi = (np.arange(width) + 0.5) / width * 2.0 * math.pi
    up = np.cos(theta)[:, None] * np.ones(width)
    x = np.sin(theta)[:, None] * np.sin(phi)[None]
    z = -np.sin(theta)[:, None] * np.cos(phi)[None]
    key = np.clip(0.62 * up + 0.5 * z - 0.6 * x, 0.0, None) ** 6
    sky = 0.16 + 0.5 * np.clip(up, 0.0, None) ** 0.7 - 0.06 * np.clip(-up, 0.0, None)
    tint = np.stack([sky * 0.93 + 5.0 * key, sky + 4.7 * key, sky * 1.1 + 4.2 * key], axis=-1)
    transform = np.eye(4)
    if up_is_z:
        transform[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    pixels: Array = tint.astype(np.float32)
    return DomeLight("", transform, (1.0, 1.0, 1.0), pixels=pixels)
