"""`kq serve`: its one line, its ends, and what it says when it cannot begin."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kq.wording import why_jobs_wait
from tests.support.commands import NOTHING, SLEEP, saying
from tests.support.live_queue import (
    KQ,
    ROOT,
    LiveQueue,
    clean_environment,
    is_alive,
    key_files,
    kill,
    marked_with,
    until,
)
from tests.support.waiting import IS_WINE


def serve(data_root: Path | str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a `kq serve` that is expected to refuse."""
    return subprocess.run(
        [*KQ, "serve", *arguments],
        env=clean_environment(Path(data_root), settings),
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )


def one_message(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It refused as bad input is refused: exit code 2, nothing on stdout, no traceback, these words."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    [message] = done.stderr.splitlines()
    assert message.startswith("kq: ")
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "end", ["lifeline"] if sys.platform == "win32" else ["SIGINT", "SIGTERM", "lifeline"]
)
def test_it_prints_one_line_and_ends_cleanly(tmp_path: Path, end: str) -> None:
    """The line has what scripts need, all ports are loopback's alone, and the end takes everything along."""
    queue = LiveQueue(tmp_path, 2)
    queue.start()
    try:
        ready = queue.ready
        assert ready.keys() == {"ready", "session", "pid", "request_port", "update_port", "broadcast_port"}
        assert ready["ready"] is True
        server = psutil.Process(ready["pid"])
        assert str(Path("kq", "server")) in " ".join(server.cmdline())
        ports = {ready["request_port"], ready["update_port"], ready["broadcast_port"]}
        sockets = server.net_connections("tcp")
        if IS_WINE:  # it says of no socket whose it is
            sockets = [
                each for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port in ports
            ]
        listening = {each.laddr for each in sockets if each.status == psutil.CONN_LISTEN}
        assert {(address.ip, address.port) for address in listening} == {
            ("127.0.0.1", port) for port in ports
        }
        assert len(marked_with("KQ_ROLE", "agent")) >= 2
        job = queue.submit(*SLEEP)
        queue.await_job(job, "Running")
        session, guardian = queue.session, queue.guardian_pid
        queue.disconnect()
        if end != "lifeline":
            assert queue.process is not None
            os.kill(queue.serve_pid, getattr(signal, end))
            assert queue.process.wait(60) == 0
            assert queue.process.stdout is not None
            assert queue.process.stdout.read() == ""
    finally:
        code = queue.close()
    assert code == 0
    assert queue.errors == ""
    assert marked_with("KQ_SESSION", session) == []
    assert not is_alive(guardian)
    assert not key_files(tmp_path), "keys were left on disk"


def test_keys_are_the_owners_alone(tmp_path: Path) -> None:
    """No file with a key can be read by others, nor does one stand in an argument or an environment."""
    with LiveQueue(tmp_path, 1) as queue:
        files = key_files(tmp_path)
        assert {path.name for path in files} == {"server.json", "client.json", "agent.json"}
        if sys.platform != "win32":  # there they are the user's own by where the data root is
            assert {path.stat().st_mode & 0o777 for path in [*files, files[0].parent]} == {0o600, 0o700}
        secrets = {json.loads(path.read_text()).get("secret_key") for path in files} - {None}
        assert secrets
        for pid in [*marked_with("KQ_SESSION", queue.session), queue.guardian_pid]:
            try:
                process = psutil.Process(pid)
                told = [*process.cmdline(), *process.environ().values()]
            except psutil.NoSuchProcess:
                continue  # it has ended meanwhile, as one that starts another does
            assert not any(secret in text for secret in secrets for text in told)


def test_two_queues_share_a_data_root(tmp_path: Path) -> None:
    """Each has a folder of its own; the commands reach the one that was started last."""
    with LiveQueue(tmp_path, 1) as first:
        with LiveQueue(tmp_path, 1) as second:
            assert first.session != second.session
            job = second.kq("submit", "--", *NOTHING).stdout.strip()
            assert second.await_job(job).state == "Completed"
            assert first.client.job(job) is None
        assert first.kq("jobs", "--json").stdout.strip() == "[]"


def test_the_default_data_root_is_the_users(tmp_path: Path) -> None:
    """Without KQ_DATA_ROOT, a folder of the user's own is made."""
    queue = LiveQueue(tmp_path, 1)
    del queue.environment["KQ_DATA_ROOT"]
    home = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME"
    queue.environment[home] = str(tmp_path / "home")
    with queue:
        [folder] = (tmp_path / "home").iterdir()
        assert (folder / "queues").is_dir()
        assert queue.kq("jobs").returncode == 0


@pytest.mark.parametrize("number", ["-1", "two", "1.5", "9999", "１"])
def test_a_number_of_agents_that_is_none(tmp_path: Path, number: str) -> None:
    """Named with its value; nothing is started."""
    one_message(serve(tmp_path, KQ_NUM_AGENTS=number), "KQ_NUM_AGENTS", "from 0 to 1000")
    assert list(tmp_path.iterdir()) == []


