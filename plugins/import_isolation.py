"""Loads the plug-ins and kq as parts of one package, `katana_queue`.

Katana loads plug-ins by path, under names of its choosing, and has another package called `kq` itself.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

__all__ = ["MODULE_NAME", "PACKAGE", "farm_name", "install_hint", "is_kq_taken", "load"]

MODULE_NAME = "katana_queue_import_isolation"
"""The name under which the plug-in files keep this module in `sys.modules`."""
PACKAGE = "katana_queue"

ROOT = Path(__file__).resolve().parents[1]
_KATANAS_KQ = Path("plugins", "Resources", "Core", "Plugins", "kq")


def load(name: str) -> ModuleType:
    """The module `name` of this project, for example `kq.api` or `plugins.Tabs.KatanaQueue.tab`. Any thread.

    Raises:
        ImportError: a package that it needs is not installed, or another copy of this project is loaded.
    """
    package = sys.modules.get(PACKAGE)
    if package is None:
        package = sys.modules[PACKAGE] = ModuleType(
            PACKAGE, "Katana Queue: the folder that holds kq and plugins."
        )
        package.__path__ = [str(ROOT)]
    elif not any(Path(folder).resolve() == ROOT for folder in package.__path__):
        raise ImportError(
            f"another copy is loaded from {', '.join(package.__path__)}; "
            f"remove one of the two from KATANA_RESOURCES"
        )
    return importlib.import_module(f"{PACKAGE}.{name}")


def is_kq_taken() -> bool:
    """Whether the package name `kq` belongs to somebody else here, as it does in Katana 4 and later."""
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
    """The name of our farm plug-in and tab: "Katana Queue", unless that is in `taken` or Katana's own."""
    global _farm_name  # one answer for a process: the farm plug-in and the tab must agree
    if _farm_name is None:
        beside = is_kq_taken() or "Katana Queue" in taken
        _farm_name = "Katana Queue (Open)" if beside else "Katana Queue"
    return _farm_name


_farm_name: str | None = None


def install_hint(error: ImportError) -> str:
    """What to install after `error`, as one line for a log."""
    packages = {"zmq": "pyzmq", "msgspec": "msgspec", "psutil": "psutil", "PySide6": "PySide6-Essentials"}
    missing = (error.name or "").partition(".")[0]
    if missing in packages:
        return (
            f"Katana Queue is off: Python package {packages[missing]} is not installed; install it for "
            f"{sys.executable} (for example with pip install {packages[missing]}) and start again."
        )
    return f"Katana Queue is off: a part of it cannot be loaded: {error}."
