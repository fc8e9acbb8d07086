"""For tests of processes: a log that is open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.own_files import open_to_append


@pytest.fixture
def log(tmp_path: Path) -> Iterator[int]:
    """A descriptor that renders may write to."""
    fd = open_to_append(tmp_path / "log")
    yield fd
    os.close(fd)
