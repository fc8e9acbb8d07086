"""The desktop session: starts its services, plug-ins and window in Katana's order, and ends them."""

from __future__ import annotations

import logging
import os
import runpy
import time
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from .. import katana_alias
from ..Katana import Configuration, KatanaResources
from ..Katana._callbacks import Callbacks, ExecuteCallbacksForType
from ..Katana.FarmAPI import FarmPluginManager
from ..Katana.UI4.App import Tabs
from ..Katana.Utils import EventModule, Plugins
from ..nodes.scene import active_scene
from . import live_renders, messages, render_pictures, rendering, scene_queries
from .autosave import Autosave, Recovered
from .catalog_items import CatalogItems
from .catalog_tab import CatalogTab
from .cook_client import CookClient
from .history import History
from .live_renders import LiveRenders
from .messages import MessageLog, Messages
from .monitor import Monitor
from .node_graph import NodeGraphTab
from .parameters_tab import ParametersTab
from .pixel_server import PixelServer
from .project_settings import ProjectSettingsTab
from .render_pictures import RenderPictures
from .rendering import RenderSession
from .scene_queries import SceneQueries
from .user_settings import UserSettings
from .window import DesktopWindow

_log = logging.getLogger("Katana.Desktop")


class Desktop(QObject):
    """One session. Create it after QApplication, call `start`, run Qt's event loop, then call `close`.

    `keeps_settings`: whether user settings are read and written. `asks`: whether dialogs may be opened.
    """

    _events_queued = Signal()

    def __init__(self, keeps_settings: bool = True, asks: bool = True) -> None:
        super().__init__()
        katana_alias.install()
        self._closed = False
        self.log = MessageLog(self)
        messages.set_active_log(self.log)
        self.cook = CookClient()
        self.queries = SceneQueries(self.cook, self)
        scene_queries.set_active_queries(self.queries)
        self.pixels = PixelServer(self)
        self.renders = RenderSession(self.cook, self.pixels, self)
        rendering.set_active_renders(self.renders)
        self.catalog_items = CatalogItems(self.renders, self)
        self.lives = LiveRenders(self.renders, self.cook, self.pixels, self)
        live_renders.set_active_lives(self.lives)
        self.pictures = RenderPictures(self.renders, self.pixels, self)
        render_pictures.set_active_pictures(self.pictures)
        self.settings = UserSettings(keeps_settings)
        self._events_queued.connect(EventModule.ProcessAllEvents, Qt.ConnectionType.QueuedConnection)
        self._waker = self._events_queued.emit
        EventModule._wakers.append(self._waker)
        Configuration.set("KATANA_UI_MODE", "1")
        for name, tab in (
            ("Monitor", Monitor),
            ("Catalog", CatalogTab),
            ("Node Graph", NodeGraphTab),
            ("Parameters", ParametersTab),
            ("Project Settings", ProjectSettingsTab),
            ("Messages", Messages),
        ):
            Tabs._register(name, tab)
        self.history = History(self)
        self.autosave = Autosave(self) if keeps_settings else None
        self.window = DesktopWindow(self.settings, self.queries, self.renders, self.history, asks)

    def start(self) -> None:
        """Load the plug-ins and show the window; `onStartupComplete` is executed later by the event loop."""
        self._load_plugins()
        ExecuteCallbacksForType(Callbacks.Type.onStartup)
        FarmPluginManager.Initialize()
        plugin_tabs = Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
        self.window.shelf_bar.load()
        off_screen = QGuiApplication.platformName() == "offscreen"
        self.window.resize(
            self.window.first_size(None if off_screen else self.window.screen().availableSize())
        )
        self.window.lay_out(sorted(plugin_tabs))
        self.window.restore_layout()
        self.window.show()
        Tabs.FindTopTab("Node Graph", True)
        # After the first paint: starting the queue must not delay the window.
        QTimer.singleShot(0, self._complete)

    def offer_recovery(self) -> None:
        """Search for unsaved projects of crashed desktops on a thread; offer the latest in the banner."""
        if self.autosave is not None:
            self.autosave.found.connect(self._on_crashed_found)
            self.autosave.look_for_crashed()

    def _on_crashed_found(self, found: Recovered) -> None:
        clock = time.strftime("%d %B, %H:%M", time.localtime(found.saved_at))
        name = found.path.name if found.path is not None else "an untitled project"
        self.window.offer(
            f"The desktop did not end well the last time. Changes of {name} were kept on {clock}.",
            (
                ("Recover", lambda: self._recover(found)),
                ("Discard", lambda: self._discard(found)),
            ),
        )

    def _recover(self, found: Recovered) -> None:
        if not self.window.documents.confirm_discard():
            return
        path = str(found.path or "")
        ExecuteCallbacksForType(Callbacks.Type.onSceneAboutToLoad, filename=path)
        active_scene().open_project(found.project, found.path)
        active_scene().mark_changed()
        ExecuteCallbacksForType(Callbacks.Type.onSceneLoad, filename=path)
        assert self.autosave is not None
        self.autosave.save(replaces=found.copy)

    def _discard(self, found: Recovered) -> None:
        assert self.autosave is not None
        self.autosave.discard(found.copy)

    def close(self, *, keeps_unsaved: bool = False) -> None:
        """End the session: plug-ins first, then the desktop's own services. Idempotent.

        Args:
            keeps_unsaved: whether the next start offers what was not saved, as after a crash.
        """
        if self._closed:
            return
        self._closed = True
        ExecuteCallbacksForType(Callbacks.Type.onShutdown)
        self.settings.save()
        if self.autosave is not None:
            self.autosave.close(keeps_copy=keeps_unsaved)
        self.cook.close()
        self.renders.close()
        self.lives.close()
        self.pixels.close()
        self.pictures.close()
        self.queries.close()
        for monitor in Tabs.GetTabsByType("Monitor"):
            if isinstance(monitor, Monitor):
                monitor.close_watcher()
        if self._waker in EventModule._wakers:
            EventModule._wakers.remove(self._waker)
        self.log.close()

    def _complete(self) -> None:
        if not self._closed:
            ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)

    def _load_plugins(self) -> None:
        for folder in ("Plugins", "UIPlugins"):
            for path in Plugins.DefaultPaths(folder):
                for file in Plugins.ExpandPaths(path):
                    Plugins.LoadModule(file)
        for folder in KatanaResources.GetSearchPaths("Startup"):
            script = Path(folder) / "init.py"
            if os.path.isfile(script):  # pathlib's raises where the folder may not be entered
                self._run_startup(script)

    def _run_startup(self, script: Path) -> None:
        try:
            runpy.run_path(str(script), run_name="__main__")
        except (Exception, SystemExit) as error:  # noqa: BLE001  a script that fails must leave the desktop whole
            if isinstance(error, SystemExit) and error.code in (None, 0):
                return
            _log.error("The start-up script %s failed: %s: %s", script, type(error).__name__, error)
