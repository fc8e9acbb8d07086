"""A bounded queue with round-robin turns: by key, then by Agent within a key. Pure.

However much work one key has, every other key waits for at most one piece of it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, NamedTuple, TypeVar

__all__ = ["FairQueue", "QueueLimits"]

T = TypeVar("T")


class QueueLimits(NamedTuple):
    """The most work that may wait at a time."""

    pieces_of_agent: int = 32
    """Twice what an Agent sends ahead, since it repeats what it takes for lost."""
    bytes_of_key: int = 32 << 20
    bytes_of_all: int = 128 << 20


class _Piece(NamedTuple, Generic[T]):
    size: int
    work: T


class FairQueue(Generic[T]):
    """Pieces of work, each with its key, Agent and size in bytes. Not thread-safe."""

    def __init__(self, limits: QueueLimits | None = None, used: dict[str, int] | None = None) -> None:
        """
        Args:
            used: by key, the bytes of waiting work, where several queues share the limits of bytes.
        """
        self._limits = limits or QueueLimits()
        self._waiting: OrderedDict[str, OrderedDict[str, deque[_Piece[T]]]] = OrderedDict()
        """By key, then by Agent; in both, the next one to be served is first."""
        self._bytes: dict[str, int] = {} if used is None else used
        """By key: the bytes of its waiting work, in all queues that share the limits."""

    def __len__(self) -> int:
        return sum(len(pieces) for agents in self._waiting.values() for pieces in agents.values())

    def put(self, key: str, agent: str, work: T, size: int) -> bool:
        """Add `work` of `size` bytes. Returns False, and adds nothing, if a limit would be exceeded."""
        limits, used = self._limits, self._bytes.get(key, 0)
        agents = self._waiting.get(key)
        pieces = agents.get(agent) if agents is not None else None
        if (
            (pieces is not None and len(pieces) >= limits.pieces_of_agent)
            or used + size > limits.bytes_of_key
            or sum(self._bytes.values()) + size > limits.bytes_of_all
        ):
            return False
        self._pieces(key, agent).append(_Piece(size, work))
        self._bytes[key] = used + size
        return True

    def put_back(self, key: str, agent: str, work: T, size: int) -> None:
        """Add unfinished work from `take` again, as the first of its Agent. No limits apply."""
        self._pieces(key, agent).appendleft(_Piece(size, work))
        self._bytes[key] = self._bytes.get(key, 0) + size

    def _pieces(self, key: str, agent: str) -> deque[_Piece[T]]:
        return self._waiting.setdefault(key, OrderedDict()).setdefault(agent, deque())

    def take(self) -> tuple[str, T] | None:
        """Remove and return the next work with its key; None if nothing waits."""
        if not self._waiting:
            return None
        key, agents = next(iter(self._waiting.items()))
        agent, pieces = next(iter(agents.items()))
        piece = pieces.popleft()
        # The key and the Agent are served last next time.
        self._waiting.move_to_end(key)
        agents.move_to_end(agent)
        self._dropped(key, piece.size)
        if not pieces:
            self._drop_agent(key, agent)
        return key, piece.work

    def forget(self, agent: str) -> None:
        """Drop all waiting work of the Agent."""
        for key in [key for key, agents in self._waiting.items() if agent in agents]:
            self._dropped(key, sum(piece.size for piece in self._waiting[key][agent]))
            self._drop_agent(key, agent)

    def clear(self) -> None:
        """Drop all waiting work."""
        for agent in [agent for agents in self._waiting.values() for agent in agents]:
            self.forget(agent)

    def _dropped(self, key: str, size: int) -> None:
        left = self._bytes.pop(key, 0) - size
        if left:
            self._bytes[key] = left

    def _drop_agent(self, key: str, agent: str) -> None:
        del self._waiting[key][agent]
        if not self._waiting[key]:
            del self._waiting[key]
