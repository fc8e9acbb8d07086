"""The context menu of the jobs list: its actions and their order."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QWidget

from .actions import JobActions
from .catalog_bridge import CatalogActions
from .send_to import SendTo

__all__ = ["job_menu"]


def job_menu(acts: JobActions, catalog_actions: CatalogActions, send_to: SendTo, parent: QWidget) -> QMenu:
    """Return the context menu for the current selection. Qt deletes it when it is closed."""
    acts.update_enabled()
    catalog_actions.update_enabled()
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    tasks = [acts.start_tasks] if acts.start_tasks.isEnabled() else []
    menu.addActions([acts.start, acts.start_missing, *tasks, acts.stop, acts.submit_again, acts.remove])
    farms = send_to.menu(menu)
    if farms is not None:
        menu.addMenu(farms)
    menu.addSeparator()
    menu.addActions([acts.raise_priority, acts.lower_priority, acts.set_priority])
    menu.addAction(acts.edit_note)
    menu.addSeparator()
    menu.addActions([acts.open_picture, acts.reveal_picture, acts.copy_picture_path])
    menu.addActions(catalog_actions.actions)
    menu.addSeparator()
    menu.addActions([acts.reveal_log, acts.copy_log_path, acts.copy_command])
    menu.addSeparator()
    menu.addActions([acts.stop_all, acts.pause])
    return menu
