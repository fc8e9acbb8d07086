"""Types of the replies of kq's programs on another machine, and their validation."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ..errors import RemoteFailed
from .hosts import RemoteHost

__all__ = ["Ended", "Started", "StartedAgent", "typed_answer"]


class StartedAgent(msgspec.Struct, array_like=True):
    """One Agent in the reply of StartAgents."""

    id: str
    pid: int
    started: float
    """Start time of its process, in the units of that system; with the pid it identifies the process."""


class Started(msgspec.Struct):
    """The reply of StartAgents: the content of kq.remote_host's pid file."""

    agents: tuple[StartedAgent, ...] = ()
    shared: bool = False
    problem: str = ""


class Ended(msgspec.Struct):
    """The reply of StopAgents: ids of the Agents that were ended."""

    ended: tuple[str, ...] = ()


T = TypeVar("T")


def typed_answer(answer: object, kind: type[T], host: RemoteHost) -> T:
    """Convert `answer` to the type `kind`. Raises RemoteFailed when it does not match."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise RemoteFailed(f"{host.host} sent an invalid answer: {error}") from error
