"""What happens as Katana loads the farm plug-in: its name and type are chosen, and the session's times noted.

All of it: Qt's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from Katana import Callbacks, FarmAPI
from PySide6 import QtCore

from . import import_isolation, queue_session, registration

__all__ = ["register"]


def register(farm_plugin: type, site_farms: Mapping[str, type]) -> list[tuple[str, float, str, Any]]:
    """Have the queue start and end with the UI session. Returns the PluginRegistry.

    Args:
        farm_plugin: the queue's.
        site_farms: the farm plug-ins of the site's own farms, by their names.
    """
    kind, version = registration.farm_plugin_type()
    name = import_isolation.farm_name(FarmAPI.FarmPluginManager.GetFarmPluginNames() or ())
    registration.expect(name)
    Callbacks.addCallback(Callbacks.Type.onStartupComplete, _on_startup_complete)
    Callbacks.addCallback(Callbacks.Type.onShutdown, _on_shutdown)
    entries = [(name, farm_plugin), *site_farms.items()]
    return [(kind, version, each, plugin) for each, plugin in entries]


def _on_startup_complete(objectHash: object = None, **_kwargs: object) -> None:
    application = QtCore.QCoreApplication.instance()
    if application is not None:
        # Whichever comes first ends it: Katana may quit without onShutdown, after an error for example.
        application.aboutToQuit.connect(queue_session.end)
    queue_session.start()
    registration.report_if_missing()


def _on_shutdown(objectHash: object = None, **_kwargs: object) -> None:
    queue_session.end()
