"""The parser of the `kq` command: what may be asked, and what is run for it."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from ..katana_folder import Platform
from ..plain_text import quoted
from ..remote.command import add_remote_commands
from ..states import JobState
from . import diagnosing, exporting, jobs, katana, listing, serving
from .connecting import Connected
from .farms import add_farm_commands

__all__ = ["make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """The parser. `run` of what it returns takes that and returns the exit code; it may raise KqError."""
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

    serve = add("serve", serving.serve, "run a queue without a desktop")
    serve.add_argument("--agents", type=_whole, metavar="N", help="default: KQ_NUM_AGENTS, else 2")
    serve.add_argument("--lifeline", action="store_true", help="end when standard input ends")
    submit = add("submit", jobs.submit, "queue a job and print its id")
    _add_submit_options(submit)
    submit.add_argument(
        "--export", default="all", metavar="all|none|NAMES",
        help="which variables of this environment the job gets, besides its Agent's; default: all",
    )  # fmt: skip
    listed = add("jobs", listing.list_jobs, "list the jobs")
    listed.add_argument("--json", action="store_true")
    listed.add_argument("--all", action="store_true", help="those of earlier sessions, too")
    listed.add_argument(
        "--state", action="append", default=[], type=str.title, choices=[*JobState], metavar="STATE",
        help=f"those in this state alone: {', '.join(JobState)}",
    )  # fmt: skip
    listed.add_argument(
        "--since", type=listing.parse_since, metavar="TIME",
        help="those submitted since then: 30m, 2h, 7d, 2026-11-29 or 2026-11-29T08:00",
    )  # fmt: skip
    listed.add_argument("--sort", choices=listing.SORT_KEYS, default="order", help="default: as submitted")
    agents = add("agents", listing.list_agents, "list the Agents")
    agents.add_argument("--json", action="store_true")
    agents.add_argument("-v", "--verbose", action="store_true", help="what they use, and since when")
    add("show", jobs.show, "print a job as it was submitted, as JSON").add_argument("id")
    log = add("log", jobs.print_log, "print the log of a job's latest attempt")
    log.add_argument("id")
    log.add_argument("-f", "--follow", action="store_true", help="until the job has ended")
    log.add_argument("--story", action="store_true", help="what became of the job instead, with times")
    for name, summary in (
        ("stop", "stop jobs"),
        ("start", "start jobs again"),
        ("remove", "forget jobs and delete their logs"),
    ):
        command = add(name, jobs.act_on_jobs, summary)
        command.set_defaults(action=name)
        command.add_argument("ids", nargs="+", metavar="ID")
    note = add("note", jobs.set_note, "print the note of a job, or write it another")
    note.add_argument("id")
    note.add_argument("text", nargs="?", metavar="TEXT", help="empty: no note")
    add("pause", jobs.pause, "give no more work to Agents").set_defaults(paused=True)
    add("resume", jobs.pause, "give work to Agents again").set_defaults(paused=False)
    doctor = add("doctor", diagnosing.examine, "say what is wrong, and what to do about it")
    doctor.add_argument("--json", action="store_true")
    folder = add("katana-folder", katana.write_folder, "write the folder that Katana gets")
    folder.add_argument("folder", metavar="DIR", help="where nothing is yet; KATANA_RESOURCES gets it")
    folder.add_argument(
        "--platform",
        choices=[each.value for each in Platform],
        default=Platform.current().value,
        help="default: this machine's",
    )
    folder.add_argument("--archive", action="store_true", help="pack it, too: the archive lies beside it")
    exporting.add_export_command(
        add("export", exporting.export, "write a job as an Open Job Description bundle, for any site")
    )
    add_farm_commands(commands, common, _add_submit_options)
    add_remote_commands(commands, common, lambda options: Connected(options, history=False))
    return parser


def _add_submit_options(submit: argparse.ArgumentParser) -> None:
    submit.add_argument("--name", metavar="S", help="default: the program's name")
    submit.add_argument("--priority", type=_whole, default=0, metavar="N", help="higher is first")
    submit.add_argument("--cwd", metavar="DIR", help="default: this folder")
    submit.add_argument(
        "--set-env", "--env", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
        help="added to the environment",
    )  # fmt: skip
    submit.add_argument(
        "--frames", default="", metavar="1-10,20", help="fills {frame}, {frame:04d}, {start} and {end}"
    )
    submit.add_argument("--chunk", type=_whole, default=1, metavar="N", help="frames in one task")
    submit.add_argument("--after", action="append", default=[], metavar="ID", help="wait for this job")
    submit.add_argument("--max-parallel", type=_whole, default=0, metavar="N", help="most tasks at once")
    submit.add_argument("--retries", type=_whole, default=0, metavar="N", help="tries after a failure")
    submit.add_argument("--timeout", type=_seconds, default=0.0, metavar="S", help="seconds a task may run")
    submit.add_argument("--silence", type=_seconds, default=0.0, metavar="S", help="seconds it may be idle")
    submit.add_argument(
        "--memory-limit", type=_whole, default=0, metavar="MIB", help="for a task's processes"
    )
    submit.add_argument("--picture", default="", metavar="PATTERN", help="the picture file of a task")
    submit.add_argument("--renderer", default="", metavar="NAME", help="whose output patterns apply")
    submit.add_argument("--wait", action="store_true", help="follow the log; exit as the job does")
    submit.add_argument("command", nargs="*", metavar="COMMAND", help="after --: the program and arguments")


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
