"""Logs and pictures that Agents without the shared data root send, and the folders that are sent to them.

What an Agent may touch is decided on the server's thread, from what it runs; another does the files.
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
from ..files import leads_down
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
_GIVEN_UP = "this Agent does not have this attempt (any more)"
_TOO_MUCH = "it sends more at once than is taken"
_LONGEST_NAME = 200
_LONGEST_PATH = 4096
_NOTHING_MORE = -1
_MAX_RETURNED_OF_JOB = 100_000
_LEAST_SIZE = 1024
"""Of a message, for the limits of what waits: it takes so much even when it holds no bytes."""


class _Work(NamedTuple):
    agent: str
    message: _Streamed
    target: Path
    """The log, the file that is to appear, or the folder that is asked for."""
    roots: tuple[Path, ...]
    """The target must lie below one of these when links are followed; empty: the job itself names it."""
    receipt: int = 0
    """Goes out with what was fetched."""

    @property
    def size(self) -> int:
        message = self.message
        return _LEAST_SIZE + (0 if isinstance(message, m.FetchUpdate) else len(message.data))


class _AttemptOver(NamedTuple):
    """Nothing more comes of what the Agent had under way."""

    agent: str
    attempt: str


class Streams:
    """Takes what Agents stream. All but its own thread's methods: the server's thread; none of them waits."""

    def __init__(
        self,
        core: Core,
        links: AgentLinks,
        wake: process.SignalWake,
        settings: Settings,
    ) -> None:
        """
        Args:
            wake: ends the server's wait for messages when `deliver` has something to do.
        """
        self._core = core
        self._links = links
        self._wake = wake
        self._limits = ReturnLimits(
            settings.max_log_bytes, settings.max_returned_files, settings.max_returned_bytes
        )
        self._changed = threading.Condition()
        """Guards the two that follow."""
        self._work: FairQueue[_Work] = FairQueue()
        self._over: deque[_AttemptOver | None] = deque()
        """None: the end."""
        self._done: deque[tuple[str, _Answer]] = deque()
        self._files = IncomingFiles()
        self._lists = FolderLists()
        self._space = FreeSpace(settings.min_free_bytes)
        self._receipts = Receipts(time.monotonic)
        self._attempts: dict[str, ReturnedFiles] = {}
        """By name of an attempt that has streamed something."""
        self._returned: dict[str, set[str]] = {}
        """By job: files in its folder that Agents sent back, which the next of its tasks have no use for."""
        self._thread: threading.Thread | None = None

    def take(self, message: _Streamed) -> None:
        """Have a message carried out, or refuse it."""
        key = self._links.role_of(message.agent) or ""
        path = "" if isinstance(message, m.LogUpdate) else message.path
        if len(message.attempt) > _LONGEST_NAME or len(path) > _LONGEST_PATH:
            # An answer would carry it, and might wait for a peer that never reads.
            self._links.allowances.refuse(key, "a name or path that is too long")
            return
        if isinstance(message, m.FetchUpdate):
            self._receipts.confirm(message.agent, message.receipt)
            if message.offset == _NOTHING_MORE and not message.path:
                return
        try:
            work = self._admit(message)
        except Refused as error:
            self._links.send(message.agent, _refusal(message, str(error)))
            return
        if isinstance(message, m.FetchUpdate):
            receipt = self._receipts.issue(message.agent)
            if receipt is None:
                self._links.allowances.refuse(key, "more is fetched than read")
                return
            work = work._replace(receipt=receipt)
        with self._changed:
            has_room = self._work.put(key, message.agent, work, work.size)
            self._changed.notify()
        if not has_room:
            # An Agent of ours never has so much under way, and would send it again in any case.
            self._links.allowances.refuse(key, "more under way than is taken")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kq-streams", daemon=True)
            self._thread.start()

    def deliver(self) -> None:
        """Send the answers that are ready."""
        while self._done:
            self._links.send(*self._done.popleft())

    def shown_picture(self, agent_id: str, attempt: str, path: str) -> str:
        """Where the picture is that an Agent of another machine reports; empty where it may write none."""
        agent = self._core.agent(agent_id)
        if not path or agent is None or agent.want_name != attempt:
            return ""
        return self._returned_files(attempt).shown_picture(path)

    def forget(self, job_id: str) -> None:
        """The job was removed."""
        self._returned.pop(job_id, None)

    def attempt_over(self, agent_id: str, attempt: str) -> None:
        """The attempt ended, or was lost: drop what of it is not whole."""
        if self._attempts.pop(attempt, None) is not None and self._thread is not None:
            with self._changed:
                self._work.forget(agent_id)
                self._over.append(_AttemptOver(agent_id, attempt))
                self._changed.notify()

    def close(self) -> None:
        """End the thread, once what was taken is done; a file that is not whole by then is dropped."""
        if self._thread is not None:
            with self._changed:
                self._over.append(None)
                self._changed.notify()
            # A share that does not answer must not keep the session from ending.
            self._thread.join(2.0)

    # --- what an Agent may touch --------------------------------------------------

    def _returned_files(self, attempt: str) -> ReturnedFiles:
        """Of an attempt that an Agent should be running."""
        found = self._attempts.get(attempt)
        if found is None:
            names = parse_attempt_id(attempt)
            assert names is not None
            job = self._core.job_entry(names[0])
            found = self._attempts[attempt] = ReturnedFiles(job.spec, job.frames(names[1]), self._limits)
        return found

    def _admit(self, message: _Streamed) -> _Work:
        """What is to be done. Raises Refused."""
        agent = self._core.agent(message.agent)
        names = parse_attempt_id(message.attempt)
        if agent is None or names is None or agent.want_name != message.attempt:
            raise Refused(_GIVEN_UP)
        job_id, task, _ = names
        job = self._core.job_entry(job_id)
        returned = self._returned_files(message.attempt)
        if isinstance(message, m.FetchUpdate):
            if not job.spec.temp_dir:
                raise Refused("the job has no temporary folder")
            if message.path and not leads_down(message.path):
                raise Refused("a path must lead into the folder")
            folder = Path(job.spec.temp_dir)
            return _Work(message.agent, message, folder, (folder,))
        end = message.offset + len(message.data)
        if len(message.data) > m.STREAM_PART_BYTES or message.offset < 0:
            raise Refused(_TOO_MUCH)
        if isinstance(message, m.LogUpdate):
            refusal = returned.log_refusal(end)
            if refusal:
                raise Refused(refusal)
            return _Work(message.agent, message, Path(job.details[task].log_file), ())
        if end > message.size:
            raise Refused(_TOO_MUCH)
        place = returned.place(message.path, message.size)
        inside = returned.in_folder(place)
        known = self._returned.setdefault(job_id, set())
        if inside and len(known) < _MAX_RETURNED_OF_JOB:
            known.add(inside)
        return _Work(message.agent, message, place, (Path(job.spec.temp_dir),) if inside else ())

    # --- the thread ---------------------------------------------------------------

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            key, work = taken
            try:
                answer = self._carry_out(work)
            except OSError as error:
                what = error.filename or work.target
                answer = _refusal(work.message, f"{what}: {error.strerror or error}")
            if answer is None:
                with self._changed:
                    # Its attempt may have ended at this moment.
                    if not any(over is not None and over.agent == work.agent for over in self._over):
                        self._work.put_back(key, work.agent, work, work.size)
                continue
            self._done.append((work.agent, answer))
            self._wake.wake()
        self._files.close()

    def _next(self) -> tuple[str, _Work] | None:
        """What is to be done next; None: it is to end, and all that came before is done."""
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
        """The answer; None: it is not done yet, and others come first."""
        message = work.message
        if isinstance(message, m.LogUpdate):
            self._space.claim(work.target, len(message.data), len(message.data))
            received = append_log(work.target, message.offset, message.data)
            return m.StreamedOrder(attempt=message.attempt, received=received)
        if isinstance(message, m.FileUpdate):
            if work.roots and not _stays_below(work.target, work.roots):
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
        if not _stays_below(work.target / message.path, work.roots) and not self._lists.has(
            message.attempt, message.path
        ):
            return _refusal(message, f"{message.path} is not in the job's temporary folder")
        data = read_part(work.target / message.path, message.offset)
        return m.FilePartOrder(
            attempt=message.attempt, path=message.path, offset=message.offset, data=data, receipt=work.receipt
        )


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
