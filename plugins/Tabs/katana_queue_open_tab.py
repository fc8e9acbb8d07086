"""What Katana finds in `Tabs/`: registers the Katana Queue tab, which is in the folder `KatanaQueue`."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def _load_import_isolation() -> ModuleType:
    # As in `Plugins/KatanaQueue.py`: whichever of the two Katana loads first brings it in.
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


def _registry() -> list[tuple[str, float, str, Any]]:
    import_isolation = _load_import_isolation()
    try:
        tab = import_isolation.load("plugins.Tabs.KatanaQueue.tab")
    except ImportError as error:
        logging.getLogger("KatanaQueue").error("%s", import_isolation.install_hint(error))
        return []
    tab.KatanaQueueTab.farm_name = import_isolation.farm_name()
    return [("KatanaPanel", 2.0, tab.KatanaQueueTab.farm_name, tab.KatanaQueueTab)]


PluginRegistry = _registry()
