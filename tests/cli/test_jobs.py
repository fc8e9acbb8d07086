"""`kq submit`, `jobs`, `agents`, `log`, `stop`, `start`, `remove`: on a queue of real processes."""

from __future__ import annotations

import json
import locale
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kq.cli import main
from tests.support.commands import NOTHING, SLEEP, held, python, saying
from tests.support.live_queue import LiveQueue, until

ASKED_TO_STOP = -15 if sys.platform != "win32" else -9
"""How a program ends that was asked to: Windows has one code for that and for being ended by force."""
JOB_KEYS = {
    "id", "name", "state", "submitted", "started", "completed", "progress", "tasks", "agent", "attempts",
    "log_file", "exit_code", "reason",
}  # fmt: skip


def submitted(queue: LiveQueue, *arguments: str, **more: Any) -> str:
    """The id that `kq submit` printed."""
    done = queue.kq("submit", *arguments, **more)
    assert done.returncode == 0, done.stderr
    [job_id] = done.stdout.split()
    return job_id


def listed(queue: LiveQueue, job_id: str) -> dict[str, Any]:
    """What `kq jobs --json` says of the job."""
    [job] = [each for each in json.loads(queue.kq("jobs", "--json").stdout) if each["id"] == job_id]
    return dict(job)


def test_submit_prints_the_id_and_nothing_else(queue: LiveQueue) -> None:
    """The one word on stdout is an id that the other commands take."""
    done = queue.kq("submit", "--", *NOTHING)
    assert (done.returncode, done.stderr) == (0, "")
    assert queue.await_job(done.stdout.strip()).state == "Completed"


def test_json_of_a_job_that_waits_and_of_one_that_ran(queue: LiveQueue) -> None:
    """The promised keys are there; times are epoch seconds, null where there is none yet."""
    before = time.time()
    first = submitted(queue, "--name", "first", "--", *SLEEP)
    later = submitted(queue, "--name", "later", "--after", first, "--", *NOTHING)
    queue.await_job(first, "Running")
    job = listed(queue, later)
    assert job.keys() >= JOB_KEYS
    assert (job["state"], job["started"], job["completed"], job["progress"]) == ("Waiting", None, None, None)
    assert "first" in job["reason"]
    assert job["exit_code"] is None
    job = listed(queue, first)
    assert job["state"] == "Running"
    assert before - 1 <= job["submitted"] <= job["started"] <= time.time()
    assert job["tasks"] == job["attempts"] == 1
    assert job["agent"] in {each["id"] for each in json.loads(queue.kq("agents", "--json").stdout)}
    queue.client.stop_jobs([first, later]).result(60)
    queue.await_job(first)
    job = listed(queue, first)
    assert (job["state"], job["exit_code"]) == ("Cancelled", ASKED_TO_STOP)
    assert job["completed"] >= job["started"]


def test_json_of_agents(queue: LiveQueue) -> None:
    """The promised keys, an Agent each, with the job that it runs."""
    job_id = queue.submit(*SLEEP)
    record = queue.await_job(job_id, "Running")
    agents = json.loads(queue.kq("agents", "--json").stdout)
    assert len(agents) == 2
    for agent in agents:
        assert {"id", "host", "pid", "local", "state", "since", "job", "task", "reason"} <= agent.keys()
        assert {"draining", "cpu_percent", "memory"} <= agent.keys()
        assert agent["local"] is True
    [busy] = [agent for agent in agents if agent["job"] == job_id]
    assert (busy["id"], busy["state"]) == (record.agent, "Busy")
    queue.client.stop_jobs([job_id]).result(60)
    queue.await_job(job_id)


def test_the_list_of_agents_shows_who_is_drained(queue: LiveQueue) -> None:
    """As the tab does: nobody has to guess why one takes no work."""
    names = [agent.id for agent in queue.client.agents()]
    queue.client.drain_agents(names).result(60)
    try:
        head, *rows = queue.kq("agents").stdout.splitlines()
        assert "STATE" in head.split() and "REASON" in head.split()
        assert len(rows) == 2 and all("Drained" in row for row in rows)
    finally:
        queue.client.resume_agents(names).result(60)


@pytest.mark.parametrize("code", [0, 7])
def test_wait_copies_the_log_and_ends_as_the_command_did(queue: LiveQueue, code: int) -> None:
    """The log is on stdout, and why it failed on stderr."""
    done = queue.kq("submit", "--wait", "--", *saying("began", code))
    assert done.returncode == code
    assert "began" in done.stdout.splitlines()
    assert ("exit code 7" in done.stderr) is (code == 7)


