"""The metadata of a picture: what its header says of the scene, the render and the renderer. No I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from .arguments import Arguments
from .renderers import Renderer
from .scene import PictureSettings, Scene

NO_CAMERA = "(automatic: frames the scene)"
_PNG_TEXTS = ("node", "frame", "renderer", "camera", "samples", "denoiser")
"""The metadata in the header of a PNG, which the Monitor shows. Paths and times are only in the EXR's."""

Metadata = dict[str, str | int | float]


@dataclass(frozen=True)
class PictureFacts:
    """The scene's values that a picture's header records; the scene itself may be freed."""

    source: str
    settings: PictureSettings
    frame: float | None
    camera: str
    """Path of the camera; empty where the renderer frames the scene."""
    renderer: str
    node: str

    @classmethod
    def of(cls, scene: Scene, renderer: Renderer, arguments: Arguments) -> PictureFacts:
        """Return the values of `scene`. Its file is that of the arguments where it names none."""
        return cls(
            scene.source or str(arguments.stage),
            scene.settings,
            scene.frame,
            scene.camera.path,
            f"{renderer.name} {renderer.version}",
            arguments.node_name,
        )

    def metadata(self, samples: float, render_time_s: float, denoiser: str = "") -> Metadata:
        """Return the attributes of an EXR's header. `samples`: those per pixel that the picture has."""
        about: Metadata = {
            "scene": self.source,
            "renderer": self.renderer,
            "camera": self.camera or NO_CAMERA,
            "samples": int(samples),
            "renderTime": render_time_s,
            "capDate": time.strftime("%Y:%m:%d %H:%M:%S"),
            "software": "Katana Queue renderboot",
        }
        if denoiser:
            about["denoiser"] = denoiser
        if self.node:
            about["node"] = self.node
        if self.frame is not None:
            about["frame"] = float(self.frame)
        return about


def png_texts(about: Mapping[str, str | int | float]) -> Metadata:
    """Return the part of `about` that belongs into the header of a PNG."""
    return {
        name: about[name] for name in _PNG_TEXTS if about.get(name) or (name == "frame" and name in about)
    }
