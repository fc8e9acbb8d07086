"""The renderer plug-ins and their interface. Each is a package here with a `create()` function.

To add one: a package beside `mitsuba`, and its line in `RENDERERS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..cache import PartCache
from ..diagnostics import Diagnostics
from ..errors import ArgumentError, RenderBootError
from ..picture import Pixels
from ..scene import Scene


class Picture(Protocol):
    """A progressive render. Call `render_...` on the render thread, the rest on any thread."""

    def render_preview(self) -> None:
        """Render something coarse and quick, which `pixels` shows where there are no samples yet."""

    def render_pass(self, samples: int) -> None:
        """Add samples to every pixel; returns early after `cancel`."""

    def cancel(self) -> None:
        """Make the running pass and every later one return as soon as possible."""

    def samples_done(self) -> float:
        """Return the samples per pixel so far, the running pass's included."""

    def pixels(self) -> Pixels:
        """The picture so far: (height, width, 4), scene-linear, premultiplied."""

    def denoised(self, is_cancelled: Callable[[], bool]) -> Pixels | None:
        """Return the picture without its noise. Any thread, between passes; a later pass may overtake it.

        Args:
            is_cancelled: Called often, on any thread; True ends the work.

        Returns:
            As `pixels`; None when cancelled, or where the scene's settings or the renderer do not denoise.

        Raises:
            RenderBootError: The denoiser failed.
        """


class LivePicture(Picture, Protocol):
    """A picture of a live scene."""

    def preview_pixels(self) -> Pixels | None:
        """Return the result of `render_preview` at its own, lower resolution.

        Format as `pixels`; None where `cancel` came before it was rendered.
        """


class LiveTranslation(Protocol):
    """Translates a live scene again after each change. Render thread only."""

    def prepare(self, scene: Scene) -> LivePicture:
        """Translate the scene; objects identical (`is`) to those of the previous scene are reused.

        Raises:
            RenderBootError: The renderer rejects the scene; a later scene may be translated again.
        """


class Renderer(Protocol):
    """A renderer plug-in, loaded and ready."""

    name: str
    version: str

    def prepare(
        self, scene: Scene, threads: int, diagnostics: Diagnostics, cache: PartCache | None = None
    ) -> Picture:
        """Translate the scene.

        Args:
            scene: The scene to render.
            threads: Number of render threads.
            diagnostics: Receives warnings of what cannot be rendered.
            cache: Parts that `prefetch_parts` made; None: no cache.

        Raises:
            RenderBootError: The renderer refuses it.
        """

    def start_live(self, threads: int, diagnostics: Diagnostics) -> LiveTranslation:
        """Start a live render.

        Args:
            threads: Number of render threads.
            diagnostics: Receives warnings of what cannot be rendered.
        """

    def prefetch_parts(self, scene: Scene, threads: int, cache: PartCache) -> None:
        """Make the expensive parts that do not depend on the whole scene (textures), and store them in the
        cache for the `prepare` of a similar scene.

        Raises:
            RenderBootError: The renderer refuses it.
        """


@dataclass(frozen=True)
class _Entry:
    module: str
    needs: str
    """What to do where it is not installed."""


RENDERERS = {
    "mitsuba": _Entry(f"{__name__}.mitsuba", "pip install mitsuba"),
    "cycles": _Entry(f"{__name__}.cycles", "./start --install-cycles, with Python 3.11"),
}


def load_renderer(name: str) -> Renderer:
    """Import a renderer and make it ready.

    Args:
        name: As in `-renderer`.

    Raises:
        ArgumentError: There is no such renderer plug-in.
        RenderBootError: Its plug-in is here, but the renderer itself is not installed or does not load.
    """
    entry = RENDERERS.get(name)
    if entry is None:
        raise ArgumentError(f"There is no renderer '{name}'; renderers here: {', '.join(sorted(RENDERERS))}.")
    try:
        module = importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        raise RenderBootError(
            f"The renderer '{name}' is not installed (no module '{error.name}'): {entry.needs}."
        ) from error
    except ImportError as error:
        raise RenderBootError(f"The renderer '{name}' is installed but does not load: {error}.") from error
    renderer: Renderer = module.create()
    return renderer
