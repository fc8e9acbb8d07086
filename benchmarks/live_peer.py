"""The peer of live renders: mitsuba in this process with the scene loaded, as a script would use it.

It sets the parameters of a change, renders the scene's first pass and packs it as PNG. A helper module.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from host.renderboot.arguments import Arguments
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.picture import png
from host.renderboot.renderers.mitsuba import create
from host.renderboot.renderers.mitsuba.engine import mi, transform
from host.renderboot.stage.reader import read_scene

__all__ = ["Peer", "intervals_s"]

_STEP = 0.01
_CHANCE = random.Random(1)


def intervals_s(a_second: int, count: int) -> list[float]:
    """Return the seconds between changes, as irregular as an artist's: half to one and a half of the mean.

    At even intervals, each change would meet the same moment of the refinement, such as the denoiser's start.
    """
    return [_CHANCE.uniform(0.5, 1.5) / a_second for _ in range(count)]


class Peer:
    """The renderer with a loaded scene, its shapes in one tree, as previews and mitsuba's loaders do."""

    def __init__(self, arguments: Arguments, light_at: Sequence[float], moved: str) -> None:
        """
        Args:
            arguments: the stage, its size and threads.
            light_at: the centre of the sphere light that is changed.
            moved: the meshes below this path are moved and get another colour.
        """
        scene = read_scene(arguments, Diagnostics())
        self.renderer = create()
        self._picture: Any = self.renderer.prepare(scene, arguments.threads, Diagnostics())
        self._scene: Any = self._picture._scene
        shapes = list(self._scene.shapes())
        [light] = [each for each in shapes if _is_at(each, light_at)]
        paths = [mesh.path for mesh in scene.root.meshes if not mesh.material.is_absent]
        meshes = [shape for path, shape in zip(paths, shapes, strict=False) if path.startswith(moved)]
        if not meshes:
            raise RuntimeError(f"the scene has no mesh below {moved}")
        self._sensor = mi.traverse(self._picture._sensors.coarse)
        self._light = mi.traverse(light)
        self._meshes = [mi.traverse(mesh) for mesh in meshes]
        self._looks = [mi.traverse(mesh.bsdf()) for mesh in meshes]
        self._changes: dict[str, Callable[[], None]] = {
            "camera": lambda: _move(self._sensor),
            "light": lambda: _multiply(self._light, "emitter.radiance.value"),
            "light moves": lambda: _move(self._light),
            "material": self._recolour,
            "transform": self._move_meshes,
        }

    def first_pass_ms(self, clock: Callable[[], float] = time.perf_counter, change: str = "") -> float:
        """Make the change, if any, and the first picture; returns milliseconds on `clock`."""
        begin_s = clock()
        self._first_picture(change)
        return (clock() - begin_s) * 1000

    def latencies_ms(self, change: str, a_second: int, count: int) -> list[float]:
        """Make changes at a rate; return for each the time until a picture shows it or a later one.

        As in any live render the newest state is rendered next, and all that came until then is in it.
        """
        arrivals = list(accumulate(intervals_s(a_second, count), initial=time.perf_counter()))[:count]
        spent_ms: list[float] = []
        while arrivals:
            time.sleep(max(0.0, arrivals[0] - time.perf_counter()))
            now_s = time.perf_counter()
            taken = [each for each in arrivals if each <= now_s]
            arrivals = arrivals[len(taken) :]
            self._first_picture(change)
            end_s = time.perf_counter()
            spent_ms += [(end_s - each) * 1000 for each in taken]
        return spent_ms

    def _first_picture(self, change: str) -> None:
        if change:
            self._changes[change]()
            self._scene.parameters_changed()
        self._picture.render_preview()
        pixels = self._picture.preview_pixels()
        assert pixels is not None
        png(pixels)

    def _recolour(self) -> None:
        for look in self._looks:
            for name in look.keys():  # noqa: SIM118  it is no dictionary
                if name.endswith("value") and not isinstance(look[name], float):
                    look[name] = look[name] * (1.0 - _STEP)
            look.update()

    def _move_meshes(self) -> None:
        for mesh in self._meshes:
            points = np.array(mesh["vertex_positions"]).reshape(-1, 3)
            mesh["vertex_positions"] = (points + np.array([0.0, 0.0, _STEP])).astype(np.float32).ravel()
            mesh.update()


def _is_at(shape: Any, place: Sequence[float]) -> bool:
    return bool(shape.is_emitter() and np.allclose(np.array(shape.bbox().center()), place, atol=1e-2))


def _move(parameters: Any) -> None:
    moved = np.array(parameters["to_world"].matrix, np.float64)
    moved[2, 3] += _STEP
    parameters["to_world"] = transform(moved)
    parameters.update()


def _multiply(parameters: Any, name: str) -> None:
    parameters[name] = parameters[name] * (1.0 + _STEP)
    parameters.update()
