"""Which renderers there are, and what each must offer. Each is a package here with a `create()` function.

To add one: a package beside `mitsuba`, and its line in `RENDERERS`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol

from ..cache import PartCache
from ..diagnostics import Diagnostics
from ..errors import ArgumentError, RenderBootError
from ..picture import Pixels
from ..scene import Scene


class Picture(Protocol):
    """One picture in the making. `render_...` belong to the render thread, the rest to any thread."""

    def render_preview(self) -> None:
        """Render something coarse and quick, which `pixels` shows where there are no samples yet."""

    def render_pass(self, samples: int) -> None:
        """Add samples to every pixel; returns early after `cancel`."""

    def cancel(self) -> None:
        """Make a running and every later pass return as soon as it can."""

    def samples_done(self) -> float:
        """Samples for each pixel so far, parts of a running pass included."""

    def pixels(self) -> Pixels:
        """The picture so far: (height, width, 4), scene-linear, premultiplied."""


class LivePicture(Picture, Protocol):
    """A picture of a live scene."""

    def preview_pixels(self) -> Pixels:
        """What `render_preview` has rendered, as coarse as it is: as `pixels`, with fewer of them."""


class LiveTranslation(Protocol):
    """A scene that is translated again after each change. Belongs to the render thread."""

    def prepare(self, scene: Scene) -> LivePicture:
        """Translate the scene; what is the same object as in the one before is not translated again.

        Raises:
            RenderBootError: The renderer refuses it; the next one may be translated all the same.
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
            scene: What is to be seen.
            threads: How many render it.
            diagnostics: Receives what of it cannot be rendered.
            cache: Where `prefetch_parts` may have put parts of it.

        Raises:
            RenderBootError: The renderer refuses it.
        """

    def start_live(self, threads: int, diagnostics: Diagnostics) -> LiveTranslation:
        """Begin a live render.

        Args:
            threads: How many render it.
            diagnostics: Receives what of its scenes cannot be rendered.
        """

    def prefetch_parts(self, scene: Scene, threads: int, cache: PartCache) -> None:
        """Make what takes long and does not depend on the whole: put it where `prepare` of a scene like this
        one will look for it.

        Raises:
            RenderBootError: The renderer refuses it.
        """


@dataclass(frozen=True)
class _Entry:
    module: str
    needs: str


RENDERERS = {"mitsuba": _Entry(f"{__name__}.mitsuba", "mitsuba")}


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
            f"The renderer '{name}' is not installed (no module '{error.name}'): pip install {entry.needs}."
        ) from error
    except ImportError as error:
        raise RenderBootError(f"The renderer '{name}' is installed but does not load: {error}.") from error
    renderer: Renderer = module.create()
    return renderer
