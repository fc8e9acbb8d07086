"""State machine of an attempt, from its start until all its processes have ended. Pure.

`kq.agent.attempt` carries out the actions and reports events.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from ..states import Outcome, StopMethod
from .state_machine import StateMachine

__all__ = [
    "Action",
    "AskToStop",
    "AttemptMachine",
    "AttemptState",
    "Begun",
    "ClearLeftovers",
    "CommandEnded",
    "CommandRefused",
    "CommandStarted",
    "Conclude",
    "DropStandby",
    "EndAll",
    "Note",
    "StandbyFailed",
    "StandbyTaken",
    "StartCommand",
    "Stop",
    "TimePassed",
    "TreeGone",
]

STANDBY_TIMEOUT_S = 2.0
"""How long a standby process may take to accept the render; after that the render is started normally."""
ROOM_TIMEOUT_S, ROOM_INTERVAL_S = 60.0, 0.5
"""How long, and at what interval, a start is retried that failed for lack of resources."""


class AttemptState(Enum):
    """State of one attempt."""

    NEW = auto()
    OFFERED = auto()
    """A standby was given the job, and has not confirmed it."""
    STARTING = auto()
    """A command is being started."""
    WAITING = auto()
    """The machine lacked resources to start the command: the start is retried at the deadline."""
    RUNNING = auto()
    STOPPING = auto()
    """The command was asked to stop, and is killed at the deadline."""
    ENDING = auto()
    """The command has ended or is being killed; its remaining processes are being ended."""
    ENDED = auto()
    """No process is left."""


# --- Events ---


class Begun(msgspec.Struct, frozen=True):
    """The log is open. `offered`: a standby was given the job."""

    offered: bool


class StandbyTaken(msgspec.Struct, frozen=True):
    """The standby has taken the job."""


class StandbyFailed(msgspec.Struct, frozen=True):
    """The standby has not taken the job, for the reason `why`."""

    why: str


class CommandStarted(msgspec.Struct, frozen=True):
    """The process of the next command runs."""


class CommandRefused(msgspec.Struct, frozen=True):
    """The command could not be started. `lacks_resources`: the machine is short of them for now."""

    why: str
    lacks_resources: bool = False


class CommandEnded(msgspec.Struct, frozen=True):
    """The command's process has ended. `exit_code`: negative for a signal, None when not known."""

    exit_code: int | None


class Stop(msgspec.Struct, frozen=True):
    """Stop the attempt: ask it to end, kill it after `grace_s` seconds; 0 or less kills at once."""

    outcome: Outcome = Outcome.STOPPED
    reason: str = ""
    grace_s: float = 0.0


class TimePassed(msgspec.Struct, frozen=True):
    """The deadline is reached."""


class TreeGone(msgspec.Struct, frozen=True):
    """No process of the attempt is left, except the pids in `survivors`, which SIGKILL did not end."""

    survivors: tuple[int, ...] = ()
    exit_code: int | None = None
    """Exit code of the command that was killed; None when there was none."""


# --- Actions ---


class StartCommand(msgspec.Struct, frozen=True):
    """Start the command with this index, and answer with CommandStarted or CommandRefused."""

    index: int


class DropStandby(msgspec.Struct, frozen=True):
    """End the standby and all its descendants."""


class ClearLeftovers(msgspec.Struct, frozen=True):
    """End the processes that the last command left behind, before the next one starts."""


class AskToStop(msgspec.Struct, frozen=True):
    """Ask the command to end by itself."""


class EndAll(msgspec.Struct, frozen=True):
    """End every process of the attempt, and answer with TreeGone."""


class Note(msgspec.Struct, frozen=True):
    """Write `text` into the log; `is_error`: with the prefix "error: "."""

    text: str
    is_error: bool = False


class Conclude(msgspec.Struct, frozen=True):
    """Report how the attempt ended."""


Action = StartCommand | DropStandby | ClearLeftovers | AskToStop | EndAll | Note | Conclude
Result = tuple[AttemptState, list[Action]]
_S = AttemptState


