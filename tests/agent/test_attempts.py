"""What one attempt leaves in its record: how it was stopped, limited, tried again, what its output said."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from kq.api import AttemptRecord, JobRecord, load_patterns
from kq.process import usable_cores
from kq.states import Severity
from tests.support.commands import NOTHING, SLEEP, fails, held, python, saying
from tests.support.live_queue import LiveQueue, is_alive, until
from tests.support.waiting import IS_WINE, not_on_wine

posix = pytest.mark.skipif(sys.platform == "win32", reason="told to the shell, or to /proc")
MISBEHAVING = str(Path(__file__).resolve().parents[1] / "support" / "misbehaving.py")


def attempts(queue: LiveQueue, job_id: str) -> tuple[AttemptRecord, ...]:
    """The attempts of the job that are over."""
    return queue.client.attempts(job_id).result(60)


def errors_in_log(record: JobRecord) -> list[str]:
    """The lines of the job's log that its view marks as errors."""
    patterns = load_patterns()
    return [
        line
        for line in Path(record.log_file).read_text().splitlines()
        if patterns.classify(line) is Severity.ERROR
    ]


def stop_misbehaving(queue: LiveQueue, kind: str, folder: Path) -> AttemptRecord:
    """Start a render of the kind, stop it when all of it is there; the record of that."""
    pids = folder / "pids"
    job_id = queue.submit(sys.executable, MISBEHAVING, kind, str(pids))
    until(lambda: pids.exists() and "ready" in pids.read_text(), "the render")
    queue.client.stop_jobs([job_id]).result(60)
    assert queue.await_job(job_id).state == "Cancelled"
    [record] = attempts(queue, job_id)
    noted = [int(word) for word in pids.read_text().split() if word.isdigit()]
    assert not [pid for pid in noted if is_alive(pid)]
    return record


@not_on_wine("its consoles know no Ctrl-Break")
def test_a_render_that_obeys_was_asked(queue: LiveQueue, tmp_path: Path) -> None:
    """Asking is enough; its own exit code is kept."""
    record = stop_misbehaving(queue, "obedient", tmp_path)
    assert (record.outcome, record.stop_method, record.exit_code) == ("stopped", "asked", 3)
    assert record.processes_gone == 1


def test_a_render_that_ignores_it_was_killed(queue: LiveQueue, tmp_path: Path) -> None:
    """After the grace, and not before; with its child, both counted as seen gone."""
    began = time.monotonic()
    record = stop_misbehaving(queue, "ignore-term", tmp_path)
    assert (record.outcome, record.stop_method, record.exit_code) == ("stopped", "killed", -9)
    assert record.processes_gone == 2
    assert time.monotonic() - began >= 1.0


def test_everything_that_it_started_is_counted(queue: LiveQueue, tmp_path: Path) -> None:
    """Many children, in sessions of their own or not."""
    record = stop_misbehaving(queue, "many", tmp_path)
    assert record.processes_gone == (201 if sys.platform != "win32" else 41)


def test_what_a_render_leaves_behind_is_ended_with_it(queue: LiveQueue, tmp_path: Path) -> None:
    """It ended well, and a child of it did not end: the job is Completed, the child gone."""
    record = queue.await_job(queue.submit(sys.executable, MISBEHAVING, "orphan", str(tmp_path / "pids")))
    assert record.state == "Completed"
    [attempt] = attempts(queue, record.id)
    assert attempt.processes_gone == 2


def test_retries(queue: LiveQueue) -> None:
    """A task that fails is tried again as often as was allowed, with a log for each try."""
    record = queue.await_job(queue.submit(*fails(3), retries=2))
    assert (record.state, record.attempts, record.reason) == ("Completed", 3, "")
    assert [each.outcome for each in attempts(queue, record.id)] == ["failed", "failed", "completed"]
    assert len({each.log_file for each in attempts(queue, record.id)}) == 3


def test_retries_come_to_an_end(queue: LiveQueue) -> None:
    """Then it Failed, with the last error as the reason."""
    record = queue.await_job(queue.submit(*saying("error: no licence", 4), retries=1))
    assert (record.state, record.attempts, record.exit_code) == ("Failed", 2, 4)
    assert record.reason == "error: no licence (exit code 4)"


def test_what_cannot_be_started_is_an_error_in_the_log(queue: LiveQueue) -> None:
    """Whoever looks for errors there is led to it."""
    record = queue.await_job(queue.submit("no-such-program"))
    assert record.state == "Failed"
    assert "no-such-program" in record.reason
    assert errors_in_log(record) == [f"[kq] error: {record.reason}"]


