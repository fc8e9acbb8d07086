"""`kq farm`: jobs on a render farm that the site runs."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import BadInput, ConnectionLost, NotFound
from ..farms.catalogue import FARM_NAMES, open_farm
from ..farms.farm import Farm
from ..own_folders import own_data_root
from ..plain_text import one_line, quoted
from ..records import JobRecord, new_job_id
from ..settings import Settings
from ..states import JobState
from .jobs import spec_of
from .listing import job_json, print_table
from .log_output import log_output

__all__ = ["add_farm_commands"]

_TIMEOUT_S = 60.0
_POLL_S = 2.0
T = TypeVar("T")
_ID_HELP = "id of the job, as `kq farm jobs` lists it"


def add_farm_commands(
    commands: Any,
    common: argparse.ArgumentParser,
    add_submit_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add `farm` and what follows it to the parser."""
    summary = "submit and manage jobs on a render farm"
    farm = commands.add_parser("farm", help=summary, description=summary)
    actions = farm.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, run: Callable[[Farm, argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        action: argparse.ArgumentParser = actions.add_parser(
            name, parents=[common], help=help_, description=help_
        )
        action.set_defaults(run=lambda options: _with_farm(run, options))
        action.add_argument(
            "--farm",
            choices=FARM_NAMES,
            default=FARM_NAMES[0],
            help=f"the farm to use; default: {FARM_NAMES[0]}",
        )
        return action

    def add_options(action: argparse.ArgumentParser) -> None:
        action.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="an option of the farm, for example partition=short; may be repeated",
        )

    add_options(add("check", _check, "check that the farm replies, and accepts these options"))
    submit = add("submit", _submit, "submit a job to the farm, and print its id")
    add_submit_options(submit)
    submit.add_argument(
        "--wait", action="store_true", help="wait until the job has ended; exit with 0 if Completed, else 1"
    )
    add_options(submit)
    add("jobs", _jobs, "list the jobs on the farm").add_argument(
        "--json", action="store_true", help="print JSON"
    )
    for name, run, help_ in (
        ("tasks", _tasks, "list the tasks of a job"),
        ("stop", _stop, "stop a job"),
        ("start", _start, "start the failed and cancelled tasks of a job again"),
    ):
        add(name, run, help_).add_argument("id", metavar="ID", help=_ID_HELP)
    for name, run, help_ in (
        ("log", _log, "print the log of a task's latest attempt"),
        (
            "start-now",
            _start_now,
            "start a delayed task now, for example after the loss of its node",
        ),
    ):
        action = add(name, run, help_)
        action.add_argument("id", metavar="ID", help=_ID_HELP)
        action.add_argument(
            "task",
            metavar="TASK",
            type=int,
            nargs="?",
            default=1,
            help="number of the task, from 1, as `kq farm tasks` lists it; default: 1",
        )


def _with_farm(run: Callable[[Farm, argparse.Namespace], int], options: argparse.Namespace) -> int:
    settings = Settings.from_environment(data_root=options.data_root)
    farm = open_farm(options.farm, own_data_root(settings.data_root))
    try:
        return run(farm, options)
    finally:
        farm.close(_TIMEOUT_S)


def _answer(farm: Farm, future: Future[T]) -> T:
    """The farm's answer. Raises its KqError, or ConnectionLost when none came in time."""
    try:
        return future.result(_TIMEOUT_S)
    except TimeoutError as error:  # an OSError, which `main` would take for one of the output
        raise ConnectionLost(f"{farm.title} did not answer within {_TIMEOUT_S:g} s") from error


def _refreshed(farm: Farm) -> None:
    """Ask the engine; without an answer, what is known is shown with a warning."""
    try:
        _answer(farm, farm.refresh())
    except ConnectionLost as error:
        print(f"kq: {one_line(str(error))}", file=sys.stderr)


def _options(options: argparse.Namespace) -> dict[str, str]:
    found = {}
    for item in options.option:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise BadInput(f"--option {quoted(item)} is not understood: write NAME=VALUE")
        found[name] = value
    return found


def _check(farm: Farm, options: argparse.Namespace) -> int:
    for line in _answer(farm, farm.check(_options(options))):
        print(one_line(line))
    print(f"{farm.name} replies, and accepts these options")
    return 0


def _submit(farm: Farm, options: argparse.Namespace) -> int:
    job_id = new_job_id()
    try:
        _answer(farm, farm.submit(job_id, spec_of(options), _options(options)))
    except ConnectionLost as error:
        raise ConnectionLost(f"{error}: `kq farm jobs` lists {job_id} if it was submitted") from error
    print(job_id, flush=True)
    if not options.wait:
        return 0
    while not (record := _job(farm, job_id)).state.is_terminal:
        time.sleep(_POLL_S)
        _refreshed(farm)
    if record.state is JobState.COMPLETED:
        return 0
    print(f"kq: {record.state}: {one_line(record.reason)}", file=sys.stderr)
    return 1


def _jobs(farm: Farm, options: argparse.Namespace) -> int:
    _refreshed(farm)
    records = farm.jobs()
    if options.json:
        print(json.dumps([job_json(record, time.time()) for record in records], indent=1))
        return 0
    rows = [
        (
            each.id,
            each.state,
            f"{each.tasks_completed}/{each.tasks}",
            str(each.attempts),
            each.name,
            each.reason,
        )
        for each in records
    ]
    print_table(("ID", "STATE", "TASKS", "ATTEMPTS", "NAME", "REASON"), rows)
    return 0


def _tasks(farm: Farm, options: argparse.Namespace) -> int:
    _refreshed(farm)
    rows = [
        (str(each.index + 1), each.label, each.state, str(each.attempts), each.agent, each.reason)
        for each in farm.tasks(options.id)
    ]
    print_table(("TASK", "FRAMES", "STATE", "ATTEMPTS", "NODE", "REASON"), rows)
    return 0


def _log(farm: Farm, options: argparse.Namespace) -> int:
    _refreshed(farm)
    tasks = farm.tasks(options.id)
    if not 1 <= options.task <= len(tasks):
        raise NotFound(f"job {options.id} has tasks 1 to {len(tasks)}, and no task {options.task}")
    path = tasks[options.task - 1].log_file
    if not path:
        raise NotFound(f"task {options.task} of job {options.id} has not been started yet")
    with open(path, "rb") as file:
        shutil.copyfileobj(file, log_output())
    return 0


def _stop(farm: Farm, options: argparse.Namespace) -> int:
    _refreshed(farm)
    _answer(farm, farm.stop(options.id))
    return 0


def _start(farm: Farm, options: argparse.Namespace) -> int:
    _answer(farm, farm.start(options.id))
    return 0


def _start_now(farm: Farm, options: argparse.Namespace) -> int:
    _answer(farm, farm.start_now(options.id, options.task - 1))
    return 0


def _job(farm: Farm, job_id: str) -> JobRecord:
    record = farm.job(job_id)
    if record is None:
        raise NotFound(f"{farm.name} has no job {job_id}")
    return record
