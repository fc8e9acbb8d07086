"""How Katana is given the farm plug-in, and whether it took it: no public source states the plug-in type.

All functions: Qt's thread.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from Katana import FarmAPI

__all__ = [
    "FARM_PLUGIN_TYPE",
    "farm_plugin_type",
    "is_registered",
    "registration_problem",
    "report_if_missing",
]

FARM_PLUGIN_TYPE: tuple[str, float] = ("FarmPlugin", 1)
"""Plug-in type and version of a farm plug-in, where no other farm plug-in shows them. Unverified."""

_GRACE_S = 30.0
"""Katana may look for farm plug-ins only when the first of them is needed: until then it lists none."""
_log = logging.getLogger("KatanaQueue")
_farm_name = ""
_expected_since_s = 0.0


def farm_plugin_type() -> tuple[str, float]:
    """Plug-in type and version that a farm plug-in loaded before ours registered; else our constant.

    Katana's own queue is such a plug-in, and is loaded first in most set-ups.
    """
    for module in list(sys.modules.values()):
        # Not by getattr, at which some packages import themselves.
        registry = getattr(module, "__dict__", {}).get("PluginRegistry")
        for entry in registry if isinstance(registry, list | tuple) else ():
            if _is_farm_plugin(entry):
                return entry[0], entry[1]
    return FARM_PLUGIN_TYPE


def _is_farm_plugin(entry: Any) -> bool:
    return (
        isinstance(entry, tuple)
        and len(entry) == 4
        and isinstance(entry[3], type)
        and issubclass(entry[3], FarmAPI.BaseFarmPlugin)
    )


def expect(farm_name: str) -> None:
    """Remember under which name Katana should list the farm plug-in."""
    global _farm_name, _expected_since_s  # there is one in a process
    _farm_name, _expected_since_s = farm_name, time.monotonic()


def is_registered() -> bool:
    """Whether Katana lists the farm plug-in. To be asked after start-up."""
    return _farm_name in (FarmAPI.FarmPluginManager.GetFarmPluginNames() or ())


def registration_problem() -> str:
    """Why no menu of a node offers our queue; empty where it is registered, or was not given to Katana."""
    if not _farm_name or is_registered():
        return ""
    if not FarmAPI.FarmPluginManager.GetFarmPluginNames() and time.monotonic() - _expected_since_s < _GRACE_S:
        return ""
    kind, version = farm_plugin_type()
    return (
        f'Katana did not take the farm plug-in "{_farm_name}" (type "{kind}", version {version:g}), so no '
        f"menu of a node offers it. Run the probe that docs/katana.md describes, and send us its report"
    )


def report_if_missing() -> None:
    """Log the problem once, after start-up."""
    problem = registration_problem()
    if problem:
        _log.error("%s.", problem)
