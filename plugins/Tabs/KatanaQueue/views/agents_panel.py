"""The page with the Agents: a table, and buttons to drain, restart and remove them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSignalBlocker,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QAction, QPainter, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QMenu,
    QSpinBox,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .....kq.api import MAX_AGENTS, AgentRecord, AgentState, KqError, QueueClient, QueueRecord, TaskState
from ....ui.icons import state_pixmap
from ....ui.theme import ROOMY_HEADER, faded, row_height, state_colour
from ..bridge import QueueBridge
from ..models.agents import AgentsModel
from ..models.columns import span_text
from .fitting import FittingRow
from .question import LONG_S, ask_first
from .row_table import RowTable

__all__ = ["AgentsPanel"]

_MARGIN = 8

AgentRequest = Callable[[QueueClient, list[str]], Future[None]]
"""Calls a method of the client for the Agents with these ids."""


class AgentsPanel(QWidget):
    """Shows the Agents of `model`, and sends requests about them to the queue. Qt's thread; nothing waits.

    Signals:
        refused(str): an error message; empty when the last one no longer matters.
    """

    refused = Signal(str)

    def __init__(self, model: AgentsModel, bridge: QueueBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._bridge = model, bridge
        self._client: QueueClient | None = None
        self._is_fitted = True  # whether the columns follow the panel's width
        self._is_fitting = False  # whether they are being resized by this class
        self._make_table()
        self.drain = self._action(
            "Drain", "Finish the current tasks, and run no more on these Agents", self._drain
        )
        self.restart = self._action(
            "Restart",
            "End the Agents and their renders, and start them again",
            lambda: self._end("Restart", lambda client, ids: client.restart_agents(ids)),
        )
        self.remove = self._action(
            "Remove",
            "End the Agents and their renders; local Agents are not replaced",
            lambda: self._end("Remove", lambda client, ids: client.end_agents(ids)),
        )
        self.count = QSpinBox(self)
        self.count.setRange(0, MAX_AGENTS)
        self.count.setKeyboardTracking(False)
        self.count.setFixedWidth(64)
        self.count.setAccessibleName("Local Agents to keep running")
        self.count.setToolTip("The number of Agents on this machine: as many renders run here at once")
        # Several steps of the spin box are one request.
        self._wish = QTimer(self)
        self._wish.setSingleShot(True)
        self._wish.setInterval(400)
        self._wish.timeout.connect(self._set_count)
        self.count.valueChanged.connect(lambda _value: self._wish.start())
        self.count.editingFinished.connect(lambda: self.count.lineEdit().setModified(False))
        self._summary = QLabel(self)
        self.none = QLabel("No Agents. Raise Local Agents, or launch Agents on other machines.", self)
        self.none.setWordWrap(True)
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lay_out()
        self._model.dataChanged.connect(lambda *_: self._update())
        self._model.rowsInserted.connect(lambda *_: self._update())
        self._model.rowsRemoved.connect(lambda *_: self._update())
        self._update()

    def set_client(self, client: QueueClient | None) -> None:
        """Set the queue to act on; None, without a connection, disables the actions."""
        self._client = client
        self._update()

    def set_queue(self, queue: QueueRecord) -> None:
        """Show the wanted number of local Agents, unless the artist is changing it."""
        is_being_set = self._wish.isActive() or (self.count.hasFocus() and self.count.lineEdit().isModified())
        if not is_being_set:
            with QSignalBlocker(self.count):
                self.count.setValue(queue.agents_wanted)

    def _make_table(self) -> None:
        self.table = RowTable(self)
        self.table.setAccessibleName("Agents")
        self.table.setModel(self._model)
        self.table.setItemDelegate(_AgentDelegate(self.table))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setTabKeyNavigation(False)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._show_menu)
        rows = self.table.verticalHeader()
        rows.hide()
        rows.setMinimumSectionSize(row_height(self.table.font()))
        rows.setDefaultSectionSize(row_height(self.table.font()))
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.table.horizontalHeader()
        header.setStyleSheet(ROOMY_HEADER)
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(36)
        header.sectionResized.connect(self._on_column_resized)
        chosen = self.table.selectionModel()
        chosen.selectionChanged.connect(lambda *_: self._update())
        chosen.currentRowChanged.connect(
            lambda *_: self.table.viewport().update()
        )  # its whole row has a frame

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns to the width, until the artist resizes one: *Reason* should stay visible."""
        super().resizeEvent(event)
        if not self._is_fitted:
            return
        columns = AgentsModel.COLUMNS
        least = sum(column.least for column in columns)
        extra = sum(column.width for column in columns) - least
        share = min(1.0, max(0.0, (self.width() - least) / extra))
        self._is_fitting = True
        for place, column in enumerate(columns[:-1]):  # the last one stretches
            width = column.least + int((column.width - column.least) * share)
            self.table.horizontalHeader().resizeSection(place, width)
        self._is_fitting = False

    def _on_column_resized(self, place: int, _before: int, _now: int) -> None:
        if not self._is_fitting and place < len(AgentsModel.COLUMNS) - 1:
            self._is_fitted = False

    def _action(self, text: str, tip: str, call: Callable[[], None]) -> QAction:
        action = QAction(text, self)
        action.setToolTip(tip)
        action.triggered.connect(lambda _checked=False: call())
        return action

    def _lay_out(self) -> None:
        self.tools = FittingRow(self)
        """The row of buttons above the panel; the tab places it."""
        label = QLabel("Local &Agents", self)
        label.setBuddy(self.count)
        label.setContentsMargins(8, 0, 4, 0)
        self.tools.add_stretch()
        self.tools.add(self._summary, rank=4)
        for action, rank in ((self.drain, 0), (self.restart, 2), (self.remove, 1)):
            button = QToolButton(self)
            button.setDefaultAction(action)
            button.setAutoRaise(True)
            self.tools.add(button, rank=rank)
        self.tools.add(label, rank=3)
        self.tools.add(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.table, 1)
        inside = QVBoxLayout(self.table.viewport())
        inside.addWidget(self.none)

    def selected(self) -> list[AgentRecord]:
        """Return the selected Agents."""
        return [self._model.agent(index.row()) for index in self.table.selectionModel().selectedRows()]

    def _update(self) -> None:
        live = self._client is not None
        chosen = self.selected()
        self.drain.setText("Resume" if _are_draining(chosen) else "Drain")
        for action in (self.drain, self.restart, self.remove):
            action.setEnabled(live and bool(chosen))
        self.count.setEnabled(live)
        agents = self._model.agents()
        self.none.setVisible(live and not agents)
        hosts = {agent.host for agent in agents if not agent.local}
        states = Counter(agent.state for agent in agents)
        busy, lost = states[AgentState.BUSY], states[AgentState.LOST]
        parts = [f"{busy} of {len(agents)} busy"] if agents else []
        if hosts:
            parts.append("1 remote host" if len(hosts) == 1 else f"{len(hosts)} remote hosts")
        if lost:
            parts.append(f"{lost} lost")
        self._summary.setText(", ".join(parts) + "  ")

    def _drain(self) -> None:
        chosen = self.selected()
        ids = [agent.id for agent in chosen]
        if _are_draining(chosen):
            self._request("Resume", lambda client, ids: client.resume_agents(ids), ids)
        else:
            self._request("Drain", lambda client, ids: client.drain_agents(ids), ids)

    def _end(self, verb: str, request: AgentRequest) -> None:
        """Send `request` for the selected Agents; ask first if one has a long-running render."""
        ids = [agent.id for agent in self.selected()]
        now_s = self._model.now_s()
        busy_s = [now_s - agent.since for agent in self.selected() if agent.state is AgentState.BUSY]
        longest_s = max(busy_s, default=0.0)
        if longest_s < LONG_S:
            self._request(verb, request, ids)
            return
        which = ids[0] if len(ids) == 1 else f"{len(ids)} Agents"
        question = (
            f"A render has run for {span_text(longest_s)} there, and would start again from the beginning. "
            f"{verb} {which}?"
        )
        ask_first(self, question, verb, lambda: self._request(verb, request, ids))

    def _request(self, what: str, request: AgentRequest, ids: list[str]) -> None:
        self.refused.emit("")
        if self._client is None:  # disconnected while a menu or a dialog was open
            self.refused.emit(f"{what}: Katana Queue is not connected; nothing was done.")
        elif ids:
            client = self._client
            self._watch(what, lambda: request(client, ids))

    def _set_count(self) -> None:
        self.refused.emit("")
        client, count = self._client, self.count.value()
        if client is not None:
            self._watch("Local Agents", lambda: client.set_agent_count(count))

    def _watch(self, what: str, call: Callable[[], Future[None]]) -> None:
        try:
            self._bridge.watch(call(), None, lambda message: self.refused.emit(f"{what}: {message}"))
        except KqError as error:
            self.refused.emit(f"{what}: {error}")

    def _show_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions([self.drain, self.restart, self.remove])
        menu.popup(self.table.viewport().mapToGlobal(at))


