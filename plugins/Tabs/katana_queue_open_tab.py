"""Loaded by Katana from `Tabs/`: registers the Katana Queue tab, whose code is in `KatanaQueue/`."""

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
    # The same as in `Plugins/katana_queue_open.py`, since Katana may load either file first.
    module = sys.modules.get(_NAME)
    if module is None:
        folder = Path(__file__).resolve().parents[1]
        if not (folder / "import_isolation.py").is_file():
            folder = folder / "katana_queue" / "plugins"
        path = folder / "import_isolation.py"
        spec = importlib.util.spec_from_file_location(_NAME, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded", name=_NAME)
        module = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def _registry() -> list[tuple[str, float, str, Any]]:
    if not Configuration.get("KATANA_UI_MODE"):
        return []
    import_isolation = _load_import_isolation()
    try:
        tab = import_isolation.load("plugins.Tabs.KatanaQueue.tab")
    except ImportError as error:
        logging.getLogger("KatanaQueue").error("%s", import_isolation.import_problem(error))
        return []
    tab.KatanaQueueTab.farm_name = import_isolation.farm_name()
    return [("KatanaPanel", 2.0, tab.KatanaQueueTab.farm_name, tab.KatanaQueueTab)]


PluginRegistry = _registry()
