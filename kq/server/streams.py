"""Logs and pictures received from Agents without the shared data root, and job folders sent to them.

The server's thread decides which files an Agent may access, from the attempt that it runs; threads of
file_workers.py read and write them.
"""

from __future__ import annotations

import time
from pathlib import Path

from .. import messages as m
from .. import process
from ..core import Core
from ..errors import Refused
from ..files import is_safe_relative_path
from ..records import parse_attempt_id
from ..settings import Settings
from .agent_links import AgentLinks
from .file_workers import Answers, FileWork, FileWorkers, Streamed, refusal
from .receipts import Receipts
from .returned_files import ReturnedFiles, ReturnedPaths, ReturnLimits

__all__ = ["Streams"]

_NOT_ASSIGNED = "this Agent does not have this attempt (any more)"
_BAD_PART = "the part is too large, or lies outside the file"
_MAX_ATTEMPT_CHARS = 200
_MAX_PATH_CHARS = 4096
_RECEIPT_ONLY = -1
"""The offset of a FetchUpdate that confirms a receipt and requests nothing."""


class Streams:
    """Reads and writes files for remote Agents, on threads that start with the first message.

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
        self._limits = ReturnLimits(
            settings.max_log_bytes, settings.max_returned_files, settings.max_returned_bytes
        )
        self._answers = Answers(wake)
        self._returned = ReturnedPaths()
        self._workers = FileWorkers(settings.min_free_bytes, self._returned, self._answers)
        self._receipts = Receipts(time.monotonic)
        self._attempts: dict[str, ReturnedFiles] = {}
        """By attempt id: the files of each attempt that has sent something."""

    def handle(self, message: Streamed) -> None:
        """Queue an Agent's message for a worker thread, or answer with a refusal at once."""
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
            self._links.send(message.agent, refusal(message, str(error)))
            return
        if isinstance(message, m.FetchUpdate):
            receipt = self._receipts.issue(message.agent)
            if receipt is None:
                self._links.key_limits.refuse(key, "too many fetched parts without a receipt")
                return
            work = work._replace(receipt=receipt)
        dropped = self._workers.put(key, work)
        if dropped:
            self._links.key_limits.refuse(key, dropped)

    def send_answers(self) -> None:
        """Send the answers that the worker threads have ready."""
        for agent, answer in self._answers.take():
            self._links.send(agent, answer)

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
        self._returned.forget(job_id)

    def attempt_over(self, agent_id: str, attempt: str) -> None:
        """Drop the queued messages and incomplete files of an attempt that ended or was lost."""
        if self._attempts.pop(attempt, None) is not None:
            self._workers.attempt_over(agent_id, attempt)

    def close(self) -> None:
        """End the worker threads after the queued messages, within 2 s; incomplete files are deleted."""
        self._workers.close()

    # --- Which files an Agent may access ---

    def _returned_files(self, attempt: str) -> ReturnedFiles:
        """Return the files of `attempt`, which an Agent has now."""
        found = self._attempts.get(attempt)
        if found is None:
            names = parse_attempt_id(attempt)
            assert names is not None
            job = self._core.job(names[0])
            found = self._attempts[attempt] = ReturnedFiles(job.spec, job.frames(names[1]), self._limits)
        return found

    def _admit(self, message: Streamed) -> FileWork:
        """Return the work for a message that is allowed.

        Raises:
            Refused: the Agent does not have the attempt, or may not access this file.
        """
        agent = self._core.agent(message.agent)
        names = parse_attempt_id(message.attempt)
        if agent is None or names is None or agent.desired_attempt_id != message.attempt:
            raise Refused(_NOT_ASSIGNED)
        job_id, task, _ = names
        job = self._core.job(job_id)
        returned = self._returned_files(message.attempt)
        if isinstance(message, m.FetchUpdate):
            if not job.spec.temp_dir:
                raise Refused("the job has no temporary folder")
            if message.path and not is_safe_relative_path(message.path):
                raise Refused("a path must lead into the folder")
            folder = Path(job.spec.temp_dir)
            return FileWork(message.agent, message, folder, folder)
        end = message.offset + len(message.data)
        if len(message.data) > m.STREAM_PART_BYTES or message.offset < 0:
            raise Refused(_BAD_PART)
        if isinstance(message, m.LogUpdate):
            too_long = returned.log_refusal(end)
            if too_long:
                raise Refused(too_long)
            return FileWork(message.agent, message, Path(job.details[task].log_file), None)
        if end > message.size:
            raise Refused(_BAD_PART)
        target = returned.place(message.path, message.size)
        relative = returned.in_folder(target)
        if relative:
            self._returned.add(job_id, relative)
        return FileWork(message.agent, message, target, Path(job.spec.temp_dir) if relative else None)
