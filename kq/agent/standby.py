"""A process kept ready for an Agent's next render: started while the Agent is idle, used once at most.

An Agent never has a standby and another render at once, so `_end` may end all of its child processes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import process
from ..errors import BadInput, Refused
from ..messages import AssignOrder

__all__ = ["ReadyProcess", "Standby"]

READY, TAKEN = b"kq_standby: ready", b"kq_standby: taken"
"""Lines that a standby prints (host/renderboot/standby.py): it has loaded; it has taken a job. Other lines
are ignored."""
_IDLE_BEFORE_LOAD_S = 0.25
"""How long an Agent is idle before anything is loaded: in a row of tasks the next one comes sooner."""
_POLL_INTERVAL_S = 1.0
_YIELD_AGAIN_S = 0.1
"""How long after a failure to let its session yield that is tried again."""
_LOAD_S = 120.0
"""How long loading may take."""
_END_TIMEOUT_S = 1.0
_OUTPUT_TIMEOUT_S = 1.0
"""How long the output of an ended process may take to be read."""
_LONGEST_LINE = 4000
"""Longest JSON, in bytes: a job's line must fit an unread pipe's buffer on every system. The value of
KQ_STANDBY_BEFORE is held to the same limit."""
_BEFORE = "KQ_STANDBY_BEFORE"
"""Environment variable: JSON of the previous render, and the standby's memory limit."""
_ATTEMPT_VARIABLES = ("KQ_JOB", "KQ_TASK", "KQ_ATTEMPT")
"""Variables that differ with each attempt."""


class ReadyProcess:
    """One process that loads, waits, and becomes at most one render. To be used from the Agent's thread."""

    def __init__(self, argv: tuple[str, ...], environment: dict[str, str], before: str = "") -> None:
        """Start it. Raises BadInput, Refused.

        Args:
            argv: its command.
            environment: that of the renders it is for.
            before: JSON about the previous render; empty: none.
        """
        self.argv = argv
        self.environment = environment
        self.before = before
        read_end, write_end = os.pipe()
        try:
            # The root: a job's folder may disappear, and Python might import modules from any other folder.
            folder = Path(Path.cwd().anchor)
            variables = environment | {_BEFORE: before} if before else environment
            self.child = process.spawn_standby(argv, cwd=folder, environment=variables, stdout=write_end)
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._output = b""  # the last 4096 bytes
        self.was_ready = False
        """Whether it has loaded, also once it has ended."""
        # Not every system can poll a pipe without blocking, so a thread reads it to its end.
        self._reader = threading.Thread(
            target=self._listen, args=(read_end,), name=f"kq-standby-{self.child.pid}", daemon=True
        )
        self._reader.start()

    def _listen(self, pipe: int) -> None:
        try:
            while block := os.read(pipe, 4096):
                output = self._output + block
                self.was_ready = self.was_ready or READY in output.splitlines()
                self._output = output[-4096:]
        finally:
            os.close(pipe)

    @property
    def is_ready(self) -> bool:
        """Whether it has loaded, and waits."""
        return self.was_ready and self.child.poll() is None

    def has_confirmed(self) -> bool:
        """Return whether it has confirmed the job. Does not change any more once the process has ended."""
        if TAKEN not in self._output.splitlines() and self.child.poll() is not None:
            self._reader.join(_OUTPUT_TIMEOUT_S)
        return TAKEN in self._output.splitlines()

    def send_job(self, line: bytes) -> bool:
        """Write the job's line to its standard input, then close that. Returns False when it has ended."""
        assert self.child.lifeline is not None  # the write end of its standard input
        try:
            os.write(self.child.lifeline, line)
        except OSError:
            return False  # it has ended meanwhile
        self.child.close_lifeline()
        return True