class AttemptMachine(StateMachine):
    """The state machine of one attempt.

    Attributes:
        outcome: None until it is decided; never changed after that.
        reason: why it failed or was stopped; may be empty.
        stop_method: the strongest means of stopping used so far.
        exit_code: of the last command that ended.
    """

    def __init__(self, commands: int) -> None:
        """`commands`: number of commands, at least one."""
        super().__init__(_S.NEW)
        self.outcome: Outcome | None = None
        self.reason = ""
        self.stop_method = StopMethod.NONE
        self.exit_code: int | None = None
        self._commands = commands
        self._index = 0
        self._give_up_at: float | None = None

    # --- Starting ---

    def _begin(self, event: Begun, now: float) -> Result:
        if event.offered:
            self.deadline = now + STANDBY_TIMEOUT_S
            return _S.OFFERED, []
        return self._start()

    def _start(self) -> Result:
        self.deadline = None
        return _S.STARTING, [StartCommand(self._index)]

    def _standby_taken(self, _event: StandbyTaken, _now: float) -> Result:
        self.deadline = None
        return _S.RUNNING, []

    def _standby_failed(self, event: StandbyFailed, _now: float) -> Result:
        note = Note(f"the standby process {event.why}: the render is started without it")
        state, actions = self._start()
        return state, [DropStandby(), note, *actions]

    def _started(self, _event: CommandStarted, _now: float) -> Result:
        self._give_up_at = None
        return _S.RUNNING, []

    def _refused(self, event: CommandRefused, now: float) -> Result:
        if event.lacks_resources:
            # Without retries a machine short of resources for a moment would fail task after task.
            notes: list[Action] = []
            if self._give_up_at is None:
                self._give_up_at = now + ROOM_TIMEOUT_S
                notes = [Note(f"{event.why}: retrying for {ROOM_TIMEOUT_S:g} s")]
            if now < self._give_up_at:
                self.deadline = now + ROOM_INTERVAL_S
                return _S.WAITING, notes
        self.outcome, self.reason = Outcome.FAILED, event.why
        state, actions = self._end_all()
        return state, [Note(event.why, is_error=True), *actions]

    def _try_again(self, _event: TimePassed, _now: float) -> Result:
        return self._start()

    # --- Ending ---

    def _command_ended(self, event: CommandEnded, _now: float) -> Result:
        self.exit_code = event.exit_code
        self._index += 1
        if event.exit_code == 0 and self._index < self._commands:
            # Processes that it left behind must not run beside the next command.
            state, actions = self._start()
            return state, [ClearLeftovers(), *actions]
        self.outcome = Outcome.COMPLETED if event.exit_code == 0 else Outcome.FAILED
        return self._end_all()

    def _ended_on_request(self, event: CommandEnded, _now: float) -> Result:
        self.exit_code = event.exit_code
        return self._end_all()

    def _end_all(self) -> Result:
        self.deadline = None
        return _S.ENDING, [EndAll()]

    def _stop(self, event: Stop, now: float) -> Result:
        self.outcome, self.reason = event.outcome, event.reason
        notes: list[Action] = []
        if event.outcome is not Outcome.STOPPED:
            notes = [Note(event.reason, is_error=True)]
        if self.state is _S.WAITING:
            self.stop_method = StopMethod.ASKED
            ending, actions = self._end_all()
            return ending, [*notes, *actions]
        if event.grace_s <= 0:
            killing, actions = self._kill(event, now)
            return killing, [*notes, *actions]
        self.stop_method = StopMethod.ASKED
        self.deadline = now + event.grace_s
        return _S.STOPPING, [*notes, AskToStop()]

    def _stop_sooner(self, event: Stop, now: float) -> Result:
        if event.grace_s <= 0:
            return self._kill(event, now)
        assert self.deadline is not None
        self.deadline = min(self.deadline, now + event.grace_s)
        return _S.STOPPING, []

    def _kill(self, _event: object, _now: float) -> Result:
        self.stop_method = StopMethod.KILLED
        return self._end_all()

    def _stay(self, _event: object, _now: float) -> Result:
        return self.state, []

    def _gone(self, event: TreeGone, _now: float) -> Result:
        if event.exit_code is not None:
            self.exit_code = event.exit_code
        if event.survivors:
            first, count = event.survivors[0], len(event.survivors)
            noun = "process" if count == 1 else "processes"
            self.reason = f"{count} {noun} survived SIGKILL (uninterruptible); the first is {first}"
        return _S.ENDED, [Conclude()]

    table = {
        (_S.NEW, Begun): _begin,
        (_S.OFFERED, StandbyTaken): _standby_taken,
        (_S.OFFERED, StandbyFailed): _standby_failed,
        (_S.OFFERED, Stop): _stop,
        (_S.STARTING, CommandStarted): _started,
        (_S.STARTING, CommandRefused): _refused,
        (_S.WAITING, TimePassed): _try_again,
        (_S.WAITING, Stop): _stop,
        (_S.RUNNING, CommandEnded): _command_ended,
        (_S.RUNNING, Stop): _stop,
        (_S.STOPPING, CommandEnded): _ended_on_request,
        (_S.STOPPING, TimePassed): _kill,
        (_S.STOPPING, Stop): _stop_sooner,
        (_S.ENDING, Stop): _stay,
        (_S.ENDING, TreeGone): _gone,
        (_S.ENDED, Stop): _stay,
    }
