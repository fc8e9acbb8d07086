"""*Start Multiple Renders*: what is counted, what is refused, what is started, and that it can be stopped.

Katana's API is the stand-in's; what it starts is written down in place of being rendered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from Katana import CatalogAPI, FarmAPI, NodegraphAPI, RenderManager, Shelves, Utils
from katana_queue.plugins import catalog, queue_session, start_render
from katana_queue.plugins.Shelves.KatanaQueue.dialogs import katana_project
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.render_plan import (
    PlannedRender,
    RenderPlan,
    plan_problem,
)
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.start_multiple_renders import (
    StartMultipleRendersDialog,
    StartProgressDialog,
)
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from host.nodes import scene
from host.nodes.types import node_type
from host.nodes.variables import Variable
from host.render_service import set_render_service
from tests.tab.using import unclaimed

ITEM = (
    Path(__file__).resolve().parents[2] / "plugins" / "Shelves" / "KatanaQueue" / "Start Multiple Renders.py"
)
SHOTS = ("sh010", "sh020", "sh030", "sh040")
LIMIT_MS = 60_000


class Service:
    """Stands for the desktop's renders: notes what each would have rendered."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, str, float, str]] = []
        self.refused_node = ""

    def start_render(self, node: str, farm: str, method: Any) -> int:
        if node == self.refused_node:
            raise RuntimeError("no such camera")
        project = scene.active_scene().project
        shot = next((each.value for each in project.variables if each.name == "shot"), "")
        self.started.append((node, farm, method.type_name, project.frame, shot))
        number = 1000 + len(self.started)
        item = CatalogAPI.CreateCatalogItem()
        item._set("sequence_ids", [number])
        item.setNodeName(node)
        return number


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A project with three Render nodes and four shots, and two farms."""
    monkeypatch.setattr(scene, "_scene", scene.Scene())
    monkeypatch.setattr(FarmAPI.FarmPluginManager, "_farms", {"Katana Queue": object(), "Slurm": object()})
    monkeypatch.setattr(FarmAPI.FarmPluginManager, "_default_farm", "Katana Queue")
    active = scene.active_scene()
    for name in ("Beauty", "Matte", "Shadow"):
        active.graph.create(node_type("Render"), name)
    active.set_variables(
        (Variable("shot", "sh020", SHOTS), Variable("look", "a"), Variable("off", "x", (), False))
    )
    active.set_frame(7.0)
    active.set_range(1.0, 24.0)
    stand_in = Service()
    set_render_service(stand_in)  # type: ignore[arg-type]  # of the service, this is all that is used
    yield stand_in
    set_render_service(None)
    catalog._variables.clear()
    CatalogAPI.DeleteCatalogItems(CatalogAPI.GetCatalogItems())


def test_undo_goes_on_after_any_error(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is recorded while a render has its own values; an error in restoring them ends that, too."""

    def fails(_time: float) -> None:
        raise RuntimeError("no time line")

    with pytest.raises(RuntimeError, match="no time line"), start_render.as_planned({"shot": "sh030"}, 12):
        assert not Utils.UndoStack.IsUndoEnabled()
        monkeypatch.setattr(NodegraphAPI, "SetCurrentTime", fails)
    assert Utils.UndoStack.IsUndoEnabled()
    assert scene.active_scene().project.variables[0].value == "sh020"


@pytest.fixture
def dialog(service: Service, qtbot: Any) -> Iterator[StartMultipleRendersDialog]:
    """The dialog, open."""
    shown = StartMultipleRendersDialog()
    qtbot.addWidget(shown)
    shown.show()
    yield shown
    if shown.progress is not None:
        shown.progress.reject()


