"""Editors: one widget for each kind of parameter. They hold a value and say when the artist changed it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QToolButton,
    QWidget,
)

from ..nodes.parameters import Kind, ParameterSpec, Value, Vector3
from . import style

_INT_LIMIT = 2**31 - 1


class Editor(QWidget):
    """Base of all editors.

    Signals:
        value_edited: the artist set a new value. Not sent for `show_value`.
    """

    value_edited = Signal(object)

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)

    def show_value(self, value: Value) -> None:
        """Show `value`."""
        raise NotImplementedError

    def _adopt(self, widget: QWidget, stretch: int = 1) -> None:
        widget.setAccessibleName(self.spec.label)
        if self.spec.hint:
            widget.setToolTip(self.spec.hint)
        self._layout.addWidget(widget, stretch)
        if self.focusProxy() is None:
            self.setFocusProxy(widget)


class TextEditor(Editor):
    """Edits a line of text."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.line = QLineEdit(self)
        self.line.editingFinished.connect(self._on_finished)
        self._shown = ""
        self._adopt(self.line)

    def show_value(self, value: Value) -> None:
        self._shown = str(value)
        self.line.setText(self._shown)

    def _on_finished(self) -> None:
        if self.line.text() != self._shown:
            self._shown = self.line.text()
            self.value_edited.emit(self._shown)


class FileEditor(TextEditor):
    """Edits a path, with a dialog to choose it."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        button = QToolButton(self)
        button.setText("…")
        button.clicked.connect(self._choose)
        self._adopt(button, 0)
        button.setAccessibleName(f"Choose {spec.label}")

    def show_value(self, value: Value) -> None:
        super().show_value(value)
        self.line.setToolTip(str(value) or self.spec.hint)

    def _choose(self) -> None:
        folder = str(Path(self.line.text()).parent) if self.line.text() else ""
        chosen, _ = QFileDialog.getOpenFileName(self, self.spec.label, folder, self.spec.file_filter)
        if chosen:
            self.line.setText(chosen)
            self._on_finished()


class CameraEditor(Editor):
    """Edits the path of a camera; the cameras of the scene are offered once they are known."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QComboBox(self)
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        line = self.box.lineEdit()
        assert line is not None
        line.setPlaceholderText("the scene's own")
        self.box.activated.connect(self._on_edited)
        line.editingFinished.connect(self._on_edited)
        self._shown = ""
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self._shown = str(value)
        self.box.setEditText(self._shown)

    def offer(self, cameras: list[str]) -> None:
        """Offer these cameras."""
        text = self.box.currentText()
        self.box.clear()
        self.box.addItems(["", *cameras])
        self.box.setEditText(text)

    def _on_edited(self) -> None:
        text = self.box.currentText().strip()
        if text != self._shown:
            self._shown = text
            self.value_edited.emit(text)


class ChoiceEditor(Editor):
    """Edits one of several."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QComboBox(self)
        self.box.addItems(list(spec.choices))
        self.box.activated.connect(lambda: self.value_edited.emit(self.box.currentText()))
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self.box.setCurrentText(str(value))


class BooleanEditor(Editor):
    """Edits yes or no."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QCheckBox(self)
        self.box.clicked.connect(self.value_edited.emit)
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self.box.setChecked(bool(value))


class IntegerEditor(Editor):
    """Edits a whole number."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QSpinBox(self)
        self.box.setRange(
            int(spec.minimum) if math.isfinite(spec.minimum) else -_INT_LIMIT,
            int(spec.maximum) if math.isfinite(spec.maximum) else _INT_LIMIT,
        )
        self.box.setKeyboardTracking(False)
        style.align_number(self.box)
        self.box.valueChanged.connect(self.value_edited.emit)
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self.box.blockSignals(True)
        self.box.setValue(int(cast(float, value)))
        self.box.blockSignals(False)


class NumberBox(QDoubleSpinBox):
    """A number without a tail of zeros, whose step grows with it."""

    def __init__(self, minimum: float, maximum: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(6)
        self.setRange(max(minimum, -1e12), min(maximum, 1e12))
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)
        style.align_number(self)
        self.setMinimumWidth(56)

    def textFromValue(self, value: float) -> str:
        return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


class NumberEditor(Editor):
    """Edits a number."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = NumberBox(spec.minimum, spec.maximum, self)
        self.box.valueChanged.connect(self.value_edited.emit)
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self.box.blockSignals(True)
        self.box.setValue(float(cast(float, value)))
        self.box.blockSignals(False)


