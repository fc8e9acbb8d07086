"""UsdUVTexture, UsdTransform2d and the reader of texture coordinates as neutral image textures."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Sdf, Usd, UsdShade

from ..diagnostics import Diagnostics
from ..scene import ColourSpace, ImageTexture, Wrap
from .assets import existing_file, is_udim, udim_tiles
from .shading import attribute_of, numbers_of, source_of, value_of

Four = tuple[float, float, float, float]

_MISSING: Four = (0.5, 0.5, 0.5, 1.0)
_WRAPS: dict[str, Wrap] = {"repeat": "repeat", "mirror": "mirror", "clamp": "clamp", "black": "black"}
_COLOUR_SPACES: dict[str, ColourSpace] = {"sRGB": "srgb", "raw": "linear", "auto": "auto"}
TEXTURE_INPUTS = frozenset(("file", "st", "wrapS", "wrapT", "fallback", "scale", "bias", "sourceColorSpace"))


class TextureReader:
    """Reads texture nodes at one frame."""

    def __init__(self, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
        self._time = time
        self._diagnostics = diagnostics

    def texture(self, shader: UsdShade.Shader, output: str) -> ImageTexture | Four | None:
        """Return the image; RGBA to use instead when the file is missing; None when no file is authored.

        The RGBA is the authored fallback, else a neutral grey.
        """
        asset = value_of(shader, "file", self._time)
        prim = str(shader.GetPath())
        self._mention_driven(shader, prim)
        fallback = self._four(shader, "fallback")
        if not isinstance(asset, Sdf.AssetPath) or not asset.path:
            return fallback
        tiles: tuple[tuple[int, str], ...] = ()
        if is_udim(asset):
            attribute = attribute_of(shader, "file")
            tiles = udim_tiles(asset, attribute) if attribute else ()
            file = asset.path if tiles else None
        else:
            file = existing_file(asset)
        if file is None:
            self._diagnostics.warn(f"Texture '{asset.path}' is missing", prim)
            return fallback or _MISSING
        uv_primvar, uv_fallback, uv_transform = self._coordinates(shader)
        return ImageTexture(
            file=file,
            prim=prim,
            output=output if output in ("r", "g", "b", "a") else "rgb",
            wrap_s=self._wrap(shader, "wrapS"),
            wrap_t=self._wrap(shader, "wrapT"),
            colour_space=self._colour_space(shader),
            scale=self._four(shader, "scale") or (1.0, 1.0, 1.0, 1.0),
            bias=self._four(shader, "bias") or (0.0, 0.0, 0.0, 0.0),
            fallback=fallback,
            tiles=tiles,
            uv_primvar=uv_primvar,
            uv_fallback=uv_fallback,
            uv_transform=uv_transform,
        )

    def _mention_driven(self, shader: UsdShade.Shader, prim: str) -> None:
        for shader_input in shader.GetInputs():
            name = str(shader_input.GetBaseName())
            if name not in TEXTURE_INPUTS:
                self._diagnostics.warn(f"The texture input '{name}' is not rendered", prim)
            elif name != "st" and source_of(shader, name):
                self._diagnostics.warn(
                    f"The texture input '{name}' is connected; its own value is rendered", prim
                )

    def _four(self, shader: UsdShade.Shader, name: str) -> Four | None:
        authored = value_of(shader, name, self._time)
        value = numbers_of(authored, 4)
        if value is None and authored is not None:
            self._diagnostics.warn(
                f"The texture input '{name}' is not 4 finite numbers: ignored", str(shader.GetPath())
            )
        return (value[0], value[1], value[2], value[3]) if value else None

    def _wrap(self, shader: UsdShade.Shader, name: str) -> Wrap:
        value = value_of(shader, name, self._time)
        if value is None and source_of(shader, "st") is None:
            # Networks without texture coordinates are written for viewers that repeat the mesh's own.
            self._diagnostics.note(
                "A texture without connected coordinates repeats over 'st'", str(shader.GetPath())
            )
            return "repeat"
        # useMetadata, the default too: what is read here carries no such metadata, and that is black.
        if str(value) not in (*_WRAPS, "useMetadata", "None"):
            self._diagnostics.warn(f"The wrap mode '{value}' is unknown: black", str(shader.GetPath()))
        return _WRAPS.get(str(value), "black")

    def _colour_space(self, shader: UsdShade.Shader) -> ColourSpace:
        value = str(value_of(shader, "sourceColorSpace", self._time) or "auto")
        if value not in _COLOUR_SPACES:
            self._diagnostics.warn(f"The colour space '{value}' is unknown: auto", str(shader.GetPath()))
        return _COLOUR_SPACES.get(value, "auto")

    def _coordinates(self, shader: UsdShade.Shader) -> tuple[str, tuple[float, float], tuple[float, ...]]:
        """Return the uv primvar's name, its fallback, and all 2D transforms as one 3 by 3 matrix, by rows."""
        matrix = np.eye(3)
        primvar, fallback = "st", (0.0, 0.0)
        source, seen = source_of(shader, "st"), set[str]()
        while source:
            node = source[0]
            kind = node.GetShaderId()
            if str(node.GetPath()) in seen:
                self._diagnostics.warn(
                    "A texture transform that feeds itself is ignored", str(node.GetPath())
                )
                break
            seen.add(str(node.GetPath()))
            if kind == "UsdPrimvarReader_float2":
                primvar = str(value_of(node, "varname", self._time) or "st")
                pair = numbers_of(value_of(node, "fallback", self._time), 2)
                fallback = (pair[0], pair[1]) if pair else fallback
                break
            if kind != "UsdTransform2d":
                self._diagnostics.warn(
                    f"Cannot evaluate {kind or 'unknown'} nodes; 'st' is used", str(node.GetPath())
                )
                break
            matrix = matrix @ self._transform_2d(node)
            if not np.isfinite(matrix).all():
                self._diagnostics.warn(
                    "A texture transform is not finite and is ignored", str(node.GetPath())
                )
                matrix = np.eye(3)
            source = source_of(node, "in")
        return primvar, fallback, tuple(matrix.reshape(-1).tolist())

    def _transform_2d(self, node: UsdShade.Shader) -> Any:
        scale = value_of(node, "scale", self._time) or (1.0, 1.0)
        translation = value_of(node, "translation", self._time) or (0.0, 0.0)
        angle = np.radians(float(value_of(node, "rotation", self._time) or 0.0))
        c, s = np.cos(angle), np.sin(angle)
        rotate = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        move = np.array([[1, 0, translation[0]], [0, 1, translation[1]], [0, 0, 1]])
        return move @ rotate @ np.diag([scale[0], scale[1], 1.0])
