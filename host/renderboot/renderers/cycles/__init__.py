"""The Cycles renderer plug-in: a neutral scene as Blender's. The only importer of bpy, which is GPL-3."""

from __future__ import annotations

from .plugin import CyclesRenderer


def create() -> CyclesRenderer:
    """The renderer, with Blender loaded."""
    return CyclesRenderer()
