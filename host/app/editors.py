"""Editors: one widget for each kind of parameter. A signal is emitted when the artist changes its value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import shiboken6
from PySide6.QtCore import QEvent, QLocale, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QValidator
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QWidget,
)

from ..nodes.parameters import Kind, ParameterSpec, Value, Vector3
from . import style
from .field_input import keep_escape, line_of

_PATH_CHARACTERS = 24
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_LIMIT = 1e15
"""Range of the field. A number beyond the parameter's own limits is refused with a message when set."""


class _FieldEvents(QObject):
    """Event filter of a field: ignores the wheel without focus, and undo and redo while nothing was typed."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()  # the page scrolls instead
            return True
        line = line_of(watched)
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and line is not None
            and not line.isModified()
            and (event.matches(QKeySequence.StandardKey.Undo) or event.matches(QKeySequence.StandardKey.Redo))
        ):
            event.ignore()  # the Edit menu's action handles it
            return True
        return False


def _on_entered(line: QLineEdit) -> None:
    """Note that nothing was typed since, unless the field lost the focus because it is being deleted."""
    if shiboken6.isValid(line):
        line.setModified(False)


class Editor(QWidget):
    """Base of all editors.

    Signals:
        value_edited: the new value, set by the artist. Not emitted by `show_value`.
    """

    value_edited = Signal(object)
    is_expression = False
    """Whether the editor edits the parameter's expression and not its value."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)

    def show_value(self, value: Value) -> None:
        """Show `value` without emitting `value_edited`."""
        raise NotImplementedError

    def _adopt(self, widget: QWidget, stretch: int = 1) -> None:
        widget.setAccessibleName(self.spec.label)
        if self.spec.hint:
            widget.setToolTip(self.spec.hint)
        self._layout.addWidget(widget, stretch)
        self._guard(widget)
        if self.focusProxy() is None:
            self.setFocusProxy(widget)

    def _guard(self, widget: QWidget) -> None:
        events = _FieldEvents(self)
        if isinstance(widget, QAbstractSpinBox | QComboBox):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # by default the wheel gives the focus
        widget.installEventFilter(events)
        line = line_of(widget)
        if line is not None:
            keep_escape(widget)
            field = widget if isinstance(widget, QAbstractSpinBox) else line
            field.editingFinished.connect(lambda: _on_entered(line))


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


class ExpressionEditor(TextEditor):
    """Edits the expression of a parameter. An empty expression restores the parameter's own value."""

    is_expression = True

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        mark = QLabel("=", self)
        mark.setStyleSheet("color: #c9a0ff; font-weight: bold;")
        self._layout.insertWidget(0, mark)
        self.line.setAccessibleName(f"Expression of {spec.label}")
        self.line.setToolTip("An expression, for example getVar('shot')")


class FileEditor(TextEditor):
    """Edits a path, with a dialog to choose it."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        # The end of a path distinguishes it; where it does not fit, the label is put above the field.
        self.line.setMinimumWidth(self.line.fontMetrics().averageCharWidth() * _PATH_CHARACTERS)
        button = QToolButton(self)
        button.setText("…")
        button.clicked.connect(self._choose)
        self._adopt(button, 0)
        button.setAccessibleName(f"Choose {spec.label}")

    def show_value(self, value: Value) -> None:
        super().show_value(value)
        self.line.setToolTip(str(value) or self.spec.hint)

    def _choose(self) -> None:
        text, label, filters = self.line.text(), self.spec.label, self.spec.file_filter
        if self.spec.is_written:
            # A render replaces its file without a question, so the dialog asks none.
            overwrites = QFileDialog.Option.DontConfirmOverwrite
            chosen, _ = QFileDialog.getSaveFileName(self, label, text, filters, "", overwrites)
        else:
            folder = str(Path(text).parent) if text else ""
            chosen, _ = QFileDialog.getOpenFileName(self, label, folder, filters)
        if chosen:
            self.line.setText(chosen)
            self._on_finished()


class CameraEditor(Editor):
    """Edits the path of a camera prim; `offer` fills its list with the cameras of the scene."""

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
        """Replace the list of cameras, given as prim paths; the text in the field stays."""
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
    """Edits a choice from a fixed list."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QComboBox(self)
        self.box.addItems(list(spec.choices))
        self.box.activated.connect(lambda: self.value_edited.emit(self.box.currentText()))
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self.box.setCurrentText(str(value))


