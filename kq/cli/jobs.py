"""Commands that make jobs, follow them and act on them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from ..client.queue_client import QueueClient
from ..errors import BadInput
from ..follow import LogFollower
from ..frame_selection import RenderOrder, select_frames, tasks_to_render
from ..messages import StoryReply
from ..plain_text import one_line, quoted
from ..records import JobRecord, JobSpec
from ..states import JobState, TaskState
from ..wording import not_saved_text, story_text
from .connecting import Connected, answer
from .environment import exported, parse_assignments
from .log_output import log_output

__all__ = ["act_on_jobs", "pause", "print_log", "set_note", "show", "spec_of", "submit"]

_CANCELLED = 130
"""What `kq submit --wait` returns for a job that was stopped: as a shell does after Ctrl-C."""


def spec_of(options: argparse.Namespace, export: str = "none") -> JobSpec:
    """The job that the options of `submit` describe.

    Args:
        export: which variables of this environment the job gets, see `exported`.

    Raises:
        BadInput: it cannot be one.
    """
    if not options.command:
        raise BadInput("no command given: write it after --, as in `kq submit -- blender -b scene.blend`")
    try:
        cwd = Path(options.cwd or ".").absolute()
    except FileNotFoundError:
        raise BadInput("the current folder no longer exists: change to another, or give --cwd DIR") from None
    if not cwd.is_dir():
        raise BadInput(
            f"the working folder {cwd} " + ("is not a folder" if cwd.exists() else "does not exist")
        )
    if options.frames is not None and not options.frames.strip():
        # Of a variable that is not set: the job would be one task without frames.
        raise BadInput("--frames is empty: write frames as 1-10, 20 or 1-100x5, or leave it out")
    inherited = exported(export)
    if inherited and sys.platform != "win32":
        inherited["PWD"] = str(cwd)
    spec = JobSpec(
        name=options.name or Path(options.command[0]).name.strip() or "job",
        commands=(tuple(options.command),),
        frames=options.frames or "",
        chunk=options.chunk,
        priority=options.priority,
        cwd=str(cwd),
        environment={**inherited, **parse_assignments(options.set_env)},
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
    for warning in spec.warnings():
        print(f"kq: warning: {warning}", file=sys.stderr)
    order = RenderOrder(options.order) if options.order else None
    return select_frames(spec, order, skip_existing=options.skip_existing)


def submit(options: argparse.Namespace) -> int:
    """Queue a job and print its id; with --wait, follow it to its end."""
    spec = spec_of(options, options.export)
    with Connected(options, history=False) as client:
        job_id, future = client.submit(spec)
        is_durable = answer(future)
        print(job_id, flush=True)
        if not is_durable:
            print(f"kq: {not_saved_text(f'job {job_id}')}", file=sys.stderr)
        return _wait_for_job(client, job_id) if options.wait else 0


def _wait_for_job(client: QueueClient, job_id: str) -> int:
    """Copy the job's logs to stdout until it has ended."""
    try:
        with LogFollower(client, job_id) as follower:
            record = follower.copy_until_over(log_output())
    except KeyboardInterrupt:
        print(f"kq: job {job_id} continues; `kq stop {job_id}` stops it", file=sys.stderr)
        raise
    if record.reason and record.state is not JobState.COMPLETED:
        print(f"kq: {record.state.value}: {one_line(record.reason)}", file=sys.stderr)
    if record.state is JobState.FAILED:
        return _exit_code_of_failed(client, record)
    return 0 if record.state is JobState.COMPLETED else _CANCELLED


def _exit_code_of_failed(client: QueueClient, record: JobRecord) -> int:
    """The highest exit code of its failed tasks, as shells count: 128+n for signal n; 1: there is none."""
    highest = first = 0
    while first < record.tasks:
        page = answer(client.tasks(record.id, first))
        if not page:
            break
        first += len(page)
        codes = [task.exit_code for task in page if task.state is TaskState.FAILED]
        highest = max(highest, *(_shell_code(code) for code in codes if code is not None), 0)
    return highest or 1


def _shell_code(code: int) -> int:
    return 128 - code if code < 0 else code & 0xFF


def print_log(options: argparse.Namespace) -> int:
    """Copy the log of a job's latest attempt to standard output."""
    with Connected(options) as client:
        record = _known(client, options.id)
        if options.story:
            _print_story(answer(client.story(record.id)))
            return 0
        if options.follow:
            with LogFollower(client, record.id) as follower:
                follower.copy_until_over(log_output())
            return 0
    if not record.log_file:
        print(f"kq: job {record.id} has no log yet: it is {record.state.value}", file=sys.stderr)
        return 0
    try:
        log = Path(record.log_file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise BadInput(f"the log {record.log_file} cannot be read: {error.strerror}") from error
    out = log_output()
    with log:
        while chunk := log.read(1 << 20):
            out.write(chunk)
    out.flush()
    return 0


def show(options: argparse.Namespace) -> int:
    """Print what was submitted. The environment in it is for the owner of the queue's keys alone."""
    with Connected(options) as client:
        spec = answer(client.spec(_known(client, options.id).id))
    print(msgspec.json.format(msgspec.json.encode(spec), indent=1).decode())
    return 0


def _print_story(reply: StoryReply) -> None:
    submitted, *others = (one_line(story_text(entry)) for entry in reply.entries)
    print(submitted)
    if reply.omitted:
        print(f"({reply.omitted:,} other entries are left out)")
    for line in others:
        print(line)


def _known(client: QueueClient, job_id: str) -> JobRecord:
    record = client.job(job_id)
    if record is None:
        shown = job_id if job_id.isalnum() else quoted(job_id)
        raise BadInput(f"there is no job {shown}: `kq jobs --all` lists them")
    return record


def act_on_jobs(options: argparse.Namespace) -> int:
    """Stop, start or remove jobs: all of them, or, where one is not known, none."""
    with Connected(options) as client:
        for job_id in options.ids:
            _known(client, job_id)
        if options.action == "start" and options.missing:
            _start_missing(client, options.ids)
            return 0
        action = {"stop": client.stop_jobs, "start": client.start_jobs, "remove": client.remove_jobs}
        answer(action[options.action](options.ids))
    return 0


def _start_missing(client: QueueClient, job_ids: list[str]) -> None:
    for job_id in job_ids:
        tasks = tasks_to_render(answer(client.spec(job_id)), answer(client.task_states(job_id)))
        if tasks:
            answer(client.start_tasks(job_id, tasks))
        count = "1 task" if len(tasks) == 1 else f"{len(tasks):,} tasks"
        print(f"{job_id}: started {count}" if tasks else f"{job_id}: nothing is missing")


def set_note(options: argparse.Namespace) -> int:
    """Write a note to a job, or print the one that it has."""
    with Connected(options) as client:
        record = _known(client, options.id)
        if options.text is None:
            print(record.note)
        else:
            answer(client.set_note([record.id], options.text.strip()))
    return 0


def pause(options: argparse.Namespace) -> int:
    """Pause the queue, or let it go on."""
    with Connected(options, history=False) as client:
        answer(client.pause_queue(options.paused))
    return 0
