"""The dialog *Start Multiple Renders*: choose nodes, variables and frames, start renders, show progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from Katana import RenderManager
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .....kq.api import KqError, Severity, fill_picture
from .... import import_isolation, queue_session
from ....start_render import start_render
from ....ui.shortcut_override import accept_own_keys
from ....ui.theme import COMPACT_BUTTONS, SPACING, colour_text, state_colour
from . import katana_project as project
from .form import label, row
from .render_plan import ASK_FROM, PlannedRender, RenderPlan, plan_problem
from .render_starter import RenderStarter
from .single_dialog import SingleDialog

__all__ = ["StartMultipleRendersDialog", "StartProgressDialog", "TickPanel"]

_MAX_PROBLEMS = 5
_PROGRESS_WIDTH = 420


class TickPanel(QWidget):
    """A list with a check box for each entry, and buttons *All* and *None*. All are checked at first."""

    def __init__(self, title: str, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget(self)
        self.list.setAccessibleName(title)
        self.tab_order: list[QWidget] = [self.list]
        heading = QHBoxLayout()
        heading.setSpacing(2)
        heading.addWidget(_whole(label(title, self.list)), 1)
        for text, state in (("All", Qt.CheckState.Checked), ("None", Qt.CheckState.Unchecked)):
            button = QToolButton(self)
            button.setText(text)
            button.setAccessibleName(f"{text} of {title}")
            button.setAutoRaise(True)
            button.setStyleSheet(COMPACT_BUTTONS)
            button.clicked.connect(lambda _checked=False, state=state: self.tick_all(state))
            heading.addWidget(button)
            self.tab_order.append(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(heading)
        layout.addWidget(self.list, 1)
        self.fill(names)

    def fill(self, names: Sequence[str]) -> None:
        """Replace the entries. Those that stay keep their check, and new ones are checked; no signals."""
        before = {item.text(): item.checkState() for item in self._items()}
        if list(before) != list(names):
            self.list.blockSignals(True)
            self.list.clear()
            for name in names:
                item = QListWidgetItem(name, self.list)
                item.setCheckState(before.get(name, Qt.CheckState.Checked))
            self.list.blockSignals(False)
        self.setEnabled(bool(names))  # an empty list would take the keyboard without showing it

    def ticked(self) -> list[str]:
        """Return the checked entries, from the top."""
        return [item.text() for item in self._items() if item.checkState() == Qt.CheckState.Checked]

    def tick_all(self, state: Qt.CheckState) -> None:
        """Set the check state of all entries."""
        for item in self._items():
            item.setCheckState(state)

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(place) for place in range(self.list.count())]


class StartMultipleRendersDialog(SingleDialog):
    """Offers the nodes and variables that the project had when it was opened or raised. Qt's thread.

    Variables that are not ticked have the project's present values.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Start Multiple Renders")
        self.progress: StartProgressDialog | None = None
        self.nodes = TickPanel("Render Nodes", (), self)
        self.names = TickPanel("Global GSVs", (), self)
        self.values: dict[str, TickPanel] = {}
        self._panels = QHBoxLayout()
        self.frames = QLineEdit(str(project.current_frame()), self)
        self.frames.setToolTip("For example 1-10, 20, 30-45x2")
        self.presets = QComboBox(self)
        self.send_to = QComboBox(self)
        self.send_to.addItems(project.send_to_choices())
        self.count = QLabel(self)
        self.count.setWordWrap(True)
        modes = RenderManager.RenderModes
        self.buttons = {
            method: QPushButton(title, self)
            for method, title in (
                (modes.PREVIEW_RENDER, "&Preview Render"),
                (modes.LIVE_RENDER, "&Live Render"),
                (modes.DISK_RENDER, "&Disk Render"),
            )
        }
        self.presets.addItems(["Presets", *_presets()])
        self.presets.activated.connect(self._on_preset)
        self._lay_out()
        for panel in (self.nodes, self.names):
            self._add(panel)
        self.frames.textChanged.connect(lambda _text: self._update())
        self.send_to.currentTextChanged.connect(lambda _farm: self._update())
        for method, button in self.buttons.items():
            button.setAutoDefault(False)
            button.clicked.connect(lambda _checked=False, method=method: self._on_start(method))
        accept_own_keys(self)
        self.refresh()
        self.resize(min(1100, 200 + 180 * (2 + len(self.values))), 420)

    def refresh(self) -> None:
        """Take over the project's nodes, variables and frame, but no frame over a chosen range."""
        variables = project.project_variables()
        self.nodes.fill(project.render_nodes())
        self.names.fill([each.name for each in variables])
        before, self.values = self.values, {}
        for each in variables:
            panel = before.pop(each.name, None) or TickPanel(each.name, (), self)
            panel.fill(each.options)
            self.values[each.name] = panel
            if self._panels.indexOf(panel) < 0:
                self._add(panel)
        for panel in before.values():
            self._panels.removeWidget(panel)
            panel.hide()
            panel.deleteLater()
        panels = (self.nodes, self.names, *self.values.values())
        for one, next_one in pairwise(widget for panel in panels for widget in panel.tab_order):
            self.setTabOrder(one, next_one)
        if not self.frames.isModified():
            self.frames.setText(str(project.current_frame()))
        self._update()

    def _add(self, panel: TickPanel) -> None:
        panel.setMinimumWidth(max(170, panel.minimumSizeHint().width()))  # its buttons are never cut off
        panel.list.itemChanged.connect(lambda _item: self._update())
        self._panels.addWidget(panel)

    def _on_preset(self, place: int) -> None:
        text = _presets().get(self.presets.itemText(place))
        if text:
            self.frames.setText(text)
            self.frames.setModified(True)
        self.presets.setCurrentIndex(0)

    def _lay_out(self) -> None:
        panels = QWidget(self)
        panels.setLayout(self._panels)
        self._panels.setContentsMargins(0, 0, 0, 0)
        self._panels.setSpacing(2 * SPACING)
        area = QScrollArea(self)  # a project may have many variables
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(panels)
        fields = QHBoxLayout()
        fields.setSpacing(SPACING)
        fields.addWidget(label("&Frame Range", self.frames))
        fields.addLayout(row(self.frames, self.presets), 1)
        fields.addSpacing(2 * SPACING)
        fields.addWidget(_whole(label("Send &To", self.send_to)))
        fields.addWidget(self.send_to)
        close = QPushButton("Close", self)
        close.setAutoDefault(False)
        close.clicked.connect(self.reject)
        ends = QHBoxLayout()
        ends.addStretch(1)
        for button in (*self.buttons.values(), close):
            ends.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addWidget(area, 1)
        layout.addLayout(fields)
        layout.addWidget(self.count)  # in a row of its own: an invalid frame range takes a long message
        layout.addLayout(ends)

    # --- What is chosen ---

    def plan(self) -> RenderPlan:
        """Return the current choice. Raises BadInput when the frame range is empty or invalid."""
        varied = self.names.ticked()
        now = {each.name: each.value for each in project.project_variables()}
        variables: Mapping[str, Sequence[str]] = {
            name: panel.ticked() if name in varied else [now[name]]
            for name, panel in self.values.items()
            if name in varied or name in now
        }
        return RenderPlan.of(self.nodes.ticked(), variables, self.frames.text())

    def _update(self) -> None:
        for name, panel in self.values.items():
            panel.setEnabled(name in self.names.ticked())
        try:
            plan = self.plan()
            problem = plan_problem(plan)
        except KqError as error:
            text = str(error)
            problem = f"{text[:1].upper()}{text[1:]}."
        if not problem and not self.send_to.count():
            problem = "No farm plug-in is registered."
        if not problem and self.send_to.currentText() == import_isolation.farm_name():
            failure = queue_session.failure()
            problem = f"Katana Queue is not running: {failure}." if failure else ""
        if problem:
            colour_text(self.count, state_colour(Severity.ERROR, self.palette()))
            self.count.setText(problem)
        else:
            colour_text(self.count, self.palette().color(QPalette.ColorRole.WindowText))
            self.count.setText(_count_text(plan))
        for button in self.buttons.values():
            button.setEnabled(not problem)

    # --- Starting ---

    def _on_start(self, method: str) -> None:
        self._update()  # the queue may have ended since
        if not self.buttons[method].isEnabled():
            return
        plan = self.plan()
        if plan.total < ASK_FROM:
            self._start(plan, method)
            return
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Start Multiple Renders")
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(f"Start {plan.total:,} renders?")
        box.setInformativeText(_count_text(plan))
        box.addButton("Start", QMessageBox.ButtonRole.AcceptRole)
        box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        box.accepted.connect(lambda: self._start(plan, method))
        accept_own_keys(box)
        box.open()

    def _start(self, plan: RenderPlan, method: str) -> None:
        farm = self.send_to.currentText()
        checks_outputs = method == RenderManager.RenderModes.DISK_RENDER
        self.progress = StartProgressDialog(list(plan.renders()), method, farm, checks_outputs, self)
        self.progress.finished.connect(lambda _result: self._on_progress_finished())
        self.progress.open()
        self.progress.begin()

    def _on_progress_finished(self) -> None:
        if self.progress is not None:
            self.progress.deleteLater()
            self.progress = None


