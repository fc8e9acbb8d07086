"""
NAME: Start Multiple Renders...
ICON: katana_queue_open_multiple.svg
KEYBOARD_SHORTCUT:
SCOPE:

Renders several nodes, with several values of graph state variables, at several frames.
"""

import sys

from PySide6.QtWidgets import QApplication


def show_dialog() -> None:
    # Not by path, since Katana may run a shelf item without __file__. The plug-in was loaded at start-up.
    import_isolation = sys.modules.get("katana_queue_import_isolation")
    if import_isolation is None:
        raise RuntimeError("Katana Queue is not loaded: see the messages of Katana's start")
    dialogs = import_isolation.load("plugins.Shelves.KatanaQueue.dialogs.start_multiple_renders")
    dialogs.StartMultipleRendersDialog.show_for(QApplication.activeWindow())


show_dialog()
