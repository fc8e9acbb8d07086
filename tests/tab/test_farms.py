"""Jobs of the site's farms in the tab, beside the queue's: a real Farm whose engine a test steers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest
from katana_queue.kq.api import ConnectionStatus, Farm, JobSpec, JobState, Refused, TaskState, new_job_id
from katana_queue.kq.farms.decide import EngineState
from katana_queue.plugins import site_farms
from katana_queue.plugins.Tabs.KatanaQueue.job_sources import FarmSource
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import COLUMNS, Column
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from host.nodes import scene
from host.nodes.scene import active_scene
from host.nodes.types import node_type
from tests.support.fake_engine import FakeEngine
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle

FRAMES = JobSpec(
    name="sequence",
    commands=((sys.executable, "-c", "import sys; print('frame', sys.argv[1])", "{frame}"),),
    frames="1001-1003",
)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def farm(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    """A farm, as the session's one."""
    made = Farm("slurm", tmp_path / "farms" / "slurm", engine, "Slurm")
    monkeypatch.setattr(site_farms, "_opened", {"slurm": made})
    monkeypatch.setenv("KQ_SLURM_OPTIONS", "partition=render")
    yield made
    engine.hold.set()
    made.close(60)


@pytest.fixture
def farm_tab(tab: Any, queue: FakeQueue, farm: Farm, settle: Settle) -> Any:
    """The tab on a queue with one job, and a farm."""
    queue.change([make_job(1)])
    tab.attach(queue, {"slurm": farm})
    settle(lambda: tab.model.total == 1)
    return tab


def submitted(farm: Farm) -> str:
    job = new_job_id()
    farm.submit(job, FRAMES).result(60)
    farm.refresh().result(60)
    return job


def text(tab: Any, job: str, column: Column) -> str:
    row = tab.model.row(job)
    return "" if row is None else str(tab.model.text(row, column, 0.0))  # it may not be listed yet


def chosen(menu: QMenu, *path: str) -> QAction:
    """The action that `path` leads to."""
    action = next(each for each in menu.actions() if each.text() == path[0])
    return action if len(path) == 1 else chosen(action.menu(), *path[1:])


def shown_menu(tab: Any) -> QMenu:
    tab.view.customContextMenuRequested.emit(QPoint(30, 10))
    return next(each for each in tab.findChildren(QMenu) if each.isVisible() and each.parent() is tab)


