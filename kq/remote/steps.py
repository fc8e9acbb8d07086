"""The steps of a check or launch, reported as they happen, and waiting that can be cancelled."""

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
    """Where a step is."""

    RUNNING = "running"
    DONE = "done"
    NOTE = "note"
    """It passed, with a warning in its message."""
    FAILED = "failed"
    """Its message says what to do. No later step was tried."""


_MARKS = {StepState.DONE: "ok", StepState.NOTE: "note", StepState.FAILED: "FAILED"}


class RemoteStep(msgspec.Struct, frozen=True):
    """One preflight check, or one step of a launch."""

    name: str
    state: StepState
    message: str = ""
    """What was found, or what is wrong and what to do about it."""

    @property
    def line(self) -> str:
        """The step as a line of text, where it is over."""
        return f"{_MARKS.get(self.state, self.state.value):>6}  {self.name}: {self.message}"


class RemoteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check, start or stop."""

    ok: bool
    message: str
    steps: tuple[RemoteStep, ...] = ()
    cancelled: bool = False

    def text(self, title: str) -> str:
        """All of it as text, for a system administrator."""
        return "\n".join([title, *(step.line for step in self.steps), self.message, ""])


class RemoteQuestions(Protocol):
    """Prompts that a person answers. Called on the thread of the launch, which waits."""

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        """The host's key is not known. True writes it to known_hosts."""

    def passphrase(self, key_file: str, again: bool) -> str | None:
        """The passphrase of a private key, never stored; None gives up. `again`: the last one was wrong."""

    def use_tunnel(self, why: str) -> bool:
        """Only SSH reaches the other machine. True tunnels the queue's ports through it."""


class Cancelled(RemoteFailed):
    """The user cancelled it."""


class OpenStep:
    """The step that is being taken."""

    def __init__(self, name: str, report: Callable[[RemoteStep], None]) -> None:
        self.name = name
        self._report = report
        self.state = StepState.DONE
        self.message = ""

    def done(self, message: str) -> None:
        """What was found."""
        self.message = message

    def note(self, message: str) -> None:
        """What was found, and should be known."""
        self.state, self.message = StepState.NOTE, message

    def update(self, message: str) -> None:
        """What it is doing at the moment."""
        self._report(RemoteStep(self.name, StepState.RUNNING, one_line(message)))


class Steps:
    """All steps of one run. To be used from the run's thread."""

    def __init__(self, report: Callable[[RemoteStep], None], cancelled: threading.Event) -> None:
        self._report = report
        self.cancelled = cancelled
        self.taken: list[RemoteStep] = []

    @contextmanager
    def step(self, name: str) -> Iterator[OpenStep]:
        """Take a step. A KqError that leaves the block is why it failed, and is raised again."""
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
        """Report a step that is over already, as a warning. Raises nothing, also when it was cancelled."""
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
        """What `call` returns, which may block for as long as it likes, on a thread of its own.

        Args:
            late: the message when it does not return within `timeout_s` seconds.
            step: shows how long it has been waited for.
            abort: makes `call` return soon, when it is not waited for any more.

        Raises:
            Cancelled, RemoteFailed, and what `call` raises.
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
        """Wait. Raises Cancelled."""
        if self.cancelled.wait(seconds):
            raise Cancelled("cancelled")
