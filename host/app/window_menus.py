"""The window's Edit, Render and View menus, with Katana's shortcuts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QMenu, QMenuBar

from ..Katana import RenderManager
from ..Katana.FarmAPI import FarmPluginManager, Job
from ..Katana.NodegraphAPI import GetNode
from ..Katana.RenderManager import RenderModes
from ..Katana.UI4.App import Tabs
from ..nodes.graph import Node
from ..nodes.scene import active_scene
from . import style
from .field_input import finish_typing
from .history import History
from .rendering import RenderSession
from .user_settings import UserSettings

_log = logging.getLogger("Katana.Window")

PREVIEW_KEY = "Ctrl+P"
REPEAT_KEY = "Ctrl+\\"
CANCEL_KEY = "Esc"
CANCEL_ALL_KEY = "Shift+Esc"
_UNFINISHED = (Job.State.kWaiting, Job.State.kRunning)


class _StepAction(QAction):
    """The Undo or Redo action; its text names the step."""

    def __init__(
        self, verb: str, key: QKeySequence.StandardKey, slot: Callable[[], None], menu: QMenu
    ) -> None:
        super().__init__(verb, menu)
        self._verb = verb
        self.setShortcuts(QKeySequence.keyBindings(key))
        self.setEnabled(False)
        self.triggered.connect(lambda _=False: slot())

    # Slots, not lambdas: Qt disconnects them when the menu is deleted before the stack.
    def show_name(self, name: str) -> None:
        self.setText(f"{self._verb} {name}".strip())

    def enable(self, possible: bool) -> None:
        self.setEnabled(possible)


def add_edit_menu(bar: QMenuBar, history: History) -> QMenu:
    """Add *Edit* with Undo and Redo, each with the name of its step."""
    menu = bar.addMenu("&Edit")
    stack = history.stack
    undo = _StepAction("&Undo", QKeySequence.StandardKey.Undo, history.undo, menu)
    stack.undoTextChanged.connect(undo.show_name)
    stack.canUndoChanged.connect(undo.enable)
    redo = _StepAction("&Redo", QKeySequence.StandardKey.Redo, history.redo, menu)
    stack.redoTextChanged.connect(redo.show_name)
    stack.canRedoChanged.connect(redo.enable)
    menu.addActions([undo, redo])
    return menu


def add_render_menu(bar: QMenuBar, renders: RenderSession, show_tab: Callable[[str], object]) -> QMenu:
    """Add *Render* to `bar` and return it. Its shortcuts work unless the focused field uses the key.

    `show_tab` opens or raises the tab of the type with the given name.
    """
    menu = bar.addMenu("&Render")
    for text, key, slot in (
        ("&Preview Render", PREVIEW_KEY, lambda: preview(renders)),
        ("&Repeat Last Render", REPEAT_KEY, lambda: _repeat(renders)),
        ("&Cancel Render", CANCEL_KEY, renders.cancel_latest),
        ("Cancel &All Renders", CANCEL_ALL_KEY, renders.cancel_all),
    ):
        action = menu.addAction(text)
        action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _=False, slot=slot: slot())
    menu.addSeparator()
    stop = menu.addAction("&Stop All Jobs")
    stop.triggered.connect(lambda _=False: stop_all_jobs(renders))
    show = menu.addAction("Show Katana &Queue")
    show.triggered.connect(lambda _=False: show_tab(_queue_tab()))
    menu.aboutToShow.connect(lambda: show.setEnabled(bool(_queue_tab())))
    return menu


def stop_all_jobs(renders: RenderSession) -> None:
    """Stop all waiting and running jobs of all farms. Errors are logged; the status bar shows the first."""
    stopped, problems = 0, []
    for farm in FarmPluginManager.GetFarmPluginNames():
        try:
            jobs = FarmPluginManager.GetJobs(None, farm)
            unfinished = [job.jobId for job in jobs if job.state in _UNFINISHED]
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plug-in may raise anything; the other farms are still to ask
            problems.append(f"{farm}: {error}")
            continue
        for job_id in unfinished:
            try:
                FarmPluginManager.StopJob(job_id, farm)
                stopped += 1
            except (Exception, SystemExit) as error:  # noqa: BLE001  likewise: a job may have ended meanwhile
                problems.append(f"{farm}, job {job_id}: {error}")
    for problem in problems:
        _log.error("Stop All Jobs: %s", problem)
    count = {0: "No job is under way.", 1: "1 job is being stopped."}.get(
        stopped, f"{stopped:,} jobs are being stopped."
    )
    renders.message_posted.emit(f"{count} {problems[0]}" if problems else count)


def _queue_tab() -> str:
    """Return the type name of the queue's tab, which differs where Katana has its own; or empty."""
    return next((name for name in Tabs.GetAvailableTabTypeNames() if name.startswith("Katana Queue")), "")


def add_view_menu(bar: QMenuBar, settings: UserSettings) -> QMenu:
    """Add *View* to `bar`: the light palette, saved in the settings."""
    menu = bar.addMenu("&View")
    light = menu.addAction("&Light Palette")
    light.setCheckable(True)
    light.setChecked(chosen_palette(settings) is style.Palette.LIGHT)

    def choose(checked: bool) -> None:
        palette = style.Palette.LIGHT if checked else style.Palette.DARK
        settings.set("palette", palette.value)
        settings.save()  # at once: a desktop that is killed saves nothing
        application = QApplication.instance()
        if isinstance(application, QApplication):
            style.apply(application, palette)

    light.toggled.connect(choose)
    return menu


def with_mnemonics(titles: Sequence[str]) -> list[str]:
    """Return menu texts for `titles`, each with its first letter that no earlier one has as mnemonic."""
    used: set[str] = set()
    texts = []
    for title in titles:
        index = next((i for i, c in enumerate(title) if c.isalnum() and c.lower() not in used), None)
        before, after = (title, "") if index is None else (title[:index], title[index:])
        used.update(after[:1].lower())
        texts.append(before.replace("&", "&&") + ("&" if after else "") + after.replace("&", "&&"))
    return texts


def chosen_palette(settings: UserSettings) -> style.Palette:
    """Return the palette of the settings; DARK where none or an unknown one is saved."""
    try:
        return style.Palette(settings.get("palette", style.Palette.DARK.value))
    except ValueError:
        return style.Palette.DARK


def preview(renders: RenderSession) -> None:
    """Start a Preview Render on the default farm: of the one selected, the edited or a Render node."""
    finish_typing()
    node = _node()
    if node is None:
        renders.message_posted.emit("There is no node to render: select one in the Node Graph.")
        return
    if not FarmPluginManager.GetFarmPluginNames():
        renders.message_posted.emit(
            "No farm plug-in is registered: set KATANA_RESOURCES to a folder with one."
        )
        return
    RenderManager.StartRender(RenderModes.PREVIEW_RENDER, node=GetNode(node.name), remoteRender=True)


def _node() -> Node | None:
    scene = active_scene()
    chosen = scene.selected[0] if len(scene.selected) == 1 else scene.edited
    return chosen or next((node for node in scene.graph.nodes if node.type.is_render_node), None)


def _repeat(renders: RenderSession) -> None:
    finish_typing()
    if not renders.repeat_latest():
        renders.message_posted.emit("Nothing has been rendered in this session yet.")
