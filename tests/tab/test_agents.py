"""The Agents page: who is there and in which order, how many are kept, what ending one costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from katana_queue.kq.api import AgentState, ConnectionStatus, QueueChange, QueueRecord
from katana_queue.plugins.Tabs.KatanaQueue.models.agents import AgentsModel
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import LEFT, Settle


def change(agents: Any = (), reset: bool = False) -> QueueChange:
    return QueueChange(
        status=ConnectionStatus.CONNECTED,
        message="",
        jobs=(),
        removed_jobs=(),
        agents=tuple(agents),
        removed_agents=(),
        queue=None,
        reset=reset,
    )


def ids(model: AgentsModel) -> list[str]:
    return [agent.id for agent in model.agents()]


def test_they_stand_as_people_count_and_find_their_place(qtmodeltester: Any, qapp: Any) -> None:
    """a2 before a10, local ones first; a remote one whose host changes moves to that host's others."""
    model = AgentsModel(lambda job_id: job_id)
    qtmodeltester.data_display_may_return_none = True
    qtmodeltester.check(model)
    model.apply(change([make_agent(number, id=f"a{number}") for number in (10, 2, 1)], reset=True))
    assert ids(model) == ["a1", "a2", "a10"]
    remote = [make_agent(number, id=f"b{number}", host=f"farm-{number}", local=False) for number in (1, 2)]
    model.apply(change(remote))
    assert ids(model) == ["a1", "a2", "a10", "b1", "b2"]
    model.apply(change([make_agent(1, id="b1", host="zzz", local=False)]))
    assert ids(model) == ["a1", "a2", "a10", "b2", "b1"]


def test_a_local_agent_keeps_its_row_when_it_registers(qapp: Any) -> None:
    """It has no host until then; an artist who has selected its row goes on with the same Agent."""
    model = AgentsModel(lambda job_id: job_id)
    model.apply(change([make_agent(1, id="a1"), make_agent(2, AgentState.STARTING, id="a2", host="")]))
    assert ids(model) == ["a1", "a2"]
    model.apply(change([make_agent(2, id="a2")]))
    assert ids(model) == ["a1", "a2"]


