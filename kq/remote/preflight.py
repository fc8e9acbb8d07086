"""The preflight checks of a remote machine, from its name to its disk. The first failure ends them.

The only change on that machine is a token file, which is removed again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import paramiko

from ..agent_config import AgentConfig
from ..errors import ConnectionLost, RemoteFailed
from ..messages import PROTOCOL_VERSION
from ..own_files import read_own, remove_own
from ..records import AgentRecord
from ..settings import Settings
from ..wire.probe import PortAnswer
from .addresses import choose_addresses
from .hosts import RemoteHost, local_katana_root, render_program
from .machine import Machine, PosixMachine
from .ssh import Connection
from .ssh_config import route_to
from .ssh_connecting import connect
from .steps import OpenStep, RemoteQuestions, Steps
from .tunnel import Tunnel
from .windows_machine import WindowsMachine

__all__ = ["Preflight", "Queue"]

_ANSWER_S = 10.0
_PROBE_S = 6.0
_MANY_SECONDS = 2.0
_LITTLE_DISK, _NO_DISK = 1 << 30, 64 << 20
_PORTS = ("request", "update", "broadcast")


class DataRootReport(msgspec.Struct, omit_defaults=True):
    """What the remote machine reports about KQ_DATA_ROOT."""

    exists: bool = False
    same: bool = False
    readable: bool = False
    answer: str = ""
    problem: str = ""


class HostReport(msgspec.Struct, omit_defaults=True):
    """What the remote machine reports about itself, typed for validation. See kq.remote_host.report."""

    protocol: int = 0
    version: str = ""
    host: str = ""
    cores: Annotated[int, msgspec.Meta(ge=0, le=1 << 20)] = 0
    memory: Annotated[int, msgspec.Meta(ge=0, le=1 << 60)] = 0
    time: float = 0.0
    free_disk: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0
    base: str = ""
    base_writable: bool = False
    render_program: str = ""
    data_root: DataRootReport | None = None
    agents: tuple[str, ...] = ()


class Queue(Protocol):
    """The part of kq.client.QueueClient that is used here."""

    @property
    def session(self) -> str:
        """The session's id; empty before the first connection."""

    @property
    def has_ended(self) -> bool:
        """Whether the session is over."""

    @property
    def ports(self) -> tuple[int, int, int]:
        """The server's ports on this machine; zeros before the first connection."""

    def admit_host(self, host: str, bind: str, agents: int, *, by_hand: bool = False) -> Future[str]:
        """Make a key for up to `agents` Agents, and listen on the local address `bind`."""

    def revoke_host(self, host: str, *, undo: bool = False) -> Future[None]:
        """Delete the key; `undo`: keep one that was made `by_hand`."""

    def agents(self) -> list[AgentRecord]:
        """Return the last known records of all Agents."""