def _are_draining(agents: list[AgentRecord]) -> bool:
    return bool(agents) and all(agent.draining for agent in agents)


class _AgentDelegate(QStyledItemDelegate):
    """Draws cells with the margins of the jobs list, and states with their icon and colour."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(super().sizeHint(option, index).width() + 12, row_height(option.font))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        model = index.model()
        if not isinstance(model, AgentsModel):
            return
        agent, palette = model.agent(index.row()), option.palette
        inner = QRect(option.rect).adjusted(_MARGIN, 0, -_MARGIN, 0)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        colour = palette.color(QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text)
        if selected:
            painter.fillRect(option.rect, palette.brush(QPalette.ColorRole.Highlight))
        if not option.state & QStyle.StateFlag.State_Enabled:
            painter.setOpacity(0.5)
        if index.column() == AgentsModel.STATE:
            state = (
                TaskState.STOPPING if agent.draining and agent.state is not AgentState.LOST else agent.state
            )
            colour = colour if selected else state_colour(state, palette)
            ratio = painter.device().devicePixelRatioF()
            pixmap = state_pixmap(agent.state, palette, ratio, 14, colour)
            painter.drawPixmap(inner.left(), inner.center().y() - 6, pixmap)
            inner.setLeft(inner.left() + 20)
        painter.setPen(colour)
        text = str(index.data() or "")
        text = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, inner.width())
        alignment = index.data(int(Qt.ItemDataRole.TextAlignmentRole))
        painter.drawText(inner, int(alignment), text)
        table = self.parent()
        if isinstance(table, QTableView) and table.hasFocus() and table.currentIndex().row() == index.row():
            painter.setPen(faded(palette.color(QPalette.ColorRole.Text), 0.6))
            painter.drawLine(option.rect.topLeft(), option.rect.topRight())
            painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
        painter.setOpacity(1.0)
