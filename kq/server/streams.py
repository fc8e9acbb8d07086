"""Logs and pictures received from Agents without the shared data root, and job folders sent to them.

The server's thread decides which files an Agent may access, from the attempt that it runs; a worker thread
reads and writes them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from .. import messages as m
from .. import process
from ..core import Core
from ..errors import Refused
from ..files import is_safe_relative_path
from ..records import parse_attempt_id
from ..settings import Settings
from .agent_links import AgentLinks
from .fair_queue import FairQueue
from .receipts import Receipts
from .returned_files import ReturnedFiles, ReturnLimits
from .stream_files import FolderLists, FreeSpace, IncomingFiles, append_log, read_part

__all__ = ["Streams"]

_Streamed = m.LogUpdate | m.FileUpdate | m.FetchUpdate
_Answer = m.StreamedOrder | m.FolderOrder | m.FilePartOrder
_NOT_ASSIGNED = "this Agent does not have this attempt (any more)"
_BAD_PART = "the part is too large, or lies outside the file"
_MAX_ATTEMPT_CHARS = 200
_MAX_PATH_CHARS = 4096
_RECEIPT_ONLY = -1
"""The offset of a FetchUpdate that confirms a receipt and requests nothing."""
_MAX_RETURNED_OF_JOB = 100_000
"""Most returned files of one job that are remembered, to leave them out of the folder's list."""
_MESSAGE_OVERHEAD = 1024
"""Bytes that a queued message counts for in addition to its data, so that empty ones are limited, too."""


class _Work(NamedTuple):
    """An accepted message, for the worker thread."""

    agent: str
    message: _Streamed
    target: Path
    """The log or file to write, or the job's temporary folder to read from."""
    root: Path | None
    """With links resolved, the file must lie below it; None: the job itself names the file."""
    receipt: int = 0
    """The number to send with the answer to a FetchUpdate, which the Agent returns once it has read it."""

    @property
    def size(self) -> int:
        """Bytes that it counts for in the queue."""
        message = self.message
        return _MESSAGE_OVERHEAD + (0 if isinstance(message, m.FetchUpdate) else len(message.data))


class _AttemptOver(NamedTuple):
    """For the worker thread: drop the attempt's incomplete file and its folder list."""

    agent: str
    attempt: str


