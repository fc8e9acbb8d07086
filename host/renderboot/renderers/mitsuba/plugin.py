"""The plug-in: translates a scene into a picture that mitsuba renders."""

from __future__ import annotations

from ...cache import PartCache
from ...diagnostics import Diagnostics
from ...scene import DomeLight, RectLight, Scene, every_group
from .engine import mi
from .kept import Generation
from .live import LiveTranslation
from .materials import MaterialLibrary
from .mitsuba_picture import MitsubaPicture, Sensors, denoiser_of, lights_of, mitsuba_scene, translating
from .shapes import ShapeBuilder
from .textures import MitsubaTextures


class MitsubaRenderer:
    """mitsuba 3, path tracing on the CPU."""

    name = "mitsuba"
    version = str(mi.__version__)

    def prepare(
        self, scene: Scene, threads: int, diagnostics: Diagnostics, cache: PartCache | None = None
    ) -> MitsubaPicture:
        """Translate a scene; see `Renderer.prepare`."""
        with translating(threads):
            return self._prepare(scene, diagnostics, cache)

    def prefetch_parts(self, scene: Scene, threads: int, cache: PartCache) -> None:
        """Make textures; see `Renderer.prefetch_parts`. Not shapes: filling them is as fast as a digest."""
        textures = MitsubaTextures(Diagnostics(), cache)
        materials = MaterialLibrary(textures, Diagnostics())
        groups = every_group(scene.root)
        with translating(threads):
            for mesh in (mesh for group in groups for mesh in group.meshes):
                materials.bsdf(mesh)
                materials.emission(mesh)
            for light in (light for group in groups for light in group.lights):
                if isinstance(light, RectLight | DomeLight) and light.texture:
                    textures.pixels(light.texture)

    def _prepare(self, scene: Scene, diagnostics: Diagnostics, cache: PartCache | None) -> MitsubaPicture:
        textures = MitsubaTextures(diagnostics, cache)
        materials = MaterialLibrary(textures, diagnostics)
        shapes = ShapeBuilder(materials, diagnostics)
        shapes.add(scene.root)
        lights = lights_of(scene, shapes.lights, textures, materials, diagnostics, Generation())
        parts = [*shapes.shapes, *lights]
        denoiser = denoiser_of(scene, diagnostics)
        sensors = Sensors(scene.camera, scene.settings, diagnostics)
        return MitsubaPicture(mitsuba_scene(parts), sensors, denoiser)

    def start_live(self, threads: int, diagnostics: Diagnostics) -> LiveTranslation:
        """See `Renderer.start_live`."""
        return LiveTranslation(threads, diagnostics)
