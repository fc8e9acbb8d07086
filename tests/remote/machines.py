"""Other machines for tests: a private SSH server on loopback, and one in a network namespace of its own.

No expectation about kq lives here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from kq.process import find_marked
from kq.remote import RemoteHost, RemoteStep
from kq.remote.ssh_keys import fingerprint
from tests.support.live_queue import is_alive, marked_with, until
from tests.support.ports import free_port

__all__ = [
    "Answers",
    "RemoteMachine",
    "SecondMachine",
    "SshServer",
    "why_no_second",
    "why_no_ssh",
]

_SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")


def why_no_ssh() -> str:
    """Why no SSH server can be started here; empty when it can."""
    if sys.platform != "linux":
        return "the private SSH server is for Linux"
    if _SSHD is None or shutil.which("ssh-keygen") is None:
        return "sshd or ssh-keygen is not installed (package openssh-server)"
    return ""


def why_no_second() -> str:
    """Why no second machine can be made here; empty when it can."""
    if why_no_ssh():
        return why_no_ssh()
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip", path=_PATH) is None or shutil.which("unshare") is None:
        return "ip or unshare is not installed (packages iproute2, util-linux)"
    name = f"kqtry{os.getpid()}"
    made = _quiet("ip", "netns", "add", name)
    if made.returncode != 0:
        return f"this kernel or container makes no network namespace: {made.stderr.strip()}"
    _quiet("ip", "netns", "delete", name)
    tried = _quiet("unshare", "--uts", "--mount", "true")
    return f"no namespace for names and mounts: {tried.stderr.strip()}" if tried.returncode else ""


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _quiet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH}
    )


def _must(*arguments: str) -> str:
    done = _quiet(*arguments)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return done.stdout


class Answers:
    """A person who answers as told, and remembers what was asked."""

    def __init__(
        self, *, accept: bool = True, passphrases: tuple[str, ...] = (), tunnel: bool = False
    ) -> None:
        self.accept = accept
        self.passphrases = list(passphrases)
        self.tunnel = tunnel
        self.asked: list[str] = []

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        self.asked.append(f"host key of {host}: {kind} {fingerprint}")
        return self.accept

    def passphrase(self, key_file: str, again: bool) -> str | None:
        self.asked.append(f"passphrase of {key_file}{', again' if again else ''}")
        return self.passphrases.pop(0) if self.passphrases else None

    def use_tunnel(self, why: str) -> bool:
        self.asked.append(f"tunnel: {why}")
        return self.tunnel


class RemoteMachine:
    """A machine with an SSH server, a user's home and a key that is let in.

    Skips the test, with the reason, where no SSH server can be started.

    Attributes:
        home: the home folder over there; `state` is where Agents keep what is theirs.
        key: a private key that is let in.
    """

    address = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        settings: str = "",
        home_name: str = "home",
        variables: str = "",
        sftp: bool = True,
    ) -> None:
        if reason := why_no_ssh():
            pytest.skip(reason)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.home = folder / home_name
        self.home.mkdir(exist_ok=True)
        self.state = self.home / ".katana-queue"
        self.key = folder / "id_ed25519"
        self._settings = settings
        self._variables = variables
        self._sftp = sftp
        self._process: subprocess.Popen[bytes] | None = None
        self.make_key(self.key)
        self.new_host_key()
        (folder / "authorized").write_text(self.key.with_suffix(".pub").read_text())

    def make_key(self, path: Path, passphrase: str = "") -> Path:
        """A private key, which is not let in unless it is authorized."""
        _must("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path))
        return path

    def authorize(self, key: Path) -> None:
        """Let the owner of `key` in."""
        with (self.folder / "authorized").open("a") as file:
            file.write(Path(f"{key}.pub").read_text())

    def new_host_key(self) -> None:
        """As if the machine was installed anew."""
        for path in self.folder.glob("hostkey*"):
            path.unlink()
        self.make_key(self.folder / "hostkey")

    @property
    def host_fingerprint(self) -> str:
        """As it is shown to people."""
        return fingerprint(paramiko.Ed25519Key.from_private_key_file(str(self.folder / "hostkey")))

    def _command(self) -> list[str]:
        assert _SSHD is not None
        return [_SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]

    def start(self) -> None:
        """Start its SSH server; returns when it can be reached."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        quoted = str(self.home).replace('"', '\\"')
        subsystem = f'Subsystem sftp internal-sftp -d "{quoted}"' if self._sftp else ""
        (self.folder / "sshd_config").write_text(
            f"ListenAddress {self.address}\nPort {self.port}\nHostKey {self.folder / 'hostkey'}\n"
            f"PidFile {self.folder / 'sshd.pid'}\nAuthorizedKeysFile {self.folder / 'authorized'}\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin yes\nPrintMotd no\n{subsystem}\n"
            f'SetEnv "HOME={quoted}" KQ_TEST_RUN={os.environ.get("KQ_TEST_RUN", "")} '
            f"{self._variables}\n{self._settings}\n"
        )
        with (self.folder / "sshd.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: "Server listening" in self.log() or self._process_ended(), "the SSH server")
        assert not self._process_ended(), self.log()

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def log(self) -> str:
        """What its SSH server wrote."""
        return (self.folder / "sshd.log").read_text(errors="replace")

    def drop_connections(self) -> None:
        """End the SSH server with all its connections, as a restart of the machine's service does."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
            # Its connections' processes lead sessions of their own.
            for pid in _sshd_children(self.folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def kill_programs(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End our programs there all at once. By SIGKILL, as by a power cut, none learns of another's end."""
        pids = [pid for of_kind in self.processes().values() for pid in of_kind]
        for each in (signal.SIGSTOP, number, signal.SIGCONT):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, each)

    def stand_still(self) -> None:
        """Nothing moves any more on the connections that there are; new ones are taken as ever."""
        assert self._process is not None
        for pid in _sshd_children(self.folder):
            if pid != self._process.pid:
                os.kill(pid, signal.SIGSTOP)

    def close(self) -> None:
        """Switch it off."""
        self.drop_connections()

    def __enter__(self) -> RemoteMachine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def target(self, **fields: object) -> RemoteHost:
        """What an artist would ask for."""
        asked = {"host": self.address, "port": self.port, "private_key": str(self.key), "num_agents": 2}
        return RemoteHost(**{**asked, **fields})  # type: ignore[arg-type]  # by name, as the struct has them

    def processes(self) -> dict[str, list[int]]:
        """Our programs that run there, by kind."""
        found: dict[str, list[int]] = {"supervisor": [], "agent": [], "other": []}
        for path in (self.state / "sessions").glob("*"):
            # What an Agent is just starting looks like that Agent until its exec.
            programs = {each.pid for each in find_marked("KQ_REMOTE", path.name, forks=False)}
            for pid in marked_with("KQ_REMOTE", path.name):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                kind = "supervisor" if "supervise" in words else "agent" if "--pulse" in words else "other"
                if pid not in programs:
                    kind = "other"
                found[kind].append(pid)
        return found


