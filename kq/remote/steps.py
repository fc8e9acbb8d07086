"""Reports the steps of a check or launch as they happen, and waits for blocking calls with cancellation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

from ..errors import KqError, RemoteFailed
from ..plain_text import one_line

__all__ = ["Cancelled", "OpenStep", "RemoteQuestions", "RemoteResult", "RemoteStep", "StepState", "Steps"]

_POLL_INTERVAL_S = 0.05
_COUNT_AFTER_S = 2.0
T = TypeVar("T")


class StepState(StrEnum):
    """State of a step."""

    RUNNING = "running"
    DONE = "done"
    NOTE = "note"
    """Passed, with a warning in its message."""
    FAILED = "failed"
    """Failed, with what to do in its message. Later steps were not tried."""


_MARKS = {StepState.DONE: "ok", StepState.NOTE: "note", StepState.FAILED: "FAILED"}


class RemoteStep(msgspec.Struct, frozen=True):
    """One preflight check, or one step of a launch."""

    name: str
    state: StepState
    message: str = ""
    """The result, or the error and what to do about it."""

    @property
    def line(self) -> str:
        """The finished step as a line of text."""
        return f"{_MARKS.get(self.state, self.state.value):>6}  {self.name}: {self.message}"


class RemoteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check, start or stop."""

    ok: bool
    message: str
    steps: tuple[RemoteStep, ...] = ()
    cancelled: bool = False

    def text(self, title: str) -> str:
        """The whole result as text under `title`, for a system administrator."""
        return "\n".join([title, *(step.line for step in self.steps), self.message, ""])


class RemoteQuestions(Protocol):
    """Prompts for the user. Called on the thread of the launch, which waits for the reply."""

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        """Ask whether to accept a host's unknown key; True adds it to known_hosts."""

    def passphrase(self, key_file: str, again: bool) -> str | None:
        """Ask for the passphrase of a private key; None skips it. `again`: the previous one was wrong."""

    def use_tunnel(self, why: str) -> bool:
        """Ask whether to tunnel the queue's ports through SSH; `why`: they cannot be reached directly."""


class Cancelled(RemoteFailed):
    """The user cancelled the check or launch."""


class OpenStep:
    """The current step, for the code that carries it out."""

    def __init__(self, name: str, report: Callable[[RemoteStep], None]) -> None:
        self.name = name
        self._report = report
        self.state = StepState.DONE
        self.message = ""

    def done(self, message: str) -> None:
        """Set the message of a step that passes."""
        self.message = message

    def note(self, message: str) -> None:
        """Set the message of a step that passes with a warning."""
        self.state, self.message = StepState.NOTE, message

    def update(self, message: str) -> None:
        """Report progress."""
        self._report(RemoteStep(self.name, StepState.RUNNING, one_line(message)))


class Steps:
    """All steps of one run. To be used from the run's thread.

    Attributes:
        cancelled: set by any thread to cancel the run.
        taken: the finished steps.
    """

    def __init__(self, report: Callable[[RemoteStep], None], cancelled: threading.Event) -> None:
        self._report = report
        self.cancelled = cancelled
        self.taken: list[RemoteStep] = []

    @contextmanager
    def step(self, name: str) -> Iterator[OpenStep]:
        """Run a block as a step. A KqError in it fails the step, and is raised again. Raises Cancelled."""
        self.raise_if_cancelled()
        step = OpenStep(name, self._report)
        step.update("")
        try:
            yield step
        except Cancelled:
            self._close(step, StepState.FAILED, "cancelled")
            raise
        except KqError as error:
            self._close(step, StepState.FAILED, str(error))
            raise
        self._close(step, step.state, step.message)

    def note(self, name: str, message: str) -> None:
        """Report a finished step with a warning. Does not raise, even after a cancel."""
        self._close(OpenStep(name, self._report), StepState.NOTE, message)

    def _close(self, step: OpenStep, state: StepState, message: str) -> None:
        taken = RemoteStep(step.name, state, one_line(message))
        self.taken.append(taken)
        self._report(taken)

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled when the user has cancelled."""
        if self.cancelled.is_set():
            raise Cancelled("cancelled")

    def wait(
        self,
        call: Callable[[], T],
        timeout_s: float,
        late: str,
        step: OpenStep | None = None,
        abort: Callable[[], object] = lambda: None,
    ) -> T:
        """Run the blocking `call` on a thread of its own, and return its result.

        Args:
            timeout_s: seconds to wait. The thread is left behind after that.
            late: the error message after `timeout_s`.
            step: shows the seconds waited.
            abort: called after a cancel or time-out, to make `call` return soon.

        Raises:
            Cancelled: the user cancelled.
            RemoteFailed: `call` did not return in time.
            Exception: any that `call` raises.
        """
        result: list[T] = []
        failure: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                result.append(call())
            except BaseException as error:  # noqa: BLE001  # raised again on the waiting thread
                failure.append(error)
            finally:
                done.set()

        self.raise_if_cancelled()
        threading.Thread(target=run, name="kq-remote-wait", daemon=True).start()
        began = time.monotonic()
        shown = 0
        while not done.wait(_POLL_INTERVAL_S):
            waited = time.monotonic() - began
            if self.cancelled.is_set():
                abort()
                raise Cancelled("cancelled")
            if waited > timeout_s:
                abort()
                raise RemoteFailed(late)
            if step is not None and waited > _COUNT_AFTER_S and int(waited) > shown:
                shown = int(waited)
                step.update(f"no answer for {shown} s (time limit {timeout_s:.0f} s)")
        if failure:
            raise failure[0]
        return result[0]

    def pause(self, seconds: float) -> None:
        """Sleep for `seconds`. Raises Cancelled."""
        if self.cancelled.wait(seconds):
            raise Cancelled("cancelled")