class VectorEditor(Editor):
    """Edits three numbers."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.boxes = [NumberBox(spec.minimum, spec.maximum, self) for _ in range(3)]
        for box, name in zip(self.boxes, "xyz", strict=True):
            box.setProperty("narrow", True)  # three of them side by side have no room for arrows
            box.valueChanged.connect(lambda: self.value_edited.emit(self._value()))
            self._adopt(box)
            box.setAccessibleName(f"{spec.label} {name}")

    def _value(self) -> Vector3:
        return self.boxes[0].value(), self.boxes[1].value(), self.boxes[2].value()

    def show_value(self, value: Value) -> None:
        for box, number in zip(self.boxes, cast(Vector3, value), strict=True):
            box.blockSignals(True)
            box.setValue(number)
            box.blockSignals(False)


class _Swatch(QWidget):
    """Shows a linear colour as the eye would see it."""

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.color = QColor()
        self.setFixedSize(36, 20)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        try:
            painter.setBrush(self.color)
            painter.setPen(style.ACCENT if self.hasFocus() else QColor(90, 90, 90))
            painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 3, 3)
        finally:
            # An error's traceback would keep the painter, and Qt dies of a painter that outlives its event.
            painter.end()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()


class ColorEditor(VectorEditor):
    """Edits a linear colour: a swatch that opens a dialog, and its numbers."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.swatch = _Swatch(self)
        self.swatch.clicked.connect(self._choose)
        self.swatch.setAccessibleName(f"Choose {spec.label}")
        self._layout.insertWidget(0, self.swatch)
        self.value_edited.connect(self._show_swatch)

    def show_value(self, value: Value) -> None:
        super().show_value(value)
        self._show_swatch(value)

    def _show_swatch(self, value: object) -> None:
        shown = [_to_display(channel) for channel in cast(Vector3, value)]
        self.swatch.color = QColor.fromRgbF(*shown)
        self.swatch.update()

    def _choose(self) -> None:
        chosen = QColorDialog.getColor(self.swatch.color, self, self.spec.label)
        if chosen.isValid():
            value = tuple(
                round(_to_linear(channel), 4) for channel in (chosen.redF(), chosen.greenF(), chosen.blueF())
            )
            self.show_value(cast(Vector3, value))
            self.value_edited.emit(value)


def _to_display(linear: float) -> float:
    linear = min(max(linear, 0.0), 1.0)
    return linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _to_linear(display: float) -> float:
    return float(display / 12.92 if display <= 0.04045 else ((display + 0.055) / 1.055) ** 2.4)


_EDITORS: dict[Kind, type[Editor]] = {
    Kind.BOOLEAN: BooleanEditor,
    Kind.INTEGER: IntegerEditor,
    Kind.NUMBER: NumberEditor,
    Kind.STRING: TextEditor,
    Kind.PATTERN: TextEditor,
    Kind.CHOICE: ChoiceEditor,
    Kind.FILE: FileEditor,
    Kind.CAMERA: CameraEditor,
    Kind.COLOR: ColorEditor,
    Kind.VECTOR: VectorEditor,
}


def editor_for(spec: ParameterSpec, parent: QWidget | None = None) -> Editor:
    """Return the editor that suits the parameter."""
    return _EDITORS[spec.kind](spec, parent)
