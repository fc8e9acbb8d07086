"""A Windows machine for tests: Linux's sshd, whose sessions are those of OpenSSH for Windows.

No expectation about kq lives here.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from tests.remote.machines import RemoteMachine
from tests.windows.wine import PYTHON, Wine, python_processes, windows_path

__all__ = ["WindowsServer"]

_SFTP = "/usr/lib/openssh/sftp-server"
# sshd gives its sessions sockets, and Wine knows pipes. All that is started there keeps the error stream of
# Linux: nobody waits for its end. Wine tells in it of disks that it may not read.
_LOGIN = f"""#!/bin/bash
case $SSH_ORIGINAL_COMMAND in *sftp*) exec {_SFTP} -d "$HOME" ;; esac
{{exports}}
folder=$(mktemp -d)
cat | {{{{
    wine {{session}}
    echo "over $?" >&2
}}}} 2> >(cat >"$folder/errors" 2>/dev/null) | cat
until grep -q '^over ' "$folder/errors"; do sleep 0.05; done
grep -av -e '^wine: ' -e '^over ' "$folder/errors" >&2
code=$(sed -n 's/^over //p' "$folder/errors")
rm -r "$folder"
exit "$code"
"""


class WindowsServer(RemoteMachine):
    """Its user's folder is on that Windows; commands run there, by cmd and in a job of their own.

    Args:
        folder: for the SSH server's files.
        wine: the Windows.
        profile: the user's folder.
        variables: of its sessions, besides.
    """

    def __init__(self, folder: Path, wine: Wine, profile: Path, **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        login = folder / "login"
        super().__init__(folder, settings=f"ForceCommand {login}\nVersionAddendum for_Windows")
        self.wine = wine
        self.home = profile
        self.state = profile / ".katana-queue"
        environment = {**wine.environment, "KQ_TEST_PROFILE": windows_path(profile), **variables}
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
        login.write_text(_LOGIN.format(exports=exports, session=shlex.quote(str(wine.session))))
        login.chmod(0o755)

    def processes(self) -> dict[str, list[int]]:
        """Our programs that run there, by kind, by their pids on Linux."""
        found: dict[str, list[int]] = {"supervisor": [], "agent": [], "other": []}
        for pid, words in python_processes().items():
            kind = "supervisor" if "supervise" in words else "agent" if "--pulse" in words else "other"
            found[kind].append(pid)
        return found

    def supervised(self) -> list[dict[str, object]]:
        """What the supervisors there wrote of themselves and their Agents, with pids of Windows."""
        return [json.loads(path.read_bytes()) for path in self.state.glob("sessions/*/supervisor.json")]

    def end_process(self, pid: int) -> None:
        """End a process by Windows' means, as its Task Manager does."""
        # Wine's own taskkill would have it end with 0, as if it had done all that it was to do.
        script = (
            "import ctypes; k = ctypes.windll.kernel32; k.OpenProcess.restype = ctypes.c_void_p; "
            f"k.TerminateProcess(ctypes.c_void_p(k.OpenProcess(1, 0, {pid})), 1)"
        )
        done = self.wine.run(PYTHON, "-c", script)
        assert done.returncode == 0, done
