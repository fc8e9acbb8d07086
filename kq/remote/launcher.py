"""Checks other machines over SSH, and starts and stops Agents on them.

Methods block: do not call them on Qt's thread. Several may run at once, each for another machine.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ..errors import KqError, Refused, RemoteFailed
from ..plain_text import one_line
from ..settings import Settings
from ..states import AgentState
from .answers import Ended, Started, typed_answer
from .host_store import HostStore
from .host_usage import HostUsage
from .hosts import RemoteHost
from .steps import Cancelled, RemoteQuestions, RemoteResult, RemoteStep, Steps

if TYPE_CHECKING:
    from .machine import Machine
    from .preflight import Preflight, Queue
    from .ssh import Connection
    from .tunnel_keepalive import TunnelKeepalive

__all__ = ["RemoteLauncher"]

_REGISTER_TIMEOUT_S = 25.0
"""How long started Agents may take to register with the queue."""
_REMOVAL_TIMEOUT_S = 20.0
"""How long the queue may take to remove stopped Agents from its list."""
_REVOKE_TIMEOUT_S = 25.0
"""How long the queue may take to revoke a key."""
_MAX_LABEL = 80
"""Longest label of a host, in characters."""
_log = logging.getLogger("kq.remote")
Report = Callable[[RemoteStep], None]


class RemoteLauncher:
    """Checks machines, and starts and stops Agents there, for one session. Thread-safe."""

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
            questions: asks the user (host key, passphrase, tunnel).
            store: the hosts list, with the settings that worked; default: the user's.
            connect_s: how long a connection to a machine may take, in seconds.
        """
        self._queue = queue
        self._settings = settings
        self._questions = questions
        self._store = store or HostStore()
        self._connect_s = connect_s
        self._lock = threading.Lock()
        self._usage = HostUsage(queue)
        self._tunnels: dict[str, TunnelKeepalive] = {}
        """By label."""
        self._last_connections: dict[str, Connection] = {}
        """By label. Only its decrypted private key is used again, so that the passphrase is
        not asked for twice."""

    def check(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Run the preflight checks, up to the first that fails. It starts no Agent.

        Args:
            report: called with each step as it begins, continues and ends, on the caller's thread.
            cancelled: set it, from any thread, to cancel.
        """
        return self._run_operation(host, report, cancelled, self._check)

    def start(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Run the checks and start those Agents that do not run yet. Arguments, result: see `check`.

        A start that fails is undone, unless Agents of this session already ran there.
        """
        return self._run_operation(host, report, cancelled, self._start)

    def stop(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Stop the Agents of this session on the machine, and no others. Arguments, result: see `check`."""
        return self._run_operation(host, report, cancelled, self._stop)

    @property
    def has_tunnel(self) -> bool:
        """Whether a tunnel to a machine is open."""
        with self._lock:
            return any(keepalive.is_open for keepalive in self._tunnels.values())

    def wait_tunnels(self, cancelled: threading.Event) -> None:
        """Wait until every tunnel has closed because no Agent uses it, or until `cancelled` is set."""
        while self.has_tunnel and not cancelled.wait(0.2):
            pass

    def close(self) -> None:
        """Close all tunnels. Agents that still use one end when their lease expires."""
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
        """Call `run`, and turn its message, or an expected failure, into a RemoteResult."""
        steps = Steps(report, cancelled or threading.Event())
        try:
            host.check()
            with self._usage.exclusive(host.label):
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

    def _new_preflight(self, host: RemoteHost, steps: Steps) -> Preflight:
        from .preflight import Preflight  # imported late: it needs paramiko, which may be missing

        with self._lock:
            keepalive = self._tunnels.get(host.label)
            connection = keepalive.connection if keepalive else self._last_connections.get(host.label)
        return Preflight(
            host, self._queue, self._settings, steps, self._questions, self._connect_s, connection
        )

    def _log_in(self, preflight: Preflight, label: str) -> Machine:
        machine = preflight.log_in()
        assert preflight.connection is not None
        with self._lock:
            self._last_connections[label] = preflight.connection
        return machine

    def _session_queue(self) -> Queue:
        if self._queue is None or not self._queue.session:
            raise Refused("no queue runs: open the desktop, or run `kq serve`")
        return self._queue

    # --- Check ---

    def _check(self, host: RemoteHost, steps: Steps) -> str:
        preflight = self._new_preflight(host, steps)
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
            # Settings with which Agents have run are not overwritten by those that a check tries.
            self._remember(host, steps, worked=False)
        if self._queue is None or not self._queue.session:
            return f"{host.title} can be reached. The reverse connection is checked once a queue runs."
        return f"{host.title} is ready for Agents."

    # --- Start ---

    def _start(self, host: RemoteHost, steps: Steps) -> str:
        queue = self._session_queue()
        label = host.label
        queue_has_agents = bool(self._usage.agents(label))
        keepalive = self._reuse_tunnel(label, in_use=queue_has_agents)
        if queue_has_agents:
            # As the running Agents connect, directly or by the tunnel, so do the new ones.
            host = msgspec.structs.replace(host, tunnel=keepalive is not None)
        preflight = self._new_preflight(host, steps)
        started = False
        agents_running = queue_has_agents
        try:
            self._log_in(preflight, host.label)
            preflight.check_programs()
            if keepalive is not None and host.tunnel:
                preflight.use_tunnel(label, keepalive.remote_ports)
            else:
                preflight.admit(label)
            preflight.check_data_root()
            # As the machine reports: the queue lists dead Agents until their lease expires.
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
                self._keep_tunnel(label, preflight)
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

    def _reuse_tunnel(self, label: str, *, in_use: bool) -> TunnelKeepalive | None:
        """Return the open tunnel to a host when its Agents use it.

        One that is not open or not `in_use` is closed and dropped, since its connection may be dead.
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
        """Start the host's Agents. Returns the ids of all that run there. Raises RemoteFailed."""
        config = preflight.config
        assert config is not None
        elsewhere = self._usage.agents_elsewhere(host.label)
        connection = config.connection
        # The positional arguments of StartAgents, in its order.
        arguments = [
            preflight.machine.katana_root, preflight.data_root, connection.host, str(connection.request_port),
            str(connection.update_port), str(connection.broadcast_port), str(host.num_agents),
        ]  # fmt: skip
        with steps.step("Agents") as step:
            first_log = len(elsewhere)  # log files on a shared data root are numbered across hosts
            answer = preflight.machine.start_agents(arguments, msgspec.json.encode(config), first_log, step)
            started = typed_answer(answer, Started, host)
            agents = [each.id for each in started.agents]
            logs = "logs are on the share" if started.shared else "logs are sent here"
            if started.problem:
                step.note(f"{len(agents)} run: {started.problem}")
            else:
                step.done(f"{', '.join(agents)} run; {logs}")
        return agents

    def _wait_registered(self, queue: Queue, agents: list[str], steps: Steps) -> None:
        """Wait until the queue lists all of `agents` (ids) as ready. Raises RemoteFailed at the time-out."""
        wanted = set(agents)
        with steps.step("Registration") as step:
            deadline = time.monotonic() + _REGISTER_TIMEOUT_S
            while True:
                # By id: the queue may still list dead Agents of this host.
                registered = [
                    each
                    for each in queue.agents()
                    if each.id in wanted and each.state in (AgentState.IDLE, AgentState.BUSY)
                ]
                if len(registered) >= len(wanted):
                    step.done(f"{_counted(len(registered), 'has', 'have')} registered with the queue")
                    return
                if time.monotonic() > deadline:
                    raise RemoteFailed(
                        f"{len(registered)} of {len(wanted)} Agents registered within "
                        f"{_REGISTER_TIMEOUT_S:.0f} s: see logs/remote_agent_*.log there or on the share"
                    )
                steps.pause(0.05)

    def _undo(self, preflight: Preflight, label: str, *, started: bool) -> None:
        """Undo a failed start: stop its Agents if `started`, and revoke the host's key. Not cancellable."""
        queue = self._session_queue()
        if started and preflight.connection is not None:
            # New steps, since those of the start may be cancelled. They report nothing.
            preflight.machine.steps = Steps(lambda _step: None, threading.Event())
            try:
                preflight.machine.stop_agents(queue.session)
            except KqError as error:
                # The queue still revokes the host: its Agents end on request, or when their lease expires.
                _log.warning("processes that were started on %s may still run: %s", label, error)
        if preflight.admitted:
            self._revoke(preflight.admitted, undo=True)
        preflight.close()

    def _revoke(self, label: str, *, undo: bool = False) -> None:
        """Have the queue forget a host's key; with `undo`, unless issued by hand. Failures are logged."""
        try:
            self._session_queue().revoke_host(label, undo=undo).result(_REVOKE_TIMEOUT_S)
        except (KqError, TimeoutError) as error:
            _log.warning("the key of %s is still admitted: %s", label, error)

    def _keep_tunnel(self, label: str, preflight: Preflight) -> None:
        """Keep the tunnel of `preflight` open while the host has Agents, in place of an earlier one."""
        from .tunnel_keepalive import TunnelKeepalive

        assert (
            preflight.connection is not None and preflight.tunnel is not None and preflight.config is not None
        )
        keepalive = TunnelKeepalive(
            preflight.connection,
            preflight.tunnel,
            preflight.config.lease_s,
            self._usage,
            label,
            self._questions,
        )
        with self._lock:
            previous = self._tunnels.pop(label, None)
            self._tunnels[label] = keepalive
        if previous is not None:
            previous.close()

    def _remember(self, host: RemoteHost, steps: Steps, *, worked: bool) -> None:
        """Save the host's settings in the hosts list. A failure becomes a note in `steps`."""
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
        preflight = self._new_preflight(host, steps)
        try:
            try:
                machine = self._log_in(preflight, host.label)
                with steps.step("Agents") as step:
                    answer = machine.stop_agents(queue.session)
                    ended = typed_answer(answer, Ended, host).ended
                    step.done(f"{', '.join(ended)} ended" if ended else "no Agent of this session ran there")
            finally:
                # Revoke even when SSH fails: the queue then asks the Agents to end. An open tunnel is closed
                # only at the end, once they are gone.
                self._revoke(label)
            with steps.step("Queue") as step:
                deadline = time.monotonic() + _REMOVAL_TIMEOUT_S
                while left := self._usage.agents(label):
                    if time.monotonic() > deadline:
                        raise RemoteFailed(
                            f"{len(left)} Agents of {label} are still listed by the queue: try Stop again"
                        )
                    steps.pause(0.05)
                step.done("it has no Agent there any more, and their key was deleted")
        finally:
            preflight.close()
        with self._lock:
            keepalive = self._tunnels.pop(label, None)
        if keepalive is not None:
            keepalive.close()
        return f"No Agent of this session runs on {host.title}."


def _counted(count: int, one: str, more: str) -> str:
    return f"1 Agent {one}" if count == 1 else f"{count} Agents {more}"
