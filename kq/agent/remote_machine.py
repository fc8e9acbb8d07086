"""What an attempt on another machine does next: fetch its folder, render, return its files. Pure decisions.

`kq.agent.remote_attempt` carries out the actions and turns what it sees into events.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from ..states import Outcome
from .attempt_machine import Stop, TimePassed
from .state_machine import StateMachine

__all__ = [
    "Begun",
    "Failed",
    "FetchFolder",
    "Finish",
    "FolderFetched",
    "RemoteMachine",
    "RemoteState",
    "RenderEnded",
    "ReturnFiles",
    "Returned",
    "SomeReturned",
    "StartRender",
    "StopRender",
]

RETURN_TIMEOUT_S = 60.0
"""How long nothing may arrive at the desktop before what is left is given up."""
STOPPED_TIMEOUT_S = 2.0
"""How long the rest of a stopped render's log may take to arrive."""


class RemoteState(Enum):
    """Where one attempt on another machine is."""

    NEW = auto()
    FETCHING = auto()
    """The job's folder is on its way here."""
    RENDERING = auto()
    """The render is kq.agent.attempt's."""
    RETURNING = auto()
    """Log and pictures are on their way to the desktop."""
    ENDED = auto()


# --- Events ---


class Begun(msgspec.Struct, frozen=True):
    """`streams`: files travel over the wire. `fetches`: the job has a folder, which must come first."""

    streams: bool
    fetches: bool


class FolderFetched(msgspec.Struct, frozen=True):
    """The job's folder is here."""


class RenderEnded(msgspec.Struct, frozen=True):
    """All processes of the render are gone."""


class SomeReturned(msgspec.Struct, frozen=True):
    """More of the log or the files has arrived at the desktop."""


class Returned(msgspec.Struct, frozen=True):
    """All of it has, or is not wanted there."""


class Failed(msgspec.Struct, frozen=True):
    """Files cannot be fetched or kept here, for the reason `why`."""

    why: str


# --- Actions ---


class FetchFolder(msgspec.Struct, frozen=True):
    """Ask for the job's folder."""


class StartRender(msgspec.Struct, frozen=True):
    """Start the render itself."""


class StopRender(msgspec.Struct, frozen=True):
    """End the render, as `stop` says."""

    stop: Stop


class ReturnFiles(msgspec.Struct, frozen=True):
    """Send the rest of the log; `pictures`: and what the render made."""

    pictures: bool


class Finish(msgspec.Struct, frozen=True):
    """Report how it ended: as the render did, unless `outcome` says otherwise.

    `complete`: everything has arrived at the desktop.
    """

    outcome: Outcome | None = None
    reason: str = ""
    complete: bool = True


Result = tuple[RemoteState, list[msgspec.Struct]]
_S = RemoteState


class RemoteMachine(StateMachine):
    """Decides for one attempt.

    Attributes:
        is_stopped: whether the render was stopped: what it made is not returned then.
    """

    def __init__(self) -> None:
        super().__init__(_S.NEW)
        self.is_stopped = False
        self._streams = False

    def _begin(self, event: Begun, _now: float) -> Result:
        self._streams = event.streams
        if event.streams and event.fetches:
            return _S.FETCHING, [FetchFolder()]
        return _S.RENDERING, [StartRender()]

    def _fetched(self, _event: FolderFetched, _now: float) -> Result:
        return _S.RENDERING, [StartRender()]

    def _stop_fetching(self, event: Stop, _now: float) -> Result:
        return _S.ENDED, [Finish(event.outcome, event.reason)]

    def _stop_render(self, event: Stop, _now: float) -> Result:
        self.is_stopped = True
        return _S.RENDERING, [StopRender(event)]

    def _stop_returning(self, event: Stop, now: float) -> Result:
        self.is_stopped = True
        assert self.deadline is not None
        self.deadline = min(self.deadline, now + min(event.grace_s, STOPPED_TIMEOUT_S))
        return _S.RETURNING, []

    def _render_failed(self, event: Failed, _now: float) -> Result:
        # The render runs, and must be seen gone before its end is reported.
        return _S.RENDERING, [StopRender(Stop(Outcome.FAILED, event.why, 0.0))]

    def _failed(self, event: Failed, _now: float) -> Result:
        return _S.ENDED, [Finish(Outcome.FAILED, event.why)]

    def _render_ended(self, _event: RenderEnded, now: float) -> Result:
        if not self._streams:
            return _S.ENDED, [Finish()]
        self.deadline = now + (STOPPED_TIMEOUT_S if self.is_stopped else RETURN_TIMEOUT_S)
        return _S.RETURNING, [ReturnFiles(pictures=not self.is_stopped)]

    def _some_returned(self, _event: SomeReturned, now: float) -> Result:
        if not self.is_stopped:
            self.deadline = now + RETURN_TIMEOUT_S
        return _S.RETURNING, []

    def _returned(self, _event: Returned, _now: float) -> Result:
        return _S.ENDED, [Finish()]

    def _give_up(self, _event: TimePassed, _now: float) -> Result:
        return _S.ENDED, [Finish(complete=False)]

    def _stay(self, _event: object, _now: float) -> Result:
        return self.state, []

    table = {
        (_S.NEW, Begun): _begin,
        (_S.NEW, Failed): _failed,
        (_S.FETCHING, FolderFetched): _fetched,
        (_S.FETCHING, Failed): _failed,
        (_S.FETCHING, Stop): _stop_fetching,
        (_S.RENDERING, Stop): _stop_render,
        (_S.RENDERING, Failed): _render_failed,
        (_S.RENDERING, RenderEnded): _render_ended,
        (_S.RETURNING, Stop): _stop_returning,
        (_S.RETURNING, SomeReturned): _some_returned,
        (_S.RETURNING, Returned): _returned,
        (_S.RETURNING, TimePassed): _give_up,
        (_S.RETURNING, Failed): _failed,
        (_S.ENDED, Stop): _stay,
    }
