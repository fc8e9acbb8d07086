"""A machine with its own address, host name and disk: no folder is shared, the network may be cut."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest

from kq.api import AgentState, JobSpec
from kq.remote import HostStore, RemoteLauncher
from kq.settings import Settings
from tests.remote.machines import Answers, Reports, SecondMachine, gone, why_no_second
from tests.support.live_queue import ROOT, LiveQueue, until
from tests.support.sleeping import all_threads_sleep, waits_for_input

pytestmark = pytest.mark.slow

LEASE_S = 8.0


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondMachine]:
    reason = why_no_second()
    if reason:
        pytest.skip(reason)
    hidden = tmp_path_factory.mktemp("desktop")
    with SecondMachine(tmp_path_factory.mktemp("second"), hidden=hidden) as machine:
        yield machine


@pytest.fixture
def queue(second: SecondMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveQueue]:
    """A queue whose data root the other machine does not see. It has no local Agent that takes work."""
    assert second._hidden is not None
    root = second._hidden / tmp_path_factory.mktemp("root").name
    with LiveQueue(root, 1, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=LEASE_S, KQ_GRACE_S=0.5) as live:
        live.await_agents()
        live.client.drain_agents([agent.id for agent in live.client.agents()]).result(60)
        yield live


@pytest.fixture
def launched(queue: LiveQueue, second: SecondMachine, own_home: Path) -> Iterator[RemoteLauncher]:
    """Two Agents on the second machine."""
    settings = Settings.from_environment(queue.environment)
    launcher = RemoteLauncher(queue.client, settings, Answers(), HostStore(own_home / "hosts.json"))
    reports = Reports()
    result = launcher.start(second.target(), reports)
    assert result.ok, reports.text()
    yield launcher
    launcher.stop(second.target(), Reports())
    launcher.close()
    assert not any(second.processes().values())


def folder_of(queue: LiveQueue, **files: bytes) -> Path:
    """A temporary folder of a job, on the desktop's machine alone."""
    folder = queue.data_root / "renders" / f"a scene {time.monotonic_ns()}"
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return folder


