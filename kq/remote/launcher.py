"""Checks other machines, starts Agents on them and stops them. Whatever was half done is undone.

Methods wait, on a thread that may; several may run at once, for several machines.
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
from ..records import AgentRecord
from ..settings import Settings
from ..states import AgentState
from .host_store import HostBook
from .hosts import RemoteHost
from .steps import Cancelled, RemoteQuestions, RemoteResult, RemoteStep, Steps

if TYPE_CHECKING:
    from .preflight import Ladder, Queue
    from .tunnel_keepalive import TunnelKeeper

__all__ = ["RemoteLauncher"]

_REGISTER_S = 25.0
_GONE_S = 20.0
_UNDO_S = 25.0
_log = logging.getLogger("kq.remote")
Report = Callable[[RemoteStep], None]


class RemoteLauncher:
    """One session's hand on other machines. Thread-safe."""

    def __init__(
        self,
        queue: Queue | None,
        settings: Settings,
        questions: RemoteQuestions,
        book: HostBook | None = None,
        *,
        connect_s: float = 15.0,
    ) -> None:
        """
        Args:
            queue: the session's client; None where no session runs, which leaves checks only.
            questions: answers what only a person can.
            book: remembers what worked; default: the user's.
            connect_s: how long a machine may leave us without an answer.
        """
        self._queue = queue
        self._settings = settings
        self._questions = questions
        self._book = book or HostBook()
        self._connect_s = connect_s
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._tunnels: dict[str, TunnelKeeper] = {}

    def check(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Go down the ladder and stop at the first broken rung. Nothing is started.

        Args:
            report: called with each step as it begins, goes on and ends, on this thread.
            cancelled: ends it soon when set.
        """
        return self._take(host, report, cancelled, self._check)

    def start(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Start the Agents, unless they run. Arguments as for `check`."""
        return self._take(host, report, cancelled, self._start)

    def stop(
        self, host: RemoteHost, report: Report, cancelled: threading.Event | None = None
    ) -> RemoteResult:
        """Stop the Agents of this session on the machine, and no others. Arguments as for `check`."""
        return self._take(host, report, cancelled, self._stop)

    @property
    def has_tunnel(self) -> bool:
        """Whether a tunnel is open, which closes with `close`."""
        with self._lock:
            return any(keeper.is_open for keeper in self._tunnels.values())

    def wait_tunnels(self, cancelled: threading.Event) -> None:
        """Wait until no tunnel is needed any more, or `cancelled` is set."""
        while self.has_tunnel and not cancelled.wait(0.2):
            pass

    def close(self) -> None:
        """Close all tunnels: the Agents behind them end by their lease, unless they are told before."""
        with self._lock:
            tunnels, self._tunnels = list(self._tunnels.values()), {}
        for tunnel in tunnels:
            tunnel.close()

    # --- the frame of all three ---------------------------------------------------

    def _take(
        self,
        host: RemoteHost,
        report: Report,
        cancelled: threading.Event | None,
        run: Callable[[RemoteHost, Steps], str],
    ) -> RemoteResult:
        steps = Steps(report, cancelled or threading.Event())
        try:
            host.check()
            with self._alone(host.label):
                sentence = run(host, steps)
        except Cancelled:
            return RemoteResult(ok=False, sentence="Cancelled.", steps=tuple(steps.taken), cancelled=True)
        except ImportError as error:
            missing = (error.name or "").partition(".")[0] or str(error)
            return RemoteResult(
                ok=False,
                sentence=f"Python package {missing} is not installed: install it (pip install {missing})",
                steps=tuple(steps.taken),
            )
        except (KqError, OSError) as error:
            return RemoteResult(ok=False, sentence=str(error), steps=tuple(steps.taken))
        return RemoteResult(ok=True, sentence=sentence, steps=tuple(steps.taken))

    @contextmanager
    def _alone(self, label: str) -> Iterator[None]:
        with self._lock:
            if label in self._busy:
                raise Refused(f"{label} is being worked on already: wait, or cancel that first")
            self._busy.add(label)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(label)

    def _ladder(self, host: RemoteHost, steps: Steps) -> Ladder:
        from .preflight import Ladder  # paramiko comes with it

        with self._lock:
            keeper = self._tunnels.get(host.label)
        before = keeper.connection if keeper is not None else None
        return Ladder(host, self._queue, self._settings, steps, self._questions, self._connect_s, before)

    def _session_queue(self) -> Queue:
        if self._queue is None or not self._queue.session:
            raise Refused("no queue runs: open the desktop, or run `kq serve`")
        return self._queue

    # --- check --------------------------------------------------------------------

    def _check(self, host: RemoteHost, steps: Steps) -> str:
        ladder = self._ladder(host, steps)
        try:
            ladder.log_in()
            ladder.look_at_programs()
            if self._queue is not None and self._queue.session:
                # A label of its own: the host's belongs to its Agents, and somebody else may check it, too.
                ladder.admit(f"check-{secrets.token_hex(4)}@{host.label}"[:80])
                ladder.look_at_share()
                ladder.connect_back()
            ladder.look_at_clock()
            ladder.look_at_disk()
        finally:
            if ladder.admitted:
                self._dismiss(ladder.admitted)
            ladder.close()
        if not self._book.has_worked(host):
            # What Agents ran with is worth more than what somebody only tried: fifty Agents, another folder.
            self._remember(host, steps, worked=False)
        if self._queue is None or not self._queue.session:
            return f"{host.title} can be reached; whether it reaches this machine shows once a queue runs."
        return f"{host.title} is ready for Agents."

    # --- start --------------------------------------------------------------------

    def _start(self, host: RemoteHost, steps: Steps) -> str:
        queue = self._session_queue()
        label = host.label
        were_there = bool(_agents(queue, label))
        keeper = self._tunnel_of(label, in_use=were_there)
        if were_there:
            # Agents that run already keep the way by which they came.
            host = msgspec.structs.replace(host, tunnel=keeper is not None)
        ladder = self._ladder(host, steps)
        started = False
        try:
            ladder.log_in()
            ladder.look_at_programs()
            if keeper is not None and host.tunnel:
                ladder.use_tunnel(label, keeper.there)
            else:
                ladder.admit(label)
            ladder.look_at_share()
            # The machine knows better than the queue, which counts dead Agents until their lease is over.
            were_there = bool(ladder.facts.get("agents"))
            host = self._find_way_back(ladder, host, label, steps)
            ladder.look_at_disk()
            with steps.step("Scripts") as step:
                installed = ladder.machine.install_scripts()
                step.done(f"{', '.join(installed)} put into the home folder" if installed else "as here")
            started = True
            agents = self._launch(ladder, host, steps)
            self._wait_registered(queue, agents, steps)
            if ladder.tunnel is not None:
                self._keep(label, ladder)
        except BaseException:
            if were_there:
                ladder.close()
            else:
                self._undo(ladder, label, started=started)
            raise
        finally:
            if ladder.tunnel is None:
                ladder.close()
        self._remember(host, steps, worked=True)
        return f"{_counted(len(agents), 'runs', 'run')} on {host.title}."

    def _tunnel_of(self, label: str, *, in_use: bool) -> TunnelKeeper | None:
        """The tunnel to a machine, while there are Agents behind it: else its connection may be long dead."""
        with self._lock:
            keeper = self._tunnels.get(label)
            if keeper is not None and (not in_use or not keeper.is_open):
                del self._tunnels[label]
            elif keeper is not None:
                return keeper
        if keeper is not None:
            keeper.close()
        return None

    def _find_way_back(self, ladder: Ladder, host: RemoteHost, label: str, steps: Steps) -> RemoteHost:
        """Prove that the machine reaches the queue; offer the way through SSH when nothing else does."""
        try:
            ladder.connect_back()
        except Cancelled:
            raise
        except RemoteFailed as error:
            if host.tunnel:
                raise
            if not self._questions.use_tunnel(str(error)):
                steps.check()
                raise
            host = msgspec.structs.replace(host, tunnel=True)
            ladder.host = host
            ladder.admit(label)
            ladder.connect_back()
        return host

    def _launch(self, ladder: Ladder, host: RemoteHost, steps: Steps) -> list[str]:
        queue, config = self._session_queue(), ladder.config
        assert config is not None
        others = [each for each in queue.agents() if not each.local and not _is_of(each, host.label)]
        connection = config.connection
        arguments = [
            ladder.machine.katana_root, ladder.data_root, connection.host, str(connection.request_port),
            str(connection.update_port), str(connection.broadcast_port), str(host.num_agents),
        ]  # fmt: skip
        with steps.step("Agents") as step:
            answer = ladder.machine.start_agents(arguments, msgspec.json.encode(config), len(others), step)
            agents = [str(each[0]) for each in answer.get("agents", ())]
            where = "logs are sent here" if not answer.get("shared") else "logs are on the share"
            if answer.get("trouble"):
                step.note(f"{len(agents)} run: {answer['trouble']}")
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
                        f"the remote_agent logs over there"
                    )
                steps.pause(0.05)

    def _undo(self, ladder: Ladder, label: str, *, started: bool) -> None:
        """Leave nothing half started. Nobody may cancel this; it takes its time, and no longer."""
        queue = self._session_queue()
        if started and ladder.connection is not None:
            ladder.machine.steps = Steps(lambda _step: None, threading.Event())
            try:
                ladder.machine.stop_agents(queue.session)
            except KqError as error:
                # The queue dismisses it all the same: then the Agents end as told, or by their lease.
                _log.warning("what was started on %s may not be gone yet: %s", label, error)
        if ladder.admitted:
            self._dismiss(ladder.admitted, undo=True)
        ladder.close()

    def _dismiss(self, label: str, *, undo: bool = False) -> None:
        try:
            self._session_queue().dismiss_host(label, undo=undo).result(_UNDO_S)
        except (KqError, TimeoutError) as error:
            _log.warning("the key of %s is still admitted: %s", label, error)

    def _keep(self, label: str, ladder: Ladder) -> None:
        from .tunnel_keepalive import TunnelKeeper

        assert ladder.connection is not None and ladder.tunnel is not None and ladder.config is not None
        keeper = TunnelKeeper(
            ladder.connection,
            ladder.tunnel,
            ladder.config.lease_s,
            ladder.local_ports,
            self._questions,
            lambda: self._is_needed(label),
        )
        with self._lock:
            before = self._tunnels.pop(label, None)
            self._tunnels[label] = keeper
        if before is not None:
            before.close()

    def _is_needed(self, label: str) -> bool:
        with self._lock:
            if label in self._busy:
                return True
        # Without a session there is nobody whom it would lead to.
        return self._queue is not None and bool(self._queue.session and _agents(self._queue, label))

    def _remember(self, host: RemoteHost, steps: Steps, *, worked: bool) -> None:
        try:
            trouble = self._book.remember(host, worked=worked)
        except Refused as error:
            trouble = str(error)
        if trouble:
            steps.note("Hosts list", trouble)

    # --- stop ---------------------------------------------------------------------

    def _stop(self, host: RemoteHost, steps: Steps) -> str:
        queue = self._session_queue()
        label = host.label
        ladder = self._ladder(host, steps)
        try:
            try:
                machine = ladder.log_in()
                with steps.step("Agents") as step:
                    answer = machine.stop_agents(queue.session)
                    ended = list(answer.get("ended", ()))
                    step.done(f"{', '.join(ended)} ended" if ended else "none of this session ran there")
            finally:
                # Also where SSH does not get there: Agents that the queue reaches end as they are told. A
                # tunnel through which it reaches them stays for that.
                self._dismiss(label)
            with steps.step("Queue") as step:
                until = time.monotonic() + _GONE_S
                while left := _agents(queue, label):
                    if time.monotonic() > until:
                        raise RemoteFailed(f"the queue still counts {len(left)} Agents of {label}")
                    steps.pause(0.05)
                step.done("it has no Agent there, and their key is forgotten")
        finally:
            ladder.close()
        with self._lock:
            keeper = self._tunnels.pop(label, None)
        if keeper is not None:
            keeper.close()
        return f"No Agent of this session runs on {host.title}."


def _counted(count: int, one: str, more: str) -> str:
    return f"1 Agent {one}" if count == 1 else f"{count} Agents {more}"


def _is_of(agent: AgentRecord, label: str) -> bool:
    return not agent.local and agent.id.startswith(f"{label}:")


def _agents(queue: Queue, label: str) -> list[AgentRecord]:
    return [each for each in queue.agents() if _is_of(each, label)]
