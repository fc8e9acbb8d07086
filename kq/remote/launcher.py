"""Checks other machines, starts Agents on them and stops them.

A failed start is undone, unless Agents already ran there.

Methods block: call them on a thread that may block. Several may run at once, for several machines.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from ..errors import KqError, Refused, RemoteFailed
from ..plain_text import one_line
from ..records import AgentRecord
from ..settings import Settings
from ..states import AgentState
from .answers import Ended, Started, typed_answer
from .host_store import HostStore
from .hosts import RemoteHost
from .steps import Cancelled, RemoteQuestions, RemoteResult, RemoteStep, Steps

if TYPE_CHECKING:
    from .machine import Machine
    from .preflight import Preflight, Queue
    from .ssh import Connection
    from .tunnel_keepalive import TunnelKeepalive

__all__ = ["RemoteLauncher"]

_REGISTER_S = 25.0
"""How long Agents may take to register."""
_GONE_S = 20.0
"""How long the queue may still list stopped Agents."""
_UNDO_S = 25.0
"""How long the queue may take to revoke a key."""
_MAX_LABEL = 80
"""Longest label of a host, in characters."""
_log = logging.getLogger("kq.remote")
Report = Callable[[RemoteStep], None]


class RemoteLauncher:
    """Checks, starts and stops on other machines, for one session. Thread-safe."""

    def __init__(
        self,
        queue: Queue | None,
        settings: Settings,
        questions: RemoteQuestions,
        store: HostStore | None = None,
        *,
        connect_s: float = 15.0,
    ) -> None:
        """
        Args:
            queue: the session's client; None where no session runs, which leaves checks only.
            questions: prompts for a person (host key, passphrase, tunnel).
            store: remembers what worked; default: the user's.
            connect_s: how long a machine may take to answer, in seconds.
        """
        self._queue = queue
        self._settings = settings
        self._questions = questions
        self._store = store or HostStore()
        self._connect_s = connect_s
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._tunnels: dict[str, TunnelKeepalive] = {}
        self._logins: dict[str, Connection] = {}
        """Last connection by label. Only its decrypted private key is used again, so that the passphrase is
        not asked for twice."""

    def check(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Run the preflight checks, up to the first that fails. Nothing is started.

        Args:
            report: called with each step as it begins, continues and ends, on this thread.
            cancelled: ends it soon when set.
        """
        return self._run_operation(host, report, cancelled, self._check)

    def start(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Start the Agents, unless they run. Arguments as for `check`."""
        return self._run_operation(host, report, cancelled, self._start)

    def stop(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Stop the Agents of this session on the machine, and no others. Arguments as for `check`."""
        return self._run_operation(host, report, cancelled, self._stop)

    @property
    def has_tunnel(self) -> bool:
        """Whether a tunnel is open; `close` would cut it."""
        with self._lock:
            return any(keepalive.is_open for keepalive in self._tunnels.values())

    def wait_tunnels(self, cancelled: threading.Event) -> None:
        """Wait until no tunnel is needed any more, or `cancelled` is set."""
        while self.has_tunnel and not cancelled.wait(0.2):
            pass

    def close(self) -> None:
        """Close all tunnels: the Agents behind them end by their lease, unless they are ended before."""
        with self._lock:
            tunnels, self._tunnels = list(self._tunnels.values()), {}
        for tunnel in tunnels:
            tunnel.close()

    # --- Shared by check, start and stop ---

    def _run_operation(
        self,
        host: RemoteHost,
        report: Report,
        cancelled: threading.Event | None,
        run: Callable[[RemoteHost, Steps], str],
    ) -> RemoteResult:
        """Run it, and turn each expected failure into a RemoteResult."""
        steps = Steps(report, cancelled or threading.Event())
        try:
            host.check()
            with self._alone(host.label):
                message = run(host, steps)
        except Cancelled:
            return RemoteResult(ok=False, message="Cancelled.", steps=tuple(steps.taken), cancelled=True)
        except ImportError as error:
            missing = (error.name or "").partition(".")[0] or str(error)
            return RemoteResult(
                ok=False,
                message=f"Python package {missing} is not installed: install it (pip install {missing})",
                steps=tuple(steps.taken),
            )
        except (KqError, OSError) as error:
            return RemoteResult(ok=False, message=one_line(str(error)), steps=tuple(steps.taken))
        return RemoteResult(ok=True, message=message, steps=tuple(steps.taken))

    @contextmanager
    def _alone(self, label: str) -> Iterator[None]:
        with self._lock:
            if label in self._busy:
                raise Refused(
                    f"{label} is busy with another check, start or stop: wait, or cancel that first"
                )
            self._busy.add(label)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(label)

    def _preflight(self, host: RemoteHost, steps: Steps) -> Preflight:
        from .preflight import Preflight  # imported late: it needs paramiko, which may be missing

        with self._lock:
            keepalive = self._tunnels.get(host.label)
            before = keepalive.connection if keepalive is not None else self._logins.get(host.label)
        return Preflight(host, self._queue, self._settings, steps, self._questions, self._connect_s, before)

    def _log_in(self, preflight: Preflight, label: str) -> Machine:
        machine = preflight.log_in()
        assert preflight.connection is not None
        with self._lock:
            self._logins[label] = preflight.connection
        return machine

    def _session_queue(self) -> Queue:
        if self._queue is None or not self._queue.session:
            raise Refused("no queue runs: open the desktop, or run `kq serve`")
        return self._queue

    # --- Check ---

    def _check(self, host: RemoteHost, steps: Steps) -> str:
        preflight = self._preflight(host, steps)
        try:
            self._log_in(preflight, host.label)
            preflight.check_programs()
            preflight.check_sftp()
            if self._queue is not None and self._queue.session:
                # A temporary label: revoking it must not revoke the key of running Agents, nor collide with
                # another desktop's check.
                preflight.admit(f"check-{secrets.token_hex(4)}@{host.label}"[:_MAX_LABEL])
                preflight.check_data_root()
                preflight.check_reverse_connection()
            preflight.check_clock()
            preflight.check_disk()
        finally:
            if preflight.admitted:
                self._revoke(preflight.admitted)
            preflight.close()
        if not self._store.has_worked(host):
            # Settings that Agents really ran with are kept; a check may have tried other ones.
            self._remember(host, steps, worked=False)
        if self._queue is None or not self._queue.session:
            return f"{host.title} can be reached; whether it reaches this machine shows once a queue runs."
        return f"{host.title} is ready for Agents."

    # --- Start ---

    def _start(self, host: RemoteHost, steps: Steps) -> str:
        queue = self._session_queue()
        label = host.label
        queue_has_agents = bool(_agents(queue, label))
        keepalive = self._tunnel_of(label, in_use=queue_has_agents)
        if queue_has_agents:
            # Running Agents keep the way they connect: directly, or through the tunnel.
            host = msgspec.structs.replace(host, tunnel=keepalive is not None)
        preflight = self._preflight(host, steps)
        started = False
        agents_running = queue_has_agents
        try:
            self._log_in(preflight, host.label)
            preflight.check_programs()
            if keepalive is not None and host.tunnel:
                preflight.use_tunnel(label, keepalive.there)
            else:
                preflight.admit(label)
            preflight.check_data_root()
            # The machine is asked: the queue still counts dead Agents until their lease ends.
            agents_running = bool(preflight.facts.get("agents"))
            host = self._check_reverse_connection(preflight, host, label, steps)
            preflight.check_disk()
            with steps.step("Scripts") as step:
                installed = preflight.machine.install_scripts()
                step.done(f"{', '.join(installed)} copied to the home folder" if installed else "up to date")
            started = True
            agents = self._launch(preflight, host, steps)
            self._wait_registered(queue, agents, steps)
            if preflight.tunnel is not None:
                self._keep(label, preflight)
        except BaseException:
            if agents_running:
                preflight.close()
            else:
                self._undo(preflight, label, started=started)
            raise
        finally:
            if preflight.tunnel is None:
                preflight.close()
        self._remember(host, steps, worked=True)
        return f"{_counted(len(agents), 'runs', 'run')} on {host.title}."

    def _tunnel_of(self, label: str, *, in_use: bool) -> TunnelKeepalive | None:
        """Return the open tunnel to a machine that has Agents.

        Otherwise close and forget it, since its connection may be dead, and return None.
        """
        with self._lock:
            keepalive = self._tunnels.get(label)
            if keepalive is not None and (not in_use or not keepalive.is_open):
                del self._tunnels[label]
            elif keepalive is not None:
                return keepalive
        if keepalive is not None:
            keepalive.close()
        return None

    def _check_reverse_connection(
        self, preflight: Preflight, host: RemoteHost, label: str, steps: Steps
    ) -> RemoteHost:
        """Prove that the machine reaches the queue; offer a tunnel when it does not.

        Returns the host, with `tunnel` set if one was opened.
        """
        try:
            preflight.check_reverse_connection()
        except Cancelled:
            raise  # a RemoteFailed too, but no reason to offer a tunnel
        except RemoteFailed as error:
            if host.tunnel:
                raise
            if not self._questions.use_tunnel(str(error)):
                steps.raise_if_cancelled()
                raise
            host = msgspec.structs.replace(host, tunnel=True)
            preflight.host = host
            preflight.admit(label)
            preflight.check_reverse_connection()
        return host

    def _launch(self, preflight: Preflight, host: RemoteHost, steps: Steps) -> list[str]:
        queue, config = self._session_queue(), preflight.config
        assert config is not None
        others = [each for each in queue.agents() if not each.local and not _is_of(each, host.label)]
        connection = config.connection
        # The positional arguments of StartAgents, in its order.
        arguments = [
            preflight.machine.katana_root, preflight.data_root, connection.host, str(connection.request_port),
            str(connection.update_port), str(connection.broadcast_port), str(host.num_agents),
        ]  # fmt: skip
        with steps.step("Agents") as step:
            first_log = len(others)  # so that the numbers of logs on a common share differ
            answer = preflight.machine.start_agents(arguments, msgspec.json.encode(config), first_log, step)
            started = typed_answer(answer, Started, host)
            agents = [each.id for each in started.agents]
            where = "logs are on the share" if started.shared else "logs are sent here"
            if started.problem:
                step.note(f"{len(agents)} run: {started.problem}")
            else:
                step.done(f"{', '.join(agents)} run; {where}")
        return agents

    def _wait_registered(self, queue: Queue, agents: list[str], steps: Steps) -> None:
        wanted = set(agents)
        with steps.step("Registration") as step:
            until = time.monotonic() + _REGISTER_S
            while True:
                # By their ids: the queue may still count some that ran there before.
                there = [
                    each
                    for each in queue.agents()
                    if each.id in wanted and each.state in (AgentState.IDLE, AgentState.BUSY)
                ]
                if len(there) >= len(wanted):
                    step.done(f"{_counted(len(there), 'has', 'have')} registered with the queue")
                    return
                if time.monotonic() > until:
                    raise RemoteFailed(
                        f"{len(there)} of {len(wanted)} Agents registered within {_REGISTER_S:.0f} s: see "
                        f"logs/remote_agent_*.log on that machine or the share"
                    )
                steps.pause(0.05)

    def _undo(self, preflight: Preflight, label: str, *, started: bool) -> None:
        """Leave nothing half started. It cannot be cancelled, and has a time limit."""
        queue = self._session_queue()
        if started and preflight.connection is not None:
            # Steps that report nothing and cannot be cancelled: the user may have cancelled already.
            preflight.machine.steps = Steps(lambda _step: None, threading.Event())
            try:
                preflight.machine.stop_agents(queue.session)
            except KqError as error:
                # The queue still revokes the host: its Agents end on request, or when their lease expires.
                _log.warning("what was started on %s may not be gone yet: %s", label, error)
        if preflight.admitted:
            self._revoke(preflight.admitted, undo=True)
        preflight.close()

    def _revoke(self, label: str, *, undo: bool = False) -> None:
        """Have the queue forget a host's key. A failure is only logged.

        Args:
            undo: a failed launch is being undone; a key that was handed out by hand is kept.
        """
        try:
            self._session_queue().revoke_host(label, undo=undo).result(_UNDO_S)
        except (KqError, TimeoutError) as error:
            _log.warning("the key of %s is still admitted: %s", label, error)

    def _keep(self, label: str, preflight: Preflight) -> None:
        from .tunnel_keepalive import TunnelKeepalive

        assert (
            preflight.connection is not None and preflight.tunnel is not None and preflight.config is not None
        )
        keepalive = TunnelKeepalive(
            preflight.connection,
            preflight.tunnel,
            preflight.config.lease_s,
            lambda: self._queue.ports if self._queue is not None else (0, 0, 0),
            self._questions,
            lambda: self._is_needed(label),
        )
        with self._lock:
            before = self._tunnels.pop(label, None)
            self._tunnels[label] = keepalive
        if before is not None:
            before.close()

    def _is_needed(self, label: str) -> bool:
        with self._lock:
            if label in self._busy:
                return True
        # Without a session the tunnel leads nowhere.
        return self._queue is not None and bool(self._queue.session and _agents(self._queue, label))

    def _remember(self, host: RemoteHost, steps: Steps, *, worked: bool) -> None:
        try:
            problem = self._store.remember(host, worked=worked)
        except Refused as error:
            problem = str(error)
        if problem:
            steps.note("Hosts list", problem)

    # --- Stop ---

    def _stop(self, host: RemoteHost, steps: Steps) -> str:
        queue = self._session_queue()
        label = host.label
        preflight = self._preflight(host, steps)
        try:
            try:
                machine = self._log_in(preflight, host.label)
                with steps.step("Agents") as step:
                    answer = machine.stop_agents(queue.session)
                    ended = typed_answer(answer, Ended, host).ended
                    step.done(f"{', '.join(ended)} ended" if ended else "none of this session ran there")
            finally:
                # Revoke even when SSH fails: the queue then asks the Agents to end. An open tunnel is closed
                # only at the end, once they are gone.
                self._revoke(label)
            with steps.step("Queue") as step:
                until = time.monotonic() + _GONE_S
                while left := _agents(queue, label):
                    if time.monotonic() > until:
                        raise RemoteFailed(
                            f"{len(left)} Agents of {label} are still listed by the queue: try Stop again"
                        )
                    steps.pause(0.05)
                step.done("it has no Agent there, and their key is forgotten")
        finally:
            preflight.close()
        with self._lock:
            keepalive = self._tunnels.pop(label, None)
        if keepalive is not None:
            keepalive.close()
        return f"No Agent of this session runs on {host.title}."


def _counted(count: int, one: str, more: str) -> str:
    return f"1 Agent {one}" if count == 1 else f"{count} Agents {more}"


def _is_of(agent: AgentRecord, label: str) -> bool:
    return not agent.local and agent.id.startswith(f"{label}:")


def _agents(queue: Queue, label: str) -> list[AgentRecord]:
    return [each for each in queue.agents() if _is_of(each, label)]
