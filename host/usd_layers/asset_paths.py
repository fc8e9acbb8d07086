"""What a layer names that USD opens besides its composition: value clips, and packages of textures."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pxr import Ar, Sdf, UsdUtils

_WORDS = (b"clip", b"lips", b"ssetPath", b"usdz", b"dz[")
"""One of these is in the names of a layer with such paths, also where the file compresses them."""
_CRATE = b"PXR-USDC"
_MAX_SECTIONS = 32

NotRegular = Callable[[str], str | None]
"""What is at a path when it is no regular file; None when it is one."""


def leave_out_irregular(layer: Sdf.Layer, file: str, not_regular: NotRegular) -> list[str]:
    """Remove asset paths that USD itself would open, if what is there is no regular file: it waits on a pipe.

    Args:
        layer: is changed in memory only.
        file: the identifier that relative paths and the file's content are of.
        not_regular: examines a path.

    Returns:
        Messages for the artist.
    """
    if not _may_have_such(file):
        return []
    anchor = Sdf.Layer.Find(file) or layer
    problems: list[str] = []

    def examine(named: str) -> str:
        for path in _matching(str(Sdf.ComputeAssetPathRelativeToLayer(anchor, named))):
            kind = not_regular(path)
            if kind:
                problems.append(f"'{path}' is {kind}, not a file: left out.")
                return ""
        return named

    # UsdUtils changes no layer of a package.
    copy = Sdf.Layer.CreateAnonymous(".usda")
    copy.TransferContent(layer)
    UsdUtils.ModifyAssetPaths(copy, examine)
    if problems:
        layer.TransferContent(copy)
    return problems


def _matching(path: str) -> Iterator[str]:
    """The path, or the files of a template."""
    folder, name = Path(path).parent, Path(path).name
    if "#" not in name:
        yield path
        return
    pattern = re.compile(re.sub(r"(?:\\#)+", "[0-9]+", re.escape(name)))
    try:
        yield from (str(each) for each in folder.iterdir() if pattern.fullmatch(each.name))
    except OSError:
        return  # USD reports that there is none


def _may_have_such(file: str) -> bool:
    """Whether the names in a file have one of `_WORDS`; True if that cannot be found out.

    To examine all paths takes 3 s for a hundred thousand prims.
    """
    try:
        asset = Ar.GetResolver().OpenAsset(Ar.GetResolver().Resolve(file))
        size = asset.GetSize()
        names = asset.Read(min(size, 24), 0)
        names = _tokens(asset) if bytes(names[:8]) == _CRATE else asset.Read(size, 0)
    except Exception:  # noqa: BLE001  # whatever the file is: USD reports what is wrong with it
        return True
    return any(word in names for word in _WORDS)


def _tokens(asset: Any) -> bytes:
    """The section of a .usdc file that has all names, as it is in the file: compressed, if at all, by LZ4."""
    (contents_at,) = struct.unpack("<q", asset.Read(8, 16))
    (count,) = struct.unpack("<Q", asset.Read(8, contents_at))
    for number in range(min(count, _MAX_SECTIONS)):
        name, start, size = struct.unpack("<16sqq", asset.Read(32, contents_at + 8 + 32 * number))
        if name.rstrip(b"\0") == b"TOKENS":
            return bytes(asset.Read(size, start))
    raise ValueError("no names")