def test_without_a_farm_nothing_speaks_of_farms(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """No column, also not in its menu, no choice, no item."""
    queue.change([make_job(1)])
    settle(lambda: tab.model.total == 1)
    assert tab.view.horizontalHeader().isSectionHidden(Column.FARM)
    titles = [action.text() for action in tab.view.columns.menu().actions()]
    assert COLUMNS[Column.FARM].title not in titles
    assert not tab.filter_bar.farm.isVisible()
    menu = shown_menu(tab)
    assert "Send To" not in [action.text() for action in menu.actions()]
    menu.close()


def test_a_job_of_a_farm_has_the_same_columns_tasks_and_log(
    farm_tab: Any, farm: Farm, engine: FakeEngine, settle: Settle
) -> None:
    """It is selected as it is submitted; its tasks have rows, and its log is read."""
    tab, job = farm_tab, submitted(farm)
    settle(lambda: tab.view.current()[0] == job)
    assert not tab.view.horizontalHeader().isSectionHidden(Column.FARM)
    assert text(tab, job, Column.FARM) == "Slurm"
    assert text(tab, "job000001", Column.FARM) == "Katana Queue"
    assert "free node" in text(tab, job, Column.REASON)
    engine.states["1", 1] = EngineState.RUNNING
    assert engine.run("1", 0) == 0
    farm.refresh().result(60)
    settle(lambda: text(tab, job, Column.STATE) == "Running" and text(tab, job, Column.PROGRESS) == "1 / 3")
    tab.model.expand(job)
    first = tab.model.row(job) + 1
    settle(lambda: tab.model.record(first + 2) is not None)
    states = [tab.model.record(first + place).state for place in range(3)]
    assert states == [TaskState.COMPLETED, TaskState.RUNNING, TaskState.WAITING]
    assert "free node" in tab.model.text(first + 2, Column.REASON, 0.0)
    settle(lambda: (line := tab.log.view.line(0)) is not None and line.text == "frame 1001")


def test_the_choice_of_a_farm_filters_the_list(farm_tab: Any, farm: Farm, settle: Settle) -> None:
    """All, the queue's own, a farm's; *Show All Jobs* ends it."""
    tab, job = farm_tab, submitted(farm)
    settle(lambda: tab.model.shown == 2)
    choice = tab.filter_bar.farm
    assert [choice.itemText(place) for place in range(choice.count())] == [
        "All Farms",
        "Katana Queue",
        "Slurm",
    ]
    choice.setCurrentIndex(1)
    assert tab.model.job_ids(0, 0) == ["job000001"] and tab.model.shown == 1
    choice.setCurrentIndex(2)
    assert tab.model.job_ids(0, 0) == [job] and tab.model.shown == 1
    tab.empty.clear_filter_wanted.emit()
    assert tab.model.shown == 2


def test_a_snapshot_of_the_queue_keeps_the_jobs_of_farms(
    farm_tab: Any, farm: Farm, queue: FakeQueue, settle: Settle
) -> None:
    """As after a connection that was lost, or a tab that was closed and opened."""
    tab, job = farm_tab, submitted(farm)
    settle(lambda: tab.model.total == 2)
    queue.change([make_job(2)], reset=True)
    settle(lambda: tab.model.job("job000002") is not None)
    assert tab.model.job(job) is not None and tab.model.total == 2
    tab.close()
    tab.show()
    settle(lambda: tab.bridge.is_attached and tab.model.total == 2)
    farm.stop(job).result(60)
    farm.remove(job).result(60)
    settle(lambda: tab.model.total == 1)


def test_actions_reach_who_has_the_job(
    farm_tab: Any, farm: Farm, engine: FakeEngine, queue: FakeQueue, settle: Settle
) -> None:
    """Jobs of both kinds together; also while the queue does not answer, and priorities only for its own."""
    tab, job = farm_tab, submitted(farm)
    acts = tab.actions_of_jobs
    settle(lambda: tab.view.current()[0] == job and acts.stop.isEnabled())
    assert not acts.raise_priority.isEnabled()
    queue.change(status=ConnectionStatus.LOST, message="gone")
    settle(lambda: not acts.pause.isEnabled())
    assert acts.stop.isEnabled()
    acts.stop_all.trigger()  # what can be asked now: one job, so without a question
    settle(lambda: text(tab, job, Column.STATE) == "Cancelled")
    assert engine.stopped == [("1", None)]
    queue.change(status=ConnectionStatus.CONNECTED)
    settle(acts.pause.isEnabled)
    tab.view.selectAll()
    acts.start.trigger()
    settle(lambda: engine.calls.count("submit") == 2 and ("start_jobs", ("job000001",)) in queue.asked)
    settle(lambda: text(tab, job, Column.STATE) == "Waiting")
    tab.view.show_job(job)
    acts.submit_again.trigger()
    settle(lambda: tab.model.total == 3 and engine.calls.count("submit") == 3)
    settle(lambda: tab.view.current()[0] not in (job, "job000001"))  # the newest is selected
    tab.view.show_job(job)
    settle(acts.remove.isEnabled)
    acts.remove.trigger()
    settle(lambda: "stop it first" in tab.notice.text() and tab.notice.isVisible())


def test_a_task_that_is_held_back_is_started_now(
    farm_tab: Any, farm: Farm, engine: FakeEngine, settle: Settle
) -> None:
    """And a single one is stopped."""
    tab, job = farm_tab, submitted(farm)
    settle(lambda: tab.view.current()[0] == job)
    tab.model.expand(job)
    first = tab.model.row(job) + 1
    settle(lambda: tab.model.record(first + 2) is not None)
    acts = tab.actions_of_jobs
    tab.view.selectRow(first + 1)
    settle(acts.start_tasks.isEnabled)
    assert acts.start_tasks.text() == "Start Now"
    acts.start_tasks.trigger()
    settle(lambda: "start_now" in engine.calls)
    acts.stop.trigger()
    settle(lambda: engine.stopped == [("1", (1,))])
    settle(lambda: tab.model.record(first + 1).state is TaskState.CANCELLED)
    settle(lambda: acts.start_tasks.text() == "Start Task")


def test_an_engine_that_is_silent_is_seen_in_the_row(
    farm_tab: Any, farm: Farm, engine: FakeEngine, settle: Settle
) -> None:
    """The state stays, and the queue's own jobs are as always."""
    tab, job = farm_tab, submitted(farm)
    engine.states["1", 0] = EngineState.RUNNING
    farm.refresh().result(60)
    settle(lambda: text(tab, job, Column.STATE) == "Running")
    engine.is_silent = True
    assert farm.refresh().exception(60) is not None
    settle(lambda: "has not answered since" in text(tab, job, Column.REASON))
    assert text(tab, job, Column.STATE) == "Running"
    engine.is_silent = False
    farm.refresh().result(60)
    settle(lambda: "has not answered" not in text(tab, job, Column.REASON))


def test_send_to_submits_the_same_to_the_farm(
    farm_tab: Any, farm: Farm, engine: FakeEngine, queue: FakeQueue, settle: Settle
) -> None:
    """With the site's options; the job in the queue stays. What the farm refuses is said, and is listed."""
    tab = farm_tab
    queue.specs["job000001"] = FRAMES
    tab.view.show_job("job000001")
    menu = shown_menu(tab)
    chosen(menu, "Send To", "Slurm").trigger()
    menu.close()
    settle(lambda: "was sent to Slurm" in tab.notice.text())
    [record] = farm.jobs()
    assert (record.name, record.tasks, record.state) == ("sequence", 3, JobState.WAITING)
    assert tab.model.job("job000001") is not None
    engine.refusal = "no such partition"
    tab.view.show_job("job000001")
    menu = shown_menu(tab)
    chosen(menu, "Send To", "Slurm").trigger()
    menu.close()
    settle(lambda: "no such partition" in tab.notice.text())
    settle(lambda: tab.model.total == 3)
    tab.view.show_job(record.id)
    menu = shown_menu(tab)
    assert not chosen(menu, "Send To").isEnabled()
    menu.close()


def test_nothing_waits_for_an_engine_that_stands_still(
    farm_tab: Any, farm: Farm, engine: FakeEngine, settle: Settle, qtbot: Any
) -> None:
    """Every request returns at once, and the list is alive; it is done when the engine is back."""
    tab, job = farm_tab, submitted(farm)
    settle(lambda: tab.view.current()[0] == job)
    engine.hold.clear()
    acts = tab.actions_of_jobs
    acts.stop.trigger()
    acts.submit_again.trigger()
    qtbot.keyClick(tab.view, Qt.Key.Key_Right)
    settle(lambda: tab.model.record(tab.model.row(job) + 1) is not None)
    assert text(tab, job, Column.STATE) in ("Waiting", "Stopping")
    engine.hold.set()
    settle(lambda: text(tab, job, Column.STATE) == "Cancelled")
    settle(lambda: engine.calls.count("submit") == 2)


def test_options_of_the_environment_and_of_the_node(
    farm: Farm, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The node's come last; a value may hold commas; what is no option is named in the log."""
    monkeypatch.setattr(scene, "_scene", scene.Scene())
    node = active_scene().graph.create(node_type("Render"))
    node.set_value("farmOptions", "memory=8G, licenses=katana:1,nuke:2")
    monkeypatch.setenv("KQ_SLURM_OPTIONS", "nonsense,partition=render,memory=2G")
    job = new_job_id()
    site_farms.submit("slurm", job, msgspec.structs.replace(FRAMES, node=node.name)).result(60)
    assert engine.options_of["1"] == {"partition": "render", "memory": "8G", "licenses": "katana:1,nuke:2"}
    assert "'nonsense'" in caplog.text
    assert site_farms.node_options("no such node") == {}


def test_the_error_of_one_of_several_jobs_is_kept_whichever_ends_first() -> None:
    """Here another job's request ends while the first one's error is read, as on the farm's own thread."""
    later: Future[None] = Future()

    class Failed(Future[None]):
        def exception(self, timeout: float | None = None) -> BaseException | None:
            if not later.done():
                later.set_result(None)
            return super().exception(timeout)

    class TwoJobs:
        def stop(self, job_id: str, tasks: Any = None) -> Future[None]:
            return failed if job_id == "failed" else later

    failed = Failed()
    joined = FarmSource(TwoJobs()).stop_jobs(["later", "failed"])  # type: ignore[arg-type]
    failed.set_exception(Refused("it is gone"))
    assert isinstance(joined.exception(0), Refused)