class Streams:
    """Reads and writes files for remote Agents, on a worker thread that starts with the first message.

    Public methods are called on the server's thread; only `close` waits.
    """

    def __init__(
        self,
        core: Core,
        links: AgentLinks,
        wake: process.SignalWake,
        settings: Settings,
    ) -> None:
        """
        Args:
            wake: ends the server's wait for messages when answers are ready for `send_answers`.
        """
        self._core = core
        self._links = links
        self._wake = wake
        self._limits = ReturnLimits(
            settings.max_log_bytes, settings.max_returned_files, settings.max_returned_bytes
        )
        self._changed = threading.Condition()
        """Guards `_work` and `_over`; notified when one of them changes."""
        self._work: FairQueue[_Work] = FairQueue()
        self._over: deque[_AttemptOver | None] = deque()
        """Attempts that ended; None: the thread is to end."""
        self._answers: deque[tuple[str, _Answer]] = deque()
        """Agent and answer, from the worker thread for the server's."""
        self._files = IncomingFiles()
        self._lists = FolderLists()
        self._space = FreeSpace(settings.min_free_bytes)
        self._receipts = Receipts(time.monotonic)
        self._attempts: dict[str, ReturnedFiles] = {}
        """By attempt id: the files of each attempt that has sent something."""
        self._returned: dict[str, set[str]] = {}
        """By job id: paths in its temporary folder that Agents returned. Later tasks are not sent these."""
        self._thread: threading.Thread | None = None

    def handle(self, message: _Streamed) -> None:
        """Queue an Agent's message for the worker thread, or answer with a refusal at once."""
        key = self._links.role_of(message.agent) or ""
        path = "" if isinstance(message, m.LogUpdate) else message.path
        if len(message.attempt) > _MAX_ATTEMPT_CHARS or len(path) > _MAX_PATH_CHARS:
            # No answer: it would repeat the long text, and stay in memory for a peer that never reads.
            self._links.key_limits.refuse(key, "a name or path that is too long")
            return
        if isinstance(message, m.FetchUpdate):
            self._receipts.confirm(message.agent, message.receipt)
            if message.offset == _RECEIPT_ONLY and not message.path:
                return
        try:
            work = self._admit(message)
        except Refused as error:
            self._links.send(message.agent, _refusal(message, str(error)))
            return
        if isinstance(message, m.FetchUpdate):
            receipt = self._receipts.issue(message.agent)
            if receipt is None:
                self._links.key_limits.refuse(key, "too many fetched parts without a receipt")
                return
            work = work._replace(receipt=receipt)
        with self._changed:
            has_room = self._work.put(key, message.agent, work, work.size)
            self._changed.notify()
        if not has_room:
            # kq's own Agents never have that many messages in flight, and repeat one without an answer.
            self._links.key_limits.refuse(key, "too many messages in flight")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kq-streams", daemon=True)
            self._thread.start()

    def send_answers(self) -> None:
        """Send the answers that the worker thread has ready."""
        while self._answers:
            self._links.send(*self._answers.popleft())

    def picture_path(self, agent_id: str, attempt: str, path: str) -> str:
        """Return the path on this machine of a picture that a remote Agent reports at `path`.

        Empty when the Agent does not have this attempt, or may not write a picture there.
        """
        agent = self._core.agent(agent_id)
        if not path or agent is None or agent.desired_attempt_id != attempt:
            return ""
        return self._returned_files(attempt).picture_path(path)

    def forget_job(self, job_id: str) -> None:
        """Drop what is remembered of a removed job."""
        self._returned.pop(job_id, None)

    def attempt_over(self, agent_id: str, attempt: str) -> None:
        """Drop the queued messages and incomplete files of an attempt that ended or was lost."""
        if self._attempts.pop(attempt, None) is not None and self._thread is not None:
            with self._changed:
                self._work.forget(agent_id)
                self._over.append(_AttemptOver(agent_id, attempt))
                self._changed.notify()

    def close(self) -> None:
        """End the worker thread after the queued messages, within 2 s; incomplete files are deleted."""
        if self._thread is not None:
            with self._changed:
                self._over.append(None)
                self._changed.notify()
            # A share that does not answer must not keep the session from ending.
            self._thread.join(2.0)

    # --- Which files an Agent may access ---

    def _returned_files(self, attempt: str) -> ReturnedFiles:
        """Return the files of `attempt`, which an Agent has now."""
        found = self._attempts.get(attempt)
        if found is None:
            names = parse_attempt_id(attempt)
            assert names is not None
            job = self._core.job_entry(names[0])
            found = self._attempts[attempt] = ReturnedFiles(job.spec, job.frames(names[1]), self._limits)
        return found

    def _admit(self, message: _Streamed) -> _Work:
        """Return the work for a message that is allowed.

        Raises:
            Refused: the Agent does not have the attempt, or may not access this file.
        """
        agent = self._core.agent(message.agent)
        names = parse_attempt_id(message.attempt)
        if agent is None or names is None or agent.desired_attempt_id != message.attempt:
            raise Refused(_NOT_ASSIGNED)
        job_id, task, _ = names
        job = self._core.job_entry(job_id)
        returned = self._returned_files(message.attempt)
        if isinstance(message, m.FetchUpdate):
            if not job.spec.temp_dir:
                raise Refused("the job has no temporary folder")
            if message.path and not is_safe_relative_path(message.path):
                raise Refused("a path must lead into the folder")
            folder = Path(job.spec.temp_dir)
            return _Work(message.agent, message, folder, folder)
        end = message.offset + len(message.data)
        if len(message.data) > m.STREAM_PART_BYTES or message.offset < 0:
            raise Refused(_BAD_PART)
        if isinstance(message, m.LogUpdate):
            refusal = returned.log_refusal(end)
            if refusal:
                raise Refused(refusal)
            return _Work(message.agent, message, Path(job.details[task].log_file), None)
        if end > message.size:
            raise Refused(_BAD_PART)
        target = returned.place(message.path, message.size)
        relative = returned.in_folder(target)
        paths = self._returned.setdefault(job_id, set())
        if relative and len(paths) < _MAX_RETURNED_OF_JOB:
            paths.add(relative)
        return _Work(message.agent, message, target, Path(job.spec.temp_dir) if relative else None)

    # --- The worker thread ---

    def _run(self) -> None:
        """Carry out queued work until `close` or the end of the process."""
        while (entry := self._next()) is not None:
            key, work = entry
            try:
                answer = self._carry_out(work)
            except OSError as error:
                what = error.filename or work.target
                answer = _refusal(work.message, f"{what}: {error.strerror or error}")
            if answer is None:
                with self._changed:
                    # Not when its attempt has ended meanwhile: `attempt_over` emptied the queue of it.
                    if not any(over is not None and over.agent == work.agent for over in self._over):
                        self._work.put_back(key, work.agent, work, work.size)
                continue
            self._answers.append((work.agent, answer))
            self._wake.wake()
        self._files.close()

    def _next(self) -> tuple[str, _Work] | None:
        """Wait for the next work and return it with its key; None once `close` was called and none is left.

        Ended attempts come first, unless only the request to end waits there.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or len(self._work))
                if not self._over or (self._over[0] is None and len(self._work)):
                    return self._work.take()
                over = self._over.popleft()
            if over is None:
                return None
            self._files.forget(over.agent)
            self._lists.forget(over.attempt)

    def _carry_out(self, work: _Work) -> _Answer | None:
        """Read or write the files of `work` and return the answer.

        Returns None when a folder's list takes longer than one turn: `work` is to be queued again.

        Raises:
            OSError: a file cannot be read or written.
        """
        message = work.message
        if isinstance(message, m.LogUpdate):
            self._space.claim(work.target, len(message.data), len(message.data))
            received = append_log(work.target, message.offset, message.data)
            return m.StreamedOrder(attempt=message.attempt, received=received)
        if isinstance(message, m.FileUpdate):
            if work.root is not None and not _is_below(work.target, work.root):
                return _refusal(message, f"{message.path} leads out of the job's temporary folder")
            self._space.claim(work.target, message.size - message.offset, len(message.data))
            received, refused = self._files.take(work.target, message)
            return m.StreamedOrder(
                attempt=message.attempt, path=message.path, received=received, refused=refused
            )
        if not message.path:
            job_id = message.attempt.partition("/")[0]
            skip = frozenset(self._returned.get(job_id, ()))
            page = self._lists.page(message.attempt, work.target, message.offset, skip)
            if page is None:
                return None
            files, more = page
            return m.FolderOrder(
                attempt=message.attempt, first=message.offset, files=files, more=more, receipt=work.receipt
            )
        # A link to a file elsewhere may be read when the folder's list has it.
        is_listed = self._lists.has(message.attempt, message.path)
        if not is_listed and not _is_below(work.target / message.path, work.target):
            return _refusal(message, f"{message.path} is not in the job's temporary folder")
        data = read_part(work.target / message.path, message.offset)
        return m.FilePartOrder(
            attempt=message.attempt, path=message.path, offset=message.offset, data=data, receipt=work.receipt
        )


def _refusal(message: _Streamed, text: str) -> _Answer:
    """Return the kind of answer that `message` expects, with `text` as the reason for the refusal."""
    if isinstance(message, m.LogUpdate):
        return m.StreamedOrder(attempt=message.attempt, received=message.offset, refused=text)
    if isinstance(message, m.FileUpdate):
        return m.StreamedOrder(attempt=message.attempt, path=message.path, refused=text)
    if message.path:
        return m.FilePartOrder(
            attempt=message.attempt, path=message.path, offset=message.offset, refused=text
        )
    return m.FolderOrder(attempt=message.attempt, first=message.offset, refused=text)


def _is_below(path: Path, root: Path) -> bool:
    """Whether `path` is below `root` with links resolved in both."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
