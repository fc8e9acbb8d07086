"""The plug-in: translates a scene into Blender's, whose picture Cycles renders."""

from __future__ import annotations

from ...cache import PartCache
from ...diagnostics import Diagnostics
from ...scene import Scene
from .camera import set_camera
from .cycles_picture import CyclesPicture, set_quality
from .engine import bpy, empty_scene, on_blenders_thread
from .lights import LightBuilder
from .materials import MaterialLibrary
from .shapes import ObjectBuilder
from .textures import CyclesTextures


class CyclesRenderer:
    """Blender's Cycles, path tracing on the CPU."""

    name = "cycles"
    version = str(bpy.app.version_string).split()[0]

    def prepare(
        self, scene: Scene, threads: int, diagnostics: Diagnostics, cache: PartCache | None = None
    ) -> CyclesPicture:
        """Translate a scene; see `Renderer.prepare`. The picture of the scene before can no longer render."""
        del cache  # Blender's objects end with its scene
        return on_blenders_thread(lambda: self._prepared(scene, threads, diagnostics))

    @staticmethod
    def _prepared(scene: Scene, threads: int, diagnostics: Diagnostics) -> CyclesPicture:
        blender = empty_scene()
        set_quality(blender, threads)
        textures = CyclesTextures(diagnostics)
        objects = ObjectBuilder(blender, MaterialLibrary(textures, diagnostics))
        objects.add(scene.root)
        LightBuilder(blender, objects, textures).build(objects.lights)
        set_camera(blender, objects, scene.camera, scene.settings)
        return CyclesPicture(blender, scene.settings, scene.camera.exposure_scale)

    def prefetch_parts(self, scene: Scene, threads: int, cache: PartCache) -> None:
        """See `Renderer.prefetch_parts`: nothing of Blender's outlives its scene."""

    def start_live(self, threads: int, diagnostics: Diagnostics) -> LiveTranslation:
        """See `Renderer.start_live`."""
        return LiveTranslation(self, threads, diagnostics)


class LiveTranslation:
    """Translates all of a live scene after each change."""

    def __init__(self, renderer: CyclesRenderer, threads: int, diagnostics: Diagnostics) -> None:
        self._renderer = renderer
        self._threads = threads
        self._diagnostics = diagnostics

    def prepare(self, scene: Scene) -> CyclesPicture:
        """See `renderers.LiveTranslation.prepare`."""
        return self._renderer.prepare(scene, self._threads, self._diagnostics)
