"""The `kq` command: a queue without a desktop, and a hand on the one that runs. Others script against it."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kq import __version__, doctor, process
from kq.client.discovery import find_session
from kq.client.mirror import ConnectionStatus
from kq.client.queue_client import QueueClient
from kq.client.session import Session
from kq.errors import BadInput, ConnectionLost, KqError
from kq.follow import LogFollower
from kq.records import AgentRecord, JobRecord, JobSpec
from kq.remote.command import add_remote_commands
from kq.settings import Settings
from kq.states import JobState
from kq.waiting import reason_of, why_jobs_wait

__all__ = ["main"]

_ANSWER_S = 15.0
_EXIT_CODES = {JobState.COMPLETED: 0, JobState.FAILED: 1, JobState.CANCELLED: 130}
_BAD_INPUT = 2
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What would break a table's lines, or steer the terminal."""
T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. 2: bad input, or no such job; the sentence is on stderr."""
    options = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that does not know a letter of a job's name shows its number.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = int(options.run(options))
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except KqError as error:
        print(f"kq: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kq", description="A local render queue.")
    parser.add_argument("--version", action="version", version=f"kq {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data-root", metavar="DIR", help="default: KQ_DATA_ROOT, else a folder of the user's"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, parents=[common], help=summary, description=summary)
        command.set_defaults(run=run)
        return command

    serve = add("serve", _serve, "run a queue without a desktop")
    serve.add_argument("--agents", type=int, metavar="N", help="default: KQ_NUM_AGENTS, else 2")
    serve.add_argument("--lifeline", action="store_true", help="end when standard input ends")
    submit = add("submit", _submit, "queue a job and print its id")
    _add_submit_options(submit)
    jobs = add("jobs", _jobs, "list the jobs")
    jobs.add_argument("--json", action="store_true")
    jobs.add_argument("--all", action="store_true", help="those of earlier sessions, too")
    add("agents", _agents, "list the Agents").add_argument("--json", action="store_true")
    log = add("log", _log, "print the log of a job's latest attempt")
    log.add_argument("id")
    log.add_argument("-f", "--follow", action="store_true", help="until the job has ended")
    for name, summary in (
        ("stop", "stop jobs"),
        ("start", "start jobs again"),
        ("remove", "forget jobs and delete their logs"),
    ):
        command = add(name, _job_action, summary)
        command.set_defaults(action=name)
        command.add_argument("ids", nargs="+", metavar="ID")
    add("pause", _pause, "give no more work to Agents").set_defaults(paused=True)
    add("resume", _pause, "give work to Agents again").set_defaults(paused=False)
    physician = add("doctor", _doctor, "say what is wrong, and what to do about it")
    physician.add_argument("--json", action="store_true")
    add_remote_commands(commands, common, lambda options: _Connected(options, history=False))
    return parser


def _add_submit_options(submit: argparse.ArgumentParser) -> None:
    submit.add_argument("--name", metavar="S", help="default: the program's name")
    submit.add_argument("--priority", type=int, default=0, metavar="N", help="higher goes first")
    submit.add_argument("--cwd", metavar="DIR", help="default: this folder")
    submit.add_argument(
        "--env", nargs="+", action="extend", default=[], metavar="K=V", help="added to the environment"
    )
    submit.add_argument("--frames", default="", metavar="1-10,20", help="fills {frame}, {start} and {end}")
    submit.add_argument("--chunk", type=int, default=1, metavar="N", help="frames in one task")
    submit.add_argument("--after", action="append", default=[], metavar="ID", help="wait for this job")
    submit.add_argument("--max-parallel", type=int, default=0, metavar="N", help="most tasks at once")
    submit.add_argument("--retries", type=int, default=0, metavar="N", help="tries after a failure")
    submit.add_argument("--timeout", type=float, default=0.0, metavar="S", help="seconds a task may run")
    submit.add_argument("--silence", type=float, default=0.0, metavar="S", help="seconds it may be idle")
    submit.add_argument("--memory-limit", type=int, default=0, metavar="MIB", help="for a task's processes")
    submit.add_argument("--picture", default="", metavar="PATTERN", help="the picture file of a task")
    submit.add_argument("--renderer", default="", metavar="NAME", help="whose output patterns apply")
    submit.add_argument("--wait", action="store_true", help="follow the log; exit as the job does")
    submit.add_argument("command", nargs="*", metavar="COMMAND", help="after --: the program and arguments")


# --- a queue of one's own ------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    if options.agents is not None and options.agents < 1:
        raise BadInput(f"--agents {options.agents}: use a positive number")
    settings = Settings.from_environment(data_root=options.data_root, num_agents=options.agents)
    ended: list[int] = []
    wake = process.SignalWake()
    lifeline = process.InputEnd() if options.lifeline else None

    def on_signal(number: int, _frame: object) -> None:
        ended.append(number)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    wake.listen()
    session = Session(settings)
    try:
        told = False
        while not ended:
            if session.failure:
                raise ConnectionLost(session.failure)
            if not told and session.wait_ready(0.05):
                told = True
                ready = {key: value for key, value in (session.ready or {}).items() if key != "event"}
                print(json.dumps({"ready": True, **ready}), flush=True)
            if told:
                _wait_for_end(wake, lifeline, session, ended)
    finally:
        session.close()
        session.wait(settings.grace_s + 10.0)
        wake.close()
    return 0


def _wait_for_end(
    wake: process.SignalWake, lifeline: process.InputEnd | None, session: Session, ended: list[int]
) -> None:
    import select

    sources = [wake.wake_fd, *([lifeline.wake_fd] if lifeline is not None else [])]
    while not ended and not session.failure:
        ready, _, _ = select.select(sources, [], [], 1.0)
        if lifeline is not None and lifeline.wake_fd in ready and lifeline.has_come():
            ended.append(0)


# --- a hand on the one that runs -------------------------------------------------------


class _Connected:
    """A client of the live session, for the time of one command."""

    def __init__(self, options: argparse.Namespace, *, history: bool = True) -> None:
        settings = Settings.from_environment(data_root=options.data_root)
        record = find_session(settings.data_root)
        self.client = QueueClient(history=history)
        self.client.connect(record)
        self._session = record.session

    def __enter__(self) -> QueueClient:
        until = time.monotonic() + _ANSWER_S
        done: Future[None] = Future()
        remove = self.client.add_listener(
            lambda change: (
                done.set_result(None)
                if change.status is ConnectionStatus.CONNECTED and not done.done()
                else None
            )
        )
        try:
            done.result(max(until - time.monotonic(), 0.0))
        except FutureTimeoutError as error:
            self.client.close()
            raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error
        remove()
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.client.join(2.0)


def _answer(future: Future[T]) -> T:
    try:
        return future.result(_ANSWER_S)
    except FutureTimeoutError as error:
        raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error


def _submit(options: argparse.Namespace) -> int:
    if not options.command:
        raise BadInput("there is no command: write it after --, as in `kq submit -- blender -b scene.blend`")
    environment = {}
    for item in options.env:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise BadInput(f"--env {item!r} is not understood: write NAME=VALUE")
        environment[key] = value
    cwd = Path(options.cwd or ".").absolute()
    if not cwd.is_dir():
        raise BadInput(f"the working folder {cwd} does not exist")
    spec = JobSpec(
        name=options.name or Path(options.command[0]).name.strip() or "job",
        commands=(tuple(options.command),),
        frames=options.frames,
        chunk=options.chunk,
        priority=options.priority,
        cwd=str(cwd),
        environment=environment,
        after=tuple(options.after),
        max_parallel=options.max_parallel,
        retries=options.retries,
        timeout_s=options.timeout,
        silence_s=options.silence,
        memory_limit=options.memory_limit * 2**20,
        picture=options.picture,
        renderer=options.renderer,
    )
    spec.check()
    with _Connected(options, history=False) as client:
        job_id, future = client.submit(spec)
        _answer(future)
        print(job_id, flush=True)
        return _wait_for_job(client, job_id) if options.wait else 0


def _wait_for_job(client: QueueClient, job_id: str) -> int:
    """Copy the job's logs to stdout until it has ended."""
    with LogFollower(client, job_id) as follower:
        record = follower.copy_until_over(sys.stdout.buffer)
    if record.reason and record.state is not JobState.COMPLETED:
        print(f"kq: {record.state.value}: {record.reason}", file=sys.stderr)
    return _EXIT_CODES[record.state]


