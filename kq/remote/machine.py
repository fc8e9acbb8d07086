"""Runs kq's programs on a Linux or macOS machine over SSH. Twin of windows_machine.

The caller interprets their replies.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any

import msgspec
import paramiko

from ..errors import RemoteFailed
from .hosts import LOCAL_ROOT, RemoteHost, local_katana_root
from .quoting import posix_command
from .ssh import Connection, Output
from .steps import OpenStep, Steps

__all__ = ["SCRIPTS", "UNBROKEN_S", "Machine", "PosixMachine", "marked_line", "newest_python"]

SCRIPTS = LOCAL_ROOT / "resources" / "scripts"
_MARK = "kq-remote: "
_LEAST_PYTHON = (3, 11)
_START_S = 45.0
UNBROKEN_S = 20.0
"""How long to wait for StartAgents after a cancel, in seconds; it times out by itself before that."""

# One line each, so that any shell passes them on. _VERSION is valid in Python 2 too, so that an old Python
# can report its version.
_VERSION = 'import sys; sys.stdout.write("%d.%d.%d" % sys.version_info[:3])'
_FIND_PYTHON = (
    'for name in "$@"; do path=$(command -v "$name" 2>/dev/null) || continue; '
    f"version=$(\"$path\" -c '{_VERSION}' 2>/dev/null </dev/null); "
    'printf \'%s\\t%s\\n\' "$path" "$version"; done'
)
_FIND_KQ = (
    'for folder in "$@"; do if [ -f "$folder/kq/remote_host/__main__.py" ]; then '
    '(cd "$folder" && pwd); exit 0; fi; done; exit 3'
)


class Machine:
    """Base of both kinds of machine. Methods block. `find_python` and `find_kq` come first."""

    system = ""
    path_type: type[PurePath] = PurePosixPath
    """Of paths there, in that system's notation."""

    def __init__(self, connection: Connection, host: RemoteHost, steps: Steps) -> None:
        self.connection = connection
        self.host = host
        self.steps = steps
        self.python = ""
        self.kq_root = ""
        self.katana_root = host.katana_root or local_katana_root()

    # --- For each kind of machine ---

    def find_system(self) -> str:
        """Return a description of its operating system. Raises RemoteFailed."""
        raise NotImplementedError

    def find_python(self) -> str:
        """Find an interpreter. Returns a message with path and version. Raises RemoteFailed."""
        raise NotImplementedError

    def find_kq(self) -> str:
        """Find and return the folder that contains kq. Raises RemoteFailed."""
        raise NotImplementedError

    def install_scripts(self) -> list[str]:
        """Copy StartAgents and StopAgents to the home folder. Returns the names of those that changed."""
        raise NotImplementedError

    def start_agents(
        self, arguments: Sequence[str], connection: bytes, first_log: int, step: OpenStep
    ) -> Any:
        """Run StartAgents and return its decoded reply.

        Args:
            arguments: its seven arguments.
            connection: the connection file, for standard input; it holds a secret key.
            first_log: number in the name of the first Agent's log.
            step: shows the progress.

        Raises:
            RemoteFailed: it failed or timed out. Cancelled.
        """
        raise NotImplementedError

    def run_kq(
        self,
        arguments: Sequence[str],
        stdin: bytes = b"",
        step: OpenStep | None = None,
        timeout_s: float = 30.0,
    ) -> Any:
        """Run a command of kq.remote_host, and return its decoded reply. Raises RemoteFailed."""
        raise NotImplementedError

    def stop_agents(self, session: str) -> Any:
        """Run StopAgents for one session, and return its decoded reply. Raises RemoteFailed."""
        raise NotImplementedError

    # --- Shared ---

    def _candidates(self) -> list[str]:
        """Folders that may contain kq: the configured one, else the usual ones."""
        if self.host.kq_root:
            return [self.host.kq_root]
        return list(dict.fromkeys((str(LOCAL_ROOT), self.katana_root)))

    def _no_kq(self) -> str:
        return f"Katana Queue is not on {self.host.host} in {', nor in '.join(self._candidates())}"

    def _answer(self, output: Output, what: str) -> Any:
        line = marked_line(output.out)
        if line is None or output.code != 0:
            raise RemoteFailed(f"{what} failed on {self.host.host}: {_explain(output, self.python)}")
        return line

    def _copy_scripts(self, names: Sequence[str], home: str, mode: int | None = 0o755) -> list[str]:
        """Copy scripts that differ by SFTP; `mode`: permissions to set. Returns the names of those copied."""
        installed: list[str] = []

        def copy(sftp: paramiko.SFTPClient) -> None:
            for name in names:
                content = (SCRIPTS / name).read_bytes()
                target = f"{home}/{name}"
                if _is_same(sftp, target, content):
                    continue
                fresh = f"{target}.{secrets.token_hex(4)}"
                try:
                    with sftp.open(fresh, "wb") as file:
                        file.write(content)
                    if mode is not None:
                        sftp.chmod(fresh, mode)
                    sftp.posix_rename(fresh, target)
                except OSError:
                    _remove(sftp, fresh)
                    raise
                installed.append(name)

        self.connection.with_files(self.steps, copy)
        return installed


