"""Intel Open Image Denoise (OIDN), of the package mitsuba-oidn: removes the noise of a picture.

It expects pixels with independent noise: of a film with a box filter. Independent of the renderer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import RenderBootError
from .picture import Pixels

DENOISER = "Intel Open Image Denoise"
"""Its name in the headers of pictures."""


class Denoiser:
    """OIDN, loaded. It shares the threads of Dr.Jit's pool, which mitsuba renders with."""

    def __init__(self) -> None:
        """Load the package.

        Raises:
            RenderBootError: It is not installed, or does not load on this machine.
        """
        try:
            import mitsuba_oidn
        # Any error: on a processor or system that it does not support, what its library raises is not known.
        except Exception as error:
            raise RenderBootError(
                f"Pictures are not denoised: the package mitsuba-oidn does not load ({error})."
            ) from error
        self._oidn: Any = mitsuba_oidn

    def denoised(self, pixels: Pixels, is_cancelled: Callable[[], bool]) -> Pixels | None:
        """Return the picture without its noise; alpha is unchanged.

        Its buffers are released at the end. Not on the main thread: signal handlers would wait for it.

        Args:
            pixels: Scene-linear; without NaN.
            is_cancelled: Called often, on other threads; True ends the work.

        Returns:
            The picture; None when cancelled.

        Raises:
            RenderBootError: OIDN failed.
        """
        oidn = self._oidn
        result = pixels.copy()
        color = np.ascontiguousarray(pixels[..., :3])
        output = np.empty_like(color)
        try:
            denoising = oidn.Device(oidn.DeviceType.CPU).new_filter("RT")
            denoising.set_image("color", color)
            denoising.set_image("output", output)
            denoising.hdr = True
            denoising.quality = oidn.Quality.Fast
            denoising.set_progress_monitor(lambda _: not is_cancelled())
            try:
                denoising.execute()
            finally:
                denoising.set_progress_monitor(None)
        except Exception as error:
            if is_cancelled():
                return None
            raise RenderBootError(f"Pictures are not denoised: {DENOISER} failed ({error}).") from error
        result[..., :3] = output
        return result