def _jobs(options: argparse.Namespace) -> int:
    with _Connected(options, history=options.all) as client:
        known, waits = client.jobs(), why_jobs_wait(client.queue(), client.agents())
    # While the history is being loaded, changes tell of it to everybody.
    wanted = (record for record in known if options.all or not record.earlier)
    records = sorted(wanted, key=lambda record: record.order)
    if options.json:
        print(json.dumps([_job_json(record) for record in records], indent=1))
        return 0
    rows = [
        (
            record.id,
            record.state.value,
            f"{record.tasks_completed}/{record.tasks}",
            "" if record.progress is None else f"{record.progress:.0%}",
            record.agent,
            record.name,
            reason_of(record, waits),
        )
        for record in records
    ]
    _print_table(("ID", "STATE", "TASKS", "PROGRESS", "AGENT", "NAME", "REASON"), rows)
    return 0


def _job_json(record: JobRecord) -> dict[str, Any]:
    keys = (
        "id", "name", "state", "submitted", "started", "completed", "progress", "tasks", "agent", "attempts",
        "log_file", "exit_code", "reason", "priority", "tasks_waiting", "tasks_running", "tasks_completed",
        "tasks_failed", "tasks_cancelled", "warning", "picture", "peak_memory", "cpu_s", "earlier",
    )  # fmt: skip
    return {key: getattr(record, key) for key in keys}