class PosixMachine(Machine):
    """Linux or macOS."""

    def _run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        stdin: bytes = b"",
        step: OpenStep | None = None,
        timeout_s: float = 30.0,
        unbroken_s: float = 0.0,
    ) -> Output:
        """Run a script with /bin/sh. The result excludes output of the user's shell profile."""
        mark = f"kq-{secrets.token_hex(8)}"
        output = self.connection.run(
            posix_command(f"printf '%s\\n' {mark}; {script}", arguments),
            self.steps,
            stdin=stdin,
            timeout_s=timeout_s,
            step=step,
            unbroken_s=unbroken_s,
        )
        before, found, after = output.out.partition(mark + "\n")
        if not found:
            raise RemoteFailed(
                f"commands do not run on {self.host.host}: {output.complaint or before[-200:]}; can "
                f"{self.connection.route.user} log in and start programs there?"
            )
        return Output(output.code, after, output.err)

    def find_system(self) -> str:
        output = self._run("uname -srm; uname -n")
        lines = output.out.split("\n")
        if output.code != 0 or not lines[0].startswith(("Linux", "Darwin")):
            raise RemoteFailed(
                f"{self.host.host} runs {lines[0] or 'an unknown system'}: Agents need Linux, macOS, Windows"
            )
        self.system = lines[0].split()[0]
        return f"{lines[0]}, its name is {lines[1]}"

    def find_python(self) -> str:
        roots = (self.katana_root, *self._candidates())
        candidates = [self.host.python] if self.host.python else []
        if not self.host.python:
            for root in dict.fromkeys(roots):
                folders = ("bin/python.sh", "bin/python3", "bin/python", ".venv/bin/python")
                candidates += [f"{root}/{name}" for name in folders]
            candidates += ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]
        output = self._run(_FIND_PYTHON, candidates)
        self.python, version = newest_python(output.out, self.host)
        return f"{self.python}, version {version}"

    def find_kq(self) -> str:
        output = self._run(_FIND_KQ, self._candidates())
        if output.code != 0:
            raise RemoteFailed(
                f"{self._no_kq()}: install it at the same path as here, or set Katana Install to its folder"
            )
        self.kq_root = output.out.strip()
        return self.kq_root

    def run_kq(
        self,
        arguments: Sequence[str],
        stdin: bytes = b"",
        step: OpenStep | None = None,
        timeout_s: float = 30.0,
    ) -> Any:
        program = str(PurePosixPath(self.kq_root) / "kq" / "remote_host" / "__main__.py")
        output = self._run('exec "$@"', [self.python, "-P", program, *arguments], stdin, step, timeout_s)
        return self._answer(output, arguments[0])

    def install_scripts(self) -> list[str]:
        home = self._run('printf %s "$HOME"').out.strip()
        if not home.startswith("/"):
            raise RemoteFailed(f"{self.connection.route.user} has no home folder on {self.host.host}")
        return self._copy_scripts(("StartAgents.sh", "StopAgents.sh"), home)

    def start_agents(
        self, arguments: Sequence[str], connection: bytes, first_log: int, step: OpenStep
    ) -> Any:
        # `-`: the key is read from standard input, so that no variable or argument holds a secret.
        script = (
            'KQ_CONNECTION=- KQ_ROOT="$1" KQ_PYTHON="$2" KQ_DESKTOP_ROOT="$3" KQ_FIRST_LOG="$4"; '
            "export KQ_CONNECTION KQ_ROOT KQ_PYTHON KQ_DESKTOP_ROOT KQ_FIRST_LOG; "
            'shift 4; cd "$HOME" && exec ./StartAgents.sh "$@"'
        )
        before = [self.kq_root, self.python, local_katana_root(), str(first_log)]
        output = self._run(script, [*before, *arguments], connection, step, _START_S, UNBROKEN_S)
        return self._answer(output, "StartAgents.sh")

    def stop_agents(self, session: str) -> Any:
        script = (
            'cd "$HOME" && if [ -x ./StopAgents.sh ]; then exec ./StopAgents.sh "$@"; fi; '
            "printf '%s\\n' 'kq-remote: {\"ended\":[]}'"
        )
        return self._answer(self._run(script, [session], timeout_s=_START_S), "StopAgents.sh")


