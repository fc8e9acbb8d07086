"""What Katana loads first: registers the farm plug-in and ties kq to the UI session. Decides nothing."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from Katana import Callbacks, Configuration, FarmAPI
from PySide6 import QtCore

FARM_PLUGIN_TYPE = ("FarmPlugin", 1)
"""Plug-in type and version of a farm plug-in. Unverified: no public source of Katana's states them."""

_log = logging.getLogger("KatanaQueue")


def _load_import_isolation() -> ModuleType:
    """`plugins/import_isolation.py`, which finds everything else. Plug-ins know only their own path."""
    name = "katana_queue_import_isolation"
    module = sys.modules.get(name)
    if module is None:
        path = Path(__file__).resolve().parents[1] / "import_isolation.py"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded", name=name)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def _registry() -> list[tuple[str, int, str, Any]]:
    import_isolation = _load_import_isolation()
    try:
        farm = import_isolation.load("plugins.FarmAPI.KatanaQueueFarmPlugin")
        session = import_isolation.load("plugins.queue_session")
    except ImportError as error:
        _log.error("%s", import_isolation.install_hint(error))
        return []
    if Configuration.get("KATANA_UI_MODE"):
        _tie_to_ui_session(session)
    name = import_isolation.farm_name(FarmAPI.FarmPluginManager.GetFarmPluginNames() or ())
    return [(*FARM_PLUGIN_TYPE, name, farm.KatanaQueueFarmPlugin)]


def _tie_to_ui_session(session: ModuleType) -> None:
    def on_startup_complete(objectHash: object = None, **_kwargs: object) -> None:
        application = QtCore.QCoreApplication.instance()
        if application is not None:
            # Whichever comes first ends it: Katana may quit without onShutdown, after an error for example.
            application.aboutToQuit.connect(session.end)
        session.start()

    def on_shutdown(objectHash: object = None, **_kwargs: object) -> None:
        session.end()

    Callbacks.addCallback(Callbacks.Type.onStartupComplete, on_startup_complete)
    Callbacks.addCallback(Callbacks.Type.onShutdown, on_shutdown)


PluginRegistry = _registry()
