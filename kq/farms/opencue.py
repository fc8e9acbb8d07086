"""The OpenCue adapter, on its client pycue: each submission is a job with one layer.

pycue is an optional dependency (the group `opencue`), and is imported on first use.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..errors import BadInput, ConnectionLost, Refused
from ..own_folders import local_user
from ..plain_text import one_line, quoted
from .decide import EngineState, EngineStatus
from .engine import EngineTask, Option
from .job_folder import RUNNER

__all__ = ["OpenCue", "job_spec", "read_job_name"]

_TIMEOUT_S = 15
"""Replaces pycue's own limit of 10,000, meant as milliseconds and used as seconds."""
_PAGE_SIZE = 1000
_MAX_FRAMES = 100_000
"""Cuebot refuses a job with more."""
_NAME = re.compile(r"_kq_([0-9a-f]{16})_(\d+)_")
_OUT_OF_MEMORY = 33
"""RQD's exit status for a frame that was killed for its memory use."""
_HEADER = (
    '<?xml version="1.0"?>\n<!DOCTYPE spec PUBLIC "SPI Cue  Specification Language" '
    '"http://localhost:8080/spcue/dtd/cjsl-1.15.dtd">\n'
)

OPTIONS = (
    Option("show", "the show; it must exist in OpenCue"),
    Option("shot", "the shot (default: none)"),
    Option("facility", "the facility; empty: Cuebot's default"),
    Option("service", "the service, which sets what a frame needs"),
    Option("cores", "cores of a frame (default 1)"),
    Option("memory", "memory of a frame, for example 8g"),
    Option("tags", "tags of hosts, separated by |"),
    Option("limits", "limits that a frame uses, separated by commas"),
    Option("minutes", "time limit of a frame, in minutes"),
    Option("max_parallel", "most frames at once"),
    Option("priority", "the job's priority in OpenCue (default 1)"),
    Option("python", "Python 3 on the farm's machines (default python3)"),
)
_WHOLE_NUMBERS = ("cores", "minutes", "max_parallel", "priority")
_MEMORY = re.compile(r"\d+[mg]?", re.ASCII | re.IGNORECASE)
"""What every Cuebot reads; some use a default for anything else. Without a unit: gigabytes."""


