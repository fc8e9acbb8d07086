"""What the tab shows of the selected job: its log, its picture, its attempts; and which job that is."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from katana_queue.kq.api import (
    AttemptRecord,
    JobSpec,
    JobState,
    Severity,
    TaskRecord,
    TaskState,
)
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtGui import QColor, QFocusEvent, QImage

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import LEFT, Settle, click_row, log_text, picture_file


def test_new_job_is_selected_and_its_log_shown(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """An artist who starts a render sees its log, live, without a click."""
    log = tmp_path / "render.log"
    log.write_text("first line\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: log_text(tab) == ["first line"])
    with log.open("a") as out:
        out.write("Error: second line\n")
    settle(lambda: log_text(tab) == ["first line", "Error: second line"])
    settle(lambda: tab.log._state.errors.count == 1)
    assert tab.log.view.line(1).severity is Severity.ERROR


def test_new_job_is_selected_though_the_list_had_the_keyboard_first(
    tab: Any, queue: FakeQueue, settle: Settle
) -> None:
    """Qt gives a list that gets the keyboard a current row, and selects none: no action would apply to it."""

    def give_the_keyboard() -> None:
        QCoreApplication.sendEvent(tab.view, QFocusEvent(QEvent.Type.FocusIn, Qt.FocusReason.TabFocusReason))

    tab.model.rowsInserted.connect(give_the_keyboard)
    queue.change([make_job(1, JobState.RUNNING)])
    settle(lambda: tab.view.chosen.job_ids() == ["job000001"])
    assert tab.actions_of_jobs.stop.isEnabled()


def test_new_job_alone_is_selected_while_the_key_of_its_shortcut_is_down(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Submitted again with Ctrl+D: Delete must not then take the old job with the new one."""
    queue.specs["job000001"] = JobSpec(name="beauty", commands=(("render",),))
    queue.change([make_job(1)])
    settle(lambda: tab.view.chosen.job_ids() == ["job000001"])
    tab.view.setFocus()
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyPress(tab.view, Qt.Key.Key_D, control)
    queue.change([make_job(2, JobState.RUNNING)])
    settle(lambda: tab.view.current()[0] == "job000002")
    assert tab.view.chosen.job_ids() == ["job000002"]
    qtbot.keyRelease(tab.view, Qt.Key.Key_D)


