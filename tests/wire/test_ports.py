"""The three ports of a real server against junk, wrong keys, wrong roles and lies, while a job runs.

Whatever comes: the server lives, does not grow, and neither the job nor its Agent notices.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import zmq

from kq import messages as m
from kq.agent_config import AgentConfig
from kq.api import JobSpec, SessionRecord
from kq.process import process_start_time
from kq.wire import FrameDecoder, encode, new_key_pair
from tests.support.commands import NOTHING, SLEEP
from tests.support.live_queue import LiveQueue, key_files, marked_with, until

GROWTH = 96 << 20


class Target:
    """A queue with one Agent, which runs one job all the time."""

    def __init__(self, queue: LiveQueue) -> None:
        self.queue = queue
        self.client = self._record("client.json")
        self.local = msgspec.json.decode(self._file("agent.json"), type=AgentConfig).connection
        # By hand: else the key is withdrawn where a slow machine takes a minute between two uses of it.
        admitted = queue.client.admit_host("farm-b", "", 4, by_hand=True).result(60)
        self.remote = msgspec.json.decode(admitted, type=AgentConfig).connection
        self.job = queue.submit(*SLEEP, name="bystander")
        record = queue.await_job(self.job, "Running")
        # Running is told a moment before there is a process. A test that began in that moment would be said
        # to have left the process behind, and the process would be ended.
        until(lambda: marked_with("KQ_JOB", self.job), "the bystander's process")
        self.agent = record.agent
        self.server = queue.server_pid
        self.size = psutil.Process(self.server).memory_info().rss

    def _file(self, name: str) -> bytes:
        [path] = key_files(Path(self.queue.data_root), name)
        return path.read_bytes()

    def _record(self, name: str) -> SessionRecord:
        return msgspec.json.decode(self._file(name), type=SessionRecord)

    @contextlib.contextmanager
    def peer(
        self, kind: int, record: SessionRecord, port: int = 0, monitored_events: int = 0
    ) -> Iterator[zmq.Socket[bytes]]:
        """A socket with the keys of `record`, connected to the port that belongs to its kind.

        `monitored_events`: those that `get_monitor_socket` shall report, from before the connection on.
        """
        ports = {
            zmq.DEALER: record.request_port,
            zmq.PUSH: record.update_port,
            zmq.SUB: record.broadcast_port,
        }
        with zmq.Context() as context, context.socket(kind) as near:
            near.linger = 2000
            near.curve_serverkey = record.server_key.encode()
            near.curve_publickey = record.public_key.encode()
            near.curve_secretkey = record.secret_key.encode()
            near.rcvtimeo = 60_000
            if monitored_events:
                near.get_monitor_socket(monitored_events)
            near.connect(f"tcp://127.0.0.1:{port or ports[kind]}")
            yield near

    def ask(self, record: SessionRecord, *frames: bytes) -> object | None:
        """What the server answers to a request with these keys; None: nothing."""
        decoder: FrameDecoder[object] = FrameDecoder(
            m.RefusedReply | m.DoneReply | m.EndOrder | m.AcknowledgeOrder | m.SnapshotReply | m.SpecReply
        )
        with self.peer(zmq.DEALER, record) as near:
            near.send_multipart(frames)
            try:
                return decoder.decode(near.recv())
            except zmq.Again:
                return None

    def assert_unharmed(self) -> None:
        """The same server answers, no larger than it was; the same Agent runs the same attempt."""
        record = self.queue.client.spec(self.job).result(60)
        assert record.name == "bystander"
        assert process_start_time(self.server) is not None
        assert self.queue.server_pid == self.server
        job = self.queue.job(self.job)
        assert (job.state, job.attempts, job.agent) == ("Running", 1, self.agent)
        assert psutil.Process(self.server).memory_info().rss - self.size < GROWTH


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One queue for all tests of this file: what one test breaks, all that follow see."""
    with LiveQueue(tmp_path_factory.mktemp("data"), 1, KQ_HEARTBEAT_S=0.2) as queue:
        yield Target(queue)


PORTS = ("request_port", "update_port", "broadcast_port")