def test_wait_exits_130_when_the_job_is_cancelled(queue: LiveQueue) -> None:
    """Another client stops it."""
    import threading

    def stop() -> None:
        found = until(
            lambda: [job for job in queue.client.jobs() if job.name == "doomed" and job.state == "Running"],
            "it",
        )
        queue.client.stop_jobs([found[0].id]).result(60)

    stopper = threading.Thread(target=stop)
    stopper.start()
    done = queue.kq("submit", "--name", "doomed", "--wait", "--", *SLEEP)
    stopper.join()
    assert done.returncode == 130
    assert "Cancelled" in done.stderr


def test_frames_fill_their_places_and_other_braces_stay(queue: LiveQueue) -> None:
    """Each chunk is a task; {frame}, {start} and {end} are filled, all else is left as it was."""
    done = queue.kq(
        "submit", "--wait", "--frames", "1-5,9", "--chunk", "2", "--",
        *saying("{frame}:{start}-{end} {} {{frame}} {other} ${HOME} {\"end\": 3}"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    job_id, *lines = done.stdout.splitlines()
    rest = '{{}} {{{0}}} {{other}} ${{HOME}} {{"end": 3}}'
    assert sorted(lines) == [
        f"{start}:{start}-{end} " + rest.format(start) for start, end in ((1, 2), (3, 4), (5, 5), (9, 9))
    ]
    assert queue.job(job_id).tasks == 4


def test_without_frames_braces_are_left_alone(queue: LiveQueue) -> None:
    """{frame} is mere text then; the log warns of each."""
    done = queue.kq("submit", "--wait", "--", *saying("{frame} {start} {end}"))
    _job_id, *warnings, line = done.stdout.splitlines()
    assert line == "{frame} {start} {end}"
    assert [each.split()[:3] for each in warnings] == [
        ["[kq]", "warning:", name] for name in ("{frame}", "{start}", "{end}")
    ]


def test_environment_and_folder(queue: LiveQueue, tmp_path: Path) -> None:
    """--env takes several, more than once; --cwd is where it runs; kq's own marks are there."""
    folder = tmp_path / "Ordner mit Ümlaut"
    folder.mkdir()
    done = queue.kq(
        "submit", "--wait", "--cwd", str(folder), "--env", "A=1", "B=x=y", "--env", "C=", "--",
        *python(
            "import os\nprint(os.getcwd())\nprint(*map(os.environ.get, 'ABC'), sep='|')\n"
            "print(*(os.environ['KQ_' + name] for name in ('JOB', 'TASK', 'ATTEMPT')))"
        ),
    )  # fmt: skip
    job_id, where, values, marks = done.stdout.splitlines()
    assert (where, values, marks) == (str(folder), "1|x=y|", f"{job_id} 0 1")


def test_the_default_folder_is_the_current_one(queue: LiveQueue, tmp_path: Path) -> None:
    """As a shell's user expects."""
    done = queue.kq("submit", "--wait", "--", *python("import os; print(os.getcwd())"), cwd=tmp_path)
    assert done.stdout.splitlines()[1:] == [str(tmp_path)]


def test_arguments_reach_the_program_as_they_were_written(queue: LiveQueue) -> None:
    """No shell sees them; options of the program after -- are its own, a second -- as well."""
    words = ["a b", "*", "$HOME", "--wait", "--", "-x", "'", "\\", "", "ümlaut", "line\nbreak"]
    done = queue.kq(
        "submit", "--wait", "--", sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *words
    )
    assert done.stdout.splitlines()[1:] == [ascii(words)]


def test_stop_and_start(queue: LiveQueue) -> None:
    """stop cancels, also several at once; start runs a cancelled job again, with another log."""
    ids = [queue.submit(*SLEEP) for _ in range(3)]
    queue.await_job(ids[0], "Running")
    assert queue.kq("stop", *ids).returncode == 0
    records = [queue.await_job(each) for each in ids]
    assert {record.state for record in records} == {"Cancelled"}
    assert queue.kq("start", ids[0]).returncode == 0
    again = queue.await_job(ids[0], "Running")
    assert again.attempts == 2
    assert again.log_file != records[0].log_file
    assert queue.kq("stop", ids[0]).returncode == 0
    queue.await_job(ids[0])


def test_starting_a_completed_job_runs_it_again(queue: LiveQueue) -> None:
    """All of it, since all of it is done."""
    job_id = queue.submit(*NOTHING)
    queue.await_job(job_id)
    assert queue.kq("start", job_id).returncode == 0
    until(lambda: queue.job(job_id).attempts == 2 and queue.job(job_id).state == "Completed", "a second run")


def test_log(queue: LiveQueue) -> None:
    """Prints the log of the latest attempt, byte by byte."""
    job_id = queue.submit(sys.executable, "-c", r"import os; os.write(1, b'\xff\x00\r\n no end')")
    queue.await_job(job_id)
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "kq", "log", job_id], env=queue.environment, capture_output=True, check=True
    )
    assert done.stdout == b"\xff\x00\r\n no end"


