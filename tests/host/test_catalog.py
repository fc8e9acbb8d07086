"""The Catalog: an item for each render, found by its sequence ID, with state, note and pins."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QTreeWidget, QTreeWidgetItem
from pytestqt.qtbot import QtBot

from host.app.catalog_model import Column
from host.app.catalog_tab import CatalogRow, CatalogTab, CatalogWidget
from host.app.render_state import Phase
from host.Katana import CatalogAPI, Nodes2DAPI, RenderManager
from host.Katana.NodegraphAPI import GetNode
from host.Katana.RenderManager import RenderModes
from host.Katana.UI4.Tabs import BaseTab
from host.Katana.Utils import EventModule
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, open_small, trigger_preview


def test_a_render_has_a_catalog_item_that_follows_it(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """From the menu to the end: in progress, then completed, with node, frame, method and times."""
    desktop = make_desktop()
    open_small(desktop)
    trigger_preview("Render")
    render = desktop.renders.renders[0]
    item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
    assert item is not None
    assert item.getRenderState() == CatalogAPI.RENDER_STATE_IN_PROGRESS and item.isInProgress()
    assert (item.getNodeName(), item.getStartFrame(), item.getEndFrame()) == ("Render", 1, 1)
    assert item.getRenderMethodType() == RenderModes.PREVIEW_RENDER
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert item.getRenderState() == CatalogAPI.RENDER_STATE_COMPLETED
    assert item.getRenderEndTime() >= item.getRenderStartTime() > 0
    assert CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id + 1) is None


def test_the_render_context_carries_the_sequence_id(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A farm plug-in finds the Catalog item of a job by the number at the end of the context's name."""
    desktop = make_desktop()
    open_small(desktop)
    trigger_preview("Render")
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert render.picture is not None
    context = render.picture.parent.name
    assert f"_{render.sequence_id}" in context


def test_items_are_ordered_noted_pinned_and_deleted(fresh: object) -> None:
    """Newest first; what is set is read back, and each change is an event that names the item."""
    first, second = CatalogAPI.CreateCatalogItem(), CatalogAPI.CreateCatalogItem()
    assert CatalogAPI.GetCatalogItems() == [second, first]
    assert CatalogAPI.GetNextCatalogItem(second) == first
    assert CatalogAPI.GetPreviousCatalogItem(second) is None
    EventModule.ProcessAllEvents()
    changed: list[tuple[object, object]] = []

    def note(*_event: object, **kwargs: object) -> None:
        changed.append((kwargs["catalogItemID"], kwargs["name"]))

    EventModule.RegisterEventHandler(note, "catalog_itemChanged")
    first.setUserComment("warmer key")
    first.setFramePinned(True)
    first.setGSVPinned("shot", True)
    first.setFrameRange("1-10")
    EventModule.ProcessAllEvents()
    assert first.getUserComment() == "warmer key" and first.isFramePinned() and first.isGSVPinned("shot")
    assert (first.getStartFrame(), first.getEndFrame()) == (1, 10)
    changed_before, changed[:] = list(changed), []
    second.setRenderProgress(0, 10)
    EventModule.ProcessAllEvents()
    assert changed == [(second.getCatalogItemID(), "total")]
    changed[:] = changed_before
    for frames, ends in (
        ("-10--5", (-10, -5)),
        ("-3", (-3, -3)),
        ("1-9x2,20", (1, 20)),
        ("", (0, 0)),
        ("1 - 10", (1, 10)),
        ("-10 - -5", (-10, -5)),
        ("1, -5", (1, -5)),
        ("1- 10", (1, 10)),
        ("7, 9 ", (7, 9)),
    ):
        second.setFrameRange(frames)
        assert (second.getStartFrame(), second.getEndFrame()) == ends
    assert changed == [
        (first.getCatalogItemID(), name)
        for name in ("comment", "frame_pinned", "pinned_variables", "frame_range")
    ]
    CatalogAPI.DeleteCatalogItems([first])
    assert not first.isValid()
    assert CatalogAPI.GetCatalogItems() == [second]
    with pytest.raises(ValueError, match=first.getCatalogItemID()):
        first.getNodeName()


