"""The timeline: sets the current frame and the working range."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QSpinBox, QWidget

from ..nodes.frames import MAX_FRAME
from ..nodes.scene import SceneChange, active_scene
from .field_input import keep_escape


class Timeline(QWidget):
    """In and out frame, a slider between them, and the current frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._first = _frame_box(self, "First frame")
        self._last = _frame_box(self, "Last frame")
        self._frame = _frame_box(self, "Current frame")
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setAccessibleName("Frame")
        self._slider.setMinimumWidth(160)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 3, 8, 3)
        layout.setSpacing(8)
        for text, widget in (
            ("In", self._first),
            ("", self._slider),
            ("Out", self._last),
            ("Frame", self._frame),
        ):
            if text:
                label = QLabel(text, self)
                label.setProperty("role", "dim")
                layout.addWidget(label)
            layout.addWidget(widget, 1 if widget is self._slider else 0)
        scene = active_scene()
        self._show()
        scene.observe(self._on_scene_changed)
        self.destroyed.connect(lambda: scene.ignore(self._on_scene_changed))
        self._frame.valueChanged.connect(lambda frame: scene.set_frame(float(frame)))
        self._slider.valueChanged.connect(lambda frame: scene.set_frame(float(frame)))
        self._first.valueChanged.connect(self._on_range_edited)
        self._last.valueChanged.connect(self._on_range_edited)

    def _on_range_edited(self) -> None:
        scene, first, last = active_scene(), self._first.value(), self._last.value()
        before = scene.project.first_frame, scene.project.last_frame
        scene.set_range(float(first), float(max(first, last)))
        if before != (scene.project.first_frame, scene.project.last_frame):
            scene.mark_changed()  # unlike for a range that was read from a USD file
        self._show()

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change in (SceneChange.FRAME, SceneChange.REPLACED):
            self._show()

    def _show(self) -> None:
        project = active_scene().project
        widgets = (self._first, self._last, self._frame, self._slider)
        for widget in widgets:
            widget.blockSignals(True)
        self._first.setValue(round(project.first_frame))
        self._last.setValue(round(project.last_frame))
        self._frame.setValue(round(project.frame))
        self._slider.setRange(round(project.first_frame), round(project.last_frame))
        self._slider.setValue(round(project.frame))
        self._slider.setEnabled(project.last_frame > project.first_frame)
        for widget in widgets:
            widget.blockSignals(False)


def _frame_box(parent: QWidget, name: str) -> QSpinBox:
    box = QSpinBox(parent)
    box.setRange(-MAX_FRAME, MAX_FRAME)
    box.setAccessibleName(name)
    box.setToolTip(name)
    box.setMinimumWidth(64)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setKeyboardTracking(False)
    keep_escape(box)
    return box
