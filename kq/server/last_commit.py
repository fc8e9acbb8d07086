"""Records the journal's last commit in a small file beside it, by which a loss of commits is detected.

SQLite takes a write-ahead log that is truncated or has a wrong byte for one that ended there.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from ..own_files import OwnFolder, read_own

__all__ = ["IN_MEMORY", "LastCommit", "LastCommitFile"]

_NUMBERS = struct.Struct("<5Q")
_CHECKSUM = struct.Struct("<I")


IN_MEMORY = Path(":memory:")
"""SQLite's name of a database without a file."""


class LastCommit(NamedTuple):
    """The content of the journal at one commit."""

    commits: int
    """The number of commits ever made."""
    jobs: int
    """The number of jobs in it."""
    last_number: int
    """The highest number that a job ever had."""
    size: int = 0
    """Size of its file in bytes when it was closed; 0 while it is open."""
    changed_ns: int = 0
    """Modification time of its file in ns when it was closed; 0 while it is open."""

    def is_of_file(self, path: Path) -> bool:
        """Whether the journal was closed, and its file was not changed since."""
        try:
            found = path.stat()
        except OSError:
            return False
        has_log = path.with_name(f"{path.name}-wal").exists()
        return not has_log and (found.st_size, found.st_mtime_ns) == (self.size, self.changed_ns)


class LastCommitFile:
    """The file beside one journal. Errors of writing are ignored: then no loss is detected."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._path = journal.with_name(f"{journal.name}-last")
        self._file: int | None = None

    def read(self) -> LastCommit | None:
        """The last commit that was written; None if the file is missing or damaged."""
        try:
            content = read_own(self._path)
        except OSError:
            return None
        if len(content) != _NUMBERS.size + _CHECKSUM.size:
            return None
        numbers = content[: _NUMBERS.size]
        if _CHECKSUM.unpack(content[_NUMBERS.size :]) != (crc32(numbers),):
            return None
        return LastCommit(*_NUMBERS.unpack(numbers))

    def write(self, last: LastCommit) -> None:
        """Write `last` over the earlier content."""
        numbers = _NUMBERS.pack(*last)
        if self._journal == IN_MEMORY:
            return
        with contextlib.suppress(OSError):
            if self._file is None:
                with OwnFolder(self._path.parent) as folder:
                    self._file = folder.open_to_update(self._path.name)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, numbers + _CHECKSUM.pack(crc32(numbers)))

    def close(self, last: LastCommit | None) -> None:
        """Close the file, and record that the journal was closed normally. To be called after that.

        Args:
            last: the journal's last commit; None to have it checked when it is opened next.
        """
        if last is not None:
            with contextlib.suppress(OSError):
                found = self._journal.stat()
                self.write(last._replace(size=found.st_size, changed_ns=found.st_mtime_ns))
        if self._file is not None:
            os.close(self._file)
            self._file = None
