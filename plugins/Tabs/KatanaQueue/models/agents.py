"""The Agents as a Qt model: local ones first, then host by host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from .....kq.api import AgentRecord, QueueChange, agent_state_text
from .columns import bytes_text, span_text

__all__ = ["AgentColumn", "AgentsModel"]

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class AgentColumn(NamedTuple):
    """One column of the table."""

    title: str
    least: int
    """Its least width in pixels."""
    width: int
    """Its width in pixels when there is enough room."""
    right: bool = False
    """Whether its texts are right-aligned."""


class AgentsModel(QAbstractTableModel):
    """A table with one row for each Agent. Qt's thread.

    Args:
        job_name: returns the name of the job with a given id.
        parent: the owner.
    """

    COLUMNS: tuple[AgentColumn, ...] = (
        AgentColumn("Agent", 74, 150),
        AgentColumn("Host", 86, 170),
        AgentColumn("State", 138, 144),
        AgentColumn("Since", 78, 84, right=True),
        AgentColumn("Job", 96, 220),
        AgentColumn("CPU", 54, 70, right=True),
        AgentColumn("Memory", 72, 90, right=True),
        AgentColumn("Reason", 194, 260),
    )
    STATE = 2
    SINCE = 3

    def __init__(self, job_name: Callable[[str], str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job_name = job_name
        self.now_s: Callable[[], float] = time.time
        """Returns the time of the queue's clock, in seconds since the epoch."""
        self._agents: list[AgentRecord] = []

    def apply(self, change: QueueChange) -> None:
        """Apply a change of the queue. Rows are changed one by one, so that the selection is kept."""
        removed = set(change.removed_agents)
        if change.reset:
            removed = {agent.id for agent in self._agents} - {agent.id for agent in change.agents}
        for agent_id in removed:
            row = self._row(agent_id)
            if row is not None:
                self.beginRemoveRows(_NO_INDEX, row, row)
                del self._agents[row]
                self.endRemoveRows()
        for agent in change.agents:
            row = self._row(agent.id)
            if row is None:
                row = sum(_place(known) < _place(agent) for known in self._agents)
                self.beginInsertRows(_NO_INDEX, row, row)
                self._agents.insert(row, agent)
                self.endInsertRows()
            elif self._agents[row] != agent:
                row = self._move(row, agent)
                self._agents[row] = agent
                self.dataChanged.emit(self.index(row, 0), self.index(row, len(self.COLUMNS) - 1))

    def _move(self, row: int, agent: AgentRecord) -> int:
        """Move the Agent in `row` to its sorted place, which changes with its host. Returns its new row."""
        to = sum(_place(known) < _place(agent) for at, known in enumerate(self._agents) if at != row)
        if to != row:
            self.beginMoveRows(_NO_INDEX, row, row, _NO_INDEX, to if to < row else to + 1)
            self._agents.insert(to, self._agents.pop(row))
            self.endMoveRows()
        return to

    def tick(self) -> None:
        """Update the column *Since*. Call it about once per second."""
        if self._agents:
            last = len(self._agents) - 1
            self.dataChanged.emit(self.index(0, self.SINCE), self.index(last, self.SINCE))

    def agent(self, row: int) -> AgentRecord:
        """Return the Agent in `row`."""
        return self._agents[row]

    def agents(self) -> list[AgentRecord]:
        """Return all Agents, in the order of rows."""
        return list(self._agents)

    def _row(self, agent_id: str) -> int | None:
        return next((row for row, agent in enumerate(self._agents) if agent.id == agent_id), None)

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of Agents."""
        return 0 if parent.isValid() else len(self._agents)

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of COLUMNS."""
        return 0 if parent.isValid() else len(self.COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return the title or alignment of a column."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.COLUMNS):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if self.COLUMNS[section].right else _LEFT
        return None

    def data(self, index: _Index, role: int = 0) -> Any:
        """Return the text, tool tip or alignment of a cell."""
        if not index.isValid() or index.row() >= len(self._agents):
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self._text(self._agents[index.row()], index.column()) or None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if self.COLUMNS[index.column()].right else _LEFT
        return None

    def _text(self, agent: AgentRecord, column: int) -> str:
        match column:
            case 0:
                return agent.id
            case 1:
                return f"{agent.host} (local)".strip() if agent.local else agent.host
            case 2:
                return agent_state_text(agent)
            case 3:
                return span_text(max(0.0, self.now_s() - agent.since))
            case 4:
                name = self._job_name(agent.job) if agent.job else ""
                label = agent.task_label or (f"task {agent.task + 1}" if agent.task else "")
                return f"{name}, {label}" if name and label else name
            case 5:
                return "" if agent.cpu_percent is None else f"{agent.cpu_percent:.0f}%"
            case 6:
                return bytes_text(agent.memory)
            case _:
                return agent.reason


def _place(agent: AgentRecord) -> tuple[str, int, str]:
    # Local ones without their host: a starting Agent has none yet, and must not move when it registers.
    return ("" if agent.local else agent.host, len(agent.id), agent.id)  # a2 before a10
