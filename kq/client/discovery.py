"""Finds the live sessions of a data root, for `kq` commands outside the desktop. Reads files only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .. import process
from ..errors import ConnectionLost, KqError
from ..own_files import OwnFolder, read_own
from ..own_folders import keys_folder, own_data_root, sessions_folder
from ..records import SessionRecord

__all__ = ["find_session", "live_sessions", "on_other_ports"]


def live_sessions(data_root: Path) -> list[SessionRecord]:
    """Return this user's live sessions on this machine whose data root is `data_root`, newest first.

    Raises:
        BadSetting: there is no folder for sessions.
        SessionFailed: the data root cannot be used.
    """
    roots = {str(data_root), str(own_data_root(data_root, create=False))}
    found: list[tuple[float, SessionRecord]] = []
    for keys in sessions_folder().glob("*/"):
        try:
            with OwnFolder(keys) as folder:
                record = msgspec.json.decode(folder.read("client.json"), type=SessionRecord)
                written = folder.status("client.json").st_mtime
        except (OSError, msgspec.DecodeError):
            continue  # the session has just ended
        if record.data_root in roots and _is_guarded(record):
            found.append((written, record))
    return [record for _, record in sorted(found, key=lambda item: -item[0])]


def _is_guarded(record: SessionRecord) -> bool:
    """Whether the session's guardian runs: it restarts a server that died."""
    try:
        _, pid, started, _ = record.session.rsplit(":", 3)
        now = process.process_start_time(int(pid))
    except ValueError:
        return process.process_start_time(record.pid) is not None  # a server without a guardian
    return now is not None and f"{now:.2f}" == started


def on_other_ports(record: SessionRecord) -> SessionRecord | None:
    """Return the session's current record if its server has changed ports, else None. Reads one file."""
    try:
        content = read_own(keys_folder(Path(record.queue_dir)) / "client.json")
        found = msgspec.json.decode(content, type=SessionRecord)
    except (KqError, OSError, msgspec.DecodeError):
        return None  # the session is ending
    return found if found.session == record.session and found.ports != record.ports else None


def find_session(data_root: Path) -> SessionRecord:
    """Return the live session of `data_root` that was started last.

    Raises:
        ConnectionLost: there is none.
        BadSetting, SessionFailed: see `live_sessions`.
    """
    sessions = live_sessions(data_root)
    if not sessions:
        raise ConnectionLost(
            f"no queue runs with the data root {data_root}: open the desktop, or run `kq serve`, "
            f"with the same KQ_DATA_ROOT"
        )
    return sessions[0]
