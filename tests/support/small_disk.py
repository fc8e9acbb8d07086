"""A disk of its own for a test: small, or read-only. Linux, and root, alone can have one."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["fill", "small_disk"]


@contextlib.contextmanager
def small_disk(folder: Path, options: str = "size=2m") -> Iterator[Path]:
    """Mount a disk below `folder` meanwhile; skips the test where that is not allowed."""
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
    """Write a file until there is no more room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass  # full: as it should be
