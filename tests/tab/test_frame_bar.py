"""The bar that shows all frames of a job in its row: what it draws, and that a click selects a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from katana_queue.kq.api import JobSpec, JobState, TaskRecord, TaskState
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from katana_queue.plugins.Tabs.KatanaQueue.models.frame_states import (
    ChosenFrame,
    FrameStates,
    Pixel,
    frame_order,
    pixels,
)
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import LEFT, Settle, click_row, picture_file

STATES = tuple(TaskState)


def spec_of(frames: str) -> JobSpec:
    """A job that renders a task a frame."""
    return JobSpec(name="a", commands=(("render", "{frame}"),), frames=frames)


def coded(*states: TaskState) -> bytes:
    """As the queue sends them."""
    return bytes(map(STATES.index, states))


@given(
    st.binary(max_size=300).map(lambda raw: bytes(each % len(STATES) for each in raw)), st.integers(1, 200)
)
def test_a_failed_frame_is_always_in_sight(states: bytes, width: int) -> None:
    """However many frames share a pixel; and no pixel shows what none of its frames is in."""
    shown = states or coded(TaskState.WAITING)
    line = pixels(shown, width)
    assert len(line) == width
    drawn = {pixel.state for pixel in line if pixel is not None and pixel.share > 0}
    assert (TaskState.FAILED in drawn) == (STATES.index(TaskState.FAILED) in shown)
    assert drawn <= {STATES[code] for code in shown}


def test_wide_frames_are_parted_and_narrow_ones_are_mixed() -> None:
    """A gap between two frames that are wide enough; the share that is done of those that share a pixel."""
    done, waits = TaskState.COMPLETED, TaskState.WAITING
    assert pixels(coded(done, waits), 8) == [*[Pixel(done, 1.0)] * 3, None, *[Pixel(done, 0.0)] * 4]
    assert pixels(coded(done, waits, waits, waits), 2) == [Pixel(done, 0.5), Pixel(done, 0.0)]


def test_frames_are_in_their_own_order() -> None:
    """Ends first, as they were queued, they are drawn, named and found from the first to the last."""
    job = make_job(1, JobState.RUNNING, tasks=4, tasks_waiting=2, tasks_running=1, tasks_failed=1)
    frames = FrameStates()
    assert frames.needs_order(job.id) and frames.needs_states(job)
    frames.set_states(job, coded(TaskState.FAILED, TaskState.WAITING, TaskState.RUNNING, TaskState.WAITING))
    assert frames.shown(job) == b""
    frames.set_order(job.id, frame_order(spec_of("1,9,3,6")))
    assert frames.shown(job) == coded(
        TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING, TaskState.WAITING
    )
    chosen = [frames.frame_at(job.id, part) for part in (0.0, 0.3, 0.6, 1.0)]
    assert [(each.task, each.frame) for each in chosen if each] == [(0, 1), (2, 3), (3, 6), (1, 9)]
    assert frames.tip(job.id, 0.1) == "frame 1: Failed"
    assert not frames.needs_states(job)


def test_the_frames_of_a_task_have_states_of_their_own() -> None:
    """What is written is completed; of the rest of a task one is rendered, or all failed."""
    chunked = JobSpec(name="a", commands=(("render", "{start}", "{end}"),), frames="1-10", chunk=4)
    job = make_job(1, JobState.RUNNING, tasks=3, tasks_running=1, tasks_failed=1, tasks_waiting=1)
    frames = FrameStates()
    frames.set_order(job.id, frame_order(chunked))
    frames.set_states(job, coded(TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING), (1, 2, 0))
    done, failed, runs, waits = TaskState.COMPLETED, TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING
    assert frames.shown(job) == coded(done, failed, failed, failed, done, done, runs, waits, waits, waits)
    chosen = [frames.frame_at(job.id, (frame - 0.5) / 10) for frame in (1, 2, 7, 10)]
    assert [(each.task, each.frame, each.state) for each in chosen if each] == [
        (0, 1, done),
        (0, 2, failed),
        (1, 7, runs),
        (2, 10, waits),
    ]
    assert not frames.needs_states(job)
    assert frames.needs_states(msgspec.structs.replace(job, progress=0.5))
    frames.set_states(job, coded(failed, runs, waits))
    assert frames.shown(job) == coded(*[failed] * 4, *[runs] * 4, waits, waits)


def test_a_task_may_have_hundreds_of_frames() -> None:
    """Each is where it is written, however many there are."""
    chunked = JobSpec(name="a", commands=(("render", "{start}", "{end}"),), frames="1-1000", chunk=500)
    job = make_job(1, JobState.RUNNING, tasks=2, tasks_running=1, tasks_waiting=1)
    frames = FrameStates()
    frames.set_order(job.id, frame_order(chunked))
    frames.set_states(job, coded(TaskState.RUNNING, TaskState.WAITING), (400, 0))
    done, runs, waits = TaskState.COMPLETED, TaskState.RUNNING, TaskState.WAITING
    assert frames.shown(job) == coded(*[done] * 400, runs, *[waits] * 599)


def test_a_job_whose_tasks_are_all_alike_is_not_asked_about() -> None:
    """Of ten thousand jobs that wait, or are done, the queue is asked for nothing."""
    job = make_job(1, JobState.COMPLETED, tasks=3, tasks_completed=3)
    frames = FrameStates()
    assert not frames.needs_states(job)
    frames.set_order(job.id, frame_order(spec_of("1-3")))
    assert frames.shown(job) == coded(*[TaskState.COMPLETED] * 3)


def test_a_job_that_failed_before_it_was_in_sight_shows_what_was_written() -> None:
    """All its tasks are alike, but before the order is known they may have several frames."""
    job = make_job(1, JobState.FAILED, tasks=2, tasks_failed=2)
    frames = FrameStates()
    assert frames.needs_states(job)
    frames.set_states(job, coded(TaskState.FAILED, TaskState.FAILED), (2, 0))
    chunked = JobSpec(name="a", commands=(("render", "{start}", "{end}"),), frames="1-6", chunk=3)
    frames.set_order(job.id, frame_order(chunked))
    done, failed = TaskState.COMPLETED, TaskState.FAILED
    assert frames.shown(job) == coded(done, done, *[failed] * 4)


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.FAILED])
def test_a_click_on_a_frame_selects_its_task_and_shows_it(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, tmp_path: Path, state: TaskState
) -> None:
    """Its picture, or the log of one that failed."""
    picture = picture_file(tmp_path / "frame.png", Qt.GlobalColor.red)
    job = make_job(1, JobState.RUNNING, tasks=24, tasks_waiting=23, tasks_completed=1)
    queue.tasks_of[job.id] = [
        TaskRecord(job_id=job.id, index=index, state=TaskState.WAITING, label=f"frame {24 - index}")
        for index in range(24)
    ]
    queue.tasks_of[job.id][4] = TaskRecord(
        job_id=job.id, index=4, state=state, label="frame 20", picture=picture
    )
    frames = ",".join(str(frame) for frame in range(24, 0, -1))
    queue.specs[job.id] = spec_of(frames)
    queue.change([job])
    settle(lambda: tab.model.shown == 1 and len(tab.frames.shown(job)) == 24)
    cell = tab.view.visualRect(tab.model.index(0, Column.PROGRESS))
    left, width = tab.rows.bar(cell.left(), cell.width())
    at = QPoint(left + int((19 + 0.5) / 24 * width), cell.center().y())
    qtbot.mouseClick(tab.view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
    settle(lambda: tab.view.current() == (job.id, 4))
    assert tab.view.chosen.tasks() == {job.id: [4]}
    wanted = "Log" if state == TaskState.FAILED else "Picture"
    settle(lambda: tab.details.current_name() == wanted)
    if state == TaskState.COMPLETED:
        settle(lambda: [shown.path for shown in tab.picture._shown] == [picture])


def test_a_click_on_a_frame_of_a_chunk_shows_the_picture_of_that_frame(
    tab: Any,
    queue: FakeQueue,
    settle: Settle,
    qtbot: Any,
    tmp_path: Path,
    events: list[dict[str, Any]],
) -> None:
    """The task has one latest picture, each of its frames a file; *Open Picture* and monitors get that, too.
    Of a frame that is not written yet, a message says so until it is."""
    from Katana import Utils

    files = {frame: tmp_path / f"a.{frame:04d}.png" for frame in range(1, 9)}
    for frame in (1, 2):
        picture_file(files[frame], Qt.GlobalColor.red)
    job = make_job(1, JobState.RUNNING, tasks=2, tasks_waiting=1, tasks_running=1)
    latest = {"label": "frames 1-4", "picture": str(files[2])}
    queue.tasks_of[job.id] = [
        TaskRecord(job_id=job.id, index=0, state=TaskState.RUNNING, **latest),  # type: ignore[arg-type]
        TaskRecord(job_id=job.id, index=1, state=TaskState.WAITING, label="frames 5-8"),
    ]
    queue.specs[job.id] = JobSpec(
        name="a",
        commands=(("render", "{start}", "{end}"),),
        frames="1-8",
        chunk=4,
        cwd=str(tmp_path),
        picture="a.####.png",
    )
    queue.change([job])
    settle(lambda: tab.model.shown == 1 and len(tab.frames.shown(job)) == 8)
    cell = tab.view.visualRect(tab.model.index(0, Column.PROGRESS))
    left, width = tab.rows.bar(cell.left(), cell.width())

    def click(frame: int) -> None:
        at = QPoint(left + int((frame - 0.5) / 8 * width), cell.center().y())
        qtbot.mouseClick(tab.view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)

    def shown() -> list[str]:
        return [each.path for each in tab.picture._shown]

    click(1)
    settle(lambda: tab.view.current() == (job.id, 0) and shown() == [str(files[1])])
    settle(lambda: tab.picture.canvas.has_picture)
    tab.actions_of_jobs.copy_picture_path.trigger()
    assert QGuiApplication.clipboard().text() == str(files[1])
    Utils.EventModule.ProcessAllEvents()
    assert (events[-1]["task"], events[-1]["picture"]) == (0, str(files[1]))
    click(3)
    settle(lambda: shown() == [str(files[3])] and "not written" in tab.picture.canvas._message)
    assert tab.view.current() == (job.id, 0)
    Utils.EventModule.ProcessAllEvents()
    assert (events[-1]["task"], events[-1]["picture"]) == (0, str(files[3]))
    picture_file(files[3], Qt.GlobalColor.blue)
    queue.tasks_of[job.id][0] = TaskRecord(
        job_id=job.id, index=0, state=TaskState.RUNNING, label="frames 1-4", picture=str(files[3])
    )
    queue.set(job.id, progress=0.4)
    settle(lambda: tab.picture.canvas.has_picture)
    click(7)
    settle(lambda: tab.view.current() == (job.id, 1) and shown() == [str(files[7])])
    click_row(qtbot, tab, job.id)
    settle(lambda: tab.view.current() == (job.id, None) and shown() == [""])


def test_the_png_beside_an_exr_is_shown_where_the_task_printed_one() -> None:
    """A renderer may write both, and print the PNG: an EXR cannot be shown everywhere."""
    chosen = ChosenFrame(task=0, frame=3, picture=str(Path("/out/a.0003.exr")), state=None)
    png = str(Path("/out/a.0003.png"))
    assert chosen.shown_picture(str(Path("/out/a.0002.png"))) == png
    for other in ("", str(Path("/tmp/a.0002.png")), str(Path("/out/a.0002.exr"))):
        assert chosen.shown_picture(other) == chosen.picture


def test_the_bar_follows_the_job(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """When a task goes on, its frame changes colour."""
    job = make_job(1, JobState.RUNNING, tasks=2, tasks_waiting=1, tasks_running=1)
    tasks = [TaskRecord(job_id=job.id, index=index, state=TaskState.WAITING) for index in range(2)]
    queue.tasks_of[job.id] = tasks
    queue.specs[job.id] = spec_of("1-2")
    queue.change([job])
    settle(lambda: tab.frames.shown(job) == coded(TaskState.WAITING, TaskState.WAITING))
    tasks[1] = TaskRecord(job_id=job.id, index=1, state=TaskState.FAILED)
    queue.set(job.id, tasks_running=0, tasks_failed=1)
    settle(lambda: tab.frames.shown(job) == coded(TaskState.WAITING, TaskState.FAILED))


def test_rows_that_come_into_sight_have_their_frames(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """As jobs above them are removed, or move."""

    def asked() -> set[str]:
        first, last = tab.view.visible_rows()
        seen = {tab.model.job_id(row) for row in range(first, last + 1)}
        assert seen
        return seen - {each[1] for each in queue.asked if each[0] == "task_states"}

    counts = {"tasks": 2, "tasks_waiting": 1, "tasks_failed": 1}
    jobs = [make_job(n, JobState.RUNNING, progress=n / 1000, **counts) for n in range(90)]
    for job in jobs:
        queue.tasks_of[job.id] = [
            TaskRecord(job_id=job.id, index=i, state=state)
            for i, state in enumerate((TaskState.FAILED, TaskState.WAITING))
        ]
        queue.specs[job.id] = spec_of("1-2")
    queue.change(jobs)
    settle(lambda: tab.model.shown == 90 and not asked())
    first, last = tab.view.visible_rows()
    removed = [tab.model.job_id(row) for row in range(first, last + 1)]
    assert len(removed) < 40
    queue.change(removed=removed)
    settle(lambda: tab.model.shown == 90 - len(removed))
    settle(lambda: not asked())
    tab.view.sortByColumn(Column.PROGRESS, Qt.SortOrder.AscendingOrder)
    tab.view.scrollToTop()
    settle(lambda: not asked())
    first, last = tab.view.visible_rows()
    moved = [tab.model.job_id(row) for row in range(first, last + 1)]
    queue.change([msgspec.structs.replace(tab.model.job(job_id), progress=0.99) for job_id in moved])
    settle(lambda: tab.model.row(moved[0]) != first)
    settle(lambda: not asked())