@pytest.mark.parametrize("port", PORTS)
def test_junk_without_any_handshake(target: Target, port: str) -> None:
    """Random bytes, a browser's request, half a greeting, nothing at all."""
    rng = random.Random(1)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15)
    openings = [b"GET / HTTP/1.1\r\n\r\n", b"", greeting, greeting[:11], b"\xff" * 64]
    for number in range(60):
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection(("127.0.0.1", getattr(target.client, port)), 60) as junk,
        ):
            junk.sendall(openings[number % 5] + rng.randbytes(rng.choice([0, 1, 64, 5000])))
    target.assert_unharmed()


@pytest.mark.parametrize("port", PORTS)
def test_many_connections_that_say_nothing(target: Target, port: str) -> None:
    """They are held for a while, and the queue serves everybody else meanwhile."""
    with contextlib.ExitStack() as held:
        for _ in range(200):
            held.enter_context(socket.create_connection(("127.0.0.1", getattr(target.client, port)), 60))
        target.assert_unharmed()


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.PUSH, zmq.SUB])
def test_unknown_keys(target: Target, kind: int) -> None:
    """It knows the server's public key, and has a good pair of its own: it is not let in."""
    pair = new_key_pair()
    stranger = msgspec.structs.replace(target.client, public_key=pair.public, secret_key=pair.secret)
    events = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_SUCCEEDED
    with target.peer(kind, stranger, monitored_events=events) as near:
        from zmq.utils.monitor import recv_monitor_message

        monitor = near.get_monitor_socket()
        monitor.rcvtimeo = 60_000
        assert recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH
        near.disable_monitor()
        monitor.close(0)
    target.assert_unharmed()


