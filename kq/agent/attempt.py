"""One attempt: its commands in order, its log, its limits, and the ladder that ends it. Never a socket.

Nothing here waits: `step` is called from the Agent's loop when `next_step_s` has passed or a child has ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from .. import process
from ..errors import BadInput, Refused
from ..files import open_to_append
from ..messages import AssignOrder, AttemptEnding
from ..patterns import OutputPatterns, load_patterns, renderer_of
from .exit_reasons import how_ended, why_failed
from .output import OutputReader, OutputUpdate
from .standby import ReadyProcess, Standby

__all__ = ["Attempt"]

_READ_S = 0.25
"""How often a running render's output is read."""
_READ_SHARE = 0.05
"""Of a core, at most, goes into reading; a render that writes faster is read in parts, its end always."""
_SAMPLE_S = 1.0
"""How often its memory and CPU time are looked at."""
_TAKE_S = 2.0
"""How long a process that was kept ready may take to become the render; then that is started anew."""
_FIRST = "/0/1"
"""How the first attempt of a job is called: its log has no folder yet, and to be told so takes its time."""
_ROOM_TIMEOUT_S, _ROOM_POLL_INTERVAL_S = 60.0, 0.5
"""For how long a command is tried again that the machine has no room for, and how often."""
_SILENT_CPU = 0.01
"""Less CPU than this share of a core counts as none."""


