"""The Project Settings tab: the project's graph state variables, their values and options."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..Katana.UI4.Tabs import BaseTab
from ..nodes.errors import ProjectError
from ..nodes.scene import SceneChange, active_scene
from ..nodes.variables import Variable
from .field_input import keep_escape
from .labels import WrappedLabel

_NAME, _VALUE, _OPTIONS = range(3)


class ProjectSettingsTab(BaseTab):
    """Edits the open project's variables, one per row. Qt's thread."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        title = QLabel("GRAPH STATE VARIABLES", self)
        title.setProperty("role", "heading")
        self.table = QTableWidget(0, 3, self)
        self.setFocusProxy(self.table)
        self.table.setAccessibleName("Graph state variables")
        self.table.setHorizontalHeaderLabels(["Variable", "Value", "Options"])
        self.table.setToolTip("A variable exists while it is ticked; options are separated by commas")
        self.table.verticalHeader().hide()
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self.table.itemChanged.connect(self._on_item_changed)
        self.add_button = QPushButton("&Add Variable", self)
        self.add_button.clicked.connect(lambda: self.add())
        self.remove_button = QPushButton("&Remove Variable", self)
        self.remove_button.clicked.connect(lambda: self.remove())
        self.table.itemSelectionChanged.connect(self._update_buttons)
        self._error = WrappedLabel(self)
        self._error.setProperty("role", "bad")
        self._error.hide()
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.remove_button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addWidget(title)
        layout.addWidget(self.table, 1)
        layout.addWidget(self._error)
        layout.addLayout(buttons)
        active_scene().observe(self._on_scene_changed)
        self._show()

    @property
    def message(self) -> str:
        """The error that is shown, or an empty string."""
        return self._error.text() if not self._error.isHidden() else ""

    def add(self) -> None:
        """Add a variable and open the editor of its name."""
        variables = active_scene().project.variables
        taken = {variable.name for variable in variables}
        name = next(name for number in range(len(taken) + 2) if (name := _name(number)) not in taken)
        active_scene().set_variables((*variables, Variable(name, "")))
        self.table.setCurrentCell(len(variables), _NAME)
        item = self.table.item(len(variables), _NAME)
        if item is not None and self.isVisible():
            self.table.editItem(item)

    def remove(self) -> None:
        """Remove the variables whose rows are selected."""
        rows = {index.row() for index in self.table.selectedIndexes()}
        variables = active_scene().project.variables
        active_scene().set_variables(tuple(each for row, each in enumerate(variables) if row not in rows))

    def value_field(self, row: int) -> QComboBox:
        """Return the field for the value of the variable in `row`."""
        field = self.table.cellWidget(row, _VALUE)
        assert isinstance(field, QComboBox)
        return field

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change in (SceneChange.VARIABLES, SceneChange.REPLACED):
            self._error.hide()
            self._show()

    def _show(self) -> None:
        row = self.table.currentRow()
        with QSignalBlocker(self.table):
            variables = active_scene().project.variables
            self.table.setRowCount(len(variables))
            for place, variable in enumerate(variables):
                self._show_row(place, variable)
            if 0 <= row < len(variables):
                self.table.setCurrentCell(row, _NAME)
        self._update_buttons()

    def _show_row(self, row: int, variable: Variable) -> None:
        name = QTableWidgetItem(variable.name)
        name.setCheckState(Qt.CheckState.Checked if variable.enabled else Qt.CheckState.Unchecked)
        self.table.setItem(row, _NAME, name)
        self.table.setItem(row, _OPTIONS, QTableWidgetItem(", ".join(variable.options)))
        field = QComboBox(self.table)
        field.setEditable(True)
        field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        field.setAccessibleName(f"Value of {variable.name}")
        field.addItems(variable.options)
        field.textActivated.connect(lambda text, row=row: self._set_value(row, text))
        line = QLineEdit(field)
        field.setLineEdit(line)
        line.setText(variable.value)
        keep_escape(field)
        line.editingFinished.connect(lambda row=row, line=line: self._set_value(row, line.text()))
        self.table.setCellWidget(row, _VALUE, field)

    def _set_value(self, row: int, value: str) -> None:
        variables = active_scene().project.variables
        if row < len(variables) and value != variables[row].value:
            self._change(row, value=value)

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        row = item.row()
        if item.column() == _NAME:
            enabled = item.checkState() == Qt.CheckState.Checked
            self._change(row, name=item.text().strip(), enabled=enabled)
        elif item.column() == _OPTIONS:
            options = dict.fromkeys(part.strip() for part in item.text().split(",") if part.strip())
            self._change(row, options=tuple(options))

    def _change(self, row: int, **fields: object) -> None:
        variables = list(active_scene().project.variables)
        try:
            changed = replace(variables[row], **fields)  # type: ignore[arg-type]  # they are Variable's own
            if any(each.name == changed.name for place, each in enumerate(variables) if place != row):
                raise ProjectError(f"There is a variable {changed.name} already: choose another name.")
        except ProjectError as error:
            self._show()
            self._error.setText(str(error))
            self._error.show()
            return
        self._error.hide()
        variables[row] = changed
        active_scene().set_variables(tuple(variables))

    def _update_buttons(self) -> None:
        self.remove_button.setEnabled(bool(self.table.selectedIndexes()))


def _name(number: int) -> str:
    return "variable" if number == 0 else f"variable{number}"