class Preflight:
    """One run of the checks. Methods block. To be used from one thread, not a UI's."""

    def __init__(
        self,
        host: RemoteHost,
        queue: Queue | None,
        settings: Settings,
        steps: Steps,
        questions: RemoteQuestions,
        connect_s: float,
        before: Connection | None = None,
    ) -> None:
        """
        Args:
            queue: None when no session runs: then only checks that need none are possible.
            connect_s: seconds that a TCP connection may take.
            before: an earlier connection to the machine, whose key is tried first, without a prompt.
        """
        self.host = host
        self.queue = queue
        self._settings = settings
        self._steps = steps
        self._questions = questions
        self._connect_s = connect_s
        self._before = before
        self.connection: Connection | None = None
        self.machine: Machine
        self.facts: dict[str, Any] = {}
        self.tunnel: Tunnel | None = None
        self.local_ports = (0, 0, 0)
        """Ports of this machine to which the tunnel forwards; zeros without one."""
        self.config: AgentConfig | None = None
        self.admitted = ""
        """Label for which this run had a key made; empty before that."""
        self.data_root = host.data_root or str(settings.data_root)

    def log_in(self) -> Machine:
        """Check name, port, host key, login and system. Raises RemoteFailed, Cancelled."""
        # With a time limit: a home folder may hang, and `Match exec` in the file runs commands.
        late = f"~/.ssh/config could not be read within {_ANSWER_S:.0f} s: does the home folder respond?"
        route = self._steps.wait(lambda: route_to(self.host), _ANSWER_S, late)
        before = self._before if self._before is not None and self._before.route == route else None
        self.connection = connect(
            route, self._steps, self._questions, connect_s=self._connect_s, before=before
        )
        kind = WindowsMachine if self.connection.is_windows else PosixMachine
        self.machine = kind(self.connection, self.host, self._steps)
        with self._steps.step("System") as step:
            step.done(self.machine.find_system())
        return self.machine

    def check_programs(self) -> None:
        """Check Python, kq and its version, the render program, and the cores. Raises RemoteFailed."""
        with self._steps.step("Python") as step:
            step.done(self.machine.find_python())
        with self._steps.step("Katana Queue") as step:
            folder = self.machine.find_kq()
            self.facts = self._report(step, {"render_program": self._render_program()})
            theirs = self.facts.get("protocol")
            if theirs != PROTOCOL_VERSION:
                raise RemoteFailed(
                    f"{folder} on {self.host.host} speaks protocol version {theirs}, this one "
                    f"{PROTOCOL_VERSION}: install the same version on both"
                )
            step.done(f"{folder}, version {self.facts.get('version')}")
        with self._steps.step("Render program") as step:
            program = self._render_program()
            if not self.facts.get("render_program"):
                raise RemoteFailed(
                    f"{program} is not on {self.host.host}, or cannot be executed: install the renderer at "
                    f"the same path as here, or set Katana Install to its folder"
                )
            step.done(str(self.facts["render_program"]))
        self._check_size()

    def check_sftp(self) -> None:
        """Check that files can be copied there, as a launch copies its scripts. Raises RemoteFailed."""
        with self._steps.step("SFTP") as step:
            assert self.connection is not None
            self.connection.with_files(self._steps, _touch_nothing, step)
            step.done("files can be copied")

    def _render_program(self) -> str:
        here, local = render_program(), local_katana_root().rstrip("/\\")
        below = here[len(local) :]
        if not local or not here.startswith(local) or below[:1] not in ("/", "\\"):
            return here
        # An Agent translates it likewise. Slashes are separators to both kinds of path.
        path = self.machine.path_type(self.machine.katana_root + below.replace("\\", "/"))
        return str(path) if path.drive else str(path).removesuffix(".exe")

    def _check_size(self) -> None:
        cores, asked = int(self.facts.get("cores") or 1), self.host.num_agents
        memory = int(self.facts.get("memory") or 0)
        with self._steps.step("Machine") as step:
            number = f"{cores} {'core' if cores == 1 else 'cores'}"
            size = number + (f", {memory / 2**30:.1f} GiB of memory" if memory else "")
            if asked > cores:
                step.note(f"{asked} Agents exceed {number}; {max(cores // 2, 1)} recommended")
            else:
                step.done(f"{size} for {asked} {'Agent' if asked == 1 else 'Agents'}")

    def _report(self, step: OpenStep, request: dict[str, object]) -> dict[str, Any]:
        answer = self.machine.run_kq(["report"], msgspec.json.encode(request), step)
        try:
            return msgspec.to_builtins(msgspec.convert(answer, HostReport))  # type: ignore[no-any-return]
        except msgspec.ValidationError as error:
            raise RemoteFailed(f"{self.host.host} sent an invalid report: {error}") from error

    # --- With a session ---

    def admit(self, label: str) -> None:
        """Have the queue make a key for the machine, and listen for it or open a tunnel. Sets `config`.

        Args:
            label: the machine's id in the queue.

        Raises:
            RemoteFailed: there is no route, or the tunnel cannot be opened.
            ConnectionLost: the queue does not reply.
        """
        assert self.queue is not None and self.connection is not None
        if self.host.tunnel:
            self._admit_tunnel(label)
            return
        with self._steps.step("KQ Host") as step:
            named = self.host.kq_host or ("" if self._settings.host == "127.0.0.1" else self._settings.host)
            call, bind = choose_addresses(named, self.connection.address)
            config = self._ask_key(label, bind)
            connection = msgspec.structs.replace(config.connection, host=call)
            self.config = msgspec.structs.replace(config, connection=connection)
            ports = ", ".join(map(str, self._ports()))
            step.done(
                f"it connects to {call}, ports {ports}" + (f" (open on {bind})" if bind != call else "")
            )

    def _admit_tunnel(self, label: str) -> None:
        assert self.connection is not None
        with self._steps.step("Tunnel") as step:
            config = self._ask_key(label, "")
            near, opened = config.connection, self.connection
            self.local_ports = (near.request_port, near.update_port, near.broadcast_port)
            self.tunnel = self._steps.wait(
                lambda: Tunnel(opened, self.local_ports),
                _ANSWER_S,
                "the SSH server did not open the tunnel",
                step,
            )
            self.config = _through_tunnel(config, self.tunnel.remote_ports)
            step.done(f"ports {', '.join(map(str, self.tunnel.remote_ports))} there are tunneled through SSH")

    def use_tunnel(self, label: str, remote_ports: Sequence[int]) -> None:
        """Use a tunnel that is open already, with these ports on the remote machine. Sets `config`."""
        with self._steps.step("Tunnel") as step:
            # The key may differ from that of the Agents for which the tunnel was opened.
            self.config = _through_tunnel(self._ask_key(label, ""), remote_ports)
            step.done("open already")

    def _ask_key(self, label: str, bind: str) -> AgentConfig:
        assert self.queue is not None
        # Set before the reply, because a cancel while waiting must revoke the key too.
        self.admitted = label
        future = self.queue.admit_host(label, bind, self.host.num_agents)
        try:
            content = self._steps.wait(
                lambda: future.result(_ANSWER_S), _ANSWER_S + 1.0, "the queue did not answer"
            )
        except TimeoutError as error:
            raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error
        return msgspec.json.decode(content, type=AgentConfig)

    def _ports(self) -> tuple[int, int, int]:
        assert self.config is not None
        connection = self.config.connection
        return connection.request_port, connection.update_port, connection.broadcast_port

    def check_data_root(self) -> None:
        """Check whether both machines share KQ_DATA_ROOT: each side writes a token that the other reads."""
        assert self.config is not None
        with self._steps.step("KQ_DATA_ROOT") as step:
            facts = self._report(
                step,
                {
                    "data_root": self.data_root,
                    "share_file": self.config.share_file,
                    "share_token": self.config.share_token,
                    "session": self.config.connection.session,
                },
            )
            self.facts = {**self.facts, **facts}
            found = facts.get("data_root") or {}
            streamed = "the stage is sent there, logs and pictures are sent back"
            if not self.config.share_file:
                step.note(f"{self._settings.data_root} cannot be written here: {streamed}")
            elif not found.get("exists"):
                step.note(f"{self.data_root} is not on {self.host.host}: {streamed}")
            elif not found.get("same"):
                why = f" ({found['problem']})" if found.get("problem") else ""
                step.note(f"{self.data_root} on {self.host.host} is not the one here{why}: {streamed}")
            elif not found.get("answer"):
                step.note(
                    f"{self.data_root} is shared, and {self.connection.route.user if self.connection else ''}"
                    f" may not write to it on {self.host.host} ({found.get('problem')}): {streamed}"
                )
            elif not self._read_answer(str(found["answer"])):
                step.note(
                    f"what {self.host.host} writes to {self.data_root} does not appear here: {streamed}"
                )
            else:
                step.done(f"{self.data_root} is shared, readable and writable on both sides")

    def _read_answer(self, name: str) -> bool:
        assert self.config is not None
        answer = self._settings.data_root / name
        if not name.startswith(self.config.share_file) or ".." in Path(name).parts:
            return False

        share_token = self.config.share_token.encode()

        def look() -> bool:
            until = time.monotonic() + 3.0
            while time.monotonic() < until:
                try:
                    same = read_own(answer) == share_token
                    remove_own(answer)
                except OSError:
                    time.sleep(0.1)  # a share may show the file with a delay
                    continue
                return same
            return False

        return self._steps.wait(look, 10.0, f"{self._settings.data_root} does not respond on this machine")

    def check_reverse_connection(self) -> None:
        """Check that the remote machine can connect to the three ports with its key.

        Raises:
            RemoteFailed: it cannot.
        """
        assert self.config is not None
        with self._steps.step("Reverse connection") as step:
            call = self.config.connection.host
            answer = self.machine.run_kq(
                ["probe", "--timeout", str(_PROBE_S)], msgspec.json.encode(self.config), step
            )
            answers = list(answer.get("ports", ())) if isinstance(answer, dict) else []
            if answers != [PortAnswer.OPEN] * 3:
                raise RemoteFailed(self._explain_closed_ports(call, answers))
            how = "through SSH" if self.tunnel is not None else f"at {call}"
            step.done(f"{self.facts.get('host')} reaches the queue {how}, on all three ports, with its key")

    def _explain_closed_ports(self, call: str, answers: list[str]) -> str:
        named = list(zip(_PORTS, self._ports(), answers, strict=False))
        bad = [f"{name} port {port}: {answer}" for name, port, answer in named if answer != PortAnswer.OPEN]
        who = str(self.facts.get("host") or self.host.host)
        if PortAnswer.NO_SUCH_NAME in answers:
            return (
                f"{who} does not know the name {call}: put this machine's address into KQ Host, or "
                f"have the name added to DNS or /etc/hosts there"
            )
        if PortAnswer.KEY_REFUSED in answers or PortAnswer.ANOTHER_PROGRAM in answers:
            return (
                f"another program answers at {call} ({'; '.join(bad)}), as seen from {who}: correct KQ Host"
            )
        ports = ", ".join(str(port) for _, port, _ in named)
        return (
            f"{who} does not reach this machine at {call} ({'; '.join(bad)}): have the firewall here let TCP "
            f"ports {ports} in from {self.connection.address if self.connection else who}, correct KQ Host, "
            f"or tunnel the ports through SSH"
        )

    def check_clock(self) -> None:
        """Check the clock difference. More than 2 s is a warning."""
        with self._steps.step("Clock") as step:
            before = time.time()
            facts = self._report(step, {})
            self.facts |= facts
            after = time.time()
            there = float(facts.get("time") or 0.0)
            apart = 0.0 if before <= there <= after else min(abs(there - before), abs(there - after))
            if apart > _MANY_SECONDS:
                step.note(f"{apart:.0f} s apart from here: times in logs differ; have it set by NTP")
            else:
                step.done("as here, within a second" if apart < 1.0 else f"{apart:.1f} s apart from here")

    def check_disk(self) -> None:
        """Check the free disk space by the latest report. Raises RemoteFailed."""
        facts = self.facts
        with self._steps.step("Disk") as step:
            free = int(facts.get("free_disk") or 0)
            base = facts.get("base")
            if not facts.get("base_writable"):
                raise RemoteFailed(
                    f"{base} cannot be written on {self.host.host}: make it writable, or have a home folder "
                    f"made for the user"
                )
            if free < _NO_DISK:
                raise RemoteFailed(f"the disk of {base} on {self.host.host} is full: make room there")
            room = f"{free / 2**30:.1f} GiB free for {base}"
            if free < _LITTLE_DISK:
                step.note(f"low disk space for scenes and pictures: {room}")
            else:
                step.done(room)

    def close(self) -> None:
        """Close the connection and the tunnel."""
        if self.connection is not None:
            self.connection.close()
        if self.tunnel is not None:
            self.tunnel.close()


def _touch_nothing(sftp: paramiko.SFTPClient) -> None:
    sftp.normalize(".")


def _through_tunnel(config: AgentConfig, remote_ports: Sequence[int]) -> AgentConfig:
    """Return `config` that connects to these ports at the remote end of a tunnel."""
    request, update, broadcast = remote_ports
    connection = msgspec.structs.replace(
        config.connection,
        host="127.0.0.1",
        request_port=request,
        update_port=update,
        broadcast_port=broadcast,
    )
    return msgspec.structs.replace(config, connection=connection)
