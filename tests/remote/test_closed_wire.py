"""What is on the wire, and who may send on it: nothing that others can read, no more than one's own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import pytest
import zmq

from kq import messages as m
from kq.agent_config import AgentConfig
from kq.records import JobSpec, SessionRecord
from kq.wire import AgentWire, ClientWire, new_key_pair
from kq.wire.probe import PortAnswer, probe_ports
from tests.support.live_queue import LiveQueue, until

MARKER = "a-marker-that-would-show"

T = TypeVar("T")


@pytest.fixture
def config(queue: LiveQueue) -> Iterator[AgentConfig]:
    """A key for the Agents of a host called farm-x."""
    content = queue.client.admit_host("farm-x", "", 4).result(60)
    yield msgspec.json.decode(content, type=AgentConfig)
    queue.client.revoke_host("farm-x").result(60)


class Recorder:
    """Stands between an Agent or client and the queue, and keeps every byte."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.bytes = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                thread = threading.Thread(target=self._copy, args=(source, target))
                self._threads.append(thread)
                thread.start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.bytes += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()


def test_a_submission_cannot_be_read_on_the_wire(queue: LiveQueue) -> None:
    """The bytes of all three ports are recorded while a marker goes to an Agent and back in its log."""
    record = queue._record()
    recorders = [Recorder(port) for port in (record.request_port, record.update_port, record.broadcast_port)]
    names = ("request_port", "update_port", "broadcast_port")
    ports = {name: each.port for name, each in zip(names, recorders, strict=True)}
    content = queue.client.admit_host("farm-r", "", 4).result(60)
    agent_config = msgspec.json.decode(content, type=AgentConfig)
    try:
        client = ClientWire(msgspec.structs.replace(record, **ports))
        agent = AgentWire(msgspec.structs.replace(agent_config.connection, **ports), "farm-r:1", network=True)
        spec = JobSpec(name=MARKER, commands=((MARKER,),))
        register(agent, "farm-r:1")
        queue.client.drain_agents([each.id for each in queue.client.agents() if each.local]).result(60)
        client.send_request(m.SubmitRequest(request=1, job_id="recorded1", spec=spec))
        replies: list[object] = []
        until(lambda: replies.extend(client.replies()) or replies, "the submission to be answered")
        orders: list[object] = []
        until(
            lambda: (
                orders.extend(agent.replies()) or [each for each in orders if isinstance(each, m.AssignOrder)]
            ),
            "the Agent to be given the task",
        )
        assigned = next(each for each in orders if isinstance(each, m.AssignOrder))
        assert assigned.commands == ((MARKER,),)
        agent.send_update(
            m.LogUpdate(agent="farm-r:1", attempt=assigned.attempt, offset=0, data=MARKER.encode())
        )
        log = Path(assigned.log_file)
        until(lambda: log.exists() and log.read_text() == MARKER, "the log to arrive")
        agent.close()
        client.close()
    finally:
        for each in recorders:
            each.close()
        queue.client.stop_jobs(["recorded1"]).result(60)
        queue.client.revoke_host("farm-r").result(60)
        queue.client.resume_agents([each.id for each in queue.client.agents() if each.local]).result(60)
    recorded = b"".join(bytes(each.bytes) for each in recorders)
    assert len(recorded) > 1000 and b"CURVE" in recorded
    assert MARKER.encode() not in recorded
    for secret in (record.secret_key, agent_config.connection.secret_key):
        assert secret.encode() not in recorded


def register(wire: AgentWire, agent_id: str) -> None:
    wire.send_request(
        m.RegisterUpdate(
            protocol=m.PROTOCOL_VERSION, version="0", agent=agent_id, host="x", pid=os.getpid(), started=1.0
        )
    )
    until(lambda: any(isinstance(each, m.AcknowledgeOrder) for each in wire.replies()), "an acknowledgement")


def ended(wire: AgentWire) -> str:
    """Why a registration is refused."""
    orders: list[m.EndOrder] = []
    until(
        lambda: orders.extend(each for each in wire.replies() if isinstance(each, m.EndOrder)) or orders,
        "an order to end",
    )
    return orders[0].reason