def test_a_time_limit(queue: LiveQueue) -> None:
    """The render is ended, and the reason says which limit that was."""
    record = queue.await_job(queue.submit(*SLEEP, timeout_s=0.5))
    assert record.state == "Failed"
    assert "0.5 s" in record.reason
    assert errors_in_log(record) == [f"[kq] error: {record.reason}"]
    [attempt] = attempts(queue, record.id)
    assert (attempt.outcome, attempt.stop_method) == ("timed-out", "killed" if IS_WINE else "asked")


@posix
def test_a_render_over_its_time_limit_has_the_grace_of_any_other(tmp_path: Path) -> None:
    """It may write its last picture for as long as one that is stopped by hand."""
    program = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(2.6); print('its last words'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "while True: time.sleep(600)"
    )
    with LiveQueue(tmp_path, 1, KQ_GRACE_S=60) as queue:
        record = queue.await_job(queue.submit(*python(program), timeout_s=1.0))
        [attempt] = attempts(queue, record.id)
    assert (attempt.outcome, attempt.stop_method) == ("timed-out", "asked")
    assert "its last words" in Path(record.log_file).read_text()


@not_on_wine("it gives the CPU time of who asks for that of any process")
def test_a_limit_of_silence(queue: LiveQueue) -> None:
    """No output and no CPU time for so long: it hangs."""
    record = queue.await_job(
        queue.submit(*python("import time; print(1, flush=True); time.sleep(600)"), silence_s=1.5)
    )
    assert record.state == "Failed"
    assert "1.5 s" in record.reason


@pytest.mark.slow
@pytest.mark.parametrize("work", ["time.sleep(0.3); print('still', flush=True)", "pass"])
def test_a_render_that_writes_or_works_is_not_silent(queue: LiveQueue, work: str) -> None:
    """Either is a sign of life: only the time limit ends these."""
    program = python(f"import time\nwhile True: {work}")
    record = queue.await_job(queue.submit(*program, silence_s=4.0, timeout_s=8.0))
    assert "8 s" in record.reason and attempts(queue, record.id)[0].outcome == "timed-out"


@posix
def test_a_memory_limit_holds_for_all_processes_together(queue: LiveQueue, tmp_path: Path) -> None:
    """A child in a session of its own, whose parent has ended, counts as well."""
    eat = "x = bytearray(150 << 20); import time; time.sleep(600)"
    script = f"(setsid '{sys.executable}' -c '{eat}' & ) ; exec '{sys.executable}' -c '{eat}'"
    record = queue.await_job(queue.submit("sh", "-c", script, memory_limit=220 << 20))
    assert record.state == "Failed"
    assert "220 MiB" in record.reason
    [attempt] = attempts(queue, record.id)
    assert (attempt.outcome, attempt.stop_method) == ("out-of-memory", "killed")
    assert errors_in_log(record) == [f"[kq] error: {record.reason}"]


@not_on_wine("a job's accounts name no CPU time and no memory")
def test_memory_and_cpu_time_are_recorded(queue: LiveQueue) -> None:
    """The peak in bytes and the seconds, of the attempt and of the job."""
    program = "x = bytearray(120 << 20)\nimport time\nwhile time.process_time() < 0.5: pass"
    record = queue.await_job(queue.submit(sys.executable, "-c", program))
    [attempt] = attempts(queue, record.id)
    for known in (record, attempt):
        assert known.peak_memory is not None and known.cpu_s is not None
        assert 120 << 20 < known.peak_memory < 400 << 20
        assert 0.5 <= known.cpu_s < 5.0


def test_progress_and_picture_while_it_runs(queue: LiveQueue, tmp_path: Path) -> None:
    """As its output says them; the picture as an absolute path."""
    gate = tmp_path / "gate"
    job_id = queue.submit(
        *held(gate, "print('ALF_PROGRESS 25%'); print('kq_picture: out/beauty.exr', flush=True)")
    )
    record = until(lambda: (r := queue.job(job_id)).progress == 0.25 and r, "progress")
    picture = str(Path(tempfile.gettempdir(), "out", "beauty.exr"))
    assert (record.state, record.picture) == ("Running", picture)
    gate.touch()
    record = queue.await_job(job_id)
    assert (record.state, record.progress) == ("Completed", 1.0)


def test_a_named_picture_is_the_tasks_own(queue: LiveQueue, tmp_path: Path) -> None:
    """For renderers that do not say: filled like the command, told when the file is there."""
    picture = str(tmp_path / "p.{frame}.png")
    command = python("import sys; open(sys.argv[1], 'w').close()", picture)
    record = queue.await_job(queue.submit(*command, frames="7-8", picture=picture))
    pictures = [task.picture for task in queue.client.tasks(record.id).result(60)]
    assert pictures == [str(tmp_path / "p.7.png"), str(tmp_path / "p.8.png")]