def _agents(options: argparse.Namespace) -> int:
    with _Connected(options, history=False) as client:
        records = client.agents()
    if options.json:
        print(json.dumps([_agent_json(record) for record in records], indent=1))
        return 0
    rows = [
        (each.id, each.host, str(each.pid), "local" if each.local else "remote", each.state.value, each.job)
        for each in records
    ]
    _print_table(("ID", "HOST", "PID", "WHERE", "STATE", "JOB"), rows)
    return 0


def _agent_json(record: AgentRecord) -> dict[str, Any]:
    return {**msgspec.to_builtins(record), **{key: getattr(record, key) for key in ("job", "task", "reason")}}


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    rows = [tuple(_ESCAPED.sub(lambda found: ascii(found[0])[1:-1], cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


def _log(options: argparse.Namespace) -> int:
    with _Connected(options) as client:
        record = _known(client, options.id)
        if options.follow:
            with LogFollower(client, record.id) as follower:
                follower.copy_until_over(sys.stdout.buffer)
            return 0
    if not record.log_file:
        print(f"kq: job {record.id} has no log yet: it is {record.state.value}", file=sys.stderr)
        return 0
    try:
        with Path(record.log_file).open("rb") as log:
            while chunk := log.read(1 << 20):
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BadInput(f"the log {record.log_file} cannot be read: {error.strerror}") from error
    return 0


def _known(client: QueueClient, job_id: str) -> JobRecord:
    record = client.job(job_id)
    if record is None:
        raise BadInput(f"there is no job {job_id}: `kq jobs --all` lists them")
    return record


def _job_action(options: argparse.Namespace) -> int:
    with _Connected(options) as client:
        for job_id in options.ids:
            _known(client, job_id)
        action = {"stop": client.stop_jobs, "start": client.start_jobs, "remove": client.remove_jobs}
        _answer(action[options.action](options.ids))
    return 0


def _pause(options: argparse.Namespace) -> int:
    with _Connected(options, history=False) as client:
        _answer(client.pause_queue(options.paused))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    report = doctor.examine(os.environ, options.data_root)
    print(doctor.as_json(report) if options.json else doctor.as_text(report))
    return 1 if report.wrong else 0
