"""The log as an artist reads it: tail, follow, search, errors, wrap, copy, and what happens to the file."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from katana_queue.kq.api import ConnectionStatus, JobState, QueueRecord, Severity
from katana_queue.plugins.Tabs.KatanaQueue.models import log_file, log_reader
from katana_queue.plugins.Tabs.KatanaQueue.models.log_reader import LogState
from katana_queue.plugins.Tabs.KatanaQueue.models.log_scan import LineMarks
from katana_queue.plugins.Tabs.KatanaQueue.views.log_panel import LogPanel
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QWheelEvent
from PySide6.QtWidgets import QApplication

from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_job

Settle = Callable[[Callable[[], bool]], None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot: Any) -> Iterator[LogPanel]:
    """A log panel, shown."""
    panel = LogPanel()
    qtbot.addWidget(panel)
    panel.resize(700, 400)
    with qtbot.waitExposed(panel):
        panel.show()
    yield panel
    panel.reader.close()
    assert panel.reader.wait(60)


def write(path: Path, count: int, first: int = 0, text: str = "line") -> Path:
    with path.open("a") as out:
        out.writelines(f"{text} {number}\n" for number in range(first, first + count))
    return path


def shown(panel: LogPanel) -> list[str]:
    """The lines in sight."""
    view = panel.view
    top = view.top_line()
    lines = [view.line(top + row) for row in range(view._rows_in_view())]
    return [line.text for line in lines if line is not None]


def test_long_log_opens_at_its_end_and_follows(panel: LogPanel, tmp_path: Path, settle: Settle) -> None:
    """A render's last words are what one looks for first; what is added comes into sight."""
    path = write(tmp_path / "log", 50_000)
    panel.show_log(str(path))
    settle(lambda: shown(panel)[-1:] == ["line 49999"])
    write(path, 5, 50_000)
    settle(lambda: shown(panel)[-1:] == ["line 50004"])


