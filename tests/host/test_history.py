"""Undo and redo: whatever the artist does to the graph is one step, taken back and done again exactly."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from host.app.desktop import Desktop
from host.app.editors import NumberEditor
from host.Katana import KatanaFile
from host.nodes.errors import SceneError
from host.nodes.graph import Graph
from host.nodes.project import Project, to_document
from host.nodes.restore import restore
from host.nodes.scene import active_scene
from host.nodes.types import NODE_TYPES, node_type
from host.nodes.variables import Variable
from tests.host.conftest import MakeDesktop
from tests.host.driving import drag, graph_tab, open_small, parameters


def nodes_now() -> Any:
    return to_document(active_scene().project)["nodes"]


def edit_action(desktop: Desktop, start: str) -> QAction:
    menu = next(
        action.menu()
        for action in desktop.window.menuBar().actions()
        if action.text().replace("&", "") == "Edit"
    )
    return next(action for action in menu.actions() if action.text().replace("&", "").startswith(start))  # type: ignore[union-attr]


def test_a_moved_a_deleted_and_a_renamed_node_come_back(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Each is one step of the Edit menu, with its name; redo brings it again."""
    desktop = make_desktop()
    open_small(desktop)
    desktop.history.record()
    tab, graph = graph_tab(), active_scene().graph
    stack = desktop.history.stack
    states = [nodes_now()]
    drag(tab, tab.place_of(graph.node("Render")), tab.place_of(graph.node("Render")) + QPoint(90, 10))
    desktop.history.record()
    states.append(nodes_now())
    active_scene().select((graph.node("RenderSettings"),))
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Delete)
    desktop.history.record()
    states.append(nodes_now())
    assert graph.node("Render").source("in") is graph.node("UsdIn"), "Delete reconnects"
    graph.rename(graph.node("Render"), "Beauty")
    desktop.history.record()
    states.append(nodes_now())
    assert [stack.undoText(), stack.count() - stack.index()] == ["Rename Render to Beauty", 0]
    for state in reversed(states[:-1]):
        edit_action(desktop, "Undo").trigger()
        assert nodes_now() == state
    for state in states[1:]:
        edit_action(desktop, "Redo").trigger()
        assert nodes_now() == state
    assert tab.place_of(graph.node("Beauty"))


def test_variables_are_steps_too(make_desktop: MakeDesktop) -> None:
    """A value, and a variable that was removed, together with the node that was changed at the same time."""
    desktop = make_desktop()
    open_small(desktop)
    scene, stack = active_scene(), desktop.history.stack
    desktop.history.record()
    first = stack.count()
    states: list[Any] = []
    for variables in ((Variable("shot", "a"),), (Variable("shot", "b"),), ()):
        states.append((scene.project.variables, nodes_now()))
        scene.set_variables(variables)
        if not variables:
            scene.graph.node("Render").position = (5.0, 5.0)
        desktop.history.record()
    assert stack.count() == first + 3
    assert [stack.text(first), stack.text(first + 2)] == ["Graph State Variables", "Move Render"]
    after = (scene.project.variables, nodes_now())
    for state in reversed(states):
        edit_action(desktop, "Undo").trigger()
        assert (scene.project.variables, nodes_now()) == state
    for _ in states:
        edit_action(desktop, "Redo").trigger()
    assert (scene.project.variables, nodes_now()) == after


def test_a_value_that_is_typed_is_undone_with_the_keyboard_in_its_field(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Ctrl+Z after Return is the Edit menu's, not the field's; quick steps of one value are one step."""
    desktop = make_desktop()
    open_small(desktop)
    settings_node = active_scene().graph.node("RenderSettings")
    active_scene().edit(settings_node)
    desktop.history.record()
    width = parameters().editor("width")
    assert isinstance(width, NumberEditor)
    desktop.window.activateWindow()
    width.box.setFocus()
    qtbot.waitUntil(width.box.hasFocus)
    width.box.selectAll()
    qtbot.keyClicks(width.box, "128")
    qtbot.keyClick(width.box, Qt.Key.Key_Return)
    for _ in range(3):
        qtbot.keyClick(width.box, Qt.Key.Key_Up)
        desktop.history.record()
    assert settings_node.value("width") != 32
    desktop.history.record()
    steps = desktop.history.stack.index()
    qtbot.keyClick(width.box, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert settings_node.value("width") == 32
    assert desktop.history.stack.index() == steps - 1


def test_undoing_to_the_saved_state_is_no_change_to_save(make_desktop: MakeDesktop, tmp_path: Any) -> None:
    """The title's mark goes with the last step back, and another project begins without steps."""
    desktop = make_desktop()
    open_small(desktop)
    assert desktop.window.documents.save_to(tmp_path / "shot.kqproject")
    active_scene().graph.node("RenderSettings").set_value("samples", 7)
    desktop.history.record()
    assert active_scene().dirty
    desktop.history.undo()
    assert not active_scene().dirty
    KatanaFile.SetFileDirty()  # by a plug-in: no step
    active_scene().graph.node("RenderSettings").set_value("samples", 8)
    desktop.history.undo()
    assert active_scene().dirty
    desktop.window.documents.new()
    assert not desktop.history.stack.canUndo() and not desktop.history.stack.canRedo()


OPERATIONS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 9)), max_size=25)


def change(graph: Graph, operation: int, first: int, second: int) -> None:
    """One of the things that can be done to a graph, with what there is."""
    nodes = graph.nodes
    if operation == 0 or not nodes:
        graph.create(node_type(list(NODE_TYPES)[first % len(NODE_TYPES)]), position=(float(second), 0.0))
        return
    node, other = nodes[first % len(nodes)], nodes[second % len(nodes)]
    if operation == 1:
        graph.remove(node, reconnect=bool(second % 2))
    elif operation == 2:
        graph.rename(node, f"Name{second}")
    elif operation == 3 and node.input_names:
        try:
            graph.connect(other, node, node.input_names[second % len(node.input_names)])
        except SceneError:
            pass  # a circle
    elif operation == 4 and node.sources:
        graph.disconnect(node, next(iter(node.sources)))
    elif operation == 5:
        node.position = (float(first), float(second))
    elif operation == 6 and any(spec.name == "path" for spec in node.specs):
        node.set_value("path", f"/World/p{second}")


@settings(max_examples=60, deadline=None)
@given(OPERATIONS, OPERATIONS)
def test_any_graph_is_restored_from_any_other(before: Any, after: Any) -> None:
    """Whatever was done in between: the graph is what the document says, to the last connection."""
    project = Project()
    for step in before:
        change(project.graph, *step)
    wanted = to_document(project)
    for step in after:
        change(project.graph, *step)
    restore(project.graph, wanted)
    assert to_document(project) == wanted
