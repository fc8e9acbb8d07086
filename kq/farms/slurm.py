"""The Slurm adapter, on Slurm's commands: each submission is a job array.

Options are passed as arguments, and Slurm's environment variables removed, so that these change no job.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import process
from ..command_line import split_command_line
from ..errors import BadInput, ConnectionLost, Refused
from ..plain_text import one_line, quoted
from .decide import EngineState, EngineStatus
from .engine import EngineTask, Option
from .job_folder import RUNNER

__all__ = ["Slurm", "parse_minutes", "parse_rows", "wait_reason"]

_SUBMIT_TIMEOUT_S = 20.0
_COMMAND_TIMEOUT_S = 15.0
"""Commands take milliseconds, or 10 s when the controller does not reply."""
_COMMENT_MARK = "kq:"
_SEPARATOR = "\x1f"
_FORMAT = _SEPARATOR.join(("%F", "%K", "%T", "%r", "%N", "%S", "%k"))
_NO_CONTACT = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection refused", re.IGNORECASE
)
_OVER = re.compile(r"invalid job id|already complet", re.IGNORECASE)
"""What scancel says of jobs that have ended, or that Slurm has forgotten."""
_FULL = re.compile(r"Resource temporarily unavailable", re.IGNORECASE)
"""Error of sbatch --test-only when the queue is full; without that option sbatch would wait."""

OPTIONS = (
    Option("partition", "the partition; empty: Slurm's default"),
    Option("account", "the account that is charged"),
    Option("qos", "the quality of service"),
    Option("constraint", "features that a node must have"),
    Option("licenses", "licences that a task uses, for example katana:1"),
    Option("cpus", "CPUs of a task (default 1)"),
    Option("memory", "memory of a task, for example 8G"),
    Option("minutes", "time limit of a task, in minutes"),
    Option("max_parallel", "most tasks at once"),
    Option("nice", "Slurm's nice value: a higher one starts later (0 or more)"),
    Option("extra", "more options of sbatch, for example --gres=gpu:1 --reservation=show"),
    Option("python", "Python 3 on the farm's machines (default python3)"),
)
_FLAGS = {
    "partition": "--partition",
    "account": "--account",
    "qos": "--qos",
    "constraint": "--constraint",
    "licenses": "--licenses",
    "cpus": "--cpus-per-task",
    "memory": "--mem",
    "minutes": "--time",
    "nice": "--nice",
}
_OURS = (
    *("array", "chdir", "comment", "error", "export", "job-name", "no-requeue", "open-mode", "output"),
    *("parsable", "requeue", "test-only", "wait", "wrap", *(flag[2:] for flag in _FLAGS.values())),
)
"""Options of sbatch that kq sets, or that would change what it hears: not allowed in `extra`."""
_WHOLE_NUMBERS = ("cpus", "minutes", "max_parallel", "nice")

_STATES = {
    "PENDING": EngineState.PENDING,
    "CONFIGURING": EngineState.PENDING,
    "REQUEUED": EngineState.PENDING,
    "REQUEUE_FED": EngineState.PENDING,
    "REQUEUE_HOLD": EngineState.PENDING,
    "SPECIAL_EXIT": EngineState.PENDING,
    "RUNNING": EngineState.RUNNING,
    "SUSPENDED": EngineState.RUNNING,
    "STOPPED": EngineState.RUNNING,
    "SIGNALING": EngineState.RUNNING,
    "STAGE_OUT": EngineState.COMPLETING,
    "COMPLETING": EngineState.COMPLETING,
    "COMPLETED": EngineState.COMPLETED,
    "CANCELLED": EngineState.CANCELLED,
    "REVOKED": EngineState.CANCELLED,
    "FAILED": EngineState.FAILED,
    "BOOT_FAIL": EngineState.NODE_LOST,
    "NODE_FAIL": EngineState.NODE_LOST,
    "PREEMPTED": EngineState.FAILED,
    "TIMEOUT": EngineState.TIMED_OUT,
    "DEADLINE": EngineState.TIMED_OUT,
    "OUT_OF_MEMORY": EngineState.OUT_OF_MEMORY,
}

_REASONS = {
    "None": "",
    "Resources": "waits for a free node",
    "Priority": "waits: other jobs come first",
    "JobHeldUser": "held by its user",
    "JobHeldAdmin": "held by an administrator of the farm",
    "JobArrayTaskLimit": "waits: the most of its tasks that may run at once are running",
    "Licenses": "waits for a licence",
    "PartitionTimeLimit": "never starts: its time limit exceeds the partition's",
    "PartitionNodeLimit": "never starts: it requests more than the partition has",
    "PartitionDown": "waits: its partition is down",
    "PartitionInactive": "waits: its partition is inactive",
    "ReqNodeNotAvail": "waits for a node that is not available",
    "Reservation": "waits for its reservation",
    "BadConstraints": "never starts: no node has what it requests",
    "InvalidAccount": "never starts: the account is not valid",
    "InvalidQOS": "never starts: the quality of service is not valid",
    "JobLaunchFailure": "its node could not start it: does it see KQ_DATA_ROOT by the same path?",
    "launch_failed_requeued_held": "held: its node could not start it",
    "NodeDown": "waits: its node is down",
    "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions": (
        "waits: its nodes are down, drained or reserved"
    ),
}


class Slurm:
    """The Slurm cluster for which this machine is configured. To be used from one thread."""

    options: Sequence[Option] = OPTIONS

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._environment = {
            key: value
            for key, value in given.items()
            if not key.startswith(("SBATCH_", "SLURM_", "SQUEUE_", "SCANCEL_", "KQ_")) or key == "SLURM_CONF"
        }
        # Times as seconds since the epoch, because time zones may differ between machines.
        self._environment["SLURM_TIME_FORMAT"] = "%s"
        self._ignored = sorted(key for key in given if key.startswith("SBATCH_"))
        self._max_array = 0

    def check(self, options: Mapping[str, str]) -> list[str]:
        """See Engine."""
        flags = _flags(options)
        self._run(["scontrol", "ping"], _COMMAND_TIMEOUT_S)
        noted = [f"{name} is set and not used: give it as an option" for name in self._ignored]
        wanted = options.get("minutes", "")
        for line in self._run(
            ["scontrol", "show", "partition", "--oneliner"], _COMMAND_TIMEOUT_S
        ).splitlines():
            facts = dict(part.split("=", 1) for part in line.split() if "=" in part)
            is_chosen = (
                facts.get("PartitionName") == options["partition"]
                if options.get("partition")
                else facts.get("Default") == "YES"
            )
            limit = parse_minutes(facts.get("MaxTime", ""))
            if is_chosen and wanted and limit is not None and int(wanted) > limit:
                raise Refused(
                    f"{wanted} minutes exceed the {limit:g} that partition {facts['PartitionName']} allows"
                )
        self._run(
            ["sbatch", "--test-only", "--array=0", "--output=/dev/null", *flags],
            _COMMAND_TIMEOUT_S,
            "#!/bin/sh\n",
        )
        return noted

    def max_array(self) -> int:
        """See Engine. Cached."""
        if not self._max_array:
            shown = self._run(["scontrol", "show", "config"], _COMMAND_TIMEOUT_S)
            found = re.search(r"^MaxArraySize\s*=\s*(\d+)", shown, re.MULTILINE)
            self._max_array = max(int(found[1]) - 1, 1) if found else 1000
        return self._max_array

    def submit(
        self,
        folder: Path,
        name: str,
        token: str,
        tasks: Sequence[int],
        offset: int,
        options: Mapping[str, str],
    ) -> str:
        """See Engine."""
        at_once = options.get("max_parallel", "")
        array = _ranges([task - offset for task in tasks]) + (
            f"%{at_once}" if at_once not in ("", "0") else ""
        )
        python = options.get("python") or "python3"
        script = (
            "#!/bin/sh\n"
            'PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"\n'
            "export PATH\n"
            f"exec {shlex.quote(python)} {shlex.quote(str(folder / RUNNER.name))} "
            '"$((SLURM_ARRAY_TASK_ID + KQ_OFFSET))"\n'
        )
        arguments = [
            "sbatch",
            "--parsable",
            f"--array={array}",
            f"--job-name={one_line(name)[:200] or 'render'}",
            f"--comment={_COMMENT_MARK}{token}",
            f"--chdir={folder}",
            f"--output={str(folder / 'logs').replace('%', '%%')}/slurm-%A_%a.out",
            "--open-mode=append",
            "--requeue",
            f"--export=KQ_TOKEN={token},KQ_OFFSET={offset}",
            *_flags(options),
        ]
        answer = self._run(arguments, _SUBMIT_TIMEOUT_S, script)
        found = re.match(r"(\d+)", answer.strip())
        if found is None:
            # It succeeded, so that the job may be in the queue: it is to be found there, not to run twice.
            raise ConnectionLost(f"sbatch answered {quoted(one_line(answer)[:200])}, without the job's id")
        return found[1]

    def list_tasks(self) -> list[EngineTask]:
        """See Engine."""
        command = ["squeue", "--noheader", "--array", "--me", "--states=all", f"--format={_FORMAT}"]
        return parse_rows(self._run(command, _COMMAND_TIMEOUT_S), time.time())

    def stop(self, engine_ids: Sequence[str]) -> None:
        """See Engine."""
        if engine_ids:
            self._run(["scancel", "--quiet", *engine_ids], _COMMAND_TIMEOUT_S, is_stop=True)

    def stop_tasks(self, engine_id: str, indexes: Sequence[int]) -> None:
        """See Engine."""
        self.stop([f"{engine_id}_[{_ranges(indexes)}]"])

    def start_now(self, engine_id: str, index: int) -> None:
        """See Engine."""
        self._run(["scontrol", "update", f"jobid={engine_id}_{index}", "StartTime=now"], _COMMAND_TIMEOUT_S)

    def _run(
        self, arguments: list[str], timeout_s: float, text_in: str = "", *, is_stop: bool = False
    ) -> str:
        try:
            done = process.run_command(
                arguments, timeout_s=timeout_s, environment=self._environment, text_in=text_in
            )
        except FileNotFoundError as error:
            raise Refused(
                f"{arguments[0]} is not installed on this machine: install Slurm's client commands"
            ) from error
        if done.code is None:
            raise ConnectionLost(f"Slurm's controller did not answer {arguments[0]} within {timeout_s:.0f} s")
        if done.code == 0:
            return done.output
        said = one_line(done.errors.strip().splitlines()[-1] if done.errors.strip() else done.output)
        if _NO_CONTACT.search(done.errors + done.output):
            raise ConnectionLost(f"Slurm's controller does not answer: {said}")
        if is_stop and _OVER.search(done.errors + done.output):
            return done.output
        if is_stop:  # such as an authentication that fails for a moment: what still runs is stopped later
            raise ConnectionLost(f"Slurm did not stop it: {said}")
        if _FULL.search(done.errors):
            raise Refused("Slurm's queue is full (MaxJobCount): start the job later")
        said = re.sub(r"^\w+: (?:error: )?(?:Batch job submission failed: |allocation failure: )?", "", said)
        raise Refused(f"Slurm refused it: {said}")


def parse_rows(listed: str, now: float) -> list[EngineTask]:
    """Parse squeue's output in _FORMAT. Returns the rows of kq's tasks; other lines are ignored.

    Args:
        now: seconds since the epoch, for the remaining delay of a task.
    """
    rows = []
    for line in listed.splitlines():
        fields = line.split(_SEPARATOR)
        if len(fields) != 7 or not fields[6].startswith(_COMMENT_MARK) or not fields[1].isdigit():
            continue
        engine_id, index, state, reason, node, start, comment = fields
        known = _STATES.get(state, EngineState.PENDING)
        words = wait_reason(reason, start, now) if known is EngineState.PENDING else ""
        if known is EngineState.FAILED and reason == "JobLaunchFailure":
            words = _REASONS[reason]
        rows.append(
            EngineTask(
                engine_id,
                comment.removeprefix(_COMMENT_MARK).strip(),
                int(index),
                EngineStatus(known, words, node),
            )
        )
    return rows


def wait_reason(reason: str, start: str, now: float) -> str:
    """Return Slurm's `reason` for a waiting task as a message; an unknown one unchanged.

    Args:
        start: earliest start, in seconds since the epoch, as text.
        now: the current time, in seconds since the epoch.
    """
    if reason == "BeginTime":
        if start.isdigit() and int(start) > now:
            return f"delayed for {int(start) - now:.0f} s after the loss of its node: Start Now starts it"
        return "delayed after the loss of its node: Start Now starts it"
    plain = reason.strip("()").replace(" ", "_")
    return _REASONS.get(plain, f"waits: {reason}" if reason else "")


def parse_minutes(text: str) -> float | None:
    """Convert Slurm's `days-hours:minutes:seconds` to minutes; None for no limit or other text."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 1440 + hours * 60 + minutes + seconds / 60


