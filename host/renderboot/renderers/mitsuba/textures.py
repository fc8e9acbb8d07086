"""Images as mitsuba textures."""

from __future__ import annotations

import numpy as np

from ...scene import ImageTexture, Matrix
from ..textures import FLIP_V, TextureLibrary, Values
from .engine import load, mi, transform


class MitsubaTextures(TextureLibrary):
    """Makes bitmap textures, whose v points down."""

    def _made(self, values: Values, mode: str, place: Matrix, texture: ImageTexture) -> object:
        # Flip v, apply the artist's transform, flip back; then map to the wrapped image.
        uv = place @ FLIP_V @ np.array(texture.uv_transform).reshape(3, 3) @ FLIP_V
        whole = np.eye(4)
        whole[:2, :2], whole[:2, 3] = uv[:2, :2], uv[:2, 2]
        pixels = np.ascontiguousarray(values, np.float32)
        if not np.isfinite(pixels).all():
            pixels = np.nan_to_num(pixels)
        result: object = load(
            {
                "type": "bitmap",
                "bitmap": mi.Bitmap(pixels),
                "raw": True,
                # Half the memory of floats, and finer than 8-bit images.
                "format": "fp16",
                "wrap_mode": mode,
                "to_uv": transform(whole),
            }
        )
        return result