def test_an_agent_s_key_cannot_submit(queue: LiveQueue, config: AgentConfig) -> None:
    """What it sends as a client is refused, and nothing is queued."""
    wire = ClientWire(config.connection)
    wire.send_request(
        m.SubmitRequest(request=7, job_id="fromagent", spec=JobSpec(name="x", commands=(("true",),)))
    )
    replies: list[object] = []
    until(lambda: replies.extend(wire.replies()) or replies, "an answer")
    assert isinstance(replies[0], m.RefusedReply) and "key" in replies[0].message
    wire.close()
    assert queue.client.job("fromagent") is None


@pytest.mark.parametrize("topic", [b"", b"c", b"a", b"aa1\0", b"afarm-y:1\0", b"afarm-xx:1\0", b"afarm-x:"])
def test_an_agent_s_key_hears_its_own_orders_alone(
    queue: LiveQueue, config: AgentConfig, topic: bytes
) -> None:
    """What clients are told, with names and paths of all jobs, is not sent to it; nor are others' orders."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    listener = context.socket(zmq.SUB)
    listener.linger = 0
    session = config.connection
    listener.curve_serverkey = session.server_key.encode()
    listener.curve_publickey = session.public_key.encode()
    listener.curve_secretkey = session.secret_key.encode()
    listener.subscribe(topic)
    listener.subscribe(b"afarm-x:1\0")
    listener.connect(f"tcp://127.0.0.1:{session.broadcast_port}")
    # An order to an Agent of its own host is the last word: what it may not hear would have come before.
    agent = AgentWire(session, "farm-x:1", network=True)
    register(agent, "farm-x:1")
    heard: list[list[bytes]] = []

    def told() -> bool:
        agent.send_update(m.LeaveUpdate(agent="farm-x:1", reason="test"))
        agent.send_update(heartbeat("farm-x:1"))
        queue.await_job(queue.submit("true", name=MARKER))
        while listener.poll(20):
            heard.append(listener.recv_multipart())
        return bool(heard)

    try:
        until(told, "an order to the Agent by broadcast")
        assert {frames[0] for frames in heard} == {b"afarm-x:1\0"}
        assert not any(MARKER.encode() in frame for frames in heard for frame in frames)
    finally:
        agent.close()
        listener.close()
        context.term()


def heartbeat(agent_id: str) -> m.HeartbeatUpdate:
    return m.HeartbeatUpdate(agent=agent_id, number=1, assign_number=0, attempt="", endings=())


@pytest.mark.parametrize("name", ["a1", "a99", "farm-y:1", "farm-x", "farm-xx:1"])
def test_an_agent_speaks_for_its_own_host_alone(queue: LiveQueue, config: AgentConfig, name: str) -> None:
    """Neither as a local Agent nor as another machine's."""
    wire = AgentWire(config.connection, name, network=True)
    wire.send_request(
        m.RegisterUpdate(protocol=m.PROTOCOL_VERSION, version="0", agent=name, host="x", pid=1, started=1.0)
    )
    assert "begins with farm-x:" in ended(wire)
    wire.close()


def test_a_dismissed_key_opens_nothing(queue: LiveQueue) -> None:
    """The handshake itself fails; a key that was made up gets no further."""
    content = queue.client.admit_host("farm-z", "", 4).result(60)
    session = msgspec.json.decode(content, type=AgentConfig).connection
    assert probe_ports(session, 60.0) == (PortAnswer.OPEN,) * 3
    queue.client.revoke_host("farm-z").result(60)
    until(lambda: probe_ports(session, 5.0) == (PortAnswer.KEY_REFUSED,) * 3, "the key to be refused")
    made_up = new_key_pair()
    stranger = msgspec.structs.replace(session, public_key=made_up.public, secret_key=made_up.secret)
    assert probe_ports(stranger, 60.0) == (PortAnswer.KEY_REFUSED,) * 3


