"""Runs the desktop with its window on a display."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from ..nodes.scene import active_scene
from . import qt_messages, style
from .desktop import Desktop
from .signals import SignalQuitter
from .window_menus import chosen_palette


def run(scene: Path | None, node: str | None, frame: float | None) -> int:
    """Open the window with `scene`, run until it is closed, and return the exit code.

    A signal closes it without a question, which may have no one to answer it; the next start offers unsaved
    changes.
    """
    qt_messages.install()
    application = QApplication(sys.argv[:1])
    application.setApplicationName("Katana Queue Desktop")
    style.apply(application)
    code = 0

    def end(number: int) -> None:
        nonlocal code
        code = 128 + number
        desktop.close(keeps_unsaved=True)
        application.exit()

    quitter = SignalQuitter(end)
    desktop = Desktop()
    style.apply(application, chosen_palette(desktop.settings))
    application.aboutToQuit.connect(desktop.close)
    desktop.start()
    if scene is not None:
        desktop.window.documents.open(scene)
    desktop.offer_recovery()
    if frame is not None:
        active_scene().set_frame(frame)
    found = active_scene().graph.find(node) if node else None
    if node and found is None:
        desktop.window.show_error(f"There is no node called {node!r} in this project.")
    if found is not None:
        active_scene().select((found,))
        active_scene().edit(found)
    settle()
    application.exec()
    desktop.close()
    quitter.close()
    return code


def settle() -> None:
    """Freeze the objects made at start and collect garbage less often.

    A collection that scans them all blocks the window for longer than a frame.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
