"""Downloads a job's temporary folder to a machine that does not share it. Nothing blocks: see `step`.

Files are kept under their hash for the next attempt and the machine's other Agents.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from .. import messages as m
from ..files import create_file, is_safe_relative_path, replace_file
from ..plain_text import quoted
from ..wire import AgentWire

__all__ = ["FolderDownload"]

_PARTS_IN_FLIGHT = 4
"""Parts requested ahead: one megabyte."""
_ASK_AGAIN_S = 4.0
_TIMEOUT_S = 60.0
_COPY_BYTES_A_STEP = 32 << 20
_MAX_KEPT_BYTES = 10 << 30
_MAX_DAMAGED = 3


class FolderDownload:
    """One download of one folder. To be used from one thread.

    Attributes:
        failed: why it failed, as a message; empty if it has not.
        files: the folder's files, by relative path.
    """

    def __init__(self, agent_id: str, attempt: str, target: Path, store: Path, wire: AgentWire) -> None:
        """
        Args:
            target: the folder to create.
            store: the folder in which files are kept by their hash.
        """
        self._agent = agent_id
        self._attempt = attempt
        self._target = target
        self._store = store
        self._wire = wire
        self.failed = ""
        self.files: dict[str, m.FolderEntry] = {}
        self.fetched_bytes = 0
        """Bytes that were transferred; other files were in `store` already."""
        self._listed = False
        self._missing: list[m.FolderEntry] = []
        self._copies: Iterator[None] | None = None
        self._entry: m.FolderEntry | None = None
        self._part: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._received = 0
        """Bytes of the current file that have arrived."""
        self._requested = 0
        """Bytes of the current file that were requested."""
        self._damaged = 0
        self._receipt = 0
        self._last_answer = self._last_ask = time.monotonic()

    def start(self) -> None:
        """Request the list of files. Raises OSError when a folder cannot be made or used."""
        self._target.mkdir(parents=True, exist_ok=True)
        self._store.mkdir(parents=True, exist_ok=True)
        _make_room(self._store)
        self._ask("", 0)

    def step(self) -> bool:
        """Do what is due: retry, time out, or copy up to 32 MiB into `target`.

        Returns:
            Whether the download has ended; see `failed`.

        Raises:
            OSError: a file cannot be written.
        """
        if self.failed:
            self.close()
            return True
        if self._copies is not None:
            try:
                if next(self._copies, self) is not self:
                    return False
            except _LostFile as error:
                self._copies = None
                self._list_again(str(error))
                return False
            self._copies = None
            return True
        now = time.monotonic()
        if now - self._last_answer > _TIMEOUT_S:
            self.failed = f"the job's temporary folder did not arrive: no answer for {_TIMEOUT_S:.0f} s"
        elif now - max(self._last_answer, self._last_ask) > _ASK_AGAIN_S:
            # The request or the reply was lost with a connection.
            if not self._listed:
                self._ask("", len(self.files))
            elif self._entry is not None:
                self._requested = self._received
                self._ask_parts()
        return False

    @property
    def next_step_s(self) -> float:
        """Seconds until `step` is due, if no message arrives before."""
        return 0.0 if self._copies is not None or self.failed else 1.0

    def take(self, order: m.FolderOrder | m.FilePartOrder) -> None:
        """Handle a reply of the server. Raises OSError when a file cannot be written."""
        if order.attempt != self._attempt or self.failed or self._copies is not None:
            return
        self._last_answer = time.monotonic()
        self._receipt = order.receipt or self._receipt
        if order.refused:
            self.failed = f"the job's temporary folder cannot be fetched: {order.refused}"
        elif isinstance(order, m.FolderOrder):
            self._take_list(order)
        elif self._entry is not None and order.path == self._entry.path and order.offset == self._received:
            self._take_part(order.data)

    def close(self) -> None:
        """Delete a file that is not complete."""
        if self._part is not None:
            self._part.close()
            self._part_path.unlink(missing_ok=True)
            self._part = None

    # --- The list ---

    def _take_list(self, order: m.FolderOrder) -> None:
        if self._listed or order.first != len(self.files):
            return
        for entry in order.files:
            if not is_safe_relative_path(entry.path):
                self.failed = f"the job's temporary folder has a file called {quoted(entry.path)}: rename it"
                return
            self.files[entry.path] = entry
        if order.more:
            self._ask("", len(self.files))
            return
        self._listed = True
        wanted: dict[str, m.FolderEntry] = {}
        for entry in self.files.values():
            if not _is_kept(self._store / entry.digest, entry.size):
                wanted.setdefault(entry.digest, entry)
        self._missing = list(wanted.values())
        self._next_file()

    # --- Files ---

    @property
    def _part_path(self) -> Path:
        name = hashlib.sha256(self._agent.encode()).hexdigest()[:12]
        return self._store / f".{name}.part"

    def _next_file(self) -> None:
        while self._missing:
            self._entry = self._missing.pop()
            if not _is_kept(self._store / self._entry.digest, self._entry.size):
                self._begin_file()
                return
            # Another Agent of this machine has downloaded it meanwhile.
        self._entry = None
        self._ask("", -1)  # confirms the last parts
        self._copies = self._copy()

    def _begin_file(self) -> None:
        self._part = create_file(self._part_path)
        self._hash = hashlib.sha256()
        self._received = self._requested = 0
        assert self._entry is not None
        if self._entry.size:
            self._ask_parts()
        else:
            self._finish_file()

    def _ask_parts(self) -> None:
        assert self._entry is not None
        ahead = _PARTS_IN_FLIGHT * m.STREAM_PART_BYTES
        while self._requested < min(self._received + ahead, self._entry.size):
            self._ask(self._entry.path, self._requested)
            self._requested += m.STREAM_PART_BYTES

    def _take_part(self, data: bytes) -> None:
        assert self._part is not None and self._entry is not None
        self._part.write(data)
        self._hash.update(data)
        self._received += len(data)
        self.fetched_bytes += len(data)
        if len(data) < m.STREAM_PART_BYTES or self._received >= self._entry.size:
            self._finish_file()
        else:
            self._ask_parts()

    def _finish_file(self) -> None:
        assert self._part is not None and self._entry is not None
        self._part.close()
        self._part = None
        if self._received == self._entry.size and self._hash.hexdigest() == self._entry.digest:
            self._keep_part(self._store / self._entry.digest, self._entry.size)
            self._next_file()
            return
        self._part_path.unlink(missing_ok=True)
        # It was written to after it was listed.
        self._list_again(f"{self._entry.path} of the job's temporary folder changed while it was fetched")

    def _keep_part(self, kept: Path, size: int) -> None:
        # Another Agent of this machine may have fetched the same file, and read it: Windows replaces no file
        # that is open.
        if not _is_kept(kept, size):
            try:
                replace_file(self._part_path, kept)
            except PermissionError:
                if not _is_kept(kept, size):
                    raise
        with suppress(PermissionError):  # a virus scanner may have it open: the next file takes its place
            self._part_path.unlink(missing_ok=True)

    def _list_again(self, why: str) -> None:
        """Request the list again, to fetch what is not in `store`; fail for the reason `why` if too often."""
        self._damaged += 1
        if self._damaged > _MAX_DAMAGED:
            self.failed = why
            return
        self._entry, self._listed, self.files = None, False, {}
        self._last_answer = time.monotonic()  # copying may have taken longer than an answer may
        self._ask("", 0)

    def _copy(self) -> Iterator[None]:
        """Copy the files from `store` to `target`; yields after each 32 MiB. Raises _LostFile, OSError."""
        copied = 0
        for entry in self.files.values():
            path = self._target / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._kept(entry) as source, path.open("wb") as copy:
                while block := source.read(4 << 20):
                    copy.write(block)
                    copied += len(block)
                    if copied >= _COPY_BYTES_A_STEP:
                        copied = 0
                        yield
            if entry.executable:
                path.chmod(0o755)
            with suppress(FileNotFoundError):  # another Agent has made room just now
                os.utime(self._store / entry.digest)

    def _kept(self, entry: m.FolderEntry) -> IO[bytes]:
        try:
            return (self._store / entry.digest).open("rb")
        except FileNotFoundError as error:
            # It was there when the list came; another Agent of this machine has made room since.
            raise _LostFile(
                f"{entry.path} was deleted from {self._store} while others were fetched"
            ) from error

    def _ask(self, path: str, offset: int) -> None:
        self._last_ask = time.monotonic()
        self._wire.send_update(
            m.FetchUpdate(
                agent=self._agent, attempt=self._attempt, path=path, offset=offset, receipt=self._receipt
            )
        )


class _LostFile(Exception):
    """A file that was kept is gone, and has to be fetched again."""


def _is_kept(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False  # it does not exist, or cannot be used and is downloaded again


def _make_room(store: Path) -> None:
    """Delete the least recently used files while more than 10 GiB are kept or less than 1 GiB is free."""
    kept = []
    for path in store.iterdir():
        try:
            status = path.stat()
        except OSError:
            continue  # another Agent has just moved it
        kept.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in kept)
    free = shutil.disk_usage(store).free
    for used, size, path in sorted(kept):
        # A file used within the last minute may be in use by another Agent.
        if (total <= _MAX_KEPT_BYTES and free > 1 << 30) or time.time() - used < 60.0:
            return
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            continue  # on Windows another Agent has it open
        total, free = total - size, free + size