def test_without_curve(target: Target) -> None:
    """A plain ZeroMQ peer is never heard."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as near:
        near.linger, near.rcvtimeo = 0, 300
        near.connect(f"tcp://127.0.0.1:{target.client.request_port}")
        near.send(encode(m.SnapshotRequest(request=1)))
        with pytest.raises(zmq.Again):
            near.recv()
    target.assert_unharmed()


REQUESTS: list[Callable[[Target], msgspec.Struct]] = [
    lambda t: m.SubmitRequest(request=1, job_id="sneaky00", spec=JobSpec(name="x", commands=(("true",),))),
    lambda t: m.JobActionRequest(request=1, action="stop", job_ids=(t.job,)),
    lambda t: m.JobActionRequest(request=1, action="remove", job_ids=(t.job,)),
    lambda t: m.StartTasksRequest(request=1, job_id=t.job, tasks=(0,)),
    lambda t: m.PriorityRequest(request=1, job_ids=(t.job,), priority=3),
    lambda t: m.PauseQueueRequest(request=1, paused=True),
    lambda t: m.SetAgentsRequest(request=1, count=0),
    lambda t: m.AgentActionRequest(request=1, action="end", agent_ids=(t.agent,)),
    lambda t: m.SnapshotRequest(request=1),
    lambda t: m.SpecRequest(request=1, job_id=t.job),
    lambda t: m.AdmitHostRequest(request=1, host="evil", bind="", agents=9),
    lambda t: m.RevokeHostRequest(request=1, host="farm-b"),
]


@pytest.mark.parametrize("make", REQUESTS, ids=lambda make: "")
@pytest.mark.parametrize("whose", ["local", "remote"])
def test_an_agents_key_can_wish_for_nothing(
    target: Target, whose: str, make: Callable[[Target], msgspec.Struct]
) -> None:
    """Not submit, not stop, not even look: refused with a reason."""
    reply = target.ask(getattr(target, whose), encode(make(target)))
    assert isinstance(reply, m.RefusedReply)
    assert "key" in reply.message
    target.assert_unharmed()


def test_a_clients_key_is_no_agents(target: Target) -> None:
    """It can neither register an Agent nor report for one."""
    register = m.RegisterUpdate(
        protocol=m.PROTOCOL_VERSION, version="1", agent="a9", host="h", pid=1, started=1.0
    )
    assert isinstance(target.ask(target.client, encode(register)), m.EndOrder)
    with target.peer(zmq.PUSH, target.client) as near:
        for message in lies(target):
            near.send(encode(message))
    target.assert_unharmed()


def lies(target: Target) -> list[msgspec.Struct]:
    """Reports that would end the job, if whoever sends them were its Agent."""
    attempt = f"{target.job}/0/1"
    ending = m.AttemptEnding(agent=target.agent, attempt=attempt, outcome="completed", exit_code=0)
    other = "farm-b:1"
    return [
        ending,
        m.HeartbeatUpdate(agent=target.agent, number=1, assign_number=1, endings=(ending,)),
        m.HeartbeatUpdate(agent=target.agent, number=1, assign_number=1),
        m.HeartbeatUpdate(agent=target.agent, number=2, assign_number=1),
        m.HeartbeatUpdate(agent=target.agent, number=3, assign_number=2**64 - 1),
        # Its own name outside, another's inside.
        m.HeartbeatUpdate(agent=other, number=1, assign_number=1, endings=(ending,)),
        m.ProgressUpdate(agent=target.agent, attempt=attempt, progress=0.9, picture="/etc/passwd"),
        m.LeaveUpdate(agent=target.agent, reason="a lie"),
    ]


def test_the_key_of_one_host_cannot_speak_for_anothers_agent(target: Target) -> None:
    """Neither by a report nor within one, nor by registering under its name."""
    mine = m.RegisterUpdate(
        protocol=m.PROTOCOL_VERSION, version="1", agent="farm-b:1", host="farm-b", pid=77, started=1.0
    )
    assert isinstance(target.ask(target.remote, encode(mine)), m.AcknowledgeOrder)
    with target.peer(zmq.PUSH, target.remote) as near:
        for message in lies(target):
            near.send(encode(message))
        near.send(encode(m.LeaveUpdate(agent="farm-b:1", reason="done lying")))
    for name in (target.agent, "a77", "farm-c:1"):
        stolen = m.RegisterUpdate(
            protocol=m.PROTOCOL_VERSION, version="1", agent=name, host="farm-b", pid=77, started=1.0
        )
        assert isinstance(target.ask(target.remote, encode(stolen)), m.EndOrder)
    until(lambda: [a.id for a in target.queue.client.agents()] == [target.agent], "the liar to be gone")
    target.assert_unharmed()
    assert target.queue.job(target.job).progress is None
    assert target.queue.job(target.job).picture == ""


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "farm-b:" + "x" * 5000},
        {"agent": "farm-b:a/../../b"},
        {"agent": "farm-b:\0"},
        {"agent": "farm-b:\n"},
        {"agent": ""},
        {"pid": 2**63},
        {"pid": -1},
        {"pid": 0},
        {"started": float("nan")},
        {"started": float("inf")},
        {"host": "h" * 5000},
        {"protocol": 99},
    ],
    ids=str,
)
def test_registrations_that_make_no_sense(target: Target, change: dict[str, object]) -> None:
    """Refused with the reason; no such Agent is ever shown."""
    fields = {
        "protocol": m.PROTOCOL_VERSION,
        "version": "1",
        "agent": "farm-b:2",
        "host": "b",
        "pid": 7,
        "started": 1.0,
    }
    reply = target.ask(target.remote, encode(m.RegisterUpdate(**{**fields, **change})))  # type: ignore[arg-type]
    assert isinstance(reply, m.EndOrder)
    assert reply.reason
    assert [agent.id for agent in target.queue.client.agents()] == [target.agent]
    target.assert_unharmed()


def test_another_version_is_told_so(target: Target) -> None:
    """In words that name both."""
    frame = b"KQ\x00\x63" + encode(m.SnapshotRequest(request=1))[4:]
    reply = target.ask(target.client, frame)
    assert isinstance(reply, m.EndOrder)
    assert "version 99" in reply.reason


@pytest.mark.parametrize("whose", ["client", "local", "remote"])
@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.PUSH])
def test_malformed_frames_with_good_keys(target: Target, whose: str, kind: int) -> None:
    """Noise, messages with changed bytes, none, two, a thousand frames."""
    rng = random.Random(3)
    good = encode(m.HeartbeatUpdate(agent=target.agent, number=1, assign_number=1))
    with target.peer(kind, getattr(target, whose)) as near:
        for _ in range(1500):
            frame = bytearray(rng.choice([good, encode(m.SnapshotRequest(request=1)), rng.randbytes(40)]))
            for _ in range(rng.randrange(1, 4)):
                frame[rng.randrange(4, len(frame))] = rng.randrange(256)
            # Cut short: changed bytes alone might make a heartbeat that is one.
            near.send(bytes(frame[: rng.randrange(len(frame))]))
        near.send_multipart([good, good])
        near.send_multipart([b""] * 1000)
        near.send_multipart([good] * 1000)
    target.assert_unharmed()


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.PUSH])
def test_frames_that_are_too_large(target: Target, kind: int) -> None:
    """The connection is closed before the frame is in memory."""
    with target.peer(kind, target.remote) as near:
        near.linger = 0
        for _ in range(5):
            near.send(bytes(64 << 20))
        target.assert_unharmed()


def test_large_messages_in_numbers(target: Target) -> None:
    """Each as large as is allowed, more than would fit into memory if they were kept."""
    big = m.ProgressUpdate(agent="farm-b:9", attempt="x" * (7 << 20))
    with target.peer(zmq.PUSH, target.remote) as near:
        near.sndhwm = 4
        frame = encode(big)
        for _ in range(60):
            near.send(frame)
    target.assert_unharmed()


def test_texts_of_an_agent_are_cut_to_what_can_be_told(target: Target) -> None:
    """An Agent of ours that is mad: the record stays readable, and clients hear of it."""
    job = target.queue.submit(*NOTHING, name="x", priority=5)
    name = "farm-b:5"
    register = m.RegisterUpdate(
        protocol=m.PROTOCOL_VERSION, version="1", agent=name, host="b", pid=7, started=1.0
    )
    with target.peer(zmq.DEALER, target.remote) as near, target.peer(zmq.PUSH, target.remote) as far:
        near.send(encode(register))
        decoder: FrameDecoder[m.AgentOrder] = FrameDecoder(m.AgentOrder)
        order = decoder.decode(near.recv())
        while not isinstance(order, m.AssignOrder):
            order = decoder.decode(near.recv())
        assert order.attempt == f"{job}/0/1"
        long = "x" * (500 << 10)
        ending = m.AttemptEnding(
            agent=name, attempt=order.attempt, outcome="failed", reason=long, warning=long, picture=long,
            exit_code=2**63, peak_memory=2**64 - 1, cpu_s=float("nan"),
        )  # fmt: skip
        far.send(encode(ending))
        record = target.queue.await_job(job)
        far.send(encode(m.LeaveUpdate(agent=name, reason="done")))
    assert record.state == "Failed"
    assert 0 < len(record.reason) <= 2500
    listed = target.queue.kq("jobs", "--json")
    assert "NaN" not in listed.stdout
    assert any(each["id"] == job for each in json.loads(listed.stdout))
    target.assert_unharmed()


def test_a_fuzz_of_messages_of_every_type(target: Target) -> None:
    """Known tags, fields of the right name with values of any kind: with every key, on both ports."""
    rng = random.Random(9)
    values: list[object] = [
        None, True, 0, -1, 2**63, 2**64 - 1, 1e308, float("nan"), float("inf"), "", "x", "\0", "x" * 3000,
        b"\xff", [], [""], {}, [[["true"]]], {"name": "x", "commands": [["true"]]}, "farm-b:3", "farm-b:4",
    ]  # fmt: skip
    types = [
        each for each in vars(m).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__struct_config__.tag
    ]  # fmt: skip
    header = encode(m.RegisterAgainOrder())[:4]
    harmless = {"agents-wanted", "pause", "agent", "job", "admit", "revoke"}  # would harm, by right
    for record in (target.client, target.local, target.remote):
        with target.peer(zmq.DEALER, record) as near, target.peer(zmq.PUSH, record) as far:
            for _ in range(4000):
                kind = rng.choice(types)
                if record is target.client and kind.__struct_config__.tag in harmless:
                    continue
                fields = {name: rng.choice(values) for name in kind.__struct_fields__ if rng.random() < 0.9}
                frame = header + msgspec.msgpack.encode({"type": kind.__struct_config__.tag, **fields})
                rng.choice([near, far]).send(frame)
            near.send(b"KQ\x00\x63")
            until(lambda near=near: b"version 99" in near.recv(), "the answer to what was sent last")
    until(lambda: len(target.queue.client.agents()) == 1, "invented Agents to be forgotten")
    target.assert_unharmed()