def test_the_catalog_selects_what_is_shown_in_front(fresh: object, qtbot: QtBot) -> None:
    """As *Show in Catalog* of the queue's tab wants it; not while the artist has selected another item."""
    tab = CatalogTab(None)
    qtbot.addWidget(tab)
    items = [CatalogAPI.CreateCatalogItem() for _ in range(3)]
    EventModule.ProcessAllEvents()

    def show(item: CatalogAPI.CatalogItem.CatalogItem) -> None:
        CatalogAPI.SetClientCatalogItem(CatalogAPI.GetPrimaryClientKey(), CatalogAPI.kPrimaryView, item)
        EventModule.ProcessAllEvents()

    show(items[0])
    assert tab.selected_items() == [items[0]]
    # The artist may press a key meanwhile.
    QTest.keyPress(tab, Qt.Key.Key_Control, Qt.KeyboardModifier.ControlModifier)
    show(items[1])
    show(items[1])
    QTest.keyRelease(tab, Qt.Key.Key_Control)
    assert tab.selected_items() == [items[1]]
    tab.table.selectRow(items[2].getIndex())
    show(items[0])
    assert tab.selected_items() == [items[2]]


def test_a_note_is_typed_while_its_render_goes_on(fresh: object, qtbot: QtBot) -> None:
    """Progress and pictures leave the open editor as it is; a note that a script sets is shown."""
    tab = CatalogTab(None)
    qtbot.addWidget(tab)
    item = CatalogAPI.CreateCatalogItem()
    EventModule.ProcessAllEvents()
    note = tab.table.model().index(0, Column.NOTE)
    tab.table.edit(note)
    editor = tab.table.findChild(QLineEdit)
    assert isinstance(editor, QLineEdit)
    QTest.keyClicks(editor, "too bright at")
    item.setRenderProgress(3, 10)
    item.setThumbnailPixmap(QPixmap(4, 4))
    item.setRenderState(CatalogAPI.RENDER_STATE_COMPLETED)
    EventModule.ProcessAllEvents()
    QTest.keyClicks(editor, " left")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: item.getUserComment() != "")
    assert item.getUserComment() == "too bright at left"
    told = []
    tab.table.model().dataChanged.connect(lambda _first, last, _roles: told.append(last.column()))
    item.setUserComment("approved")
    EventModule.ProcessAllEvents()
    assert told[-1] == Column.NOTE and note.data() == "approved"


def test_renders_are_started_killed_and_restarted_through_katanas_api(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """StartRender, KillExternalRender, RestartExternalRender: as a plug-in would call them."""
    desktop = make_desktop()
    open_small(desktop, samples=20000)
    [started] = RenderManager.StartRender(RenderModes.PREVIEW_RENDER, node=GetNode("Render"))
    sequence_id = started["sequenceID"]
    render = desktop.renders.find(sequence_id)
    assert render is not None and Nodes2DAPI.IsExternalRenderInProgress(sequence_id)
    qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)
    Nodes2DAPI.KillExternalRender(sequence_id, False)
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert not Nodes2DAPI.IsExternalRenderInProgress(sequence_id)
    Nodes2DAPI.RestartExternalRender(sequence_id)
    again = desktop.renders.renders[-1]
    assert again is not render and again.node == "Render"
    assert RenderManager.CancelRender(mainSequenceID=again.sequence_id)
    qtbot.waitUntil(lambda: again.ended, timeout=WAIT_MS)
    with pytest.raises(ValueError, match="paintRender"):
        RenderManager.StartRender("paintRender", node=GetNode("Render"))


def test_a_tab_that_hands_on_an_int_as_flags_is_refused_as_qt_refuses_it(fresh: object, qtbot: QtBot) -> None:
    """0 is no WindowFlags either; without flags a tab opens."""
    for flags in (0, 1):
        with pytest.raises(TypeError):
            BaseTab(None, flags)
    qtbot.addWidget(BaseTab(None))


def test_the_methods_by_which_scripts_select_an_item_are_those_of_katanas_catalog() -> None:
    """By the stubs: the panel returns a tree widget of Qt's, whose rows return their items."""
    stubs = Path(next(iter(importlib.metadata.files("types-katana") or ())).locate()).parents[1]
    folder = stubs / "UI4-stubs" / "Tabs" / "Catalog"
    for file, cls in (("CatalogPanel.pyi", CatalogTab), ("CatalogWidgetItem.pyi", CatalogRow)):
        offered = {name for name in vars(cls) if name.startswith("getCatalog")}
        assert offered
        assert all(f"def {name}(self)" in (folder / file).read_text() for name in offered)
    assert hasattr(QTreeWidgetItem, "childCount")
    ours = {name for name in vars(CatalogWidget) if name.endswith(("Item", "ItemCount"))}
    assert ours and all(hasattr(QTreeWidget, name) for name in ours | {"clearSelection"})
