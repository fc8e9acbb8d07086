"""The tab beside Katana's Catalog: two actions, and the progress of a renderer that prints none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from Katana import CatalogAPI
from katana_queue.kq.api import AgentState, JobState
from katana_queue.plugins import catalog
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import COLUMNS, Column
from PySide6.QtGui import QColor, QPixmap
from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem, QWidget

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import Settle, click_row, log_text


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


def test_a_live_render_has_no_progress_and_no_remaining_time(
    tab: Any, queue: FakeQueue, item: Any, settle: Settle
) -> None:
    """The Catalog shows how far its present picture is refined; as progress of the job that would mislead."""
    job = make_job(1, JobState.RUNNING, is_live=True)
    queue.change(jobs=(job,))
    queue.change(agents=(make_agent(1, AgentState.BUSY, job=job.id),))
    settle(lambda: tab.model.total == 1 and bool(tab.agents.agents()))
    item.setRenderProgress(3, 4)
    tab._tick()
    shown = tab.model.job(job.id)
    assert shown.progress is None
    printed = msgspec.structs.replace(shown, progress=0.5)
    now_s = job.submitted + 60.0
    for record, progress in ((shown, "Live"), (printed, "Live"), (make_job(1, is_live=True), "")):
        assert COLUMNS[Column.PROGRESS].text(record, now_s) == progress
        assert COLUMNS[Column.REMAINING].text(record, now_s) == ""


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


def coloured(colour: str) -> QPixmap:
    """A picture as wide as those that Katana keeps of its items."""
    pixmap = QPixmap(192, 108)
    pixmap.fill(QColor(colour))
    return pixmap


def middle_of_row(tab: Any, row: int) -> str:
    """The colour that the list draws in the middle of the picture of `row`."""
    column = tab.view.horizontalHeader()
    at = tab.view.visualRect(tab.model.index(row, Column.PICTURE)).center()
    assert not column.isSectionHidden(Column.PICTURE)
    return tab.view.viewport().grab().toImage().pixelColor(at).name()


def test_the_picture_of_a_render_that_names_no_file_is_that_of_the_catalog(
    tab: Any, queue: FakeQueue, item: Any, settle: Settle
) -> None:
    """In the list and beside it, also the one that came last; the file goes before it once there is one."""
    tab.resize(1600, 700)
    job = make_job(1, JobState.RUNNING, picture="")
    queue.change(jobs=(job,))
    settle(lambda: tab.view.current()[0] == job.id)
    tab.details.show_page("Picture")
    item.setThumbnailPixmap(coloured("#ff0000"))
    tab._tick()
    settle(lambda: middle_of_row(tab, 0) == "#ff0000")
    assert tab.picture.canvas.has_picture and "192" in tab.picture.title
    item.setThumbnailPixmap(coloured("#00ff00"))
    queue.change(jobs=(make_job(1, JobState.COMPLETED, picture="", completed=tab.model.now_s() - 1.0),))
    settle(lambda: tab.model.job(job.id).state == "Completed")
    tab._tick()
    settle(lambda: middle_of_row(tab, 0) == "#00ff00")
    queue.change(jobs=(make_job(2, JobState.WAITING, picture=""),))
    settle(lambda: tab.view.current()[0] == make_job(2).id)
    assert not tab.picture.canvas.has_picture, "the picture of another job of the same name"


def test_katanas_log_is_shown_of_a_job_that_has_none_yet(
    tab: Any, queue: FakeQueue, item: Any, settle: Settle, tmp_path: Path
) -> None:
    """What Katana did before the render began; then the render's own log."""
    item.appendToRenderLog("the scene is being written\n")
    queue.change(jobs=(make_job(1, JobState.WAITING, log_file=""),))
    settle(lambda: "the scene is being written" in tab.log.view._message)
    log = tmp_path / "1.log"
    log.write_text("rendering\n")
    queue.change(jobs=(make_job(1, JobState.RUNNING, log_file=str(log)),))
    settle(lambda: log_text(tab) == ["rendering"])


def test_show_in_catalog_selects_the_item(qapp: Any, item: Any) -> None:
    """In a double of Katana's Catalog, with the names of its stubs: the real one is not here."""
    other = CatalogAPI.CreateCatalogItem()
    panel = CatalogPanel([item, other])
    catalog._select(panel, item)
    assert [row.getCatalogItem() for row in panel.tree.selectedItems()] == [item]
    assert not panel.tree.topLevelItem(0).isSelected(), "the row of the slot"
    CatalogAPI.DeleteCatalogItems([other])


class CatalogPanel(QWidget):
    """As Katana's: a tree below slots, whose items know theirs."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__()
        self.tree = QTreeWidget(self)
        slot = CatalogRow(items[0])
        self.tree.addTopLevelItem(slot)
        for each in items:
            slot.addChild(CatalogRow(each))

    def getCatalogWidget(self) -> QTreeWidget:
        return self.tree


class CatalogRow(QTreeWidgetItem):
    def __init__(self, item: Any) -> None:
        super().__init__()
        self._item = item

    def getCatalogItem(self) -> Any:
        return self._item
