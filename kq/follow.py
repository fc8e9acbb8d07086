"""Follows a job's logs for a command: copies the output of its attempts until the job has ended."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import BinaryIO

from .client.mirror import ConnectionStatus, QueueChange
from .client.queue_client import QueueClient
from .errors import ConnectionLost, NotFound
from .records import JobRecord

__all__ = ["LogFollower"]

_POLL_INTERVAL_S = 0.2
_TASKS_AT_ONCE = 1000
_ANSWER_S = 15.0


class LogFollower:
    """Copies the log of a job's latest attempt as it grows, and those of later attempts."""

    def __init__(self, client: QueueClient, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._changed = threading.Event()
        self._ended = ""
        self._remove = client.add_listener(self._on_change)

    def __enter__(self) -> LogFollower:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._remove()

    def _on_change(self, change: QueueChange) -> None:
        if change.status is ConnectionStatus.ENDED:
            self._ended = change.message
        self._changed.set()

    def copy_until_over(self, out: BinaryIO) -> JobRecord:
        """Copy to `out` until the job has ended. Blocks. Returns the job's final record.

        For a job with several tasks, copies the log of the latest started one as it grows, and at the end the
        rest of all logs, in the order of tasks.

        Raises:
            NotFound: the job was removed meanwhile.
            ConnectionLost: the session ended before the job did.
        """
        copied: dict[str, int] = {}
        path = ""
        while True:
            record = self._client.job(self._job_id)
            if record is None:
                raise NotFound(f"there is no job {self._job_id} (any more)")
            if copied or record.tasks == 1 or not record.state.is_terminal:
                for each in dict.fromkeys((path, record.log_file)):
                    copied[each] = _copy(each, copied.get(each, 0), out)
            path = record.log_file
            if record.state.is_terminal:
                if record.tasks > 1:
                    self._copy_rest(record.tasks, copied, out)
                return record
            if self._ended:
                raise ConnectionLost(f"{self._ended} before job {self._job_id} did")
            self._changed.wait(_POLL_INTERVAL_S)
            self._changed.clear()

    def _copy_rest(self, tasks: int, copied: dict[str, int], out: BinaryIO) -> None:
        first = 0
        while first < tasks:
            try:
                page = self._client.tasks(self._job_id, first, _TASKS_AT_ONCE).result(_ANSWER_S)
            except TimeoutError as error:
                raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error
            if not page:
                return
            for task in page:
                _copy(task.log_file, copied.get(task.log_file, 0), out)
            first += len(page)


def _copy(path: str, offset: int, out: BinaryIO) -> int:
    """Copy from `offset` to the end of the file. Returns the new offset."""
    if not path:
        return offset
    try:
        log = open(path, "rb")  # noqa: SIM115  # errors while copying must not be caught here
    except OSError:
        return offset  # the Agent has not created it yet, or could not
    with log:
        log.seek(offset)
        while chunk := log.read(1 << 20):
            out.write(chunk)
            offset += len(chunk)
    out.flush()
    return offset