class StartProgressDialog(QDialog):
    """Starts renders one at a time, with a progress bar and a button to stop.

    Args:
        renders: what to start.
        method: one of RenderManager.RenderModes.
        farm: one of `katana_project.send_to_choices`.
        checks_outputs: start nothing if two renders would write to the same file.
    """

    def __init__(
        self,
        renders: Sequence[PlannedRender],
        method: str,
        farm: str,
        checks_outputs: bool,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Start Multiple Renders")
        self._is_starting = True
        self._outputs: dict[str, PlannedRender] | None = {} if checks_outputs else None
        self._checks = RenderStarter(renders if checks_outputs else (), self._check_output, self)
        self._starts = RenderStarter(
            renders, lambda each: start_render(each.node, each.frame, each.variables, method, farm), self
        )
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self.text.setMinimumWidth(_PROGRESS_WIDTH)
        self.bar = QProgressBar(self)
        self.bar.setRange(0, max(1, len(renders)))
        self.button = QPushButton("Stop Starting", self)
        self.button.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)
        self._checks.advanced.connect(lambda done, name: self._show("Checking the output of", done, name))
        self._checks.ended.connect(self._on_checked)
        self._starts.advanced.connect(lambda done, name: self._show("Starting", done, name))
        self._starts.ended.connect(self._on_ended)
        accept_own_keys(self)

    @property
    def started(self) -> int:
        """The number of renders started so far."""
        return self._starts.started

    def begin(self) -> None:
        """Begin to check the outputs, if that is wanted, and then to start the renders."""
        self._checks.begin()

    def reject(self) -> None:
        """Start no more renders, and show how many were started, which go on; the next time close."""
        if not self._is_starting:
            super().reject()
            return
        for starter in (self._checks, self._starts):
            starter.blockSignals(True)
            starter.cancel()
        started, total = self._starts.started, self._starts.total
        which = (
            f"{started:,} of {total:,} renders were started, and go on."
            if started
            else "Nothing was started."
        )
        self._show_problems(f"Stopped: {which}", self._starts.problems)

    def _check_output(self, planned: PlannedRender) -> None:
        assert self._outputs is not None
        output = project.output_of(planned)
        if not output:
            return
        file = _numbered(output, planned.frame)
        other = self._outputs.setdefault(file, planned)
        if other is not planned:
            raise ValueError(
                f"it would overwrite {file} of {other.name}: give each render a file of its own, with "
                "#### for the frame and getVar('…') for a variable"
            )

    def _show(self, what: str, done: int, name: str) -> None:
        self.bar.setValue(done)
        if name:
            self._set_text(f"{what} {name} ({done + 1:,} of {self.bar.maximum():,}) …")

    def _set_text(self, text: str) -> None:
        """Show `text` in full: a window does not grow by itself with a label that wraps. It never shrinks."""
        self.text.setText(text)
        width = max(self.text.width(), self.text.minimumWidth())
        height = max(self.text.heightForWidth(width), 2 * self.text.fontMetrics().lineSpacing())
        self.text.setMinimumHeight(max(height, self.text.minimumHeight()))

    def _on_checked(self) -> None:
        if self._checks.problems:
            self._show_problems("Nothing was started.", self._checks.problems)
        else:
            self._starts.begin()

    def _on_ended(self) -> None:
        if not self._starts.problems:
            self._is_starting = False
            self.accept()
            return
        self._show_problems(
            f"{self._starts.started:,} of {self._starts.total:,} renders were started.", self._starts.problems
        )

    def _show_problems(self, first: str, problems: Sequence[str]) -> None:
        self._is_starting = False
        more = len(problems) - _MAX_PROBLEMS
        lines = [first, *problems[:_MAX_PROBLEMS], *([f"… and {more:,} more"] if more > 0 else [])]
        self._set_text("\n\n".join(lines))
        self.button.setText("Close")


def _presets() -> dict[str, str]:
    """Return the frame range of each preset, of the project as it is now."""
    first, last = project.working_range()
    middle = sorted({first, (first + last) // 2, last})
    return {
        "Current Frame": str(project.current_frame()),
        "Working In/Out": f"{first}-{last}" if last > first else str(first),
        "First/Middle/Last": ",".join(map(str, middle)),
    }


def _whole(named: QLabel) -> QLabel:
    """Give `named` the width of its text, so that it is never cut off, and return it."""
    named.setMinimumWidth(named.fontMetrics().horizontalAdvance(named.text()) + SPACING)
    return named


def _numbered(output: str, frame: int) -> str:
    return fill_picture(output, range(frame, frame + 1))


def _count_text(plan: RenderPlan) -> str:
    shown = " × ".join(f"{count:,} {name}" for count, name in plan.factors)
    count = plan.total
    return f"{count:,} render{'s' if count != 1 else ''}: {shown}"