def marked_line(text: str) -> Any:
    """Decode the reply of a kq program from the marked line of its output; None without one."""
    for line in reversed(text.splitlines()):
        if line.startswith(_MARK):
            try:
                return msgspec.json.decode(line.removeprefix(_MARK))
            except (msgspec.DecodeError, RecursionError):
                return None
    return None


def newest_python(listing: str, host: RemoteHost) -> tuple[str, str]:
    """Return path and version of the first interpreter in `listing` (lines of path, tab, version) that is new
    enough. Raises RemoteFailed when there is none.
    """
    found = [line.split("\t") for line in listing.splitlines() if line.count("\t") == 1]
    for path, version in found:
        numbers = tuple(int(part) for part in version.split(".")[:3] if re.fullmatch(r"[0-9]{1,4}", part))
        if numbers >= _LEAST_PYTHON:
            return path, version
    least = ".".join(map(str, _LEAST_PYTHON))
    if found:
        listed = ", ".join(f"{path} is {version or 'no Python'}" for path, version in found)
        raise RemoteFailed(
            f"Python {least} or later is needed on {host.host}, and {listed}: install one, or name another"
        )
    where = host.python or "Katana's folder or on the PATH"
    raise RemoteFailed(f"there is no Python in {where} on {host.host}: install {least} or later, or name one")


def _explain(output: Output, python: str) -> str:
    for line in output.err.splitlines():
        if line.startswith("ModuleNotFoundError: No module named"):
            name = line.rpartition("named ")[2].strip("'\" ").partition(".")[0]
            package = {"zmq": "pyzmq"}.get(name, name)
            return f"{python} has no {package}: install it there, with `{python} -m pip install {package}`"
    return output.complaint.removeprefix("kq: ")


def _is_same(sftp: paramiko.SFTPClient, path: str, content: bytes) -> bool:
    """Whether the remote file has this content. Reads at most one byte more: the file may be huge."""
    try:
        with sftp.open(path, "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False  # it is missing; any other error recurs when it is written


def _remove(sftp: paramiko.SFTPClient, path: str) -> None:
    try:
        sftp.remove(path)
    except OSError:
        pass  # it does not exist or cannot be removed; the caller raises the original error
