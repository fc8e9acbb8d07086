"""The exact wording of messages that people read. Other tests assert an error's class and its key fact."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kq.agent import attempt_machine as attempt
from kq.agent.exit_reasons import how_ended, why_failed
from kq.agent.limits import UsageLimits
from kq.agent.output import OutputUpdate
from kq.errors import KqError
from kq.messages import AssignOrder
from kq.process import EndReport, ProcessId
from kq.records import AgentRecord, JobRecord, QueueRecord
from kq.remote import RemoteHost, RemoteStep, StepState
from kq.remote.addresses import choose_addresses
from kq.remote.ssh import Output
from kq.remote_host import folder
from kq.states import AgentState, JobState
from kq.wording import reason_of, why_jobs_wait
from tests.core.driver import Driver
from tests.remote.machines import Reports
from tests.remote.test_prompts import preflight_of

ROOT = Path(__file__).resolve().parents[2]


def of_error(call: Callable[[], object]) -> str:
    with pytest.raises(KqError) as caught:
        call()
    return str(caught.value)


def of_step(take: str, **facts: object) -> str:
    """The message of a preflight check's last step, for these facts."""
    reports = Reports()
    getattr(preflight_of(reports, facts=facts), take)()
    return reports.steps[-1].message


def of_limit(memory: int = 0, at: float = 0.0, **limits: float) -> str:
    order = AssignOrder(
        number=1, attempt="j/0/1", commands=(("true",),), environment={}, cwd="", log_file="", **limits
    )  # type: ignore[arg-type]  # by name, as the struct has them
    usage = UsageLimits(order, 0.0)
    usage.record_sample(at, memory, 0.0)
    stop = usage.exceeded(at)
    assert stop is not None
    return stop.reason


def failed(line: str) -> str:
    return why_failed(1, OutputUpdate(last_error=line), str(ROOT / "log"))


def of_survivors() -> str:
    machine = attempt.AttemptMachine(1)
    for event in (attempt.Begun(False), attempt.CommandStarted(), attempt.Stop(), attempt.TreeGone((7, 8))):
        machine.handle(event, 0.0)
    return machine.reason


def of_wait(*states: AgentState, draining: bool = False, paused: bool = False) -> str:
    agents = [
        AgentRecord(id=f"a{number}", host="h", pid=1, local=True, state=state, since=0.0, draining=draining)
        for number, state in enumerate(states)
    ]
    return why_jobs_wait(QueueRecord(paused=paused), agents)


def of_dependencies(count: int, *, failed: bool = False) -> str:
    queue = Driver()
    queue.register("r1")
    for number in range(count):
        queue.submit(f"job{number}", name=f"n{number}")
    queue.submit("last", after=tuple(f"job{number}" for number in range(count)))
    if failed:
        queue.end("r1", "job0/0/1", "failed", exit_code=1)
    return queue.reason("last")


def of_lost_agents(count: int) -> str:
    queue = Driver()
    queue.submit("job1")
    for number in range(count):
        queue.register(f"r{number}")
        queue.gone(f"r{number}", "out of memory")
    return queue.reason("job1")


def of_launches() -> str:
    queue = Driver(agents=1, launch_timeout_s=5.0)
    for number in range(1, 4):
        queue.tick(7.0)
        queue.gone(f"a{number}")
        queue.tick(1.0)
    return queue.core.queue_record().problem


def of_limit_of_job() -> str:
    job = JobRecord(
        id="job1", name="beauty", state=JobState.RUNNING, submitted=1.0, order=1,
        tasks=9, tasks_waiting=7, tasks_running=2, max_parallel=2,
    )  # fmt: skip
    return reason_of(job, "")


MESSAGES: list[tuple[Callable[[], str], str]] = [
    (
        lambda: of_error(RemoteHost(host="a", num_agents=0).check),
        "Invalid number of Agents: 0. Use 1 to 1000",
    ),
    (lambda: of_error(RemoteHost(host="a", port=0).check), "port 0 is out of range: use 1 to 65535"),
    (
        lambda: of_error(lambda: choose_addresses("192.0.2.7", "not an address")),
        "KQ Host 192.0.2.7 is not an address of this machine, and there is no route to the other one",
    ),
    (lambda: Output(1, "", "").complaint, "exit code 1, no error output"),
    (
        lambda: of_step("_check_size", cores=1, memory=0),
        "2 Agents exceed 1 core; 1 recommended",
    ),
    (
        lambda: of_step("check_disk", free_disk=1 << 29, base="/h", base_writable=True),
        "low disk space for scenes and pictures: 0.5 GiB free for /h",
    ),
    (
        lambda: RemoteStep("Disk", StepState.NOTE, "low disk space").line,
        "  note  Disk: low disk space",
    ),
    (
        lambda: of_error(lambda: folder._check(EndReport(0, (ProcessId(7, 1.0), ProcessId(8, 1.0))))),
        "processes 7, 8 survived SIGKILL (uninterruptible)",
    ),
    (of_survivors, "2 processes survived SIGKILL (uninterruptible); the first is 7"),
    (lambda: failed("[   0.93 s] ERROR: no camera"), "ERROR: no camera (exit code 1)"),
    (lambda: failed("00:00:03   145MB ERROR | no licence"), "ERROR | no licence (exit code 1)"),
    (lambda: failed("2026-11-29 20:15:02,123 [main] ERROR: no light"), "ERROR: no light (exit code 1)"),
    (lambda: failed("[x]"), "[x] (exit code 1)"),
    (lambda: failed("3 errors"), "3 errors (exit code 1)"),
    (lambda: how_ended(None), "exit code unknown"),
    (lambda: how_ended(3), "exit code 3"),
    (lambda: how_ended(-9), "ended by signal 9 (SIGKILL)"),
    (lambda: of_limit(at=61.0, timeout_s=60.0), "it ran longer than its limit of 60 s"),
    (lambda: of_limit(2 << 30, memory_limit=1 << 30), "it used 2,048 MiB, its limit is 1,024 MiB"),
    (lambda: of_limit(at=31.0, silence_s=30.0), "no output and no CPU activity for 30 s"),
    (lambda: of_wait(paused=True), "the queue is paused"),
    (of_wait, "no Agent is running"),
    (lambda: of_wait(AgentState.LOST, AgentState.ENDING), "no Agent responds"),
    (lambda: of_wait(AgentState.IDLE, draining=True), "all Agents are drained"),
    (lambda: of_wait(AgentState.STARTING), "an Agent is starting"),
    (lambda: of_wait(AgentState.BUSY), "all Agents are busy"),
    (of_limit_of_job, "runs 2 tasks at a time, as it was submitted"),
    (lambda: of_dependencies(6), "waits for n0, n1, n2 and 3 more"),
    (lambda: of_dependencies(1, failed=True), "waits for n0 (Failed)"),
    (lambda: of_lost_agents(1), "out of memory; waits again"),
    (lambda: of_lost_agents(4), "out of memory (given up after 4 Agents were lost)"),
    (of_launches, "Agents cannot start: it did not register within 5 s"),
]


