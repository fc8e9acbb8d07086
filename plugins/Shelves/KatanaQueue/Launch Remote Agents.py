"""
NAME: Launch Remote Agents...
ICON: remote_agents.svg
KEYBOARD_SHORTCUT:
SCOPE:

Starts Agents of Katana Queue on another machine, over SSH, and stops them.
"""

import sys

from PySide6.QtWidgets import QApplication


def show_dialog() -> None:
    # A shelf item may not know its own path in every version of Katana: the plug-in loaded before it does.
    own_names = sys.modules.get("katana_queue_own_names")
    if own_names is None:
        raise RuntimeError("Katana Queue is not loaded: see the messages of Katana's start")
    dialogs = own_names.load("plugins.Shelves.KatanaQueue.dialogs.launch_remote_agents")
    dialogs.LaunchRemoteAgentsDialog.show_for(QApplication.activeWindow())


show_dialog()
