"""The jobs list as a model: records in, rows out, under Qt's own model tester."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
import pytest
from katana_queue.kq.api import ConnectionStatus, JobRecord, JobState, QueueChange, TaskRecord, TaskState
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column, clock_text
from katana_queue.plugins.Tabs.KatanaQueue.models.job_order import JobFilter, JobOrder, SortBy
from katana_queue.plugins.Tabs.KatanaQueue.models.jobs import MAX_SINGLE_CHANGES, JobsModel
from PySide6.QtCore import QPersistentModelIndex, Qt

from tests.tab.fake_queue import make_job

TOOL_TIP = int(Qt.ItemDataRole.ToolTipRole)
DOWN, UP = Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder


@pytest.fixture
def model(qtmodeltester: Any, qapp: Any) -> JobsModel:
    """A model that Qt's tester watches all the while."""
    model = JobsModel()
    qtmodeltester.data_display_may_return_none = True
    qtmodeltester.check(model)
    return model


def change(jobs: Any = (), removed: Any = (), reset: bool = False) -> QueueChange:
    return QueueChange(
        status=ConnectionStatus.CONNECTED,
        message="",
        jobs=tuple(jobs),
        removed_jobs=tuple(removed),
        agents=(),
        removed_agents=(),
        queue=None,
        reset=reset,
    )


def names(model: JobsModel) -> list[str]:
    return [model.index(row, Column.NAME).data() for row in range(model.rowCount())]


def tasks(job_id: str, count: int, state: TaskState = TaskState.WAITING) -> list[TaskRecord]:
    return [TaskRecord(job_id=job_id, index=i, state=state, label=f"frame {i + 1}") for i in range(count)]


def test_newest_is_at_the_top(model: JobsModel) -> None:
    """A job that was just submitted is first, without a click."""
    model.apply(change([make_job(1), make_job(2)]))
    model.apply(change([make_job(3)]))
    assert names(model) == ["shot_003_beauty", "shot_002_beauty", "shot_001_beauty"]


def test_change_of_a_job_changes_its_row_alone(model: JobsModel, qtbot: Any) -> None:
    """An update in place tells of one row."""
    model.apply(change([make_job(n) for n in range(1, 6)]))
    with qtbot.waitSignal(model.dataChanged) as received:
        model.apply(change([make_job(3, JobState.RUNNING, progress=0.5)]))
    assert (received.args[0].row(), received.args[1].row()) == (2, 2)
    assert model.index(2, Column.PROGRESS).data() == "50%"


def test_removed_jobs_leave(model: JobsModel) -> None:
    """What was removed is shown no more, and counted no more."""
    model.apply(change([make_job(n) for n in range(1, 4)]))
    model.apply(change(removed=["job000002", "nosuchjob"]))
    assert names(model) == ["shot_003_beauty", "shot_001_beauty"]
    assert (model.total, model.count(JobState.COMPLETED)) == (2, 2)


def test_job_moves_when_what_it_is_sorted_by_changes(model: JobsModel) -> None:
    """Sorted by state, a job that starts to run moves up among the running ones."""
    model.apply(change([make_job(n, JobState.WAITING) for n in range(1, 5)]))
    model.sort(Column.STATE, UP)
    assert names(model)[0] == "shot_001_beauty"
    model.apply(change([make_job(3, JobState.RUNNING)]))
    assert names(model)[0] == "shot_003_beauty"


@pytest.mark.parametrize("column", list(Column))
@pytest.mark.parametrize("order", [UP, DOWN])
def test_sort_by_every_column(model: JobsModel, column: Column, order: Qt.SortOrder) -> None:
    """Every column sorts, values that are missing included, and stays sorted as jobs change."""
    rnd = random.Random(int(column))
    states = list(JobState)

    def job(n: int) -> JobRecord:
        return make_job(
            n,
            rnd.choice(states),
            priority=rnd.randrange(3),
            progress=rnd.choice([None, rnd.random()]),
            peak_memory=rnd.choice([None, n]),
            reason=rnd.choice(["", "disk full"]),
        )

    model.apply(change([job(n) for n in range(40)]))
    model.sort(column, order)
    for _ in range(30):
        model.apply(change([job(rnd.randrange(50))]))
    entries = [model.sort_by.entry(model.record(row)) for row in range(model.rowCount())]  # type: ignore[arg-type]
    assert entries == sorted(entries, reverse=order == DOWN)
    assert len(set(names(model))) == model.rowCount() == model.total


