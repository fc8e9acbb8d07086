"""Decides where files returned by remote Agents are written, and limits their number and size. No I/O.

No returned file may replace a submitted one: the desktop's next task would run it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..errors import Refused
from ..placeholders import fill_picture
from ..records import JobSpec

__all__ = ["RETURNED_FOLDER", "ReturnLimits", "ReturnedFiles", "ReturnedPaths"]

RETURNED_FOLDER = "kq-returned"
"""Folder in a job's temporary folder for returned files that are not pictures named by the job."""
_PICTURES = (
    ".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".tga", ".bmp", ".ppm", ".pfm", ".hdr", ".dpx", ".cin",
    ".webp", ".rgb", ".sgi", ".pic",
)  # fmt: skip
_LONGEST_PATH = 4096
_MAX_FRAMES = 10_000
"""Frames of one task whose pictures count as named; those of more are returned like other files."""
_MAX_RETURNED_OF_JOB = 100_000
"""Most returned files of one job that are remembered, to leave them out of the folder's list."""


class ReturnLimits(NamedTuple):
    """The most that one attempt on a remote machine may return."""

    log_bytes: int = 1 << 30
    files: int = 10_000
    file_bytes: int = 64 << 30


class ReturnedFiles:
    """The places and sizes of the files that one attempt returned. Not thread-safe."""

    def __init__(self, spec: JobSpec, frames: range | None, limits: ReturnLimits) -> None:
        self._limits = limits
        self._folder = Path(os.path.normpath(spec.temp_dir)) if spec.temp_dir else None
        self._cwd = Path(os.path.normpath(spec.cwd)) if spec.cwd else None
        self._named = _named_pictures(spec, frames)
        beginnings: dict[Path, list[str]] = {}
        for each in self._named:
            beginnings.setdefault(each.parent, []).extend(f"{each.stem}{sign}" for sign in "._-")
        self._beginnings = {folder: tuple(names) for folder, names in beginnings.items()}
        """By folder of named pictures: name prefixes of their other formats and channels."""
        self._mentioned = [os.path.normcase(text) for command in spec.commands for text in command]
        self._places: dict[str, Path] = {}
        self._sizes: dict[Path, int] = {}
        self._bytes = 0

    def place(self, path: str, size: int) -> Path:
        """Where to write a file that the Agent wrote to `path`, and count it.

        Args:
            path: absolute path for the desktop.
            size: bytes, 0 or more.

        Raises:
            Refused: the path is not allowed, or the limit of files or bytes is exceeded.
        """
        place = self._places.get(path) or self._new_place(path)
        if place not in self._sizes and len(self._sizes) >= self._limits.files:
            raise Refused(f"more than {self._limits.files:,} files of one attempt (KQ_MAX_RETURNED_FILES)")
        together = self._bytes - self._sizes.get(place, 0) + size
        if together > self._limits.file_bytes:
            raise Refused(
                f"the files of one attempt exceed {self._limits.file_bytes:,} bytes (KQ_MAX_RETURNED_BYTES)"
            )
        self._bytes, self._sizes[place] = together, size
        self._places[path] = place
        return place

    def _new_place(self, path: str) -> Path:
        if "\0" in path or not os.path.isabs(path) or len(path) > _LONGEST_PATH:  # noqa: PTH117  # no Path yet
            raise Refused("a file's path must be absolute")
        target = Path(os.path.normpath(path))
        if self._is_named(target):
            return target
        if self._folder is not None and target != self._folder and target.is_relative_to(self._folder):
            return self._folder / RETURNED_FOLDER / target.relative_to(self._folder)
        if self._folder is not None and target.parent in self._beginnings:  # made beside a picture
            return self._folder / RETURNED_FOLDER / target.name
        raise Refused(f"{path} is neither in the job's temporary folder nor a picture that the job names")

    def _is_named(self, target: Path) -> bool:
        """Whether the job names the picture, or one in the same folder whose name has the same prefix."""
        return target in self._named or (
            _is_picture(target) and target.name.startswith(self._beginnings.get(target.parent, ()))
        )

    def in_folder(self, place: Path) -> str:
        """`place` relative to the job's temporary folder, with slashes; empty if it is elsewhere."""
        if self._folder is None or not place.is_relative_to(self._folder):
            return ""
        return place.relative_to(self._folder).as_posix()

    def log_refusal(self, size: int) -> str:
        """Why a log must not grow to `size` bytes; empty if it may."""
        if size <= self._limits.log_bytes:
            return ""
        return f"it is longer than {self._limits.log_bytes:,} bytes (KQ_MAX_LOG_BYTES)"

    def picture_path(self, path: str) -> str:
        """The path of a picture that the Agent reports at `path`; empty if it may not write there.

        An Agent that shares the desktop's disks writes pictures itself: into the job's folders, or into
        folders that the job's commands name.
        """
        place = self._places.get(path)
        if place is not None:
            return str(place)
        if not path or "\0" in path or not os.path.isabs(path) or len(path) > _LONGEST_PATH:  # noqa: PTH117  # no Path yet
            return ""
        target = Path(os.path.normpath(path))
        if target in self._named:
            return path
        if not _is_picture(target):
            return ""
        folder = target.parent
        may_write = (
            folder in self._beginnings
            or folder == self._cwd
            or (self._folder is not None and target.is_relative_to(self._folder))
            or (folder != folder.parent and self._is_mentioned(folder))
        )
        return path if may_write else ""

    def _is_mentioned(self, folder: Path) -> bool:
        """Whether a command names the folder; on Windows also with slashes, or in another case."""
        beginning = os.path.normcase(f"{folder}{os.sep}")
        return any(beginning in text for text in self._mentioned)


class ReturnedPaths:
    """By job: paths in its temporary folder that Agents returned. Later tasks are not sent these.

    Changed by the server's thread alone; `of` is thread-safe.
    """

    def __init__(self) -> None:
        self._paths: dict[str, set[str]] = {}

    def add(self, job_id: str, path: str) -> None:
        """Remember `path`, relative and with slashes; not of a job that has too many."""
        paths = self._paths.setdefault(job_id, set())
        if len(paths) < _MAX_RETURNED_OF_JOB:
            paths.add(path)

    def of(self, job_id: str) -> frozenset[str]:
        """The paths of this job."""
        return frozenset(self._paths.get(job_id, ()))

    def forget(self, job_id: str) -> None:
        """Drop the paths of a removed job."""
        self._paths.pop(job_id, None)


def _named_pictures(spec: JobSpec, frames: range | None) -> frozenset[Path]:
    if not spec.picture:
        return frozenset()
    base = Path(spec.cwd or spec.temp_dir or os.sep)
    each_frame = [range(frame, frame + 1) for frame in frames[:_MAX_FRAMES]] if frames is not None else []
    # Channels of their own file, which the Agent maps as it does the picture.
    folder = Path(spec.picture).parent
    arguments = {text for command in spec.commands for text in command if "#" in text}
    channels = [text for text in arguments if Path(text).parent == folder and _is_picture(Path(text))]
    # A picture of several frames may also be named by the first frame.
    names = {fill_picture(text, part) for text in (spec.picture, *channels) for part in (frames, *each_frame)}
    return frozenset(Path(os.path.normpath(base / name)) for name in names)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _PICTURES
