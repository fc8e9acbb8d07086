"""A message without end, with an admitted key: its connection is closed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.client.discovery import live_sessions
from kq.wire.unfinished import Received, UnfinishedMessages
from tests.support.live_queue import LiveQueue
from tests.support.raw_peer import RawPeer

LIMIT, TOTAL = 10, 25
STEPS = st.lists(
    st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 2), st.integers(0, 30))), max_size=8
)


@given(STEPS)
def test_limits_hold(steps: list[dict[int, tuple[int, int]]]) -> None:
    """Only connections without a message since the last check are closed; a valid message alone is never."""
    unfinished = UnfinishedMessages(LIMIT, TOTAL)
    messages: dict[int, int] = {}
    sizes: dict[int, int] = {}
    """By connection: bytes since the check at which its last message was known."""
    for step in steps:
        fresh = set()
        for fd, (count, size) in step.items():
            if fd not in messages or count:
                fresh.add(fd)
            messages[fd] = messages.get(fd, 0) + count
            sizes[fd] = sizes.get(fd, 0) + size
        closed = unfinished.check(Received(fd, messages[fd], sizes[fd]) for fd in messages)
        assert not fresh & set(closed)
        for fd in closed:
            del messages[fd], sizes[fd]


def test_it_is_closed_at_the_second_check() -> None:
    """At the first it may be what the system received while the server was suspended."""
    unfinished = UnfinishedMessages(LIMIT, TOTAL)
    assert unfinished.check([Received(3, 1, 100)]) == []
    assert unfinished.check([Received(3, 1, 100 + LIMIT)]) == []
    assert unfinished.check([Received(3, 1, 101 + LIMIT)]) == []
    assert unfinished.check([Received(3, 2, 200)]) == [], "it was a message"
    assert unfinished.check([Received(3, 2, 201 + LIMIT)]) == []
    assert unfinished.check([Received(3, 2, 201 + LIMIT)]) == [3]


def test_the_next_connection_with_its_descriptor_begins_anew() -> None:
    unfinished = UnfinishedMessages(LIMIT, TOTAL)
    for size in (0, 1 + LIMIT):
        assert unfinished.check([Received(3, 0, size)]) == []
    assert unfinished.check([Received(3, 0, 1 + LIMIT)]) == [3]
    assert unfinished.check([Received(3, 0, 1 + LIMIT)]) == []


def test_of_many_the_largest_are_closed() -> None:
    """Each of them could be valid; together they are too large."""
    unfinished = UnfinishedMessages(LIMIT, TOTAL)
    sizes = {1: 5, 2: 8, 3: 9, 4: 7}
    unfinished.check([Received(fd, 0, 0) for fd in sizes])
    assert unfinished.check([Received(fd, 0, size) for fd, size in sizes.items()]) == []
    assert unfinished.check([Received(fd, 0, size) for fd, size in sizes.items()]) == [3]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a connection has received")
def test_the_server_stays_small_and_serves_others(data_root: Path) -> None:
    """On each port, by large and by small frames; others' messages come through, and the log says why."""
    with LiveQueue(data_root, 1) as queue:
        record = live_sessions(data_root)[0]
        server = psutil.Process(queue.server_pid)
        before = server.memory_info().rss
        for port, kind, size in (
            (record.request_port, "DEALER", 1 << 20),
            (record.update_port, "PUSH", 1 << 20),
            (record.broadcast_port, "SUB", 900),
        ):
            peer = RawPeer(port, kind, record.server_key, (record.public_key, record.secret_key))
            peer.await_admission()
            with pytest.raises(OSError):
                while server.memory_info().rss < before + (1 << 30):
                    for _ in range(max((1 << 20) // size, 1)):
                        peer.send_part(bytes(size))
                    time.sleep(0.005)  # 200 MB a second at most: more than a network of 1 Gbit/s carries
            peer.close()
        assert queue.await_job(queue.submit(sys.executable, "-c", "")).state == "Completed"
        assert queue.server_pid == server.pid
        [log] = (data_root / "logs").glob("*/server.log")
        assert "without end" in log.read_text()
