"""The data root: may it be written and locked, is there room, are the journals whole, what is left over?

Changes nothing there but one empty file, made and deleted at once. Journals are read as copies.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..files import try_lock
from ..guardian.folder import KEY_FILES
from ..own_folders import keys_folder
from .report import Finding, Verdict

__all__ = ["check_data_root", "check_queue_folder", "is_held"]

_LITTLE, _TOO_LITTLE = 2 * 2**30, 200 * 2**20
_LARGEST_JOURNAL = 2**30
_TIMEOUT_S = 3.0
"""For each of the things here that may take long on a slow share."""


def check_data_root(root: Path) -> Iterator[Finding]:
    """Can a session work here?"""
    topic = "data root"
    elsewhere = "set KQ_DATA_ROOT to a folder that you can write to"
    if not root.exists():
        above = next((each for each in root.parents if each.exists()), root)
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            yield Finding(Verdict.OK, topic, f"{root} does not exist yet; the first session creates it")
        else:
            yield Finding(
                Verdict.WRONG, topic, f"{root} does not exist, and cannot be created in {above}", elsewhere
            )
        return
    if not root.is_dir():
        yield Finding(Verdict.WRONG, topic, f"{root} is not a folder", elsewhere)
        return
    try:
        with tempfile.TemporaryFile(dir=root) as trial:
            trial.write(b"x")
            trial.flush()
            is_lockable = try_lock(trial)
    except OSError as error:
        yield Finding(Verdict.WRONG, topic, f"{root} cannot be written or locked: {error.strerror}",
                      elsewhere + ", on a disk with file locks")  # fmt: skip
        return
    if not is_lockable:
        yield Finding(Verdict.WRONG, topic, f"{root} is on a disk whose file locks do not work", elsewhere)
        return
    yield _room(root)


def _room(root: Path) -> Finding:
    usage = shutil.disk_usage(root)
    size, is_all = _size_of(root)
    taken = ("" if is_all else "at least ") + _bytes(size)
    text = f"{root} is writable; {_bytes(usage.free)} free, {taken} used by kq"
    advice = "delete files there, or remove jobs with their logs: `kq remove ID ...`"
    if usage.free < _TOO_LITTLE:
        return Finding(Verdict.WRONG, "data root", f"{text}: the disk is almost full", advice)
    if usage.free < _LITTLE:
        return Finding(Verdict.NOTE, "data root", f"{text}: low disk space", advice)
    return Finding(Verdict.OK, "data root", text)


def _size_of(root: Path) -> tuple[int, bool]:
    """Bytes of the files below, and whether there was time to look at all of them."""
    until = time.monotonic() + _TIMEOUT_S
    size = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                size += os.lstat(f"{folder}/{name}").st_size
            except OSError:
                continue  # deleted meanwhile
            if time.monotonic() > until:
                return size, False
    return size, True


def is_held(folder: Path) -> bool:
    """Whether a session holds this folder of `queues`: its lock ends with its holder, however that ends."""
    try:
        with (folder / "lock").open("rb+") as lock:
            return not try_lock(lock)
    except OSError:
        return False


def check_queue_folder(folder: Path, *, in_use: bool) -> Iterator[Finding]:
    """Is one folder of `queues` private and its journal whole? A journal in use is its session's to judge."""
    topic = folder.name
    if sys.platform != "win32":
        keys = keys_folder(folder)
        for path in (folder, keys, *(keys / name for name in KEY_FILES)):
            try:
                mode = path.stat().st_mode
            except OSError:
                continue  # only a live session has key files
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                yield Finding(Verdict.WRONG, topic, f"other users can read {path}, a session's keys",
                              f"chmod go-rwx '{path}', and end the session that runs there")  # fmt: skip
    for path in sorted(folder.glob("journal.sqlite.unusable-*[0-9]")):  # without the logs beside them
        yield Finding(Verdict.NOTE, topic, f"{path} is a journal that could not be used and was put aside",
                      "delete it when it is no longer needed")  # fmt: skip
    journal = folder / "journal.sqlite"
    if journal.is_file() and not in_use:
        yield _check_journal(topic, journal)


def _check_journal(topic: str, journal: Path) -> Finding:
    parts = [each for each in (journal, journal.with_name(f"{journal.name}-wal")) if each.is_file()]
    put_aside = "no action needed: the next session copies what can be read, and reports what is missing"
    try:
        size = sum(each.stat().st_size for each in parts)
        if size > _LARGEST_JOURNAL:
            return Finding(
                Verdict.NOTE, topic, f"its journal of {_bytes(size)} is too large to be checked quickly"
            )
        with tempfile.TemporaryDirectory(prefix="kq-doctor-") as copies:
            for each in parts:
                shutil.copyfile(each, Path(copies, each.name))
            wrong, jobs = _look_into(Path(copies, journal.name))
    except TimeoutError:
        return Finding(Verdict.NOTE, topic, f"its journal could not be checked within {_TIMEOUT_S:g} s")
    except sqlite3.Error as error:
        return Finding(Verdict.WRONG, topic, f"its journal {journal} cannot be read: {error}", put_aside)
    except OSError as error:
        return Finding(Verdict.WRONG, topic, f"its journal {journal} cannot be copied: {error.strerror}",
                       "check its permissions, and whether the disk for temporary files is full")  # fmt: skip
    if wrong:
        return Finding(Verdict.WRONG, topic, f"its journal {journal} is damaged: {wrong}", put_aside)
    return Finding(Verdict.OK, topic, f"its journal is intact: {jobs} jobs, {_bytes(size)}")


def _look_into(journal: Path) -> tuple[str, int]:
    """What SQLite finds wrong, and how many jobs there are. Raises TimeoutError."""
    until = time.monotonic() + _TIMEOUT_S
    db = sqlite3.connect(journal)
    try:
        db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            return " ".join(found.split()), 0
        return "", int(db.execute("SELECT count(*) FROM jobs").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise TimeoutError from error
        raise
    finally:
        db.close()


def _bytes(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
