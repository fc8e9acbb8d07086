"""StartAgents and StopAgents by hand, as the guide says: copied to a home, run with seven arguments."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kq.process import own_id
from tests.support.live_queue import ROOT, LiveQueue, is_alive, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the scripts here are those for shells"),
]

SCRIPTS = ROOT / "resources" / "scripts"


class Hand:
    """Somebody at a terminal of the other machine."""

    def __init__(self, home: Path, queue: LiveQueue, katana_root: Path = ROOT) -> None:
        self.home = home
        self.queue = queue
        self.katana_root = katana_root
        self.state = home / ".katana-queue"
        home.mkdir(exist_ok=True)
        for name in ("StartAgents.sh", "StopAgents.sh"):
            shutil.copy(SCRIPTS / name, home)
        self.connection: dict[str, object] = {}

    def take_key(self) -> None:
        """As `kq remote key` prints it, put where StartAgents looks."""
        done = self.queue.kq("remote", "key", "farm-h", "--kq-host", "127.0.0.1")
        assert done.returncode == 0, done.stderr
        self.state.mkdir(exist_ok=True, mode=0o700)
        (self.state / "connection.json").write_text(done.stdout)
        self.connection = json.loads(done.stdout)["connection"]

    def run(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KQ_", "PYTHON"))}
        run_mark = {"KQ_TEST_RUN": os.environ["KQ_TEST_RUN"]}
        return subprocess.run(
            [str(self.home / name), *arguments],
            env={**kept, **run_mark, "HOME": str(self.home), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def arguments(self, agents: int = 2) -> list[str]:
        ports = [str(self.connection.get(f"{name}_port", 1)) for name in ("request", "update", "broadcast")]
        return [str(self.katana_root), str(self.queue.data_root), "127.0.0.1", *ports, str(agents)]

    def start(self, agents: int = 2) -> subprocess.CompletedProcess[str]:
        return self.run("StartAgents.sh", *self.arguments(agents))

    def pids(self) -> list[int]:
        found = []
        for path in self.state.glob("sessions/*/supervisor.json"):
            content = json.loads(path.read_text())
            found += [content["pid"], *(each[1] for each in content["agents"])]
        return found


@pytest.fixture
def hand(tmp_path: Path, queue: LiveQueue) -> Iterator[Hand]:
    """At a home and with a Katana root whose names have a blank and quotation marks."""
    root = tmp_path / 'Katana "9" of the artist\'s'
    root.symlink_to(ROOT)
    made = Hand(tmp_path / "it's a home", queue, root)
    yield made
    made.run("StopAgents.sh", "--all")
    queue.client.revoke_host("farm-h").result(60)


def test_started_and_stopped_by_hand(hand: Hand, queue: LiveQueue) -> None:
    """Seven arguments in the documented order; logs where the guide says; started twice is started once."""
    hand.take_key()
    first = hand.start()
    assert first.returncode == 0, first.stderr
    assert "Agent farm-h:1-" in first.stdout and " launched, process " in first.stdout
    until(
        lambda: len([each for each in queue.client.agents() if each.id.startswith("farm-h:")]) == 2,
        "two Agents in the queue",
    )
    assert (queue.data_root / "logs" / "remote_agent_0.log").is_file()
    assert (queue.data_root / "logs" / "remote_agent_1.log").is_file()
    running = hand.pids()
    assert len(running) == 3
    again = hand.start()
    assert "already" in again.stdout and hand.pids() == running
    stopped = hand.run("StopAgents.sh")
    assert stopped.returncode == 0 and re.search(r"2 Agents .*, 0 processes ", stopped.stdout)
    assert not any(map(is_alive, running))


def test_two_starts_at_the_same_instant(hand: Hand, queue: LiveQueue) -> None:
    """One launches the Agents, the other finds them running: neither ends what the other has started."""
    hand.take_key()
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: hand.start(), range(2)))
    assert [each.returncode for each in done] == [0, 0], done
    assert sorted(" launched, " in each.stdout for each in done) == [False, True], done
    [supervisor, *agents] = hand.pids()
    assert len(agents) == 2 and all(map(is_alive, [supervisor, *agents]))


def test_without_a_key_it_says_how_to_get_one(hand: Hand) -> None:
    """Nothing is started."""
    done = hand.start()
    assert done.returncode == 2 and "kq remote key" in done.stderr
    assert not hand.pids()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["/k", "/d", "host"], "3 were given"),
        (["/My", "Katana", "/d", "host", "1", "2", "3", "2"], "8 were given"),
        (["/k", "/d", "host", "1", "2", "x", "2"], "'x'"),
        (["/k", "/d", "host", "1", "2", "3", "-1"], "'-1'"),
        (["/nowhere", "/d", "host", "1", "2", "3", "1"], "/nowhere"),
    ],
)
def test_invalid_arguments(hand: Hand, arguments: list[str], word: str) -> None:
    """One line each, with the argument."""
    done = hand.run("StartAgents.sh", *arguments)
    assert done.returncode == 2 and word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_python_that_is_too_old_is_named(hand: Hand, tmp_path: Path) -> None:
    """With its version."""
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.20 && exit\nexit 1\n')
    old.chmod(0o755)
    done = hand.run("StartAgents.sh", *hand.arguments(), KQ_PYTHON=str(old))
    assert done.returncode == 2 and "Python 3.8.20" in done.stderr and "3.11" in done.stderr


def test_katanas_own_python_is_found(hand: Hand, queue: LiveQueue, tmp_path: Path) -> None:
    """Katana's `bin` has python.sh alone; StopAgents runs that, too, not the program that it runs."""
    root = tmp_path / "Katana 9"
    (root / "bin").mkdir(parents=True)
    (root / "kq").symlink_to(ROOT / "kq")
    launcher = root / "bin" / "python.sh"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    hand.katana_root = root
    hand.take_key()
    started = hand.start(1)
    assert started.returncode == 0, started.stderr
    assert (hand.state / "python").read_text() == str(launcher)
    stopped = hand.run("StopAgents.sh")
    assert stopped.returncode == 0 and "1 Agent" in stopped.stdout


