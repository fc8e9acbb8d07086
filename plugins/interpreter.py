"""Finds the Python interpreter and the environment for kq's processes. Runs programs: not on Qt's thread.

In Katana `sys.executable` is Katana itself, and its environment suits only its own Python.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath

from ..kq.api import Interpreter, NotFound, check_interpreter

__all__ = [
    "POISON",
    "candidates",
    "clean_environment",
    "find_interpreter",
    "is_alias_folder",
    "is_own_python",
]

POISON = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR", "PYTHONUSERBASE",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT",
)  # fmt: skip
"""Variables that Katana sets for itself: with them another Python would load Katana's libraries and crash."""


def find_interpreter() -> Interpreter:
    """Return the first interpreter that can run kq. Runs each candidate once, so it can take seconds.

    Raises:
        NotFound: none can; the message has the error of the first candidate.
    """
    if is_own_python():
        return Interpreter(sys.executable, dict(os.environ))  # no check needed: it runs this process
    reasons = []
    for candidate in candidates():
        reason = check_interpreter(candidate)
        if not reason:
            return candidate
        reasons.append(reason)
    if not reasons:
        raise NotFound("there is no Python beside Katana, nor on PATH: set KQ_OPEN_PYTHON to one")
    raise NotFound(f"{reasons[0]}. Set KQ_OPEN_PYTHON to a Python that kq can use")


def candidates() -> Iterator[Interpreter]:
    """Yield the interpreters to try, the most likely first, each with its environment.

    The one in KQ_OPEN_PYTHON (or KQ_PYTHON) is the only candidate if set.
    """
    clean = clean_environment(os.environ)
    named = _named()
    if named:
        yield Interpreter(named, clean)
        return
    root = os.environ.get("KATANA_ROOT")
    seen = set()
    for path in _paths(Path(root) if root else None):
        if path not in seen and Path(path).is_file():
            seen.add(path)
            yield Interpreter(path, clean)
            if root and sys.platform != "win32":
                yield Interpreter(path, {**clean, **_katanas_libraries(Path(root))})


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without the variables in POISON."""
    return {key: value for key, value in environment.items() if key not in POISON}


def _named() -> str:
    return os.environ.get("KQ_OPEN_PYTHON") or os.environ.get("KQ_PYTHON") or ""


def is_own_python() -> bool:
    """Whether kq runs with this process's Python, as in the stand-in desktop. Any thread."""
    return not _named() and Path(sys.executable).stem.lower().startswith("python")


def _paths(root: Path | None) -> Iterator[str]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    windows = sys.platform == "win32"
    names = ("python.exe",) if windows else ("python.sh", f"python{version}", "python3", "python")
    folders = [root / "bin", root] if root is not None else []
    folders += [Path(sys.prefix)] if windows else [Path(sys.prefix) / "bin"]
    for folder in folders:
        yield from (str(folder / name) for name in names)
    found = _python_on_path(version)
    if found is not None:
        yield found


def _katanas_libraries(root: Path) -> dict[str, str]:
    """Return the library path that Foundry's StartAgents sets: Katana's Python may need it to start."""
    folders = [root / "bin", root / "bin" / "OpenSSL"]
    return {"LD_LIBRARY_PATH": os.pathsep.join(str(folder) for folder in folders)}


def _python_on_path(version: str) -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(each for each in folders if not is_alias_folder(each))
    # Python's installer for Windows adds only python.exe, no python3.exe and none with a version.
    names = ("python",) if sys.platform == "win32" else (f"python{version}", "python3")
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def is_alias_folder(folder: str) -> bool:
    r"""Whether `folder` is that of Windows' app execution aliases, `...\Microsoft\WindowsApps`.

    Its python.exe opens the Microsoft Store unless Python was installed from there.
    """
    return [part.lower() for part in PureWindowsPath(folder).parts[-2:]] == ["microsoft", "windowsapps"]
