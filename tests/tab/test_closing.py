"""A tab that is hidden, closed, shown again or deleted: it does no work unseen, and leaves no thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import shiboken6
from katana_queue.kq.api import AgentState, JobState, TaskRecord, TaskState
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage

from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import Settle, log_text, picture_file


def test_hidden_tab_reads_nothing(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """Logs are read only while they are visible, and caught up with then."""
    log = tmp_path / "render.log"
    log.write_text("one\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: log_text(tab) == ["one"])
    tab.hide()
    assert not tab.log.reader._is_active
    assert not tab._clock.isActive()
    log.write_text("one\ntwo\n")
    tab.show()
    settle(lambda: log_text(tab) == ["one", "two"])


def test_hidden_tab_counts_nothing_and_asks_nothing(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """No timer goes, nothing is fetched, no picture is looked at, whatever the queue tells: jobs are taken
    in all the same. Shown again, all is as it is now, and the list was not read anew.
    """
    path = picture_file(tmp_path / "frame.png", Qt.GlobalColor.red)
    job = make_job(1, JobState.RUNNING, tasks=3, picture=path)
    queue.tasks_of[job.id] = [TaskRecord(job_id=job.id, index=at, state=TaskState.WAITING) for at in range(3)]
    queue.change([job], agents=[make_agent(0, AgentState.BUSY)])
    settle(lambda: tab.model.shown == 1 and tab.pictures.thumbnail(path, 1.0) is not None)
    tab.model.expand(job.id)
    settle(lambda: ("tasks", job.id) in [each[:2] for each in queue.asked])
    settle(lambda: counts_shown(tab)[JobState.RUNNING] == "1")
    resets: list[None] = []
    tab.model.modelReset.connect(lambda: resets.append(None))
    tab.hide()
    settle(lambda: not timers_that_go(tab))
    asked = list(queue.asked)
    queue.change([msgspec.structs.replace(job, progress=0.5), make_job(2), make_job(3, JobState.FAILED)])
    settle(lambda: tab.model.shown == 3 and not timers_that_go(tab))
    assert queue.asked == asked
    assert counts_shown(tab)[JobState.FAILED] == "0"
    assert tab.pictures._stale == {path}
    tab.show()
    assert counts_shown(tab)[JobState.FAILED] == "1"
    settle(lambda: len(queue.asked) > len(asked) and not tab.pictures._stale)
    assert tab._clock.isActive()
    assert not resets


def counts_shown(tab: Any) -> dict[JobState, str]:
    return {state: button.text() for state, button in tab.filter_bar._buttons.items()}


def timers_that_go(tab: Any) -> list[QTimer]:
    return [timer for timer in tab.findChildren(QTimer) if timer.isActive()]


def test_closed_tab_leaves_no_thread_and_opens_again(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """Closing ends what the tab started; shown again, it takes up where it was."""
    log = tmp_path / "render.log"
    log.write_text("one\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: log_text(tab) == ["one"])
    close_tab(tab)
    job = make_job(1)
    queue.change([msgspec.structs.replace(job, completed=job.submitted + 300), make_job(2)])
    tab.show()
    settle(lambda: tab.model.shown == 2)
    assert not tab.notice.text()  # who opens the list sees what has ended
    running = make_job(3, JobState.RUNNING)
    queue.change([running])
    settle(lambda: tab.model.shown == 3)
    queue.set(running.id, state=JobState.COMPLETED, completed=running.submitted + 300)
    settle(lambda: tab.notice.text().startswith(running.name))


def test_tab_closed_shown_and_closed_at_once_leaves_no_thread(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """What waits to take up again, until its thread has ended, gives up when the tab is closed once more."""
    log = tmp_path / "render.log"
    log.write_text("line\n" * 5)
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: len(log_text(tab)) > 0)
    for _ in range(10):
        tab.close()
        tab.show()
        tab.close()
        assert not tab.log.reader._resume_soon.isActive()
        assert not tab.pictures._resume_soon.isActive()
        tab.show()


def test_tab_deleted_while_its_threads_speak(
    qtbot: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """Katana may delete a tab at any moment, without closing it: no thread speaks to what is gone."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    log = tmp_path / "render.log"
    log.write_text("line\n" * 20_000)
    picture = tmp_path / "picture.png"
    image = QImage(640, 360, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(picture))
    queue.change([make_job(n, JobState.RUNNING, log_file=str(log), picture=str(picture)) for n in range(5)])
    for _ in range(25):
        tab = KatanaQueueTab(None)
        tab.attach(queue)  # type: ignore[arg-type]  # a stand-in
        tab.show()
        settle(lambda tab=tab: tab.log._state.path != "")
        reader, pictures = tab.log.reader, tab.pictures
        shiboken6.delete(tab)
        assert not queue._listeners
        queue.set("job000001", progress=0.5)
        assert reader.wait(60)
        assert pictures.wait(60)