@pytest.mark.parametrize(("make", "text"), MESSAGES, ids=[text[:40] for _, text in MESSAGES])
def test_a_message_is_worded_so(make: Callable[[], str], text: str) -> None:
    """Here alone, so that words can be changed in one place."""
    assert make() == text


NOT_OURS = re.compile(
    r"\b(rungs?|ladders?|makes? no sense|and no word why|way back|keeper|"
    r"in each other's way|lead the ports|beyond help)\b",
    re.IGNORECASE,
)
NO_ACTOR = re.compile(
    r"\b(sentences?|nobody|somebody|anybody|whoever|wish|wishes|trouble|told)\b", re.IGNORECASE
)
"""What a room's code and texts may not say, once it has been put into plain words."""
PLAIN_ROOMS = ("plugins/Tabs", "plugins/ui", "tests/tab")
ROOMS = ("kq/agent", "kq/remote", "kq/remote_host", "kq/process", "kq/wire", "kq/patterns", "plugins/Shelves")


@pytest.mark.parametrize("room", [*ROOMS, "resources/scripts"])
def test_coined_words_do_not_come_back(room: str) -> None:
    """The field's words are used instead: preflight, check, reverse connection, tunnel."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / room).rglob("*"))
        if path.suffix in {".py", ".sh", ".ps1", ".toml"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NOT_OURS.search(line)
    ]
    assert not found


@pytest.mark.parametrize("room", PLAIN_ROOMS)
def test_plain_words_name_who_acts(room: str) -> None:
    """The artist, the view, Qt's thread: never somebody; a message, never a sentence."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NO_ACTOR.search(line)
    ]
    assert not found


def test_messages_of_the_tab(tmp_path: Path) -> None:
    """Questions, notifications and problems, as an artist reads them in the tab."""
    from plugins import import_isolation

    import_isolation.load("kq")  # the plug-ins are parts of `katana_queue`
    from katana_queue.kq.api import JobRecord, JobState
    from katana_queue.kq.pictures.exr import MISSING
    from katana_queue.plugins.Tabs.KatanaQueue.models.completion_summary import CompletionSummary
    from katana_queue.plugins.Tabs.KatanaQueue.models.log_file import LogFile, LogProblem
    from katana_queue.plugins.Tabs.KatanaQueue.models.log_scan import BadPattern, Search
    from katana_queue.plugins.Tabs.KatanaQueue.views.question import REMOVE_MANY, STOP_ALL, question_about

    def job(state: JobState, **fields: object) -> JobRecord:
        return JobRecord(id="job1", name="beauty", state=state, submitted=1.0, order=1, started=2.0, **fields)  # type: ignore[arg-type]

    def of_problem(path: Path) -> str:
        with pytest.raises(LogProblem) as caught:
            LogFile(str(path)).check()
        return str(caught.value).replace(str(tmp_path), "DIR")

    def of_pattern(text: str) -> str:
        with pytest.raises(BadPattern) as caught:
            Search(text, is_regex=True)
        return str(caught.value)

    running = job(JobState.RUNNING)
    question = question_about("Stop", [("beauty", running)], 3, time.time())
    long_ago = re.sub(r"[\d,]+ d \d+ h", "TIME", question)
    failed = job(JobState.FAILED, completed=92.0, reason="exit code 3")
    assert [
        long_ago,
        question_about("Remove", [], 12, 0.0, REMOVE_MANY.format(count=12)),
        question_about("Stop", [], 2, 0.0, STOP_ALL.format(count=2)),
        CompletionSummary().add([failed], 0.0).message,
        CompletionSummary().add([failed, job(JobState.COMPLETED, completed=9.0)], 0.0).message,
        of_problem(tmp_path / "none.log"),
        of_problem(tmp_path),
        of_pattern("(a+)+"),
        MISSING,
    ] == [
        "beauty has been rendering for TIME. Stop all 3 jobs?",
        "Remove 12 jobs, with their logs and preview pictures?",
        "Stop all 2 jobs that wait or run?",
        "beauty: failed after 1:30: exit code 3",
        "2 renders ended: 1 completed, 1 failed (beauty).",
        "There is no log file at DIR/none.log.",
        "DIR is a folder, not a log file.",
        "The pattern has nested repetitions, which can take forever: simplify it.",
        "to show EXR pictures here, install the Python package openimageio",
    ]
