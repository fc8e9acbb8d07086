"""The tab on a real kq: server, Agents and renders are processes; what the tab shows is what they do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from katana_queue.kq.api import (
    ConnectionStatus,
    JobSpec,
    JobState,
    Session,
    Settings,
    live_sessions,
    start_session,
)
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QMessageBox

from tests.support.live_queue import LiveQueue, frozen, kill, until
from tests.support.waiting import not_on_wine
from tests.tab.conftest import close_tab

Settle = Callable[[Callable[[], bool]], None]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A real queue with two Agents."""
    session = start_session(Settings(data_root=tmp_path / "data root", grace_s=0.5))
    yield session
    session.close()
    assert session.wait(60)


@pytest.fixture
def tab(qtbot: Any, session: Session) -> Iterator[Any]:
    """The tab of this session, found by itself, as in the desktop."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    widget = KatanaQueueTab(None)
    qtbot.addWidget(widget)
    widget.resize(1100, 700)
    with qtbot.waitExposed(widget):
        widget.show()
    yield widget
    close_tab(widget)


@pytest.fixture
def settle(qtbot: Any) -> Settle:
    """Wait until something holds, with events running."""

    def wait(condition: Callable[[], bool]) -> None:
        qtbot.waitUntil(condition, timeout=60_000 if sys.platform != "win32" else 90_000)

    return wait


def script(tmp_path: Path, text: str) -> tuple[str, ...]:
    """A command that runs a Python script."""
    path = tmp_path / f"script{len(list(tmp_path.glob('script*')))}.py"
    path.write_text(text)
    return (sys.executable, "-u", str(path))


def log_lines(tab: Any) -> list[str]:
    lines = (tab.log.view.line(number) for number in range(1000))
    return [line.text for line in iter(lambda: next(lines), None)]


def test_from_starting_to_completed(tab: Any, session: Session, tmp_path: Path, settle: Settle) -> None:
    """The banner goes when the queue is there; a job runs before one's eyes, its log with it."""
    gate = tmp_path / "gate"
    settle(lambda: tab._status == ConnectionStatus.CONNECTED)
    assert not tab.banner.isVisible()
    settle(lambda: len(tab.agents.agents()) == 2)
    command = script(
        tmp_path,
        "import os, time\nprint('Progress: 40%')\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('done')\n",
    )
    job_id, _ = session.client.submit(JobSpec(name="beauty", commands=(command,)))
    settle(lambda: tab.view.current()[0] == job_id)
    settle(lambda: tab.model.job(job_id).state == JobState.RUNNING)
    settle(lambda: log_lines(tab) == ["Progress: 40%"])
    settle(lambda: tab.model.job(job_id).progress == 0.4)
    gate.touch()
    settle(lambda: tab.model.job(job_id).state == JobState.COMPLETED)
    settle(lambda: log_lines(tab) == ["Progress: 40%", "done"])


@pytest.fixture
def crashed(tmp_path: Path) -> str:
    """The id of a job that ran when its desktop was killed, in the data root of `session`.

    Its command never ends the first time, and ends at once the second time.
    """
    flag = tmp_path / "flag"
    command = script(
        tmp_path,
        "import os, time\n"
        f"if os.path.exists({str(flag)!r}):\n    print('whole')\n"
        f"else:\n    open({str(flag)!r}, 'w').close()\n    time.sleep(600)\n",
    )
    root = tmp_path / "data root"
    with LiveQueue(root, 1, KQ_GRACE_S=0.5) as before:
        job_id = before.submit(*command, name="beauty")
        until(flag.exists, "the render to run")
        kill(before.serve_pid)
        before.disconnect()
        until(lambda: not live_sessions(root), "the killed desktop's queue to end")
    return job_id


def test_what_a_crash_interrupted_is_offered_and_runs_to_its_end(
    crashed: str, tab: Any, settle: Settle, qtbot: Any
) -> None:
    """The next session's tab names the job in its banner; Start Again renders it, and the offer is gone."""
    settle(lambda: tab.banner.start.isVisible())
    assert "beauty" in tab.banner.text
    before = tab.model.job(crashed)
    assert before.state == JobState.CANCELLED and before.is_interrupted
    qtbot.mouseClick(tab.banner.start, Qt.MouseButton.LeftButton)
    settle(lambda: tab.model.job(crashed).state == JobState.COMPLETED)
    tab.view.show_job(crashed)
    settle(lambda: log_lines(tab) == ["whole"])
    assert not tab.banner.start.isVisible() and not tab.model.job(crashed).is_interrupted