def test_a_key_that_windows_wrote_is_read(hand: Hand, queue: LiveQueue) -> None:
    """With a byte order mark before it."""
    hand.take_key()
    key = hand.state / "connection.json"
    key.write_bytes(b"\xef\xbb\xbf" + key.read_bytes())
    assert hand.start(1).returncode == 0
    assert hand.run("StopAgents.sh").returncode == 0


def test_the_share_is_missing(hand: Hand, queue: LiveQueue, tmp_path: Path) -> None:
    """The Agents run all the same; their own logs are in the home, their renders' logs are sent."""
    hand.take_key()
    arguments = hand.arguments(1)
    arguments[1] = str(tmp_path / "no share")
    done = hand.run("StartAgents.sh", *arguments)
    assert done.returncode == 0 and "not shared" in done.stdout
    assert (hand.state / "logs" / "remote_agent_0.log").is_file()
    assert not (tmp_path / "no share").exists()


def test_a_place_that_cannot_be_written(hand: Hand) -> None:
    """One message names it, and the variable for another; a full disk is worded alike."""
    hand.take_key()
    key = str(hand.state / "connection.json")
    done = hand.run("StartAgents.sh", *hand.arguments(), KQ_REMOTE_DIR="/proc/nowhere", KQ_CONNECTION=key)
    assert done.returncode == 2 and "/proc/nowhere" in done.stderr and "KQ_REMOTE_DIR" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_only_what_we_started_is_stopped(hand: Hand, queue: LiveQueue) -> None:
    """A pid that belongs to another process by now is left alone, whatever its command line says."""
    bystander = subprocess.Popen(["Agent.py", "60"], executable=shutil.which("sleep"))
    try:
        hand.take_key()
        assert hand.start(1).returncode == 0
        pid_file = next(hand.state.glob("sessions/*/supervisor.json"))
        supervisor = json.loads(pid_file.read_text())["pid"]
        agent = json.loads(pid_file.read_text())["agents"][0][1]
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: not is_alive(agent), "the Agent to end with its supervisor")
        content = json.loads(pid_file.read_text())
        content["pid"] = bystander.pid
        content["agents"] = [["farm-h:1", os.getpid(), own_id().start_time + 1]]
        pid_file.write_text(json.dumps(content))
        done = hand.run("StopAgents.sh")
        assert done.returncode == 0, done.stderr
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_started_again_at_once_after_a_hard_end(hand: Hand, queue: LiveQueue) -> None:
    """What the queue still counts of Agents that were killed does not end those that follow them."""

    def known() -> dict[str, int]:
        return {each.id: each.pid for each in queue.client.agents() if each.id.startswith("farm-h:")}

    hand.take_key()
    assert hand.start(1).returncode == 0
    supervisor, agent = hand.pids()
    until(lambda: agent in known().values(), "the first Agent in the queue")
    before = set(known())
    # Nobody says goodbye: the queue counts the Agent until its lease has run out.
    for pid in (agent, supervisor):
        os.kill(pid, signal.SIGKILL)
    assert hand.run("StopAgents.sh").returncode == 0
    queue.client.revoke_host("farm-h").result(60)
    hand.take_key()
    assert hand.start(1).returncode == 0
    running = hand.pids()
    until(lambda: running[1] in known().values(), "the second Agent in the queue")
    until(lambda: not before & set(known()), "the first Agent's lease to run out")
    assert all(map(is_alive, running)) and hand.pids() == running


def test_other_sessions_agents_are_left_alone(hand: Hand, queue: LiveQueue, tmp_path: Path) -> None:
    """With Agents of two sessions, it asks which is meant, and stops that one."""
    hand.take_key()
    assert hand.start(1).returncode == 0
    ours = hand.pids()
    with LiveQueue(tmp_path / "other root", 1, KQ_LEASE_S=8) as other:
        colleague = Hand(hand.home, other)
        colleague.take_key()
        assert colleague.start(1).returncode == 0
        theirs = [pid for pid in hand.pids() if pid not in ours]
        asked = hand.run("StopAgents.sh")
        assert asked.returncode == 2 and "2 sessions" in asked.stderr
        assert all(map(is_alive, ours + theirs))
        done = hand.run("StopAgents.sh", queue.session)
        assert done.returncode == 0, done.stderr
        assert not any(map(is_alive, ours)) and all(map(is_alive, theirs))
    until(lambda: not any(map(is_alive, theirs)), "theirs to end with their session")


def test_agents_that_do_not_listen_are_killed_with_their_renders(hand: Hand, queue: LiveQueue) -> None:
    """Asked first; those that stand still are ended all the same."""
    hand.take_key()
    assert hand.start(1).returncode == 0
    running = hand.pids()
    for pid in running:
        os.kill(pid, signal.SIGSTOP)
    done = hand.run("StopAgents.sh")
    assert done.returncode == 0, done.stderr
    assert not any(map(is_alive, running))
    assert not re.search(r"\b0 processes ", done.stdout)