class OpenCue:
    """The Cuebot of CUEBOT_HOSTS or of pycue's configuration. To be used from one thread."""

    options: Sequence[Option] = OPTIONS

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._user = given.get("KQ_OPENCUE_USER") or local_user()
        self._pycue: Any = None
        self._finished: dict[str, list[EngineTask]] = {}
        """Rows of finished jobs, by job name; cached, because they do not change."""

    def check(self, options: Mapping[str, str]) -> list[str]:
        """See Engine."""
        _check_options(options)
        if self._user == "root":
            raise Refused(
                "OpenCue does not run jobs of root: set KQ_OPENCUE_USER to the user that its frames run as"
            )
        api = self._client().api
        show = options["show"]
        try:
            self._call(api.findShow, show)
        except _JobNotFound as error:
            raise Refused(f"OpenCue has no show {quoted(show)}") from error
        return []

    def max_array(self) -> int:
        """See Engine."""
        return _MAX_FRAMES

    def submit(
        self,
        folder: Path,
        name: str,
        token: str,
        tasks: Sequence[int],
        offset: int,
        options: Mapping[str, str],
    ) -> str:
        """See Engine. The id is the job's name in OpenCue."""
        spec = job_spec(self._user, folder, name, token, tasks, offset, options)
        api = self._client().api
        jobs = self._call(api.launchSpecAndWait, spec)
        if not jobs:
            # The job may be in its list: it is to be found there, not to run twice.
            raise ConnectionLost("Cuebot accepted the job, but returned no id")
        return str(jobs[0].data.name)

    def list_tasks(self) -> list[EngineTask]:
        """See Engine."""
        api = self._client().api
        jobs = self._call(api.getJobs, user=[self._user], regex=[_NAME.pattern], include_finished=True)
        rows: list[EngineTask] = []
        finished = {}
        for job in jobs:
            name = str(job.data.name)
            found = read_job_name(name)
            if found is None:
                continue
            # A retry in CueGUI makes a finished job a pending one again.
            is_finished = _state_of(job.data) == "FINISHED"
            of_job = (self._finished.get(name) if is_finished else None) or self._rows_of(job, *found)
            if is_finished and not any(row.status.state.is_live for row in of_job):
                finished[name] = of_job
            rows += of_job
        self._finished = finished
        return rows

    def stop(self, engine_ids: Sequence[str]) -> None:
        """See Engine."""
        api = self._client().api
        for name in engine_ids:
            try:
                job = self._call(api.findJob, name)
                self._call(job.kill, username=self._user, reason="stopped in Katana Queue")
            except _JobNotFound:
                continue  # over already

    def stop_tasks(self, engine_id: str, indexes: Sequence[int]) -> None:
        """See Engine."""
        found = read_job_name(engine_id)
        offset = 0 if found is None else found[1]
        api = self._client().api
        try:
            job = self._call(api.findJob, engine_id)
            self._call(job.eatFrames, range=_ranges([index + offset for index in indexes]))
        except _JobNotFound:
            pass  # over already

    def start_now(self, engine_id: str, index: int) -> None:
        """See Engine. OpenCue holds nothing back after the loss of a host."""
        raise Refused(f"OpenCue delays no frame of {engine_id}: its priority decides when it starts")

    # --- pycue --------------------------------------------------------------------

    def _client(self) -> Any:
        """Return pycue with a time limit set. Raises Refused if it is not installed, or the user unknown."""
        if not self._user:
            raise Refused(
                "this machine has no name for its user: set KQ_OPENCUE_USER to that of OpenCue's jobs"
            )
        if self._pycue is None:
            try:
                import opencue
                import opencue.api
            except ImportError as error:
                raise Refused(
                    f"OpenCue's client is not installed here ({error}): "
                    "install opencue-pycue, as `pip install katana-queue[opencue]` does"
                ) from error
            except Exception as error:  # its import reads its configuration
                raise Refused(f"OpenCue's client cannot be used: {one_line(str(error))}") from error
            opencue.Cuebot.setTimeout(_TIMEOUT_S)
            self._pycue = opencue
        return self._pycue

    def _call(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        client = self._client()
        exceptions = client.exception
        try:
            return function(*arguments, **named)
        except (exceptions.CueException, client.cuebot.grpc.RpcError) as error:
            # pycue's functions raise its own exceptions, methods of its jobs those of gRPC.
            is_own = isinstance(error, exceptions.CueException)
            kind = type(error) if is_own else exceptions.EXCEPTION_MAP.get(error.code())
            message = one_line(str(error) if is_own else str(error.details()))[:500]
            if kind is exceptions.EntityNotFoundException:
                raise _JobNotFound(message) from error
            if kind in (
                exceptions.ConnectionException,
                exceptions.DeadlineExceededException,
                exceptions.CancelledException,
            ):
                client.Cuebot.closeChannel()  # so that the next call tries all hosts again
                raise ConnectionLost(f"Cuebot does not answer: {message}") from error
            raise Refused(f"OpenCue refused it: {message}") from error

    def _rows_of(self, job: Any, token: str, offset: int) -> list[EngineTask]:
        frames: list[Any] = []
        page = 1
        while True:
            found = self._call(job.getFrames, page=page, limit=_PAGE_SIZE)
            frames += found
            if len(found) < _PAGE_SIZE:
                break
            page += 1
        return [
            EngineTask(
                str(job.data.name),
                token,
                int(frame.data.number) - offset,
                _row(frame.data, job.data),
            )
            for frame in frames
        ]


class _JobNotFound(Refused):
    """OpenCue has no such entity."""


_STATES = {
    "WAITING": EngineState.PENDING,
    "SETUP": EngineState.PENDING,
    "DEPEND": EngineState.PENDING,
    "CHECKPOINT": EngineState.PENDING,
    "RUNNING": EngineState.RUNNING,
    "SUCCEEDED": EngineState.COMPLETED,
    "DEAD": EngineState.FAILED,
    "EATEN": EngineState.CANCELLED,
}


def _state_of(message: Any) -> str:
    """Return the name of a job's or a frame's state."""
    return str(message.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[message.state].name)


def _row(frame: Any, job: Any) -> EngineStatus:
    """Convert a frame of a job (`job.Frame` and `job.Job` of OpenCue's protocol).

    Cuebot kills a job by finishing it: its frames that wait stay so, and 3 s later those that run wait, too.
    """
    state = _STATES.get(_state_of(frame), EngineState.PENDING)
    if state.is_live and _state_of(job) == "FINISHED":
        state = EngineState.COMPLETING if state is EngineState.RUNNING else EngineState.CANCELLED
    if state is EngineState.FAILED and frame.exit_status == _OUT_OF_MEMORY:
        state = EngineState.OUT_OF_MEMORY
    reason = ""
    if state is EngineState.PENDING:
        reason = "the job is paused in OpenCue" if job.is_paused else "waits for a free host"
    elif state is EngineState.FAILED:
        reason = f"OpenCue gave it up, exit status {frame.exit_status}: see its log in CueGUI"
    host = "" if state is EngineState.PENDING else str(frame.last_resource).partition("/")[0]
    return EngineStatus(state, reason, host)


def read_job_name(name: str) -> tuple[str, int] | None:
    """Return token and offset from a job's name in OpenCue; None for a job that is not from kq."""
    found = _NAME.search(name)
    return None if found is None else (found[1], int(found[2]))


def job_spec(
    user: str,
    folder: Path,
    name: str,
    token: str,
    tasks: Sequence[int],
    offset: int,
    options: Mapping[str, str],
) -> str:
    """Return the submission as Cuebot's XML (cjsl-1.15). Frame numbers are task numbers.

    The elements are in the order of the DTD. OpenCue's names may contain only letters, digits, points and
    underscores, so the job's name is adapted. Raises BadInput for invalid options.
    """
    _check_options(options)
    root = ElementTree.Element("spec")

    def add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
        made = ElementTree.SubElement(parent, tag, attributes)
        made.text = text
        return made

    if options.get("facility"):
        add(root, "facility", options["facility"])
    add(root, "show", options["show"])
    add(root, "shot", options.get("shot") or "none")
    add(root, "user", user)
    add(root, "email", f"{user}@{socket.gethostname()}")
    if user == local_user() and hasattr(os, "getuid"):
        add(root, "uid", str(os.getuid()))
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60] or "render"
    job = add(root, "job", name=f"kq_{token}_{offset}_{plain}")
    add(job, "paused", "false")
    if options.get("priority"):
        add(job, "priority", options["priority"])
    add(job, "maxretries", "0")
    cores = int(options.get("cores") or 1)
    if at_once := int(options.get("max_parallel") or 0):
        add(job, "maxcores", str(at_once * cores))
    add(job, "autoeat", "false")
    layer = add(add(job, "layers"), "layer", name="render", type="Render")
    python = options.get("python") or "python3"
    # Not quoted, because Cuebot would not substitute it in quotes.
    add(layer, "cmd", f"{shlex.join([python, str(folder / RUNNER.name)])} #IFRAME#")
    add(layer, "range", _ranges(tasks))
    add(layer, "chunk", "1")
    add(layer, "cores", f"{cores}.0")
    add(layer, "threadable", "true" if cores > 1 else "false")
    if options.get("memory"):
        add(layer, "memory", options["memory"])
    if options.get("minutes"):
        add(layer, "timeout", options["minutes"])
    if options.get("tags"):
        add(layer, "tags", options["tags"])
    if options.get("limits"):
        limits = add(layer, "limits")
        for limit in options["limits"].split(","):
            add(limits, "limit", limit.strip())
    add(add(layer, "env"), "key", token, name="KQ_TOKEN")
    if options.get("service"):
        add(add(layer, "services"), "service", options["service"])
    return _HEADER + ElementTree.tostring(root, encoding="unicode")


def _check_options(options: Mapping[str, str]) -> None:
    known = {option.name for option in OPTIONS}
    for name, value in options.items():
        if name not in known:
            raise BadInput(f"OpenCue has no option {quoted(name)} here: use {', '.join(sorted(known))}")
        if name in _WHOLE_NUMBERS and value and not (value.isascii() and value.isdigit()):
            raise BadInput(f"option {name} is {quoted(value)}: use a whole number of 0 or more")
        if name == "memory" and value and not _MEMORY.fullmatch(value):
            raise BadInput(
                f"option memory is {quoted(value)}: use whole gigabytes or megabytes, as 8g or 1500m"
            )
        if any(ord(letter) < 32 for letter in value):
            raise BadInput(f"option {name} holds a control character: remove it")
    if int(options.get("max_parallel") or 0) and not int(options.get("cores") or 1):
        raise BadInput("option max_parallel needs cores of 1 or more: OpenCue limits the cores of a job")
    if not options.get("show"):
        raise BadInput("OpenCue needs the option show, as in --option show=aurora")


def _ranges(numbers: Sequence[int]) -> str:
    """`0-5,7` of sorted numbers."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
