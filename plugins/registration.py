"""The plug-in type under which to register the farm plug-in, and a check that Katana accepted it.

No public source documents the type, so it is copied from another plug-in. All functions: Qt's thread.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

from Katana import FarmAPI

__all__ = [
    "FARM_PLUGIN_TYPE",
    "farm_plugin_type",
    "is_registered",
    "loaded_farms",
    "registration_problem",
    "report_if_missing",
]

FARM_PLUGIN_TYPE: tuple[str, float] = ("FarmPlugin", 1)
"""Plug-in type and version to use when no other farm plug-in is loaded to copy them from. Unverified."""

_GRACE_S = 30.0
"""How long an empty list of farm plug-ins is no error: Katana may load them only on first use."""
_log = logging.getLogger("KatanaQueue")
_farm_name = ""
_expected_since_s = 0.0


def farm_plugin_type() -> tuple[str, float]:
    """Return the type and version of a farm plug-in that was loaded before ours; else FARM_PLUGIN_TYPE.

    Katana's own queue is such a plug-in, and is loaded first in most set-ups.
    """
    return next(((kind, version) for kind, version, _name, _class in _loaded_entries()), FARM_PLUGIN_TYPE)


def loaded_farms() -> list[str]:
    """Return the names of the farm plug-ins that were loaded before ours.

    Katana is not asked: while it loads plug-ins, GetFarmPluginNames may fail, or load them again.
    """
    return [str(name) for _kind, _version, name, _class in _loaded_entries()]


def _loaded_entries() -> Iterator[tuple[Any, ...]]:
    for module in list(sys.modules.values()):
        # Not getattr(module, ...): some packages have a module __getattr__ that imports on access.
        registry = getattr(module, "__dict__", {}).get("PluginRegistry")
        for entry in registry if isinstance(registry, list | tuple) else ():
            if _is_farm_plugin(entry):
                yield entry


def _is_farm_plugin(entry: Any) -> bool:
    return (
        isinstance(entry, tuple)
        and len(entry) == 4
        and isinstance(entry[3], type)
        and issubclass(entry[3], FarmAPI.BaseFarmPlugin)
    )


def expect(farm_name: str) -> None:
    """Set the name under which Katana should list the farm plug-in, and start the grace period."""
    global _farm_name, _expected_since_s  # one farm plug-in is registered in a process
    _farm_name, _expected_since_s = farm_name, time.monotonic()


def is_registered() -> bool:
    """Whether Katana lists the farm plug-in. Valid only after Katana's start-up has completed."""
    return _farm_name in (FarmAPI.FarmPluginManager.GetFarmPluginNames() or ())


def registration_problem() -> str:
    """Return an error message when Katana did not accept the farm plug-in.

    Empty when it is registered, when `expect` was not called, and during the grace period.
    """
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
    """Log `registration_problem`, if any. Call it once, after start-up."""
    problem = registration_problem()
    if problem:
        _log.error("%s.", problem)