class Attempt:
    """A render process, from its start until it is seen gone. To be used from one thread.

    `ending` is None until everything is over.
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
            environment: of the Agent's renders, with the marks of this one.
            standby: where a process may be kept ready for it.
        """
        self.order = order
        self.id = order.attempt
        self.ending: AttemptEnding | None = None
        self.child: process.Child | None = None
        self._ended_child: process.Child | None = None
        """Until all that it started was seen gone: on Windows, letting go of it ends that, unseen."""
        self.update = OutputUpdate()
        self.memory: int | None = None
        self.cpu_percent: float | None = None
        self._agent_id = agent_id
        self._environment = {**environment, **order.environment}
        self._standby = standby
        self._untaken: ReadyProcess | None = None
        """A process that was given this render and has not said that it took it."""
        self._take_until = 0.0
        self._next_command = 0
        self._start_at: float | None = None
        """When the next command is tried again, for which the machine had no room."""
        self._room_until: float | None = None
        self._log = -1
        self._no_log = ""
        self._reader: OutputReader | None = None
        self._tree_end: process.TreeEnd | None = None
        self._started = time.monotonic()
        self._outcome = ""
        self._reason = ""
        self._stop_method = ""
        self._grace_until: float | None = None
        self._exit_code: int | None = None
        self._cpu_s = 0.0
        self._peak: int | None = None
        self._tree_cpu_s: float | None = None
        self._last_sample = self._started
        self._last_life = self._started
        self._reads_at = self._started + _READ_S
        self._gone = 0
        self._asked: frozenset[process.ProcessId] = frozenset()
        """What was there when it was asked to stop: what of that ends by itself is to be counted too."""

    # --- starting ---------------------------------------------------------------

    def start(self) -> None:
        """Open the log and start the first command. What is wrong becomes a failed ending.

        Where the log cannot be written, the render goes on without one, and its ending carries a warning.
        """
        try:
            if self.id.endswith(_FIRST):
                _make_folder(os.path.dirname(self.order.log_file))  # noqa: PTH120
            self._log = _open_log(self.order.log_file)
        except OSError as error:
            self._no_log = f"it ran without its log {self.order.log_file}: {error.strerror}"
            self._log = os.open(os.devnull, os.O_WRONLY)
        if self._standby is not None:
            self._untaken = self._standby.take(self.order, self._environment, self._cwd)
        if self._untaken is None:
            self._start_next()
        else:
            self.child = self._untaken.child
            self._next_command = 1
            self._take_until = self._started + _TAKE_S

    @property
    def _cwd(self) -> str:
        return _folder(self.order)

    def _start_next(self) -> None:
        argv = self.order.commands[self._next_command]
        try:
            self.child = process.spawn_render(
                argv, cwd=self._cwd, environment=self._environment, log=self._log
            )
        except (BadInput, Refused) as error:
            if isinstance(error, Refused) and self._waits_for_room(str(error)):
                return
            self._note_error(str(error))
            self._outcome, self._reason = "failed", str(error)
            self._after_processes()
        else:
            self._next_command += 1
            self._start_at = self._room_until = None

    def _waits_for_room(self, why: str) -> bool:
        """Whether the command is to be tried again: else a machine that is short of something for a moment
        would take one task after the other, and fail them all."""
        now = time.monotonic()
        if self._room_until is None:
            self._room_until = now + _ROOM_TIMEOUT_S
            self._note_in_log(f"{why}: it is tried again for {_ROOM_TIMEOUT_S:g} s")
        self._start_at = now + _ROOM_POLL_INTERVAL_S if now < self._room_until else None
        return self._start_at is not None

    def _start_anew(self, why: str) -> None:
        """What was kept ready did not become the render: end it, and start as if there were none."""
        self._untaken = None
        process.end_strays(timeout_s=_TAKE_S)
        if self.child is not None:
            self.child.poll()
            self.child.close()
            self.child = None
        self._note_in_log(f"the process that was kept ready {why}: the render is started anew")
        self._next_command = 0
        self._start_next()

    def _note_error(self, message: str) -> None:
        """By that word whoever reads the log is led to it, as to a render's own errors."""
        self._note_in_log(f"error: {message}")

    def _note_in_log(self, message: str) -> None:
        try:
            os.write(self._log, f"[kq] {message}\n".encode("utf-8", "replace"))
        except OSError:
            pass  # the disk may be full; the sentence is in the record as well

    # --- the loop's calls ---------------------------------------------------------

    @property
    def wake_fd(self) -> int | None:
        """What becomes readable when the running command has ended."""
        return self.child.wake_fd if self.child is not None else None

    def next_step_s(self, now: float) -> float:
        """Seconds until `step` has something to do, if no child ends before."""
        if self._tree_end is not None:
            return max(self._tree_end.wait_s, 0.0005)
        if self.child is None:
            return max(self._start_at - now, 0.0) if self._start_at is not None and not self._outcome else 0.0
        until = self._reads_at
        if self._untaken is not None:
            until = min(until, self._take_until)
        if self._grace_until is not None:
            until = min(until, self._grace_until)
        if self.order.timeout_s and self._outcome == "":
            until = min(until, self._started + self.order.timeout_s)
        return max(until - now, 0.0)

    def step(self, now: float) -> bool:
        """Do what is due. Returns whether there is news for the server in `news`."""
        if self.ending is not None:
            return False
        if self._tree_end is not None:
            self._step_tree_end()
            return False
        if self.child is not None:
            ended = self.child.poll()
            if self._untaken is not None and (ended is not None or now >= self._take_until):
                self._see_whether_taken(self._untaken, ended)
                return False
            if ended is not None:
                self._take_exit(ended)
                return False
            if self._grace_until is not None and now >= self._grace_until:
                self._kill()
                return False
            self._check_limits(now)
        elif self._start_at is not None:
            if self._outcome:
                self._after_processes()  # it was stopped before there was room
            elif now >= self._start_at:
                self._start_next()
            return False
        if now >= self._reads_at:
            self._reads_at = now + _READ_S
            return self._read(now)
        return False

    def _see_whether_taken(self, ready: ReadyProcess, ended: process.Exit | None) -> None:
        if ready.has_taken() or self._outcome:
            self._untaken = None  # from here on it is a render like any other
        elif ended is not None:
            self._start_anew(f"ended before it took the job ({how_ended(ended.code)})")
        else:
            self._start_anew(f"did not take the job within {_TAKE_S:g} s")

    def _take_exit(self, ended: process.Exit) -> None:
        assert self.child is not None
        self._ended_child, self.child = self.child, None
        self._gone += 1
        self._cpu_s += ended.cpu_s or 0.0
        if ended.peak_memory is not None:
            self._peak = max(self._peak or 0, ended.peak_memory)
        self._exit_code = ended.code
        if self._outcome == "":
            if ended.code != 0:
                self._outcome = "failed"
            elif self._next_command < len(self.order.commands):
                if process.has_children():
                    # Left by the command before: it must not run into the next one's time.
                    self._gone += process.end_strays().processes
                self._let_go()
                self._start_next()
                return
            else:
                self._outcome = "completed"
        self._after_processes()

    def _after_processes(self) -> None:
        """The commands are over; what they left behind is ended before anybody is told."""
        if process.has_children():
            self._tree_end = process.TreeEnd(strays=True)
            self._step_tree_end()
        else:
            self._conclude()

    def _let_go(self) -> None:
        if self._ended_child is not None:
            self._ended_child.close()
            self._ended_child = None

    def _step_tree_end(self) -> None:
        assert self._tree_end is not None
        if not self._tree_end.step():
            return
        report = self._tree_end.report
        self._tree_end = None
        self._gone += report.processes
        if self.child is not None:
            ended = self.child.poll()
            if ended is not None:
                self._exit_code = ended.code
                self._cpu_s += ended.cpu_s or 0.0
            self.child.close()
            self.child = None
        if report.survivors:
            self._reason = (
                f"{len(report.survivors)} processes could not be ended; "
                f"the first is {report.survivors[0].pid}"
            )
        self._conclude()

    # --- stopping -----------------------------------------------------------------

    def request_stop(self, grace_s: float, outcome: str = "stopped", reason: str = "") -> None:
        """Ask the render to end; kill it after `grace_s` seconds. Asked again, the shorter grace holds."""
        if self.ending is not None or self._tree_end is not None:
            return
        now = time.monotonic()
        if self._outcome == "":
            self._outcome, self._reason = outcome, reason
            if outcome != "stopped":
                self._note_error(reason)
        if self._grace_until is None:
            self._stop_method = "asked"
            self._grace_until = now + grace_s
            if self.child is not None and grace_s > 0:
                process.ask_to_stop(self.child)
            # Not before: the look takes longer than all else between the order and the signal, and what ends
            # meanwhile is still there to be seen, unless its own parent reaps it within that moment.
            self._asked = frozenset(process.descendants(os.getpid(), ended=True))
        else:
            self._grace_until = min(self._grace_until, now + grace_s)
        if grace_s <= 0:
            self._kill()

    def _kill(self) -> None:
        self._stop_method = "killed"
        roots = [self.child.id] if self.child is not None else []
        self._tree_end = process.TreeEnd(roots, strays=True)
        self._step_tree_end()

    # --- watching -----------------------------------------------------------------

    def _read(self, now: float) -> bool:
        if self._reader is None:
            patterns = self._patterns()
            self._reader = OutputReader(self.order.log_file, patterns)
        before, began_s = self.update, time.thread_time()
        self.update = self._reader.read()
        spent_s = time.thread_time() - began_s
        self._reads_at = now + max(_READ_S / 4 if self.update.more else _READ_S, spent_s / _READ_SHARE)
        if self.update.grew:
            self._last_life = now
        return (before.progress, before.picture, before.warning) != (
            self.update.progress,
            self.update.picture,
            self.update.warning,
        )

    def _patterns(self) -> OutputPatterns:
        """What the output's lines mean: the named renderer's words, else those of the program itself."""
        return load_patterns(self.order.renderer or renderer_of(self.order.commands[0][0]))

    def _check_limits(self, now: float) -> None:
        order = self.order
        if self._outcome == "" and order.timeout_s and now - self._started > order.timeout_s:
            self.request_stop(2.0, "timed-out", f"it ran longer than its limit of {order.timeout_s:g} s")
            return
        if now - self._last_sample < _SAMPLE_S or self.child is None:
            return
        elapsed, self._last_sample = now - self._last_sample, now
        # All that this Agent has below it is its render's: what forked away, too, was adopted here.
        usage = process.tree_usage(process.children_of(os.getpid()))
        self.memory = usage.memory
        self._peak = max(self._peak or 0, usage.memory)
        if self._tree_cpu_s is not None:
            share = max(usage.cpu_s - self._tree_cpu_s, 0.0) / elapsed
            self.cpu_percent = round(share * 100.0, 1)
            if share > _SILENT_CPU:
                self._last_life = now
        self._tree_cpu_s = usage.cpu_s
        if self._outcome:
            return
        if order.memory_limit and usage.memory > order.memory_limit:
            used, limit = usage.memory / 2**20, order.memory_limit / 2**20
            message = f"it used {used:,.0f} MiB, its limit is {limit:,.0f} MiB"
            self.request_stop(0.0, "out-of-memory", message)
        elif order.silence_s and now - self._last_life > order.silence_s:
            self.request_stop(2.0, "timed-out", f"it wrote nothing and used no CPU for {order.silence_s:g} s")

    # --- ending -------------------------------------------------------------------

    def _conclude(self) -> None:
        self._let_go()
        if self._reader is not None or _size(self._log):
            if self._reader is None:
                self._reader = OutputReader(self.order.log_file, self._patterns())
            self.update = self._reader.finish()
            self._reader.close()
        reason = self._reason
        if self._outcome == "failed" and not reason:
            reason = why_failed(self._exit_code, self.update, self.order.log_file)
        self._finish(self._outcome, reason)

    def _finish(self, outcome: str, reason: str) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        update = self.update
        self.ending = AttemptEnding(
            agent=self._agent_id,
            attempt=self.id,
            outcome=outcome,
            exit_code=self._exit_code,
            reason=reason,
            warning=(update.warning if outcome == "completed" else "") or self._no_log,
            stop_method=self._stop_method,
            processes_gone=max(self._gone, sum(not process.is_running(*each) for each in self._asked)),
            peak_memory=self._peak,
            cpu_s=round(self._cpu_s, 3),
            picture=self._picture(),
            progress=update.progress,
            duration_s=round(time.monotonic() - self._started, 3),
        )
        if self._standby is not None:
            self._standby.after(self.order, self._environment, self._cwd)

    def picture(self) -> str:
        """The latest picture, as an absolute path; empty when none was named."""
        return _absolute(self.update.picture, self.order)

    def _picture(self) -> str:
        named = self.picture()
        if named or not self.order.picture:
            return named
        path = _absolute(self.order.picture, self.order)
        return path if Path(path).is_file() else ""


def _folder(order: AssignOrder) -> str:
    """Where its commands run."""
    # Of a user without a home it leaves the name as it is: starting there fails, and says so.
    return order.cwd or order.temp_dir or os.path.expanduser("~")  # noqa: PTH111  # pathlib raises there


def _absolute(picture: str, order: AssignOrder) -> str:
    if not picture:
        return ""
    return os.path.normpath(Path(_folder(order), picture))


def _open_log(path: str) -> int:
    try:
        return open_to_append(path)
    except FileNotFoundError:
        _make_folder(os.path.dirname(path))  # noqa: PTH120  # a path's parent takes as long as the folder does
        return open_to_append(path)


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path)  # noqa: PTH102
    except FileExistsError:
        pass  # of another task of the job, a moment ago
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)  # noqa: PTH103


def _size(fd: int) -> int:
    return os.fstat(fd).st_size if fd >= 0 else 0
