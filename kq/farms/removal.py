"""Deletes the folders of removed jobs. Nothing outside the data root is deleted, and no link is followed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path

from ..own_files import OwnFolder, remove_own, remove_own_tree

__all__ = ["FolderRemoval", "own_scene"]

_REMOVED = ".removed-"


class FolderRemoval:
    """Deletes folders on a thread of its own, because a share may take minutes for a job of many tasks.

    Args:
        farm_folder: contains the jobs' folders.
    """

    def __init__(self, farm_folder: Path) -> None:
        self._farm_folder = farm_folder
        self._threads: list[threading.Thread] = []

    def remove(self, job_folder: Path, scene: Path | None) -> None:
        """Remove a job's folder at once under its name, and delete it and `scene` later. Raises OSError."""
        renamed = job_folder.with_name(f"{_REMOVED}{job_folder.name}")
        with OwnFolder(self._farm_folder) as folder:
            folder.replace(job_folder.name, renamed.name)
        self._delete([renamed] if scene is None else [renamed, scene])

    def resume(self) -> None:
        """Delete what an earlier session renamed and did not finish deleting."""
        try:
            left = [path for path in self._farm_folder.iterdir() if path.name.startswith(_REMOVED)]
        except OSError:
            return  # no job was ever submitted
        if left:
            self._delete(left)

    def close(self, timeout_s: float | None) -> None:
        """Wait for what is being deleted, up to `timeout_s` seconds; the next session deletes the rest."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _delete(self, folders: Iterable[Path]) -> None:
        thread = threading.Thread(target=_delete, args=(list(folders),), name="farm-removal", daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()


def own_scene(temp_dir: str, data_root: Path) -> Path | None:
    """Return the folder that a job was submitted with if it is one of ours, in the data root; else None."""
    folder = Path(temp_dir)
    is_ours = bool(temp_dir) and folder.parent == data_root / "renders" and folder.name not in ("", "..")
    return folder if is_ours and not folder.is_symlink() else None


def _delete(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # one that cannot be deleted must not stop the others
            if folder.is_symlink():
                remove_own(folder)
            else:
                remove_own_tree(folder)
