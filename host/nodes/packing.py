"""Packs a flattened stage for machines without access to this one's disks: copies the files that it names.

Files below folders that all machines share stay where they are. Runs in the cook process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pxr import Ar, UsdUtils

from .errors import CookError
from .scene_files import ASSETS, FILE_LIST

__all__ = ["list_files", "pack"]

_TILES = re.compile(r"<UDIM>|<UVTILE>")
_IN_PACKAGE = re.compile(r"(.+?)(\[.*\])")
_MAX_NAMED = 5


def pack(layer: Any, folder: Path, shared_roots: Sequence[str]) -> list[str]:
    """Copy the files that `layer` names into `folder`/assets; it then names the copies, relative to itself.

    Args:
        layer: a flattened layer that is going to be written into `folder`. It is changed.
        folder: where the stage is going to be.
        shared_roots: what lies below these folders stays.

    Returns:
        What was copied.

    Raises:
        CookError: names the files that are missing, or why one cannot be copied; nothing was changed then
            but for copies in the folder.
    """
    roots = [Path(os.path.normpath(Path(root).absolute())) for root in shared_roots]
    packed: dict[str, str] = {}
    missing: list[str] = []

    def look(path: str) -> str:
        if path and path not in packed:
            files = _files_of(path)
            if not files:
                missing.append(path)
            elif not all(_is_below(file, roots) for file in files):
                packed[path] = ""
        return path

    UsdUtils.ModifyAssetPaths(layer, look)
    if missing:
        raise CookError(f"The scene names files that are missing: {_named(missing)}.")
    copies: list[str] = []
    targets: dict[tuple[Path, ...], Path] = {}
    for path in packed:
        try:
            files = _files_of(path)
            target = targets.get(tuple(files)) or _copied(files, folder)
            targets[tuple(files)] = target  # a package is copied once, whatever is named in it
            packed[path] = _copy_of(path, files, target)
        except OSError as error:
            raise CookError(f"{path} cannot be copied to {folder}: {error.strerror or error}.") from error
        copies.append(path)
    UsdUtils.ModifyAssetPaths(layer, lambda path: packed.get(path, path))
    return copies


def list_files(layer: Any, folder: Path) -> None:
    """Write FILE_LIST: the absolute paths in `layer`, which are of files elsewhere. Raises OSError.

    Args:
        layer: a flattened layer that is going to be written into `folder`, after it was packed.
        folder: where the stage is going to be.
    """
    named: set[str] = set()

    def look(path: str) -> str:
        in_package = _IN_PACKAGE.fullmatch(path)
        file = path if in_package is None else in_package[1]
        if Path(file).is_absolute():
            named.add(file)
        return path

    UsdUtils.ModifyAssetPaths(layer, look)
    (folder / FILE_LIST).write_text(json.dumps(sorted(named)), encoding="utf-8")


def _files_of(path: str) -> list[Path]:
    """Return the files of an asset path, such as all tiles of a UDIM; empty where they are missing."""
    in_package = _IN_PACKAGE.fullmatch(path)
    if in_package is not None:
        path = in_package[1]
    if _TILES.search(path):
        pattern = re.compile(
            r"(?:\d{4}|u\d+_v\d+)".join(re.escape(part) for part in _TILES.split(Path(path).name))
        )
        try:
            found = [each for each in Path(path).parent.iterdir() if pattern.fullmatch(each.name)]
        except OSError:
            return []
        return sorted(found)
    resolved = str(Ar.GetResolver().Resolve(path))
    return [Path(resolved)] if resolved and Path(resolved).is_file() else []


def _is_below(file: Path, roots: Iterable[Path]) -> bool:
    whole = Path(os.path.normpath(file.absolute()))
    return any(whole.is_relative_to(root) for root in roots)


def _copied(files: list[Path], folder: Path) -> Path:
    """Copy files that belong together; returns the folder of the copies. Raises OSError."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    target = folder / ASSETS / digest.hexdigest()[:16]
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        copy = target / file.name
        if not copy.exists():  # else of a file with the same content; it may be read-only
            shutil.copy2(file, copy)
    return target


def _copy_of(path: str, files: list[Path], target: Path) -> str:
    """Return the path that stands for `path`, whose files were copied to `target`."""
    in_package = _IN_PACKAGE.fullmatch(path)
    inside = "" if in_package is None else in_package[2]
    name = Path(path).name if _TILES.search(path) else files[0].name
    return f"./{ASSETS}/{target.name}/{name}{inside}"


def _named(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_MAX_NAMED])
    return shown if len(paths) <= _MAX_NAMED else f"{shown} and {len(paths) - _MAX_NAMED:,} more"