@pytest.mark.parametrize(
    ("column", "jobs"),
    [
        (
            Column.ELAPSED,
            [
                make_job(1, JobState.WAITING),
                make_job(5, JobState.FAILED, started=100.0, completed=None),  # its farm lost the end
                make_job(2, started=100.0, completed=109.5),
                make_job(3, JobState.WAITING, ran_s=10.0),  # some of its tasks were started again
                make_job(4, JobState.RUNNING),
            ],
        ),
        (
            Column.REASON,
            [
                make_job(1),
                make_job(2, JobState.RUNNING, warnings=1, warning="cannot find wood.png"),
                make_job(3, JobState.FAILED, reason="disk full"),
                make_job(4, JobState.WAITING),  # shows the queue's reason
                make_job(5, JobState.WAITING),
            ],
        ),
        (
            Column.STATE,
            [
                make_job(1, JobState.RUNNING),
                make_job(3, JobState.RUNNING),
                make_job(2, JobState.RUNNING, stopping=True),
                make_job(4, JobState.WAITING),
            ],
        ),
        (
            Column.AGENT,
            [
                make_job(1, JobState.RUNNING, agent="b1, b2", tasks_running=2),
                make_job(2, JobState.RUNNING, agent="a1, a2", tasks_running=12),
                make_job(3, JobState.RUNNING, agent="a2", tasks_running=1),
                make_job(4, JobState.RUNNING, agent="a10", tasks_running=1),
            ],
        ),
    ],
    ids=["elapsed", "reason", "state", "agent"],
)
def test_sorted_as_shown(model: JobsModel, column: Column, jobs: list[JobRecord]) -> None:
    """In the order of what the cells show, whichever of a record's fields that comes from."""
    model.apply(change(jobs[::2] + jobs[1::2]))
    model.sort(column, UP)
    assert names(model) == [job.name for job in jobs]


def test_jobs_with_equal_keys_are_found_again() -> None:
    """Those of farms have no order of submission, so their ids alone differ."""
    jobs = [make_job(id=name, order=0, name=name) for name in "mzak"]
    order = JobOrder(SortBy(Column.STATE), jobs)
    for job in jobs:
        row = order.row(job.id)
        assert row is not None and order.id_at(row) == job.id
    left = {job.id for job in jobs}
    for job in jobs:
        order.remove(job.id)
        left.remove(job.id)
        assert set(order.ids(0, len(order) - 1)) == left


def test_filter_by_words_and_states(model: JobsModel) -> None:
    """All words must occur, in any column that is text; of several states one is enough."""
    model.apply(
        change(
            [
                make_job(1, JobState.FAILED, reason="texture Wood.exr is missing"),
                make_job(
                    2, JobState.RUNNING, agent="workstation-1", warnings=3, warning="cannot find oak.png"
                ),
                make_job(3),
            ]
        )
    )
    model.set_filter(JobFilter("WOOD missing"))
    assert names(model) == ["shot_001_beauty"]
    model.set_filter(JobFilter("oak.png"))
    assert names(model) == ["shot_002_beauty"]
    model.set_filter(JobFilter("", frozenset({JobState.RUNNING, JobState.COMPLETED})))
    assert names(model) == ["shot_003_beauty", "shot_002_beauty"]
    model.set_filter(JobFilter("shot_002", frozenset({JobState.COMPLETED})))
    assert names(model) == []
    assert model.total == 3


