"""A live scene: from an update to a picture that can be rendered. Reads and translates only what changed."""

from __future__ import annotations

from dataclasses import replace

from ..arguments import Arguments
from ..diagnostics import Diagnostics
from ..renderers import LivePicture, Renderer
from ..scene import PictureSettings, Scene
from ..stage.kept import KeptMeshes
from ..stage.reader import read_stage
from .stage import LiveStage
from .state import Update


class LiveScene:
    """The stage, its translation and its picture settings. Render thread only."""

    def __init__(self, arguments: Arguments, renderer: Renderer) -> None:
        self.diagnostics = Diagnostics()
        """Warnings of what is wrong or cannot be rendered; `LiveRender` logs them."""
        # The command line's picture settings are those of the start; updates carry the current ones.
        self._arguments = replace(arguments, camera=None, width=None, height=None, samples=None)
        self._stage = LiveStage()
        self._kept = KeptMeshes()
        self._translation = renderer.start_live(arguments.threads, self.diagnostics)
        self._scale = 1
        self._region: tuple[float, ...] = ()
        self.full_size = (0, 0)
        """Width and height of the scene's settings, before the update's scale and region."""

    def updated(self, update: Update) -> tuple[Scene, LivePicture]:
        """Apply an update; return the scene and its new picture, with nothing rendered yet.

        Raises:
            RenderBootError: The scene cannot be rendered as it is now; a later update may fix it.
        """
        self._scale = update.scale or self._scale
        self._region = self._region if update.region is None else update.region
        if update.frame is not None and update.frame != self._arguments.frame:
            self._arguments = replace(self._arguments, frame=update.frame)
            self._kept.forget_all()
        try:
            changes = self._stage.apply(update, self.diagnostics)
            if changes.everything:
                self._kept.forget_all()
            self._kept.changed(changes.prims)
            scene = read_stage(
                self._stage.stage, self._arguments, self.diagnostics, kept=self._kept, changed=changes.values
            )
        except BaseException:
            self._kept.forget_all()  # the failed update's changes are unknown
            raise
        self.full_size = (scene.settings.width, scene.settings.height)
        scene.settings = self._sized(scene.settings)
        return scene, self._translation.prepare(scene)

    def _sized(self, settings: PictureSettings) -> PictureSettings:
        scale = self._scale
        width, height = max(1, settings.width // scale), max(1, settings.height // scale)
        window = settings.data_window if scale == 1 else None
        if self._region:
            left, top, right, bottom = self._region
            x, y = int(left * width), int(top * height)
            window = (x, y, max(x + 1, round(right * width)), max(y + 1, round(bottom * height)))
        return replace(settings, width=width, height=height, data_window=window)