def submit(queue: LiveQueue, folder: Path, script: str, *arguments: str, **fields: object) -> str:
    spec = JobSpec(
        name="remote", commands=(("sh", "-c", script, "sh", *arguments),), cwd=str(folder),
        temp_dir=str(folder), **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    job_id, done = queue.client.submit(spec)
    done.result(60)
    return job_id


def test_what_is_made_beside_a_picture_comes_back(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """The PNG beside an EXR, and the pictures of all frames of a task, into a folder that is not there."""
    out = queue.data_root.parent / f"out {time.monotonic_ns()}"
    out.mkdir()
    script = (
        'for frame in $2; do exr=$(printf %s "$1" | sed s/##/$frame/); '
        'echo "$frame" > "$exr"; echo "$frame" > "${exr%.exr}.png"; echo "kq_picture: ${exr%.exr}.png"; done'
    )
    job = submit(
        queue, folder_of(queue, stage=b"s"), script, f"{out}/b.##.exr", "01 02",
        picture=f"{out}/b.##.exr", frames="1-2", chunk=2,
    )  # fmt: skip
    record = queue.await_job(job)
    assert record.state == "Completed", (record, Path(record.log_file).read_text())
    found = {path.name: path.read_text().strip() for path in out.iterdir()}
    assert found == {"b.01.exr": "01", "b.01.png": "01", "b.02.exr": "02", "b.02.png": "02"}
    assert record.picture == f"{out}/b.02.png"


def test_files_go_and_come_without_a_shared_folder(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """Stage and parts arrive whole, the log and what was rendered come back, and nothing stays there."""
    large = os.urandom(3_000_000)
    folder = folder_of(queue, stage=b"the stage", parts__texture=large, empty=b"")
    picture = folder / "beauty.0001.png"
    job = submit(
        queue, folder,
        'hostname; cat "$1/stage"; sha256sum "$1/parts/texture"; test -e "$1/empty" && '
        'cat "$1/stage" "$1/parts/texture" > "$2.part" && mv "$2.part" "$2" && echo "kq_picture: $2"; '
        'echo extra > extra.txt; sed s/^/environment:/ <<E\n$SCENE\nE\n',
        str(folder), str(picture), picture=str(picture), environment={"SCENE": f"{folder}/stage"},
    )  # fmt: skip
    record = queue.await_job(job)
    log = Path(record.log_file).read_text()
    assert record.state == "Completed", (record, log)
    assert second.host_name in log and hashlib.sha256(large).hexdigest() in log
    assert "3 files, 2.9 MiB" in log
    assert f"environment:{second.state}" in log, "paths in the environment are translated as well"
    assert picture.read_bytes() == b"the stage" + large
    assert (folder / "kq-returned" / "extra.txt").read_text() == "extra\n"
    assert record.picture == str(picture)
    assert not list(folder.glob(".*")), "no half of a file stays"
    until(lambda: not list(second.state.glob("sessions/*/work/*-*")), "the copies to be gone")


def test_what_came_once_is_not_sent_again(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """A second job with the same parts fetches only what differs, though another Agent may have them."""
    large = os.urandom(2_000_000)
    first = queue.await_job(submit(queue, folder_of(queue, part=large, stage=b"1"), "cat stage"))
    again = queue.await_job(submit(queue, folder_of(queue, part=large, stage=b"2"), "cat stage"))
    assert "1.9 MiB " in Path(first.log_file).read_text()
    assert "0.0 MiB " in Path(again.log_file).read_text()


def test_a_long_log_arrives_whole_while_it_is_written(queue: LiveQueue, launched: RemoteLauncher) -> None:
    """It can be followed, and its end is there when the job is over."""
    job = submit(
        queue, folder_of(queue), "echo begins; while [ ! -e go ]; do sleep 0.05; done; seq 300000; echo ends"
    )
    record = queue.await_job(job, "Running")
    until(
        lambda: (name := queue.job(job).log_file) and "begins" in _text(name),
        "the log's beginning, meanwhile",
    )
    queue.client.stop_jobs([job]).result(60)
    assert queue.await_job(job).state == "Cancelled"
    job = submit(queue, folder_of(queue), "seq 300000; echo ends")
    record = queue.await_job(job)
    lines = _text(record.log_file).splitlines()
    assert [line for line in lines if not line.startswith("[kq]")] == [*map(str, range(1, 300001)), "ends"]


def _state_of(queue: LiveQueue, agent_id: str) -> AgentState:
    return next(agent.state for agent in queue.client.agents() if agent.id == agent_id)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def test_a_failed_render_sends_its_last_words(queue: LiveQueue, launched: RemoteLauncher) -> None:
    """The reason and the log are there as if it had run here."""
    record = queue.await_job(submit(queue, folder_of(queue), "echo 'ERROR: no licence'; exit 3"))
    assert record.state == "Failed" and record.exit_code == 3
    assert "no licence" in record.reason and "no licence" in _text(record.log_file)


def test_a_missing_folder_fails_the_task(queue: LiveQueue, launched: RemoteLauncher) -> None:
    """The artist deleted it: the job says so."""
    folder = folder_of(queue)
    folder.rmdir()
    record = queue.await_job(submit(queue, folder, "true"))
    assert record.state == "Failed"
    assert str(folder) in record.reason


def test_a_cut_shorter_than_the_lease_is_survived(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """The Agent is Lost after a third of its lease. The render goes on, and its end is heard: it ran once."""
    folder = folder_of(queue)
    job = submit(queue, folder, "echo started; sleep 5; echo ended $KQ_ATTEMPT")
    record = queue.await_job(job, "Running")
    until(lambda: "started" in _text(queue.job(job).log_file), "the render to start")
    second.cut()
    try:
        until(lambda: _state_of(queue, record.agent) is AgentState.LOST, "the cut to be noticed")
    finally:
        second.heal()
    record = queue.await_job(job)
    assert record.state == "Completed" and record.attempts == 1
    assert "ended 1" in _text(record.log_file)


def test_a_cut_is_noticed_also_by_connections_that_say_nothing(
    second: SecondMachine, own_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All are dropped long before a lease this long is over, and made anew afterwards."""
    assert second._hidden is not None
    root = second._hidden / tmp_path_factory.mktemp("root").name
    with LiveQueue(root, 1, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=60, KQ_GRACE_S=0.5) as queue:
        queue.await_agents()
        queue.client.drain_agents([agent.id for agent in queue.client.agents()]).result(60)
        settings = Settings.from_environment(queue.environment)
        launcher = RemoteLauncher(queue.client, settings, Answers(), HostStore(own_home / "hosts.json"))
        reports = Reports()
        assert launcher.start(second.target(), reports).ok, reports.text()
        far = {agent.id: agent.pid for agent in queue.client.agents() if not agent.local}
        pid = min(far.values())
        until(lambda: _connections(pid, queue) == 3 * len(far), "three connections of each Agent")
        second.cut()
        try:
            until(lambda: _connections(pid, queue) == 0, "the cut to be noticed")
        finally:
            second.heal()
        until(lambda: _connections(pid, queue) == 3 * len(far), "the connections to be made anew")
        record = queue.await_job(submit(queue, folder_of(queue), "echo heard"))
        assert record.state == "Completed" and record.agent in far
        launcher.stop(second.target(), Reports())
        launcher.close()


def _connections(pid: int, queue: LiveQueue) -> int:
    """How many connections to the server are established on the machine of this process."""
    ports = {queue.ready[f"{name}_port"] for name in ("request", "update", "broadcast")}
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[3] == "01" and int(each[2].rpartition(":")[2], 16) in ports for each in fields)


def test_a_cut_beyond_the_lease_ends_the_render_and_queues_it_again(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """Over there everything ends by itself; the task runs again elsewhere, and only when that is over."""
    folder = folder_of(queue)
    job = submit(queue, folder, "echo attempt $KQ_ATTEMPT; test $KQ_ATTEMPT -gt 1 || sleep 300")
    queue.await_job(job, "Running")
    until(lambda: "attempt 1" in _text(queue.job(job).log_file), "the render to start")
    running = second.processes()
    assert running["other"], "a render runs there"
    second.cut()
    try:
        until(lambda: gone([pid for pids in running.values() for pid in pids]), "all over there to end")
        until(lambda: queue.job(job).state == "Waiting", "the task to wait again")
    finally:
        second.heal()
    local = [agent.id for agent in queue.client.agents() if agent.local]
    queue.client.resume_agents(local).result(60)
    record = queue.await_job(job)
    assert record.state == "Completed" and record.attempts == 2
    assert not list(second.state.glob("sessions/*/"))


def test_a_frozen_agent_is_ended_with_its_render(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """One that cannot end its render itself, because it hangs, has it ended by its supervisor."""
    folder = folder_of(queue)
    job = submit(queue, folder, "echo attempt $KQ_ATTEMPT; test $KQ_ATTEMPT -gt 1 || sleep 300")
    record = queue.await_job(job, "Running")
    until(lambda: "attempt 1" in _text(queue.job(job).log_file), "the render to start")
    pid = next(agent.pid for agent in queue.client.agents() if agent.id == record.agent)
    renders = second.processes()["other"]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: gone([pid, *renders]), "the frozen Agent and its render to be gone")
    record = queue.await_job(job)
    assert record.state == "Completed" and record.attempts == 2


def test_the_end_of_the_session_is_the_end_of_its_agents(
    second: SecondMachine, own_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The desktop is killed: nothing runs over there a moment later, and no key is left."""
    assert second._hidden is not None
    root = second._hidden / "killed"
    with LiveQueue(root, 1, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=LEASE_S, KQ_GRACE_S=0.5) as queue:
        settings = Settings.from_environment(queue.environment)
        launcher = RemoteLauncher(queue.client, settings, Answers(), HostStore(own_home / "hosts.json"))
        reports = Reports()
        assert launcher.start(second.target(), reports).ok, reports.text()
        submit(queue, folder_of(queue), "sleep 300")
        submit(queue, folder_of(queue), "sleep 300")
        until(lambda: second.processes()["other"], "renders over there")
        running = second.processes()
        os.kill(queue.serve_pid, signal.SIGKILL)
        until(lambda: gone([pid for pids in running.values() for pid in pids]), "all over there to end")
        until(lambda: not list(second.state.glob("sessions/*/")), "the key to be gone")
        launcher.close()


def test_the_stand_in_renderer_renders_over_there(
    queue: LiveQueue, second: SecondMachine, launched: RemoteLauncher
) -> None:
    """A stage is rendered without a shared folder; both forms of its picture come back."""
    folder = folder_of(queue, stage__usda=(ROOT / "tests/host/data/small.usda").read_bytes())
    stage = folder / "stage" / "usda"
    stage = stage.rename(folder / "scene.usda")
    picture = folder / "beauty.0001.png"
    spec = JobSpec(
        name="render",
        commands=((sys.executable, "-m", "host.renderboot", "-geolib3OpTree", str(stage), "-renderOutputFile",
                   str(picture), "-width", "160", "-height", "90", "-samples", "16"),),
        cwd=str(folder), temp_dir=str(folder), picture=str(picture), renderer="mitsuba",
    )  # fmt: skip
    job, done = queue.client.submit(spec)
    done.result(60)
    record = queue.await_job(job, timeout_s=90)
    assert record.state == "Completed", (record, _text(record.log_file))
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.with_suffix(".exr").is_file()
    assert record.progress == 1.0


def test_several_machines_at_once(
    queue: LiveQueue, second: SecondMachine, own_home: Path, tmp_path: Path
) -> None:
    """Started and stopped side by side, each with a key of its own; stopping one leaves the other alone."""
    settings = Settings.from_environment(queue.environment)
    launcher = RemoteLauncher(queue.client, settings, Answers(), HostStore(own_home / "hosts.json"))
    with SecondMachine(tmp_path / "third", hidden=second._hidden, number=2) as third:
        both = (second, third)
        with ThreadPoolExecutor(2) as desktop:
            reports = [Reports(), Reports()]
            started = list(
                desktop.map(
                    lambda each: launcher.start(each[0].target(), each[1]), zip(both, reports, strict=True)
                )
            )
        assert all(each.ok for each in started), "\n".join(each.text() for each in reports)
        queue.client.pause_queue(True).result(60)
        jobs = [submit(queue, folder_of(queue), "hostname; sleep 1") for _ in range(4)]
        queue.client.pause_queue(False).result(60)
        logs = "".join(_text(queue.await_job(job).log_file) for job in jobs)
        assert all(logs.count(each.host_name) == 2 for each in both), logs
        stopped = third.processes()
        assert launcher.stop(third.target(), Reports()).ok
        assert gone([pid for pids in stopped.values() for pid in pids])
        assert len(second.processes()["agent"]) == 2
        assert launcher.stop(second.target(), Reports()).ok
    launcher.close()
    assert not any(second.processes().values())


def test_a_process_is_kept_ready_there(queue: LiveQueue, launched: RemoteLauncher, tmp_path: Path) -> None:
    """The next render of its kind is that process, in the folder of its own job."""
    program, notes = str(ROOT / "tests" / "agent" / "ready.py"), tmp_path / "standbys"
    said = []
    for _ in range(2):
        spec = JobSpec(
            name="ready", commands=((sys.executable, program, "sh", "ls"),),
            standby=(sys.executable, program, "--standby", str(notes)),
        )  # fmt: skip
        folder = folder_of(queue, scene=b"x")
        job_id, done = queue.client.submit(msgspec.structs.replace(spec, temp_dir=str(folder)))
        done.result(60)
        record = queue.await_job(job_id)
        assert record.state == "Completed", record.reason
        said.append(Path(record.log_file).read_text().splitlines()[-2:])
        if len(said) == 1:
            # The other Agent's turn is next: it is kept from it.
            [other] = [
                each.id for each in queue.client.agents() if not each.local and each.id != record.agent
            ]
            queue.client.drain_agents([other]).result(60)
            until(
                lambda: (
                    notes.exists() and any(map(waits_for_input, map(int, notes.read_text().split()[-1:])))
                ),
                "a process that waits",
            )
            # It has printed that it is ready: once the Agent's threads all sleep, they have read that.
            pids = [each.pid for each in queue.client.agents() if each.id == record.agent]
            until(partial(all_threads_sleep, *pids), "the Agent to read that it is ready")
    assert said[0][0].startswith("anew ")
    assert said[1] == [f"ready {notes.read_text().split()[0]}", "scene"]