def test_job_enters_and_leaves_the_filter_as_it_changes(model: JobsModel) -> None:
    """With only failed jobs shown, one that fails appears, and one that is started again goes."""
    model.set_filter(JobFilter("", frozenset({JobState.FAILED})))
    model.apply(change([make_job(1, JobState.RUNNING), make_job(2, JobState.FAILED)]))
    assert names(model) == ["shot_002_beauty"]
    model.apply(change([make_job(1, JobState.FAILED), make_job(2, JobState.WAITING)]))
    assert names(model) == ["shot_001_beauty"]


def test_tasks_are_rows_beneath_their_job(model: JobsModel, qtbot: Any) -> None:
    """Opened, a job shows its tasks; what is in sight of them is asked for; closed, they go."""
    model.apply(change([make_job(1, tasks=3), make_job(2, tasks=2), make_job(3)]))
    model.expand("job000001")
    model.expand("job000002")
    model.expand("job000003")  # one task: nothing to open
    assert names(model) == [
        "shot_003_beauty",
        "shot_002_beauty",
        "task 1",
        "task 2",
        "shot_001_beauty",
        "task 1",
        "task 2",
        "task 3",
    ]
    with qtbot.waitSignals([model.tasks_wanted] * 2, check_params_cbs=None):
        model.request_tasks(3, 6)
    model.set_tasks("job000001", tasks("job000001", 3, TaskState.FAILED))
    assert names(model)[5:] == ["frame 1", "frame 2", "frame 3"]
    assert model.index(6, Column.STATE).data() == "Failed"
    assert [model.task(row) for row in range(8)] == [None, None, 0, 1, None, 0, 1, 2]
    assert [model.row(f"job00000{n}") for n in (1, 2, 3)] == [4, 1, 0]
    model.collapse("job000002")
    assert names(model)[:3] == ["shot_003_beauty", "shot_002_beauty", "shot_001_beauty"]


def test_opened_job_moves_with_its_tasks(model: JobsModel) -> None:
    """A job that changes its place stays open."""
    model.apply(change([make_job(n, JobState.WAITING, tasks=2) for n in range(1, 5)]))
    model.sort(Column.PRIORITY, DOWN)
    model.expand("job000002")
    model.set_tasks("job000002", tasks("job000002", 2))
    model.apply(change([make_job(2, JobState.WAITING, tasks=2, priority=5)]))
    assert names(model)[:3] == ["shot_002_beauty", "frame 1", "frame 2"]
    model.apply(change([make_job(2, JobState.WAITING, tasks=2, priority=-5)]))
    assert names(model)[-3:] == ["shot_002_beauty", "frame 1", "frame 2"]


def test_opened_job_is_removed_with_its_tasks(model: JobsModel) -> None:
    """No row of a removed job remains."""
    model.apply(change([make_job(n, tasks=3) for n in range(1, 4)]))
    model.expand("job000002")
    model.apply(change(removed=["job000002"]))
    assert names(model) == ["shot_003_beauty", "shot_001_beauty"]


def test_random_story(model: JobsModel) -> None:
    """Whatever happens in whatever order, rows and jobs agree."""
    rnd = random.Random(7)
    known: dict[str, JobRecord] = {}
    for _ in range(250):
        what = rnd.random()
        if what < 0.6:
            job = make_job(
                rnd.randrange(30),
                rnd.choice(list(JobState)),
                tasks=rnd.choice([1, 2, 5]),
                priority=rnd.randrange(4),
            )
            if job.id in known:
                job = make_job(job.order, job.state, tasks=known[job.id].tasks, priority=job.priority)
            known[job.id] = job
            model.apply(change([job]))
        elif what < 0.75 and known:
            gone = rnd.choice(sorted(known))
            del known[gone]
            model.apply(change(removed=[gone]))
        elif what < 0.85 and known:
            (model.expand if rnd.random() < 0.6 else model.collapse)(rnd.choice(sorted(known)))
        elif what < 0.95:
            model.sort(rnd.choice([Column.STATE, Column.PRIORITY, Column.SUBMITTED]), rnd.choice([UP, DOWN]))
        else:
            states = frozenset(rnd.sample(list(JobState), rnd.choice([0, 2, 4])))
            model.set_filter(JobFilter("", states))
        rows = range(model.rowCount())
        shown = [model.job_id(row) for row in rows if model.task(row) is None]
        assert len(shown) == len(set(shown)) == model.shown
        assert all(model.row(job_id) is not None and known[job_id] == model.job(job_id) for job_id in shown)
        for row in rows:
            if model.task(row) is not None:
                assert model.row(model.job_id(row)) == row - 1 - model.task(row)  # type: ignore[operator]


