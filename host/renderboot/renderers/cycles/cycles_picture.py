"""Renders Blender's scene pass by pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ...picture import Pixels
from ...scene import PictureSettings
from . import engine

__all__ = ["CyclesPicture", "set_quality"]

_BOUNCES = 9
"""As many as mitsuba's paths of ten segments have."""
_TRANSPARENT_BOUNCES = 64
"""Leaves and hair in front of each other; beyond, they are black."""
_FILTER_WIDTH = 2.0
"""Of Blender's gaussian filter: a standard deviation of half a pixel, as mitsuba's."""
_COARSE_PERCENT = 25


def set_quality(scene: Any, threads: int) -> None:
    """Have Blender's scene rendered by Cycles, on the CPU: nothing biased, denoised or graded.

    Blender's thread.
    """
    scene.render.engine = "CYCLES"
    scene.render.threads_mode = "FIXED"
    scene.render.threads = threads
    # Keeps Cycles's own scene from one pass to the next.
    scene.render.use_persistent_data = True
    scene.render.use_compositing = scene.render.use_sequencer = False
    settings = scene.cycles
    settings.device = "CPU"
    settings.use_adaptive_sampling = settings.use_denoising = False
    settings.sampling_pattern = "TABULATED_SOBOL"
    settings.use_sample_subset = True
    settings.pixel_filter_type = "GAUSSIAN"
    settings.filter_width = _FILTER_WIDTH
    settings.sample_clamp_direct = settings.sample_clamp_indirect = 0.0
    settings.blur_glossy = 0.0
    for kind in ("max", "diffuse", "glossy", "transmission", "volume"):
        setattr(settings, f"{kind}_bounces", _BOUNCES)
    settings.transparent_max_bounces = _TRANSPARENT_BOUNCES


class CyclesPicture:
    """A `LivePicture` (see `renderers`): each pass continues the samples where the one before ended."""

    def __init__(self, scene: Any, settings: PictureSettings, exposure_scale: float) -> None:
        self._scene = scene
        self._max_samples = settings.samples
        self._exposure = np.array([exposure_scale] * 3 + [1.0], np.float32)
        left, top, right, bottom = settings.window
        self._shape = (bottom - top, right - left, 4)
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._done = 0
        self._sums: Pixels | None = None
        self._coarse: Pixels | None = None

    def render_preview(self) -> None:
        """See `Picture.render_preview`: a sixteenth of the pixels, one sample each."""
        pixels = self._rendered(1, _COARSE_PERCENT)
        if pixels is not None:
            with self._lock:
                self._coarse = pixels

    def preview_pixels(self) -> Pixels | None:
        """See `LivePicture.preview_pixels`."""
        with self._lock:
            return self._coarse

    def render_pass(self, samples: int) -> None:
        """See `Picture.render_pass`; Cycles cannot be interrupted, so a running pass ends by itself."""
        pixels = self._rendered(samples, 100)
        if pixels is None:
            return
        with self._lock:
            if not self._is_cancelled:
                weighted = pixels * samples
                self._sums = weighted if self._sums is None else self._sums + weighted
                self._done += samples

    def cancel(self) -> None:
        """See `Picture.cancel`: later passes return at once, the running one is not counted."""
        with self._lock:
            self._is_cancelled = True

    def samples_done(self) -> float:
        """See `Picture.samples_done`; a running pass counts when it ends."""
        with self._lock:
            return self._done

    def pixels(self) -> Pixels:
        """See `Picture.pixels`."""
        with self._lock:
            if self._sums is not None:
                return self._sums / np.float32(self._done)
            return np.zeros(self._shape, np.float32) if self._coarse is None else self._enlarged(self._coarse)

    def denoised(self, is_cancelled: Callable[[], bool]) -> Pixels | None:
        """See `Picture.denoised`: never. A wide pixel filter gives neighbours the same noise, which stays."""
        del is_cancelled
        return None

    def _rendered(self, samples: int, percent: int) -> Pixels | None:
        with self._lock:
            if self._is_cancelled:
                return None
            done = self._done
        pixels = engine.on_blenders_thread(lambda: self._pass(done, samples, percent))
        return np.nan_to_num(pixels, posinf=0.0, neginf=0.0) * self._exposure

    def _pass(self, done: int, samples: int, percent: int) -> Pixels:
        settings = self._scene.cycles
        # Of the whole sequence; the two below choose this pass's part of it.
        settings.samples = max(self._max_samples, done + samples)
        settings.sample_offset = done
        settings.sample_subset_length = samples
        self._scene.render.resolution_percentage = percent
        return engine.render()

    def _enlarged(self, coarse: Pixels) -> Pixels:
        height, width, _ = self._shape
        rows = np.arange(height) * coarse.shape[0] // height
        columns = np.arange(width) * coarse.shape[1] // width
        enlarged: Pixels = coarse[rows[:, None], columns]
        return enlarged
