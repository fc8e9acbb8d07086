"""Fetches a job's temporary folder to a machine that does not see it. Nothing here waits: see `step`.

What has come stays, under its hash, for the next attempt and the other Agents of the machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from .. import messages as m
from ..files import create_file, is_safe_relative_path
from ..plain_text import quoted

__all__ = ["FolderFetch"]

_UNDER_WAY = 4
"""Parts that are asked for at once: a megabyte."""
_ASK_AGAIN_S = 4.0
_TIMEOUT_S = 60.0
_COPY_BYTES_A_STEP = 32 << 20
_MAX_KEPT_BYTES = 10 << 30
_MAX_DAMAGED = 3


class FolderFetch:
    """One fetch of one folder. To be used from one thread.

    Attributes:
        failed: why it cannot be fetched; or empty.
        files: what was fetched, by relative path.
    """

    def __init__(
        self, agent_id: str, attempt: str, target: Path, store: Path, send: Callable[[m.FetchUpdate], object]
    ) -> None:
        """
        Args:
            target: the folder to make.
            store: the folder that keeps files by their hashes.
            send: sends to the server; may lose a message.
        """
        self._agent = agent_id
        self._attempt = attempt
        self._target = target
        self._store = store
        self._send = send
        self.failed = ""
        self.files: dict[str, m.FolderEntry] = {}
        self.fetched_bytes = 0
        """What came over the wire; the rest was there already."""
        self._listed = False
        self._missing: list[m.FolderEntry] = []
        self._copies: Iterator[None] | None = None
        self._entry: m.FolderEntry | None = None
        self._part: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._expected = 0
        """Of the file that is under way: how much has come."""
        self._asked = 0
        """And how much was asked for."""
        self._damaged = 0
        self._receipt = 0
        self._last_answer = self._last_ask = time.monotonic()

    def start(self) -> None:
        """Ask for the list. Raises OSError when there is no room for what comes."""
        self._target.mkdir(parents=True, exist_ok=True)
        self._store.mkdir(parents=True, exist_ok=True)
        _make_room(self._store)
        self._ask("", 0)

    def step(self) -> bool:
        """Go on. Returns whether it is over, for better or worse. Raises OSError."""
        if self.failed:
            self.close()
            return True
        if self._copies is not None:
            if next(self._copies, self) is self:
                self._copies = None
                return True
            return False
        now = time.monotonic()
        if now - self._last_answer > _TIMEOUT_S:
            self.failed = f"the job's temporary folder did not arrive: no answer for {_TIMEOUT_S:.0f} s"
        elif now - max(self._last_answer, self._last_ask) > _ASK_AGAIN_S:
            # Lost with a connection.
            if not self._listed:
                self._ask("", len(self.files))
            elif self._entry is not None:
                self._asked = self._expected
                self._ask_parts()
        return False

    @property
    def next_step_s(self) -> float:
        """Seconds until `step` has something to do, unless something arrives before."""
        return 0.0 if self._copies is not None or self.failed else 1.0

    def take(self, order: m.FolderOrder | m.FilePartOrder) -> None:
        """Take an answer. Raises OSError."""
        if order.attempt != self._attempt or self.failed or self._copies is not None:
            return
        self._last_answer = time.monotonic()
        self._receipt = order.receipt or self._receipt
        if order.refused:
            self.failed = f"the job's temporary folder cannot be fetched: {order.refused}"
        elif isinstance(order, m.FolderOrder):
            self._take_list(order)
        elif self._entry is not None and order.path == self._entry.path and order.offset == self._expected:
            self._take_part(order.data)

    def close(self) -> None:
        """Drop what is not whole."""
        if self._part is not None:
            self._part.close()
            self._part_path.unlink(missing_ok=True)
            self._part = None

    # --- the list -----------------------------------------------------------------

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

    # --- files --------------------------------------------------------------------

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
            # Another Agent of this machine fetched it meanwhile.
        self._entry = None
        self._ask("", -1)  # the last parts were read, too
        self._copies = self._copy()

    def _begin_file(self) -> None:
        self._part = create_file(self._part_path)
        self._hash = hashlib.sha256()
        self._expected = self._asked = 0
        assert self._entry is not None
        if self._entry.size:
            self._ask_parts()
        else:
            self._file_came()

    def _ask_parts(self) -> None:
        assert self._entry is not None
        ahead = _UNDER_WAY * m.STREAM_PART_BYTES
        while self._asked < min(self._expected + ahead, self._entry.size):
            self._ask(self._entry.path, self._asked)
            self._asked += m.STREAM_PART_BYTES

    def _take_part(self, data: bytes) -> None:
        assert self._part is not None and self._entry is not None
        self._part.write(data)
        self._hash.update(data)
        self._expected += len(data)
        self.fetched_bytes += len(data)
        if len(data) < m.STREAM_PART_BYTES or self._expected >= self._entry.size:
            self._file_came()
        else:
            self._ask_parts()

    def _file_came(self) -> None:
        assert self._part is not None and self._entry is not None
        self._part.close()
        self._part = None
        if self._expected == self._entry.size and self._hash.hexdigest() == self._entry.digest:
            self._part_path.replace(self._store / self._entry.digest)
            self._next_file()
            return
        self._part_path.unlink(missing_ok=True)
        self._damaged += 1
        if self._damaged > _MAX_DAMAGED:
            self.failed = f"{self._entry.path} of the job's temporary folder changes while it is fetched"
            return
        # Written to since it was listed: ask for the list anew.
        self._entry, self._listed, self.files = None, False, {}
        self._ask("", 0)

    def _copy(self) -> Iterator[None]:
        """Make the folder of what is in the store; every so often, yield."""
        copied = 0
        for entry in self.files.values():
            path = self._target / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with (self._store / entry.digest).open("rb") as source, path.open("wb") as copy:
                while block := source.read(4 << 20):
                    copy.write(block)
                    copied += len(block)
                    if copied >= _COPY_BYTES_A_STEP:
                        copied = 0
                        yield
            if entry.executable:
                path.chmod(0o755)
            os.utime(self._store / entry.digest)

    def _ask(self, path: str, offset: int) -> None:
        self._last_ask = time.monotonic()
        self._send(
            m.FetchUpdate(
                agent=self._agent, attempt=self._attempt, path=path, offset=offset, receipt=self._receipt
            )
        )


def _is_kept(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False  # it is not there; or cannot be used, and is fetched anew


def _make_room(store: Path) -> None:
    """Drop what was used longest ago when more is kept than is reasonable, or the disk is nearly full."""
    kept = []
    for path in store.iterdir():
        try:
            status = path.stat()
        except OSError:
            continue  # another Agent moved it this moment
        kept.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in kept)
    free = shutil.disk_usage(store).free
    for used, size, path in sorted(kept):
        # What was used this minute may be under another Agent's hands.
        if (total <= _MAX_KEPT_BYTES and free > 1 << 30) or time.time() - used < 60.0:
            return
        path.unlink(missing_ok=True)
        total, free = total - size, free + size