SshServer = RemoteMachine


def _sshd_children(folder: Path) -> list[int]:
    """Processes of connections that the server of `folder` accepted: they show its key file's folder nowhere,
    and are told by their environment or open log."""
    found = []
    log = folder / "sshd.log"
    for name in os.listdir("/proc"):  # noqa: PTH208  # a glob fails where a process ends meanwhile
        with contextlib.suppress(OSError):
            same = name.isdigit() and Path(f"/proc/{name}/fd/2").resolve() == log.resolve()
            if same and int(name) != os.getpid():
                found.append(int(name))
    return found


class SecondMachine(RemoteMachine):
    """A machine in a network namespace: its own address and host name, and none of our data root.

    Args:
        hidden: a folder of ours that it does not see.
        number: which of the machines of this test run it is.
    """

    def __init__(
        self, folder: Path, *, hidden: Path | None = None, number: int = 1, settings: str = ""
    ) -> None:
        tag = f"{os.getpid() % 100000}{number}"
        self.namespace, self.near, self.far = f"kq{tag}", f"kqn{tag}", f"kqf{tag}"
        # No two workers of a run have the same network.
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        network = f"10.{200 + worker}.{os.getpid() % 250 + 1}"
        self.gateway, self.address = f"{network}.{4 * number + 1}", f"{network}.{4 * number + 2}"
        self.host_name = f"farm-{'abcdefgh'[number]}"
        self._hidden = hidden
        super().__init__(folder, port=22, settings=settings)

    def start(self) -> None:
        self._make_network()
        try:
            super().start()
        except BaseException:
            self.close()
            raise

    def _make_network(self) -> None:
        _must("ip", "netns", "add", self.namespace)
        _must("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far)
        _must("ip", "link", "set", self.far, "netns", self.namespace)
        _must("ip", "addr", "add", f"{self.gateway}/30", "dev", self.near)
        _must("ip", "link", "set", self.near, "up")
        inside = ("ip", "netns", "exec", self.namespace, "ip")
        _must(*inside, "addr", "add", f"{self.address}/30", "dev", self.far)
        _must(*inside, "link", "set", self.far, "up")
        _must(*inside, "link", "set", "lo", "up")

    def _command(self) -> list[str]:
        hide = f"mount -t tmpfs none '{self._hidden}' && " if self._hidden is not None else ""
        sshd = " ".join(super()._command())
        script = f"hostname {self.host_name} && {hide}exec {sshd}"
        return ["ip", "netns", "exec", self.namespace, "unshare", "--uts", "--mount", "sh", "-c", script]

    def cut(self) -> None:
        """No packet arrives any more, in either direction, without an error."""
        nowhere = "02:00:00:00:00:99"
        _must("ip", "neigh", "replace", self.address, "lladdr", nowhere, "dev", self.near, "nud", "permanent")
        _must(
            "ip", "netns", "exec", self.namespace,
            "ip", "neigh", "replace", self.gateway, "lladdr", nowhere, "dev", self.far, "nud", "permanent",
        )  # fmt: skip

    def heal(self) -> None:
        """The cable is back."""
        _must("ip", "neigh", "del", self.address, "dev", self.near)
        _must("ip", "netns", "exec", self.namespace, "ip", "neigh", "del", self.gateway, "dev", self.far)

    def close(self) -> None:
        self.drop_connections()
        _quiet("ip", "link", "delete", self.near)
        _quiet("ip", "netns", "delete", self.namespace)


class Reports:
    """Collects the steps of a launch; may cancel it at one."""

    def __init__(self, cancel_at: str = "") -> None:
        self.steps: list[RemoteStep] = []
        self.cancelled = threading.Event()
        self._cancel_at = cancel_at

    def __call__(self, step: RemoteStep) -> None:
        self.steps.append(step)
        if step.name == self._cancel_at:
            self.cancelled.set()

    def text(self) -> str:
        """For a failing test's message."""
        return "\n".join(f"{step.name} {step.state}: {step.message}" for step in self.steps)


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port of loopback that swallows packets: no answer, no refusal."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Once the backlog is full, the kernel drops what comes.
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield int(listener.getsockname()[1])


def gone(pids: list[int]) -> bool:
    """Whether none of them runs."""
    return not any(is_alive(pid) for pid in pids)