def test_without_a_key_no_byte_is_accepted(queue: LiveQueue) -> None:
    """A plain socket, and one that sends rubbish, get no answer; the queue goes on."""
    record = queue._record()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.linger = 0
    plain.connect(f"tcp://127.0.0.1:{record.request_port}")
    plain.send(b"hello")
    for port in (record.request_port, record.update_port, record.broadcast_port):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(os.urandom(512))
    job = queue.submit("true")
    assert queue.await_job(job).state == "Completed"
    assert not plain.poll(100)
    plain.close()
    context.term()


def test_the_network_sees_a_port_only_while_a_host_is_admitted(queue: LiveQueue) -> None:
    """Opened with the first host, closed with the last; loopback is always there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no network")

    def is_open(port: int) -> bool:
        with socket.socket() as sock:
            sock.settimeout(2)
            return sock.connect_ex((address, port)) == 0

    assert not is_open(queue._record().request_port)
    first = json.loads(queue.client.admit_host("one", address, 4).result(60))["connection"]
    queue.client.admit_host("two", address, 4).result(60)
    assert first["host"] == address and is_open(first["request_port"])
    queue.client.revoke_host("one").result(60)
    assert is_open(first["request_port"])
    queue.client.revoke_host("two").result(60)
    until(lambda: not is_open(first["request_port"]), "the port to be closed")


# --- what an Agent may touch ---------------------------------------------------------------


class FakeAgent:
    """Registers, is given a job with a folder, and sends what it likes."""

    def __init__(self, queue: LiveQueue, session: SessionRecord, folder: Path, **fields: object) -> None:
        self.name = "farm-x:1"
        self.wire = AgentWire(session, self.name, network=True)
        register(self.wire, self.name)
        local = [each.id for each in queue.client.agents() if each.local]
        queue.client.drain_agents(local).result(60)
        spec = JobSpec(name="x", commands=(("true",),), temp_dir=str(folder), **fields)  # type: ignore[arg-type]
        self.job, done = queue.client.submit(spec)
        done.result(60)
        self._orders: list[object] = []
        self._attempt = ""
        self.order = self.next(m.AssignOrder)
        self._attempt = self.order.attempt
        self._queue = queue
        self._local = local

    def next(self, kind: type[T]) -> T:
        # On a busy machine a test may take longer than the lease.
        beat = heartbeat(self.name)
        if self._attempt:
            beat = msgspec.structs.replace(beat, attempt=self._attempt, assign_number=2**39)
        self.wire.send_update(beat)

        def look() -> T | None:
            self._orders += self.wire.replies()
            found = [each for each in self._orders if isinstance(each, kind)]
            if found:
                self._orders.remove(found[0])
            return found[0] if found else None

        return cast(T, until(look, kind.__name__))

    def ask(self, update: m.LogUpdate | m.FileUpdate | m.FetchUpdate, kind: type[T]) -> T:
        self.wire.send_update(update)
        return self.next(kind)

    def close(self) -> None:
        self._queue.client.stop_jobs([self.job]).result(60)
        self.wire.send_update(m.LeaveUpdate(agent=self.name, reason="test"))
        until(lambda: self.name not in [each.id for each in self._queue.client.agents()], "it to be gone")
        self.wire.close()
        self._queue.client.resume_agents(self._local).result(60)


@pytest.fixture
def fake(queue: LiveQueue, config: AgentConfig, tmp_path: Path) -> Iterator[FakeAgent]:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "stage").write_text("stage")
    (tmp_path / "secret").write_text("secret")
    (folder / "way out").symlink_to(tmp_path)
    made = FakeAgent(queue, config.connection, folder, picture=str(tmp_path / "shots" / "beauty.png"))
    yield made
    made.close()


def file_update(fake: FakeAgent, path: str, data: bytes = b"x", **more: object) -> m.FileUpdate:
    import hashlib

    fields = {"offset": 0, "size": len(data), "digest": hashlib.sha256(data).hexdigest(), **more}
    return m.FileUpdate(
        agent=fake.name, attempt=fake.order.attempt, path=path, data=data, **fields  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["{tmp}/secret", "{tmp}/folder/../secret", "/etc/kq-test", "relative", "{tmp}/folder",
     "{tmp}/folder/\0x", "{tmp}/shots/deeper/other.png"],
)  # fmt: skip
def test_a_file_elsewhere_is_not_written(fake: FakeAgent, tmp_path: Path, path: str) -> None:
    """Only into the job's own folder, links followed, and the picture that the job names."""
    answer = fake.ask(file_update(fake, path.format(tmp=tmp_path)), m.StreamedOrder)
    assert answer.refused, answer
    assert (tmp_path / "secret").read_text() == "secret"
    assert not (tmp_path / "x").exists() and not (tmp_path / "shots").exists()