def test_the_option_for_agents_is_checked_too(tmp_path: Path) -> None:
    """As the variable is."""
    one_message(serve(tmp_path, "--agents", "-1"), "--agents -1", "from 0 to 1000")


def test_a_queue_without_agents_of_its_own(tmp_path: Path) -> None:
    """It is for those of other machines: what is submitted waits, says so, and runs when there is one."""
    with LiveQueue(tmp_path, 0) as queue:
        job_id = queue.submit(*NOTHING)
        listed = queue.kq("jobs").stdout
        record = queue.client.job(job_id)
        reason = why_jobs_wait(queue.client.queue(), queue.client.agents())
        assert record.state == "Waiting" and "Waiting" in listed and reason in listed
        told = json.loads(queue.kq("doctor", "--json").stdout)["findings"]
        assert [each["text"] for each in told if "0 of 0 " in each["text"]]
        queue.client.set_agent_count(1).result(60)
        assert queue.await_job(job_id).state == "Completed"


@pytest.mark.parametrize("port", ["REQUEST", "UPDATE", "BROADCAST"])
def test_a_port_in_use(tmp_path: Path, port: str) -> None:
    """Which one, and what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = serve(tmp_path, **{f"KQ_{port}_PORT": str(number)})
    one_message(done, f"KQ_{port}_PORT", str(number), "in use")


def test_a_file_where_the_data_root_should_be(tmp_path: Path) -> None:
    """A folder cannot be made there."""
    (tmp_path / "file").write_text("")
    one_message(serve(tmp_path / "file"), "KQ_DATA_ROOT", str(tmp_path / "file"))


@pytest.mark.skipif(sys.platform != "linux", reason="/sys is Linux's")
def test_a_data_root_that_is_not_writable() -> None:
    """A file system that takes no folders, not even root's."""
    one_message(serve("/sys/kq-test"), "KQ_DATA_ROOT", "/sys/kq-test", "set KQ_DATA_ROOT")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_data_root_that_the_user_may_not_write() -> None:
    """As an ordinary user, whom permissions bind."""
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    environment = clean_environment(Path("/usr/share/kq"), {"PYTHONDONTWRITEBYTECODE": "1"})
    as_other = {"env": environment, "cwd": "/", "capture_output": True, "text": True, "timeout": 60}
    start_another = (
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'kq', '--version'], check=True)"
    )
    if subprocess.run([*other, sys.executable, "-c", start_another], check=False, **as_other).returncode:
        pytest.skip("others cannot read this checkout or its Python")
    one_message(
        subprocess.run([*other, *KQ, "serve"], check=False, **as_other), "/usr/share/kq", "Permission denied"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_too_few_files_may_be_open(tmp_path: Path) -> None:
    """With 64 it would say that it is ready, and then lose connections without end."""
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *KQ, "serve"],
        env=clean_environment(tmp_path, {}), cwd=ROOT, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    one_message(done, "64 files", "ulimit -n")


def test_no_queue_runs(tmp_path: Path) -> None:
    """Every command says so, and what to do."""
    for command in (["jobs"], ["agents", "--json"], ["log", "x"], ["submit", "--", *NOTHING]):
        done = subprocess.run(
            [*KQ, *command], env=clean_environment(tmp_path, {}), cwd=ROOT,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        one_message(done, "no queue runs", str(tmp_path), "kq serve")


def test_commands_bear_with_a_server_that_is_being_started_again(tmp_path: Path) -> None:
    """Its guardian lives: so the queue does, and a command waits for it."""
    with LiveQueue(tmp_path, 1) as queue:
        kill(queue.server_pid)
        done = queue.kq("submit", "--wait", "--", *saying("after all"))
        assert done.returncode == 0, done.stderr
        assert "after all" in done.stdout


def test_help_is_there_for_every_command() -> None:
    """`kq --help` names the commands; each has a help of its own."""
    text = subprocess.run([*KQ, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for command in ("serve", "submit", "jobs", "agents", "log", "stop", "start"):
        assert command in text


def test_the_module_is_the_command() -> None:
    """`python -m kq` and the script `kq` are one."""
    script = Path(sys.executable).with_name("kq.exe" if sys.platform == "win32" else "kq")
    if not script.exists():
        pytest.skip("kq is not installed here")
    versions = {
        subprocess.run([*c, "--version"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for c in (KQ, [str(script)])
    }
    assert len(versions) == 1


def test_session_processes_show_what_they_are(tmp_path: Path) -> None:
    """The guardian stays when the server goes, and starts another one within a second or so."""
    with LiveQueue(tmp_path, 1) as queue:
        first = queue.server_pid
        kill(first)
        until(lambda: queue.server_pid != first and is_alive(queue.server_pid), "another server", 5.0)
        assert is_alive(queue.guardian_pid)
