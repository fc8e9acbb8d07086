"""Images as Blender's, and the nodes that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...scene import Array, ImageTexture, Matrix
from ..textures import FLIP_V, TextureLibrary, Values
from .engine import bpy
from .nodes import Nodes

_EXTENSIONS = {"repeat": "REPEAT", "mirror": "MIRROR", "clamp": "EXTEND"}
UV_MAP = "UVMap"


@dataclass(frozen=True, eq=False)
class Bitmap:
    """One of Blender's images, with the matrix (3 by 3, v up) from the mesh's uvs to the image's."""

    image: Any
    extension: str
    place: Matrix

    def node(self, nodes: Nodes) -> Any:
        """Return the colour output of a node that reads the image at the mesh's uvs."""
        where = nodes.value("UVMap", uv_map=UV_MAP)
        if not np.allclose(self.place, np.eye(3)):
            axes = [
                nodes.math("ADD", _dot(nodes, where, (float(row[0]), float(row[1]))), float(row[2]))
                for row in self.place[:2]
            ]
            where = nodes.value("CombineXYZ", {"X": axes[0], "Y": axes[1]})
        return nodes.value("TexImage", {"Vector": where}, image=self.image, extension=self.extension)


class CyclesTextures(TextureLibrary):
    """Makes Blender's images; v points up in them, as in USD."""

    def _made(self, values: Values, mode: str, place: Matrix, texture: ImageTexture) -> Bitmap:
        uv = FLIP_V @ place @ FLIP_V @ np.array(texture.uv_transform).reshape(3, 3)
        return Bitmap(blender_image(np.asarray(values, np.float32)), _EXTENSIONS[mode], uv)


def blender_image(pixels: Array) -> Any:
    """Return an image of Blender's.

    Args:
        pixels: (height, width, 1 or 3), linear, top row first.
    """
    height, width = pixels.shape[:2]
    image = bpy.data.images.new("texture", width, height, alpha=True, float_buffer=True, is_data=True)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = np.nan_to_num(pixels[::-1])
    image.pixels.foreach_set(rgba.ravel())
    return image


def _dot(nodes: Nodes, where: Any, row: tuple[float, float]) -> Any:
    return nodes.add("VectorMath", {0: where, 1: (*row, 0.0)}, operation="DOT_PRODUCT").outputs["Value"]
