"""Checks a stage's layers before it is composed: USD would read a pipe or a device for ever."""

from __future__ import annotations

import stat
from pathlib import Path

from pxr import Ar, Sdf, Tf

from ..diagnostics import Diagnostics
from .mtlx_layer import MaterialXError, mtlx_layer

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


def not_regular(path: str) -> str | None:
    """What is at the path when it is no regular file; None when it is one, or nothing is there."""
    path = Sdf.Layer.SplitIdentifier(path)[0]
    if Ar.IsPackageRelativePath(path):
        path = Ar.SplitPackageRelativePathOuter(path)[0]
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)


def checked_layers(root: str, diagnostics: Diagnostics) -> list[Sdf.Layer]:
    """Open the root layer and all that it refers to; leaves out and warns of what is no regular file.

    Args:
        root: A regular file.
        diagnostics: Receives what is left out.

    Returns:
        The layers: as long as they are held, the stage that is opened next does not read them again.

    Raises:
        Tf.ErrorException: The root layer cannot be read.
    """
    opened = Sdf.Layer.FindOrOpen(root)
    layers, waiting, seen = [], [opened] if opened else [], {root}
    while waiting:
        layer = waiting.pop()
        layers.append(layer)
        for asset in sorted(filter(None, layer.GetCompositionAssetDependencies())):
            path = str(Sdf.ComputeAssetPathRelativeToLayer(layer, asset))
            if path.endswith(".mtlx"):
                layers += _from_materialx(layer, asset, path, diagnostics)
                continue
            kind = not_regular(path)
            if kind:
                diagnostics.warn(f"'{asset}' is {kind}, not a file: left out of {layer.identifier}")
                layer.UpdateCompositionAssetDependency(asset, "")
            elif path not in seen:
                seen.add(path)
                below = _opened(path)
                waiting += [below] if below else []
    return layers


def _from_materialx(layer: Sdf.Layer, asset: str, path: str, diagnostics: Diagnostics) -> list[Sdf.Layer]:
    """Have the layer refer, in memory, to what a MaterialX file holds; to nothing when it cannot be read."""
    try:
        if not Path(path).is_file():
            raise MaterialXError("there is no such file")
        made = mtlx_layer(path)
    except MaterialXError as error:
        diagnostics.warn(
            f"The MaterialX file '{asset}' cannot be read ({error}): left out of {layer.identifier}"
        )
        layer.UpdateCompositionAssetDependency(asset, "")
        return []
    layer.UpdateCompositionAssetDependency(asset, made.identifier)
    return [made]


def _opened(path: str) -> Sdf.Layer | None:
    """The layer; None when it cannot be read, which the stage says itself."""
    try:
        return Sdf.Layer.FindOrOpen(path)
    except Tf.ErrorException:
        return None
