"""The *Disk Render Frames…* dialog: frames, order and tasks of a Disk Render of several frames."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from .frame_sequence import FrameError, FrameRequest, Order, divided, frame_pattern, parse, path_of
from .style import align_number

__all__ = ["SequenceDialog"]


class SequenceDialog(QDialog):
    """Emits a FrameRequest when accepted; does not start the render. Qt's thread.

    Args:
        node: name of the Render node.
        farm: title of the farm that it is sent to.
        output: path in the node's Output parameter.
        current: the current frame.
        working: first and last frame of the working range; the last one may be before the first.
        parent: the window that it belongs to.

    Signals:
        requested: the FrameRequest, when the artist accepts the dialog.
    """

    requested = Signal(object)

    def __init__(
        self,
        node: str,
        farm: str,
        output: str,
        current: int,
        working: tuple[int, int],
        parent: QWidget | None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Disk Render Frames of {node} – {farm}")
        self._output = output
        first, last = working
        whole = f"{first}-{last}" if last > first else str(first)
        self.frames = QLineEdit(whole, self)
        self.frames.setMinimumWidth(220)
        self.frames.setToolTip("For example 1-10, 20, 30-45x2")
        self.presets = QComboBox(self)
        for title, text in (
            ("Presets", ""),
            ("Current Frame", str(current)),
            ("In/Out", whole),
            ("First/Middle/Last", ",".join(str(each) for each in sorted({first, (first + last) // 2, last}))),
        ):
            self.presets.addItem(title, text)
        self.presets.activated.connect(self._on_preset)
        self.step = _number(1, 1, 1000, "Step of ranges that give none: 2 renders every other frame", self)
        per_task = "Frames that one process renders in turn, with the renderer loaded once"
        self.per_task = _number(1, 1, 1000, per_task, self)
        self.priority = _number(0, -1000, 1000, "A job with a higher priority starts earlier", self)
        self.order = QComboBox(self)
        for order in Order:
            self.order.addItem(order.value, order)
        self.skip_existing = QCheckBox("&Skip frames whose file exists", self)
        self.make_folders = QCheckBox("&Make folders that are missing", self)
        self.make_folders.setChecked(True)
        self.summary = QLabel(self)
        self.summary.setWordWrap(True)
        self.buttons = QDialogButtonBox(self)
        self.render_button = self.buttons.addButton("Render", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self._on_accepted)
        self.buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(self.frames, 1)
        row.addWidget(self.presets)
        form = QFormLayout()
        form.addRow("&Frames", row)
        form.labelForField(row).setBuddy(self.frames)  # type: ignore[attr-defined]  # a QLabel
        form.addRow("S&tep", self.step)
        form.addRow("&Order", self.order)
        form.addRow("Frames per Tas&k", self.per_task)
        form.addRow("&Priority", self.priority)
        form.addRow(self.skip_existing)
        form.addRow(self.make_folders)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.summary)
        layout.addWidget(self.buttons)
        self.frames.textChanged.connect(self._update)
        for number in (self.step, self.per_task):
            number.valueChanged.connect(self._update)
        self._update()
        self.frames.selectAll()

    def _on_preset(self, index: int) -> None:
        text = self.presets.itemData(index)
        if text:
            self.frames.setText(text)
        self.presets.setCurrentIndex(0)

    def _request(self) -> FrameRequest:
        frames = parse(self.frames.text(), self.step.value())
        return FrameRequest(
            tuple(frames),
            frame_pattern(self._output),
            Order(self.order.currentData()),  # Qt returns a plain string
            self.skip_existing.isChecked(),
            self.make_folders.isChecked(),
            self.per_task.value(),
            self.priority.value(),
        )

    def _update(self) -> None:
        try:
            request = self._request()
        except FrameError as error:
            self._show(str(error), is_problem=True)
            self.render_button.setEnabled(False)
            return
        frames = request.frames
        count = "1 frame" if len(frames) == 1 else f"{len(frames):,} frames"
        tasks = len(divided(frames, request.per_task))
        if tasks < len(frames):
            count += " in 1 task" if tasks == 1 else f" in {tasks:,} tasks"
        more = " …" if len(frames) > 1 else ""
        self._show(f"{count}: {path_of(request.pattern, frames[0])}{more}", is_problem=False)
        self.render_button.setEnabled(True)

    def _show(self, text: str, *, is_problem: bool) -> None:
        self.summary.setText(text)
        self.summary.setProperty("role", "bad" if is_problem else "")
        self.summary.style().polish(self.summary)  # a style sheet does not follow a property by itself

    def _on_accepted(self) -> None:
        self.requested.emit(self._request())
        self.accept()


def _number(value: int, minimum: int, maximum: int, hint: str, parent: QWidget) -> QSpinBox:
    field = QSpinBox(parent)
    field.setRange(minimum, maximum)
    field.setValue(value)
    field.setToolTip(hint)
    align_number(field)
    return field
