"""The client's thread: it never waits for its callers, nor they for it, and it always comes to an end."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import msgspec
import pytest

from kq.api import (
    BadInput,
    ConnectionLost,
    ConnectionStatus,
    JobSpec,
    QueueChange,
    QueueClient,
    Session,
    find_session,
)
from kq.client import listeners
from kq.client.mirror import Mirror
from kq.messages import ChangesEvent, SnapshotReply
from kq.records import JobRecord, QueueRecord
from kq.settings import Settings
from kq.states import JobState, WaitReason
from tests.support.live_queue import until
from tests.support.small_disk import fill, small_disk

SPEC = JobSpec(name="n", commands=(("true",),))


@pytest.fixture
def client() -> Iterator[QueueClient]:
    """One that is not connected."""
    client = QueueClient()
    yield client
    client.close()
    assert client.join(60)


def record(job_id: str, state: JobState = JobState.WAITING) -> JobRecord:
    return JobRecord(id=job_id, name="n", state=state, submitted=1.0, order=1)


def page(*jobs: JobRecord, sequence: int, more: bool = False) -> SnapshotReply:
    return SnapshotReply(
        request=1, sequence=sequence, jobs=jobs, agents=(), queue=QueueRecord(), now=0.0, more=more
    )


def test_a_submitted_job_is_known_at_once(client: QueueClient) -> None:
    """Before any server has answered; an invalid job is refused at once, too."""
    job_id, done = client.submit(SPEC)
    known = client.job(job_id)
    assert known is not None and known.wait_reason is WaitReason.SUBMISSION
    assert not done.done()
    with pytest.raises(BadInput):
        client.submit(JobSpec(name="", commands=(("true",),)))


def test_everything_open_fails_when_it_is_closed(client: QueueClient) -> None:
    """Whoever waits for an answer hears that there will be none; the provisional job is gone."""
    job_id, done = client.submit(SPEC)
    client.close()
    with pytest.raises(ConnectionLost):
        done.result(60)
    assert client.join(60)
    assert client.job(job_id) is None
    with pytest.raises(ConnectionLost):
        client.stop_jobs(["x"]).result(60)


def test_no_answer_is_lost_to_closing(client: QueueClient) -> None:
    """However many threads ask while it closes: every future is done."""
    futures: list[Future[None]] = []

    def ask() -> None:
        futures.extend(client.pause_queue(True) for _ in range(300))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    client.close()
    for thread in threads:
        thread.join()
    for future in futures:
        with pytest.raises(ConnectionLost):
            future.result(60)


def test_a_cancelled_future_harms_no_other(client: QueueClient) -> None:
    """The thread goes on."""
    assert client.pause_queue(True).cancel()
    client.set_status(ConnectionStatus.ENDED, "over")
    with pytest.raises(ConnectionLost, match="over"):
        client.pause_queue(True).result(60)


def test_a_listener_that_raises_harms_no_other(client: QueueClient) -> None:
    """The others are called all the same."""
    heard: list[QueueChange] = []

    def fail(_change: QueueChange) -> None:
        raise RuntimeError("a plug-in's fault")

    client.add_listener(fail)
    client.add_listener(heard.append)
    until(lambda: heard, "the first call")
    assert heard[0].reset
    client.set_status(ConnectionStatus.LOST, "gone")
    until(lambda: heard[-1].status is ConnectionStatus.LOST, "the news")


def test_a_listener_that_was_removed_is_not_called(client: QueueClient) -> None:
    """Not even when it is removed before its first call."""
    calls: list[QueueChange] = []
    others: list[QueueChange] = []
    held, removed = threading.Event(), threading.Event()

    def hold(_change: QueueChange) -> None:
        held.set()
        removed.wait(60)

    # While the client's thread is in a call, nobody else can have had a first one.
    let_go = client.add_listener(hold)
    assert held.wait(60)
    remove = client.add_listener(calls.append)
    remove()
    let_go()
    removed.set()
    client.add_listener(others.append)
    until(lambda: others, "the others")
    client.set_status(ConnectionStatus.LOST, "x")
    until(lambda: others[-1].status is ConnectionStatus.LOST, "the news")
    assert calls == []


def test_the_time_of_the_queue_is_followed_from_the_snapshot_on(client: QueueClient) -> None:
    """The system's clock was set back since the server began: its own was not, and jobs' times are its."""
    now = time.time() + 7200
    client._take_reply(msgspec.structs.replace(page(sequence=1), request=client._snapshot_request, now=now))
    assert client.status is ConnectionStatus.CONNECTED
    assert now <= client.now_s() < now + 3600
    job_id, _done = client.submit(SPEC)
    known = client.job(job_id)
    assert known is not None and known.submitted >= now, "sorted by it, the newest stays on top"


def test_events_apply_on_top_of_the_snapshot() -> None:
    """Those that came while its pages did, in order; older ones are in it already."""
    mirror = Mirror()
    mirror.apply(ChangesEvent(sequence=4, jobs=(record("old1", JobState.FAILED),)))
    assert not mirror.take_page(page(record("aaaa"), sequence=5, more=True), frozenset())
    mirror.apply(ChangesEvent(sequence=5, jobs=(record("aaaa", JobState.FAILED),)))
    mirror.apply(ChangesEvent(sequence=6, jobs=(record("bbbb", JobState.RUNNING),)))
    assert mirror.take_page(page(record("bbbb"), sequence=5), frozenset())
    assert {each.id: each.state for each in mirror.jobs.values()} == {"aaaa": "Waiting", "bbbb": "Running"}


def test_a_gap_asks_for_a_snapshot() -> None:
    """An event that was missed is never passed over."""
    mirror = Mirror()
    mirror.take_page(page(sequence=5), frozenset())
    assert mirror.apply(ChangesEvent(sequence=5))
    assert mirror.apply(ChangesEvent(sequence=6))
    assert not mirror.apply(ChangesEvent(sequence=8))


def test_many_changes_are_passed_on_in_parts() -> None:
    """Whoever is told takes a part in without a pause; nothing is told twice, nothing left out."""
    mirror = Mirror()
    mirror.take_page(page(*(record(f"job{i}") for i in range(7)), sequence=5), frozenset())
    assert mirror.take_change(ConnectionStatus.CONNECTED, "", most=3).reset
    failed = tuple(record(f"job{i}", JobState.FAILED) for i in range(5))
    mirror.apply(ChangesEvent(sequence=6, jobs=failed, removed_jobs=("job5", "job6")))
    told, gone = [], []
    while mirror.has_unreported_changes:
        change = mirror.take_change(ConnectionStatus.CONNECTED, "", most=3)
        assert len(change.jobs) <= 3
        told += [job.id for job in change.jobs]
        gone += change.removed_jobs
    assert told == [job.id for job in failed]
    assert gone == ["job5", "job6"]


def test_a_snapshot_that_broke_off_counts_for_nothing() -> None:
    """The pages of another follow: what only the first one held is not there."""
    mirror = Mirror()
    mirror.take_page(page(record("aaaa"), sequence=5, more=True), frozenset())
    mirror.forget_pages()
    assert mirror.take_page(page(record("bbbb"), sequence=9), frozenset())
    assert list(mirror.jobs) == ["bbbb"]
    assert mirror.sequence == 9


def test_the_clients_thread_rests_between_its_pieces_of_work(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window whose program it is part of would else stand still."""
    monkeypatch.setattr(listeners, "_WORK_S", 0.0)
    monkeypatch.setattr(listeners, "_JOBS_PAGE_SIZE", 300)
    sleep = time.sleep

    def rest(seconds: float) -> None:
        if threading.current_thread().name == "kq-client":
            rests.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(listeners.time, "sleep", rest)
    count, rests, told = 2_500, [], []
    session = Session(Settings(data_root=data_root, num_agents=1))
    other = QueueClient()
    try:
        session.client.pause_queue(True).result(60)
        wait([session.client.submit(SPEC)[1] for _ in range(count)])
        other.add_listener(told.append)
        other.connect(find_session(data_root))
        until(lambda: len(other.jobs()) == count, "all jobs")
        until(lambda: told and told[-1].status is ConnectionStatus.CONNECTED, "the news")
        assert len(rests) >= 3
        assert set(rests) == {listeners._REST_S}

        told.clear()
        other.stop_all_jobs().result(60)
        until(lambda: sum(len(each.jobs) for each in told) >= count, "all that was stopped")
        assert {job.state for each in told for job in each.jobs} == {JobState.CANCELLED}
        assert max(len(each.jobs) for each in told) <= 300
    finally:
        other.close()
        session.close()
        assert session.wait(60)
        assert other.join(60)
        assert session.client.join(60)


