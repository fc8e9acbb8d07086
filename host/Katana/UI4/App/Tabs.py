"""The registry of tab types, built in and from plug-ins, and the list of open tabs. Qt's thread."""

from __future__ import annotations

import logging
from typing import Any

from PySide6.QtGui import QCloseEvent, QIcon
from PySide6.QtWidgets import QDockWidget, QTabWidget, QVBoxLayout, QWidget

from ... import KatanaResources
from ..._callbacks import Callbacks, ExecuteCallbacksForType
from ...Utils import Plugins

__all__ = [
    "ApplySettings",
    "CreateTab",
    "FindTopTab",
    "GetAllTabs",
    "GetAvailableTabTypeNames",
    "GetSettings",
    "GetTabIcon",
    "GetTabMenuItemIcon",
    "GetTabPluginPath",
    "GetTabPluginSearchPaths",
    "GetTabTitle",
    "GetTabTypeName",
    "GetTabsByType",
    "LoadTabPlugins",
    "RaiseTab",
    "TabWithTimeline",
]

_log = logging.getLogger("Katana.Tabs")
_PLUGIN_TYPE = "KatanaPanel"
_PLUGIN_API = 2.0

_types: dict[str, tuple[type[QWidget], str]] = {}
_open: list[TabWithTimeline] = []


class TabWithTimeline(QWidget):
    """The container of a tab. In Katana it can show a timeline with the tab."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self._widget = widget
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(widget)

    def getWidget(self) -> QWidget:
        """Return the tab's own widget."""
        return self._widget

    def getTabTitle(self) -> str:
        """Return the tab's title."""
        title = getattr(self._widget, "getTabTitle", lambda: None)()
        return str(title) if title else GetTabTypeName(self)

    def isTimelineShown(self) -> bool:
        """Return False: the stand-in has one timeline, in the main window."""
        return False

    def showTimeline(self, show: bool) -> None:
        """Do nothing: the stand-in has one timeline, in the main window."""
        del show

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close the tab."""
        self._widget.close()
        if self in _open:
            _open.remove(self)
        super().closeEvent(event)


def _register(name: str, tab_class: type[QWidget], path: str = "") -> None:
    """Register a tab type; ignored where the name is taken."""
    _types.setdefault(name, (tab_class, path))


def GetTabPluginSearchPaths() -> list[str]:
    """Return the existing `Tabs` folders of KATANA_RESOURCES."""
    return KatanaResources.GetSearchPaths("Tabs")


def LoadTabPlugins(tabPluginSearchPaths: list[str]) -> set[str]:
    """Register the tab types of the plug-ins in these folders and return their names."""
    names: set[str] = set()
    for plugin in Plugins.Load(_PLUGIN_TYPE, _PLUGIN_API, tabPluginSearchPaths):
        _register(plugin.name, plugin.data, plugin.path)
        names.add(plugin.name)
    return names


def GetAvailableTabTypeNames() -> list[str]:
    """Return the names of all tab types, sorted."""
    return sorted(_types)


def GetTabPluginPath(tabTypeName: str) -> str:
    """Return the path of the plug-in file of a tab type; empty for the built-in ones."""
    return _types[tabTypeName][1]


def GetTabTitle(tabTypeName: str) -> str:
    """Return the title of a tab type: what follows the last slash of its name."""
    return tabTypeName.rpartition("/")[2]


def GetTabIcon(tabTypeName: str) -> QIcon | None:
    """Return the icon of a tab type, if it has one."""
    return _icon(getattr(_types[tabTypeName][0], "Icon", None))


def GetTabMenuItemIcon(tabTypeName: str) -> QIcon | None:
    """Return the icon of a tab type in menus, if it has one."""
    tab_class = _types[tabTypeName][0]
    return _icon(getattr(tab_class, "MenuItemIcon", None)) or GetTabIcon(tabTypeName)


def _icon(icon: object) -> QIcon | None:
    if isinstance(icon, QIcon):
        return icon
    path = KatanaResources.GetIconPath(icon) if isinstance(icon, str) and icon else None
    return QIcon(path) if path else None


def CreateTab(tabTypeName: str, parent: QWidget | None) -> TabWithTimeline:
    """Create a tab; raises KeyError for an unknown type, and any exception of the tab's constructor."""
    tab_class = _types[tabTypeName][0]
    tab = tab_class(parent)
    holder = TabWithTimeline(tab)
    holder.setParent(parent)
    holder.setProperty("tabTypeName", tabTypeName)
    tab.setProperty("tabTypeName", tabTypeName)
    _open.append(holder)
    holder.destroyed.connect(lambda: _open.remove(holder) if holder in _open else None)
    ExecuteCallbacksForType(Callbacks.Type.onTabCreated, tabTypeName, tabTypeName=tabTypeName, tab=tab)
    return holder


def GetAllTabs() -> list[QWidget]:
    """Return all open tabs."""
    return [holder.getWidget() for holder in _open]


def GetTabTypeName(widget: QWidget) -> str:
    """Return the type name of an open tab or of its container; empty for other widgets."""
    return str(widget.property("tabTypeName") or "")


def GetTabsByType(tabTypeName: str) -> list[QWidget]:
    """Return the open tabs of a type."""
    return [tab for tab in GetAllTabs() if GetTabTypeName(tab) == tabTypeName]


def FindTopTab(tabTypeName: str, alsoRaise: bool = False) -> QWidget | None:
    """Return the visible tab of a type, else its first open one, or None; `alsoRaise` raises it."""
    tabs = GetTabsByType(tabTypeName)
    found = next((tab for tab in tabs if tab.isVisible()), tabs[0] if tabs else None)
    if found is not None and alsoRaise:
        RaiseTab(found)
    return found


def RaiseTab(widget: QWidget) -> None:
    """Raise the tab in its dock or tab widget and give it the keyboard focus."""
    parent: QWidget | None = widget
    while parent is not None:
        if isinstance(parent, QDockWidget):
            parent.show()
            parent.raise_()
        elif isinstance(parent, QTabWidget):
            parent.setCurrentWidget(widget)
        parent = parent.parentWidget()
    widget.setFocus()


def GetSettings(widget: QWidget) -> dict[str, Any]:
    """Return the settings of a tab for the next session; empty, with an error logged, where it raises."""
    try:
        settings = widget.getSettings() if hasattr(widget, "getSettings") else {}
        return dict(settings or {})
    except (Exception, SystemExit) as error:  # noqa: BLE001  one tab that fails must not lose the settings of all
        _log.error("The tab %s gave no settings: %s: %s", GetTabTypeName(widget), type(error).__name__, error)
        return {}


def ApplySettings(widget: QWidget, settings: dict[str, Any]) -> None:
    """Pass to a tab the settings from an earlier GetSettings; an exception is logged."""
    try:
        if hasattr(widget, "applySettings"):
            widget.applySettings(settings)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a tab that chokes on old settings must still open
        _log.error(
            "The tab %s refused its settings: %s: %s", GetTabTypeName(widget), type(error).__name__, error
        )
