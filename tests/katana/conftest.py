"""The folder that Katana gets, written once for each system, from the package registry's wheels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def write_folder(folder: Path, platform: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Call `kq katana-folder` of the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "kq", "katana-folder", folder, "--platform", platform, *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Written for Linux and for Windows, at paths with a space and a letter beyond ASCII."""
    base = tmp_path_factory.mktemp("shared tools ü")
    written = {platform: base / f"Katana Queue {platform}" for platform in ("linux", "windows")}
    for platform, folder in written.items():
        done = write_folder(folder, platform, "--archive")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == str(folder)
    return written
