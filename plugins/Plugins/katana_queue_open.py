"""Loaded by Katana from `Plugins/`: registers the farm plug-ins and ties kq to the UI session."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from Katana import Configuration

_NAME = "katana_queue_import_isolation"


def _load_import_isolation() -> ModuleType:
    """Load `import_isolation.py` by its path, which is all that a plug-in file can rely on, and return it."""
    module = sys.modules.get(_NAME)
    if module is None:
        folder = Path(__file__).resolve().parents[1]
        if not (folder / "import_isolation.py").is_file():
            folder = folder / "katana_queue" / "plugins"  # in what `kq katana-folder` writes
        path = folder / "import_isolation.py"
        spec = importlib.util.spec_from_file_location(_NAME, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded", name=_NAME)
        module = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def _registry() -> list[tuple[str, float, str, Any]]:
    if not Configuration.get("KATANA_UI_MODE"):
        return []  # each batch render on a farm loads the plug-ins, too: import and log nothing there
    import_isolation = _load_import_isolation()
    try:
        farm = import_isolation.load("plugins.FarmAPI.KatanaQueueFarmPlugin")
        startup = import_isolation.load("plugins.startup")
        site_farms = import_isolation.load("plugins.FarmAPI.SiteFarmPlugin").farm_plugins()
        bundles = import_isolation.load("plugins.FarmAPI.OpenJDFarmPlugin").farm_plugins()
    except ImportError as error:
        logging.getLogger("KatanaQueue").error("%s", import_isolation.import_problem(error))
        return []
    return startup.register(farm.KatanaQueueFarmPlugin, {**site_farms, **bundles})


PluginRegistry = _registry()
