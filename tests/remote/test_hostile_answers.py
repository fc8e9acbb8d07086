"""What the other side of SSH may send: endless files, wrong types, characters that steer a terminal."""

from __future__ import annotations

import errno
import io
import threading
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from kq.errors import RemoteFailed
from kq.remote import RemoteHost, RemoteStep, ssh, tunnel
from kq.remote.answers import Ended, Started, typed_answer
from kq.remote.machine import _is_same, marked_line, newest_python
from kq.remote.steps import OpenStep, Steps
from tests.remote.machines import Reports
from tests.remote.test_prompts import preflight_of
from tests.support.live_queue import until


class Endless(io.RawIOBase):
    """A file that never ends; it counts what is read of it."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "read without bound"
        self.count += size
        return b"x" * size


def test_of_an_endless_file_no_more_is_read_than_is_compared() -> None:
    """As /dev/zero behind a link in the home folder."""
    file = Endless()
    sftp: Any = SimpleNamespace(open=lambda _path, _mode: file)
    assert not _is_same(sftp, "StartAgents.sh", b"x" * 1000)
    assert file.count == 1001


FAILED = "files cannot be written on farm-7 by SFTP: "
LOST = "the SSH connection to farm-7 was lost: "
SFTP_ERRORS = {
    "full": (OSError("Failure"), True, f"{FAILED}Failure; is its disk full?"),
    "denied": (
        PermissionError(errno.EACCES, "Permission denied"),
        True,
        f"{FAILED}Permission denied; may anna write to the home folder there?",
    ),
    "other": (OSError("Operation unsupported"), True, f"{FAILED}Operation unsupported"),
    "lost": (OSError("Socket is closed"), False, f"{LOST}Socket is closed"),
    "lost a moment ago": (EOFError(), True, f"{LOST}EOFError"),
    "dropped": (
        paramiko.SSHException("Server connection dropped: "),
        True,
        f"{LOST}Server connection dropped",
    ),
}
"""What SFTP raises, whether the connection is still up, and the message."""


@pytest.mark.parametrize("name", SFTP_ERRORS)
def test_of_an_sftp_error_only_its_own_cause_is_suggested(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A full disk is no cause of a denied permission, nor of a lost connection."""
    error, is_up, message = SFTP_ERRORS[name]
    transport: Any = SimpleNamespace(
        is_active=lambda: is_up, open_session=lambda **_: SimpleNamespace(close=lambda: None)
    )
    route: Any = SimpleNamespace(name="farm-7", user="anna")
    monkeypatch.setattr(ssh.Connection, "_sftp_client", lambda *_: None)

    def fail(_client: object) -> None:
        raise error

    connection = ssh.Connection(transport, route, "", None, None)
    with pytest.raises(RemoteFailed) as raised:
        connection.with_files(Steps(lambda _step: None, threading.Event()), fail)
    assert str(raised.value) == message


def test_of_endless_output_no_more_is_kept_than_the_limit() -> None:
    """Also while it comes faster than it is read. A channel stands in, that has 64 MiB ready at once."""
    out, err = bytearray(), bytearray()
    largest, left = 0, 1024

    def take(size: int) -> bytes:
        nonlocal largest, left
        left -= 1
        largest = max(largest, len(out), len(err))
        return b"x" * size

    channel: Any = SimpleNamespace(
        recv_ready=lambda: left > 512,
        recv=take,
        recv_stderr_ready=lambda: left > 0,
        recv_stderr=take,
        closed=True,
    )
    ssh._collect(channel, SimpleNamespace(), out, err)  # type: ignore[arg-type]
    assert (largest, len(out), len(err)) == (1 << 20, 1 << 20, 1 << 20)


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "text", {"cores": "many"}, {"cores": -1}, {"cores": 10**30}, {"time": []}, {"data_root": 7},
        {"data_root": {"exists": "yes"}}, {"agents": [1]}, {"free_disk": None},
    ],
)  # fmt: skip
def test_a_report_of_wrong_types_is_an_error_of_its_step(answer: object) -> None:
    """And no traceback."""
    made = preflight_of()
    made.machine.run_kq = lambda *_: answer  # type: ignore[method-assign]  # no more is asked for
    with pytest.raises(RemoteFailed, match="farm-w sent an invalid report"):
        made._report(OpenStep("Machine", lambda _step: None), {})


@pytest.mark.parametrize(
    ("answer", "kind"), [([], Started), ({"agents": [[1]]}, Started), ({"ended": 3}, Ended)]
)
def test_answers_of_wrong_types_are_errors(answer: object, kind: type) -> None:
    """Of the scripts that start and stop Agents."""
    with pytest.raises(RemoteFailed, match="answer"):
        typed_answer(answer, kind, RemoteHost(host="farm-w"))


def test_a_version_of_other_digits_is_no_version() -> None:
    """str.isdigit accepts what int does not."""
    with pytest.raises(RemoteFailed):
        newest_python("/usr/bin/python3\t3.\u00b2.1", RemoteHost(host="farm-w"))


def test_an_answer_that_nests_without_end_is_none() -> None:
    """The decoder's own limit is no traceback."""
    assert marked_line("kq-remote: " + "[" * 100_000) is None


def test_what_steers_a_terminal_is_escaped_in_steps() -> None:
    """C0, C1, bidirectional controls and lone surrogates, in every message of a step."""
    reports = Reports()
    steps = Steps(reports, threading.Event())
    hostile = "farm\x1b[31m\x9b2J\u202e\u200f\u2066\udcff"
    with steps.step("System") as step:
        step.update(hostile)
        step.done(hostile)
    messages = [each.message for each in reports.steps if isinstance(each, RemoteStep) and each.message]
    assert len(messages) == 2
    for message in messages:
        assert message.isprintable() and message.encode(), message


def test_a_tunnel_has_a_limit_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes two threads of the desktop; those beyond are closed at once."""
    monkeypatch.setattr(tunnel, "MAX_CONNECTIONS", 3)
    transport: Any = SimpleNamespace(request_port_forward=lambda _host, port, _handler: port + 1000)
    opened = tunnel.Tunnel(SimpleNamespace(transport=transport), (1, 2, 3), (1, 2, 3))  # type: ignore[arg-type]  # no more is asked for
    go, serving = threading.Event(), threading.Semaphore(0)

    def forward(_channel: object, _port: int) -> None:
        serving.release()
        assert go.wait(60)

    monkeypatch.setattr(opened, "_forward", forward)
    closed: list[int] = []

    def connect(number: int) -> None:
        channel: Any = SimpleNamespace(close=lambda: closed.append(number))
        opened._on_connection(channel, ("there", 0), ("127.0.0.1", 1001))

    for number in range(5):
        connect(number)
    assert closed == [3, 4]
    go.set()
    for _ in range(3):
        assert serving.acquire(timeout=60)
    until(lambda: opened._connection_count == 0, "the connections to end")
    connect(5)
    assert serving.acquire(timeout=60) and closed == [3, 4]
    until(lambda: opened._connection_count == 0, "the last one to end")
