"""Ties a kq session to the UI session: starts it, ends it, and keeps why there is none."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

from kq.api import KqError, Session, Settings, current_session, start_session

from .right_of_way import right_of_way

__all__ = ["end", "find_python", "start", "trouble"]

_log = logging.getLogger("KatanaQueue")
_trouble = ""


def start() -> Session | None:
    """Start the queue of this UI session, unless it runs. Returns at once; Qt's thread.

    Returns None when it cannot be started; `trouble()` then says why.
    """
    global _trouble  # the tab asks later; there is one session in a process
    running = current_session()
    if running is not None:
        return running
    try:
        session = start_session(Settings.from_environment(), python=find_python())
    except KqError as error:
        _trouble = str(error)
        _log.error("Katana Queue could not start: %s", error)
        return None
    session.client.set_rest(right_of_way.rest)
    _trouble = ""
    return session


def end() -> None:
    """Ask the session to end. Returns at once, may be called twice; Qt's thread."""
    session = current_session()
    if session is not None:
        session.close()


def trouble() -> str:
    """Why there is no session: one sentence, or empty."""
    return _trouble


def find_python() -> str | None:
    """The interpreter for kq's processes; None: this process's own is one.

    In Katana `sys.executable` may be Katana itself, which would open a second desktop.
    """
    named = os.environ.get("KQ_PYTHON")
    if named:
        return named
    if Path(sys.executable).stem.lower().startswith("python"):
        return None
    folders = [Path(sys.prefix) / "bin", Path(sys.prefix)]
    root = os.environ.get("KATANA_ROOT")
    if root:
        folders[:0] = [Path(root) / "bin", Path(root) / "bin" / "python", Path(root)]
    suffix = ".exe" if sys.platform == "win32" else ""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for folder in folders:
        for name in (f"python{suffix}", f"python3{suffix}", f"python{version}{suffix}"):
            if (folder / name).is_file():
                return str(folder / name)
    return shutil.which(f"python{version}") or shutil.which("python3")
