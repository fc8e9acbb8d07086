"""Threads that read and write files for remote Agents: one for each folder that is in use.

A folder on a share that does not respond so delays nothing but its own files.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .. import messages as m
from .. import process
from ..plain_text import one_line
from .fair_queue import FairQueue
from .returned_files import ReturnedPaths
from .stream_files import FolderLists, FreeSpace, IncomingFiles, KnownHashes, append_log, read_part

__all__ = ["Answer", "Answers", "FileWork", "FileWorkers", "Streamed", "refusal"]

Streamed = m.LogUpdate | m.FileUpdate | m.FetchUpdate
Answer = m.StreamedOrder | m.FolderOrder | m.FilePartOrder
_MESSAGE_OVERHEAD = 1024
"""Bytes that a queued message counts for in addition to its data, so that empty ones are limited, too."""
_MAX_FOLDERS = 256
_HANGS_AFTER_S = 5.0
"""Seconds of one piece of work after which a folder counts as not responding. Usual are milliseconds."""
_CLOSE_S = 2.0
_log = logging.getLogger("kq.server")


class FileWork(NamedTuple):
    """An accepted message, for a worker thread."""

    agent: str
    message: Streamed
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

    @property
    def folder(self) -> Path:
        """The folder whose thread does it: of all logs, of the job, or of a picture elsewhere."""
        if isinstance(self.message, m.LogUpdate):
            return self.target.parent.parent
        return self.root or self.target.parent


class Answers:
    """Agents and answers for them, from the worker threads for the server's."""

    def __init__(self, wake: process.SignalWake) -> None:
        """`wake`: ends the server's wait for messages when there is an answer."""
        self._wake = wake
        self._waiting: deque[tuple[str, Answer]] = deque()

    def put(self, agent: str, answer: Answer) -> None:
        """Add an answer. For the worker threads."""
        self._waiting.append((agent, answer))
        self._wake.wake()

    def take(self) -> Iterator[tuple[str, Answer]]:
        """Yield and remove what is there, with the Agent of each. For the server's thread."""
        while self._waiting:
            yield self._waiting.popleft()


class FileWorkers:
    """The threads, which begin and end as they are needed. Methods are for the server's thread."""

    def __init__(self, min_free_bytes: int, returned: ReturnedPaths, answers: Answers) -> None:
        """
        Args:
            min_free_bytes: free space to leave on a disk.
            returned: files that Agents returned, which they are not sent.
            answers: takes the threads' answers.
        """
        self._min_free_bytes = min_free_bytes
        self._returned = returned
        self._answers = answers
        self._lock = threading.Lock()
        """Guards `_workers` and the queues."""
        self._workers: dict[Path, _Worker] = {}
        self._used: dict[str, int] = {}
        self._known = KnownHashes()

    def put(self, key: str, work: FileWork) -> str:
        """Queue `work` of an Agent with this key. Returns why it was dropped; empty if it was not."""
        with self._lock:
            worker = self._workers.get(work.folder)
            if worker is None:
                if len(self._workers) >= _MAX_FOLDERS:
                    return "files of too many folders at a time"
                worker = _Worker(
                    work.folder, self._workers, self._lock, self._used, self._files(), self._answers
                )
                self._workers[work.folder] = worker
            return worker.put(key, work)

    def _files(self) -> _Files:
        lists, space = FolderLists(known=self._known), FreeSpace(self._min_free_bytes)
        return _Files(IncomingFiles(), lists, space, self._returned)

    def attempt_over(self, agent: str, attempt: str) -> None:
        """Drop the queued work and the incomplete files of an attempt that ended or was lost."""
        with self._lock:
            for worker in self._workers.values():
                worker.attempt_over(agent, attempt)

    def close(self) -> None:
        """End all threads after their queued work, within 2 s in all; incomplete files are deleted."""
        with self._lock:
            workers = list(self._workers.values())
            for worker in workers:
                worker.end()
        until = time.monotonic() + _CLOSE_S
        for worker in workers:
            # A share that does not respond must not keep the session from ending.
            worker.thread.join(max(until - time.monotonic(), 0.0))