def test_a_file_beside_a_picture_is_kept_apart(fake: FakeAgent, tmp_path: Path) -> None:
    """One that the job does not name is not written there, where it could replace another."""
    answer = fake.ask(file_update(fake, str(tmp_path / "shots" / "other.png")), m.StreamedOrder)
    assert not answer.refused and not (tmp_path / "shots").exists()
    assert (tmp_path / "folder" / "kq-returned" / "other.png").read_bytes() == b"x"


def test_a_file_appears_whole_or_not_at_all(fake: FakeAgent, tmp_path: Path) -> None:
    """Not while parts are missing, not with another hash, and not for an attempt that it does not run."""
    sent_as = tmp_path / "folder" / "picture.png"
    target = tmp_path / "folder" / "kq-returned" / "picture.png"
    half = file_update(fake, str(sent_as), b"first", size=10, digest="")
    assert fake.ask(half, m.StreamedOrder).received == 5
    assert not target.exists()
    wrong = file_update(fake, str(sent_as), b"other", offset=5, size=10, digest="0" * 64)
    assert fake.ask(wrong, m.StreamedOrder).refused
    assert not target.exists()
    unexpected_attempt = msgspec.structs.replace(file_update(fake, str(sent_as)), attempt="otherjob1/0/1")
    assert fake.ask(unexpected_attempt, m.StreamedOrder).refused
    assert not target.exists()
    whole = file_update(fake, str(sent_as), b"whole")
    assert fake.ask(whole, m.StreamedOrder).received == 5
    assert target.read_bytes() == b"whole"
    named = tmp_path / "shots" / "beauty.png"
    final = file_update(fake, str(named), b"final")
    assert fake.ask(final, m.StreamedOrder).received == 5
    assert named.read_bytes() == b"final"
    assert not list(tmp_path.rglob("*.kq-part"))


@pytest.mark.parametrize("path", ["../secret", "way out/secret", "/etc/passwd", "a//b", "..", "x\\y"])
def test_a_file_outside_the_folder_is_not_sent(fake: FakeAgent, path: str) -> None:
    """Neither by dots, nor by a link to a folder."""
    update = m.FetchUpdate(agent=fake.name, attempt=fake.order.attempt, path=path)
    answer = fake.ask(update, m.FilePartOrder)
    assert answer.refused and not answer.data


def test_the_folder_is_listed_with_hashes(fake: FakeAgent) -> None:
    """Files with size and hash; a linked folder is no part of it."""
    update = m.FetchUpdate(agent=fake.name, attempt=fake.order.attempt)
    answer = fake.ask(update, m.FolderOrder)
    assert [(entry.path, entry.size) for entry in answer.files] == [("stage", 5)]


def test_a_log_with_a_gap_is_asked_for_again(fake: FakeAgent) -> None:
    """What was lost is missed; what comes twice is there once."""

    def send(offset: int, data: bytes) -> int:
        update = m.LogUpdate(agent=fake.name, attempt=fake.order.attempt, offset=offset, data=data)
        return int(fake.ask(update, m.StreamedOrder).received)

    assert send(0, b"one\n") == 4
    assert send(100, b"lost before\n") == 4
    assert send(0, b"one\ntwo\n") == 8
    assert Path(fake.order.log_file).read_bytes() == b"one\ntwo\n"
