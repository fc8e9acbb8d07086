"""What a prim inherits from its ancestors."""

from __future__ import annotations

from dataclasses import dataclass

from pxr import UsdGeom

from ..scene import Matrix


@dataclass(frozen=True)
class Place:
    """The transform to world (or prototype) space and the purpose that a prim inherits."""

    matrix: Matrix
    purpose: UsdGeom.Imageable.PurposeInfo
