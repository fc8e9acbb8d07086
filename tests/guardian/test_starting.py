"""The start of a session: its processes begin side by side, and whoever dies in between leaves nothing."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.commands import NOTHING
from tests.support.live_queue import LiveQueue, frozen, is_alive, key_files, kill, marked_with, until

_AGENTS = 2
_TRIES = 20
"""The moment between two steps of a start is short: a test that missed it begins anew."""


def _ours(role: str, data_root: Path) -> set[int]:
    """The processes of this role in the session of this data root."""
    return set(marked_with("KQ_DATA_ROOT", str(data_root))) & set(marked_with("KQ_ROLE", role))


def _kill_in_between(queue: LiveQueue) -> set[int]:
    """Kill the first server when its Agents' processes are there and it has not said where it can be reached.

    Returns:
        Those processes; none when the server was there already.
    """
    root = queue.data_root
    until(lambda: len(_ours("agent", root)) == _AGENTS, "the Agents' processes")
    [server] = _ours("server", root)
    with frozen(server):
        early = _ours("agent", root) if not key_files(root, "server.json") else set[int]()
        if early:
            kill(server)
    return early


def test_a_server_killed_before_it_took_its_agents_over_leaves_none(tmp_path: Path) -> None:
    """The next one starts its own, under the same names, and those are all there are."""
    for number in range(_TRIES):
        queue = LiveQueue(tmp_path / str(number), _AGENTS)
        queue.data_root.mkdir()
        try:
            with ThreadPoolExecutor(1) as desktop:
                started = desktop.submit(queue.start)
                early = _kill_in_between(queue)
                started.result()
            agents = set(queue.await_agents())
            assert agents == _ours("agent", queue.data_root)
            assert sorted(agent.id for agent in queue.client.agents()) == ["a1", "a2"]
            assert not agents & early and not [pid for pid in early if is_alive(pid)]
            record = queue.await_job(queue.submit(*NOTHING, frames="1-10"))
            assert record.state == "Completed" and record.attempts == 10
        finally:
            queue.close()
        if early:
            return
    raise AssertionError(f"the server was faster {_TRIES} times")


def test_agents_are_taken_over_with_the_numbers_and_logs_they_would_have_had(tmp_path: Path) -> None:
    """Each registers once, and a new one goes on counting."""
    with LiveQueue(tmp_path, _AGENTS) as queue:
        first = set(queue.await_agents())
        [log] = tmp_path.glob("logs/*/server.log")
        logs = list(log.parent.glob("agent-*.log"))
        until(lambda: all("registered" in each.read_text() for each in logs), "Agents to hear of it")
        for agent in queue.client.agents():
            said = [line for line in log.read_text().splitlines() if f"agent={agent.id} " in line]
            assert [f" pid {agent.pid}" in line for line in said[:2]] == [True, True]
            assert ["registered" in line for line in said[:2]] == [False, True]
            own = (log.parent / f"agent-{agent.id}.log").read_text()
            assert len(re.findall(rf"\bregistered\b.*\b{agent.pid}\b", own)) == 1
        killed = min(first)
        kill(killed)
        until(lambda: any(agent.id == "a3" and agent.pid for agent in queue.client.agents()), "another Agent")
        assert set(queue.await_agents()) > first - {killed}


def test_a_session_that_ends_is_asked_to_before_it_is_made_to(tmp_path: Path) -> None:
    """Its server has time to end the Agents, and they their renders: nothing is left for the guardian."""
    with LiveQueue(tmp_path, _AGENTS) as queue:
        queue.await_agents()
    [log] = tmp_path.glob("logs/*/guardian.log")
    assert "; 0 processes " in log.read_text()
    [log] = tmp_path.glob("logs/*/server.log")
    assert log.read_text().count(" exit code 0") == _AGENTS


def test_a_session_that_ends_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    """Its desktop is gone when the Agents' processes are there and their server is not."""
    queue = LiveQueue(tmp_path, _AGENTS)
    with ThreadPoolExecutor(1) as desktop:
        started = desktop.submit(queue.start)
        until(lambda: len(_ours("agent", tmp_path)) == _AGENTS, "the Agents' processes")
        assert queue.process is not None
        queue.process.kill()
        everything = _ours("agent", tmp_path) | _ours("server", tmp_path)
        until(lambda: not any(map(is_alive, everything)), "all to be gone")
        assert started.exception() is not None or queue.ready
    queue.close()
    assert not _ours("agent", tmp_path) and not _ours("server", tmp_path)
