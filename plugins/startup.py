"""Registers the farm plug-in as Katana loads it, and ties the queue to Katana's start and exit callbacks.

All functions: Qt's thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from Katana import Callbacks
from PySide6 import QtCore, QtWidgets

from ..kq.api import current_session
from . import import_isolation, queue_session, registration, render_again
from .render_environment import note_start

__all__ = ["register"]


def register(farm_plugin: type, site_farms: Mapping[str, type]) -> list[tuple[str, float, str, Any]]:
    """Connect the queue's start and end to those of the UI session, and return Katana's PluginRegistry.

    Args:
        farm_plugin: the class of the queue's farm plug-in.
        site_farms: further farm plug-in classes, by their names in menus.

    Returns:
        A list of (plug-in type, version, name, class).
    """
    kind, version = registration.farm_plugin_type()
    name = import_isolation.farm_name(registration.loaded_farms())
    registration.expect(name)
    render_again.follow_scenes()
    Callbacks.addCallback(Callbacks.Type.onStartupComplete, _on_startup_complete)
    Callbacks.addCallback(Callbacks.Type.onShutdown, _on_shutdown)
    if _is_desktop_shown():
        # Katana loads farm plug-ins only now: onStartupComplete may be over.
        QtCore.QTimer.singleShot(0, _on_startup_complete)
    entries = [(name, farm_plugin), *site_farms.items()]
    return [(kind, version, each, plugin) for each, plugin in entries]


def _is_desktop_shown() -> bool:
    """Whether a main window is shown: a splash screen is none."""
    if QtWidgets.QApplication.instance() is None:
        return False
    windows = QtWidgets.QApplication.topLevelWidgets()
    return any(isinstance(each, QtWidgets.QMainWindow) and each.isVisible() for each in windows)


def _on_startup_complete(objectHash: object = None, **_kwargs: object) -> None:
    session = current_session()
    if session is not None and not session.is_closing:
        return  # called again where Katana runs the plug-in's file again, as Utils.Plugins.Load can
    application = QtCore.QCoreApplication.instance()
    if application is not None:
        # In addition to onShutdown, which Katana may skip, for example when it quits after an error.
        application.aboutToQuit.connect(queue_session.end)
    note_start(os.environ)
    queue_session.start()
    registration.report_if_missing()


def _on_shutdown(objectHash: object = None, **_kwargs: object) -> None:
    queue_session.end()