@pytest.mark.parametrize("order", [UP, DOWN])
def test_a_large_change_arranges_the_list_anew(model: JobsModel, order: Qt.SortOrder) -> None:
    """Jobs that come, change and go by the hundred end where they belong, as a few do."""
    model.sort(Column.STATE, order)
    count = 2 * MAX_SINGLE_CHANGES
    model.apply(change([make_job(n, JobState.WAITING) for n in range(count)]))
    model.expand(make_job(1).id)
    gone = [make_job(n).id for n in range(0, count, 4)]
    model.apply(change([make_job(n, JobState.RUNNING) for n in range(1, count, 2)], removed=gone))
    states = [model.index(row, Column.STATE).data() for row in range(model.rowCount())]
    assert model.rowCount() == model.total == count * 3 // 4
    assert states == sorted(states, key=["Running", "Waiting"].index, reverse=order == DOWN)
    assert (model.count(JobState.RUNNING), model.count(JobState.WAITING)) == (
        MAX_SINGLE_CHANGES,
        MAX_SINGLE_CHANGES // 2,
    )


def test_reset_forgets_what_was_known(model: JobsModel) -> None:
    """After a reconnection only what the queue reports counts."""
    model.apply(change([make_job(1), make_job(2)]))
    model.apply(change([make_job(2, JobState.FAILED)], reset=True))
    assert names(model) == ["shot_002_beauty"]
    assert (model.count(JobState.FAILED), model.count(JobState.COMPLETED)) == (1, 0)


def test_rows_stand_still_while_many_are_selected(model: JobsModel, qtbot: Any) -> None:
    """While rows are held none moves, though what they say is current; let go, each goes where it belongs."""
    model.apply(change([make_job(n, JobState.WAITING) for n in range(1, 5)]))
    model.sort(Column.STATE, UP)
    model.hold_rows(True)
    model.apply(change([make_job(3, JobState.RUNNING)], removed=["job000002"]))
    assert names(model) == ["shot_001_beauty", "shot_003_beauty", "shot_004_beauty"]
    assert model.index(1, Column.STATE).data() == "Running"
    with qtbot.waitSignal(model.rearranged):
        model.hold_rows(False)
    assert names(model)[0] == "shot_003_beauty"


def test_a_row_that_does_not_exist_is_an_error(model: JobsModel) -> None:
    """-1, the row of an invalid index, is not the last row."""
    model.apply(change([make_job(1), make_job(2)]))
    for row in (-1, 2):
        with pytest.raises(IndexError):
            model.record(row)
        assert model.data(model.index(row, Column.NAME)) is None


def test_rows_that_are_held_again_at_once_stay(model: JobsModel, qtbot: Any) -> None:
    """Released and held within one event, as when the selection is replaced: nothing moves."""
    model.apply(change([make_job(n, JobState.WAITING) for n in range(1, 4)]))
    model.sort(Column.STATE, UP)
    model.hold_rows(True)
    model.apply(change([make_job(3, JobState.RUNNING)]))
    model.hold_rows(False)
    model.hold_rows(True)
    with qtbot.assertNotEmitted(model.rearranged, wait=20):
        pass
    with qtbot.waitSignal(model.rearranged):
        model.hold_rows(False)
    assert names(model)[0] == "shot_003_beauty"


