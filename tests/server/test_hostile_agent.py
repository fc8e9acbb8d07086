"""What the key of one host's Agents is good for in an attacker's hands: each attack, on a real server."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kq import messages as m
from kq.api import JobSpec
from kq.states import Outcome
from tests.support.commands import NOTHING
from tests.support.hanging_disk import hanging_disk
from tests.support.hostile_agent import HostileAgent, admit
from tests.support.live_queue import LiveQueue, until

LOG_BYTES = 4 << 20
GROWTH = 160 << 20
"""What the server may grow by."""


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveQueue]:
    """A queue whose one local Agent takes no work unless a test has it do so."""
    root = tmp_path_factory.mktemp("data root")
    with LiveQueue(root, 1, KQ_HEARTBEAT_S=0.2, KQ_MAX_LOG_BYTES=LOG_BYTES) as live:
        live.await_agents()
        live.client.drain_agents([agent.id for agent in live.client.agents()]).result(60)
        yield live


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's temporary folder, with a script that its tasks run."""
    made = tmp_path / "job"
    made.mkdir()
    (made / "run.sh").write_text("echo mine")
    return made


@pytest.fixture
def attacker(queue: LiveQueue, folder: Path) -> Iterator[HostileAgent]:
    """Holds the key of a host that was admitted for one Agent, and has a job of that folder."""
    with HostileAgent(admit(queue, "stolen"), "stolen:1") as agent:
        job_id, done = queue.client.submit(
            JobSpec(
                name="bait", commands=(("sh", "run.sh"),), cwd=str(folder), temp_dir=str(folder),
                picture=str(folder / "beauty.png"),
            )
        )  # fmt: skip
        done.result(60)
        agent.take_job()
        assert agent.attempt.startswith(job_id)
        yield agent
        queue.client.stop_jobs([job_id]).result(60)
        agent.send(m.LeaveUpdate(agent=agent.name, reason="over"))
        until(lambda: not any(each.id == agent.name for each in queue.client.agents()), "it to be forgotten")
    queue.client.revoke_host("stolen").result(60)