def test_every_widget_claims_the_keys_that_it_uses(
    dialog: StartMultipleRendersDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the dialog, of the question before many renders, and of the one that shows how far it is."""
    with qtbot.waitExposed(dialog):
        dialog.show()
    monkeypatch.setattr(StartProgressDialog, "begin", lambda _self: None)  # it stays open
    dialog.frames.setText("1-100")
    dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER].click()
    for kind in (QMessageBox, StartProgressDialog):
        [box] = dialog.findChildren(kind)
        qtbot.waitUntil(box.isActiveWindow)
        assert unclaimed(box) == []
        box.accept()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    assert unclaimed(dialog) == []


def untick(panel: Any, *names: str) -> None:
    """Take the ticks of entries away."""
    for name in names:
        [item] = panel.list.findItems(name, Qt.MatchFlag.MatchExactly)
        item.setCheckState(Qt.CheckState.Unchecked)


def test_a_plan_is_each_node_with_each_combination_at_each_frame() -> None:
    """Three nodes, four shots, two frames: 24 renders, those of a shot one after the other."""
    plan = RenderPlan.of(["A", "B", "C"], {"shot": SHOTS}, "1,9")
    renders = list(plan.renders())
    assert plan.total == len(renders) == len({each.name for each in renders}) == 24
    assert renders[0] == PlannedRender("A", {"shot": "sh010"}, 1)
    assert [each.variables["shot"] for each in renders] == sorted(each.variables["shot"] for each in renders)


@pytest.mark.parametrize(
    ("plan", "fact"),
    [
        (RenderPlan.of([], {}, "1"), "Render node"),
        (RenderPlan.of(["A"], {"shot": []}, "1"), "shot"),
        (RenderPlan.of(["A", "B"], {"a": ["1"] * 100}, "1-100"), "20,000"),
        (RenderPlan.of(["A"], {}, "1"), ""),
    ],
)
def test_what_cannot_be_started_says_why(plan: RenderPlan, fact: str) -> None:
    """Nothing to render, and far too much."""
    assert fact in plan_problem(plan) and bool(fact) == bool(plan_problem(plan))


def test_the_count_follows_what_is_ticked(dialog: StartMultipleRendersDialog) -> None:
    """All is ticked at first; a variable that is not keeps the project's value; wrong frames are named."""
    modes = RenderManager.RenderModes
    preview = dialog.buttons[modes.PREVIEW_RENDER]
    assert dialog.count.text().startswith("12 renders: 3 nodes × 4 shot")
    assert list(dialog.values) == ["shot", "look"]
    dialog.frames.setText("1, 9")
    assert dialog.plan().total == 24
    untick(dialog.values["shot"], "sh030", "sh040")
    untick(dialog.nodes, "Matte")
    assert dialog.plan().total == 8
    untick(dialog.names, "shot")
    assert dialog.plan().variables["shot"] == ["sh020"] and not dialog.values["shot"].isEnabled()
    shot, *others = scene.active_scene().project.variables
    scene.active_scene().set_variables((dataclasses.replace(shot, value="sh030"), *others))
    assert dialog.plan().variables["shot"] == ["sh030"]  # as it is now
    scene.active_scene().set_variables(tuple(others))
    assert list(dialog.plan().variables) == ["look"]  # a render with a variable that is not there would fail
    for wrong in ("", "1-", "9-1", "1-2000000"):
        dialog.frames.setText(wrong)
        assert not preview.isEnabled(), wrong
    dialog.presets.activated.emit(3)
    assert dialog.frames.text() == "1,12,24" and preview.isEnabled()
    assert [dialog.send_to.itemText(place) for place in range(dialog.send_to.count())] == [
        "Katana Queue",
        "Slurm",
    ]


def test_an_open_dialog_that_is_raised_again_has_the_project_as_it_is(service: Service, qtbot: Any) -> None:
    """Its nodes, variables and presets; the ticks of those that stay and a typed range are kept."""
    dialog = StartMultipleRendersDialog.show_for(None)
    untick(dialog.nodes, "Matte")
    untick(dialog.values["shot"], "sh030")
    active = scene.active_scene()
    active.set_range(5.0, 9.0)
    dialog.presets.activated.emit(2)
    assert dialog.frames.text() == "5-9"  # as it is when the preset is chosen
    dialog.frames.clear()
    qtbot.keyClicks(dialog.frames, "3")
    active.graph.create(node_type("Render"), "Fog")
    active.graph.remove(active.graph.node("Shadow"))
    active.set_variables((Variable("shot", "sh050", (*SHOTS, "sh050")), Variable("time", "day")))
    active.set_frame(8.0)
    assert StartMultipleRendersDialog.show_for(None) is dialog
    assert dialog.nodes.ticked() == ["Beauty", "Fog"] and dialog.nodes.list.count() == 3
    assert dialog.names.ticked() == list(dialog.values) == ["shot", "time"]
    assert dialog.values["shot"].ticked() == ["sh010", "sh020", "sh040", "sh050"]
    assert dialog.frames.text() == "3"
    qtbot.waitUntil(dialog.values["time"].isVisible, timeout=LIMIT_MS)
    dialog.resize(dialog.minimumSizeHint())  # the panels scroll, and are no narrower than their buttons need
    panels = (dialog.nodes, dialog.names, *dialog.values.values())
    assert all(panel.width() >= panel.minimumSizeHint().width() for panel in panels)
    passed, widget = [], dialog.nodes.list.nextInFocusChain()
    while widget is not dialog.nodes.list:
        passed.append(widget)
        widget = widget.nextInFocusChain()
    order = (dialog.names.list, dialog.values["shot"].list, dialog.values["time"].list, dialog.frames)
    assert sorted(order, key=passed.index) == list(order)  # Tab goes through them from the left
    assert dialog.count.text().startswith("8 renders: 2 nodes × 4 shot")
    untick(dialog.values["time"], "day")
    assert not dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER].isEnabled()
    dialog.close()