class BooleanEditor(Editor):
    """Edits a boolean."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QCheckBox(self)
        self.box.clicked.connect(self.value_edited.emit)
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        self.box.setChecked(bool(value))


class NumberBox(QDoubleSpinBox):
    """A spin box without trailing zeros. Arrows stay within the parameter's limits; typed numbers may not.

    The step is the parameter's; where it has none, the step adapts to the size of the number. Numbers have
    a decimal point in every locale, as in files and expressions; a comma that is typed becomes one. Where
    the text is no number, as with two separators, Enter restores the number of before.
    """

    def __init__(self, spec: ParameterSpec, decimals: int = 6, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = spec
        self.setLocale(QLocale.c())  # for Qt's parsing, which must match `textFromValue`
        self.setDecimals(decimals)
        self.setRange(-_LIMIT, _LIMIT)
        if spec.step:
            self.setSingleStep(spec.step)
        else:
            self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)
        style.align_number(self)
        self.setMinimumWidth(56)

    def textFromValue(self, value: float) -> str:
        text = f"{value:.{self.decimals()}f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        if self.decimals():
            text = text.replace(",", ".")  # Qt would take it for a separator of thousands: 1,5 would be 15
        elif "," in text and not _THOUSANDS.fullmatch(text.strip()):
            return QValidator.State.Intermediate, text, position
        state, text, position = super().validate(text, position)
        if state == QValidator.State.Invalid:  # Qt would drop the last key: the rest is another number
            state = QValidator.State.Intermediate
        return state, text, position

    def fixup(self, text: str) -> str:
        """Return a number without the decimals that are too many; Qt's own would turn 1,5 into 15."""
        try:
            return self.textFromValue(float(text)) if self.decimals() else text
        except ValueError:
            return text

    def stepBy(self, steps: int) -> None:
        before = self.value()
        with QSignalBlocker(self):
            super().stepBy(steps)
            self.setValue(min(max(self.value(), self._spec.minimum), self._spec.maximum))
        if self.value() != before:
            self.valueChanged.emit(self.value())

    def stepEnabled(self) -> QDoubleSpinBox.StepEnabledFlag:
        flags = QDoubleSpinBox.StepEnabledFlag.StepNone
        if self.value() < self._spec.maximum:
            flags |= QDoubleSpinBox.StepEnabledFlag.StepUpEnabled
        if self.value() > self._spec.minimum:
            flags |= QDoubleSpinBox.StepEnabledFlag.StepDownEnabled
        return flags


class NumberEditor(Editor):
    """Edits a number."""

    decimals = 6

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = NumberBox(spec, self.decimals, self)
        self.box.valueChanged.connect(self._on_changed)
        self._adopt(self.box)

    def show_value(self, value: Value) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(float(cast(float, value)))

    def _on_changed(self, value: float) -> None:
        self.value_edited.emit(value)


class IntegerEditor(NumberEditor):
    """Edits a whole number."""

    decimals = 0

    def _on_changed(self, value: float) -> None:
        self.value_edited.emit(int(value))


class VectorEditor(Editor):
    """Edits three numbers."""

    def __init__(self, spec: ParameterSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.boxes = [NumberBox(spec, 6, self) for _ in range(3)]
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


class _Swatch(QAbstractButton):
    """A button that shows a colour, converted from linear to sRGB."""

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
            # A traceback would keep the painter alive; Qt crashes if it outlives the paint event.
            painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):  # Qt's own buttons take Space alone
            self.click()
        else:
            super().keyPressEvent(event)


class ColorEditor(VectorEditor):
    """Edits a linear colour: three numbers, and a swatch that opens a colour dialog.

    Swatch and dialog show a colour brighter than 1 divided by its largest number; a choice is multiplied by
    it, so that another hue keeps the intensity.
    """

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
        channels = cast(Vector3, value)
        shown = [_to_display(channel / _intensity(channels)) for channel in channels]
        self.swatch.color = QColor.fromRgbF(*shown)
        self.swatch.update()

    def _choose(self) -> None:
        shown, intensity = self.swatch.color, _intensity(self._value())
        chosen = QColorDialog.getColor(shown, self, self.spec.label)
        # The dialog has 8 bits for each channel: what was not changed there keeps its exact numbers.
        if chosen.isValid() and chosen.rgb() != shown.rgb():
            value = tuple(
                round(_to_linear(channel) * intensity, 4)
                for channel in (chosen.redF(), chosen.greenF(), chosen.blueF())
            )
            self.show_value(cast(Vector3, value))
            self.value_edited.emit(value)


def _intensity(value: Vector3) -> float:
    """Return what a linear colour is divided by to be shown: its largest number, or 1."""
    return max(1.0, *value)


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
    """Return a new editor for the parameter's kind."""
    return _EDITORS[spec.kind](spec, parent)
