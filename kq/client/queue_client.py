"""A connection to a session's queue, with a thread of its own. No method but `join` waits for that thread.

The thread owns the sockets; other threads post calls to it and wake it through a socket pair.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any

from .. import messages as m
from ..clock import Clock
from ..errors import ConnectionLost
from ..records import (
    AgentRecord,
    JobRecord,
    JobSpec,
    QueueRecord,
    SessionRecord,
    check_job_id,
    new_job_id,
)
from ..states import JobState, WaitReason
from ..wire import ClientWire, Poller
from .discovery import on_other_ports
from .listeners import GilYield, Listener, Listeners
from .mirror import ConnectionStatus, Mirror
from .open_requests import OpenRequests, fail
from .requests import ClientRequests

__all__ = ["QueueClient"]

_SILENCE_S = 6.0
"""The server is considered lost after this time: three of its periodic messages were missed."""
_POLL_INTERVAL_S = 1.0
_SNAPSHOT_TIMEOUT_S = 10.0
"""A snapshot is requested again when no page of it has arrived for so long."""
_log = logging.getLogger("kq.client")


class QueueClient(ClientRequests):
    """Holds the records of a session's jobs and Agents, and sends requests to its server.

    Thread-safe. Callbacks of futures and listeners run on the client's own thread, and must not block it.
    """

    def __init__(self, *, history: bool = True, managed: bool = False) -> None:
        """Start the thread; `connect` connects.

        Args:
            history: whether to load jobs of earlier sessions too.
            managed: whether a Session restarts the queue when it ends, and reports that by `set_status`.
        """
        self._managed = managed
        self._history = history
        self._lock = threading.Lock()
        self._mirror = Mirror()
        self._clock = Clock()
        self._status = ConnectionStatus.STARTING
        self._message = "the queue is starting"
        self._gil_yield = GilYield()
        self._listeners = Listeners(self._mirror, self._lock, self._gil_yield)
        self._posted: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._session: SessionRecord | None = None
        self._wire: ClientWire | None = None
        self._poller = Poller()
        self._poller.add(self._wake_read.fileno())
        self._requests = OpenRequests()
        self._is_up = False
        self._provisional: set[str] = set()
        self._snapshot_request = 0
        self._snapshot_awaited_since: float | None = None
        self._last_heard = time.monotonic()
        self._is_silent = False
        """Whether the status is Lost only because the server was silent."""
        self._ports_read_at = 0.0
        """Monotonic time at which the session's ports were last read again."""
        self._may_ports_differ = False
        """Whether the connection was lost since: the next server may have another update port."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="kq-client", daemon=True)
        self._thread.start()

    # --- Records ---

    @property
    def status(self) -> ConnectionStatus:
        """Whether the records are up to date."""
        return self._status

    @property
    def message(self) -> str:
        """Status message for the user; often empty."""
        return self._message

    @property
    def session(self) -> str:
        """The id of the session; empty before the first `connect`."""
        return self._session.session if self._session is not None else ""

    @property
    def has_ended(self) -> bool:
        """Whether the session is over: the records are the last ones that were known."""
        return self._status is ConnectionStatus.ENDED

    @property
    def ports(self) -> tuple[int, int, int]:
        """The server's ports, as last known; zeros before the first `connect`."""
        return self._session.ports if self._session is not None else (0, 0, 0)

    def jobs(self) -> list[JobRecord]:
        """Return the last known records of all jobs, in the order of submission."""
        with self._lock:
            return list(self._mirror.jobs.values())

    def job(self, job_id: str) -> JobRecord | None:
        """Return the last known record of a job, or None. `submit` adds a provisional one."""
        with self._lock:
            return self._mirror.jobs.get(job_id)

    def agents(self) -> list[AgentRecord]:
        """Return the last known records of all Agents."""
        with self._lock:
            return list(self._mirror.agents.values())

    def queue(self) -> QueueRecord:
        """Return the last known record of the queue as a whole."""
        with self._lock:
            return self._mirror.queue

    def now_s(self) -> float:
        """Return the time by the server's clock, in seconds since the epoch.

        Records' times are by that clock, so a job's age is `now_s()` less its time of submission.
        """
        return self._clock.wall()

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with changes on the client's thread, at most some thirty times a second,
        with short bursts after idle time. A call has at most 1000 changed jobs.

        The first call has all records (`reset`), and is made as soon as the thread is free.

        Returns:
            A function that removes it.
        """

        def remove() -> None:
            self._post(lambda: self._listeners.discard(listener))

        self._post(lambda: self._listeners.add(listener))
        return remove

    # --- Requests ---

    def submit(self, spec: JobSpec, job_id: str | None = None) -> tuple[str, Future[bool]]:
        """Queue a job.

        Returns:
            The job's id, which `job` finds at once, and a future that completes when the server has the job.
            Its result is whether the job is in the journal: if not, it is lost when the server ends.

        Raises:
            BadInput: the spec cannot be a job.
        """
        spec.check()
        job_id = job_id or new_job_id()
        check_job_id(job_id)
        chunks = spec.chunks()
        total = 1 if chunks is None else len(chunks)
        record = JobRecord(
            id=job_id,
            name=spec.name,
            state=JobState.WAITING,
            submitted=self._clock.wall(),
            order=1 << 53,
            priority=spec.priority,
            tasks=total,
            tasks_waiting=total,
            node=spec.node,
            temp_dir=spec.temp_dir,
            is_live=spec.is_live,
            needs_desktop=spec.desktop is not None,
            wait_reason=WaitReason.SUBMISSION,
            reason="being submitted",
        )
        with self._lock:
            self._mirror.put_provisional(record)
            self._provisional.add(job_id)
        future = self._ask(
            lambda number: m.SubmitRequest(request=number, job_id=job_id, spec=spec),
            lambda reply: bool(reply.durable),
        )
        future.add_done_callback(lambda done: self._on_submitted(job_id, done))
        return job_id, future

    def stop_all_jobs(self) -> Future[None]:
        """Stop every job that is unfinished when the client's thread handles the call."""
        return self._ask(
            lambda number: m.JobActionRequest(
                request=number, action=m.JobAction.STOP, job_ids=self._unfinished()
            )
        )

    def _unfinished(self) -> tuple[str, ...]:
        with self._lock:
            jobs = self._mirror.jobs.values()
            return tuple(job.id for job in jobs if not job.state.is_terminal)

    def _on_submitted(self, job_id: str, done: Future[bool]) -> None:
        with self._lock:
            self._provisional.discard(job_id)
            if done.cancelled() or done.exception() is not None:
                self._mirror.drop_provisional(job_id)

    def _ask(
        self, make: Callable[[int], Any], result: Callable[[Any], Any] = lambda _reply: None
    ) -> Future[Any]:
        future: Future[Any] = Future()

        def send() -> None:
            if self._status is ConnectionStatus.ENDED:
                fail(future, ConnectionLost(self._message or "the session is over"))
                return
            self._requests.add(make(self._requests.new_number()), future, result)
            self._send_more()

        if not self._post(send):
            fail(future, ConnectionLost("the connection to the queue was closed"))
        return future

    # --- Connecting ---

    def connect(self, session: SessionRecord) -> None:
        """Connect to this server instead of the previous one. Requests without a reply are sent again."""
        self._post(lambda: self._connect(session))

    def set_status(self, status: ConnectionStatus, message: str) -> None:
        """Set status and message: a Session learns first that a server died or failed to start."""
        self._post(lambda: self._set_status(status, message))

    def close(self) -> None:
        """Ask the thread to end; returns at once. Requests without a reply fail with ConnectionLost."""

        def call() -> None:
            self._closing = True

        self._post(call)

    def join(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` seconds for the thread to end after `close`. Returns whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _post(self, call: Callable[[], None]) -> bool:
        if self._closing:
            return False
        self._posted.append(call)
        try:
            self._wake_write.send(b"\0")
        except BlockingIOError:
            pass  # the wake-up buffer is full: the thread will wake anyway
        except OSError:
            return False  # closed meanwhile
        return True

    # --- The thread ---

    def _run(self) -> None:
        try:
            while not self._closing:
                ready = self._poller.wait(self._timeout_s())
                self._gil_yield.begin()
                self._run_posted()
                self._take_messages(ready)
                self._watch_silence()
                self._follow_ports()
                self._listeners.notify(self._now_status())
        finally:
            self._finish()

    def _finish(self) -> None:
        self._closing = True
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close(linger_s=0.2)
        self._wake_read.close()
        self._wake_write.close()
        # After the sockets are closed: a call that is posted later fails at its socket.
        self._run_posted()
        self._requests.fail_all(ConnectionLost("the connection to the queue was closed"))

    def _timeout_s(self) -> float:
        due_s = self._listeners.due_in_s(self._now_status())
        return 1.0 if due_s is None else due_s

    def _run_posted(self) -> None:
        try:
            while len(self._wake_read.recv(4096)) == 4096:
                pass
        except (BlockingIOError, OSError):
            pass  # all taken, or closed
        while self._posted:
            self._posted.popleft()()

    def _connect(self, session: SessionRecord) -> None:
        if self._wire is not None:
            self._wire.close()
            self._poller = Poller()
            self._poller.add(self._wake_read.fileno())
        self._is_up = False
        self._wire = ClientWire(session)
        self._session = session
        self._wire.add_to(self._poller)
        self._last_heard = time.monotonic()

    def _send_more(self) -> None:
        # Not while disconnected: what waits in the socket would be sent twice, again on reconnecting.
        if self._is_up and self._wire is not None:
            self._requests.send_more(self._wire.send_request)

    def _take_messages(self, ready: Collection[object]) -> None:
        wire = self._wire
        if wire is None:
            return
        changed = wire.broadcast_connection_changed(ready)
        for change in wire.connection_changes(ready):
            self._is_up, changed = False, True
            if change == "up":
                self._last_heard = time.monotonic()
                self._is_up = True
                self._requests.send_all_again(wire.send_request)
            elif change == "refused":
                self._set_status(ConnectionStatus.LOST, "the queue refuses this connection's key")
        self._may_ports_differ = self._may_ports_differ or changed
        if changed and self._is_up and wire.is_broadcast_connected:
            # Not before broadcasts arrive too: changes in between would be missed unnoticed.
            self._ask_snapshot()
        elif changed and self._status is ConnectionStatus.CONNECTED:
            self._set_status(ConnectionStatus.LOST, "the connection to the queue was lost")
        for reply in wire.replies(ready):
            self._last_heard = time.monotonic()
            self._take_reply(reply)
            self._gil_yield.yield_if_due()
        self._send_more()
        for event in wire.broadcasts(ready):
            if isinstance(event, m.ChangesEvent):
                self._last_heard = time.monotonic()
                self._take_event(event)
                self._gil_yield.yield_if_due()
        if wire.mismatch:
            self._set_status(ConnectionStatus.LOST, wire.mismatch)

    def _ask_snapshot(self) -> None:
        with self._lock:
            self._mirror.forget_pages()
        self._snapshot_request = self._requests.new_number()
        assert self._wire is not None
        self._wire.send_request(m.SnapshotRequest(request=self._snapshot_request, history=self._history))
        self._snapshot_awaited_since = time.monotonic()

    def _take_reply(self, reply: Any) -> None:
        if isinstance(reply, m.SnapshotReply):
            if reply.request == self._snapshot_request:
                with self._lock:
                    complete = self._mirror.take_page(reply, frozenset(self._provisional))
                self._clock.follow(reply.now)
                self._snapshot_awaited_since = None if complete else time.monotonic()
                if complete:
                    self._set_status(ConnectionStatus.CONNECTED, "")
        else:
            self._requests.take_reply(reply)

    def _take_event(self, event: m.ChangesEvent) -> None:
        if event.stopping:
            status = ConnectionStatus.LOST if self._managed else ConnectionStatus.ENDED
            self._set_status(status, "the session has ended")
            return
        with self._lock:
            in_order = self._mirror.apply(event)
        if not in_order:
            self._ask_snapshot()

    def _watch_silence(self) -> None:
        asked = self._snapshot_awaited_since
        if (
            asked is not None
            and time.monotonic() - asked > _SNAPSHOT_TIMEOUT_S
            and self._is_server_responding
        ):
            self._ask_snapshot()
        if self._status is ConnectionStatus.CONNECTED and not self._is_server_responding:
            self._set_status(ConnectionStatus.LOST, f"the queue has not answered for {_SILENCE_S:.0f} s")
            self._is_silent = True
        elif self._is_silent and self._is_server_responding:
            self._set_status(ConnectionStatus.CONNECTED, "")

    def _follow_ports(self) -> None:
        """Connect to a restarted server that took other ports. A Session calls `connect` instead."""
        wire, session, now = self._wire, self._session, time.monotonic()
        if self._managed or wire is None or session is None:
            return
        is_connected = self._is_up and wire.is_broadcast_connected
        # A server that answers has written its ports.
        is_due = self._may_ports_differ and self._snapshot_awaited_since is None
        if is_due if is_connected else now - self._ports_read_at >= _POLL_INTERVAL_S:
            self._ports_read_at, self._may_ports_differ = now, not is_connected
            found = on_other_ports(session)
            if found is not None:
                self._connect(found)

    @property
    def _is_server_responding(self) -> bool:
        return time.monotonic() - self._last_heard < _SILENCE_S

    def _now_status(self) -> tuple[ConnectionStatus, str]:
        return self._status, self._message

    def _set_status(self, status: ConnectionStatus, message: str) -> None:
        if self._status is ConnectionStatus.ENDED:
            return
        self._status, self._message, self._is_silent = status, message, False
        if status is ConnectionStatus.ENDED:
            self._requests.fail_all(ConnectionLost(message))
