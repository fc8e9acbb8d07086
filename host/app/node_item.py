"""How a node is drawn: a flat plate in its type's colour, its name inside, ports above and below."""

from __future__ import annotations

from typing import Any

from NodeGraphQt import BaseNode
from NodeGraphQt.constants import PortEnum
from NodeGraphQt.qgraphics.node_base import NodeItem
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from . import style

_MARK = QColor(226, 226, 226)
_WIDTH, _HEIGHT = 148.0, 36.0


class NodePlate(NodeItem):  # type: ignore[misc]  # NodeGraphQt has no types
    """The drawing of one node."""

    edited = False
    bypassed = False

    def _set_base_size(self, add_w: float = 0.0, add_h: float = 0.0) -> None:
        del add_w, add_h
        text = float(self._text_item.boundingRect().width())
        ports = max(len(self.inputs), 1) * (PortEnum.SIZE.value + 8.0)
        self._width, self._height = max(_WIDTH, text + 36.0, ports), _HEIGHT

    def _align_label_vertical(self, h_offset: float, v_offset: float) -> None:
        del h_offset, v_offset
        text = self._text_item.boundingRect()
        self._text_item.setPos((self._width - text.width()) / 2, (self._height - text.height()) / 2)

    def _align_icon_vertical(self, h_offset: float, v_offset: float) -> None:
        del h_offset, v_offset
        self._icon_item.setVisible(False)

    def post_init(self, viewer: Any = None, pos: Any = None) -> None:
        super().post_init(viewer, pos)
        font = QFont(self._text_item.font())
        font.setPointSizeF(10.0)
        self._text_item.setFont(font)
        # Names are edited among the parameters: a double-click there must not open an editor in the plate.
        self._text_item.set_locked(True)
        self._text_item.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.draw_node()

    def _tooltip_disable(self, state: bool) -> None:
        """NodeGraphQt would show its own type identifier here."""
        del state

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        self.auto_switch_mode()
        rect = QRectF(0.5, 0.5, self._width - 1.0, self._height - 1.0)
        base = QColor(*self.color)
        if self.bypassed:
            base = QColor.fromHsv(base.hue(), base.saturation() // 4, base.value() * 3 // 4)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QBrush(base.lighter(135) if self.selected else base))
        painter.drawRoundedRect(rect, 4.0, 4.0)
        painter.setBrush(QBrush(base.darker(140)))
        painter.drawRoundedRect(QRectF(rect.x(), rect.y(), 6.0, rect.height()), 3.0, 3.0)
        if self.edited:
            painter.setBrush(QBrush(_MARK))
            painter.drawRoundedRect(QRectF(rect.right() - 15.0, rect.center().y() - 4.0, 8.0, 8.0), 2.0, 2.0)
        border = style.ACCENT if self.selected else base.darker(190)
        painter.setPen(QPen(border, 1.8 if self.selected else 1.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(rect, 4.0, 4.0)
        if self.bypassed:
            painter.setPen(QPen(style.BAD, 1.6))
            middle = rect.center().y()
            painter.drawLine(QPointF(rect.left() + 12.0, middle), QPointF(rect.right() - 4.0, middle))
        painter.restore()


class ShownNode(BaseNode):  # type: ignore[misc]  # NodeGraphQt has no types
    """NodeGraphQt's node object; the Node Graph tab sets what it shows."""

    __identifier__ = "host"
    NODE_NAME = "Node"

    def __init__(self) -> None:
        super().__init__(qgraphics_item=NodePlate)
        self.set_port_deletion_allowed(True)
