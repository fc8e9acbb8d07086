"""A small or read-only file system for one test. Linux and root only."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["fill", "small_disk"]


@contextlib.contextmanager
def small_disk(folder: Path, options: str = "size=2m") -> Iterator[Path]:
    """Mount a tmpfs below `folder` within the `with` block; skips the test where that is not allowed."""
    mount = folder / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "kq-test", mount],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass  # full: as it should be