@pytest.mark.parametrize(("code", "shown"), [(0, True), (3, False)])
def test_a_picture_of_an_earlier_render_is_not_that_of_a_failed_one(
    queue: LiveQueue, tmp_path: Path, code: int, shown: bool
) -> None:
    """One that existed before counts only if the render completed, which may have kept it."""
    picture = tmp_path / "beauty.png"
    picture.write_bytes(b"an earlier render's")
    record = queue.await_job(queue.submit(*python(f"raise SystemExit({code})"), picture=str(picture)))
    assert record.picture == (str(picture) if shown else "")


def test_success_with_words_of_failure_is_marked(queue: LiveQueue) -> None:
    """Exit code 0 decides, and the line that gives doubt goes with it."""
    line = "ERROR | [arnold] render aborted: texture not found"
    record = queue.await_job(queue.submit(*saying(line)))
    assert (record.state, record.exit_code) == ("Completed", 0)
    plain = queue.await_job(queue.submit(*saying("all is well")))
    assert plain.warning == ""


@posix
def test_a_signal_is_named(queue: LiveQueue) -> None:
    """In the exit code, negative, and in words."""
    record = queue.await_job(queue.submit("sh", "-c", "kill -SEGV $$"))
    assert (record.state, record.exit_code) == ("Failed", -11)
    assert "SIGSEGV" in record.reason


@posix
def test_renders_yield_to_the_desktop_and_share_the_cores(queue: LiveQueue) -> None:
    """Their niceness is KQ_NICE more than the queue's; KQ_THREADS is the cores divided among Agents."""
    program = "import os; print(os.nice(0), os.environ['KQ_THREADS'])"
    record = queue.await_job(queue.submit(sys.executable, "-c", program))
    nice, threads = Path(record.log_file).read_text().split()
    assert int(nice) == min(os.nice(0) + 7, 19)
    assert int(threads) == max(usable_cores() // 2, 1)
    own = queue.await_job(
        queue.submit(*python("import os; print(os.environ['KQ_THREADS'])"), environment={"KQ_THREADS": "13"})
    )
    assert Path(own.log_file).read_text() == "13\n"


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no groups of sessions")
def test_the_session_of_each_command_yields_too(queue: LiveQueue) -> None:
    """Linux shares cores out among sessions first: the niceness of a render alone would change nothing."""
    wanted = f"nice {min(os.nice(0) + 7, 19)}"
    program = f"""
import time
while not open("/proc/self/autogroup").read().endswith({wanted + chr(10)!r}):
    time.sleep(0.01)
"""
    record = queue.await_job(queue.submit(*python(program)))
    assert record.state == "Completed"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing keeps a process from some cores")
def test_renders_share_the_cores_that_the_queue_may_use(tmp_path: Path) -> None:
    """A queue that was started with one core has its renders use one thread, whatever the machine has."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with LiveQueue(tmp_path, 1) as queue:
            record = queue.await_job(queue.submit(*python("import os; print(os.environ['KQ_THREADS'])")))
    finally:
        os.sched_setaffinity(0, allowed)
    assert Path(record.log_file).read_text() == "1\n"


@posix
def test_what_is_kqs_own_is_not_the_renders(queue: LiveQueue) -> None:
    """No open file but its log, no input, no mark of kq's own programs."""
    program = (
        "import os; print(sorted(os.listdir('/proc/self/fd')), os.read(0, 1), "
        "'KQ_ROLE' in os.environ, os.getsid(0) == os.getpid())"
    )
    record = queue.await_job(queue.submit(sys.executable, "-c", program))
    # The fourth is the listing's own.
    assert Path(record.log_file).read_text() == "['0', '1', '2', '3'] b'' False True\n"


@posix
def test_commands_of_a_task_run_in_order_until_one_fails(queue: LiveQueue) -> None:
    """One log for all of them; what one leaves behind does not run into the next."""
    from kq.api import JobSpec

    def run(*commands: tuple[str, ...]) -> tuple[str, str]:
        job_id, _ = queue.client.submit(JobSpec(name="steps", commands=commands, cwd="/"))
        record = queue.await_job(job_id)
        return record.state, Path(record.log_file).read_text()

    left = ("sh", "-c", "echo one; setsid sleep 600 &")
    looks = ("sh", "-c", "pgrep -g 0 sleep; ps -eo args | grep -c '[s]leep 600' ; echo two")
    state, text = run(left, looks)
    assert (state, text.splitlines()[0], text.splitlines()[-1]) == ("Completed", "one", "two")
    assert run(("echo", "one"), ("false",), ("echo", "two")) == ("Failed", "one\n")


def test_a_log_that_cannot_be_written_does_not_keep_it_from_rendering(tmp_path: Path) -> None:
    """It goes on without, and says so."""
    with LiveQueue(tmp_path, 1) as queue:
        logs = tmp_path / "logs" / "jobs"
        logs.parent.mkdir(exist_ok=True)
        logs.write_text("a file where the folder should be")
        record = queue.await_job(queue.submit(*NOTHING))
        assert record.state == "Completed"
        assert str(logs) in record.warning
