"""The tab beside Katana's Catalog: two actions, and the progress of a renderer that prints none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from Katana import CatalogAPI
from katana_queue.kq.api import AgentState, JobState
from katana_queue.plugins import catalog

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import Settle, click_row


@pytest.fixture
def item(qapp: Any) -> Iterator[Any]:
    """The item of job 1."""
    made = CatalogAPI.CreateCatalogItem()
    made._set("sequence_ids", [7])
    catalog.remember(make_job(1).id, "render_7", "")
    yield made
    CatalogAPI.DeleteCatalogItems([made])
    catalog._renders.clear()


def test_actions_are_for_jobs_with_an_item(
    tab: Any, queue: FakeQueue, item: Any, qtbot: Any, settle: Settle
) -> None:
    """They show it in the Monitor; other jobs have none, and an item deleted meanwhile is a message."""
    queue.change(
        jobs=(
            make_job(1),
            make_job(2),
        )
    )
    settle(lambda: tab.model.total == 2)
    click_row(qtbot, tab, make_job(2).id)
    assert not any(action.isEnabled() for action in tab.catalog_actions.actions)
    click_row(qtbot, tab, make_job(1).id)
    assert all(action.isEnabled() for action in tab.catalog_actions.actions)
    tab.catalog_actions.show_in_monitor.trigger()
    client = CatalogAPI.Client
    assert client.GetClientCatalogItems(client.GetPrimaryClientKey())[0] == item
    CatalogAPI.DeleteCatalogItems([item])
    tab.catalog_actions.show_in_monitor.trigger()
    assert tab.notice.text()
    assert not tab.catalog_actions.show_in_monitor.isEnabled()


def test_progress_of_a_renderer_that_prints_none(
    tab: Any, queue: FakeQueue, item: Any, settle: Settle
) -> None:
    """It follows the Catalog while the queue has no news; what the renderer prints goes before it."""
    job = make_job(1, JobState.RUNNING)
    queue.change(jobs=(job,))
    queue.change(agents=(make_agent(1, AgentState.BUSY, job=job.id),))
    settle(lambda: tab.model.total == 1 and bool(tab.agents.agents()))
    assert tab.model.job(job.id).progress is None
    for done in (1, 2):
        item.setRenderProgress(done, 4)
        tab._tick()
        assert tab.model.job(job.id).progress == done / 4
    queue.change(jobs=(make_job(1, JobState.RUNNING, warning="odd"),))
    settle(lambda: tab.model.job(job.id).warning == "odd")
    assert tab.model.job(job.id).progress == 0.5
    queue.change(jobs=(make_job(1, JobState.RUNNING, progress=0.9),))
    settle(lambda: tab.model.job(job.id).progress == 0.9)
    tab._tick()
    assert tab.model.job(job.id).progress == 0.9
