"""Runs one attempt of a task: starts its commands, writes and reads its log, ends all its processes.

What to do next is decided by the state machine in attempt_machine.py; this module does it. Uses no socket.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import assert_never

import msgspec

from .. import process
from ..errors import BadInput, Refused
from ..files import free_bytes
from ..messages import AssignOrder, AttemptEnding
from ..own_files import open_to_append
from ..patterns import OutputPatterns, load_patterns, renderer_of
from ..states import Outcome
from . import attempt_machine as a
from .attempt_files import absolute_picture, file_state, log_size, working_folder, write_note
from .exit_reasons import how_ended, why_failed
from .limits import UsageLimits
from .output import OutputReader, OutputUpdate
from .standby import ReadyProcess, Standby

__all__ = ["Attempt"]

_READ_INTERVAL_S = 0.25
"""The usual time between two reads of a running command's log."""
_MAX_READ_CPU = 0.05
"""The largest share of a core to spend on reading the log: one that grows fast is read less often."""
_SAMPLE_INTERVAL_S = 1.0
"""How often the memory and CPU time of the processes are measured."""
_LOG_CHECK_INTERVAL_S = 0.25
"""How often the log's size is compared with the free space on its disk."""
_MIN_WAIT_S = 0.0005
"""The shortest wait between two steps of ending processes, so that the Agent's loop does not spin."""
_DROP_TIMEOUT_S = 2.0
"""How long to wait for the end of the processes of a standby process that did not accept the attempt."""