def test_log_follows_until_the_job_has_ended(queue: LiveQueue, tmp_path: Path) -> None:
    """-f prints what is there, what comes, and ends with the job."""
    import subprocess

    gate = tmp_path / "gate"
    job_id = queue.submit(*held(gate, "print('one', flush=True)", "print('two')"))
    queue.await_job(job_id, "Running")
    follower = subprocess.Popen(
        [sys.executable, "-m", "kq", "log", "-f", job_id],
        env=queue.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    with follower:
        assert follower.stdout.readline() == "one\n"
        gate.touch()
        assert follower.stdout.read() == "two\n"
    assert follower.returncode == 0


def test_log_followed_of_a_job_that_is_over_has_its_tasks_in_order(queue: LiveQueue) -> None:
    """-f of several tasks begins with the first, whichever of them ran last."""
    frames = ("--frames", "1-5", "--max-parallel", "1")
    job_id = submitted(queue, *frames, "--", sys.executable, "-c", "print('frame {frame}')")
    queue.await_job(job_id)
    told = queue.kq("log", "-f", job_id).stdout
    assert told.splitlines() == [f"frame {frame}" for frame in range(1, 6)]


def test_log_of_a_job_that_has_none(queue: LiveQueue) -> None:
    """It waits: that is said, and is no error."""
    first = queue.submit(*SLEEP)
    waits = queue.submit(*NOTHING, after=(first,))
    done = queue.kq("log", waits)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("kq: ")
    queue.kq("stop", first, waits)
    queue.await_job(first)


@pytest.mark.parametrize(
    ("command", "job_id"),
    [
        ("log", "../../../etc/passwd"),
        ("stop", "nosuchjob"),
        ("start", "ä" * 200),
        ("remove", "a b\nc"),
        ("stop", ""),
    ],
)
def test_unknown_ids(queue: LiveQueue, capsys: pytest.CaptureFixture[str], command: str, job_id: str) -> None:
    """Exit code 2 and one sentence, and no job is touched, not even one that is known."""
    known = queue.submit(*NOTHING)
    before = queue.await_job(known)
    arguments = [job_id] if command == "log" else [known, job_id]
    code = main([command, "--data-root", str(queue.data_root), *arguments])
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err.startswith("kq: ") and job_id.replace("\n", "\\n") in told.err
    assert queue.job(known) == before


def test_names_may_be_alike_and_hold_any_unicode(queue: LiveQueue) -> None:
    """Two jobs of one name are two jobs; what would break the table's lines is shown as an escape."""
    name = "Straße 日本 🎬 e\u0301 \u202eabc \x1b[31m\nzwei"
    ids = [submitted(queue, "--name", name, "--", *NOTHING) for _ in range(2)]
    assert ids[0] != ids[1]
    assert [listed(queue, each)["name"] for each in ids] == [name, name]
    done = queue.kq("jobs")
    lines = [line for line in done.stdout.splitlines() if line.startswith(tuple(ids))]
    assert len(lines) == 2
    known = "日本 🎬".encode(locale.getencoding(), "backslashreplace").decode(locale.getencoding())
    assert known in lines[0]
    assert "\x1b" not in done.stdout


def test_a_terminal_without_unicode_still_gets_a_table(queue: LiveQueue) -> None:
    """Letters it does not know come as numbers; nothing fails."""
    submitted(queue, "--name", "日本", "--", *NOTHING)
    done = queue.kq("jobs", environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert "\\u65e5" in done.stdout


def test_remove_forgets_the_job_and_its_log(queue: LiveQueue) -> None:
    """The id is unknown afterwards, and the log's folder is gone."""
    job_id = queue.submit(*saying("x"))
    log = Path(queue.await_job(job_id).log_file)
    assert log.exists()
    assert queue.kq("remove", job_id).returncode == 0
    until(lambda: queue.client.job(job_id) is None and not log.parent.exists(), "it to be forgotten")
    assert queue.kq("log", job_id).returncode == 2


def test_pause_and_resume(queue: LiveQueue) -> None:
    """A paused queue gives no work; a resumed one does."""
    assert queue.kq("pause").returncode == 0
    job_id = queue.submit(*NOTHING)
    assert queue.job(job_id).state == "Waiting"
    until(lambda: queue.client.queue().paused, "the client to hear of it")
    assert queue.kq("resume").returncode == 0
    assert queue.await_job(job_id).state == "Completed"


@pytest.mark.skipif(sys.platform == "win32", reason="told to the shell")
def test_a_reader_that_closes_the_pipe_is_no_error(queue: LiveQueue) -> None:
    """A reader that has ended before kq writes at all: no traceback, at exit neither."""
    import subprocess

    for _ in range(3):
        queue.submit(*NOTHING)
    command = f"'{sys.executable}' -m kq jobs --json | :"
    done = subprocess.run(
        ["bash", "-c", command], env=queue.environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
