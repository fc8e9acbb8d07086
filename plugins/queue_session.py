"""Ties a kq session to the UI session: starts it, ends it, and keeps why there is none."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path, PureWindowsPath

from ..kq.api import KqError, NotFound, Session, Settings, current_session, start_session

__all__ = ["end", "find_python", "is_alias_folder", "problem", "start"]

_log = logging.getLogger("KatanaQueue")
_problem = ""


def start() -> Session | None:
    """Start the queue of this UI session, unless it runs. Returns at once; Qt's thread.

    Returns None when it cannot be started; `trouble()` then says why.
    """
    global _problem  # the tab asks later; there is one session in a process
    running = current_session()
    if running is not None:
        return running
    try:
        session = start_session(Settings.from_environment(), python=find_python())
    except KqError as error:
        _problem = str(error)
        _log.error("Katana Queue could not start: %s", error)
        return None
    _problem = ""
    return session


def end() -> None:
    """Ask the session to end. Returns at once, may be called twice; Qt's thread."""
    session = current_session()
    if session is not None:
        session.close()


def problem() -> str:
    """Why there is no session: one sentence, or empty."""
    return _problem


def find_python() -> str | None:
    """The interpreter for kq's processes; None: this process's own is one.

    In Katana `sys.executable` may be Katana itself, which would open a second desktop.

    Raises:
        NotFound: there is none.
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
    found = _python_on_path(version)
    if found is None:
        raise NotFound(
            "there is no Python beside Katana, nor on PATH: set KQ_PYTHON to one with kq's packages"
        )
    return found


def _python_on_path(version: str) -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(each for each in folders if not is_alias_folder(each))
    # On Windows an installation calls it neither python3 nor by its version.
    names = ("python",) if sys.platform == "win32" else (f"python{version}", "python3")
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def is_alias_folder(folder: str) -> bool:
    r"""Whether it is where Windows keeps its app execution aliases, `...\Microsoft\WindowsApps`.

    What is called Python there opens Microsoft's shop, unless Python was bought there.
    """
    return [part.lower() for part in PureWindowsPath(folder).parts[-2:]] == ["microsoft", "windowsapps"]
