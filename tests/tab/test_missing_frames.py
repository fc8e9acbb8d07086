"""*Start Missing*: which tasks of a job are run again, and what the artist reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from katana_queue.kq.api import JobSpec, JobState, TaskRecord, TaskState, tasks_to_render

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle, click_row

STATES = tuple(TaskState)
SPEC = JobSpec(name="a", commands=(("render", "{frame}"),), frames="1-6", picture="/out/a.{frame:02d}.exr")
EVERY = [
    TaskState.COMPLETED,
    TaskState.COMPLETED,
    TaskState.FAILED,
    TaskState.CANCELLED,
    TaskState.RUNNING,
    TaskState.WAITING,
]


@pytest.mark.parametrize(
    ("fields", "tasks"),
    [
        ({}, [1, 2, 3]),
        ({"picture": ""}, [2, 3]),
        ({"frames": "1-12", "chunk": 2, "picture": "/out/a.##.exr"}, [0, 1, 2, 3]),
        ({"picture": "a.{frame:02d}.exr", "cwd": "/out"}, [1, 2, 3]),
        ({"frames": "1-5"}, []),  # the states are of another job
    ],
)
def test_what_is_over_and_not_there_is_run_again(fields: dict[str, Any], tasks: list[int]) -> None:
    """Each frame of a task has to be there; what waits or runs is left alone."""
    values = {name: getattr(SPEC, name) for name in SPEC.__struct_fields__} | fields
    states = bytes(map(STATES.index, EVERY))
    there = {Path("/out/a.01.exr")}
    assert tasks_to_render(JobSpec(**values), states, there.__contains__) == tasks


def test_missing_frames_are_started_from_the_tab(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, tmp_path: Path
) -> None:
    """One file was deleted: its task alone; when nothing is missing a message says so."""
    job = make_job(1, JobState.COMPLETED, tasks=3, tasks_completed=3)
    queue.tasks_of[job.id] = [
        TaskRecord(job_id=job.id, index=index, state=TaskState.COMPLETED) for index in range(3)
    ]
    queue.specs[job.id] = JobSpec(
        name="a",
        commands=(("render", "{frame}"),),
        frames="1-3",
        picture=f"{tmp_path.as_posix()}/a.{{frame}}.exr",
    )
    for frame in (1, 3):
        (tmp_path / f"a.{frame}.exr").touch()
    queue.change([job])
    settle(lambda: tab.model.shown == 1)
    click_row(qtbot, tab, job.id)
    assert tab.actions_of_jobs.start_missing.isEnabled()
    tab.actions_of_jobs.start_missing.trigger()
    settle(lambda: ("start_tasks", job.id, (1,)) in queue.asked)
    (tmp_path / "a.2.exr").touch()
    noticed: list[str] = []
    tab.actions_of_jobs.noticed.connect(noticed.append)
    tab.actions_of_jobs.start_missing.trigger()
    settle(lambda: any("no frame" in text for text in noticed))


def test_nothing_is_claimed_of_pictures_that_were_not_checked(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """The job names no picture file; or it was started again while its files were checked."""
    noticed: list[str] = []
    for signal in (tab.actions_of_jobs.noticed, tab.actions_of_jobs.refused):
        signal.connect(noticed.append)
    job = make_job(1, JobState.COMPLETED)
    queue.tasks_of[job.id] = [TaskRecord(job_id=job.id, index=0, state=TaskState.COMPLETED)]
    queue.specs[job.id] = JobSpec(name="a", commands=(("render",),))
    queue.change([job])
    settle(lambda: tab.model.shown == 1)
    click_row(qtbot, tab, job.id)
    tab.actions_of_jobs.start_missing.trigger()
    settle(lambda: any("names none" in text for text in noticed))
    queue.set(job.id, state=JobState.RUNNING, completed=None)
    settle(lambda: tab.model.job(job.id).state is JobState.RUNNING)
    tab.actions_of_jobs.missing._on_found(job.id, [], True)
    assert "started again already" in noticed[-1]
    assert not any("no frame is missing" in text for text in noticed)