def test_the_frame_of_a_dialog_that_is_raised_again_is_the_current_one(service: Service) -> None:
    """Where no other was chosen in it."""
    dialog = StartMultipleRendersDialog.show_for(None)
    scene.active_scene().set_frame(8.0)
    assert StartMultipleRendersDialog.show_for(None).frames.text() == "8"
    dialog.close()


def test_all_are_started_and_the_project_is_as_before(
    dialog: StartMultipleRendersDialog, service: Service, qtbot: Any
) -> None:
    """Each with its node, variables, frame and farm; its item in the Catalog is pinned to them."""
    dialog.frames.setText("1,9")
    dialog.send_to.setCurrentText("Slurm")
    dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER].click()
    qtbot.waitUntil(lambda: len(service.started) == 24, timeout=LIMIT_MS)
    qtbot.waitUntil(lambda: dialog.progress is None, timeout=LIMIT_MS)
    assert len(set(service.started)) == 24
    assert service.started[0] == ("Beauty", "Slurm", "previewRender", 1.0, "sh010")
    project = scene.active_scene().project
    assert (project.frame, project.variables[0].value) == (7.0, "sh020")
    assert FarmAPI.FarmPluginManager.GetDefaultFarm() == "Katana Queue"
    item = CatalogAPI.FindCatalogItemBySequenceID(1001)
    assert item is not None and item.isFramePinned() and item.isGSVPinned("shot")
    assert catalog.variables_of("render_20261130_120000_4711_3_1001", "Beauty") == {
        "shot": "sh010",
        "look": "a",
    }


def test_one_that_fails_is_named_and_the_others_are_started(
    dialog: StartMultipleRendersDialog, service: Service, qtbot: Any
) -> None:
    """The progress stays open with the reason."""
    service.refused_node = "Matte"
    dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER].click()
    progress = dialog.progress
    assert progress is not None
    qtbot.waitUntil(lambda: "8 of 12 renders" in progress.text.text(), timeout=LIMIT_MS)
    assert "Matte, frame 7, shot=sh010" in progress.text.text() and "no such camera" in progress.text.text()
    assert scene.active_scene().project.variables[0].value == "sh020"


