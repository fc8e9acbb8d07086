"""The argument parser of the `kq` command."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from ..frame_selection import RenderOrder
from ..katana_folder import Platform
from ..plain_text import quoted
from ..remote.command import add_remote_commands
from ..states import JobState
from . import exporting, installation, jobs, listing, serving
from .connecting import Connected
from .farms import add_farm_commands

__all__ = ["make_parser"]

_ID_HELP = "id of a job, as `kq jobs` lists it"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser. Its result has `run`, which takes that result and returns the exit code, or raises
    KqError.
    """
    parser = argparse.ArgumentParser(
        prog="kq",
        description="A render queue on this machine. Start one with `kq serve`, or open the desktop.",
    )
    parser.add_argument("--version", action="version", version=f"kq {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data-root",
        metavar="DIR",
        help="folder with history, logs and pictures; default: $KQ_DATA_ROOT, or else a folder in your home",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, parents=[common], help=summary, description=summary)
        command.set_defaults(run=run)
        return command

    serve = add("serve", serving.serve, "run a queue without a desktop, until Ctrl-C")
    serve.add_argument(
        "--agents",
        type=_whole,
        metavar="N",
        help="number of local Agents, which run one task each; default: $KQ_NUM_AGENTS, or else 2",
    )
    serve.add_argument("--lifeline", action="store_true", help="also end when standard input is closed")
    submit = add("submit", jobs.submit, "submit a job, and print its id")
    _add_submit_options(submit)
    submit.add_argument(
        "--export", default="all", metavar="all|none|NAMES",
        help="which environment variables of this shell the job gets: all, none, or A,B; default: all",
    )  # fmt: skip
    submit.add_argument(
        "--wait",
        action="store_true",
        help="print the log until the job has ended, and exit with its exit code",
    )
    listed = add("jobs", listing.list_jobs, "list jobs")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.add_argument("--all", action="store_true", help="include jobs of earlier sessions")
    listed.add_argument(
        "--state", action="append", default=[], type=listing.parse_state, metavar="STATE",
        help=f"only jobs in this state; may be repeated: {', '.join(JobState)}",
    )  # fmt: skip
    listed.add_argument(
        "--since", type=listing.parse_since, metavar="TIME",
        help="only jobs submitted since then: 30m, 2h or 7d ago, 2026-11-29, or 2026-11-29T08:00",
    )  # fmt: skip
    listed.add_argument(
        "--sort",
        choices=listing.SORT_KEYS,
        default="order",
        help="sort by this value; default: order (of submission)",
    )
    agents = add("agents", listing.list_agents, "list Agents, the processes that run tasks")
    agents.add_argument("--json", action="store_true", help="print JSON")
    agents.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also print the time of the last change of state, CPU use (100%% is one core) and memory use",
    )
    add("show", jobs.show, "print a job as it was submitted, as JSON").add_argument(
        "id", metavar="ID", help=_ID_HELP
    )
    log = add("log", jobs.print_log, "print the log of a job's latest attempt")
    log.add_argument("id", metavar="ID", help=_ID_HELP)
    log.add_argument("-f", "--follow", action="store_true", help="continue to print until the job has ended")
    log.add_argument(
        "--story",
        action="store_true",
        help="instead print each change of state of the job's tasks, with its time",
    )
    for name, summary in (
        ("stop", "stop jobs and their renders"),
        ("start", "start jobs again: tasks that failed or were cancelled, or all tasks of a completed job"),
        ("remove", "remove jobs from the list, and delete their logs and preview pictures"),
    ):
        command = add(name, jobs.act_on_jobs, summary)
        command.set_defaults(action=name)
        command.add_argument("ids", nargs="+", metavar="ID", help=_ID_HELP)
        if name == "start":
            command.add_argument(
                "--missing",
                action="store_true",
                help="start only tasks that failed, were stopped, or whose picture files are missing",
            )
    note = add("note", jobs.set_note, "print the note of a job, or set it")
    note.add_argument("id", metavar="ID", help=_ID_HELP)
    note.add_argument(
        "text", nargs="?", metavar="TEXT", help='the new note; "" deletes it; without TEXT it is printed'
    )
    add("pause", jobs.pause, "pause the queue: running tasks continue, and no more are started").set_defaults(
        paused=True
    )
    add("resume", jobs.pause, "resume a paused queue").set_defaults(paused=False)
    doctor = add(
        "doctor",
        installation.examine,
        "check the installation and the sessions, and report problems with advice",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    folder = add(
        "katana-folder",
        installation.write_katana_folder,
        "write a folder with all files that Katana needs, for KATANA_RESOURCES",
    )
    folder.add_argument("folder", metavar="DIR", help="the folder to create; it must not exist")
    folder.add_argument(
        "--platform",
        choices=[each.value for each in Platform],
        default=Platform.current().value,
        help="platform of the machines with Katana; default: this machine's",
    )
    folder.add_argument("--archive", action="store_true", help="also pack it into an archive beside it")
    exporting.add_export_command(
        add(
            "export",
            exporting.export,
            "write a job as an Open Job Description bundle, to run it at another site",
        )
    )
    add_farm_commands(commands, common, _add_submit_options)
    add_remote_commands(commands, common, lambda options: Connected(options, history=False))
    return parser


def _add_submit_options(submit: argparse.ArgumentParser) -> None:
    submit.add_argument("--name", metavar="NAME", help="name of the job; default: the program's")
    submit.add_argument(
        "--priority",
        type=_whole,
        default=0,
        metavar="N",
        help="jobs with a higher one start first; default: 0",
    )
    submit.add_argument("--cwd", metavar="DIR", help="working folder; default: the current one")
    submit.add_argument(
        "--set-env", "--env", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
        help="add environment variables, as NAME=VALUE",
    )  # fmt: skip
    submit.add_argument(
        "--frames",
        metavar="1-10,20-40x2",
        help="frames to render: 1-10, 1,5,20 or 1-10x2 (every second frame); in the command {frame}, "
        "{frame:04d}, {start}, {end} and {step} are replaced for each task; {step} is 1 for a single frame",
    )
    submit.add_argument("--chunk", type=_whole, default=1, metavar="N", help="frames per task; default: 1")
    submit.add_argument(
        "--order",
        choices=[each.value for each in RenderOrder],
        help="order of the frames; ends-first: first and last, then the middle of each gap; "
        "default: as written in --frames",
    )
    submit.add_argument(
        "--skip-existing",
        action="store_true",
        help="skip frames whose picture file exists; needs --picture",
    )
    submit.add_argument(
        "--after",
        action="append",
        default=[],
        metavar="ID",
        help="start once this job is Completed; may be repeated",
    )
    submit.add_argument(
        "--max-parallel",
        type=_whole,
        default=0,
        metavar="N",
        help="most tasks to run at once; default: no limit",
    )
    submit.add_argument(
        "--retries",
        type=_whole,
        default=0,
        metavar="N",
        help="number of retries of a failed task; default: 0",
    )
    submit.add_argument(
        "--timeout",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="stop a task that has run for S seconds: it counts as Failed; default: no limit",
    )
    submit.add_argument(
        "--silence",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="stop a task without output and CPU use for S seconds: it counts as Failed; default: no limit",
    )
    submit.add_argument(
        "--memory-limit",
        type=_whole,
        default=0,
        metavar="MIB",
        help="most memory of a task's processes, in MiB: above it the task is stopped, as Failed; "
        "default: no limit",
    )
    submit.add_argument(
        "--picture",
        default="",
        metavar="PATTERN",
        help="path of the picture file that a task writes, with {frame}, #### or %%04d for the frame",
    )
    submit.add_argument(
        "--renderer",
        default="",
        metavar="NAME",
        help="renderer whose progress and errors are in the log; default: by the program's name",
    )
    submit.add_argument(
        "command", nargs="*", metavar="COMMAND", help="the program and its arguments, after --"
    )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a whole number") from None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a number of seconds") from None
