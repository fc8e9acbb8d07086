"""Opens the files of a stage before it is composed: USD cannot read MaterialX, and would wait on a pipe.

What a layer refers to is changed in memory only, so the layers must be held until the stage is opened.
"""

from __future__ import annotations

import stat
from functools import cache
from pathlib import Path
from typing import Any

from pxr import Ar, Sdf, Tf, Usd, Vt

from ..usd_errors import words
from .asset_paths import leave_out_irregular
from .mtlx_layer import MaterialXError, fill_from_materialx

_PROBLEM = "katanaQueueProblem"
"""Key of the metadata of a substitute: what is wrong with its file."""

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


def not_regular(path: str) -> str | None:
    """What is at the path when it is no regular file; None when it is one, or nothing is there."""
    try:
        mode = Path(_outer(Sdf.Layer.SplitIdentifier(path)[0])).stat().st_mode
    except (OSError, ValueError):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)


def read_layers(root: str) -> list[Sdf.Layer]:
    """Open the root layer and all that it refers to, as the files are now.

    MaterialX files become layers in memory, and what is no regular file an empty one: see `problems`.

    Args:
        root: A regular file, or the identifier of a layer that is open.

    Returns:
        The layers, the root first, empty where it is not USD. As long as they are held, a stage that is
        opened does not read them again.

    Raises:
        Tf.ErrorException: The root layer cannot be read.
    """
    opened = Sdf.Layer.FindOrOpen(root)
    layers: list[Sdf.Layer] = []
    waiting, seen = [opened] if opened else [], {root}
    while waiting:
        layer = waiting.pop()
        layers.append(layer)
        for path in _freshened(layer):
            if path not in seen:
                seen.add(path)
                below = _opened(path)
                waiting += [below] if below else []
    return layers


def _freshened(layer: Sdf.Layer) -> list[str]:
    """Read the layer again where its file has changed; returns what it refers to, substitutes included.

    Another stage may use the layer: it must never see a reference for which there is a substitute.
    """
    source = layer
    if not layer.anonymous:
        now = _stamp(layer.realPath)
        if _stamps.setdefault(layer.identifier, now) != now or _left_out.get(layer.identifier):
            source = Sdf.Layer.OpenAsAnonymous(layer.identifier)
            _stamps[layer.identifier] = now
    paths = []
    for asset in sorted(filter(None, source.GetCompositionAssetDependencies())):
        path = str(Sdf.ComputeAssetPathRelativeToLayer(layer, asset))
        instead = _substitute(_substituted.get(path, path))
        if instead and instead.identifier != path:
            source.UpdateCompositionAssetDependency(asset, instead.identifier)
        paths.append(instead.identifier if instead else path)
    if not layer.anonymous:
        _left_out[layer.identifier] = leave_out_irregular(source, layer.identifier, not_regular)
    if source is not layer:
        layer.TransferContent(source)
    return paths


_stamps: dict[str, tuple[int, int] | None] = {}
"""Time in ns and size of the files when they were read, by the identifier of the layer."""


_left_out: dict[str, list[str]] = {}
"""Messages about asset paths that are left out, by the identifier of the layer that names them."""


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = Path(_outer(path)).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def problems(stage: Usd.Stage) -> list[str]:
    """What composing the stage found missing or wrong: messages for the artist."""
    used = [layer for layer in stage.GetUsedLayers() if layer.anonymous and _PROBLEM in layer.customLayerData]
    # What refers to a prim of an empty layer fails as well.
    empty = [layer.identifier for layer in used if not layer.rootPrims]
    errors = [
        words(error)
        for error in stage.GetCompositionErrors()
        if not any(f"@{identifier}@" in str(error) for identifier in empty)
    ]
    paths = {each for layer in stage.GetUsedLayers() for each in _left_out.get(layer.identifier, ())}
    substitutes = sorted(text for layer in used for text in layer.customLayerData[_PROBLEM])
    return [*substitutes, *sorted(paths), *errors]


def _substitute(path: str) -> Sdf.Layer | None:
    """The layer to use instead of a file that USD cannot read; None for all others."""
    file = Sdf.Layer.SplitIdentifier(path)[0]
    kind = not_regular(path)
    if not kind and not _is_materialx(file):
        return None
    layer = _substitute_of(file)
    found: list[str] = []
    if kind:
        layer.Clear()
        found = [f"'{file}' is {kind}, not a file: left out."]
    else:
        try:
            found = fill_from_materialx(layer, file)
        except MaterialXError as error:
            layer.Clear()
            found = [f"The MaterialX file '{file}' cannot be read ({error}): left out."]
    if found:
        data: dict[str, Any] = {_PROBLEM: Vt.StringArray(found)}
        layer.customLayerData = data
    return layer


_substituted: dict[str, str] = {}
"""The files by the identifiers of the layers that are used instead."""


@cache
def _substitute_of(file: str) -> Sdf.Layer:
    """The layer for a file, always the same: layers refer to it by its identifier as long as they live."""
    name = Ar.SplitPackageRelativePathInner(file)[1] if Ar.IsPackageRelativePath(file) else file
    layer = Sdf.Layer.CreateAnonymous(f"{Path(name).name}.usda")
    _substituted[layer.identifier] = file
    return layer


def _outer(path: str) -> str:
    """The path of the file; for one within packages, of the outermost."""
    return str(Ar.SplitPackageRelativePathOuter(path)[0]) if Ar.IsPackageRelativePath(path) else path


def _is_materialx(file: str) -> bool:
    return file.rstrip("]").lower().endswith(".mtlx")


def _opened(path: str) -> Sdf.Layer | None:
    """The layer; None when it cannot be read, which the stage says itself."""
    try:
        return Sdf.Layer.FindOrOpen(path)
    except Tf.ErrorException:
        return None