def test_agents_stay_selected_after_a_snapshot(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """After a reconnection *Drain* drains the Agent that was selected before."""
    agents = [make_agent(number) for number in (1, 2, 3)]
    queue.change(agents=agents, queue=QueueRecord(agents_wanted=3))
    tab.details.show_page("Agents")
    settle(lambda: len(tab.agents.agents()) == 3)
    tab.agents_panel.table.selectRow(1)
    queue.change(agents=agents[1:], reset=True)
    settle(lambda: len(tab.agents.agents()) == 2)
    tab.agents_panel.drain.trigger()
    assert ("drain_agents", (agents[1].id,)) in queue.asked


def test_an_agents_task_is_named_as_in_the_list(qapp: Any) -> None:
    """By its frames, where it has some."""
    model = AgentsModel(lambda job_id: "beauty")
    busy = {"state": AgentState.BUSY, "job": "job1"}
    framed = make_agent(1, **busy, task=4, task_label="frame 5")
    model.apply(change([framed, make_agent(2, **busy, task=4), make_agent(3, **busy, task=0)]))
    assert [model.index(row, 4).data() for row in range(3)] == ["beauty, frame 5", "beauty, task 5", "beauty"]


def test_whose_agent_it_is_is_told_before_its_host_is_known(qapp: Any) -> None:
    """One that starts has no host yet: "(local)" is shown at once."""
    model = AgentsModel(lambda job_id: job_id)
    starting = make_agent(1, AgentState.STARTING, id="a1", host="")
    there = make_agent(2, AgentState.STARTING, id="b1", host="", local=False)
    model.apply(change([starting, make_agent(2, id="a2"), there], reset=True))
    hosts = {model.index(row, 0).data(): model.index(row, 1).data() for row in range(3)}
    assert hosts == {"a1": "(local)", "a2": "workstation (local)", "b1": None}


def show_agents(tab: Any, queue: FakeQueue, settle: Settle, busy_s: float) -> Any:
    """The page with two Agents, the first selected; it has been busy so long."""
    queue.change(
        [make_job(1)],
        agents=[make_agent(1, AgentState.BUSY, since=time.time() - busy_s), make_agent(2)],
        queue=QueueRecord(agents_wanted=2),
    )
    tab.details.show_page("Agents")
    panel = tab.agents_panel
    settle(lambda: len(panel._model.agents()) == 2)
    panel.table.selectRow(0)
    return panel


def test_ending_an_agent_that_renders_for_long_asks(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Its render would begin anew, as one that is stopped would: ten minutes are not lost by a click."""
    panel = show_agents(tab, queue, settle, busy_s=700.0)
    panel.remove.trigger()
    box = tab.findChild(QMessageBox)
    assert "11:40" in box.text() and "workstation-1" in box.text()
    assert not [asked for asked in queue.asked if asked[0] == "end_agents"]
    [yes] = [button for button in box.findChildren(QPushButton) if button.text() == "Remove"]
    qtbot.mouseClick(yes, LEFT)
    settle(lambda: ("end_agents", ("workstation-1",)) in queue.asked)


def test_ending_an_agent_that_loses_little_does_not(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """A short render, or none."""
    panel = show_agents(tab, queue, settle, busy_s=20.0)
    panel.restart.trigger()
    settle(lambda: ("restart_agents", ("workstation-1",)) in queue.asked)
    assert tab.findChild(QMessageBox) is None


def test_all_local_agents_may_go(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """With 0 this machine renders nothing more; what waits says for what."""
    panel = show_agents(tab, queue, settle, busy_s=1.0)
    tab.notice.refuse("Remove: the Agent has ended")
    panel.count.setFocus()
    panel.count.selectAll()
    qtbot.keyClicks(panel.count, "0")
    qtbot.keyClick(panel.count, Qt.Key.Key_Return)
    settle(lambda: ("set_agent_count", 0) in queue.asked)
    assert not panel.none.isVisible() and not tab.notice.isVisible()
    queue.change(queue=QueueRecord(agents_wanted=0), removed_agents=["workstation-1", "workstation-2"])
    settle(panel.none.isVisible)
    assert panel.count.value() == 0
    queue.change(status=ConnectionStatus.LOST, message="The queue does not answer.")
    settle(lambda: not panel.none.isVisible())  # not known


def test_the_number_follows_the_queue_unless_somebody_types(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """A button that leaves the keyboard where it is, as Remove does, may change how many are kept."""
    panel = show_agents(tab, queue, settle, busy_s=1.0)
    tab.activateWindow()
    panel.count.setFocus()
    settle(lambda: panel.count.hasFocus())
    queue.change(queue=QueueRecord(agents_wanted=5))
    settle(lambda: panel.count.value() == 5)
    panel.count.selectAll()
    qtbot.keyClicks(panel.count, "7")
    queue.change(queue=QueueRecord(agents_wanted=4), jobs=[make_job(2)])
    settle(lambda: tab.model.shown == 2)
    assert panel.count.text() == "7"


@pytest.mark.parametrize("width", [800, 1080, 1600])
def test_the_page_needs_no_scrolling(tab: Any, queue: FakeQueue, settle: Settle, width: int) -> None:
    """Why an Agent is lost is in the last column, and visible in a narrow panel too."""
    panel = show_agents(tab, queue, settle, busy_s=1.0)
    tab.resize(width, 700)
    settle(lambda: panel.table.viewport().width() in range(width - 12, width + 1))
    settle(lambda: panel.table.horizontalScrollBar().maximum() == 0)


def test_a_column_that_was_sized_stays_so(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """A width that the artist has set stays, whatever the panel's width."""
    panel = show_agents(tab, queue, settle, busy_s=1.0)
    header = panel.table.horizontalHeader()
    tab.resize(1080, 700)
    settle(lambda: panel.table.viewport().width() > 1070)
    header.resizeSection(0, 222)
    tab.resize(800, 700)
    settle(lambda: panel.table.viewport().width() <= 800)
    assert header.sectionSize(0) == 222
