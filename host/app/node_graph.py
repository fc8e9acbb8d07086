"""The Node Graph tab: shows the scene's graph with NodeGraphQt and applies the artist's edits to it.

The model is host.nodes' graph; an edit that the model rejects is undone in the view.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from NodeGraphQt import NodeGraph
from NodeGraphQt.constants import LayoutDirectionEnum, ViewerEnum
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from ..Katana import NodegraphAPI
from ..Katana.UI4.FormMaster import NodeActionDelegate
from ..Katana.UI4.Tabs import BaseTab
from ..Katana.UI4.Util import RenderMenu
from ..nodes.errors import SceneError
from ..nodes.graph import Change, Graph, GraphEvent, Node
from ..nodes.scene import SceneChange, active_scene
from ..nodes.types import NODE_TYPES
from . import style
from .filter_menu import FilterMenu
from .graph_places import BELOW, free_place, neighbour
from .node_item import NodePlate, ShownNode
from .node_viewer import Viewer

_log = logging.getLogger("Katana.NodeGraph")
_PIPE_COLOR = (150, 150, 150, 255)
_DIRECTIONS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class NodeGraphTab(BaseTab):
    """The Node Graph tab. Qt's thread."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._shown: dict[Node, Any] = {}
        self._syncing = False
        self._menu: QMenu | None = None
        self._viewer = Viewer()
        self._graph = NodeGraph(self, viewer=self._viewer)
        self._graph.set_layout_direction(LayoutDirectionEnum.VERTICAL.value)
        self._show_colors()
        self._graph.set_grid_mode(ViewerEnum.GRID_DISPLAY_DOTS.value)
        self._graph.register_node(ShownNode)
        # Undo is the Edit menu's; NodeGraphQt's undo stack would change the view without the model.
        self._graph.undo_stack().setUndoLimit(1)
        self._viewer.setAccessibleName("Node Graph")
        self._viewer.setParent(self)
        # NodeGraphQt opens dropped files as its own sessions; the main window handles drops instead.
        self._viewer.setAcceptDrops(False)
        self.setFocusProxy(self._viewer)
        self._viewer.setFrameShape(Viewer.Shape.NoFrame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._viewer)
        self._viewer.menu_requested.connect(self._on_menu_requested)
        self._viewer.key_pressed.connect(self._on_key_pressed)
        self._viewer.moved_nodes.connect(self._on_moved)
        # Replaces NodeGraphQt's handler, which changes the view's copy of the graph and its undo stack.
        self._graph.set_pipe_collision(True)
        self._viewer.insert_node.disconnect(self._graph._on_insert_node)
        self._viewer.insert_node.connect(self._on_insert_node)
        self._graph.port_connected.connect(self._on_connected)
        self._graph.port_disconnected.connect(self._on_disconnected)
        self._graph.node_selection_changed.connect(lambda *_: self._on_selection_changed())
        self._graph.node_selected.connect(lambda *_: self._on_selection_changed())
        self._graph.node_double_clicked.connect(self._on_double_clicked)
        scene = active_scene()
        scene.observe(self._on_scene_changed)
        scene.observe_graph(self._on_graph_changed)
        self._show_all()

    def _show_colors(self) -> None:
        for color, show in (
            (style.GRAPH, self._graph.set_background_color),
            (style.GRID, self._graph.set_grid_color),
        ):
            show(color.red(), color.green(), color.blue())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._show_colors()

    # --- Changes of the scene ---

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change is SceneChange.REPLACED:
            self._show_all()
        elif change is SceneChange.SELECTION:
            self._show_selection()

    def _on_graph_changed(self, event: GraphEvent) -> None:
        with self._quietly():
            node = event.node
            match event.change:
                case Change.NODE_ADDED:
                    self._add(node)
                case Change.NODE_REMOVED:
                    self._graph.remove_node(self._shown.pop(node), push_undo=False)
                case Change.NODE_RENAMED:
                    self._shown[node].set_name(node.name)
                    self._shown[node].view.draw_node()
                case Change.NODE_MOVED:
                    self._shown[node].set_pos(*node.position)
                case Change.CONNECTION:
                    self._show_ports(node)
                    self._show_connections(node)
                case Change.BYPASSED:
                    self._shown[node].view.bypassed = node.bypassed
                    self._shown[node].view.update()
                case Change.VALUE:
                    pass

    def _show_all(self) -> None:
        with self._quietly():
            for shown in self._shown.values():
                self._graph.remove_node(shown, push_undo=False)
            self._shown.clear()
            nodes = active_scene().graph.nodes
            for node in nodes:
                self._add(node)
            for node in nodes:
                self._show_connections(node)
        self._show_selection()
        self.frame_all()

    def _add(self, node: Node) -> None:
        shown = ShownNode()
        shown.NODE_NAME = node.name
        self._graph.add_node(shown, pos=list(node.position), selected=False, push_undo=False)
        shown.set_name(node.name)
        shown.set_color(*node.type.color)
        shown.view.text_color = (232, 232, 232, 255)
        shown.view.bypassed = node.bypassed
        shown.view.setToolTip(f"<b>{node.type.name}</b><br>{node.type.description}")
        shown.add_output("out", display_name=False, color=(120, 120, 120))
        self._shown[node] = shown
        self._show_ports(node)
        shown.view.draw_node()

    def _show_ports(self, node: Node) -> None:
        shown = self._shown[node]
        names = set(node.input_names)
        for name in list(shown.inputs()):
            if name not in names:
                shown.inputs()[name].clear_connections(push_undo=False, emit_signal=False)
                shown.delete_input(name)
        for name in node.input_names:
            if name not in shown.inputs():
                shown.add_input(name, display_name=False, color=(120, 120, 120))

    def _show_connections(self, node: Node) -> None:
        for name, port in self._shown[node].inputs().items():
            source = node.source(name)
            wanted = None if source is None else self._shown[source].outputs()["out"]
            connected = port.connected_ports()
            if connected == ([wanted] if wanted is not None else []):
                continue
            port.clear_connections(push_undo=False, emit_signal=False)
            if wanted is not None:
                port.connect_to(wanted, push_undo=False, emit_signal=False)
        for port in self._shown[node].inputs().values():
            for pipe in port.view.connected_pipes:
                pipe.color = _PIPE_COLOR
                pipe.reset()

    def _show_selection(self) -> None:
        scene = active_scene()
        with self._quietly():
            selected, edited = set(scene.selected), scene.edited
            for node, shown in self._shown.items():
                shown.view.selected = node in selected
                shown.view.edited = node is edited
                shown.view.update()

    # --- Changes by the artist ---

    def _on_moved(self, moved: dict[Any, Any]) -> None:
        plates = {shown.view: node for node, shown in self._shown.items()}
        with self._quietly():
            for plate in moved:
                plates[plate].position = (float(plate.xy_pos[0]), float(plate.xy_pos[1]))

    def _on_insert_node(self, pipe: Any, node_id: str, moved: dict[Any, Any]) -> None:
        """Handle a node dropped on a connection: move it, and insert it there if it has no connections."""
        self._on_moved(moved)
        node = next(node for node, shown in self._shown.items() if shown.id == node_id)
        plates = {shown.view: each for each, shown in self._shown.items()}
        target = plates.get(pipe.input_port.node)
        if target is None:
            return
        try:
            active_scene().graph.insert(node, target, pipe.input_port.name)
        except SceneError as error:
            _log.info("%s", error)

    def _on_connected(self, consumer: Any, producer: Any) -> None:
        self._change(
            consumer,
            lambda target: active_scene().graph.connect(self._node(producer.node()), target, consumer.name()),
        )

    def _on_disconnected(self, consumer: Any, producer: Any) -> None:
        del producer
        self._change(consumer, lambda target: active_scene().graph.disconnect(target, consumer.name()))

    def _change(self, consumer: Any, change: Any) -> None:
        if self._syncing:
            return
        target = self._node(consumer.node())
        try:
            change(target)
        except SceneError as error:
            _log.warning("%s", error)
            with self._quietly():
                self._show_connections(target)

    def _on_selection_changed(self) -> None:
        if self._syncing:
            return
        nodes = tuple(node for node, shown in self._shown.items() if shown.view.isSelected())
        active_scene().select(nodes)
        if len(nodes) == 1:
            active_scene().edit(nodes[0])

    def _on_double_clicked(self, shown: Any) -> None:
        active_scene().edit(self._node(shown))

    def _on_key_pressed(self, key: int) -> None:
        if key == Qt.Key.Key_Tab:
            self._open_create_menu()
        elif key == Qt.Key.Key_F:
            self.frame_all()
        elif key == Qt.Key.Key_D:
            for node in active_scene().selected:
                node.bypassed = not node.bypassed
        elif key in _DIRECTIONS:
            self._select_neighbour(_DIRECTIONS[Qt.Key(key)])
        else:
            for node in active_scene().selected:
                active_scene().graph.remove(node, reconnect=True)

    def _open_create_menu(self) -> None:
        """Open the menu of types at the pointer, else in the middle, to create after the selected node."""
        at = self._viewer.mapFromGlobal(self._viewer.cursor().pos())
        after = None
        if not self._viewer.rect().contains(at):
            at = self._viewer.rect().center()
            selected = active_scene().selected
            after = selected[0] if len(selected) == 1 else None
        self._popup(self.build_create_menu(at, after), at)

    def _select_neighbour(self, direction: tuple[int, int]) -> None:
        """Select and edit the nearest node in a direction, or the edited or first one if none is selected."""
        scene = active_scene()
        places = {node: node.position for node in self._shown}
        start = next(iter(scene.selected), None)
        if start is None:
            node = scene.edited or next(iter(places), None)
        else:
            node = neighbour(places, start, direction) or start
        if node is not None:
            scene.select((node,))
            scene.edit(node)
            self._viewer.ensureVisible(self._shown[node].view)

    def _on_menu_requested(self, position: QPoint, by_key: bool) -> None:
        node = self.node_at(position)
        if by_key:
            node = active_scene().edited or next(iter(active_scene().selected), None)
            position = self.place_of(node) if node is not None else self._viewer.rect().center()
        if node is None:
            self._popup(self.build_create_menu(position), position)
            return
        if node not in active_scene().selected:
            active_scene().select((node,))
        active_scene().edit(node)
        self._popup(self.build_node_menu(node), position)

    def _popup(self, menu: QMenu, position: QPoint) -> None:
        # popup(), not exec(): exec() would block the caller in a nested event loop.
        menu.popup(self._viewer.mapToGlobal(position))

    # --- Menus ---

    def build_node_menu(self, node: Node) -> QMenu:
        """Return the context menu of `node`. The tab owns it and deletes it when the next menu is made."""
        menu = self._new_menu()
        view = NodegraphAPI.GetNode(node.name)
        assert view is not None
        edit = menu.addAction("Edit Parameters")
        edit.triggered.connect(lambda: active_scene().edit(node))
        bypass = menu.addAction("Enable" if node.bypassed else "Disable")
        bypass.setShortcut("D")
        bypass.triggered.connect(lambda: setattr(node, "bypassed", not node.bypassed))
        self._add_inputs(menu, node)
        RenderMenu.AddRenderItemsToMenu(menu, view, view.getOutputPortByIndex(0), log=_log)
        NodeActionDelegate.UpdateContextMenuWithDelegates(menu, view)
        menu.addSeparator()
        delete = menu.addAction("Delete")
        delete.setShortcut("Del")
        delete.triggered.connect(lambda: active_scene().graph.remove(node, reconnect=True))
        return menu

    def _add_inputs(self, menu: QMenu, node: Node) -> None:
        """Add a submenu for each input of `node` with the nodes that can be connected to it."""
        graph = active_scene().graph
        names = node.input_names
        sources = [other for other in graph.nodes if all(each is not node for each in other.upstream())]
        for name in names:
            inputs = menu.addMenu("Input" if len(names) == 1 else f"Input {name}")
            current = node.source(name)
            for source in [None, *sources]:
                action = inputs.addAction("Nothing" if source is None else source.name)
                action.setCheckable(True)
                action.setChecked(source is current)
                action.triggered.connect(lambda _=False, n=name, s=source: _connect(graph, s, node, n))

    def build_create_menu(self, position: QPoint, after: Node | None = None) -> QMenu:
        """Return the menu of node types. The node is created at `position`, in the viewer's coordinates.

        `after`: the node below which it is created instead, connected between that and what that leads to.
        """
        menu = self._new_menu(FilterMenu(self))
        where: QPointF = self._viewer.mapToScene(position)
        category = ""
        for node_type in NODE_TYPES.values():
            if node_type.category != category:
                category = node_type.category
                menu.addSection(category)
            action = menu.addAction(node_type.name)
            action.setToolTip(node_type.description)
            action.triggered.connect(lambda _=False, name=node_type.name: self._create(name, where, after))
        return menu

    def _create(self, type_name: str, where: QPointF, after: Node | None) -> None:
        graph = active_scene().graph
        wanted = (where.x() - 74, where.y() - 16)
        if after is not None:
            wanted = (after.position[0], after.position[1] + BELOW)
        x, y = free_place([node.position for node in graph.nodes], wanted)
        view = NodegraphAPI.CreateNode(type_name, NodegraphAPI.GetRootNode())
        NodegraphAPI.SetNodePosition(view, (round(x), round(y)))
        if after is not None and after in graph.nodes:
            graph.insert_after(graph.node(view.getName()), after)
        NodegraphAPI.SetAllSelectedNodes([view])
        NodegraphAPI.SetNodeEdited(view, True)

    def _new_menu(self, menu: QMenu | None = None) -> QMenu:
        if self._menu is not None:
            self._menu.close()
            self._menu.deleteLater()
        self._menu = menu or QMenu(self)
        return self._menu

    @property
    def menu(self) -> QMenu | None:
        """The menu that was opened last, or None."""
        return self._menu

    # --- Places ---

    @property
    def viewport(self) -> QWidget:
        """The widget that receives mouse events."""
        widget: QWidget = self._viewer.viewport()
        return widget

    def node_at(self, position: QPoint) -> Node | None:
        """Return the node at `position`, in the viewer's coordinates, or None."""
        plates = {shown.view: node for node, shown in self._shown.items()}
        for item in self._viewer.items(position):
            current = item
            while current is not None:
                if isinstance(current, NodePlate):
                    return plates.get(current)
                current = current.parentItem()
        return None

    def place_of(self, node: Node) -> QPoint:
        """Return the centre of `node` in the viewer's coordinates."""
        plate = self._shown[node].view
        middle: QPointF = plate.sceneBoundingRect().center()
        place: QPoint = self._viewer.mapFromScene(middle)
        return place

    def port_place(self, node: Node, port: str) -> QPoint:
        """Return the centre of a port in the viewer's coordinates; `port` is an input's name or `out`."""
        shown = self._shown[node]
        item = (shown.outputs() if port == "out" else shown.inputs())[port].view
        place: QPoint = self._viewer.mapFromScene(item.sceneBoundingRect().center())
        return place

    def frame_all(self) -> None:
        """Zoom to all nodes, at most to a magnification of 1."""
        self._viewer.is_framed = True
        if not self._shown:
            self._viewer.reset_zoom()
            return
        plates = [shown.view for shown in self._shown.values()]
        self._viewer.zoom_to_nodes(plates)
        if self._viewer.get_zoom() > 0:
            self._viewer.reset_zoom()
            self._viewer.center_selection(plates)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if self._viewer.is_framed:
            self.frame_all()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Frame the graph again, unless the artist has changed what is seen of it."""
        super().resizeEvent(event)
        if self._viewer.is_framed:
            self.frame_all()

    def _node(self, shown: Any) -> Node:
        return next(node for node, candidate in self._shown.items() if candidate is shown)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Block the handling of NodeGraphQt's signals while the view is updated from the model."""
        before, self._syncing = self._syncing, True
        try:
            yield
        finally:
            self._syncing = before


def _connect(graph: Graph, source: Node | None, target: Node, port: str) -> None:
    """Connect `source` to an input of `target`; None disconnects the input."""
    if source is None:
        graph.disconnect(target, port)
        return
    try:
        graph.connect(source, target, port)
    except SceneError as error:
        _log.warning("%s", error)
