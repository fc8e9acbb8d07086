"""One attempt: its processes and its log. Carries out what attempt_machine decides. Uses no socket.

The Agent's loop calls `step` when `next_step_s` has passed or a child has ended. Only ending leftover
processes may block, for some seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .. import process
from ..errors import BadInput, Refused
from ..files import open_to_append
from ..messages import AssignOrder, AttemptEnding
from ..patterns import OutputPatterns, load_patterns, renderer_of
from ..states import Outcome
from . import attempt_machine as a
from .exit_reasons import how_ended, why_failed
from .limits import UsageLimits
from .output import OutputReader, OutputUpdate
from .standby import ReadyProcess, Standby

__all__ = ["Attempt"]

_READ_S = 0.25
"""How often a running render's output is read."""
_READ_SHARE = 0.05
"""Most CPU time, as a share of a core, for reading output. Faster output is read in parts."""
_SAMPLE_S = 1.0
"""How often the render's memory and CPU time are measured."""
_FIRST_ATTEMPT = "/0/1"
"""End of the id of a job's first attempt: its log folder is made without a check whether it exists."""


class Attempt:
    """A render, from its start until all its processes have ended. To be used from one thread.

    Attributes:
        ending: how it ended; None until all its processes have.
        update: what its output contained so far.
    """

    def __init__(
        self,
        order: AssignOrder,
        environment: Mapping[str, str],
        agent_id: str,
        standby: Standby | None = None,
    ) -> None:
        """
        Args:
            environment: that of the Agent's renders, with the KQ_JOB, KQ_TASK and KQ_ATTEMPT of this one.
            standby: may have a process ready for it.
        """
        self.order = order
        self.id = order.attempt
        self.ending: AttemptEnding | None = None
        self.child: process.Child | None = None
        self.update = OutputUpdate()
        """What the log has shown so far, and whether the last read found anything new."""
        self._machine = a.AttemptMachine(len(order.commands))
        self._agent_id = agent_id
        self._environment = {**environment, **order.environment}
        self._standby = standby
        self._offered: ReadyProcess | None = None
        """The standby that was given this job, and has not confirmed it yet."""
        self._ended_child: process.Child | None = None
        """Closed only after its descendants were counted: on Windows, closing it kills them."""
        self._tree_end: process.TreeEnd | None = None
        self._log = -1
        self._no_log = ""
        self._reader: OutputReader | None = None
        self._started = time.monotonic()
        self._limits = UsageLimits(order, self._started)
        self._reads_at = self._started + _READ_S
        self._cpu_s = 0.0
        self._gone = 0
        """Processes that were ended here."""
        self._asked: frozenset[process.ProcessId] = frozenset()
        """The processes at the time of a stop request. Some end by themselves; others are ended here,
        in `_gone` too: the ending reports the larger of the two counts, not their sum."""

    @property
    def memory(self) -> int | None:
        """Memory of all its processes, in bytes; None before the first measurement."""
        return self._limits.memory

    @property
    def cpu_percent(self) -> float | None:
        """CPU use of all its processes, where 100 is one core; None before the second measurement."""
        return self._limits.cpu_percent

    @property
    def story(self) -> list[str]:
        """The state machine's last transitions, for error messages."""
        return list(self._machine.story)

    # --- The Agent's calls ---

    def start(self) -> None:
        """Open the log and start the first command. An error becomes a failed ending.

        If the log cannot be written, the render runs without one, and its ending has a warning.
        """
        try:
            if self.id.endswith(_FIRST_ATTEMPT):
                _make_folder(os.path.dirname(self.order.log_file))  # noqa: PTH120
            self._log = _open_log(self.order.log_file)
        except OSError as error:
            self._no_log = f"it ran without its log: {error.strerror} ({self.order.log_file})"
            self._log = os.open(os.devnull, os.O_WRONLY)
        for warning in self.order.warnings:
            self._write_note(f"warning: {warning}")
        if self._standby is not None:
            self._offered = self._standby.take(self.order, self._environment, self._cwd)
        if self._offered is not None:
            self.child = self._offered.child
        self._handle(a.Begun(self._offered is not None))

    def request_stop(self, grace_s: float, outcome: Outcome = Outcome.STOPPED, reason: str = "") -> None:
        """Ask the render to end; kill it after `grace_s` seconds. The earliest deadline counts."""
        self._handle(a.Stop(outcome, reason, grace_s))

    @property
    def wake_fd(self) -> int | None:
        """A descriptor that becomes readable when the running command has ended; None when none runs."""
        return self.child.wake_fd if self.child is not None else None

    def next_step_s(self, now: float) -> float:
        """Seconds until `step` is due, if no child ends before. `now` is monotonic, in seconds."""
        if self._tree_end is not None:
            return max(self._tree_end.wait_s, 0.0005)
        times = [self._machine.deadline]
        if self.child is not None:
            times.append(self._reads_at)
        if self._machine.outcome is None:
            times.append(self._limits.deadline)
        return max(min((each for each in times if each is not None), default=now) - now, 0.0)

    def step(self, now: float) -> bool:
        """Do what is due at `now` (monotonic seconds). Returns whether `update` has news for the server."""
        if self.ending is not None:
            return False
        if self._tree_end is not None:
            self._step_tree_end(self._tree_end)
            return False
        ended = self.child.poll() if self.child is not None else None
        deadline = self._machine.deadline
        is_late = deadline is not None and now >= deadline
        if self._offered is not None and (
            ended is not None or is_late or self._machine.state is not a.AttemptState.OFFERED
        ):
            self._settle_offer(self._offered, ended)
        elif ended is not None:
            self._take_exit(ended)
        elif is_late:
            self._handle(a.TimePassed())
        elif self.child is not None:
            self._measure(now)
            if now >= self._reads_at and self.ending is None:
                return self._read(now)
        return False

    def picture(self) -> str:
        """The path of the latest picture in the output, made absolute; empty when there is none."""
        return _absolute(self.update.picture, self.order)

    # --- Events ---

    def _handle(self, event: msgspec.Struct) -> None:
        for action in self._machine.handle(event, time.monotonic()):
            self._carry_out(action)

    def _settle_offer(self, ready: ReadyProcess, ended: process.Exit | None) -> None:
        """Find out whether the standby has become the render; if so, it is treated like any other process."""
        self._offered = None
        if self._machine.state is not a.AttemptState.OFFERED:
            return  # it is being stopped, whether it has taken the job or not
        if ready.has_taken():
            self._handle(a.StandbyTaken())
        elif ended is not None:
            self._handle(a.StandbyFailed(f"ended before it took the job ({how_ended(ended.code)})"))
        else:
            self._handle(a.StandbyFailed(f"did not take the job within {a.STANDBY_TIMEOUT_S:g} s"))

    def _take_exit(self, ended: process.Exit) -> None:
        assert self.child is not None
        self._ended_child, self.child = self.child, None
        self._gone += 1
        self._count(ended)
        self._handle(a.CommandEnded(ended.code))

    def _count(self, ended: process.Exit) -> None:
        self._cpu_s += ended.cpu_s or 0.0
        self._limits.take_exit(ended.peak_memory)

    def _step_tree_end(self, tree_end: process.TreeEnd) -> None:
        if not tree_end.step():
            return
        report, exit_code = tree_end.report, None
        self._tree_end = None
        self._gone += report.processes
        if self.child is not None:
            ended = self.child.poll()
            if ended is not None:
                exit_code = ended.code
                self._count(ended)
            self.child.close()
            self.child = None
        self._handle(a.TreeGone(tuple(each.pid for each in report.survivors), exit_code))

    def _measure(self, now: float) -> None:
        if self._limits.sample_due(now, _SAMPLE_S):
            # All descendants of this Agent are its render's: it has no standby while it runs one, and as a
            # subreaper it adopts daemonized processes.
            usage = process.tree_usage(process.children_of(os.getpid()))
            self._limits.take_sample(now, usage.memory, usage.cpu_s)
        stop = self._limits.exceeded(now) if self._machine.outcome is None else None
        if stop is not None:
            self._handle(stop)

    # --- Actions ---

    def _carry_out(self, action: msgspec.Struct) -> None:
        if isinstance(action, a.StartCommand):
            self._start_command(action.index)
        elif isinstance(action, a.Note):
            self._write_note(f"error: {action.text}" if action.is_error else action.text)
        elif isinstance(action, a.DropStandby):
            process.end_strays(timeout_s=a.STANDBY_TIMEOUT_S)  # all children: the standby is one
            if self.child is not None:
                self.child.poll()
                self.child.close()
                self.child = None
        elif isinstance(action, a.ClearLeftovers):
            if process.has_children():
                self._gone += process.end_strays().processes
            self._close_ended_child()
        elif isinstance(action, a.AskToStop):
            self._ask_to_stop()
        elif isinstance(action, a.EndAll):
            self._end_all()
        elif isinstance(action, a.Conclude):
            self._conclude()

    def _start_command(self, index: int) -> None:
        try:
            self.child = process.spawn_render(
                self.order.commands[index], cwd=self._cwd, environment=self._environment, log=self._log
            )
        except BadInput as error:
            self._handle(a.CommandRefused(str(error)))
        except Refused as error:
            self._handle(a.CommandRefused(str(error), lacks_resources=True))
        else:
            self._handle(a.CommandStarted())

    def _ask_to_stop(self) -> None:
        if self.child is not None:
            process.ask_to_stop(self.child, self.order.stop_signal)
        # Listed after the signal, because listing is slow. A process that ends in between is still listed, as
        # a zombie, unless its parent reaps it at once.
        self._asked = frozenset(process.descendants(os.getpid(), ended=True))

    def _end_all(self) -> None:
        if self.child is None and not process.has_children():
            self._handle(a.TreeGone())
            return
        roots = [self.child.id] if self.child is not None else []
        self._tree_end = process.TreeEnd(roots, strays=True)
        self._step_tree_end(self._tree_end)

    def _write_note(self, text: str) -> None:
        try:
            os.write(self._log, f"[kq] {text}\n".encode("utf-8", "replace"))
        except OSError:
            pass  # the disk may be full; the attempt's record has the reason as well

    def _close_ended_child(self) -> None:
        if self._ended_child is not None:
            self._ended_child.close()
            self._ended_child = None

    # --- Output ---

    def _read(self, now: float) -> bool:
        if self._reader is None:
            self._reader = OutputReader(self.order.log_file, self._patterns())
        before, began_s = self.update, time.thread_time()
        self.update = self._reader.read()
        spent_s = time.thread_time() - began_s
        self._reads_at = now + max(_READ_S / 4 if self.update.more else _READ_S, spent_s / _READ_SHARE)
        if self.update.grew:
            self._limits.take_output(now)
        return (before.progress, before.picture, before.warnings) != (
            self.update.progress,
            self.update.picture,
            self.update.warnings,
        )

    def _patterns(self) -> OutputPatterns:
        """The patterns of the order's renderer, else those of the program that the first command runs."""
        return load_patterns(self.order.renderer or renderer_of(self.order.commands[0][0]))

    # --- Ending ---

    def _conclude(self) -> None:
        self._close_ended_child()
        if self._reader is not None or _size(self._log):
            if self._reader is None:
                self._reader = OutputReader(self.order.log_file, self._patterns())
            self.update = self._reader.finish()
            self._reader.close()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        machine, update = self._machine, self.update
        assert machine.outcome is not None
        reason = machine.reason
        if machine.outcome is Outcome.FAILED and not reason:
            reason = why_failed(machine.exit_code, update, self.order.log_file)
        self.ending = AttemptEnding(
            agent=self._agent_id,
            attempt=self.id,
            outcome=machine.outcome,
            exit_code=machine.exit_code,
            reason=reason,
            warning=(update.warning if machine.outcome is Outcome.COMPLETED else "") or self._no_log,
            warnings=update.warnings,
            stop_method=machine.stop_method,
            processes_gone=max(self._gone, sum(not process.is_running(*each) for each in self._asked)),
            peak_memory=self._limits.peak_memory,
            cpu_s=round(self._cpu_s, 3),
            picture=self._final_picture(),
            progress=update.progress,
            duration_s=round(time.monotonic() - self._started, 3),
        )
        if self._standby is not None:
            self._standby.after(self.order, self._environment, self._cwd)

    def _final_picture(self) -> str:
        named = self.picture()
        if named or not self.order.picture:
            return named
        path = _absolute(self.order.picture, self.order)
        return path if Path(path).is_file() else ""

    @property
    def _cwd(self) -> str:
        return _folder(self.order)


def _folder(order: AssignOrder) -> str:
    """The working folder of the order's commands."""
    # For a user without a home "~" stays as it is: the start fails with a clear error.
    return order.cwd or order.temp_dir or os.path.expanduser("~")  # noqa: PTH111  # pathlib raises there


def _absolute(picture: str, order: AssignOrder) -> str:
    """`picture` as an absolute path; empty when it is not UTF-8, which no message can carry."""
    if not picture or not _is_utf8(picture):
        return ""
    return os.path.normpath(Path(_folder(order), picture))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _open_log(path: str) -> int:
    try:
        return open_to_append(path)
    except FileNotFoundError:
        _make_folder(os.path.dirname(path))  # noqa: PTH120  # pathlib takes as long as making the folder
        return open_to_append(path)


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path)  # noqa: PTH102
    except FileExistsError:
        pass  # another task of the job has just made it
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)  # noqa: PTH103


def _size(fd: int) -> int:
    return os.fstat(fd).st_size if fd >= 0 else 0