def test_what_was_submitted_is_not_replaced(attacker: HostileAgent, folder: Path) -> None:
    """A returned `run.sh` is kept apart, where no task runs it and no other machine is sent it."""
    for path in ("run.sh", "sitecustomize.py", "sub/../run.sh", "beauty.png"):
        attacker.send(attacker.file(f"{folder}/{path}", b"echo stolen"))
        assert attacker.wait(m.StreamedOrder).refused == ""
    assert (folder / "run.sh").read_text() == "echo mine"
    assert (folder / "beauty.png").read_text() == "echo stolen", "the job named it as its picture"
    assert sorted(path.name for path in folder.iterdir()) == ["beauty.png", "kq-returned", "run.sh"]
    assert (folder / "kq-returned" / "run.sh").read_text() == "echo stolen"
    attacker.send(m.FetchUpdate(agent=attacker.name, attempt=attacker.attempt))
    assert [entry.path for entry in attacker.wait(m.FolderOrder).files] == ["run.sh"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_leads_no_returned_file_out_of_the_folder(attacker: HostileAgent, folder: Path) -> None:
    """Also where the folder for them is one."""
    (folder / "kq-returned").symlink_to(folder.parent)
    attacker.send(attacker.file(f"{folder}/x", b"x"))
    assert attacker.wait(m.StreamedOrder).refused
    assert not (folder.parent / "x").exists()


def test_no_picture_is_shown_that_it_may_not_write(
    queue: LiveQueue, attacker: HostileAgent, folder: Path
) -> None:
    """Neither a device nor another user's file, while it runs and at its end; its own are."""
    job_id = attacker.attempt.partition("/")[0]
    strange = [
        "/dev/zero",
        "/dev/ptmx",
        "/home/other/private.png",
        f"{folder}/../x.png",
        f"{folder}/run.sh",
        "a.png",
    ]
    for path in strange:
        attacker.send(
            m.ProgressUpdate(agent=attacker.name, attempt=attacker.attempt, progress=0.5, picture=path)
        )
    attacker.send(attacker.file(f"{folder}/other.png", b"picture"))
    attacker.wait(m.StreamedOrder)
    shown = f"{folder}/kq-returned/other.png"
    attacker.send(
        m.ProgressUpdate(
            agent=attacker.name, attempt=attacker.attempt, progress=0.6, picture=f"{folder}/other.png"
        )
    )
    until(lambda: queue.job(job_id).progress == 0.6, "the progress")
    assert queue.job(job_id).picture == shown
    ending = m.AttemptEnding(
        agent=attacker.name, attempt=attacker.attempt, outcome=Outcome.COMPLETED, picture="/dev/zero"
    )
    attacker.send(ending)
    assert queue.await_job(job_id).picture == shown


def test_a_log_is_taken_up_to_its_limit(queue: LiveQueue, attacker: HostileAgent) -> None:
    """Ten times as much is sent as fast as it goes; the file stays below what is allowed."""
    data = os.urandom(m.STREAM_PART_BYTES)
    log = Path(attacker.log_file)
    offset = 0
    while offset < 10 * LOG_BYTES:
        attacker.send(m.LogUpdate(agent=attacker.name, attempt=attacker.attempt, offset=offset, data=data))
        order = attacker.wait(m.StreamedOrder)
        if order.refused:
            break
        offset = order.received
    assert "KQ_MAX_LOG_BYTES" in order.refused
    assert log.stat().st_size == LOG_BYTES


def test_the_server_does_not_grow_with_what_is_not_read(
    queue: LiveQueue, attacker: HostileAgent, folder: Path
) -> None:
    """Refused parts with long paths, parts beyond any window, answers that it never takes."""
    server = psutil.Process(queue.server_pid)
    before = server.memory_info().rss
    stop_reading(queue, attacker)
    long = "/" + "x" * (512 << 10)
    part = os.urandom(m.STREAM_PART_BYTES)
    for _ in range(600):
        attacker.heartbeat()  # on a busy machine, all of this takes longer than its lease
        attacker.send(attacker.file(long, b"x"))
        attacker.send(attacker.file("/elsewhere", part))
    for number in range(1000):
        attacker.heartbeat()
        attacker.send(attacker.file(f"{folder}/big", part, offset=number << 18, size=1 << 40))
    # What comes last on the same connection has an end: then all before it was taken.
    job_id = attacker.attempt.partition("/")[0]
    largest = before

    def is_through() -> bool:
        nonlocal largest
        largest = max(largest, server.memory_info().rss)
        attacker.heartbeat()
        attacker.send(m.ProgressUpdate(agent=attacker.name, attempt=attacker.attempt, progress=0.9))
        time.sleep(0.05)
        return queue.job(job_id).progress == 0.9

    until(is_through, "the server to have taken it all")
    assert largest - before < GROWTH


def stop_reading(queue: LiveQueue, attacker: HostileAgent) -> None:
    """Have the server's answers go to a connection that takes next to nothing."""
    registered = server_log(queue).read_text().count("registered")
    attacker.stop_reading()
    until(
        lambda: server_log(queue).read_text().count("registered") > registered,
        "it to be registered anew",
    )


def server_log(queue: LiveQueue) -> Path:
    return next((Path(queue.data_root) / "logs").glob("*-1/server.log"))


def test_who_reads_nothing_is_sent_no_more(
    queue: LiveQueue, attacker: HostileAgent, folder: Path, tmp_path: Path
) -> None:
    """The parts of a file that an Agent asks for and never takes are not kept for it without end."""
    (folder / "textures").write_bytes(os.urandom(4 << 20))
    server = psutil.Process(queue.server_pid)
    before = largest = server.memory_info().rss
    stop_reading(queue, attacker)
    for number in range(1200):
        attacker.send(m.FetchUpdate(agent=attacker.name, attempt=attacker.attempt, path="textures"))
        if number % 30 == 0:
            attacker.heartbeat()
            # Slowly enough that each could be answered; none is waited for.
            time.sleep(0.02)
            largest = max(largest, server.memory_info().rss)
    assert_another_is_served(queue, tmp_path)
    largest = max(largest, server.memory_info().rss)
    assert largest - before < GROWTH


def test_no_more_agents_than_were_admitted(queue: LiveQueue) -> None:
    """2,000 registrations with a key for three; the server's log has a line about it, not 2,000."""
    log = server_log(queue)
    before = len(log.read_text().splitlines())
    with HostileAgent(admit(queue, "many", 3), "many:0") as attacker:
        for number in range(2000):
            attacker.register(f"many:{number}")
        for number in range(2000):
            attacker.register(f"elsewhere:{number}")
        until(lambda: len(agents_of(queue, "many")) == 3, "as many as were admitted")
        for _ in range(20):
            attacker.heartbeat()
            assert len(agents_of(queue, "many")) <= 3
            time.sleep(0.02)
        queue.client.revoke_host("many").result(60)
        for number in range(2000):
            attacker.send(m.LeaveUpdate(agent=f"many:{number}", reason="over"))
        until(lambda: not agents_of(queue, "many"), "them to be forgotten")
    lines = log.read_text().splitlines()[before:]
    assert any("more Agents" in line for line in lines)
    assert len(lines) < 40, lines


def test_an_agent_takes_the_place_of_one_that_left(queue: LiveQueue) -> None:
    """It registered too early, and is asked to do so again as soon as there is a place."""
    session = admit(queue, "places")
    with HostileAgent(session, "places:1") as first, HostileAgent(session, "places:2") as second:
        first.register()
        first.wait(m.AcknowledgeOrder)
        second.listen()
        second.register()
        until(lambda: "more Agents" in server_log(queue).read_text().rpartition("places")[2], "a refusal")
        first.send(m.LeaveUpdate(agent=first.name, reason="over"))

        def is_registered() -> bool:
            if second.has_heard():
                second.register()
            second.read()
            return any(isinstance(order, m.AcknowledgeOrder) for order in second.orders)

        until(is_registered, "it to have the place")
        until(lambda: agents_of(queue, "places") == ["places:2"], "the client to know it")
    queue.client.revoke_host("places").result(60)
    until(lambda: not agents_of(queue, "places"), "them to be forgotten")


def agents_of(queue: LiveQueue, host: str) -> list[str]:
    return [each.id for each in queue.client.agents() if each.id.startswith(f"{host}:")]


def test_others_are_served_while_one_floods(
    queue: LiveQueue, attacker: HostileAgent, folder: Path, tmp_path: Path
) -> None:
    """The list of a large folder is asked for without end; another host's Agent has its own meanwhile."""
    for number in range(3000):
        (folder / f"{number}.png").touch()
    for _ in range(3000):
        attacker.send(m.FetchUpdate(agent=attacker.name, attempt=attacker.attempt))
    assert_another_is_served(queue, tmp_path)


def test_a_share_that_hangs_holds_up_its_own_files_alone(queue: LiveQueue, tmp_path: Path) -> None:
    """What is returned to it waits. Other files of that machine, and those of others, arrive meanwhile."""
    session = admit(queue, "slow", 2)
    with hanging_disk(tmp_path) as share, HostileAgent(session, "slow:1") as agent:
        stuck = JobSpec(name="stuck", commands=(NOTHING,), temp_dir=str(share / "job"))
        job_id, done = queue.client.submit(stuck)
        done.result(60)
        agent.take_job()
        for number in range(20):
            agent.send(agent.file(f"{share}/job/{number}.png", os.urandom(m.STREAM_PART_BYTES)))
        agent.send(m.LogUpdate(agent=agent.name, attempt=agent.attempt, offset=0, data=b"log"))
        assert agent.wait(m.StreamedOrder, lambda order: not order.path).received == 3
        with HostileAgent(session, "slow:2") as second:
            folder = tmp_path / "elsewhere"
            folder.mkdir()
            fine = JobSpec(name="fine", commands=(NOTHING,), temp_dir=str(folder))
            fine_id, done = queue.client.submit(fine)
            done.result(60)
            second.take_job()
            second.send(second.file(f"{folder}/a.png", b"picture"))
            assert second.wait(m.StreamedOrder).refused == ""
            queue.client.stop_jobs([fine_id]).result(60)
        assert_another_is_served(queue, tmp_path)

        def has_said_so() -> bool:
            agent.send(agent.file(f"{share}/job/again.png", b"again"))
            return "does not respond" in server_log(queue).read_text()

        until(has_said_so, "a line in the server's log")
        assert not [order for order in agent.orders if isinstance(order, m.StreamedOrder) and order.path]
        queue.client.stop_jobs([job_id]).result(60)
    queue.client.revoke_host("slow").result(60)
    until(lambda: not agents_of(queue, "slow"), "them to be forgotten")


def assert_another_is_served(queue: LiveQueue, tmp_path: Path) -> None:
    """An Agent of another host has the list of its job's folder."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "scene").write_text("scene")
    with HostileAgent(admit(queue, "honest"), "honest:1") as honest:
        spec = JobSpec(name="other", commands=(NOTHING,), temp_dir=str(folder))
        job_id, done = queue.client.submit(spec)
        done.result(60)
        honest.take_job()
        honest.send(m.FetchUpdate(agent=honest.name, attempt=honest.attempt))
        assert [entry.path for entry in honest.wait(m.FolderOrder).files] == ["scene"]
        queue.client.stop_jobs([job_id]).result(60)
    until(lambda: not agents_of(queue, "honest"), "it to be forgotten")
    queue.client.revoke_host("honest").result(60)