def test_many_are_asked_about_first_and_can_be_stopped(
    dialog: StartMultipleRendersDialog, service: Service, qtbot: Any
) -> None:
    """Nothing is started before the answer; what was started when it is stopped goes on, and is counted."""
    dialog.frames.setText("1-200")
    dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER].click()
    [box] = dialog.findChildren(QMessageBox)
    assert "2,400" in box.text() and not service.started
    next(button for button in box.buttons() if button.text() == "Start").click()
    qtbot.waitUntil(lambda: len(service.started) >= 2, timeout=LIMIT_MS)
    progress = dialog.progress
    assert progress is not None
    progress.button.click()
    count = len(service.started)
    assert progress.isVisible() and f"{count} of 2,400" in progress.text.text()
    progress.button.click()
    qtbot.waitUntil(lambda: dialog.progress is None, timeout=LIMIT_MS)
    assert len(service.started) == count < 2400


def test_a_queue_that_does_not_run_is_named_before_anything_is_started(
    dialog: StartMultipleRendersDialog, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it ended while the dialog was open; another farm can still be chosen."""
    monkeypatch.setattr(queue_session, "failure", lambda: "port 5000 is in use")
    button = dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER]
    button.click()
    assert "port 5000" in dialog.count.text() and not button.isEnabled()
    assert not service.started and dialog.progress is None
    dialog.send_to.setCurrentText("Slurm")
    assert button.isEnabled() and "port 5000" not in dialog.count.text()
    dialog.send_to.setCurrentText("Katana Queue")
    assert not button.isEnabled()


def test_disk_renders_that_would_overwrite_each_other_are_refused(
    dialog: StartMultipleRendersDialog, service: Service, qtbot: Any, tmp_path: Path
) -> None:
    """Before any of them is started; an expression with the variable tells them apart."""
    disk = dialog.buttons[RenderManager.RenderModes.DISK_RENDER]
    untick(dialog.nodes, "Matte", "Shadow")
    dialog.frames.setText("1-2")
    node = NodegraphAPI.GetNode("Beauty")
    node.getParameter("output").setValue("/out/a.####.exr", 0.0)
    disk.click()
    progress = dialog.progress
    assert progress is not None
    qtbot.waitUntil(lambda: "overwrite" in progress.text.text(), timeout=LIMIT_MS)
    assert "/out/a.0001.exr" in progress.text.text() and not service.started
    text = progress.text
    qtbot.waitUntil(lambda: text.height() >= text.heightForWidth(text.width()), timeout=LIMIT_MS)
    progress.button.click()
    qtbot.waitUntil(lambda: dialog.progress is None, timeout=LIMIT_MS)
    node.getParameter("output").setExpression("'/out/' + getVar('shot') + '.####.exr'")
    disk.click()
    qtbot.waitUntil(lambda: len(service.started) == 8, timeout=LIMIT_MS)


def test_a_local_machine_is_offered_where_katana_renders_itself(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a render is no remote one."""
    monkeypatch.setattr(RenderManager, "StartRenderLegacy", object(), raising=False)
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(RenderManager, "StartRender", lambda _mode, **given: asked.append(given))
    assert katana_project.send_to_choices() == ["Katana Queue", "Slurm", start_render.LOCAL_MACHINE]
    start_render.start_render("Beauty", 1, {}, "previewRender", start_render.LOCAL_MACHINE)
    assert "remoteRender" not in asked[0]


def test_the_shelf_item_reads_as_katana_reads_it() -> None:
    """Its name is in the shelf, its icon exists."""
    parsed = Shelves.ParseFile(str(ITEM))
    assert parsed["name"] == "Start Multiple Renders..."
    assert (ITEM.parents[3] / "resources" / "Icons" / parsed["icon"]).is_file()
