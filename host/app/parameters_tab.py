"""The Parameters tab: editors for the parameters of the edited node."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QFocusEvent, QKeySequence
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..Katana.UI4.Tabs import BaseTab
from ..nodes.errors import SceneError
from ..nodes.expressions import Evaluator, check
from ..nodes.graph import Change, GraphEvent, Node
from ..nodes.parameters import Value
from ..nodes.scene import SceneChange, active_scene
from ..nodes.variables import values_of
from .editors import CameraEditor, Editor, ExpressionEditor, editor_for
from .field_input import keep_escape
from .labels import WrappedLabel
from .prim_list import PrimList
from .scene_queries import active_queries

EXPRESSION_KEY = "Ctrl+="
_LEAST_WIDTH = 240
"""Minimum width in pixels, for a label and a number: Qt shrinks all docked columns by the same amount."""


class ParametersTab(BaseTab):
    """Shows the parameters of the edited node and applies the artist's changes at once. Qt's thread."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._node: Node | None = None
        self._editors: dict[str, Editor] = {}
        self._rows: dict[str, tuple[QLabel, Editor]] = {}
        self._name: QLineEdit | None = None
        self._prims: PrimList | None = None
        self._another_editor = QTimer(self)
        self._another_editor.setSingleShot(True)
        self._another_editor.setInterval(0)
        self._another_editor.timeout.connect(self._on_another_editor)
        self._to_focus = ""
        self._failed_expression = ""
        """The parameter whose expression cannot be evaluated, if that is the error that is shown."""
        self._error = WrappedLabel(self)
        self._error.setProperty("role", "bad")
        self._error.setContentsMargins(12, 4, 12, 4)
        self._error.hide()
        self._area = QScrollArea(self)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumWidth(_LEAST_WIDTH)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._area, 1)
        layout.addWidget(self._error)
        active_scene().observe(self._on_scene_changed)
        active_scene().observe_graph(self._on_graph_changed)
        active_queries().cameras_found.connect(self._on_cameras_found)
        self._show_node()

    @property
    def node(self) -> Node | None:
        """The node that is shown, or None."""
        return self._node

    @property
    def message(self) -> str:
        """The error that is shown, or an empty string."""
        return self._error.text() if not self._error.isHidden() else ""

    @property
    def prims(self) -> PrimList | None:
        """The list of lights and cameras below the parameters; None where the node's type has none."""
        return self._prims

    def editor(self, name: str) -> Editor:
        """Return the editor of the shown node's parameter `name`; raises KeyError where there is none."""
        return self._editors[name]

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Pass the focus to the first parameter."""
        super().focusInEvent(event)
        first = next((each for each in self._editors.values() if each.isVisible()), None)
        if first is not None:
            first.setFocus(event.reason())

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change is SceneChange.REPLACED or (
            change is SceneChange.SELECTION and active_scene().edited is not self._node
        ):
            self._show_node()
            return
        if change in (SceneChange.FRAME, SceneChange.VARIABLES) and self._failed_expression in self._editors:
            self._show_expression_error(self._failed_expression)
        if change is SceneChange.FRAME and self._prims is not None:
            self._prims.refresh_at_rest()
        elif change is SceneChange.VARIABLES and self._prims is not None:
            self._prims.refresh()

    def _on_graph_changed(self, event: GraphEvent) -> None:
        if event.change is not Change.NODE_MOVED and self._failed_expression in self._editors:
            self._show_expression_error(self._failed_expression)  # it may read that node
        if event.node is not self._node:
            return
        if event.change in (Change.VALUE, Change.BYPASSED) and self._prims is not None:
            self._prims.refresh()
        if event.change is Change.VALUE:
            if bool(event.node.expression(event.detail)) != self._editors[event.detail].is_expression:
                self._another_editor.start()  # deferred: the editor to be deleted may be the caller
                return
            self._editors[event.detail].show_value(_shown(event.node, event.detail))
            self._show_relevant()
        elif event.change is Change.NODE_RENAMED and self._name is not None:
            self._name.setText(event.node.name)
            self._name.setCursorPosition(0)
            if self._prims is not None:
                self._prims.set_node(event.node.name)
        elif event.change is Change.CONNECTION:
            self._ask_for_cameras()

    def _show_node(self) -> None:
        self._node = active_scene().edited
        self._editors.clear()
        self._rows.clear()
        self._name = None
        self._prims = None
        self._failed_expression = ""
        self._error.hide()
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        if self._node is None:
            empty = QLabel("Select a node in the Node Graph to see its parameters.", page)
            empty.setProperty("role", "dim")
            empty.setWordWrap(True)
            empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addStretch(1)
            layout.addWidget(empty)
            layout.addStretch(1)
        else:
            layout.addLayout(self._header(self._node, page))
            self._add_parameters(self._node, page, layout)
            if self._node.type.lists_prims:
                self._prims = PrimList(self._node.name, page)
                layout.addWidget(self._prims, 1)
            else:
                layout.addStretch(1)
        self._area.setWidget(page)
        self._show_relevant()
        self._ask_for_cameras()

    def _header(self, node: Node, page: QWidget) -> QHBoxLayout:
        header = QHBoxLayout()
        header.setSpacing(8)
        plate = QLabel(node.type.name, page)
        red, green, blue = node.type.color
        plate.setStyleSheet(
            f"background: rgb({red},{green},{blue}); color: white; border-radius: 3px; padding: 3px 8px;"
        )
        plate.setToolTip(node.type.description)
        self._name = QLineEdit(node.name, page)
        self._name.setAccessibleName("Name")
        self._name.setToolTip("The node's name.")
        self._name.setCursorPosition(0)  # so that a narrow field shows the start of the name
        self._name.editingFinished.connect(self._on_renamed)
        keep_escape(self._name)
        header.addWidget(plate)
        header.addWidget(self._name, 1)
        return header

    def _add_parameters(self, node: Node, page: QWidget, layout: QVBoxLayout) -> None:
        form, heading = self._new_form(layout), ""
        for spec in node.specs:
            if spec.page != heading:
                heading = spec.page
                title = QLabel(heading.upper(), page)
                title.setProperty("role", "heading")
                title.setContentsMargins(0, 8, 0, 0)
                layout.addWidget(title)
                form = self._new_form(layout)
            has_expression = bool(node.expression(spec.name))
            editor = ExpressionEditor(spec, page) if has_expression else editor_for(spec, page)
            editor.show_value(_shown(node, spec.name))
            editor.value_edited.connect(lambda value, name=spec.name: self._on_edited(name, value))
            self._add_expression_action(editor, spec.name)
            label = QLabel(spec.label, page)
            label.setBuddy(editor)
            label.setToolTip(spec.hint)
            label.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
            label.addActions(editor.actions())
            label.setMinimumWidth(118)
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            form.addRow(label, editor)
            self._editors[spec.name] = editor
            self._rows[spec.name] = (label, editor)

    @staticmethod
    def _new_form(layout: QVBoxLayout) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(10)
        form.setVerticalSpacing(5)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        layout.addLayout(form)
        return form

    def _on_another_editor(self) -> None:
        """Rebuild the editors after a parameter's expression was added or removed."""
        name, self._to_focus = self._to_focus, ""
        self._show_node()
        if name in self._editors:
            self._editors[name].setFocus()

    def _on_renamed(self) -> None:
        if self._node is not None and self._name is not None:
            self._name.setText(active_scene().graph.rename(self._node, self._name.text()))

    def _on_edited(self, name: str, value: object) -> None:
        if self._node is None:
            return
        try:
            if self._editors[name].is_expression:
                text = str(value).strip()
                if text:
                    check(text)
                self._node.set_expression(name, text)
            else:
                self._node.set_value(name, value)
            self._show_expression_error(name)
        except SceneError as error:
            self._failed_expression = ""
            self._error.setText(str(error))
            self._error.show()
            if not self._editors[name].is_expression:  # a long expression is corrected, not typed again
                self._editors[name].show_value(_shown(self._node, name))

    def _show_expression_error(self, name: str) -> None:
        """Show why an expression cannot be evaluated. It is kept, as its variable may be defined later."""
        assert self._node is not None
        project = active_scene().project
        try:
            evaluator = Evaluator(project.graph, active_scene().frame)
            evaluator.value(self._node, name, values_of(project.variables))
            self._failed_expression = ""
            self._error.hide()
        except SceneError as error:
            self._failed_expression = name
            self._error.setText(str(error))
            self._error.show()

    def _add_expression_action(self, editor: Editor, name: str) -> None:
        """Add the label's menu item that sets or removes the expression; its shortcut works in the editor."""
        action = QAction("Make Constant" if editor.is_expression else "Set Expression", editor)
        action.setShortcut(QKeySequence(EXPRESSION_KEY))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda: self._toggle_expression(name))
        editor.addAction(action)

    def _toggle_expression(self, name: str) -> None:
        node = self._node
        if node is None:
            return
        value = node.value(name)
        is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        node.set_expression(name, "" if node.expression(name) else repr(value) if is_plain else "0")
        self._to_focus = name

    def _show_relevant(self) -> None:
        """Hide the parameters whose `shown_when` condition does not hold."""
        if self._node is None:
            return
        for name, (label, editor) in self._rows.items():
            condition = self._node.spec(name).shown_when
            relevant = condition is None or self._node.value(condition[0]) in condition[1]
            label.setVisible(relevant)
            editor.setVisible(relevant)

    def _ask_for_cameras(self) -> None:
        if self._node is not None and any(
            isinstance(editor, CameraEditor) for editor in self._editors.values()
        ):
            source = next(iter(self._node.sources.values()), None)
            if source is not None:
                active_queries().ask_for_cameras(source.name)

    def _on_cameras_found(self, node: str, cameras: list[str]) -> None:
        if self._node is None:
            return
        source = next(iter(self._node.sources.values()), None)
        if source is not None and source.name == node:
            for editor in self._editors.values():
                if isinstance(editor, CameraEditor):
                    editor.offer(cameras)


def _shown(node: Node, name: str) -> Value:
    """Return the text or value for a parameter's editor: its expression where it has one, else its value."""
    return node.expression(name) or node.value(name)
