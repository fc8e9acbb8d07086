"""What kq's thread reports reaches Qt's thread joined, a frame at a time, and nothing of it is lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from katana_queue.kq.api import ConnectionStatus, JobState, QueueChange
from katana_queue.plugins.Tabs.KatanaQueue import bridge as module
from katana_queue.plugins.Tabs.KatanaQueue.bridge import QueueBridge

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import Settle


@pytest.fixture
def received(qapp: Any, queue: FakeQueue, settle: Settle) -> list[QueueChange]:
    """The changes that a bridge on `queue` hands on, but for the first snapshot."""
    bridge = QueueBridge(qapp)
    changes: list[QueueChange] = []
    bridge.changed.connect(changes.append)
    bridge.attach(queue)  # type: ignore[arg-type]  # has what the bridge calls
    settle(lambda: len(changes) == 1)
    changes.clear()
    return changes


def test_what_comes_within_a_frame_is_one_change(
    received: list[QueueChange], queue: FakeQueue, settle: Settle
) -> None:
    """The latest record of each job; a job that was removed and one that came back."""
    queue.change([make_job(1), make_job(2), make_job(3)], agents=[make_agent(1)])
    queue.change([make_job(1, JobState.FAILED)], removed=["job000002", "job000003"])
    queue.change([make_job(3, JobState.RUNNING)], removed_agents=["workstation-1"])
    settle(lambda: bool(received))
    (change,) = received
    assert {job.id: job.state for job in change.jobs} == {"job000001": "Failed", "job000003": "Running"}
    assert (change.removed_jobs, change.agents) == (("job000002",), ())
    assert change.removed_agents == ("workstation-1",)


def test_changes_after_a_snapshot_are_part_of_it(
    received: list[QueueChange], queue: FakeQueue, settle: Settle
) -> None:
    """What came before it is void."""
    queue.change([make_job(9)])
    queue.change([make_job(1), make_job(2)], reset=True)
    queue.change([make_job(2, JobState.FAILED), make_job(3)], removed=["job000001"])
    settle(lambda: bool(received))
    (change,) = received
    assert change.reset
    assert {job.id: job.state for job in change.jobs} == {"job000002": "Failed", "job000003": "Completed"}


def test_very_many_jobs_come_in_parts(
    received: list[QueueChange], queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no turn of Qt's loop is long; what is reported meanwhile is the latest."""
    monkeypatch.setattr(module, "MAX_JOBS", 10)
    jobs = [make_job(n) for n in range(25)]
    queue.change(jobs, agents=[make_agent(1)])
    settle(lambda: bool(received))
    last = msgspec.structs.replace(jobs[24], state=JobState.FAILED)
    queue.change([last], status=ConnectionStatus.LOST, message="gone")
    settle(lambda: sum(len(change.jobs) for change in received) >= 25 and received[-1].message == "gone")
    assert max(len(change.jobs) for change in received) <= 10
    known = {job.id: job for change in received for job in change.jobs}
    assert len(known) == 25
    assert known[last.id].state == JobState.FAILED
    assert received[-1].status == ConnectionStatus.LOST
    assert sum(len(change.agents) for change in received) == 1
