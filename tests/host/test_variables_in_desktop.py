"""Graph state variables in the desktop: panel, expressions in Parameters, Katana's API, renders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from host.app.editors import ExpressionEditor
from host.app.project_settings import ProjectSettingsTab
from host.app.render_state import Phase
from host.Katana import CatalogAPI, NodegraphAPI
from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.UI4.App import Tabs
from host.nodes.scene import active_scene
from host.nodes.variables import Variable
from host.render_service import RenderMethod
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, open_small, parameters

pytestmark = pytest.mark.slow

SHOTS = Variable("shot", "sh010", ("sh010", "sh020"))


def settings_tab() -> ProjectSettingsTab:
    """The panel with the variables."""
    tab = Tabs.FindTopTab("Project Settings")
    assert isinstance(tab, ProjectSettingsTab)
    return tab


def test_variables_are_edited_in_their_panel(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Added, named, given options and a value, switched off, removed; what cannot be is refused."""
    make_desktop()
    scene = active_scene()
    tab = settings_tab()
    tab.add_button.click()
    tab.table.item(0, 0).setText("shot")
    tab.table.item(0, 2).setText("sh010, sh020, sh010")
    field = tab.value_field(0)
    assert [field.itemText(place) for place in range(field.count())] == ["sh010", "sh020"]
    field.lineEdit().setText("sh020")
    qtbot.keyClick(field.lineEdit(), Qt.Key.Key_Return)
    assert scene.project.variables == (Variable("shot", "sh020", ("sh010", "sh020")),)
    assert scene.dirty
    tab.table.item(0, 0).setText("no name")
    assert "no name" in tab.message and tab.table.item(0, 0).text() == "shot"
    tab.add_button.click()
    tab.table.item(1, 0).setText("shot")
    assert "already" in tab.message
    tab.table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    assert not scene.project.variables[0].enabled
    tab.table.selectRow(1)
    tab.remove_button.click()
    assert [variable.name for variable in scene.project.variables] == ["shot"]


