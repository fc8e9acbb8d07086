"""The main window: menus, shelf bar, timeline and docked tabs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QMenu,
    QTabWidget,
    QToolBar,
    QToolButton,
    QWidget,
)

from ..Katana.UI4.App import Tabs
from ..Katana.UI4.App.MainWindow import KatanaWindow
from ..nodes.project import to_document
from ..nodes.scene import UNTITLED, SceneChange, active_scene
from . import closing
from .banner import Banner
from .documents import Documents
from .field_input import finish_typing
from .focus_line import FocusLine
from .history import History
from .messages import Messages, active_log
from .panel_shares import PanelShares
from .rendering import RenderSession
from .scene_queries import SceneQueries
from .shelf_bar import ShelfBar
from .timeline import Timeline
from .user_settings import UserSettings
from .window_menus import add_edit_menu, add_render_menu, add_view_menu, with_mnemonics

_log = logging.getLogger("Katana.Window")
_MESSAGE_MS = 8000
_LAYOUT_VERSION = 1
_CLOSING_MS = 500
"""Interval for checking for unfinished jobs, after the artist chose to close when they have ended."""
_FRAME = QSize(8, 40)
"""Approximate size of the window manager's frame, in pixels."""


class DesktopWindow(KatanaWindow):
    """The desktop's main window. Its tabs are created from the registered tab types. Qt's thread.

    `asks`: whether closing asks about unsaved changes and unfinished jobs; false off screen.
    """

    def __init__(
        self,
        settings: UserSettings,
        queries: SceneQueries,
        renders: RenderSession,
        history: History,
        asks: bool,
    ) -> None:
        super().__init__(None)
        self._history = history
        self._asks = asks
        self._closing = QTimer(self)
        self._closing.setInterval(_CLOSING_MS)
        self._closing.timeout.connect(self._close_if_idle)
        self._confirmed: dict[str, object] = {}
        """The project that may be closed without a question, since it has been asked about."""
        self._renders = renders
        self.setObjectName("DesktopWindow")
        self._settings = settings
        self.setAcceptDrops(True)
        self._docks: dict[str, QDockWidget] = {}
        self._shares = PanelShares(self, self._docks)
        # In the next turn of the event loop: while docks move, tabifiedDockWidgets() is incomplete.
        self._titles = QTimer(self)
        self._titles.setSingleShot(True)
        self._titles.setInterval(0)
        self._titles.timeout.connect(self._on_docks_changed)
        self.documents = Documents(settings, queries, self, asks)
        self.setDockNestingEnabled(True)
        self.setDockOptions(
            KatanaWindow.DockOption.AllowNestedDocks
            | KatanaWindow.DockOption.AllowTabbedDocks
            | KatanaWindow.DockOption.AnimatedDocks
        )
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self._banner = Banner(self)
        self.focus_line = FocusLine(self)
        self.shelf_bar = ShelfBar(self)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, self.shelf_bar)
        self._add_banner()
        self._timeline = Timeline(self)
        self._add_timeline()
        self._build_menus()
        self.statusBar().setSizeGripEnabled(False)
        self._add_unseen()
        self.documents.failed.connect(self.show_error)
        self.documents.opened.connect(self._on_opened)
        self.documents.recent_changed.connect(self._fill_recent)
        renders.message_posted.connect(self.show_message)
        renders.render_started.connect(lambda _render: self._banner.clear_error())
        active_scene().observe(self._on_scene_changed)
        self._show_title()

    def sizeHint(self) -> QSize:
        return QSize(1600, 960)

    def first_size(self, screen: QSize | None) -> QSize:
        """Return the size for the first start: the default, reduced to fit on `screen` (in pixels)."""
        return self.sizeHint() if screen is None else self.sizeHint().boundedTo(screen - _FRAME)

    # --- Messages ---

    def show_message(self, text: str) -> None:
        """Show a text in the status bar for 8 seconds."""
        self.statusBar().showMessage(text, _MESSAGE_MS)

    def show_error(self, message: str) -> None:
        """Show an error across the top of the window until it is closed."""
        self.statusBar().clearMessage()  # "Opened ..." would contradict it
        self._banner.show_error(message)

    def offer(self, message: str, choices: Sequence[tuple[str, Callable[[], None]]]) -> None:
        """Show a message in the banner until a choice is clicked, which calls its slot, or it is closed."""
        self._banner.offer(message, choices)

    @property
    def error(self) -> str:
        """The error that is shown, or an empty string."""
        return self._banner.message

    # --- Tabs ---

    def open_tab(self, name: str) -> QDockWidget | None:
        """Open a tab of the type `name`, or raise the one that is open. Return its dock.

        Returns None where the tab's constructor raises; the error is logged and shown in the banner.
        """
        dock = self._docks.get(name)
        if dock is not None:
            dock.show()
            dock.raise_()
            return dock
        try:
            tab = Tabs.CreateTab(name, self)
        except (Exception, SystemExit) as error:  # noqa: BLE001  one plug-in's tab that fails must not keep the window from opening
            message = f"The tab {name} does not open: {type(error).__name__}: {error}"
            _log.error("%s", message, exc_info=True)
            self.show_error(message)
            return None
        dock = QDockWidget(tab.getTabTitle(), self)
        dock.setObjectName(f"tab:{name}")
        dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetMovable | QDockWidget.DockWidgetFeature.DockWidgetClosable
        )
        dock.setWidget(tab)
        dock.dockLocationChanged.connect(lambda _area: self._titles.start())
        dock.visibilityChanged.connect(lambda _visible: self._titles.start())
        self._docks[name] = dock
        log = active_log()
        if log is not None and isinstance(tab.getWidget(), Messages):
            dock.visibilityChanged.connect(log.set_in_sight)
            self._show_unseen(log.unseen)
        Tabs.ApplySettings(tab.getWidget(), self._settings.get("tabs", {}).get(name, {}))
        return dock

    def lay_out(self, plugin_tabs: list[str]) -> None:
        """Open and dock the last session's tabs; on the first start, the defaults and `plugin_tabs`."""
        remembered = self._settings.get("open_tabs")
        others = ["Catalog", "Project Settings", "Messages"]
        names = ["Monitor", "Node Graph", "Parameters", *plugin_tabs, *others]
        if isinstance(remembered, list):
            names = [name for name in Tabs.GetAvailableTabTypeNames() if name in remembered] or names
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        docks = {name: dock for name in names if (dock := self.open_tab(name)) is not None}
        for name, dock in docks.items():
            self.addDockWidget(right if name in ("Node Graph", "Parameters") else left, dock)
        below = [dock for name, dock in docks.items() if name not in ("Monitor", "Node Graph", "Parameters")]
        if "Monitor" in docks and below:
            self.splitDockWidget(docks["Monitor"], below[0], Qt.Orientation.Vertical)
        for dock in below[1:]:
            self.tabifyDockWidget(below[0], dock)
        if below:
            below[0].raise_()
        if "Node Graph" in docks and "Parameters" in docks:
            self.splitDockWidget(docks["Node Graph"], docks["Parameters"], Qt.Orientation.Vertical)
            self.resizeDocks([docks["Node Graph"], docks["Parameters"]], [470, 430], Qt.Orientation.Vertical)
        if "Monitor" in docks and below:
            self.resizeDocks([docks["Monitor"], below[0]], [500, 400], Qt.Orientation.Vertical)
        if "Monitor" in docks and "Node Graph" in docks:
            self.resizeDocks([docks["Monitor"], docks["Node Graph"]], [1080, 520], Qt.Orientation.Horizontal)
        self._fill_tabs_menu()

    def _on_docks_changed(self) -> None:
        self._show_titles()
        self._shares.remember()

    def _show_titles(self) -> None:
        """Hide the title bar of each tabified dock: its tab has the title already."""
        for dock in self._docks.values():
            titled = not self.tabifiedDockWidgets(dock)
            if titled != (dock.titleBarWidget() is None):
                bar = dock.titleBarWidget()
                dock.setTitleBarWidget(None if titled else QWidget(dock))  # type: ignore[arg-type]  # None is Qt's own
                if bar is not None:
                    bar.deleteLater()

    def restore_layout(self) -> None:
        """Restore size and dock layout from the settings, where they were saved."""
        geometry, state = self._settings.get("geometry"), self._settings.get("state")
        if isinstance(geometry, str) and isinstance(state, str):
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))
            self.restoreState(QByteArray.fromBase64(state.encode()), _LAYOUT_VERSION)
            self._shares.restore(self._settings.get("shares"))

    def keep_layout(self) -> None:
        """Save size, dock layout and the tabs' own settings for the next session."""
        self._settings.set("geometry", self.saveGeometry().toBase64().toStdString())
        self._settings.set("state", self.saveState(_LAYOUT_VERSION).toBase64().toStdString())
        self._settings.set("shares", self._shares.saved())
        self._settings.set("open_tabs", [name for name, dock in self._docks.items() if not dock.isHidden()])
        kept = dict(self._settings.get("tabs", {}))
        for tab in Tabs.GetAllTabs():
            kept[Tabs.GetTabTypeName(tab)] = Tabs.GetSettings(tab)
        self._settings.set("tabs", kept)

    # --- Building ---

    def _build_menus(self) -> None:
        file_menu = self.menuBar().addMenu("&File")
        for text, key, slot in (
            ("&New", QKeySequence.StandardKey.New, self.documents.new),
            ("&Open…", QKeySequence.StandardKey.Open, self.documents.choose_and_open),
        ):
            file_menu.addAction(text, key, slot)
        self._recent_menu: QMenu = file_menu.addMenu("Open &Recent")
        file_menu.addSeparator()
        file_menu.addAction("&Save", QKeySequence.StandardKey.Save, self.documents.save)
        file_menu.addAction("Save &As…", QKeySequence.StandardKey.SaveAs, self.documents.save_as)
        file_menu.addSeparator()
        file_menu.addAction("&Quit", QKeySequence.StandardKey.Quit, self.close)
        add_edit_menu(self.menuBar(), self._history)
        add_render_menu(self.menuBar(), self._renders, self._open_from_menu)
        add_view_menu(self.menuBar(), self._settings)
        self._tabs_menu: QMenu = self.menuBar().addMenu("&Tabs")
        self.menuBar().addMenu(self.shelf_bar.menu)
        self._fill_recent()

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        self._recent_menu.setToolTipsVisible(True)
        names = [Path(path).name for path in self._settings.recent]
        for path, name in zip(self._settings.recent, names, strict=True):
            text = f"{name} in {Path(path).parent}" if names.count(name) > 1 else name
            action = self._recent_menu.addAction(text.replace("&", "&&"))
            action.setToolTip(path)
            action.triggered.connect(lambda _=False, path=path: self.documents.open(path))
        self._recent_menu.setEnabled(bool(self._settings.recent))

    def _fill_tabs_menu(self) -> None:
        self._tabs_menu.clear()
        names = Tabs.GetAvailableTabTypeNames()
        for name, text in zip(names, with_mnemonics([Tabs.GetTabTitle(name) for name in names]), strict=True):
            action = self._tabs_menu.addAction(text)
            icon = Tabs.GetTabMenuItemIcon(name)
            if icon is not None:
                action.setIcon(icon)
            action.triggered.connect(lambda _=False, name=name: self._open_from_menu(name))

    def _open_from_menu(self, name: str) -> None:
        dock = self.open_tab(name)
        if dock is None:
            return
        if self.dockWidgetArea(dock) == Qt.DockWidgetArea.NoDockWidgetArea:
            self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
            dock.show()
        # The menu is the keyboard's way out of the Node Graph, where the Tab key creates nodes.
        tab = dock.widget()
        inner = tab.getWidget() if isinstance(tab, Tabs.TabWithTimeline) else tab
        inner.setFocus(Qt.FocusReason.MenuBarFocusReason)

    def _add_banner(self) -> None:
        self.addToolBarBreak()
        bar = QToolBar("Errors", self)
        bar.setObjectName("ErrorBar")
        bar.setMovable(False)
        bar.addWidget(self._banner)
        bar.setVisible(False)
        self._banner.bar = bar
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)

    def _add_unseen(self) -> None:
        """Add the count of unseen warnings to the status bar: the Messages tab may be closed or covered."""
        self._unseen = QToolButton(self)
        self._unseen.setAutoRaise(True)
        self._unseen.setToolTip("Warnings and errors that you have not seen: click to open Messages")
        # The same in both palettes, with dark letters on it.
        self._unseen.setStyleSheet("color: #1c1c1c; background: #e8a33d; padding: 0 6px;")
        self._unseen.clicked.connect(lambda: self._open_from_menu("Messages"))
        self.statusBar().addPermanentWidget(self._unseen)
        self._unseen.hide()
        log = active_log()
        if log is not None:
            log.unseen_changed.connect(self._show_unseen)
            self._show_unseen(log.unseen)

    def _show_unseen(self, count: int) -> None:
        title = f"Messages ({count:,})" if count else "Messages"
        self._unseen.setText(title)
        self._unseen.setVisible(count > 0)
        dock = self._docks.get("Messages")
        if dock is not None:
            dock.setWindowTitle(title)

    def _add_timeline(self) -> None:
        bar = QToolBar("Timeline", self)
        bar.setObjectName("TimelineBar")
        bar.setMovable(False)
        bar.addWidget(self._timeline)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)
        self._timeline_bar = bar

    def isTimelineVisible(self) -> bool:
        return not self._timeline_bar.isHidden()

    def setTimelineVisible(self, timelineVisible: bool) -> None:
        self._timeline_bar.setVisible(timelineVisible)

    # --- Events ---

    def event(self, event: QEvent) -> bool:
        """Remember the panels' shares after a separator was dragged: its events reach only this function."""
        handled = super().event(event)
        if event.type() == QEvent.Type.MouseButtonRelease:
            self._shares.remember()
        return handled

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._shares.apply()

    def _on_opened(self, path: str) -> None:
        self._banner.clear_error()
        self.show_message(f"Opened {path}.")

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change in (SceneChange.REPLACED, SceneChange.FILE):
            self._show_title()

    def _show_title(self) -> None:
        scene = active_scene()
        name = scene.path.name if scene.path is not None else UNTITLED
        self.setWindowTitle(f"{name}[*] — Katana Queue Desktop")
        self.setWindowModified(scene.dirty)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.documents.open(files[0])

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()  # what fails unexpectedly must not close a window whose project is not saved
        if self._may_close():
            event.accept()
            self.keep_layout()

    def _may_close(self) -> bool:
        # The answer counts for the close that was waited for, and for no later one.
        confirmed = self._confirmed if self._closing.isActive() else {}
        self._closing.stop()
        self._confirmed = {}
        finish_typing()
        jobs = closing.jobs_under_way(self._renders.renders) if self._asks else None
        if jobs is not None and jobs.ends_any:
            choice = closing.ask(jobs, self)
            # Asked before the wait: after it, the artist may have gone.
            if choice is closing.Choice.STAY or not self.documents.confirm_discard():
                return False
            if choice is closing.Choice.WAIT:
                self.show_message("The desktop closes when the last render has ended.")
                self._confirmed = to_document(active_scene().project)
                self._closing.start()
            return choice is closing.Choice.END
        return to_document(active_scene().project) == confirmed or self.documents.confirm_discard()

    def _close_if_idle(self) -> None:
        if not closing.jobs_under_way(self._renders.renders).ends_any:
            self.close()
