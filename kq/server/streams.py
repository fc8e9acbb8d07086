"""Logs and pictures that Agents without the shared data root send, and the folders that are sent to them.

What an Agent may touch is decided on the server's thread, from what it runs; another does the files.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

from .. import messages as m
from .. import process
from ..core import Core
from ..files import leads_down
from ..placeholders import fill_picture
from ..records import JobSpec, parse_attempt_id
from .agent_links import AgentLinks
from .stream_files import FolderLists, IncomingFiles, append_log, read_part

__all__ = ["Streams"]

_Streamed = m.LogUpdate | m.FileUpdate | m.FetchUpdate
_Answer = m.StreamedOrder | m.FolderOrder | m.FilePartOrder
_LARGEST_PART = 1 << 20
_GIVEN_UP = "this Agent does not have this attempt (any more)"


class _Work(NamedTuple):
    agent: str
    message: _Streamed
    target: Path
    """The log, the file that is to appear, or the folder that is asked for."""
    roots: tuple[Path, ...]
    """The target must lie below one of these when links are followed; empty: the job itself names it."""


class Streams:
    """Takes what Agents stream. `take`, `deliver` and `close`: the server's thread; none of them waits."""

    def __init__(self, core: Core, links: AgentLinks, wake: process.SignalWake) -> None:
        """
        Args:
            wake: ends the server's wait for messages when `deliver` has something to do.
        """
        self._core = core
        self._links = links
        self._wake = wake
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._done: deque[tuple[str, _Answer]] = deque()
        self._files = IncomingFiles()
        self._lists = FolderLists()
        self._returned: dict[str, set[str]] = {}
        """By job: files in its folder that Agents sent back, which the next of its tasks have no use for."""
        self._thread: threading.Thread | None = None

    def take(self, message: _Streamed) -> None:
        """Have a message carried out, or refuse it."""
        work = self._admit(message)
        if isinstance(work, str):
            self._links.send(message.agent, _refusal(message, work))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kq-streams", daemon=True)
            self._thread.start()
        self._work.put(work)

    def deliver(self) -> None:
        """Send the answers that are ready."""
        while self._done:
            self._links.send(*self._done.popleft())

    def forget(self, job_id: str) -> None:
        """The job was removed."""
        self._returned.pop(job_id, None)

    def close(self) -> None:
        """End the thread, once what was taken is done; a file that is not whole by then is dropped."""
        if self._thread is not None:
            self._work.put(None)
            # A share that does not answer must not keep the session from ending.
            self._thread.join(2.0)

    # --- what an Agent may touch --------------------------------------------------

    def _admit(self, message: _Streamed) -> _Work | str:
        """What is to be done, or why not."""
        agent = self._core.agent(message.agent)
        names = parse_attempt_id(message.attempt)
        if agent is None or names is None or agent.want_name != message.attempt:
            return _GIVEN_UP
        job_id, task, _ = names
        job = self._core.job_entry(job_id)
        spec = job.spec
        if isinstance(message, m.LogUpdate):
            if len(message.data) > _LARGEST_PART or message.offset < 0:
                return "it sends more at once than is taken"
            return _Work(message.agent, message, Path(job.details[task].log_file), ())
        if isinstance(message, m.FetchUpdate):
            if not spec.temp_dir:
                return "the job has no temporary folder"
            if message.path and not leads_down(message.path):
                return "a path must lead into the folder"
            folder = Path(spec.temp_dir)
            return _Work(message.agent, message, folder, (folder,))
        if len(message.data) > _LARGEST_PART or not 0 <= message.offset <= message.size:
            return "it sends more at once than is taken"
        return self._admit_file(message, spec, job.frames(task), job_id)

    def _admit_file(
        self, message: m.FileUpdate, spec: JobSpec, frames: range | None, job_id: str
    ) -> _Work | str:
        path = message.path
        if "\0" in path or not os.path.isabs(path) or len(path) > 4096:  # noqa: PTH117  # not a Path yet
            return "a file's path must be absolute"
        target = Path(os.path.normpath(path))
        folder = Path(os.path.normpath(spec.temp_dir)) if spec.temp_dir else None
        if folder is not None and target != folder and target.is_relative_to(folder):
            self._returned.setdefault(job_id, set()).add(target.relative_to(folder).as_posix())
            return _Work(message.agent, message, target, (folder,))
        named = fill_picture(spec.picture, frames)
        if named and target == Path(os.path.normpath(Path(spec.cwd or spec.temp_dir or "/", named))):
            return _Work(message.agent, message, target, ())
        return f"{path} is neither in the job's temporary folder nor the picture that the job names"

    # --- the thread ---------------------------------------------------------------

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                answer = self._carry_out(work)
            except OSError as error:
                what = error.filename or work.target
                answer = _refusal(work.message, f"{what}: {error.strerror or error}")
            self._done.append((work.agent, answer))
            self._wake.wake()
        self._files.close()

    def _carry_out(self, work: _Work) -> _Answer:
        message = work.message
        if isinstance(message, m.LogUpdate):
            received = append_log(work.target, message.offset, message.data)
            return m.StreamedOrder(attempt=message.attempt, received=received)
        if isinstance(message, m.FileUpdate):
            if work.roots and not _stays_below(work.target, work.roots):
                return _refusal(message, f"{message.path} leads out of the job's temporary folder")
            received, refused = self._files.take(work.target, message)
            return m.StreamedOrder(
                attempt=message.attempt, path=message.path, received=received, refused=refused
            )
        if not message.path:
            job_id = message.attempt.partition("/")[0]
            skip = frozenset(self._returned.get(job_id, ()))
            files, more = self._lists.page(work.target, message.offset, skip)
            return m.FolderOrder(attempt=message.attempt, first=message.offset, files=files, more=more)
        if not _stays_below(work.target / message.path, work.roots) and not self._lists.has(
            work.target, message.path
        ):
            return _refusal(message, f"{message.path} is not in the job's temporary folder")
        data = read_part(work.target / message.path, message.offset)
        return m.FilePartOrder(attempt=message.attempt, path=message.path, offset=message.offset, data=data)


def _refusal(message: _Streamed, text: str) -> _Answer:
    if isinstance(message, m.LogUpdate):
        return m.StreamedOrder(attempt=message.attempt, received=message.offset, refused=text)
    if isinstance(message, m.FileUpdate):
        return m.StreamedOrder(attempt=message.attempt, path=message.path, refused=text)
    if message.path:
        return m.FilePartOrder(
            attempt=message.attempt, path=message.path, offset=message.offset, refused=text
        )
    return m.FolderOrder(attempt=message.attempt, first=message.offset, refused=text)


def _stays_below(path: Path, roots: tuple[Path, ...]) -> bool:
    """Whether it is below one of `roots` also when links are followed."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(root)) for root in roots)
