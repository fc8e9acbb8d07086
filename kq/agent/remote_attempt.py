"""An attempt on another machine: file transfers around the decisions of remote_machine.

Has the interface of kq.agent.attempt, which runs the render itself. Nothing blocks.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import assert_never

import msgspec

from .. import messages as m
from ..agent_config import Site
from ..own_files import open_to_append
from ..plain_text import one_line
from ..states import Outcome
from ..wire import AgentWire
from . import remote_machine as r
from .attempt import Attempt
from .attempt_machine import Stop, TimePassed
from .download import FolderDownload
from .output import OutputUpdate
from .path_mapping import PathMap
from .standby import Standby
from .upload import FileUpload, LogUpload

__all__ = ["RemoteAttempt"]

_POLL_INTERVAL_S = 0.25
_PICTURE_EVERY_S = 0.5
_MAX_PICTURE_BYTES = 512 << 20
"""Largest picture that is uploaded while the job runs."""


class RemoteAttempt:
    """As kq.agent.attempt.Attempt, on a remote machine. To be used from one thread."""

    def __init__(
        self,
        order: m.AssignOrder,
        environment: Mapping[str, str],
        agent_id: str,
        site: Site,
        wire: AgentWire,
        standby: Standby,
        min_free_bytes: int = 0,
        grace_s: float = 2.0,
    ) -> None:
        """
        Args:
            order: as the server sent it, with the desktop's paths.
            site: this machine's paths, and whether files are transferred.
            standby: may have a process ready for the render.
            min_free_bytes: free space that the log must leave on this machine's disk.
            grace_s: seconds that the command has to end after the limit on time or silence.
        """
        self.id = order.attempt
        self.ending: m.AttemptEnding | None = None
        self._agent = agent_id
        self._environment = environment
        self._standby = standby
        self._min_free_bytes = min_free_bytes
        self._grace_s = grace_s
        self._folder = Path(site.work) / order.attempt.replace("/", "-")
        self._copy = (
            self._folder / (_of_desktop(order)(order.temp_dir).name or "temp") if order.temp_dir else None
        )
        self._picture_dir = self._folder / "picture"
        self._map = self._places(order, site)
        self._streams = site.streams
        self._order = self._map.order(order)
        if site.streams:
            self._order = msgspec.structs.replace(self._order, log_file=str(self._folder / "log"))
        self._inner: Attempt | None = None
        self._fetch = FolderDownload(
            agent_id, order.attempt, self._copy or self._folder, Path(site.work) / "files", wire
        )
        self._log = LogUpload(agent_id, order.attempt, Path(self._order.log_file), wire)
        self._files = FileUpload(agent_id, order.attempt, wire)
        self._machine = r.RemoteMachine()
        self._before: dict[str, tuple[int, int]] = {}
        """The folder's files before the render began: size, and time of modification in ns."""
        self._picture_sent: tuple[str, int, int] | None = None
        self._picture_after = 0.0
        self._picture_known = ""
        self._returned_mark: object = None
        self._has_queued_pictures = False
        """Whether the files that the render made were queued for the desktop."""
        self._began = time.monotonic()

    def _places(self, order: m.AssignOrder, site: Site) -> PathMap:
        pairs = list(site.paths)
        if not site.streams:
            return PathMap(pairs)
        if self._copy is not None:
            pairs.append((order.temp_dir, str(self._copy)))
        desktop = _of_desktop(order)
        picture = desktop(order.picture)
        if not picture.is_absolute() or (order.temp_dir and picture.is_relative_to(order.temp_dir)):
            return PathMap(pairs)
        # Rendered beside the log, and uploaded from there, with other files made beside it, such as a PNG
        # beside an EXR, and the pictures of other frames. Also where this machine has a folder of that name:
        # it may be another one, as /tmp is.
        numbered = {argument for command in order.commands for argument in command if "#" in argument}
        names = [order.picture, *(each for each in numbered if desktop(each).parent == picture.parent)]
        pairs += [(name, str(self._picture_dir / desktop(name).name)) for name in names]
        return PathMap(pairs, [(str(picture.parent), str(self._picture_dir))])

    # --- Properties ---

    @property
    def wake_fd(self) -> int | None:
        """A descriptor that becomes readable when the running command has ended; None when none runs."""
        return self._inner.wake_fd if self._inner is not None else None

    @property
    def update(self) -> OutputUpdate:
        """What the render's output contained so far."""
        return self._inner.update if self._inner is not None else OutputUpdate()

    @property
    def cpu_percent(self) -> float | None:
        """CPU use of the render's processes, where 100 is one core; None when not known."""
        return self._inner.cpu_percent if self._inner is not None else None

    @property
    def memory(self) -> int | None:
        """Memory of the render's processes, in bytes; None when not known."""
        return self._inner.memory if self._inner is not None else None

    def picture(self) -> str:
        """The path on the desktop's machine of the latest picture that is there; empty when there is none."""
        if self._streams:
            return self._picture_known
        return self._map.to_desktop(self._inner.picture()) if self._inner is not None else ""

    @property
    def story(self) -> list[str]:
        """The last transitions of both state machines, those of the render itself last."""
        return [*self._machine.story, *(self._inner.story if self._inner is not None else ())]

    # --- The Agent's calls ---

    def start(self) -> None:
        """Download the job's folder, or render at once if it has none. An error becomes a failed ending."""
        try:
            if self._streams:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._picture_dir.mkdir(exist_ok=True)
            self._handle(r.Begun(streams=self._streams, fetches=self._copy is not None))
        except OSError as error:
            self._handle(r.Failed(_words(error, "the temporary folder cannot be stored here")))

    def next_step_s(self, now: float) -> float:
        """Seconds until `step` is due, if no message arrives and no child ends before."""
        if self._machine.state is r.RemoteState.FETCHING:
            return self._fetch.next_step_s
        if self._machine.state is r.RemoteState.RENDERING and self._inner is not None:
            return min(self._inner.next_step_s(now), _POLL_INTERVAL_S)
        until = self._machine.deadline
        return _POLL_INTERVAL_S if until is None else max(min(until - now, _POLL_INTERVAL_S), 0.0)

    def request_stop(self, grace_s: float, outcome: Outcome = Outcome.STOPPED, reason: str = "") -> None:
        """Ask the render to end; kill it after `grace_s` seconds."""
        self._handle(Stop(outcome, reason, grace_s))

    def take(self, order: m.StreamedOrder | m.FolderOrder | m.FilePartOrder) -> None:
        """Handle a reply of the server to this attempt's transfers. Others are ignored."""
        if order.attempt != self.id or self.ending is not None:
            return
        if isinstance(order, m.StreamedOrder):
            if order.path:
                self._files.take(order)
            else:
                self._log.take(order)
        elif self._machine.state is r.RemoteState.FETCHING:
            try:
                self._fetch.take(order)
            except OSError as error:
                self._handle(r.Failed(_words(error, "the job's temporary folder cannot be stored here")))

    def step(self, now: float) -> bool:
        """Do what is due at `now` (monotonic seconds). Returns whether `update` has news for the server."""
        try:
            if self._machine.state is r.RemoteState.FETCHING:
                self._fetch_step()
            elif self._machine.state is r.RemoteState.RENDERING:
                return self._render_step(now)
            elif self._machine.state is r.RemoteState.RETURNING:
                self._return_step(now)
        except OSError as error:
            self._handle(r.Failed(_words(error, "the render's files cannot be stored here")))
        return False

    def close(self) -> None:
        """Close all that is open, as `Attempt.close`. Its files are removed with the Agents' folder."""
        if self._inner is not None:
            self._inner.close()
        for each in (self._fetch, self._log, self._files):
            each.close()

    # --- Events ---

    def _handle(self, event: msgspec.Struct) -> None:
        for action in self._machine.handle(event, time.monotonic()):
            self._carry_out(action)

    def _fetch_step(self) -> None:
        if not self._fetch.step():
            return
        if self._fetch.failed:
            self._handle(r.Failed(self._fetch.failed))
            return
        files, took = self._fetch.files, time.monotonic() - self._began
        total = sum(entry.size for entry in files.values())
        self._note(
            f"fetched the job's folder in {took:.1f} s: {len(files)} files, {total / 2**20:.1f} MiB; "
            f"{self._fetch.fetched_bytes / 2**20:.1f} MiB were transferred"
        )
        self._before = dict(self._found())
        self._handle(r.FolderFetched())

    def _render_step(self, now: float) -> bool:
        assert self._inner is not None
        is_update = self._inner.step(now)
        if self._streams:
            self._log.pump()
            self._send_picture(now)
            is_update = self._take_arrived() or is_update
        if self._inner.ending is not None:
            self._handle(r.RenderEnded())
        return is_update

    def _return_step(self, now: float) -> None:
        self._log.pump()
        self._files.pump()
        mark = (self._log.received, len(self._files.arrived), self._files.under_way)
        if mark != self._returned_mark:
            self._returned_mark = mark
            self._handle(r.SomeReturned())
        if self._log.is_complete and (self._files.is_idle or self._machine.is_stopped):
            self._handle(r.Returned())
        elif self._machine.deadline is not None and now >= self._machine.deadline:
            self._handle(TimePassed())

    # --- Actions ---

    def _carry_out(self, action: r.Action) -> None:
        if isinstance(action, r.FetchFolder):
            self._fetch.start()
        elif isinstance(action, r.StartRender):
            self._inner = Attempt(
                self._order, self._environment, self._agent, self._standby, self._min_free_bytes,
                self._grace_s,
            )  # fmt: skip
            self._inner.start()
        elif isinstance(action, r.StopRender):
            assert self._inner is not None
            self._inner.request_stop(action.stop.grace_s, action.stop.outcome, action.stop.reason)
        elif isinstance(action, r.ReturnFiles):
            self._return_files(pictures=action.pictures)
        elif isinstance(action, r.Finish):
            self._finish(action)
        else:
            assert_never(action)

    def _note(self, message: str) -> None:
        with open(open_to_append(self._order.log_file, create_folder=True), "ab") as log:
            log.write(f"[kq] {message}\n".encode("utf-8", "replace"))

    def _return_files(self, *, pictures: bool) -> None:
        self._has_queued_pictures = pictures
        for name, mark in self._found() if pictures else ():
            if self._before.get(name) != mark:
                path = self._folder / name
                self._files.add(path, self._map.to_desktop(str(path)))
        self._return_step(time.monotonic())

    def _send_picture(self, now: float) -> None:
        """Upload the latest picture if it has changed, unless an upload is in progress."""
        assert self._inner is not None
        path = self._inner.picture()
        if not path or now < self._picture_after or not self._files.is_idle:
            return
        try:
            status = Path(path).stat()
        except (OSError, ValueError):
            return  # it is being replaced, or the path is not valid
        if status.st_size > _MAX_PICTURE_BYTES:
            return  # too large to preview; files of the job's folder are still uploaded at the end
        mark = (path, status.st_size, status.st_mtime_ns)
        target = self._map.to_desktop(path)
        if mark != self._picture_sent and target != path:
            self._picture_sent, self._picture_after = mark, now + _PICTURE_EVERY_S
            self._files.add(Path(path), target)

    def _take_arrived(self) -> bool:
        """Note which picture has arrived. Returns whether its path is a new one."""
        assert self._inner is not None
        latest = self._map.to_desktop(self._inner.picture()) if self._inner.picture() else ""
        arrived, self._files.arrived = self._files.arrived, []
        if latest and latest in arrived and latest != self._picture_known:
            self._picture_known = latest
            return True
        return False

    def _found(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the files that the render may have made: path within this attempt's folder, (size, time)."""
        for root in filter(None, (self._copy, self._picture_dir)):
            for parent, _, names in os.walk(root):
                for name in names:
                    path = Path(parent, name)
                    if path.is_file() and not path.is_symlink():
                        status = path.stat()
                        yield str(path.relative_to(self._folder)), (status.st_size, status.st_mtime_ns)

    # --- Ending ---

    def _finish(self, finish: r.Finish) -> None:
        if self._streams and self._inner is not None:
            arrived = list(self._files.arrived)
            self._take_arrived()
            expected = self._inner.ending.picture if self._inner.ending is not None else ""
            if not self._picture_known and expected and self._map.to_desktop(expected) in arrived:
                self._picture_known = self._map.to_desktop(expected)  # its output did not name it
        ending = self._ending_of(finish)
        self._fetch.close()
        self._log.close()
        self._files.close()
        if self._streams:
            # A file that cannot be deleted now is removed with the Agents' folder when they end.
            shutil.rmtree(self._folder, ignore_errors=True)
        self.ending = ending if self._streams else _translated(ending, self._map)

    def _ending_of(self, finish: r.Finish) -> m.AttemptEnding:
        ending = self._inner.ending if self._inner is not None else None
        if ending is None:
            assert finish.outcome is not None
            return m.AttemptEnding(
                agent=self._agent,
                attempt=self.id,
                outcome=finish.outcome,
                reason=finish.reason,
                duration_s=round(time.monotonic() - self._began, 3),
            )
        if self._streams:
            ending = msgspec.structs.replace(ending, picture=self._picture_known)
        if finish.outcome is not None:
            return msgspec.structs.replace(ending, outcome=finish.outcome, reason=finish.reason)
        stop = self._machine.stop
        if (
            self._streams
            and stop is not None
            and ending.outcome == Outcome.COMPLETED
            and not self._is_returned
        ):
            # The render was over, but what it made is not on the desktop's machine.
            return msgspec.structs.replace(ending, outcome=stop.outcome, reason=stop.reason)
        return self._with_problems(ending, complete=finish.complete) if self._streams else ending

    @property
    def _is_returned(self) -> bool:
        """Whether all that the render made was sent to the desktop."""
        return self._has_queued_pictures and self._files.is_idle and self._log.is_complete

    def _with_problems(self, ending: m.AttemptEnding, *, complete: bool) -> m.AttemptEnding:
        problem = "; ".join(
            f"could not be sent to the desktop: {why} ({target})"
            for target, why in self._files.refused.items()
        )
        if not complete and not self._machine.is_stopped:
            problem = f"its log or pictures did not arrive within {r.RETURN_TIMEOUT_S:.0f} s"
        elif self._log.refused:
            ending = msgspec.structs.replace(
                ending, warning=ending.warning or f"its log: {self._log.refused}"
            )
        if problem and ending.outcome == Outcome.COMPLETED:
            return msgspec.structs.replace(ending, outcome=Outcome.FAILED, reason=one_line(problem)[:2000])
        return ending


def _translated(ending: m.AttemptEnding, paths: PathMap) -> m.AttemptEnding:
    return (
        msgspec.structs.replace(ending, picture=paths.to_desktop(ending.picture))
        if ending.picture
        else ending
    )


def _of_desktop(order: m.AssignOrder) -> type[PurePath]:
    """Return the kind of the order's paths, which are those of the desktop's system."""
    return PurePosixPath if order.log_file.startswith("/") else PureWindowsPath


def _words(error: OSError, what: str) -> str:
    reason = f"{what}: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
    return one_line(reason)  # a name that is not UTF-8 could not be sent