def test_stop_start_and_attempts(
    tab: Any, session: Session, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """Stop ends the render, Start runs it again, and both logs can be read."""
    command = script(tmp_path, "import time\nprint('rendering')\ntime.sleep(600)\n")
    job_id, _ = session.client.submit(JobSpec(name="beauty", commands=(command,)))
    settle(lambda: tab.view.current()[0] == job_id)
    settle(lambda: log_lines(tab) == ["rendering"])
    tab.actions_of_jobs.stop.trigger()
    settle(lambda: tab.model.job(job_id).state == JobState.CANCELLED)
    first_log = tab.log.path
    tab.actions_of_jobs.start.trigger()
    settle(lambda: tab.model.job(job_id).attempts == 2)
    settle(lambda: tab.log.path not in ("", first_log))
    settle(lambda: tab.log._attempts.findData(first_log) > 0)
    tab.actions_of_jobs.stop.trigger()
    settle(lambda: tab.model.job(job_id).state == JobState.CANCELLED)


def test_failed_task_is_started_again_alone(
    tab: Any, session: Session, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """Of ten frames one failed: its reason is in its row, and it alone runs again."""
    flag = tmp_path / "mended"
    command = script(
        tmp_path,
        "import os, sys\n"
        f"if sys.argv[1] == '3' and not os.path.exists({str(flag)!r}):\n"
        "    sys.exit('Error: frame 3 has no camera')\n",
    )
    spec = JobSpec(name="turntable", commands=((*command, "{frame}"),), frames="1-5")
    job_id, _ = session.client.submit(spec)
    settle(lambda: tab.model.job(job_id) is not None and tab.model.job(job_id).state == JobState.FAILED)
    assert "frame 3 has no camera" in tab.model.job(job_id).reason
    tab.model.expand(job_id)
    row = tab.model.row(job_id) + 3
    settle(lambda: tab.model.record(row) is not None and tab.model.record(row).state == "Failed")
    flag.touch()
    tab.view.selectRow(row)
    tab.actions_of_jobs.start_tasks.trigger()
    settle(lambda: tab.model.job(job_id).state == JobState.COMPLETED)
    settle(lambda: tab.model.record(row).attempts == 2)
    assert tab.model.record(row - 1).attempts == 1


def test_agents_drain_and_count(tab: Any, session: Session, settle: Settle) -> None:
    """The Agents page changes what runs."""
    settle(lambda: len(tab.agents.agents()) == 2)
    tab.details.show_page("Agents")
    tab.agents_panel.table.selectRow(0)
    assert tab.agents.agent(0).id == "a1"  # whichever registers first
    tab.agents_panel.drain.trigger()
    settle(lambda: tab.agents.agent(0).draining)
    assert tab.agents_panel.drain.text() == "Resume"
    tab.agents_panel.drain.trigger()
    settle(lambda: not tab.agents.agent(0).draining)
    tab.agents_panel.count.setValue(3)
    settle(lambda: len([agent for agent in tab.agents.agents() if agent.state == "Idle"]) == 3)


def test_server_killed_comes_back(tab: Any, session: Session, tmp_path: Path, settle: Settle) -> None:
    """When the server is killed the connection is lost, and the tab recovers by itself."""
    command = script(tmp_path, "print('done')\n")
    job_id, _ = session.client.submit(JobSpec(name="beauty", commands=(command,)))
    settle(lambda: tab.model.job(job_id) is not None and tab.model.job(job_id).state == JobState.COMPLETED)
    # Noted on the client's thread: on a busy machine Qt's may run only when the queue is back already.
    seen: list[ConnectionStatus] = []
    session.client.add_listener(lambda change: seen.append(change.status))
    settle(lambda: session.ready is not None)
    psutil.Process(int(session.ready["pid"])).kill()  # type: ignore[index]  # just waited for
    settle(lambda: ConnectionStatus.LOST in seen)
    settle(lambda: tab._status == ConnectionStatus.CONNECTED and not tab.banner.isVisible())
    assert tab.model.job(job_id).state == JobState.COMPLETED
    again, _ = session.client.submit(JobSpec(name="after", commands=(command,)))
    settle(lambda: tab.model.job(again) is not None and tab.model.job(again).state == JobState.COMPLETED)


def test_server_killed_while_a_question_stands(
    tab: Any, session: Session, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """An answer that comes while kq is gone does nothing, and says so."""
    command = script(tmp_path, "import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    ids = [session.client.submit(JobSpec(name=name, commands=(command,)))[0] for name in ("one", "two")]
    settle(lambda: all((job := tab.model.job(each)) is not None and job.log_file for each in ids))
    tab.actions_of_jobs.stop_all.trigger()
    box = tab.findChild(QMessageBox)
    settle(lambda: session.ready is not None)
    with frozen(int(session.ready["session"].split(":")[1])):  # its guardian starts no other server meanwhile
        psutil.Process(int(session.ready["pid"])).kill()
        settle(lambda: tab._status == ConnectionStatus.LOST)
        qtbot.mouseClick(box.buttons()[0], Qt.MouseButton.LeftButton)
        assert "connected" in tab.notice.text()
    settle(lambda: tab._status == ConnectionStatus.CONNECTED)
    tab.actions_of_jobs.stop_all.trigger()
    settle(lambda: tab.findChild(QMessageBox) is not None)
    qtbot.mouseClick(tab.findChild(QMessageBox).buttons()[0], Qt.MouseButton.LeftButton)
    settle(lambda: all(tab.model.job(each).state == JobState.CANCELLED for each in ids))


def test_job_removed_by_another_while_its_menu_is_open(
    tab: Any, session: Session, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """What the menu then asks for is about a job that is gone: nothing happens, and nothing breaks."""
    command = script(tmp_path, "print('done')\n")
    job_id, _ = session.client.submit(JobSpec(name="beauty", commands=(command,)))
    settle(lambda: tab.model.job(job_id) is not None and tab.model.job(job_id).state == JobState.COMPLETED)
    tab.view.show_job(job_id)
    tab.view.customContextMenuRequested.emit(QPoint(20, 10))
    menu = next(each for each in tab.findChildren(QMenu) if each.isVisible())
    session.client.remove_jobs([job_id]).result(60)
    settle(lambda: tab.model.job(job_id) is None)
    for action in menu.actions():
        assert not action.isEnabled() or action in (tab.actions_of_jobs.pause,) or action.isSeparator()
    menu.close()


@not_on_wine("a file that was deleted stays in its place until all have closed it")
def test_log_removed_and_begun_anew_under_a_running_render(
    tab: Any, session: Session, tmp_path: Path, settle: Settle
) -> None:
    """The log is deleted while it is written: a message says so, and the new one is shown."""
    command = script(tmp_path, "import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    job_id, _ = session.client.submit(JobSpec(name="beauty", commands=(command,)))
    settle(lambda: (first := tab.log.view.line(0)) is not None and first.text == "here")
    log = Path(tab.log.path)
    log.unlink()
    settle(lambda: "was removed" in tab.log._state.problem)
    log.mkdir()
    settle(lambda: "folder" in tab.log._state.problem)
    log.rmdir()
    log.write_text("other\n")
    settle(lambda: (first := tab.log.view.line(0)) is not None and first.text == "other")
    session.client.stop_jobs([job_id]).result(60)
    settle(lambda: tab.model.job(job_id).state == JobState.CANCELLED)


def test_submit_again_with_the_scene_it_had(
    tab: Any, session: Session, tmp_path: Path, settle: Settle
) -> None:
    """The new job reads the snapshot of the old one, not what the scene is now."""
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "scene").write_text("as it was")
    command = script(tmp_path, "print(open('scene').read())\n")
    spec = JobSpec(name="beauty", commands=(command,), cwd=str(snapshot), temp_dir=str(snapshot))
    job_id, _ = session.client.submit(spec)
    settle(lambda: tab.view.current()[0] == job_id and log_lines(tab) == ["as it was"])
    tab.actions_of_jobs.submit_again.trigger()
    settle(lambda: tab.model.shown == 2)
    settle(lambda: tab.view.current()[0] != job_id and log_lines(tab) == ["as it was"])


def test_session_that_ends_leaves_nothing(
    session: Session, qtbot: Any, tmp_path: Path, settle: Settle
) -> None:
    """When the desktop ends its queue, nothing of it is left, and the tab is none the worse."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    tab = KatanaQueueTab(None)
    qtbot.addWidget(tab)
    tab.show()
    settle(lambda: len(tab.agents.agents()) == 2)
    pids = [agent.pid for agent in tab.agents.agents()]
    command = script(tmp_path, "import time\ntime.sleep(600)\n")
    session.client.submit(JobSpec(name="beauty", commands=(command,)))
    settle(lambda: tab.model.count(JobState.RUNNING) == 1 and session.ready is not None)
    with frozen(int(session.ready["session"].split(":")[1])):
        session.close()  # does not wait for the guardian, which cannot answer now
    assert session.wait(60)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    close_tab(tab)
