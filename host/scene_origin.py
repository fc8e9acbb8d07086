"""The origin of a cooked stage, stored in its file: the artist's scene, and warnings of composing it.

The file may be rendered on another machine, under another path, where nothing else of the scene is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pxr import Sdf, Tf, Vt

__all__ = ["SceneOrigin", "origin_of_file", "read_origin", "write_origin"]

_SCENE, _WARNINGS = "katanaQueueScene", "katanaQueueWarnings"


class SceneOrigin(NamedTuple):
    """Where a stage comes from."""

    scene: str = ""
    """Path of the artist's scene, for the header of pictures; empty: not known."""
    warnings: Sequence[str] = ()
    """What composing it found missing or wrong."""


def write_origin(layer: Sdf.Layer, origin: SceneOrigin) -> None:
    """Store `origin` in `layer`, in place of what was there."""
    data = dict(layer.customLayerData)
    for key in (_SCENE, _WARNINGS):
        data.pop(key, None)
    if origin.scene:
        data[_SCENE] = origin.scene
    if origin.warnings:
        data[_WARNINGS] = Vt.StringArray([*origin.warnings])
    layer.customLayerData = data


def read_origin(layer: Sdf.Layer) -> SceneOrigin:
    """Return what `write_origin` stored; empty fields where it stored nothing."""
    data = layer.customLayerData
    scene: Any = data.get(_SCENE)
    warnings: Any = data.get(_WARNINGS)
    return SceneOrigin(
        scene if isinstance(scene, str) else "",
        list(warnings) if isinstance(warnings, Vt.StringArray) else (),
    )


def origin_of_file(path: Path) -> SceneOrigin:
    """Return the origin that a stage's file has, without reading the scene; empty where it cannot be read."""
    try:
        return read_origin(Sdf.Layer.OpenAsAnonymous(str(path), metadataOnly=True))
    except Tf.ErrorException:
        return SceneOrigin()