def test_it_is_connected_once_changes_arrive(data_root: Path, client: QueueClient) -> None:
    """Answers alone do not make what is shown true: what changes after them would be missed."""
    session = Session(Settings(data_root=data_root, num_agents=0))
    try:
        assert session.wait_ready(60), session.failure
        record = find_session(data_root)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            # In the folder of its session it would find the right port again.
            client.connect(msgspec.structs.replace(record, broadcast_port=port, queue_dir=str(data_root)))
            # A snapshot would have been answered before.
            client.pause_queue(False).result(30)
            assert client.status is ConnectionStatus.STARTING
        client.connect(record)
        until(lambda: client.status is ConnectionStatus.CONNECTED, "the connection")
    finally:
        session.close()
        assert session.wait(60)
        assert session.client.join(60)


def test_a_session_that_cannot_start_reports_why(data_root: Path) -> None:
    """In its failure and through its client, soon; waiting for its end is safe."""
    root = str(data_root / "a file")
    Path(root).touch()
    session = Session(Settings.from_environment({"KQ_DATA_ROOT": root}))
    try:
        assert not session.wait_ready(60)
        assert root in session.failure
        until(lambda: session.client.status is ConnectionStatus.ENDED, "the client to know")
        assert root in session.client.message
    finally:
        session.close()
        assert session.wait(60)
        assert session.client.join(60)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_a_session_on_a_full_disk_reports_what_to_do(tmp_path: Path) -> None:
    """One sentence, without the system's number of the error, that names the setting."""
    with small_disk(tmp_path) as mount:
        fill(mount / "filler")
        session = Session(Settings.from_environment({"KQ_DATA_ROOT": str(mount)}))
        try:
            assert not session.wait_ready(60)
            assert "No space left on device" in session.failure
            assert "KQ_DATA_ROOT" in session.failure
            assert "Errno" not in session.failure
        finally:
            session.close()
            assert session.wait(60)
            assert session.client.join(60)


def test_invalid_settings_are_reported_by_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in starts it while the desktop does: nothing may be raised there."""
    monkeypatch.setenv("KQ_NUM_AGENTS", "many")
    session = Session()
    try:
        assert not session.wait_ready(60)
        assert "KQ_NUM_AGENTS" in session.failure
    finally:
        session.close()
        assert session.wait(60)
        assert session.client.join(60)


def test_a_user_without_a_home_learns_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose users are numbers: the session says so, and does not start for ever."""

    def no_home(_kind: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(no_home))
    for name in ("KQ_DATA_ROOT", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    session = Session()
    try:
        assert not session.wait_ready(60)
        assert "KQ_DATA_ROOT" in session.failure
    finally:
        session.close()
        assert session.wait(60)
        assert session.client.join(60)


def test_a_session_closed_at_once_leaves_nothing(data_root: object) -> None:
    """However far it had come."""
    for delay in (0.0, 0.05, 0.3):
        session = Session()
        time.sleep(delay)
        session.close()
        assert session.wait(60)
        assert session.client.join(60)
