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
    """One column of the page."""

    title: str
    least: int
    """Pixels that it needs."""
    width: int
    """Pixels that it has where there is room."""
    right: bool = False
    """Whether its texts are right-aligned."""


class AgentsModel(QAbstractTableModel):
    """A few rows, so each change is signalled row by row. `job_name` turns a job's id into its name."""

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
        """The time as the queue has it."""
        self._agents: list[AgentRecord] = []

    def apply(self, change: QueueChange) -> None:
        """Take in a change of the queue. After a snapshot the Agents that remain are still selected."""
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
        """Move `agent` to where it belongs, when its host has changed. Returns its row."""
        to = sum(_place(known) < _place(agent) for at, known in enumerate(self._agents) if at != row)
        if to != row:
            self.beginMoveRows(_NO_INDEX, row, row, _NO_INDEX, to if to < row else to + 1)
            self._agents.insert(to, self._agents.pop(row))
            self.endMoveRows()
        return to

    def tick(self) -> None:
        """Time has passed: the ages read otherwise."""
        if self._agents:
            last = len(self._agents) - 1
            self.dataChanged.emit(self.index(0, self.SINCE), self.index(last, self.SINCE))

    def agent(self, row: int) -> AgentRecord:
        """The Agent in `row`."""
        return self._agents[row]

    def agents(self) -> list[AgentRecord]:
        """All of them, from the top."""
        return list(self._agents)

    def _row(self, agent_id: str) -> int | None:
        return next((row for row, agent in enumerate(self._agents) if agent.id == agent_id), None)

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """One row for each Agent."""
        return 0 if parent.isValid() else len(self._agents)

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """See COLUMNS."""
        return 0 if parent.isValid() else len(self.COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Titles."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.COLUMNS):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if self.COLUMNS[section].right else _LEFT
        return None

    def data(self, index: _Index, role: int = 0) -> Any:
        """Texts."""
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
    # An Agent that starts has no host yet: a local one must not change its row when it registers.
    return ("" if agent.local else agent.host, len(agent.id), agent.id)  # a2 before a10