class Standby:
    """Keeps at most one process ready for the Agent's next render. To be used from the Agent's thread."""

    def __init__(self, keep_s: float, memory_limit: int, warn: Callable[[str], None]) -> None:
        """
        Args:
            keep_s: how long after a render one is kept; 0: never.
            memory_limit: bytes that it and what it started may hold.
            warn: logs a warning.
        """
        self.memory: int | None = None
        """Memory of the standby, in bytes; None when there is none."""
        self._keep_s = keep_s
        self._memory_limit = memory_limit
        self._warn = warn
        self._kept: ReadyProcess | None = None
        self._next: tuple[tuple[str, ...], dict[str, str], str] | None = None
        """What is loaded next: the command, its environment, and JSON about the previous render."""
        # Monotonic times: next load, next check, expiry, start.
        self._load_at = 0.0
        self._check_at = 0.0
        self._until = 0.0
        self._born = 0.0
        self._unfit: tuple[str, ...] = ()
        """Last command given up on: it did not start, was not ready in time, or took too much memory. Not
        tried again until another command is given up on."""
        self._no_prefetch: tuple[str, ...] = ()
        """The last command whose standby took too much memory for what it prefetched: it gets no JSON."""

    def prepare_next(self, order: AssignOrder, environment: Mapping[str, str], cwd: str) -> None:
        """Have a standby started, after a while, for a render like the one that has ended.

        Nothing is started if its order has no command for a standby.
        """
        arguments = _arguments(order)
        if self._keep_s <= 0 or arguments is None or order.standby == self._unfit:
            return
        now = time.monotonic()
        before = json.dumps({"argv": arguments, "cwd": cwd, "memory": self._memory_limit})
        if len(before) > _LONGEST_LINE or order.standby == self._no_prefetch:
            before = ""
        self._next = order.standby, _without_attempt(environment), before
        self._load_at, self._until = now + _IDLE_BEFORE_LOAD_S, now + self._keep_s

    def next_step_s(self, now: float) -> float:
        """Seconds until a load is due, or letting what was loaded yield to the desktop is tried again.

        An hour when neither is: the Agent wakes for its heartbeats anyway, which is enough for the checks.
        """
        if self._next is not None:
            return max(self._load_at - now, 0.0)
        yields = self._kept is None or self._kept.child.has_yielding_session
        return 3600.0 if yields else _YIELD_AGAIN_S

    def step(self, now: float) -> None:
        """Load what is due, end what is not needed any more. To be called while no render runs."""
        if self._next is not None and now >= self._load_at:
            (argv, environment, before), self._next = self._next, None
            self._load(argv, environment, before, now)
        elif self._kept is not None and now >= self._check_at:
            self._check_at = now + _POLL_INTERVAL_S
            self._look_after(self._kept, now)
        if self._kept is not None:
            process.lower_session(self._kept.child)  # while it loads, too

    def _load(self, argv: tuple[str, ...], environment: dict[str, str], before: str, now: float) -> None:
        try:
            self._kept = ReadyProcess(argv, environment, before)
        except (BadInput, Refused) as error:
            self._give_up(argv, str(error))
            return
        self._born, self._check_at = now, now + _POLL_INTERVAL_S

    def _look_after(self, kept: ReadyProcess, now: float) -> None:
        was_ready = kept.was_ready  # also of one that has ended since
        if kept.child.poll() is not None:
            self._end()
            if not was_ready:
                self._give_up(kept.argv, "it ended before it was ready")
            return
        self.memory = process.tree_usage([kept.child.pid]).memory
        if now >= self._until:
            self._end()
        elif self.memory > self._memory_limit:
            used, limit = self.memory / 2**20, self._memory_limit / 2**20
            self._end()
            if kept.before:
                # What it prefetched from the previous render may be what takes the memory: retry without it.
                self._no_prefetch = kept.argv
                self._load(kept.argv, kept.environment, "", now)
            else:
                self._give_up(kept.argv, f"it holds {used:,.0f} MiB, its limit is {limit:,.0f} MiB")
        elif not was_ready and now - self._born > _LOAD_S:
            self._end()
            self._give_up(kept.argv, f"it was not ready after {_LOAD_S:.0f} s")

    def _give_up(self, argv: tuple[str, ...], why: str) -> None:
        self._unfit = argv
        self._warn(f"standby disabled for {' '.join(argv)[:200]}: {why}")

    def give_job(self, order: AssignOrder, environment: Mapping[str, str], cwd: str) -> ReadyProcess | None:
        """Give the job to the standby, if there is one for such a job. The caller then owns its process.

        Returns:
            The process; None: start the render normally. Any other standby has ended then.
        """
        self._next = None
        kept, self.memory = self._kept, None
        if kept is None:
            return None
        arguments = _arguments(order)
        if (
            arguments is not None
            and order.standby == kept.argv
            and _without_attempt(environment) == kept.environment
            and kept.is_ready
        ):
            line = _line(
                arguments, cwd, {key: environment[key] for key in _ATTEMPT_VARIABLES}, order.log_file
            )
            if len(line) <= _LONGEST_LINE and kept.send_job(line):
                self._kept = None
                return kept
        self._end()
        return None

    def discard(self) -> None:
        """End the standby, if there is one, and load none until `prepare_next`. Only while no render runs."""
        self._next = None
        self._end()

    def _end(self) -> None:
        """End every child process of this Agent.

        Safe only while no render runs: then the standby is all there is.
        """
        kept, self._kept, self.memory = self._kept, None, None
        if kept is not None:
            process.end_strays(timeout_s=_END_TIMEOUT_S)
            kept.child.poll()
            kept.child.close()


def _arguments(order: AssignOrder) -> tuple[str, ...] | None:
    """The order's command with the leading arguments that it shares with the standby's command removed.

    None: no standby, several commands, or no common first word.
    """
    if not order.standby or len(order.commands) != 1:
        return None
    command, shared = order.commands[0], 0
    for word, other in zip(command, order.standby, strict=False):
        if word != other:
            break
        shared += 1
    return command[shared:] if shared else None


def _without_attempt(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key not in _ATTEMPT_VARIABLES}


def _line(arguments: tuple[str, ...], cwd: str, marks: dict[str, str], log: str) -> bytes:
    return json.dumps({"argv": arguments, "cwd": cwd, "env": marks, "log": log}).encode() + b"\n"
