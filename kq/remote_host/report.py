"""Reports on this machine for the desktop's preflight checks. Writes one token file."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from .. import __version__, process
from ..messages import PROTOCOL_VERSION
from ..own_files import read_own, write_private
from .folder import HostFolder, base_folder

__all__ = ["ReportRequest", "report"]


class ReportRequest(msgspec.Struct, kw_only=True):
    """What the desktop asks about. Empty fields are left out of the report."""

    data_root: str = ""
    share_file: str = ""
    share_token: str = ""
    render_program: str = ""
    session: str = ""


def report(content: bytes) -> dict[str, Any]:
    """Return the report for a ReportRequest in JSON. Raises msgspec.DecodeError."""
    request = msgspec.json.decode(content, type=ReportRequest)
    base = base_folder()
    nearest = next(path for path in (base, *base.parents) if path.exists())
    # A login without a home folder would get one of its own beside the other users'.
    has_home = bool(os.environ.get("KQ_REMOTE_DIR")) or base.parent.exists()
    facts: dict[str, Any] = {
        "version": __version__,
        "protocol": PROTOCOL_VERSION,
        "python": platform.python_version(),
        "executable": sys.executable,
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": process.usable_cores(),
        "memory": _memory(),
        "time": time.time(),
        "free_disk": shutil.disk_usage(nearest).free,
        "base": str(base),
        "base_writable": has_home and os.access(nearest, os.W_OK),
        "render_program": process.program_path(request.render_program) if request.render_program else "",
    }
    if request.data_root:
        facts["data_root"] = _data_root_facts(request)
    if request.session:
        living = HostFolder.of(request.session).read_running()
        facts["agents"] = [agent_id for agent_id, _, _ in living.agents] if living is not None else []
    return facts


def _memory() -> int:
    if sys.platform == "win32":
        return 0  # unknown on Windows; only shown to the user
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0  # unknown on this system


def _data_root_facts(request: ReportRequest) -> dict[str, Any]:
    """Report whether KQ_DATA_ROOT exists here, is the desktop's, and can be read and written."""
    root = Path(request.data_root)
    try:
        exists = root.is_dir()
    except OSError as error:
        return {"exists": False, "problem": error.strerror or str(error)}
    found: dict[str, Any] = {"exists": exists, "same": False, "readable": False, "answer": "", "problem": ""}
    if not exists or not request.share_file:
        return found
    try:
        found["same"] = read_own(root / request.share_file) == request.share_token.encode()
        found["readable"] = True
    except FileNotFoundError:
        found["readable"] = os.access(root, os.R_OK)
    except OSError as error:
        found["problem"] = getattr(error, "strerror", None) or str(error)
    if found["same"]:
        answer = f"{request.share_file}-{secrets.token_hex(4)}"
        try:
            write_private(root / answer, request.share_token.encode())
            found["answer"] = answer
        except OSError as error:
            found["problem"] = error.strerror or str(error)
    return found
