"""Following a job's logs from a command: copies what its attempts write, until the job has ended."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import BinaryIO

from kq.client.mirror import ConnectionStatus, QueueChange
from kq.client.queue_client import QueueClient
from kq.errors import ConnectionLost, NotFound
from kq.records import JobRecord

__all__ = ["LogFollower"]

_LOOK_S = 0.2


class LogFollower:
    """Copies the log of a job's latest attempt as it grows, and of each attempt that follows it."""

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
            self._ended = change.sentence
        self._changed.set()

    def copy_until_over(self, out: BinaryIO) -> JobRecord:
        """Copy to `out` until the job is over; returns its record then.

        Raises:
            NotFound: the job was removed meanwhile.
            ConnectionLost: the session ended before the job did.
        """
        path, offset = "", 0
        while True:
            record = self._client.job(self._job_id)
            if record is None:
                raise NotFound(f"there is no job {self._job_id} (any more)")
            if record.log_file != path:
                offset = _copy(path, offset, out)
                path, offset = record.log_file, 0
            offset = _copy(path, offset, out)
            if record.state.is_terminal:
                return record
            if self._ended:
                raise ConnectionLost(f"{self._ended} before job {self._job_id} did")
            self._changed.wait(_LOOK_S)
            self._changed.clear()


def _copy(path: str, offset: int, out: BinaryIO) -> int:
    """Copy what is beyond `offset`; returns how far that went."""
    if not path:
        return offset
    try:
        with open(path, "rb") as log:
            log.seek(offset)
            while chunk := log.read(1 << 20):
                out.write(chunk)
                offset += len(chunk)
        out.flush()
    except FileNotFoundError:
        pass  # the Agent has not made it yet
    return offset
