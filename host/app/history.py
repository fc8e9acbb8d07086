"""Undo and redo for nodes, connections, parameters and variables: one step per action of the artist.

A step holds the nodes and variables before and after it. What changes in one turn of Qt's loop is one step.
"""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QUndoCommand, QUndoStack

from ..nodes.graph import Change, GraphEvent
from ..nodes.project import to_document
from ..nodes.restore import restore
from ..nodes.scene import SceneChange, active_scene

_LIMIT = 200
"""Maximum number of steps; each keeps two documents of the graph in memory."""
_MERGE_S = 1.0
"""Changes of one value within this time are merged into one step, as from a mouse wheel."""
_VALUE_STEP, _OTHER_STEP = 1, -1


class History(QObject):
    """Records changes of the open graph in an undo stack. Qt's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_LIMIT)
        self._restoring = False
        self._pending: GraphEvent | None = None
        self._several = False
        self._is_stale = False
        """Whether nodes or variables may differ from those of the last step."""
        self._before = self._document()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.record)
        scene = active_scene()
        scene.observe(self._on_scene_changed)
        scene.observe_graph(self._on_graph_changed)
        self.stack.cleanChanged.connect(self._on_clean_changed)

    def undo(self) -> None:
        """Undo the latest step, if there is one."""
        self.record()
        self.stack.undo()

    def redo(self) -> None:
        """Redo the step that was undone last, if there is one."""
        self.record()
        self.stack.redo()

    def record(self) -> None:
        """Add a step with all changes since the last one. Called by a timer after each change."""
        self._timer.stop()
        event, self._pending = self._pending, None
        if not self._is_stale:
            return
        self._is_stale = False
        before, self._before = self._before, self._document()
        if before == self._before:
            return
        is_value = event is not None and event.change is Change.VALUE and not self._several
        key = f"{event.node.name}.{event.detail}" if event and is_value else ""
        text = _text(event) if event else "Graph State Variables"
        self.stack.push(_Step(self, text, before, self._before, key))
        active_scene().mark_dirty()

    def show(self, document: dict[str, Any]) -> None:
        """Restore the open graph to `document`."""
        self._restoring = True
        try:
            restore(active_scene().graph, document)
            active_scene().set_variables(document["variables"])
        finally:
            self._restoring = False
        self._before = self._document()

    @staticmethod
    def _document() -> dict[str, Any]:
        """Return the project's nodes and variables: changing the frame is not an undo step."""
        project = active_scene().project
        return {"nodes": to_document(project)["nodes"], "variables": project.variables}

    def _on_graph_changed(self, event: GraphEvent) -> None:
        if self._restoring:
            return
        if self._pending is None:
            self._pending, self._several = event, False
        elif (event.change, event.node, event.detail) != (
            self._pending.change,
            self._pending.node,
            self._pending.detail,
        ):
            self._several = True
            if event.change in (Change.NODE_ADDED, Change.NODE_REMOVED):
                self._pending = event  # names the step: later events of it, such as lost connections, do not
        self._is_stale = True
        self._timer.start()

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change is SceneChange.REPLACED:
            self._pending, self._is_stale = None, False
            self._timer.stop()
            self.stack.clear()
            self._before = self._document()
        elif change is SceneChange.VARIABLES and not self._restoring:
            self._is_stale = True
            self._timer.start()
        elif change is SceneChange.FILE and not active_scene().dirty:
            self.record()
            self.stack.setClean()

    def _on_clean_changed(self, clean: bool) -> None:
        if clean:
            active_scene().mark_reverted()


class _Step(QUndoCommand):
    """One step. `key` identifies the single value that it changed; empty for other changes."""

    def __init__(
        self, history: History, text: str, before: dict[str, Any], after: dict[str, Any], key: str
    ) -> None:
        super().__init__(text)
        self._history = history
        self._before, self._after, self._key = before, after, key
        self._time = time.monotonic()
        self._done = True

    def id(self) -> int:
        return _VALUE_STEP if self._key else _OTHER_STEP

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, _Step) or other._key != self._key or other._time - self._time > _MERGE_S:
            return False
        self._after, self._time = other._after, other._time
        return True

    def undo(self) -> None:
        self._history.show(self._before)
        self._done = False

    def redo(self) -> None:
        # QUndoStack.push() calls redo(), but the change has been made already.
        if not self._done:
            self._history.show(self._after)
            self._done = True


def _text(event: GraphEvent) -> str:
    """Return the step's name for the Edit menu."""
    name = event.node.name
    match event.change:
        case Change.NODE_ADDED:
            return f"Create {name}"
        case Change.NODE_REMOVED:
            return f"Delete {name}"
        case Change.NODE_RENAMED:
            return f"Rename {event.detail} to {name}"
        case Change.NODE_MOVED:
            return f"Move {name}"
        case Change.CONNECTION:
            return f"Connection of {name}"
        case Change.BYPASSED:
            return f"{'Disable' if event.node.bypassed else 'Enable'} {name}"
        case Change.VALUE:
            return f"{event.node.spec(event.detail).label} of {name}"
