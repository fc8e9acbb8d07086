"""Loads the plug-ins and kq as parts of one package, `katana_queue`.

Katana loads plug-ins by path, under names of its choosing, and has another package called `kq` itself.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

__all__ = [
    "MODULE_NAME",
    "PACKAGE",
    "UnsuitableFolder",
    "farm_name",
    "import_problem",
    "is_beside_katanas_queue",
    "is_kq_taken",
    "load",
]

MODULE_NAME = "katana_queue_import_isolation"
"""The name under which the plug-in files keep this module in `sys.modules`."""
PACKAGE = "katana_queue"

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "packages"
"""Third-party packages such as pyzmq. Exists only in a folder that `kq katana-folder` wrote."""
_MANIFEST = ROOT / "katana_queue.json"
_KATANAS_KQ = Path("plugins", "Resources", "Core", "Plugins", "kq")


class UnsuitableFolder(ImportError):
    """The folder was written for another system, or for another version of Python."""


def load(name: str) -> ModuleType:
    """Import a module of this project as part of the package `katana_queue`. Any thread.

    Args:
        name: relative to that package, for example `kq.api` or `plugins.Tabs.KatanaQueue.tab`.

    Raises:
        UnsuitableFolder: the folder was written for another system or version of Python.
        ImportError: a required package is not installed, another copy of this project is loaded, or the
            share with this folder is no longer mounted.
    """
    package = sys.modules.get(PACKAGE)
    if package is None:
        _check_manifest()
        package = sys.modules[PACKAGE] = ModuleType(
            PACKAGE, "Katana Queue: the folder that holds kq and plugins."
        )
        package.__path__ = [str(ROOT)]
        # So that relative imports of this module get this instance, not a second copy under another name.
        sys.modules[f"{PACKAGE}.plugins.import_isolation"] = sys.modules[__name__]
        if PACKAGES.is_dir() and str(PACKAGES) not in sys.path:
            # Last, so that packages of Katana and of other plug-ins take precedence over ours.
            sys.path.append(str(PACKAGES))
    elif not any(Path(folder).resolve() == ROOT for folder in package.__path__):
        raise ImportError(
            f"another copy is loaded from {', '.join(package.__path__)}; "
            f"remove one of the two from KATANA_RESOURCES"
        )
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(PACKAGE) and not (ROOT / "plugins").is_dir():
            raise ImportError(f"{ROOT.parent} can no longer be read: is its share mounted?") from error
        raise


def _check_manifest() -> None:
    """Raise UnsuitableFolder if the folder's native modules are for another system or version of Python."""
    try:
        manifest = json.loads(_MANIFEST.read_text(encoding="utf-8"))
    except OSError:
        return  # no manifest: a checkout or an installed package
    system = "windows" if sys.platform == "win32" else sys.platform
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if (manifest["platform"], manifest["python"]) != (system, python):
        raise UnsuitableFolder(
            f"{ROOT.parent} was written for {manifest['platform']} and Python {manifest['python']}, and this "
            f"is {system} and Python {python}: use the folder for {system}, from a version for this Katana"
        )


def is_kq_taken() -> bool:
    """Whether another package is called `kq` here, as in Katana 4 and later."""
    loaded = sys.modules.get("kq")
    if loaded is not None:
        folders = [Path(folder) for folder in getattr(loaded, "__path__", ())]
    elif (Path(os.environ.get("KATANA_ROOT") or ROOT) / _KATANAS_KQ).exists():
        return True
    else:
        spec = importlib.machinery.PathFinder.find_spec("kq")
        if spec is None:
            return False
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return [folder.resolve() for folder in folders] != [ROOT / "kq"]


def farm_name(taken: Sequence[str] = ()) -> str:
    """Return the name of our farm plug-in and tab: "Katana Queue", or "Katana Queue (Open)" if that is taken.

    Args:
        taken: names of farm plug-ins that are registered already. Only the first call in a process uses it.
    """
    global _farm_name  # kept, since the farm plug-in and the tab must have the same name
    if _farm_name is None:
        beside = is_kq_taken() or "Katana Queue" in taken
        _farm_name = "Katana Queue (Open)" if beside else "Katana Queue"
    return _farm_name


_farm_name: str | None = None


def is_beside_katanas_queue() -> bool:
    """Whether Katana's own queue is also loaded in this process; it reads the same KQ_* variables."""
    return farm_name() != "Katana Queue"


def import_problem(error: ImportError) -> str:
    """Return a one-line log message for `error`: what is missing and how to fix it."""
    packages = {"zmq": "pyzmq", "msgspec": "msgspec", "psutil": "psutil", "PySide6": "PySide6-Essentials"}
    missing = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and missing in packages:
        return (
            f"Katana Queue is off: Python package {packages[missing]} is not installed for "
            f"{sys.executable}; use the folder that `kq katana-folder` writes, which holds it."
        )
    if isinstance(error, UnsuitableFolder) or missing == "kq":
        return f"Katana Queue is off: {error}."
    return f"Katana Queue is off: a part of it cannot be loaded: {error}."