class _Files(NamedTuple):
    """What one thread keeps of the files that it handles."""

    incoming: IncomingFiles
    lists: FolderLists
    space: FreeSpace
    returned: ReturnedPaths

    def handle(self, work: FileWork) -> Answer | None:
        """Read or write the files of `work` and return the answer.

        Returns None when a folder's list takes longer than one turn: `work` is to be queued again.

        Raises:
            OSError: a file cannot be read or written.
        """
        message = work.message
        if isinstance(message, m.LogUpdate):
            self.space.claim(work.target, len(message.data), len(message.data))
            received = append_log(work.target, message.offset, message.data)
            return m.StreamedOrder(attempt=message.attempt, received=received)
        if isinstance(message, m.FileUpdate):
            if work.root is not None and not _is_below(work.target, work.root):
                return refusal(message, f"{message.path} leads out of the job's temporary folder")
            self.space.claim(work.target, message.size - message.offset, len(message.data))
            received, refused = self.incoming.take(work.target, message)
            return m.StreamedOrder(
                attempt=message.attempt, path=message.path, received=received, refused=refused
            )
        if not message.path:
            skip = self.returned.of(message.attempt.partition("/")[0])
            page = self.lists.page(message.attempt, work.target, message.offset, skip)
            if page is None:
                return None
            entries, more = page
            return m.FolderOrder(
                attempt=message.attempt, first=message.offset, files=entries, more=more, receipt=work.receipt
            )
        # A link to a file elsewhere may be read when the folder's list has it.
        is_listed = self.lists.has(message.attempt, message.path)
        if not is_listed and not _is_below(work.target / message.path, work.target):
            return refusal(message, f"{message.path} is not in the job's temporary folder")
        try:
            data = read_part(work.target / message.path, message.offset)
        except FileNotFoundError:
            # Removed after it was listed: as for any file that became shorter, the Agent asks again.
            data = b""
        return m.FilePartOrder(
            attempt=message.attempt, path=message.path, offset=message.offset, data=data, receipt=work.receipt
        )


class _Worker:
    """One thread. Its methods are called with the lock held; `_run` and what it calls are the thread's."""

    def __init__(
        self,
        folder: Path,
        workers: dict[Path, _Worker],
        lock: threading.Lock,
        used: dict[str, int],
        files: _Files,
        answers: Answers,
    ) -> None:
        """
        Args:
            folder: the one whose files it handles.
            workers: by folder, of which it removes itself when its thread ends.
            lock: guards `workers` and the queues of all of them.
            used: by key, the bytes of waiting work in all queues.
        """
        self._folder = folder
        self._workers = workers
        self._changed = threading.Condition(lock)
        """Notified when `_queue`, `_over` or `_is_ending` changes."""
        self._queue: FairQueue[FileWork] = FairQueue(used=used)
        self._over: deque[tuple[str, str]] = deque()
        """Agents and attempts that ended, for the thread."""
        self._attempts: set[str] = set()
        """Attempts with files here that have not ended. Without any, the thread ends."""
        self._is_ending = False
        self._files = files
        self._answers = answers
        self._began_at: float | None = None
        """Monotonic seconds since when the current work is done; None without any."""
        self._is_hanging = False
        self.thread = threading.Thread(target=self._run, name=f"kq-files {folder}", daemon=True)
        self.thread.start()

    def put(self, key: str, work: FileWork) -> str:
        """Queue `work`. Returns why it was dropped; empty if it was not."""
        self._attempts.add(work.message.attempt)
        if self._began_at is not None and time.monotonic() - self._began_at > _HANGS_AFTER_S:
            # What waits counts towards the limits of the key's other folders. The Agents repeat it.
            self._queue.clear()
            if not self._is_hanging:
                self._is_hanging = True
                _log.warning("%s does not respond: files that belong there have to wait", self._folder)
            return "files of a folder that does not respond"
        self._changed.notify()
        # kq's own Agents never have that many messages in flight, and repeat one without an answer.
        return "" if self._queue.put(key, work.agent, work, work.size) else "too many messages in flight"

    def attempt_over(self, agent: str, attempt: str) -> None:
        if attempt in self._attempts:
            self._attempts.discard(attempt)
            self._queue.forget(agent)
            self._over.append((agent, attempt))
            self._changed.notify()

    def end(self) -> None:
        """Have the thread end once nothing is queued."""
        self._is_ending = True
        self._changed.notify()

    # --- The thread ---

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            key, work = entry
            try:
                answer = self._files.handle(work)
            except OSError as error:
                answer = refusal(work.message, f"{error.filename or work.target}: {error.strerror or error}")
            with self._changed:
                self._began_at = None
                if self._is_hanging:
                    self._is_hanging = False
                    _log.warning("%s responds again", self._folder)
                if answer is None and work.message.attempt in self._attempts:
                    self._queue.put_back(key, work.agent, work, work.size)
            if answer is not None:
                self._answers.put(work.agent, answer)
        self._files.incoming.close()

    def _next(self) -> tuple[str, FileWork] | None:
        """Wait for the next work and return it with its key; None when the thread is to end."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._over or len(self._queue) or self._is_ending or not self._attempts
                )
                if not self._over:
                    if not len(self._queue):
                        self._workers.pop(self._folder, None)
                        return None
                    self._began_at = time.monotonic()
                    return self._queue.take()
                agent, attempt = self._over.popleft()
            self._files.incoming.forget(agent)
            self._files.lists.forget(attempt)


def refusal(message: Streamed, text: str) -> Answer:
    """Return the kind of answer that `message` expects, with `text` as the reason for the refusal."""
    text = one_line(text)  # it may name a file whose name is not UTF-8, which no message can carry
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