def test_follow_yields_to_scrolling(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """After scrolling up the view stays; at the end the log is followed again."""
    path = write(tmp_path / "log", 1000)
    panel.show_log(str(path))
    settle(lambda: shown(panel)[-1:] == ["line 999"])
    qtbot.keyClick(panel.view, Qt.Key.Key_PageUp)
    assert not panel.view.follows
    assert not panel.follow_action.isChecked()
    top = panel.view.top_line()
    write(path, 100, 1000)
    settle(lambda: panel._state.line_count == 1100)
    assert panel.view.top_line() == top
    qtbot.keyClick(panel.view, Qt.Key.Key_End)
    assert panel.follow_action.isChecked()
    settle(lambda: shown(panel)[-1:] == ["line 1099"])
    qtbot.keyClick(panel.view, Qt.Key.Key_Home)
    settle(lambda: shown(panel)[:1] == ["line 0"])


def test_scrolling_far_shows_what_is_there(panel: LogPanel, tmp_path: Path, settle: Settle) -> None:
    """Any place of a long log is read when it comes into sight, also one that was left and visited again."""
    panel.show_log(str(write(tmp_path / "log", 100_000)))
    settle(lambda: panel._state.line_count == 100_000)
    for line in (70_000, 3, 50_000, 70_000, 99_000):
        panel.view.go_to_line(line)
        settle(lambda line=line: panel.view.line(line) is not None)
        assert panel.view.line(line).text == f"line {line}"  # type: ignore[union-attr]
        assert panel.view.top_line() <= line <= panel.view.top_line() + panel.view._rows_in_view()


def test_search_counts_and_goes_round(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """Typing finds and counts; Return and F3 go on, Shift+F3 back; what is added is found too."""
    path = write(tmp_path / "log", 3000)
    panel.show_log(str(path))
    settle(lambda: panel._state.line_count == 3000)
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert panel._field.hasFocus()
    qtbot.keyClicks(panel._field, "line 99")
    settle(lambda: panel._matches.text() == "1 of 11")
    assert panel.view.current_line == 99
    qtbot.keyClick(panel._field, Qt.Key.Key_Return)
    assert (panel.view.current_line, panel._matches.text()) == (990, "2 of 11")
    qtbot.keyClick(panel.view, Qt.Key.Key_F3, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(panel.view, Qt.Key.Key_F3, Qt.KeyboardModifier.ShiftModifier)
    assert panel.view.current_line == 999
    write(path, 1, 995)
    settle(lambda: panel._matches.text() == "11 of 12")


def test_regex_and_case(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """Text is a regular expression only when that is on; an invalid one has its error shown."""
    path = tmp_path / "log"
    path.write_text("a.c\nabc\nABC\n")
    panel.show_log(str(path))
    settle(lambda: panel._state.line_count == 3)
    panel._field.setText("a.c")
    settle(lambda: panel._found is not None and panel._found.count == 1)
    qtbot.mouseClick(panel._regex, LEFT)
    settle(lambda: panel._found is not None and panel._found.count == 3)
    qtbot.mouseClick(panel._case, LEFT)
    settle(lambda: panel._found is not None and panel._found.count == 2)
    panel._field.setText("a(")
    problem = "Invalid regular expression: missing ), unterminated subpattern at position 1."
    settle(lambda: panel._search_problem.isVisible())
    assert panel._search_problem.text == problem
    write(path, 2)  # the log goes on, and so does what is wrong
    settle(lambda: panel._state.line_count == 5)
    assert panel._search_problem.text == problem
    panel._field.setText("a")
    settle(lambda: panel._matches.text().endswith("of 2"))
    assert not panel._search_problem.isVisible()


def test_errors_are_marked_and_visited(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """F8 moves from error to error; their number is shown."""
    path = tmp_path / "log"
    lines = [f"line {n}" for n in range(2000)]
    lines[500] = "Error: no such texture"
    lines[1500] = "[error] cannot go on"
    lines[1600] = "WARNING: slow"
    path.write_text("\n".join(lines) + "\n")
    panel.show_log(str(path))
    settle(lambda: panel._severity.text() == "2 errors, 1 warning")
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_F8)
    assert panel.view.current_line == 500
    qtbot.keyClick(panel.view, Qt.Key.Key_F8)
    assert panel.view.current_line == 1500
    qtbot.keyClick(panel.view, Qt.Key.Key_F8)
    assert panel.view.current_line == 500
    qtbot.keyClick(panel.view, Qt.Key.Key_F8, Qt.KeyboardModifier.ShiftModifier)
    assert panel.view.current_line == 1500
    settle(lambda: panel.view.line(1500) is not None)
    assert panel.view.line(1500).severity is Severity.ERROR  # type: ignore[union-attr]


def test_errors_that_the_reader_drops_as_one_is_visited(panel: LogPanel) -> None:
    """On its thread it drops those of a log that was begun anew; the panel then visits none."""

    class Dropped(LineMarks):
        def next(self, line: int) -> int | None:
            found = super().next(line)
            self.cut(0)
            return found

    errors = Dropped()
    errors.add(0)
    panel._state = LogState("/log", 0, line_count=1, errors=errors)
    panel.next_problem.setEnabled(True)
    panel.next_problem.trigger()
    assert not errors.count


def test_wrapped_lines_are_all_in_reach(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """With wrap, a line longer than the view is read to its end, and the end of the log is shown."""
    path = tmp_path / "log"
    path.write_text("".join(f"{n} " + "word " * 200 + f"end{n}\n" for n in range(50)))
    panel.wrap_action.setChecked(True)
    panel.show_log(str(path))
    settle(lambda: panel.view.line(49) is not None)
    assert panel.view.horizontalScrollBar().maximum() == 0
    rows = panel.view._rows_of(49)
    assert rows > 5
    in_view = panel.view._rows_in_view()
    settle(lambda: panel.view.top_line() >= 49 - in_view // rows - 1)
    qtbot.keyClick(panel.view, Qt.Key.Key_Home)
    for _ in range(rows):
        qtbot.keyClick(panel.view, Qt.Key.Key_Down)
    assert (panel.view.top_line(), panel.view._row_in_line) == (1, 0)


def test_copy_by_mouse_and_key(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """What is dragged over, or all of it, goes to the clipboard."""
    panel.show_log(str(write(tmp_path / "log", 5)))
    settle(lambda: len(shown(panel)) == 5)
    view, height = panel.view, panel.view._metrics.line_height

    def at(line: int, column: int) -> QPoint:
        return QPoint(
            round(view._metrics.gutter + column * view._metrics.letter), line * height + height // 2
        )

    qtbot.mousePress(view.viewport(), LEFT, pos=at(1, 2))
    qtbot.mouseMove(view.viewport(), at(3, 4))
    event_buttons = LEFT
    from PySide6.QtCore import QEvent, QPointF
    from PySide6.QtGui import QMouseEvent

    where = QPointF(at(3, 4))
    move = QMouseEvent(
        QEvent.Type.MouseMove,
        where,
        view.viewport().mapToGlobal(where),
        Qt.MouseButton.NoButton,
        event_buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QGuiApplication.sendEvent(view.viewport(), move)
    qtbot.mouseRelease(view.viewport(), LEFT, pos=at(3, 4))
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    settle(lambda: QGuiApplication.clipboard().text() == "ne 1\nline 2\nline")
    qtbot.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    settle(lambda: QGuiApplication.clipboard().text() == "\n".join(f"line {n}" for n in range(5)))


def test_too_much_to_copy_is_told(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """Millions of lines do not go through the clipboard; there is a way that works."""
    path = tmp_path / "log"
    path.write_bytes(b"\n" * 300_000)
    panel.show_log(str(path))
    settle(lambda: panel._state.line_count == 300_000)
    panel.view.select_all()
    QGuiApplication.clipboard().setText("kept")
    with qtbot.waitSignal(panel.noticed) as received:
        qtbot.keyClick(panel.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert received.args[0]
    assert QGuiApplication.clipboard().text() == "kept"


def test_log_that_vanishes_and_comes_back(panel: LogPanel, tmp_path: Path, settle: Settle) -> None:
    """A log that is gone says so, and is shown again when it is there again."""
    path = write(tmp_path / "log", 10)
    panel.show_log(str(path))
    settle(lambda: len(shown(panel)) == 10)
    received: list[str] = []
    panel.noticed.connect(received.append)
    path.unlink()
    settle(lambda: "was removed" in panel.view._message)
    write(path, 3)
    settle(lambda: shown(panel) == ["line 0", "line 1", "line 2"])
    assert len(received) == 1


@pytest.mark.skipif(os.name == "nt", reason="rights are no bits of a file there")
def test_permission_taken_away_while_it_is_read(panel: LogPanel, own_log: Path, settle: Settle) -> None:
    """What is shown may be old from then on: it says so at once, and comes back by itself."""
    write(own_log, 10)
    panel.show_log(str(own_log))
    settle(lambda: len(shown(panel)) == 10)
    own_log.chmod(0)
    settle(lambda: "No permission" in panel.view._message)
    own_log.chmod(0o600)
    settle(lambda: len(shown(panel)) == 10)


def test_log_that_is_still_to_come(panel: LogPanel, tmp_path: Path, settle: Settle) -> None:
    """A render is known before its log is there: its arrival needs no message."""
    received: list[str] = []
    panel.noticed.connect(received.append)
    panel.show_log(str(tmp_path / "log"))
    settle(lambda: "There is no log file" in panel.view._message)
    write(tmp_path / "log", 2)
    settle(lambda: shown(panel) == ["line 0", "line 1"])
    assert received == []


def test_an_error_that_was_jumped_to_keeps_its_colour(
    panel: LogPanel, tmp_path: Path, settle: Settle
) -> None:
    """It is marked by more of its own colour, and no longer looks like a selected line."""
    path = tmp_path / "log"
    path.write_text("one\nError: no texture\nthree\n")
    panel.show_log(str(path))
    settle(lambda: len(shown(panel)) == 3)

    def ground() -> QColor:
        image = panel.view.viewport().grab().toImage()
        middle = int(1.5 * panel.view._metrics.line_height * image.devicePixelRatio())
        return image.pixelColor(image.width() * 3 // 4, middle)

    settle(panel.next_problem.isEnabled)  # it is known where
    before = ground()
    panel.next_problem.trigger()
    settle(lambda: ground() != before)
    after = ground()
    assert after.hue() == pytest.approx(before.hue(), abs=4)
    assert after.saturation() > before.saturation()


def test_log_that_is_begun_anew(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """Cut off or replaced while it is read, a log shows its new content, with a message."""
    path = write(tmp_path / "log", 1000)
    panel.show_log(str(path))
    settle(lambda: shown(panel)[-1:] == ["line 999"])
    with qtbot.waitSignal(panel.noticed) as received:
        path.write_text("new\n")
    assert "overwritten" in received.args[0]
    settle(lambda: shown(panel) == ["new"])
    other = write(tmp_path / "other", 2, text="other")
    os.replace(other, path)  # noqa: PTH105  the test is about this call
    settle(lambda: shown(panel) == ["other 0", "other 1"])


@pytest.mark.parametrize("kind", ["folder", "nothing", "empty"])
def test_what_is_no_log_is_told(panel: LogPanel, tmp_path: Path, settle: Settle, kind: str) -> None:
    """A message is shown in place of lines."""
    path = tmp_path / "log"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    panel.show_log(str(path))
    words = {"folder": "folder", "nothing": "no log file", "empty": "empty"}
    settle(lambda: words[kind] in panel.view._message.replace(str(tmp_path), ""))


def test_progress_written_over_shows_its_last_state(panel: LogPanel, tmp_path: Path, settle: Settle) -> None:
    """A progress line that is written over and over stays one line, and stays current."""
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as out:
        out.write(b"start\n")
        panel.show_log(str(path))
        for percent in (10, 55, 100):
            out.write(b"Rendering %d%%\r" % percent)
            settle(lambda percent=percent: shown(panel) == ["start", f"Rendering {percent}%"])


def test_tail_is_there_before_the_index(panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any) -> None:
    """The end of a very long log is shown while the rest is still being counted."""
    path = tmp_path / "log"
    line = b"x" * 99 + b"\n"
    with path.open("wb") as out:
        for _ in range(300):
            out.write(line * 10_000)
        out.write(b"the end\n")
    panel.show_log(str(path))
    settle(lambda: panel.view._tail is not None)
    assert panel._state.line_count == 0
    assert panel.view._tail[-1].text == "the end"  # type: ignore[index]
    settle(lambda: panel._state.line_count == 3_000_001)
    settle(lambda: shown(panel)[-1:] == ["the end"])


def progress_log(path: Path, count: int) -> Path:
    """A log of mostly progress, with a word at its beginning, in its middle and at its end."""
    lines = [f"Progress: {number * 100 // count}%" for number in range(count)]
    lines[count // 2] = "Error: texture wood.exr does not exist"
    path.write_text("\n".join(["render begins", *lines, "render ends", ""]))
    return path


def test_lines_of_progress_are_folded_at_first(
    panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """What else the renderer printed is visible; errors are found in their lines; unfolded, all is there."""
    panel.show_log(str(progress_log(tmp_path / "log", 2000)))
    settle(lambda: panel.view.folding.shown == 3 and panel._state.is_scanned)
    assert "1,999 lines" in panel._severity.text()
    visible = [panel.view.folding.line(place) for place in range(3)]
    settle(lambda: all(panel.view.line(line) is not None for line in visible))
    assert [panel.view.line(line).text.split()[0] for line in visible] == ["render", "Error:", "render"]
    qtbot.keyClick(panel.view, Qt.Key.Key_Home)
    panel.next_problem.trigger()
    assert panel.view.current_line == 1001
    y = int(1.5 * panel.view._metrics.line_height)
    qtbot.mouseClick(panel.view.viewport(), LEFT, pos=QPoint(panel.view._metrics.gutter + 5, y))
    assert panel.view.current_line == 1001
    panel.fold_action.setChecked(False)
    settle(lambda: panel.view.folding.shown == 2002)
    assert panel.view.verticalScrollBar().maximum() > 1900


def test_the_last_line_is_shown_though_it_is_progress(
    panel: LogPanel, tmp_path: Path, settle: Settle
) -> None:
    """While a render goes on, its latest progress is what one waits for."""
    path = tmp_path / "log"
    path.write_text("render begins\nProgress: 10%\nProgress: 20%\n")
    panel.show_log(str(path))
    settle(lambda: panel.view.folding.hidden == 1)
    settle(lambda: shown(panel)[:1] == ["render begins"])
    with path.open("a") as out:
        out.write("Progress: 30%\n")
    settle(lambda: panel.view.folding.hidden == 2)
    assert panel.view.folding.line(1) == 3


def test_a_log_that_is_too_large_to_be_folded_says_so(
    panel: LogPanel, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise *Fold Progress* would be on, and do nothing."""
    monkeypatch.setattr(log_reader, "MAX_FOLDED", 1000)
    log = tmp_path / "log"
    log.write_text("".join(f"ALF_PROGRESS {number % 100}%\n" for number in range(200)))
    panel.show_log(str(log))
    settle(lambda: panel._state.is_scanned and panel._state.line_count == 200)
    assert " MiB" in panel._severity.text()
    panel.fold_action.setChecked(False)
    assert "folded" not in panel._severity.text()


def test_a_search_that_finds_a_folded_line_unfolds(
    panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """A match must be seen."""
    panel.show_log(str(progress_log(tmp_path / "log", 400)))
    settle(lambda: panel.view.folding.shown == 3)
    qtbot.keyClicks(panel._field, "Progress: 40%")
    settle(lambda: panel._found is not None and panel._found.count == 4)
    settle(lambda: not panel.fold_action.isChecked())
    assert panel._found.next(0) == panel.view.current_line


def wheel(panel: LogPanel, turn: int) -> None:
    """Turn the mouse's wheel over the log; 120 is one notch, a touchpad's steps are smaller."""
    view = panel.view.viewport()
    at = QPointF(view.rect().center())
    none = Qt.MouseButton.NoButton
    event = QWheelEvent(
        at, QPointF(view.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, turn), none,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def place(panel: LogPanel) -> tuple[int, int]:
    """The top line in sight, and how many of its rows are above the view."""
    return panel.view.top_line(), panel.view._row_in_line


def test_small_steps_of_the_wheel_go_as_far_both_ways(
    panel: LogPanel, tmp_path: Path, settle: Settle
) -> None:
    """In a wrapped log, a touchpad's steps add up to rows; eight down and eight up end at the same place."""
    panel.wrap_action.setChecked(True)
    panel.show_log(str(write(tmp_path / "log", 300, text="wide " * 60)))
    settle(lambda: panel._state.line_count == 300 and len(shown(panel)) > 0)
    panel.view.go_to_line(100)
    settle(lambda: panel.view.line(100) is not None)
    before = place(panel)
    for _ in range(8):
        wheel(panel, -15)
    after = place(panel)
    assert after > before
    for _ in range(8):
        wheel(panel, 15)
    assert place(panel) == before


def test_a_wrapped_log_is_followed_again_at_its_end(panel: LogPanel, tmp_path: Path, settle: Settle) -> None:
    """As one that is not wrapped; and the wheel turns no further than the end."""
    panel.wrap_action.setChecked(True)
    path = write(tmp_path / "log", 300, text="wide " * 60)
    panel.show_log(str(path))
    settle(lambda: panel.view.line(299) is not None and panel.view.follows)
    end = place(panel)
    wheel(panel, 240)
    assert not panel.view.follows
    assert place(panel) < end
    for _ in range(4):
        wheel(panel, -120)
    assert panel.view.follows
    assert place(panel) == end
    write(path, 5, first=300, text="wide " * 60)
    settle(lambda: panel.view.line(304) is not None and place(panel) > end)


@pytest.mark.parametrize("wrap", [False, True])
def test_the_end_of_a_long_line_of_wide_letters_is_reached(
    panel: LogPanel, tmp_path: Path, settle: Settle, qtbot: Any, wrap: bool
) -> None:
    """Wrapped or not: a wide letter takes more room than one of ASCII."""
    text = "\u65e5\u672c\u8a9e\u306e\u30ed\u30b0" * 60 + "END"
    path = tmp_path / "log"
    path.write_text(f"{text}\nafter\n", encoding="utf-8")
    panel.show_log(str(path))
    settle(lambda: panel.view.line(0) is not None)
    panel.wrap_action.setChecked(wrap)
    view, layout = panel.view, panel.view._layout
    wide = layout.x("\u65e5", 1)
    assert layout.x(text, len(text)) == pytest.approx(360 * wide + 3 * layout.letter)
    if wrap:
        starts = [*layout.rows(text, view._columns()), len(text)]
        room = view._columns() * layout.letter + 0.01
        assert all(layout.x(text, end) - layout.x(text, start) <= room for start, end in pairwise(starts))
        assert view._rows_of(0) == len(starts) - 1 > 2
    else:
        across = view.horizontalScrollBar()
        across.setValue(across.maximum())
        right = layout.x(text, len(text)) - across.value() * layout.letter
        assert right <= view.viewport().width() - view._metrics.gutter
    # A click on the last letter is one on the last letter.
    row = view._rows_of(0) - 1
    last = layout.rows(text, view._columns())[row] if wrap else 0
    left = layout.x(text, last) if wrap else view.horizontalScrollBar().value() * layout.letter
    x = view._metrics.gutter + layout.x(text, len(text)) - left
    y = int((row + 0.5) * view._metrics.line_height)
    qtbot.mouseClick(view.viewport(), LEFT, pos=QPoint(int(x), y))
    assert (view.current_line, view.selection().caret.column) == (0, len(text))


def test_a_tab_of_its_first_size_shows_eight_lines_and_one_less_beside_a_banner(
    qtbot: Any, data_root: Any, settle: Settle, tmp_path: Path
) -> None:
    """In the default layout of a desktop's window: enough to read why a render ended."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    queue, tab = FakeQueue(), KatanaQueueTab(None)
    qtbot.addWidget(tab)
    tab.resize(1080, 400)
    tab.attach(queue)
    with qtbot.waitExposed(tab):
        tab.show()
    try:
        log = str(write(tmp_path / "render.log", 100))
        queue.change([make_job(1, JobState.RUNNING, log_file=log)], status=ConnectionStatus.CONNECTED)
        settle(lambda: tab.log._state.line_count == 100)
        settle(lambda: len(list(tab.log.view._rows_in_sight())) >= 8)
        queue.change(queue=QueueRecord(paused=True, agents_wanted=2))
        settle(lambda: tab.banner.isVisible())
        settle(lambda: tab.banner.height() + tab.splitter.height() < tab.height())
        settle(lambda: len(list(tab.log.view._rows_in_sight())) >= 7)
    finally:
        close_tab(tab)


def test_lines_of_progress_and_pictures_are_folded_at_first(
    panel: LogPanel, settle: Settle, tmp_path: Path
) -> None:
    """Of each kind alone, too; an error that names a picture stays. Switched off, all are shown."""
    log = tmp_path / "render.log"
    lines = [
        "loading the scene",
        "Progress: 10%",
        "kq_picture: /show/beauty.0001.png",
        "kq_picture: /show/beauty.0002.png",
        "Error: kq_picture: /show/beauty.0003.png was not written",
        "done",
    ]
    log.write_text("\n".join(lines) + "\n")
    panel.show_log(str(log))
    settle(lambda: panel._state.is_scanned and panel.view.folding.hidden == 3)
    folding = panel.view.folding
    assert [folding.line(place) for place in range(folding.shown)] == [0, 4, 5]
    assert panel.fold_action.isChecked() and "3 lines" in panel._severity.text()
    panel.fold_action.setChecked(False)
    assert folding.shown == 6


def test_a_log_whose_share_goes_away_is_read_on_when_it_is_back(
    panel: LogPanel, tmp_path: Path, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file opens, but a read fails, as of a stale handle: no share can be taken away here."""

    class OnShare(io.FileIO):
        def read(self, size: int | None = -1, /) -> Any:
            if is_away.is_set():
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return super().read(size)

    is_away = threading.Event()
    monkeypatch.setattr(log_file, "open", lambda path, *_, **__: OnShare(path), raising=False)
    path = write(tmp_path / "log", 10)
    panel.show_log(str(path))
    settle(lambda: shown(panel)[-1:] == ["line 9"])
    is_away.set()
    write(path, 1, 10)
    settle(lambda: os.strerror(errno.ESTALE) in panel.view._message)
    is_away.clear()
    settle(lambda: shown(panel)[-1:] == ["line 10"])


@pytest.mark.parametrize("other", ["none", "empty", "removed"])
def test_a_search_has_no_matches_of_an_earlier_log(
    panel: LogPanel, tmp_path: Path, settle: Settle, other: str
) -> None:
    """In a log without lines it has none, and has ended."""
    path = write(tmp_path / "log", 30)
    panel.show_log(str(path))
    panel._field.setText("line")
    settle(lambda: panel.next_match.isEnabled() and "30" in panel._matches.text())
    (tmp_path / "empty").touch()
    if other == "removed":
        path.unlink()
    else:
        panel.show_log("" if other == "none" else str(tmp_path / "empty"), "Waiting.")
    settle(lambda: panel._found is not None and not panel._found.count)
    assert not panel.next_match.isEnabled()
