"""What a session's own programs log: who, when, about which job; and never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.leaves.test_logs import fields_of
from tests.support.commands import NOTHING, saying
from tests.support.live_queue import LiveQueue, key_files, until

SECRET = "correct-horse-battery"


def lines_of(data_root: Path) -> dict[str, list[dict[str, str]]]:
    """By the name of its file, what each log says, line by line."""
    return {
        path.name: [fields_of(line) for line in path.read_text().splitlines()]
        for path in (data_root / "logs").glob("*/*.log")
        if path.parent.name != "jobs"
    }


@pytest.mark.slow
def test_a_session_logs_what_went_wrong_and_about_what(tmp_path: Path) -> None:
    """A file each for guardian, server and Agents; a failure names job and attempt; a success is not told."""
    with LiveQueue(tmp_path, 1) as queue:
        fine = queue.await_job(queue.submit(*NOTHING))
        failed = queue.await_job(queue.submit(*saying("out of cheese", 3)))
        session = queue.session
    logs = lines_of(tmp_path)
    assert sorted(logs) == ["agent-a1.log", "guardian.log", "server.log"]
    for name, lines in logs.items():
        assert lines, name
        assert {line["session"] for line in lines} == {session}
        assert {line["program"] for line in lines} == {name.removesuffix(".log").partition("-")[0]}
    for name in ("server.log", "agent-a1.log"):
        [told] = [line for line in logs[name] if "out of cheese" in line["text"]]
        assert (told["job"], told["attempt"], told["agent"]) == (failed.id, f"{failed.id}/0/1", "a1")
    assert not [line for lines in logs.values() for line in lines if line.get("job") == fine.id]


@pytest.mark.slow
def test_kq_log_debug_logs_every_task_and_no_secret(tmp_path: Path) -> None:
    """No key of the session, no variable of a job and no command is in any log, however much is logged."""
    with LiveQueue(tmp_path, 1, KQ_LOG="debug") as queue:
        job_id = queue.submit(*saying(SECRET), environment={"TOKEN": SECRET})
        queue.await_job(job_id)
        [state] = key_files(tmp_path, "server.json")
        keys = [key for pair in json.loads(state.read_text())["keys"].values() for key in pair]
        assert len(keys) == 6
    logs = lines_of(tmp_path)
    for name in ("server.log", "agent-a1.log"):
        assert [line for line in logs[name] if line.get("attempt") == f"{job_id}/0/1"], name
    text = json.dumps(logs)
    assert not [word for word in (*keys, SECRET) if word in text]


@pytest.mark.slow
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """Where the folder of the logs is a file, each program says so once, and jobs run."""
    (tmp_path / "logs").mkdir()
    for number in range(1, 4):
        (tmp_path / "logs" / f"{_host()}-{number}").write_text("in the way")
    with LiveQueue(tmp_path, 1) as queue:
        assert queue.await_job(queue.submit(*NOTHING)).state == "Completed"
        until(lambda: queue.errors.count(str(tmp_path / "logs")) == 2, "the messages of guardian and server")


def _host() -> str:
    import socket

    return socket.gethostname()