def test_escape_in_the_field_of_a_value_restores_it(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """As a shortcut of the window it cancels the latest render, without a question."""
    desktop = make_desktop()
    open_small(desktop, samples=20000)
    active_scene().set_variables((SHOTS,))
    desktop.window.open_tab("Project Settings")
    desktop.window.activateWindow()
    render = desktop.renders.start("Render", "Local Farm", RenderMethod.PREVIEW)
    field = settings_tab().value_field(0)
    field.setFocus()
    qtbot.waitUntil(field.hasFocus, timeout=WAIT_MS)
    qtbot.keyClicks(field, "x")
    assert field.currentText() == "sh010x"
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert (field.currentText(), render.ended) == ("sh010", False)
    desktop.renders.cancel(render)
    assert active_scene().project.variables == (SHOTS,)


def test_plug_ins_read_and_set_variables_as_in_katana(make_desktop: MakeDesktop) -> None:
    """Parameters of the root node: a group for each variable."""
    make_desktop()
    active_scene().set_variables((SHOTS, Variable("look", "a", enabled=False)))
    group = NodegraphAPI.GetRootNode().getParameter("variables")
    assert group is not None and [each.getName() for each in group.getChildren()] == ["shot", "look"]
    shot = NodegraphAPI.GetRootNode().getParameter("variables.shot")
    assert shot is not None
    assert [shot.getChild(name).getType() for name in ("enable", "value", "options")] == [
        "number",
        "string",
        "stringArray",
    ]
    assert [each.getValue(0.0) for each in shot.getChild("options").getChildren()] == ["sh010", "sh020"]
    shot.getChild("value").setValue("sh020", 0.0)
    assert active_scene().project.variables[0].value == "sh020"
    assert group.getChild("look").getChild("enable").getValue(0.0) == 0.0
    node = NodegraphAPI.CreateNode("Render")
    output = node.getParameter("output")
    assert output is not None
    output.setExpression("'/out/' + getVar('shot')")
    assert output.isExpression() and output.getValue(0.0) == "/out/sh020"
    output.setExpression("getParam('Render.output')")
    assert "Render.output → Render.output" in output.getExpressionError()
    output.setExpression("getVar('shot')")
    output.makeConstant(0.0)
    assert not output.isExpression() and output.getValue(0.0) == "sh020"


def test_an_expression_is_typed_in_parameters(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """By a key in the field; what is wrong is shown; it is kept while only a variable is missing."""
    desktop = make_desktop()
    open_small(desktop)
    node = active_scene().graph.node("RenderSettings")
    active_scene().edit(node)
    tab = parameters()
    tab.editor("samples").actions()[0].trigger()
    qtbot.waitUntil(lambda: isinstance(tab.editor("samples"), ExpressionEditor), timeout=2 * WAIT_MS)
    assert node.expression("samples") == "1"

    def write(text: str) -> None:
        line = tab.editor("samples").findChild(QLineEdit)
        line.setText(text)
        line.editingFinished.emit()

    write("getVar('samples')")
    assert node.expression("samples") == "getVar('samples')" and "no variable 'samples'" in tab.message
    active_scene().set_variables((Variable("samples", "3"),))
    assert not tab.message  # it is not missing any more
    write("getParam('Other.samples')")
    assert "Other.samples" in tab.message
    other = active_scene().graph.create(node.type, "Other")
    assert not tab.message
    active_scene().graph.rename(other, "Another", update_expressions=False)
    write("getParam('Other.samples') + 0")
    active_scene().graph.rename(other, "Other")
    assert not tab.message
    write("getVar('samples')")
    active_scene().set_variables(())
    write("getVar(")
    assert node.expression("samples") == "getVar('samples')" and "getVar(" in tab.message
    assert tab.editor("samples").findChild(QLineEdit).text() == "getVar("  # to be corrected, not typed again
    write("frame + 3")
    assert node.expression("samples") == "frame + 3" and not tab.message
    tab.editor("samples").actions()[0].trigger()
    qtbot.waitUntil(lambda: not isinstance(tab.editor("samples"), ExpressionEditor), timeout=2 * WAIT_MS)
    assert node.expression("samples") == "" and node.value("samples") == 1


def test_a_render_keeps_its_variables(make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path) -> None:
    """Whatever the project's become; repeated, those that are pinned stay. A loop is refused."""
    desktop = make_desktop()
    open_small(desktop)
    scene = active_scene()
    scene.set_variables((SHOTS,))
    node = scene.graph.node("Render")
    node.set_expression("output", f"{tmp_path.as_posix()!r} + '/' + getVar('shot') + '.png'")
    render = desktop.renders.start("Render", "Local Farm", RenderMethod.DISK, variables={"shot": "sh020"})
    scene.set_variables(())
    qtbot.waitUntil(lambda: render.ended, timeout=10 * WAIT_MS)
    assert (render.phase, render.reason) == (Phase.COMPLETED, "")
    assert (tmp_path / "sh020.png").is_file() and not (tmp_path / "sh010.png").exists()
    item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
    assert item is not None and "shot=sh020" in item.getShortDescription()
    scene.set_variables((SHOTS,))
    item.setGSVPinned("shot", True)
    assert desktop.renders.restart_render(render.sequence_id)
    pinned = desktop.renders.renders[-1]
    item.setGSVPinned("shot", False)
    desktop.renders.restart_render(render.sequence_id)
    assert (pinned.variables, desktop.renders.renders[-1].variables) == ({"shot": "sh020"}, {"shot": "sh010"})
    qtbot.waitUntil(lambda: all(each.ended for each in desktop.renders.renders), timeout=10 * WAIT_MS)
    node.set_expression("output", "getParam('Render.output')")
    refused = desktop.renders.start("Render", "Local Farm", RenderMethod.DISK)
    assert refused.phase is Phase.REFUSED and "Render.output → Render.output" in refused.reason


def test_a_job_has_the_frame_that_is_rendered(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pinned one of a render that is repeated, wherever the timeline is."""
    desktop = make_desktop()
    open_small(desktop)
    farm, asked = FarmPluginManager._farms["Local Farm"], list[list[int]]()
    submit = farm.submitJob

    def note(request: Any) -> str:
        asked.append(list(request.frames))
        return str(submit(request))

    monkeypatch.setattr(farm, "submitJob", note)
    active_scene().set_frame(12)
    first = desktop.renders.start("Render", "Local Farm", RenderMethod.PREVIEW)
    active_scene().set_frame(50)
    qtbot.waitUntil(lambda: first.ended, timeout=10 * WAIT_MS)
    item = CatalogAPI.FindCatalogItemBySequenceID(first.sequence_id)
    assert item is not None
    item.setFramePinned(True)
    assert desktop.renders.restart_render(first.sequence_id)
    qtbot.waitUntil(lambda: desktop.renders.renders[-1].ended, timeout=10 * WAIT_MS)
    assert asked == [[12], [12]]
