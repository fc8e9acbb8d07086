"""What all processes of a session must agree on: where it is installed, and how a render is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages `host` and `kq`."""


def renderboot_command() -> list[str]:
    """Return the arguments that start renderboot on this machine."""
    return [sys.executable, "-m", "host.renderboot"]


def check_command(kind: str, path: str) -> list[str]:
    """Return the arguments that check a file on the machine that renders: `kind` is stage or picture."""
    return [sys.executable, "-m", "host.renderboot.check_files", kind, path]


def standby_command() -> list[str]:
    """Return the arguments that start a renderboot which loads its renderer and then waits for one render."""
    return [*renderboot_command(), "--standby"]


def render_environment() -> dict[str, str]:
    """Return what the environment of every render needs so that renderboot finds its modules."""
    inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    path = [str(ROOT), *(part for part in inherited if part != str(ROOT))]
    return {"PYTHONPATH": os.pathsep.join(path), "KATANA_ROOT": str(ROOT)}