class Attempt:
    """One run of a task, from its start until all its processes have ended. To be used from one thread.

    The Agent's loop calls `start` once, then `step` whenever `next_step_s` has passed or `wake_fd` is
    readable, until `ending` is set. No method blocks, except that `start` and `step` may take some seconds to
    end a standby process or what a command has left behind, or to read a standby process's last output.

    Attributes:
        order: what to run.
        id: the attempt's id, `JOB/TASK/ATTEMPT`.
        child: the running command, or the standby process that was offered the attempt; None: neither runs.
        update: what the log contained so far: progress, picture, first warning, number of warnings.
        ending: how the attempt ended; None until all its processes have ended, or cannot be killed.
    """

    def __init__(
        self,
        order: AssignOrder,
        environment: Mapping[str, str],
        agent_id: str,
        standby: Standby | None = None,
        min_free_bytes: int = 0,
        grace_s: float = 2.0,
    ) -> None:
        """
        Args:
            order: what to run, and with which limits.
            environment: environment variables of all its commands; those in the order override them.
            agent_id: the id of this Agent, reported in `ending`.
            standby: may hold a render process that is loaded already, and can become this attempt's command.
            min_free_bytes: free space that the log must leave on its disk.
            grace_s: seconds that its command has to end after the limit on time or silence.
        """
        self.order = order
        self.id = order.attempt
        self.child: process.Child | None = None
        self.update = OutputUpdate()
        self.ending: AttemptEnding | None = None
        self._machine = a.AttemptMachine(len(order.commands))
        self._agent_id = agent_id
        self._environment = {**environment, **order.environment}
        self._standby = standby
        self._offered: ReadyProcess | None = None
        """The standby process that was offered this attempt, until it is known whether it accepted."""
        self._ended_child: process.Child | None = None
        """The process of the latest command, after its end. Closing its handle would kill its descendants on
        Windows, so it stays open until they have been counted."""
        self._tree_end: process.TreeEnd | None = None
        """The operation that ends all processes of the attempt, while it is under way."""
        self._log_fd = -1
        """Descriptor of the log, or of the null device if the log could not be opened.

        Negative before `start` and after the end, which `log_size` and `write_note` accept.
        """
        self._expected_picture = absolute_picture(order.picture, order)
        self._picture_at_start = file_state(self._expected_picture)
        """State of the file that the order names as the task's picture, before anything runs."""
        self._log_problem = ""
        """The warning that the log could not be opened; empty if it could."""
        self._reader: OutputReader | None = None
        self._started_at = time.monotonic()
        self._limits = UsageLimits(order, self._started_at, min_free_bytes, grace_s)
        self._next_log_check_at = 0.0
        self._next_read_at = self._started_at + _READ_INTERVAL_S
        """Monotonic time at which the log is read next."""
        self._cpu_s = 0.0
        """CPU time of the commands that have ended."""
        self._ended_count = 0
        """The number of commands that exited plus that of the processes killed. A standby process that
        was dropped and its descendants do not count."""
        self._processes_at_stop: frozenset[process.ProcessId] = frozenset()
        """The processes that ran when it was asked to stop: those that exit by themselves count, too."""

    @property
    def memory(self) -> int | None:
        """Memory of all its processes, in bytes; None before it was first measured."""
        return self._limits.memory

    @property
    def cpu_percent(self) -> float | None:
        """CPU use of all its processes in percent of one core; None before it was measured twice."""
        return self._limits.cpu_percent

    @property
    def story(self) -> list[str]:
        """The latest transitions of its state machine, oldest first, as text for error messages."""
        return list(self._machine.story)

    # --- The Agent's calls ---

    def start(self) -> None:
        """Open the log and start the first command, or offer the attempt to a standby process.

        If a command cannot be started, the attempt ends as failed, at once or after retries while the machine
        lacks resources. If the log cannot be opened, the commands run without it: `ending` has a warning.

        Raises:
            OSError: neither the log nor the null device can be opened: this process has no descriptor left.
        """
        try:
            self._log_fd = open_to_append(self.order.log_file, create_folder=True)
        except OSError as error:
            self._log_problem = f"it ran without its log: {error.strerror} ({self.order.log_file})"
            if self._standby is not None:
                # A standby process opens the log itself, and may succeed: this process needs a descriptor for
                # the log's folder, too, and refuses links. The output would be in the log, but not be read.
                self._standby.discard()
            self._log_fd = os.open(os.devnull, os.O_WRONLY)
            self._next_read_at = math.inf  # what is in the file, if anything, is not this attempt's
            self._limits.ignore_silence()
        for warning in self.order.warnings:
            write_note(self._log_fd, f"warning: {warning}")
        if self._standby is not None:
            # A standby process is running already: it gets the path of the log, and opens it itself.
            self._offered = self._standby.give_job(self.order, self._environment, self._cwd)
        if self._offered is not None:
            self.child = self._offered.child
        self._handle(a.Begun(offered=self._offered is not None))

    def request_stop(self, grace_s: float, outcome: Outcome = Outcome.STOPPED, reason: str = "") -> None:
        """Ask the running command to end, and kill all processes after `grace_s` seconds.

        If no command runs, this may set `ending` at once. Must not be called before `start`.

        Args:
            grace_s: seconds; 0 kills at once. Of several requests the earliest deadline counts.
            outcome: the outcome to report. Only the first request's outcome and reason are used.
            reason: why, for users.
        """
        self._handle(a.Stop(outcome, reason, grace_s))

    @property
    def wake_fd(self) -> int | None:
        """A file descriptor that becomes readable when the running command has ended; None when none runs.

        None also while the processes are being ended: a command that has ended would leave it readable,
        and the Agent's loop would spin until the last process is gone.
        """
        return self.child.wake_fd if self.child is not None and self._tree_end is None else None

    def next_step_s(self, now: float) -> float:
        """Return the seconds from `now` (monotonic) until `step` is due; sooner if `wake_fd` is readable."""
        if self._tree_end is not None:
            return max(self._tree_end.wait_s, _MIN_WAIT_S)
        times = [self._machine.deadline]
        if self.child is not None:
            times += self._next_read_at, self._next_log_check_at
        if self._machine.outcome is None:
            times.append(self._limits.deadline)
        # Once `ending` is set, no time is left in the list. 0 then: the Agent's loop reports it at once.
        return max(min((each for each in times if each is not None), default=now) - now, 0.0)

    def step(self, now: float) -> bool:
        """Do what is due at `now`, in monotonic seconds.

        Returns whether progress, picture or warnings in `update` changed; False when it sets `ending`.
        """
        if self.ending is not None:
            return False
        if self._tree_end is not None:
            self._step_tree_end(self._tree_end)
            return False
        ended = self.child.poll() if self.child is not None else None
        deadline = self._machine.deadline
        is_late = deadline is not None and now >= deadline
        # The offer is settled only when the standby process has ended, its time limit has passed, or a
        # stop was requested. Until then the process is measured, and its log read, like those of a command.
        if self._offered is not None and (
            ended is not None or is_late or self._machine.state is not a.AttemptState.OFFERED
        ):
            self._settle_offer(self._offered, ended)
        elif ended is not None:
            self._on_command_ended(ended)
        elif is_late:
            self._handle(a.TimePassed())
        else:
            if self.child is not None:
                process.lower_session(self.child)
                self._measure(now)
            self._check_limits(now)  # while a start is being retried, too: no process runs then
            if self.child is not None and now >= self._next_read_at and self.ending is None:
                return self._read(now)
        return False

    def picture(self) -> str:
        """Return the absolute path of the latest picture in the log; empty if there is none.

        Empty also if its path is not valid UTF-8, which a message requires.
        """
        return absolute_picture(self.update.picture, self.order)

    def close(self) -> None:
        """Close the log and the handles of ended processes, also after an error that kept it from its end."""
        for child in filter(None, (self.child, self._ended_child)):
            child.close()
        self.child = self._ended_child = None
        if self._reader is not None:
            self._reader.close()
        if self._log_fd >= 0:
            os.close(self._log_fd)
            self._log_fd = -1

    # --- Events ---

    def _handle(self, event: msgspec.Struct) -> None:
        """Pass an event to the state machine, and carry out the actions that it returns."""
        for action in self._machine.handle(event, time.monotonic()):
            self._carry_out(action)

    def _settle_offer(self, ready: ReadyProcess, ended: process.Exit | None) -> None:
        """Report to the state machine whether the standby process accepted, unless a stop was requested.

        Args:
            ended: how the standby process ended; None while it runs. The end of one that has accepted is
                handled by the next `step`, like that of any command.
        """
        self._offered = None
        if self._machine.state is not a.AttemptState.OFFERED:
            return  # it is being stopped, whether it has accepted or not
        if ready.has_confirmed():  # waits up to 1 s for its last output, if it has ended
            self._handle(a.StandbyTaken())
        elif ended is not None:
            self._handle(a.StandbyFailed(f"ended before it accepted the render ({how_ended(ended.code)})"))
        else:
            self._handle(a.StandbyFailed(f"did not accept the render within {a.STANDBY_TIMEOUT_S:g} s"))

    def _on_command_ended(self, ended: process.Exit) -> None:
        assert self.child is not None
        self._ended_child, self.child = self.child, None
        self._ended_count += 1
        self._add_usage(ended)
        self._handle(a.CommandEnded(ended.code))

    def _add_usage(self, ended: process.Exit) -> None:
        """Add the CPU time and the peak memory of a process that has ended."""
        self._cpu_s += ended.cpu_s or 0.0
        self._limits.record_exit(ended.peak_memory)

    def _step_tree_end(self, tree_end: process.TreeEnd) -> None:
        """Continue killing all processes. Does not block: `next_step_s` returns when to call it again."""
        if not tree_end.step():
            return
        report, exit_code = tree_end.report, None
        self._tree_end = None
        self._ended_count += report.processes
        if self.child is not None:
            ended = self.child.poll()
            if ended is not None:
                exit_code = ended.code
                self._add_usage(ended)
            self.child.close()
            self.child = None
        self._handle(a.TreeGone(tuple(each.pid for each in report.survivors), exit_code))

    def _measure(self, now: float) -> None:
        """Measure memory, CPU time, the log's size and the free space on its disk when due."""
        if self._limits.sample_due(now, _SAMPLE_INTERVAL_S):
            # All descendants of the Agent belong to the attempt: the Agent keeps no standby process while an
            # attempt runs, and orphaned processes become its children. Not on Windows, where processes
            # that have lost their parent are ended with the attempt, but not measured.
            usage = process.tree_usage(process.children_of(os.getpid()))
            self._limits.record_sample(now, usage.memory, usage.cpu_s)
        if now >= self._next_log_check_at:
            self._next_log_check_at = now + _LOG_CHECK_INTERVAL_S
            self._limits.record_log_size(log_size(self._log_fd), free_bytes(self.order.log_file))

    def _check_limits(self, now: float) -> None:
        """Stop the attempt if it exceeds one of its limits, unless it is ending already."""
        stop_for_limit = self._limits.exceeded(now) if self._machine.outcome is None else None
        if stop_for_limit is not None:
            self._handle(stop_for_limit)

    # --- Actions ---

    def _carry_out(self, action: a.Action) -> None:
        """Carry out an action of the state machine."""
        if isinstance(action, a.StartCommand):
            self._start_command(action.index)
        elif isinstance(action, a.Note):
            write_note(self._log_fd, f"error: {action.text}" if action.is_error else action.text)
        elif isinstance(action, a.DropStandby):
            # No command runs yet: all descendants of this process belong to the standby process.
            process.end_strays(timeout_s=_DROP_TIMEOUT_S)
            if self.child is not None:
                self.child.poll()
                self.child.close()
                self.child = None
        elif isinstance(action, a.ClearLeftovers):
            if process.has_children():
                self._ended_count += process.end_strays().processes
            self._close_ended_child()
        elif isinstance(action, a.AskToStop):
            self._ask_to_stop()
        elif isinstance(action, a.EndAll):
            self._end_all()
        elif isinstance(action, a.Conclude):
            self._conclude()
        else:
            assert_never(action)

    def _start_command(self, index: int) -> None:
        try:
            self.child = process.spawn_render(
                self.order.commands[index], cwd=self._cwd, environment=self._environment, log=self._log_fd
            )
        except BadInput as error:
            self._handle(a.CommandRefused(str(error)))
        except Refused as error:  # the machine has no room for another process now
            self._handle(a.CommandRefused(str(error), lacks_resources=True))
        else:
            self._handle(a.CommandStarted())

    def _ask_to_stop(self) -> None:
        """Send the job's stop signal to the command."""
        if self.child is not None:
            process.ask_to_stop(self.child, self.order.stop_signal)
        # Listed after the signal, because listing is slow. A process that ends in between is still listed, as
        # a zombie, unless its parent reaps it at once.
        self._processes_at_stop = frozenset(process.descendants(os.getpid(), ended=True))

    def _end_all(self) -> None:
        """Begin to end all processes of the attempt."""
        if self.child is None and not process.has_children():
            self._handle(a.TreeGone())
            return
        roots = [self.child.id] if self.child is not None else []
        self._tree_end = process.TreeEnd(roots, strays=True)
        self._step_tree_end(self._tree_end)

    def _close_ended_child(self) -> None:
        if self._ended_child is not None:
            self._ended_child.close()
            self._ended_child = None

    # --- Output ---

    def _read(self, now: float) -> bool:
        """Read what is new in the log. Returns whether progress, picture or warnings have changed."""
        if self._reader is None:
            self._reader = OutputReader(self.order.log_file, self._patterns())
        before, cpu_before_s = self.update, time.thread_time()
        self.update = self._reader.read()
        spent_s = time.thread_time() - cpu_before_s
        self._next_read_at = now + max(
            _READ_INTERVAL_S / 4 if self.update.more else _READ_INTERVAL_S, spent_s / _MAX_READ_CPU
        )
        if self.update.grew:
            self._limits.record_output(now)
        return (before.progress, before.picture, before.warnings) != (
            self.update.progress,
            self.update.picture,
            self.update.warnings,
        )

    def _patterns(self) -> OutputPatterns:
        """Return the output patterns of the order's renderer, or else of the first command's program."""
        return load_patterns(self.order.renderer or renderer_of(self.order.commands[0][0]))

    # --- Ending ---

    def _conclude(self) -> None:
        """Read the rest of the log, close it, set `ending`, and have the next standby process prepared."""
        if self._reader is not None or log_size(self._log_fd):
            if self._reader is None:
                self._reader = OutputReader(self.order.log_file, self._patterns())
            self.update = self._reader.finish()
        self.close()
        machine, update = self._machine, self.update
        assert machine.outcome is not None
        reason = machine.reason
        exited_count = sum(not process.is_running(*each) for each in self._processes_at_stop)
        if machine.outcome is Outcome.FAILED and not reason:
            reason = why_failed(machine.exit_code, update, self.order.log_file)
        self.ending = AttemptEnding(
            agent=self._agent_id,
            attempt=self.id,
            outcome=machine.outcome,
            exit_code=machine.exit_code,
            reason=reason,
            warning=(update.warning if machine.outcome is Outcome.COMPLETED else "") or self._log_problem,
            warnings=update.warnings,
            stop_method=machine.stop_method,
            processes_gone=max(self._ended_count, exited_count),  # at least so many: some may be in both
            peak_memory=self._limits.peak_memory,
            cpu_s=round(self._cpu_s, 3),
            picture=self._final_picture(),
            progress=update.progress,
            duration_s=round(time.monotonic() - self._started_at, 3),
        )
        if self._standby is not None:
            self._standby.prepare_next(self.order, self._environment, self._cwd)

    def _final_picture(self) -> str:
        """Return the picture that the log names, or else the one that the order expects, if it was written.

        An expected picture that is older than this attempt counts only if the render completed: a renderer
        may keep the picture of an earlier attempt.
        """
        picture = self.picture()
        if picture or not self.order.picture:
            return picture
        written = file_state(self._expected_picture)
        is_new = written != self._picture_at_start or self._machine.outcome is Outcome.COMPLETED
        return self._expected_picture if written is not None and is_new else ""

    @property
    def _cwd(self) -> str:
        return working_folder(self.order)
