"""A file system that does not respond, as a share whose server is gone. Linux and root only."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["hanging_disk"]


@contextlib.contextmanager
def hanging_disk(folder: Path) -> Iterator[Path]:
    """Mount a FUSE file system below `folder` whose requests are never answered; skips where not allowed.

    Whatever uses a path below it waits until the end of the `with` block, and then has an OSError.
    """
    mount = folder / "hanging"
    mount.mkdir()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("this machine has no FUSE")
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
        made = subprocess.run(
            ["mount", "-i", "-t", "fuse", "-o", options, "kq-test", mount],
            pass_fds=(device,),
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"this machine mounts nothing: {made.stderr.decode()}")
        try:
            yield mount
        finally:
            os.close(device)  # all that waits is ended
            device = -1
            subprocess.run(["umount", "-l", mount], check=True)
    finally:
        if device >= 0:
            os.close(device)
