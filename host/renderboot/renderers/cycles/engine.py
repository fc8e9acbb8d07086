"""Blender's module `bpy`, imported once, on a thread of its own: it crashes when another one loads a scene.

Blender has one scene for the whole process, and so has this plug-in. Pixels of a render stay in memory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from ...errors import RenderBootError
from ...picture import Pixels
from ..quiet import without_noise

__all__ = ["bpy", "empty_scene", "mathutils", "on_blenders_thread", "render"]

_NUMPY_1 = ("numpy.core._multiarray_umath", "numpy.core.multiarray")
_AUDIO_NOISE = (b"ModuleNotFoundError: import of numpy.core", b"ImportError: numpy.core")


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Discard Blender's forty lines of statistics a pass on standard output; renderboot logs on the other."""
    sys.stdout.flush()
    real = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(real, 1)
        os.close(real)


@contextlib.contextmanager
def _without_numpy_1() -> Iterator[None]:
    """Hide numpy 2 from Blender's audio, which is made for numpy 1 and would print a page of complaint."""
    if int(np.__version__.partition(".")[0]) < 2:
        yield
        return
    before = {name: sys.modules.get(name) for name in _NUMPY_1}
    sys.modules.update(dict.fromkeys(_NUMPY_1))  # type: ignore[arg-type]  # None: the import fails
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _load() -> Any:
    """Import Blender without the artist's own settings and add-ons; delete the folders that it makes."""
    variable = "BLENDER_USER_RESOURCES"
    before = os.environ.get(variable)
    with tempfile.TemporaryDirectory(prefix="renderboot-", ignore_cleanup_errors=True) as folder:
        os.environ[variable] = folder
        try:
            with _muted(), without_noise(_AUDIO_NOISE), _without_numpy_1():
                import bpy as module
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before
    # Blender deletes it at its own end, which a render process does not wait for.
    shutil.rmtree(module.app.tempdir, ignore_errors=True)
    return module


Result = TypeVar("Result")
_thread = ThreadPoolExecutor(1, "blender")


def on_blenders_thread(function: Callable[[], Result]) -> Result:
    """Return what `function` returns, or raise what it raises. Whatever uses `bpy` is called so; blocks."""
    return _thread.submit(function).result()


try:
    bpy: Any = on_blenders_thread(_load)
except BaseException:
    _thread.shutdown()  # it would wait for more, in a process that goes on without it
    raise

# Brought by bpy: Blender's add-on for Cycles, and its vectors and matrices.
import cycles  # noqa: E402
import mathutils  # noqa: E402

_result: list[Pixels] = []


def _render_and_keep(self: Any, depsgraph: Any) -> None:
    """Render as Cycles does, then copy the pixels: in background Blender offers them in no other way."""
    _cycles_render(self, depsgraph)
    result = self.get_result()
    if result is None or not result.layers:
        return
    rect = result.layers[0].passes["Combined"].rect
    pixels = np.empty(len(rect) * 4, np.float32)
    rect.foreach_get(pixels)
    _result[:] = [pixels.reshape(result.resolution_y, result.resolution_x, 4)[::-1]]


_cycles_render = cycles.CyclesRender.render
cycles.CyclesRender.render = _render_and_keep


def empty_scene() -> Any:
    """Return Blender's scene with nothing in it; all that was made before is freed."""
    with _muted():
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


def render() -> Pixels:
    """Render Blender's scene as it is set. Other threads run meanwhile.

    Returns:
        (height, width, 4), scene-linear, premultiplied, top row first.

    Raises:
        RenderBootError: Cycles failed.
    """
    _result.clear()
    try:
        with _muted():
            bpy.ops.render.render()
    except RuntimeError as error:
        raise RenderBootError(f"Cycles failed while rendering: {_short(error)}.") from error
    if not _result:
        raise RenderBootError("Cycles failed while rendering: it made no picture.")
    return _result.pop()


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1].removeprefix("Error: ") if lines else type(error).__name__).rstrip(".")
