"""Builds a mitsuba scene from shapes and lights, and renders its picture pass by pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...denoising import Denoiser
from ...diagnostics import Diagnostics
from ...errors import RenderBootError
from ...picture import Pixels
from ...scene import Camera, Light, PictureSettings, Scene
from ..textures import TextureLibrary
from .camera import sensor
from .engine import dr, load, rgb
from .kept import Generation
from .lights import LightBuilder
from .materials import MaterialLibrary

__all__ = ["MitsubaPicture", "Sensors", "denoiser_of", "lights_of", "mitsuba_scene", "translating"]

Sums = npt.NDArray[np.float64]

_DEPTH = 10
_ROULETTE_DEPTH = 4
_LINES_PER_BLOCK = 16


def lights_of(
    scene: Scene,
    lights: list[Light],
    textures: TextureLibrary,
    materials: MaterialLibrary,
    diagnostics: Diagnostics,
    kept: Generation,
) -> list[object]:
    """Return the scene's emitters. Call it after the shapes are built.

    Args:
        lights: the scene's lights, those of instances included.
    """
    low, high = scene.bounds
    radius = float(np.linalg.norm(high - low)) / 2.0 or 1.0
    made = LightBuilder(textures, diagnostics, (low + high) / 2.0, radius, kept).build(lights)
    if materials.has_unsampled_light:
        # mitsuba refuses a scene in which all lights have a sampling weight of 0.
        black = {"type": "point", "intensity": rgb((0.0, 0.0, 0.0)), "sampling_weight": 1e-3}
        made.append(kept.get("black", lambda: load(black)))
    return made


def mitsuba_scene(parts: list[object]) -> Any:
    """Return a mitsuba scene of these shapes and lights, without a sensor: cameras are separate."""
    return load({"type": "scene", **{f"part{number}": part for number, part in enumerate(parts)}})


def denoiser_of(scene: Scene, diagnostics: Diagnostics) -> Denoiser | None:
    """Return the denoiser that the scene's settings ask for; if it does not load, warn and unset it there."""
    if not scene.settings.denoise:
        return None
    try:
        return Denoiser()
    except RenderBootError as error:
        diagnostics.warn(str(error))
        scene.settings = replace(scene.settings, denoise=False)
        return None


class Sensors:
    """A camera's sensors with their films, for one picture at a time."""

    def __init__(self, camera: Camera, settings: PictureSettings, diagnostics: Diagnostics) -> None:
        self.camera = camera
        self.settings = settings
        self._fine = sensor(camera, settings, diagnostics)
        self.coarse: Any = load(sensor(camera, _coarse(settings), diagnostics))
        """For the first picture."""

    @cached_property
    def fine(self) -> Any:
        """The sensor of the whole resolution, made on first use: not before the first picture."""
        return load(self._fine)


@contextmanager
def translating(threads: int) -> Iterator[None]:
    """Set the thread count, for the render too. Raises RenderBootError where mitsuba refuses the scene."""
    dr.set_thread_count(threads)
    try:
        yield
    except RuntimeError as error:
        raise RenderBootError(f"mitsuba refuses the scene: {_short(error)}.") from error