def test_persistent_indexes_follow_their_jobs(model: JobsModel) -> None:
    """What Qt remembers of a row, a selection for instance, stays with job and task when rows move."""
    model.apply(change([make_job(n, JobState.WAITING, tasks=2) for n in range(1, 5)]))
    model.sort(Column.STATE, UP)
    model.expand("job000003")
    job_row = QPersistentModelIndex(model.index(model.row("job000003") or 0, Column.AGENT))
    task_row = QPersistentModelIndex(model.index((model.row("job000003") or 0) + 2, Column.NAME))
    model.apply(change([make_job(n, JobState.RUNNING, tasks=2) for n in (3, 4)]))
    assert (model.job_id(job_row.row()), model.task(job_row.row())) == ("job000003", None)
    assert (model.job_id(task_row.row()), model.task(task_row.row())) == ("job000003", 1)
    assert job_row.column() == Column.AGENT
    model.apply(change(removed=["job000003"]))
    assert not job_row.isValid()


def test_why_jobs_wait_is_told_in_their_rows(model: JobsModel, qtbot: Any) -> None:
    """What holds up the whole queue is the reason of each job that waits for nothing of its own."""
    model.apply(
        change(
            [
                make_job(1, JobState.WAITING),
                make_job(2, JobState.WAITING, reason="waits for key"),
                make_job(3),
            ]
        ),
    )
    with qtbot.waitSignal(model.dataChanged):
        model.set_why_waiting("the queue's reason")
    shown_texts = [model.index(row, Column.REASON).data() for row in range(3)]
    assert shown_texts == [None, "waits for key", "the queue's reason"]


def test_a_task_that_waits_says_why_in_its_own_row(model: JobsModel, qtbot: Any) -> None:
    """What holds up the queue, or the job, is the reason of each of its tasks that waits."""
    running = make_job(1, JobState.RUNNING, tasks=4, tasks_running=1, tasks_waiting=3, max_parallel=2)
    model.apply(change([running]))
    model.expand(running.id)
    first, *waiting = tasks(running.id, 4)
    model.set_tasks(running.id, [msgspec.structs.replace(first, state=TaskState.RUNNING), *waiting])

    def shown_texts() -> list[str | None]:
        return [model.index(row, Column.REASON).data() for row in range(1, 5)]

    assert shown_texts() == [None] * 4
    with qtbot.waitSignal(model.dataChanged):
        model.set_why_waiting("the queue's reason")
    assert shown_texts() == [None, *["the queue's reason"] * 3]
    received: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: received.append((first.row(), last.row())))
    model.apply(change([msgspec.structs.replace(running, tasks_running=2)]))
    none, *limit = shown_texts()
    assert none is None and len(limit) == 3 and all(text and " 2 tasks " in text for text in limit)
    assert received == [(0, 4)]


def test_the_nearer_the_shorter_and_in_full_as_a_tool_tip(model: JobsModel) -> None:
    """A moment takes little room in the list; who rests the mouse on it reads all of it."""
    now_s = time.mktime((2026, 3, 14, 15, 9, 26, 0, 0, -1))
    day_s = 86400.0
    shown_texts = [clock_text(now_s - days * day_s, now_s) for days in (0, 1, 5, 30, 400)]
    assert shown_texts == ["15:09:26", "Fri 15:09", "Mon 15:09", "12 Feb", "07 Feb 2025"]
    assert clock_text(now_s + day_s, now_s) == "15 Mar"  # a clock that was set back: no weekday of last week
    model.apply(change([make_job(1, submitted=now_s, started=now_s, completed=now_s + 60)]))
    tips = [model.index(0, column).data(TOOL_TIP) for column in (Column.SUBMITTED, Column.COMPLETED)]
    assert tips == ["Saturday, 14 March 2026, 15:09:26", "Saturday, 14 March 2026, 15:10:26"]
