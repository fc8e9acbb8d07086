"""Keys of the tab that the host's menus have too: they act on the widget that has the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from katana_queue.kq.api import JobSpec, JobState
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMainWindow

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import Settle, picture_file, unclaimed

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def menu_chosen(tab: Any, qtbot: Any, settle: Settle) -> Iterator[list[str]]:
    """The tab in a window whose menus have Open, Copy and Select All; what of them was chosen."""
    chosen: list[str] = []
    window = QMainWindow()
    qtbot.addWidget(window)
    menu = window.menuBar().addMenu("File")
    for key in (
        QKeySequence.StandardKey.Open,
        QKeySequence.StandardKey.Copy,
        QKeySequence.StandardKey.SelectAll,
    ):
        menu.addAction(key.name, QKeySequence(key), lambda name=key.name: chosen.append(name))
    window.setCentralWidget(tab)
    window.resize(1100, 700)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    yield chosen
    window.takeCentralWidget()


def test_a_key_of_the_list_and_of_a_menu_is_the_lists(
    tab: Any,
    queue: FakeQueue,
    settle: Settle,
    qtbot: Any,
    menu_chosen: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl+O opens the selected picture. Of a job without one it opens nothing: no other scene, above all."""
    opened: list[str] = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: bool(opened.append(url.toLocalFile())) or True
    )
    queue.change([make_job(1, picture="/pics/1.png")])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.view.setFocus()
    settle(lambda: QApplication.focusWidget() is tab.view)
    qtbot.keyClick(tab.view, Qt.Key.Key_O, CONTROL)
    assert (opened, menu_chosen) == (["/pics/1.png"], [])
    queue.set("job000001", picture="")
    settle(lambda: not tab.actions_of_jobs.open_picture.isEnabled())
    qtbot.keyClick(tab.view, Qt.Key.Key_O, CONTROL)
    assert (opened, menu_chosen) == (["/pics/1.png"], [])


def test_every_widget_of_the_tab_claims_the_keys_that_it_uses(
    tab: Any, queue: FakeQueue, settle: Settle, menu_chosen: list[str], tmp_path: Path
) -> None:
    """Whatever shortcuts the host has: in Katana, Esc cancels the artist's render."""
    log = tmp_path / "1.log"
    log.write_text("one\ntwo\n" * 500)
    picture = picture_file(tmp_path / "1.png", Qt.GlobalColor.red)
    jobs = [make_job(n, JobState.RUNNING, log_file=str(log), picture=picture, tasks=n) for n in (1, 2)]
    queue.change(jobs, agents=[make_agent(1), make_agent(2)])
    settle(lambda: tab.log._state.line_count == 1000)
    for page in ("Log", "Picture", "Agents"):
        tab.details.show_page(page)
        assert unclaimed(tab) == []


@pytest.mark.parametrize("name", ["edit_note", "set_priority", "stop_all"])
def test_every_widget_of_the_tabs_dialogs_claims_the_keys_that_it_uses(
    tab: Any, queue: FakeQueue, settle: Settle, menu_chosen: list[str], name: str
) -> None:
    """A note of several lines, a number, a question; Esc closes each, and is no shortcut of the host."""
    window = tab.window()
    window.menuBar().addMenu("Render").addAction(
        "Cancel Renders", QKeySequence("Esc"), lambda: menu_chosen.append("cancel")
    )
    queue.change([make_job(1, JobState.WAITING), make_job(2, JobState.WAITING)])
    settle(lambda: tab.view.current()[0] != "")
    getattr(tab.actions_of_jobs, name).trigger()
    settle(lambda: bool(tab.findChildren(QDialog)))
    [dialog] = tab.findChildren(QDialog)
    settle(dialog.isActiveWindow)
    assert unclaimed(dialog) == []
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    settle(lambda: not shiboken6.isValid(dialog) or not dialog.isVisible())
    assert menu_chosen == []


def test_escape_in_a_field_is_no_shortcut_of_the_host(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, menu_chosen: list[str]
) -> None:
    """It clears the filter, then leaves it; in the list it is the host's."""
    window = tab.window()
    menu = window.menuBar().addMenu("Render")
    menu.addAction("Cancel Renders", QKeySequence("Esc"), lambda: menu_chosen.append("cancel"))
    queue.change([make_job(1)])
    settle(lambda: tab.model.shown == 1)
    field = tab.filter_bar.field
    field.setFocus()
    settle(lambda: QApplication.focusWidget() is field)
    qtbot.keyClicks(field, "shot")
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert (field.text(), menu_chosen) == ("", [])
    settle(lambda: QApplication.focusWidget() is tab.view)
    qtbot.keyClick(tab.view, Qt.Key.Key_Escape)
    assert menu_chosen == ["cancel"]


def test_a_key_that_is_held_down_does_it_once(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """One job is submitted again, not as many as the keyboard repeats; priorities may go on rising."""
    queue.specs["job000001"] = JobSpec(name="beauty", commands=(("render",),))
    queue.change([make_job(1, JobState.WAITING)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.view.setFocus()

    def hold(key: Qt.Key) -> None:
        qtbot.keyPress(tab.view, key, CONTROL)
        for _ in range(5):
            event = QKeyEvent(QEvent.Type.KeyPress, key, CONTROL, "", True)
            QApplication.sendEvent(tab.view, event)
        qtbot.keyRelease(tab.view, key, CONTROL)

    hold(Qt.Key.Key_D)
    settle(lambda: any(asked[0] == "submit" for asked in queue.asked))
    hold(Qt.Key.Key_Up)
    settle(lambda: len([asked for asked in queue.asked if asked[0] == "set_priority"]) == 6)
    assert len([asked for asked in queue.asked if asked[0] == "submit"]) == 1


def test_copy_in_the_log_is_the_logs(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, menu_chosen: list[str], tmp_path: Any
) -> None:
    """Lines that are selected are copied with Ctrl+C, whatever the host would copy."""
    log = tmp_path / "1.log"
    log.write_text("one\ntwo\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: tab.log._state.line_count == 2)
    tab.log.view.setFocus()
    settle(lambda: QApplication.focusWidget() is tab.log.view)
    qtbot.keyClick(tab.log.view, Qt.Key.Key_A, CONTROL)
    qtbot.keyClick(tab.log.view, Qt.Key.Key_C, CONTROL)
    settle(lambda: QGuiApplication.clipboard().text().split() == ["one", "two"])
    assert menu_chosen == []
