"""The view of the Node Graph: NodeGraphQt's, with the mouse, keys and menus of this desktop."""

from __future__ import annotations

from NodeGraphQt.widgets.viewer import NodeViewer
from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QGraphicsItem, QGraphicsView

_KEYS = (
    Qt.Key.Key_Tab,
    Qt.Key.Key_Delete,
    Qt.Key.Key_Backspace,
    Qt.Key.Key_F,
    Qt.Key.Key_D,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
)


class Viewer(NodeViewer):  # type: ignore[misc]  # NodeGraphQt has no types
    """NodeGraphQt's view without its own menus and keys.

    Signals:
        menu_requested: where a menu is asked for, and whether by a key.
        key_pressed: one of the desktop's own keys.
    """

    menu_requested = Signal(QPoint, bool)
    key_pressed = Signal(int)
    is_framed = True
    """Whether no mouse button was pressed and no wheel turned since the graph was framed."""

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.RMB_state = False
        self.menu_requested.emit(event.pos(), event.reason() == QContextMenuEvent.Reason.Keyboard)
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.is_framed = False
        super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.is_framed = False
        self._take_modifiers(event.modifiers())
        # NodeGraphQt would drag a wire or a port with the right button, which opens the menu here.
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._take_modifiers(event.modifiers())
        super().mouseMoveEvent(event)
        self._show_hint_whole()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._take_modifiers(event.modifiers())
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            return
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            return
        super().mouseDoubleClickEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not NodeGraphQt's own: it puts menus in place whose keys, Ctrl+Z among them, are the window's here.
        QGraphicsView.focusInEvent(self, event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        # The release of a key or button that takes the focus away, as Ctrl+S does, is sent to another window.
        self.clear_key_state()
        self.LMB_state = self.MMB_state = self.RMB_state = False
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _KEYS and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.key_pressed.emit(int(event.key()))
            return
        super().keyPressEvent(event)
        self._show_hint_whole()

    def focusNextPrevChild(self, next_child: bool) -> bool:
        """Tab opens the node menu here, as in Katana; Shift+Tab still leaves the panel."""
        return False if next_child else bool(super().focusNextPrevChild(next_child))

    def _show_hint_whole(self) -> None:
        """Move the hint about a modifier key into the view; it is at the pointer, which may be at an edge."""
        hint = self._cursor_text
        if not hint.isVisible():
            return
        # Its size is that of its letters, whatever the zoom.
        hint.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
        size, place = hint.boundingRect().size().toSize(), self.mapFromScene(hint.pos())
        room = self.viewport().rect()
        x = max(room.left(), min(place.x(), room.right() - size.width()))
        y = max(room.top(), min(place.y(), room.bottom() - size.height()))
        hint.setPos(self.mapToScene(x, y))

    def _take_modifiers(self, modifiers: Qt.KeyboardModifier) -> None:
        """Take the held keys from the event: NodeGraphQt remembers presses whose releases it missed."""
        self.ALT_state = modifiers == Qt.KeyboardModifier.AltModifier
        self.CTRL_state = modifiers == Qt.KeyboardModifier.ControlModifier
        self.SHIFT_state = modifiers == Qt.KeyboardModifier.ShiftModifier
        if modifiers == Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier:
            self.ALT_state = self.SHIFT_state = True
