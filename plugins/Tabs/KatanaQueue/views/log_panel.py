"""The page with the log of the selected job: the view, search, choice of attempt, and actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .....kq.api import AttemptRecord, Severity
from ....ui.icons import tool_icon
from ....ui.open_external import open_with_system
from ..models.log_reader import MAX_FOLDED, LogReader, LogState
from ..models.log_scan import BadPattern, LineMarks, Search
from .banner import Banner
from .fitting import FittingRow
from .log_selection import Selection
from .log_view import LogView
from .search_field import SearchField

__all__ = ["LogPanel"]

MAX_DRAWN_MARKS = 300
"""Most marks for errors, and for warnings, beside the log."""


class LogPanel(QWidget):
    """Shows one log, which its LogReader reads on a worker thread. Qt's thread.

    Signals:
        attempt_chosen(str): show the log of another attempt, by path; empty: the latest attempt.
        noticed(str): a message to show.
        sight_wanted(): show this page, since the artist searches the log.
    """

    attempt_chosen = Signal(str)
    noticed = Signal(str)
    sight_wanted = Signal()
    tools: FittingRow
    """The row of buttons above the panel; the tab places it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = LogState("", 0)
        self._search: Search | None = None
        self._found: LineMarks | None = None
        self._message = ""
        self._jump = False  # whether to go to the first match when it is found
        self.reader = LogReader(self)
        self.view = LogView(self)
        self._make_widgets()
        self._lay_out()
        self.reader.state_changed.connect(self._on_state)
        self.reader.lines_ready.connect(self._on_lines)
        self.reader.tail_ready.connect(self._on_tail)
        self.reader.found_changed.connect(self._on_found)
        self.reader.copied.connect(self._on_copied)
        self.view.lines_wanted.connect(
            lambda first, count: self.reader.request_lines(self._state.generation, first, count)
        )
        self.view.follow_changed.connect(self._on_follow_changed)
        self.view.copy_wanted.connect(self._copy)
        self.view.line_entered.connect(lambda _line: self._show_counts())
        self.view.menu_wanted.connect(self._show_menu)
        self.show_log("", "Select a job to see its log.")

    # --- What is shown ---

    def show_log(self, path: str, message: str = "") -> None:
        """Show the log at `path`; if it is empty, show `message`."""
        if path == self._state.path and (path or message == self._message):
            return
        self._message = message
        self._state = LogState(path, -1)
        self._found = None
        self.view.clear(message or "Opening the log …")
        self.view.set_marks(())
        self.view.set_follow(True)
        self.reader.open(path)
        self._show_counts()
        self._enable()

    @property
    def path(self) -> str:
        """The path of the shown log; empty when none is shown."""
        return self._state.path

    def set_attempts(self, attempts: Sequence[AttemptRecord], current: str) -> None:
        """Offer the logs of other attempts; `current` is the path of the log shown when none is chosen."""
        many = any(each.task for each in attempts)
        with QSignalBlocker(self._attempts):
            chosen = self._attempts.currentData()
            self._attempts.clear()
            self._attempts.addItem("Latest attempt", "")
            for record in sorted(attempts, key=lambda each: (each.task, -each.attempt)):
                text = f"Attempt {record.attempt}: {record.outcome}"
                if many:
                    text = f"Task {record.task + 1}, attempt {record.attempt}: {record.outcome}"
                if not record.log_file:
                    continue
                if record.log_file != current:
                    self._attempts.addItem(text, record.log_file)
                elif many:  # the log of a job with several tasks is a failed task's, maybe not the latest
                    self._attempts.setItemText(0, text)
            self._attempts.setCurrentIndex(max(0, self._attempts.findData(chosen)))
        self.tools.show_when_fits(self._attempts, self._attempts.count() > 1)

    def set_renderer(self, renderer: str) -> None:
        """Recognise errors by the patterns of `renderer` from now on."""
        self.reader.set_renderer(renderer)

    def set_active(self, is_active: bool) -> None:
        """Set whether the panel is visible; while it is not, the log is not followed."""
        self.reader.set_active(is_active)

    # --- Results of the reader ---

    def _on_state(self, state: LogState) -> None:
        if state.path != self._state.path:
            return
        anew = state.generation != self._state.generation
        if anew:
            if self._state.generation >= 0 and state.note:
                self.noticed.emit(state.note)
            self.view.clear()
        self._state = state
        if state.problem:
            self.view.clear(state.problem)
        elif not state.path:
            self.view.clear(self._message)
        elif state.is_complete and not state.line_count:
            self.view.clear("The log is empty.")
        elif state.is_complete:
            self.view.set_count(state.line_count, state.size)
            self._fold()
        self._show_counts()
        self._show_marks()
        self._enable()

    def _on_lines(self, generation: int, first: int, lines: list) -> None:  # type: ignore[type-arg]
        if generation == self._state.generation:
            self.view.set_lines(first, lines)

    def _on_tail(self, generation: int, lines: list) -> None:  # type: ignore[type-arg]
        if generation >= self._state.generation:
            self.view.set_tail(lines)

    def _fold(self) -> None:
        self.view.set_hidden(self._state.folded.lines[:] if self.fold_action.isChecked() else ())
        self._show_counts()

    def _show_marks(self) -> None:
        count = self._state.line_count
        marks: list[tuple[float, Severity]] = []
        if count:
            for severity, lines in (
                (Severity.WARNING, self._state.warnings.lines),
                (Severity.ERROR, self._state.errors.lines),
            ):
                step = max(1, len(lines) // MAX_DRAWN_MARKS)
                marks += [(lines[at] / count, severity) for at in range(0, len(lines), step)]
        self.view.set_marks(tuple(marks))

    def _show_counts(self) -> None:
        state, line = self._state, self.view.current_line
        errors, warnings = state.errors.count, state.warnings.count
        parts = []
        if errors:
            parts.append("1 error" if errors == 1 else f"{errors:,} errors")
        if warnings:
            parts.append("1 warning" if warnings == 1 else f"{warnings:,} warnings")
        if not parts and state.line_count:
            parts.append("no errors" if state.is_scanned else "searching for errors …")
        hidden = self.view.folding.hidden
        if hidden:
            parts.append("1 line folded" if hidden == 1 else f"{hidden:,} lines folded")
        if state.is_too_large_to_fold and self.fold_action.isChecked():
            parts.append(f"{'not all' if hidden else 'none'} folded: over {MAX_FOLDED >> 20} MiB")
        self._severity.setText(", ".join(parts))
        if self._search is None:
            self._matches.clear()
        elif self._found is None or not self._found.count:
            self._matches.setText("no match" if self._found is not None else "…")
        else:
            place = self._found.place(line) if line in self._found else 0
            self._matches.setText(
                f"{place:,} of {self._found.count:,}" if place else f"{self._found.count:,} found"
            )

    def _enable(self) -> None:
        has_file = bool(self._state.path) and not self._state.problem
        has_marks = bool(self._state.errors.count or self._state.warnings.count)
        for action in (self.next_problem, self.previous_problem):
            action.setEnabled(has_marks)
        self.open_action.setEnabled(has_file)
        for action in (self.next_match, self.previous_match):
            action.setEnabled(self._found is not None and self._found.count > 0)

    # --- Problems and search ---

    @property
    def search_actions(self) -> list[QAction]:
        """The actions whose shortcuts also work while the jobs list or the search field has the focus."""
        ahead, back = [self.next_problem, self.next_match], [self.previous_problem, self.previous_match]
        return [self.find_action, *ahead, *back]

    def _go_to_problem(self, forward: bool) -> None:
        """Go to the next or previous error, or warning if there are no errors."""
        self.sight_wanted.emit()
        marks = self._state.errors if self._state.errors.count else self._state.warnings
        line = self.view.current_line
        to = marks.next(line) if forward else marks.previous(line)
        if to is not None and forward and not self.view.selection().whole_line and marks.next(-1) == line:
            to = line  # the cursor was not moved there by a jump, so this error was not visited yet
        if to is not None:
            self.view.go_to_line(to)

    def focus_search(self) -> None:
        """Show the page and move the focus to the search field."""
        self.sight_wanted.emit()
        self._field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._field.selectAll()

    def _start_search(self) -> None:
        text = self._field.text()
        self._search, self._found = None, None
        problem = ""
        if text:
            try:
                self._search = Search(text, self._regex.isChecked(), self._case.isChecked())
            except BadPattern as wrong:
                problem = str(wrong)
        self._search_problem.show_text(problem, Severity.WARNING)
        self._jump = self._search is not None
        self.reader.search(self._search)
        self.view.set_highlight(self._search)
        self._show_counts()
        self._enable()

    def _on_found(self, search: Search, found: LineMarks, through: bool) -> None:
        if search is not self._search:
            return
        self._found = found
        if self._jump and found.count:
            self._jump = False
            top = self.view.top_line()
            self.view.go_to_line(found.next(top - 1) or 0)
        self._show_counts()
        self._enable()

    def _go_to_match(self, forward: bool) -> None:
        self.sight_wanted.emit()
        if self._field.cut_pause():
            self._start_search()
        elif self._found is not None:
            line = self.view.current_line
            to = self._found.next(line) if forward else self._found.previous(line)
            if to is not None:
                self.view.go_to_line(to)

    # --- Copy, open ---

    def _copy(self, selection: Selection) -> None:
        if selection.is_empty:
            return
        first, last = selection.ordered()
        self.reader.copy(self._state.generation, first.line, last.line, first.column, last.column)

    def _on_copied(self, text: str) -> None:
        if text:
            QGuiApplication.clipboard().setText(text)
        else:
            self.noticed.emit(
                "The selection is too large for the clipboard: open the log in an editor instead."
            )

    def open_in_editor(self) -> None:
        """Open the log with the system's default program for its type."""
        if self._state.path:
            self.noticed.emit(open_with_system(self._state.path, "the log"))

    def _show_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copy = menu.addAction("Copy", lambda: self._copy(self.view.selection()))
        copy.setEnabled(not self.view.selection().is_empty)
        menu.addAction("Select All", self.view.select_all)
        menu.addSeparator()
        menu.addActions([self.next_problem, self.previous_problem])
        menu.addSeparator()
        menu.addActions([self.follow_action, self.fold_action, self.wrap_action, self.open_action])
        menu.popup(at)

    def _on_follow_changed(self, follow: bool) -> None:
        self.follow_action.setChecked(follow)

    # --- Widgets ---

    def _make_widgets(self) -> None:
        self.tools = FittingRow(self)
        self._attempts = QComboBox(self)
        self._attempts.setAccessibleName("Attempt")
        self._attempts.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._attempts.currentIndexChanged.connect(
            lambda _at: self.attempt_chosen.emit(self._attempts.currentData())
        )
        self._search_problem = Banner(self)  # the error message for an invalid pattern
        self._severity = QLabel(self)
        self._matches = QLabel(self)
        self._matches.setMinimumWidth(self.fontMetrics().horizontalAdvance("000 of 0,000"))
        self._matches.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._field = SearchField("Search the log", widest=240, parent=self)
        self._field.paused.connect(self._start_search)
        self._field.left.connect(self.view.setFocus)
        self._field.returnPressed.connect(lambda: self._go_to_match(True))
        self._regex = self._toggle(".*", "Regular expression")
        self._case = self._toggle("Aa", "Match upper and lower case")
        self._icons: dict[QAction, str] = {}
        self.next_match = self._action("Next Match", "down", "F3", lambda: self._go_to_match(True))
        self.previous_match = self._action(
            "Previous Match", "up", "Shift+F3", lambda: self._go_to_match(False)
        )
        self.next_problem = self._action("Next Error", "down", "F8", lambda: self._go_to_problem(True))
        self.previous_problem = self._action(
            "Previous Error", "up", "Shift+F8", lambda: self._go_to_problem(False)
        )
        self.find_action = self._action(
            "Search the Log", "", QKeySequence.StandardKey.Find, self.focus_search
        )
        self.open_action = self._action("Open in Editor", "edit", "", self.open_in_editor)
        self.follow_action = self._action("Follow the End", "end", "", None)
        self.follow_action.setCheckable(True)
        self.follow_action.setChecked(True)
        self.follow_action.triggered.connect(lambda: self.view.set_follow(self.follow_action.isChecked()))
        self.wrap_action = self._action("Wrap Lines", "wrap", "", None)
        self.wrap_action.setCheckable(True)
        self.wrap_action.toggled.connect(self.view.set_wrap)
        self.fold_action = self._action("Fold Progress", "fold", "", None)
        self.fold_action.setCheckable(True)
        self.fold_action.setChecked(True)
        self.fold_action.toggled.connect(lambda _on: self._fold())
        self.view.unfold_wanted.connect(lambda: self.fold_action.setChecked(False))
        self.follow_palette()

    def follow_palette(self) -> None:
        """Draw the icons in the palette's colours."""
        for action, glyph in self._icons.items():
            action.setIcon(tool_icon(glyph, self.palette()))

    def _action(
        self,
        text: str,
        glyph: str,
        keys: str | QKeySequence.StandardKey,
        call: Callable[[], object] | None,
    ) -> QAction:
        action = QAction(text, self)
        if glyph:
            self._icons[action] = glyph
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.setToolTip(
                f"{text} ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})"
            )
        if call is not None:
            action.triggered.connect(lambda _checked=False: call())
        self.addAction(action)
        return action

    def _toggle(self, text: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.toggled.connect(lambda _on: self._start_search())
        return button

    def _button(self, action: QAction) -> QToolButton:
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setAutoRaise(True)
        button.setAccessibleName(action.text())
        return button

    def _lay_out(self) -> None:
        row = self.tools
        row.add(self._attempts, rank=1)
        row.add_stretch()
        row.add(self._severity, rank=2)
        row.add(self._button(self.previous_problem))
        row.add(self._button(self.next_problem))
        row.add(self._field, stretch=2)
        row.add(self._regex, rank=5)
        row.add(self._case, rank=6)
        row.add(self._matches, rank=3)
        row.add(self._button(self.previous_match), rank=4)
        row.add(self._button(self.next_match), rank=4)
        row.add(self._button(self.follow_action))
        row.add(self._button(self.fold_action), rank=9)
        row.add(self._button(self.wrap_action), rank=8)
        row.add(self._button(self.open_action), rank=7)
        row.show_when_fits(self._attempts, False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._search_problem)
        layout.addWidget(self.view, 1)
