"""What programs on another machine answer, as types. An answer that does not fit is an error."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ..errors import RemoteFailed
from .hosts import RemoteHost

__all__ = ["Ended", "Started", "StartedAgent", "typed_answer"]


class StartedAgent(msgspec.Struct, array_like=True):
    """One Agent of that answer."""

    id: str
    pid: int
    started: float
    """The start time of its process, as the system counts it."""


class Started(msgspec.Struct):
    """The answer of StartAgents: kq.remote_host's pid file."""

    agents: tuple[StartedAgent, ...] = ()
    shared: bool = False
    problem: str = ""


class Ended(msgspec.Struct):
    """The answer of StopAgents."""

    ended: tuple[str, ...] = ()


T = TypeVar("T")


def typed_answer(answer: object, kind: type[T], host: RemoteHost) -> T:
    """Return `answer` as a `kind`. Raises RemoteFailed where it does not fit."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise RemoteFailed(f"{host.host} sent an invalid answer: {error}") from error
