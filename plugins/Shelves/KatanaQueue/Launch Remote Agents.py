"""
NAME: Launch Remote Agents...
ICON: katana_queue_open_agents.svg
KEYBOARD_SHORTCUT:
SCOPE:

Starts Agents of Katana Queue on another machine, over SSH, and stops them.
"""

import sys

from PySide6.QtWidgets import QApplication


def show_dialog() -> None:
    # Not by path, since Katana may run a shelf item without __file__. The plug-in was loaded at start-up.
    import_isolation = sys.modules.get("katana_queue_import_isolation")
    if import_isolation is None:
        raise RuntimeError("Katana Queue is not loaded: see the messages of Katana's start")
    dialogs = import_isolation.load("plugins.Shelves.KatanaQueue.dialogs.launch_remote_agents")
    dialogs.LaunchRemoteAgentsDialog.show_for(QApplication.activeWindow())


show_dialog()