def test_selection_by_hand_stays_when_jobs_come(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """An older job that the artist has selected stays selected."""
    queue.change([make_job(1), make_job(2), make_job(3)])
    settle(lambda: tab.view.current()[0] == "job000003")
    click_row(qtbot, tab, "job000001")
    queue.change([make_job(4)])
    settle(lambda: tab.model.shown == 4)
    assert tab.view.current()[0] == "job000001"
    click_row(qtbot, tab, "job000004")
    queue.change([make_job(5)])
    settle(lambda: tab.view.current()[0] == "job000005")


def test_attempts_are_choices(tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle) -> None:
    """The log of an earlier attempt can be read; a new attempt does not throw one out of it."""
    for number in (1, 2):
        (tmp_path / f"{number}.log").write_text(f"attempt {number}\n")
    queue.attempts_of["job000001"] = [
        AttemptRecord(
            job_id="job000001",
            task=0,
            attempt=1,
            agent="a1",
            host="here",
            started=1.0,
            ended=2.0,
            outcome="failed",
            log_file=str(tmp_path / "1.log"),
        )
    ]
    queue.change([make_job(1, JobState.RUNNING, attempts=2, log_file=str(tmp_path / "2.log"))])
    settle(lambda: log_text(tab) == ["attempt 2"])
    settle(lambda: tab.log._attempts.count() == 2)
    tab.log._attempts.setCurrentIndex(1)
    settle(lambda: log_text(tab) == ["attempt 1"])
    tab.log._attempts.setCurrentIndex(0)
    settle(lambda: log_text(tab) == ["attempt 2"])


def first_attempt(task: int, log: Path, outcome: str) -> AttemptRecord:
    return AttemptRecord(
        job_id="job000001",
        task=task,
        attempt=1,
        agent="a1",
        host="h",
        started=1.0,
        ended=2.0,
        outcome=outcome,
        log_file=str(log),
    )


def test_of_many_tasks_it_is_told_whose_log_is_shown(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """A failed job shows the log of the task that failed, which need not be the latest."""
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    for log in logs:
        log.write_text("line\n")
    queue.attempts_of["job000001"] = [
        first_attempt(number, log, "failed" if number == 1 else "completed")
        for number, log in enumerate(logs)
    ]
    queue.change([make_job(1, JobState.FAILED, tasks=3, attempts=3, log_file=str(logs[1]))])
    choices = tab.log._attempts
    settle(lambda: choices.count() == 3)
    assert [choices.itemText(at) for at in range(3)] == [
        "Task 2, attempt 1: failed",
        "Task 1, attempt 1: completed",
        "Task 3, attempt 1: completed",
    ]


def test_thumbnail_and_picture(tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle) -> None:
    """The latest picture is in the row and in the Picture page, and follows the file."""
    path = tmp_path / "picture.png"
    image = QImage(64, 36, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(path))
    queue.change([make_job(1, JobState.RUNNING, picture=str(path))])
    settle(lambda: tab.pictures.thumbnail(str(path), 1.0) is not None)
    tab.details.show_page("Picture")
    settle(lambda: tab.picture.canvas.has_picture)
    bigger = QImage(128, 72, QImage.Format.Format_RGB32)
    bigger.fill(Qt.GlobalColor.green)
    assert bigger.save(str(path))
    queue.set("job000001", progress=0.5)
    settle(lambda: "128 × 72" in tab.picture.title)


def test_monitors_are_told_what_is_selected(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, events: list[dict[str, Any]]
) -> None:
    """Through Katana's own events a monitor can follow the selected job, its picture and its state."""
    from Katana import Utils

    def sent() -> list[tuple[str, str, str, str]]:
        Utils.EventModule.ProcessAllEvents()
        return [(each["name"], each["picture"], each["state"], each["reason"]) for each in events]

    queue.change([make_job(1, JobState.RUNNING), make_job(2, JobState.RUNNING, picture="/a.png")])
    expected = [("shot_002_beauty", "/a.png", "Running", "")]
    settle(lambda: sent() == expected)
    click_row(qtbot, tab, "job000001")
    expected.append(("shot_001_beauty", "", "Running", ""))
    settle(lambda: sent() == expected)
    queue.set("job000001", picture="/b.png")
    expected.append(("shot_001_beauty", "/b.png", "Running", ""))
    settle(lambda: sent() == expected)
    queue.set("job000001", progress=0.5)
    queue.set("job000001", state=JobState.FAILED, reason="exit code 3")
    expected.append(("shot_001_beauty", "/b.png", "Failed", "exit code 3"))
    settle(lambda: sent() == expected)
    assert {each["task"] for each in events} == {None}


def test_monitors_are_told_which_task_is_selected(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, events: list[dict[str, Any]]
) -> None:
    """A job's row and those of two of its tasks are three pictures, and one of a task may come later."""
    from Katana import Utils

    def sent() -> list[tuple[Any, ...]]:
        Utils.EventModule.ProcessAllEvents()
        return [(each["task"], each["name"], each["picture"], each["state"]) for each in events]

    job = make_job(1, JobState.RUNNING, tasks=2, tasks_running=1, tasks_completed=1, picture="/f.2.png")
    made = partial(TaskRecord, job_id=job.id)
    queue.tasks_of[job.id] = [
        made(index=0, state=TaskState.RUNNING, label="frame 1"),
        made(index=1, state=TaskState.COMPLETED, label="frame 2", picture="/f.2.png"),
    ]
    queue.change([job])
    expected: list[tuple[Any, ...]] = [(None, job.name, "/f.2.png", "Running")]
    settle(lambda: sent() == expected)
    tab.model.expand(job.id)
    for task, name, picture, state in (
        (0, "frame 1", "", "Running"),
        (1, "frame 2", "/f.2.png", "Completed"),
    ):
        place = tab.view.visualRect(tab.model.index(tab.model.row(job.id) + 1 + task, Column.NAME)).center()
        qtbot.mouseClick(tab.view.viewport(), LEFT, pos=place)
        expected.append((task, f"{job.name}, {name}", picture, state))
        settle(lambda: sent() == expected)
    qtbot.keyClick(tab.view, Qt.Key.Key_Up)
    expected.append((0, f"{job.name}, frame 1", "", "Running"))
    settle(lambda: sent() == expected)
    queue.tasks_of[job.id][0] = made(index=0, state=TaskState.RUNNING, label="frame 1", picture="/f.1.png")
    queue.set(job.id, picture="/f.1.png")
    expected.append((0, f"{job.name}, frame 1", "/f.1.png", "Running"))
    settle(lambda: sent() == expected)


def test_two_selected_jobs_are_compared(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """The older job's picture is left of a line that the mouse and the arrow keys move."""
    red = picture_file(tmp_path / "before.png", Qt.GlobalColor.red)
    blue = picture_file(tmp_path / "after.png", Qt.GlobalColor.blue)
    queue.change([make_job(1, picture=red), make_job(2, picture=blue), make_job(3)])
    settle(lambda: tab.model.shown == 3)
    tab.details.show_page("Picture")
    canvas = tab.picture.canvas
    click_row(qtbot, tab, "job000002")
    assert not canvas.compares
    click_row(qtbot, tab, "job000001", modifier=Qt.KeyboardModifier.ControlModifier)
    settle(lambda: canvas.compares)
    assert "shot_001_beauty" in canvas.accessibleName()

    def colour(part: float) -> QColor:
        shown = canvas.grab().toImage()
        return shown.pixelColor(int(shown.width() * part), shown.height() // 3)

    assert (colour(0.4), colour(0.6)) == (QColor(Qt.GlobalColor.red), QColor(Qt.GlobalColor.blue))
    middle = canvas.rect().center()
    qtbot.mousePress(canvas, LEFT, pos=middle)
    qtbot.mouseMove(canvas, QPoint(int(canvas.width() * 0.35), middle.y()))
    qtbot.mouseRelease(canvas, LEFT, pos=middle)
    assert canvas.wipe < 0.45
    qtbot.keyClick(canvas, Qt.Key.Key_Home)
    assert colour(0.4) == QColor(Qt.GlobalColor.blue)
    qtbot.keyClick(canvas, Qt.Key.Key_End)
    assert colour(0.6) == QColor(Qt.GlobalColor.red)
    qtbot.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.wipe == pytest.approx(0.9)
    picture_file(tmp_path / "before.png", Qt.GlobalColor.green)
    queue.set("job000001", progress=0.9)
    settle(lambda: colour(0.4) == QColor(Qt.GlobalColor.green))
    click_row(qtbot, tab, "job000003")
    assert not canvas.compares


def test_two_jobs_of_one_name_have_labels_that_tell_them_apart(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, tmp_path: Path
) -> None:
    """Renders of one node have its name: the label adds when each was submitted, or else its id."""
    pictures = [picture_file(tmp_path / f"{n}.png", Qt.GlobalColor.red) for n in (1, 2)]
    now_s = time.time()
    for ages, labels in (((90.0, 30.0), 2), ((30.0, 30.0), 2)):
        jobs = [
            make_job(n, name="beauty", picture=pictures[n - 1], submitted=now_s - age)
            for n, age in enumerate(ages, 1)
        ]
        queue.change(jobs, reset=True)
        settle(lambda: tab.model.shown == 2)
        tab.details.show_page("Picture")
        tab.view.selectAll()
        settle(lambda: tab.picture.canvas.compares)
        names = [name for _pixmap, name in tab.picture.canvas._pictures]
        assert len(set(names)) == labels
        assert all(name.startswith("beauty, ") for name in names)


def test_the_attempt_that_ended_last_is_a_choice(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """No other attempt begins after it, by which it would be noticed."""

    queue.attempts_of["job000001"] = [first_attempt(0, Path("/logs/0"), "failed")]
    counts = {"tasks": 2, "tasks_failed": 1, "tasks_running": 1}
    queue.change([make_job(1, JobState.RUNNING, attempts=2, log_file="/logs/9", **counts)])
    settle(lambda: tab.log._attempts.findData("/logs/0") > 0)
    queue.attempts_of["job000001"].append(first_attempt(1, Path("/logs/1"), "failed"))
    queue.set("job000001", state=JobState.FAILED, tasks_failed=2, tasks_running=0)
    settle(lambda: tab.log._attempts.findData("/logs/1") > 0)


def test_a_job_without_its_spec_is_not_read_by_the_patterns_of_another(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """For V-Ray, Arnold's progress is a line like any other; for an unknown renderer it is folded away."""
    for number in (1, 2):
        (tmp_path / f"{number}.log").write_text("00:01 | 50% done\nlast\n")
    queue.specs["job000001"] = JobSpec(name="a", commands=(("vray",),), renderer="vray")
    queue.change([make_job(number, log_file=str(tmp_path / f"{number}.log")) for number in (1, 2)])
    settle(lambda: tab.model.shown == 2)
    click_row(qtbot, tab, "job000001")
    settle(lambda: tab.log.path.endswith("1.log") and log_text(tab)[-1:] == ["last"])
    settle(lambda: tab.log._state.is_scanned and tab.log.view.folding.hidden == 0)
    click_row(qtbot, tab, "job000002")
    settle(lambda: tab.log.path.endswith("2.log") and tab.log.view.folding.hidden == 1)


def test_a_picture_is_not_compared_with_itself(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """Two renders that wrote one file would look equal; and a picture that is not there is named."""
    same = picture_file(tmp_path / "beauty.png", Qt.GlobalColor.red)
    gone = str(tmp_path / "gone.png")
    queue.change([make_job(1, picture=same), make_job(2, picture=same), make_job(3, picture=gone)])
    settle(lambda: tab.model.shown == 3)
    tab.details.show_page("Picture")
    tab.view.chosen.select(["job000001", "job000002"])
    settle(lambda: "the same file, 320" in tab.picture.title and tab.picture.canvas.has_picture)
    assert not tab.picture.canvas.compares
    tab.view.chosen.select(["job000001", "job000003"])
    settle(lambda: "shot_001_beauty, 320" in tab.picture.title)
    settle(lambda: "shot_003_beauty, cannot be shown" in tab.picture.title)
    picture_file(Path(gone), Qt.GlobalColor.blue)
    queue.set("job000003", progress=0.9)
    settle(lambda: "shot_003_beauty, 320" in tab.picture.title)
    assert not tab.picture._problems