def _flags(options: Mapping[str, str]) -> list[str]:
    known = {option.name for option in OPTIONS}
    for name, value in options.items():
        if name not in known:
            raise BadInput(f"Slurm has no option {quoted(name)} here: use {', '.join(sorted(known))}")
        if name in _WHOLE_NUMBERS and value and not (value.isascii() and value.isdigit()):
            raise BadInput(f"option {name} is {quoted(value)}: use a whole number of 0 or more")
        if any(letter in value for letter in "\0\n\r"):
            raise BadInput(f"option {name} holds a line break or a NUL character: remove it")
    flags = [f"{flag}={options[name]}" for name, flag in _FLAGS.items() if options.get(name)]
    return flags + _extra(options.get("extra", ""))


def _extra(text: str) -> list[str]:
    """Split the option `extra` into arguments of sbatch. Raises BadInput."""
    try:
        found = split_command_line(text, windows=False)  # by the rules of sbatch's system
    except BadInput as error:
        raise BadInput(f"option extra: {error}") from error
    for each in found:
        name = each.partition("=")[0].removeprefix("--")
        if not each.startswith("--") or not name:
            raise BadInput(f"option extra holds {quoted(each)}: write each as --name or --name=value")
        # sbatch takes a name that is cut short, too.
        if any(own.startswith(name) for own in _OURS):
            raise BadInput(f"option extra holds {quoted(each)}, which kq sets itself or has an option for")
    return found


def _ranges(numbers: Sequence[int]) -> str:
    """`0-5,7` of sorted numbers."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
