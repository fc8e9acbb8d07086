"""A connection to a session's queue, with a thread of its own. No method of it ever waits for that thread.

The thread owns the sockets and the mirror; others leave it notes in a queue and wake it through a pipe.
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
from .listeners import Listener, Listeners, Rests
from .mirror import ConnectionStatus, Mirror
from .open_requests import OpenRequests, fail
from .requests import ClientRequests

__all__ = ["QueueClient"]

_SILENCE_S = 6.0
"""Three signs of life of the server missed in a row."""
_POLL_INTERVAL_S = 1.0
_SNAPSHOT_TIMEOUT_S = 10.0
"""A snapshot of which nothing came for so long was lost: it is asked for again."""
_log = logging.getLogger("kq.client")


class QueueClient(ClientRequests):
    """Knows the jobs and Agents of a session, and sends requests to its server.

    Thread-safe. Futures and listeners are called on the client's own thread, and must not wait there.
    """

    def __init__(self, *, history: bool = True, managed: bool = False) -> None:
        """Not connected yet: see `connect`.

        Args:
            history: whether jobs of earlier sessions are wanted too.
            managed: whether a Session starts the queue again when it ends, and reports that by `say`.
        """
        self._managed = managed
        self._history = history
        self._lock = threading.Lock()
        self._mirror = Mirror()
        self._clock = Clock()
        self._status = ConnectionStatus.STARTING
        self._message = "the queue is starting"
        self._rests = Rests()
        self._listeners = Listeners(self._mirror, self._lock, self._rests)
        self._notes: deque[Callable[[], None]] = deque()
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._session: SessionRecord | None = None
        self._wire: ClientWire | None = None
        self._poller = Poller()
        self._poller.add(self._near.fileno())
        self._requests = OpenRequests()
        self._is_up = False
        self._provisional: set[str] = set()
        self._snapshot_request = 0
        self._snapshot_awaited_since: float | None = None
        self._last_heard = time.monotonic()
        self._is_silent = False
        """Whether it is Lost because nothing was heard, and for no other reason."""
        self._looked_at = 0.0
        """When its session's ports were last read again, because they did not answer."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="kq-client", daemon=True)
        self._thread.start()

    # --- Records ---

    @property
    def status(self) -> ConnectionStatus:
        """How much of what is known can be believed."""
        return self._status

    @property
    def message(self) -> str:
        """What is wrong, or under way, for people."""
        return self._message

    @property
    def session(self) -> str:
        """The name of the session that it is connected to; empty before the first connection."""
        return self._session.session if self._session is not None else ""

    @property
    def ports(self) -> tuple[int, int, int]:
        """The queue's ports as they were reached last; zeros before the first connection."""
        return self._session.ports if self._session is not None else (0, 0, 0)

    def jobs(self) -> list[JobRecord]:
        """All jobs, as last heard, in the order of submission."""
        with self._lock:
            return list(self._mirror.jobs.values())

    def job(self, job_id: str) -> JobRecord | None:
        """One job, as last heard; one just submitted is known at once."""
        with self._lock:
            return self._mirror.jobs.get(job_id)

    def agents(self) -> list[AgentRecord]:
        """All Agents, as last heard."""
        with self._lock:
            return list(self._mirror.agents.values())

    def queue(self) -> QueueRecord:
        """The queue as a whole, as last heard."""
        with self._lock:
            return self._mirror.queue

    def now_s(self) -> float:
        """The time as the queue has it, in seconds since the epoch: with it records' times become durations.

        From any thread.
        """
        return self._clock.wall()

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with changes, on the client's thread, some thirty times a second at most,
        or a few times in a row after a quiet moment. Many changed jobs come a thousand to a call.

        The first call comes soon, with everything known (`reset`).

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
            Its id, which `job` knows at once, and a future that is done when the queue has the job. It gives
            whether the job is in the journal: else it is forgotten when the queue's server ends.

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
        """Cancel all that waits and end all that runs, as known when the client's thread comes to it."""
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
        """Reach this server, instead of the one before. Requests without an answer are sent again."""
        self._post(lambda: self._connect(session))

    def set_status(self, status: ConnectionStatus, message: str) -> None:
        """Note what whoever runs the session knows better: that the server died, or could not start."""
        self._post(lambda: self._set_status(status, message))

    def close(self) -> None:
        """End the thread. Requests without an answer fail."""

        def note() -> None:
            self._closing = True

        self._post(note)

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended after `close`. Returns whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _post(self, note: Callable[[], None]) -> bool:
        if self._closing:
            return False
        self._notes.append(note)
        try:
            self._far.send(b"\0")
        except BlockingIOError:
            pass  # it is awake already
        except OSError:
            return False  # closed meanwhile
        return True

    # --- the thread ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                ready = self._poller.wait(self._timeout_s())
                self._rests.begin()
                self._take_notes()
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
        self._near.close()
        self._far.close()
        # After the sockets: a note that comes later still finds them closed, and knows.
        self._take_notes()
        self._requests.fail_all(ConnectionLost("the connection to the queue was closed"))

    def _timeout_s(self) -> float:
        due_s = self._listeners.due_in_s(self._now_status())
        return 1.0 if due_s is None else due_s

    def _take_notes(self) -> None:
        try:
            while len(self._near.recv(4096)) == 4096:
                pass
        except (BlockingIOError, OSError):
            pass  # all taken, or closed
        while self._notes:
            self._notes.popleft()()

    def _connect(self, session: SessionRecord) -> None:
        if self._wire is not None:
            self._wire.close()
            self._poller = Poller()
            self._poller.add(self._near.fileno())
        self._is_up = False
        self._wire = ClientWire(session)
        self._session = session
        self._wire.add_to(self._poller)
        self._last_heard = time.monotonic()

    def _send_more(self) -> None:
        # Not before the server is there: what waited in the socket would be sent a second time then.
        if self._is_up and self._wire is not None:
            self._requests.send_more(self._wire.send_request)

    def _take_messages(self, ready: Collection[object]) -> None:
        wire = self._wire
        if wire is None:
            return
        changed = wire.hearing_changed(ready)
        for change in wire.connection_changes(ready):
            self._is_up, changed = False, True
            if change == "up":
                self._last_heard = time.monotonic()
                self._is_up = True
                self._requests.send_all_again(wire.send_request)
            elif change == "refused":
                self._set_status(ConnectionStatus.LOST, "the queue refuses this connection's key")
        if changed and self._is_up and wire.hears:
            # Not before broadcasts arrive, too: changes in between would be missed without a sign.
            self._ask_snapshot()
        elif changed and self._status is ConnectionStatus.CONNECTED:
            self._set_status(ConnectionStatus.LOST, "the connection to the queue was lost")
        for reply in wire.replies(ready):
            self._last_heard = time.monotonic()
            self._take_reply(reply)
            self._rests.after_a_piece()
        self._send_more()
        for event in wire.broadcasts(ready):
            if isinstance(event, m.ChangesEvent):
                self._last_heard = time.monotonic()
                self._take_event(event)
                self._rests.after_a_piece()
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
        if asked is not None and time.monotonic() - asked > _SNAPSHOT_TIMEOUT_S and self._is_heard:
            self._ask_snapshot()
        if self._status is ConnectionStatus.CONNECTED and not self._is_heard:
            self._set_status(ConnectionStatus.LOST, f"the queue has not answered for {_SILENCE_S:.0f} s")
            self._is_silent = True
        elif self._is_silent and self._is_heard:
            self._set_status(ConnectionStatus.CONNECTED, "")

    def _follow_ports(self) -> None:
        """Reach a server that had to take other ports than the one before it. Not managed: see `connect`."""
        wire, session, now = self._wire, self._session, time.monotonic()
        if self._managed or wire is None or session is None or (self._is_up and wire.hears):
            return
        if now - self._looked_at >= _POLL_INTERVAL_S:
            self._looked_at = now
            found = on_other_ports(session)
            if found is not None:
                self._connect(found)

    @property
    def _is_heard(self) -> bool:
        return time.monotonic() - self._last_heard < _SILENCE_S

    def _now_status(self) -> tuple[ConnectionStatus, str]:
        return self._status, self._message

    def _set_status(self, status: ConnectionStatus, message: str) -> None:
        if self._status is ConnectionStatus.ENDED:
            return
        self._status, self._message, self._is_silent = status, message, False
        if status is ConnectionStatus.ENDED:
            self._requests.fail_all(ConnectionLost(message))