def _coarse(settings: PictureSettings) -> PictureSettings:
    """Return the settings at a quarter of the width and height."""
    window = settings.data_window
    if window:
        left, top, right, bottom = window
        window = (left // 4, top // 4, max(-(-right // 4), left // 4 + 1), max(-(-bottom // 4), top // 4 + 1))
    width, height = -(-settings.width // 4), -(-settings.height // 4)
    # It is shown as it is, and has less noise without a box filter.
    return replace(settings, width=width, height=height, data_window=window, denoise=False)


class MitsubaPicture:
    """A progressive render: finished passes are summed in `_total`, the running one is in mitsuba's film."""

    def __init__(self, scene: Any, sensors: Sensors, denoiser: Denoiser | None = None) -> None:
        self._denoiser = denoiser
        self._scene = scene
        self._sensors = sensors
        self._coarse: Pixels | None = None
        # Any: the stubs describe another variant's seeds.
        self._integrator: Any = load({"type": "path", "max_depth": _DEPTH, "rr_depth": _ROULETTE_DEPTH})
        self._exposure = sensors.camera.exposure_scale
        left, _, right, _ = sensors.settings.window
        self._columns = right - left
        self._coarse_columns = -(-self._columns // 4)
        self._lock = threading.Lock()
        self._has_film = False
        """Whether the film holds samples that are not yet in the sums."""
        self._is_cancelled = False
        self._passes = 0
        self._samples = 0.0
        self._sums: Sums | None = None

    @property
    def _film(self) -> Any:
        return self._sensors.fine.film()

    @property
    def _total(self) -> Sums:
        """The sums, allocated on first use, after the preview."""
        if self._sums is None:
            width, height = self._film.crop_size()
            self._sums = np.zeros((int(height), int(width), 5), np.float64)
        return self._sums

    def render_preview(self) -> None:
        """See `Picture.render_preview`: a sixteenth of the pixels, one sample each."""
        with self._lock:
            if self._is_cancelled:
                return
        self._render(self._sensors.coarse, seed=0, samples=1)
        film = np.array(self._sensors.coarse.film().develop(raw=True))
        with self._lock:
            if not self._is_cancelled:  # else part of it is black
                self._coarse = self._mean(film)

    def preview_pixels(self) -> Pixels | None:
        """See `LivePicture.preview_pixels`."""
        with self._lock:
            return None if self._coarse is None else _narrowed(self._coarse, self._coarse_columns)

    def render_pass(self, samples: int) -> None:
        """Render on the calling thread; mitsuba's own threads do the work."""
        with self._lock:
            if self._is_cancelled:
                return
            if not self._passes:
                # Otherwise reading the film before the pass has started raises: it has no storage yet.
                self._film.prepare([])
            self._film.clear()
            self._has_film = True
        self._render(self._sensors.fine, seed=self._passes, samples=samples)
        with self._lock:
            was_cancelled = bool(self._is_cancelled)
            if was_cancelled:
                return  # the last pass: `pixels` adds the film when called
            self._has_film = False
            self._sums = self._total
            self._sums += self._film_now()
            self._samples += samples
            self._passes += 1

    def cancel(self) -> None:
        """See `Picture.cancel`."""
        with self._lock:
            self._is_cancelled = True
        self._integrator.cancel()

    def samples_done(self) -> float:
        """See `Picture.samples_done`."""
        with self._lock:
            return self._with_film()[0] if self._has_film else self._samples

    def pixels(self) -> Pixels:
        """See `Picture.pixels`."""
        with self._lock:
            total = self._with_film()[1] if self._has_film else self._total
            coarse = self._coarse
        mean = self._mean(total)
        weight = total[..., 4]
        if coarse is not None and not weight.all():
            mean = np.where(weight[..., None] > 0, mean, _enlarged(coarse, weight.shape))
        return _narrowed(mean, self._columns)

    def denoised(self, is_cancelled: Callable[[], bool]) -> Pixels | None:
        """See `Picture.denoised`."""
        if self._denoiser is None:
            return None
        with self._lock:
            if self._is_cancelled or self._has_film or not self._passes:
                return None
            mean = self._mean(self._total)
        # Before `_narrowed`, which mixes the noise of neighbouring pixels.
        pixels = self._denoiser.denoised(mean, is_cancelled)
        return None if pixels is None else _narrowed(pixels, self._columns)

    def _mean(self, sums: Sums | Pixels) -> Pixels:
        """Return the weighted sums divided by their weights; black where the weight is 0."""
        result = np.empty((*sums.shape[:2], 4), np.float32)
        # A few lines at a time stay in the processor's cache.
        for top in range(0, len(sums), _LINES_PER_BLOCK):
            lines = sums[top : top + _LINES_PER_BLOCK]
            weight = lines[..., 4:]
            mean = np.divide(lines[..., :4], weight, out=np.zeros_like(lines[..., :4]), where=weight > 0)
            mean[..., :3] *= self._exposure
            result[top : top + _LINES_PER_BLOCK] = mean
        # One NaN sample stays in the sums, and would leave its pixels NaN for the whole render.
        return np.nan_to_num(result, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def _render(self, sensor: Any, *, seed: int, samples: int) -> None:
        try:
            self._integrator.render(
                self._scene, sensor, seed=seed, spp=samples, develop=False, evaluate=False
            )
        except RuntimeError as error:
            raise RenderBootError(f"mitsuba failed while rendering: {_short(error)}.") from error

    def _film_now(self) -> Pixels:
        # Not bitmap(raw=True): that points into the film's own memory, which the next pass gives back at its
        # start. develop copies under the film's lock; that copy is this caller's alone.
        return np.array(self._film.develop(raw=True))

    def _with_film(self) -> tuple[float, Sums]:
        """Return the samples per pixel so far, estimated by weight, and the sums with the running pass."""
        film = self._film_now()
        weight = float(self._total[..., 4].sum())
        if self._samples and weight > 0:
            running = float(film[..., 4].sum()) / (weight / self._samples)
        else:
            running = float((film[..., 4] > 0).mean())
        return self._samples + running, self._total + film


def _narrowed(pixels: Pixels, columns: int) -> Pixels:
    """Resample the picture to `columns` columns by area: mitsuba renders square pixels only."""
    count = pixels.shape[1]
    if count == columns:
        return pixels
    sums = np.zeros((pixels.shape[0], count + 1, pixels.shape[2]))
    np.cumsum(pixels, axis=1, out=sums[:, 1:])
    edges = np.linspace(0.0, count, columns + 1)
    below = np.minimum(edges.astype(np.int64), count - 1)
    share = (edges - below)[None, :, None]
    at_edges = sums[:, below] * (1.0 - share) + sums[:, below + 1] * share
    narrowed: Pixels = (np.diff(at_edges, axis=1) * (columns / count)).astype(np.float32)
    return narrowed


def _enlarged(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    height, width = shape
    rows = np.arange(height) * pixels.shape[0] // height
    columns = np.arange(width) * pixels.shape[1] // width
    enlarged: Pixels = pixels[rows[:, None], columns]
    return enlarged


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
