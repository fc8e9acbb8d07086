"""State machine of an attempt on another machine: download the folder, render, upload the files. Pure.

`kq.agent.remote_attempt` carries out the actions and reports events.
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
"""How long the upload may make no progress before the rest is given up."""
STOPPED_TIMEOUT_S = 2.0
"""How long the upload of the rest of a stopped render's log may take."""


class RemoteState(Enum):
    """State of one attempt on another machine."""

    NEW = auto()
    FETCHING = auto()
    """The job's folder is being downloaded."""
    RENDERING = auto()
    """kq.agent.attempt runs the render."""
    RETURNING = auto()
    """The log and pictures are being uploaded."""
    ENDED = auto()


# --- Events ---


class Begun(msgspec.Struct, frozen=True):
    """The attempt starts.

    Attributes:
        streams: files are transferred through the server, because no disk is shared.
        fetches: the job has a folder, which must be downloaded first.
    """

    streams: bool
    fetches: bool


class FolderFetched(msgspec.Struct, frozen=True):
    """The job's folder has been downloaded."""


class RenderEnded(msgspec.Struct, frozen=True):
    """All processes of the render have ended."""


class SomeReturned(msgspec.Struct, frozen=True):
    """The upload has made progress."""


class Returned(msgspec.Struct, frozen=True):
    """The upload is complete, or the server refused the rest."""


class Failed(msgspec.Struct, frozen=True):
    """Files cannot be downloaded or stored, for the reason `why`."""

    why: str


# --- Actions ---


class FetchFolder(msgspec.Struct, frozen=True):
    """Download the job's folder."""


class StartRender(msgspec.Struct, frozen=True):
    """Start the render."""


class StopRender(msgspec.Struct, frozen=True):
    """End the render with the outcome, reason and grace of `stop`."""

    stop: Stop


class ReturnFiles(msgspec.Struct, frozen=True):
    """Upload the rest of the log; `pictures`: also the files that the render made."""

    pictures: bool


class Finish(msgspec.Struct, frozen=True):
    """Report how the attempt ended.

    Attributes:
        outcome: replaces the render's own; None: keep that.
        reason: with `outcome`, the reason for it.
        complete: whether the upload is complete.
    """

    outcome: Outcome | None = None
    reason: str = ""
    complete: bool = True


Action = FetchFolder | StartRender | StopRender | ReturnFiles | Finish
Result = tuple[RemoteState, list[Action]]
_S = RemoteState


class RemoteMachine(StateMachine):
    """The state machine of one attempt on another machine.

    Attributes:
        stop: the latest request to stop the render, whose files are not uploaded then; None: none came.
    """

    def __init__(self) -> None:
        super().__init__(_S.NEW)
        self.stop: Stop | None = None
        self._streams = False

    @property
    def is_stopped(self) -> bool:
        """Whether the render was to be stopped."""
        return self.stop is not None

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
        self.stop = event
        return _S.RENDERING, [StopRender(event)]

    def _stop_returning(self, event: Stop, now: float) -> Result:
        self.stop = event
        assert self.deadline is not None
        self.deadline = min(self.deadline, now + min(event.grace_s, STOPPED_TIMEOUT_S))
        return _S.RETURNING, []

    def _render_failed(self, event: Failed, _now: float) -> Result:
        # All processes of the render must have ended before the failure is reported.
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
