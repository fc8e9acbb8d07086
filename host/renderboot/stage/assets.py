"""Resolves asset paths: to a file, a path within a package, or the tiles of a UDIM set."""

from __future__ import annotations

import os

from pxr import Ar, Sdf, Usd, UsdShade


def existing_file(asset: Sdf.AssetPath) -> str | None:
    """The path of the file that the asset names; None when there is no such regular file.

    A path that ends in brackets is within a package only if no such file exists: names may have brackets.
    """
    path = str(asset.resolvedPath or asset.path)
    # Not pathlib, which raises where a folder may not be entered.
    if os.path.isfile(path):
        return path
    if not Ar.IsPackageRelativePath(path):
        return None
    return path if os.path.isfile(Ar.SplitPackageRelativePathOuter(path)[0]) else None


def is_udim(asset: Sdf.AssetPath) -> bool:
    """Whether the path names a set of tiles."""
    return bool(UsdShade.UdimUtils.IsUdimIdentifier(asset.path))


def udim_tiles(asset: Sdf.AssetPath, attribute: Usd.Attribute) -> tuple[tuple[int, str], ...]:
    """Tile numbers (from 1001) and files of a UDIM set, those that exist.

    Args:
        asset: The set's path.
        attribute: Whose value it is: the path is relative to the layer that authors it.
    """
    for spec in attribute.GetPropertyStack():
        # USD looks for a path without ./ on its search path only, where a set has no file of that name.
        for path in (asset.path, f"./{asset.path}"):
            found = UsdShade.UdimUtils.ResolveUdimTilePaths(path, spec.layer)
            if found:
                return tuple((int(tile), str(file)) for file, tile in found)
    return ()
