"""Converts FarmAPI's job requests to kq's JobSpec, and kq's JobRecord to FarmAPI.Job.

Used by all our farm plug-ins. All functions: Qt's thread. Nothing is submitted here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from Katana import FarmAPI

from ..kq.api import BadInput, JobRecord, JobSpec, JobState, format_frames, quoted, split_command_line
from . import catalog
from .job_names import job_name
from .render_again import desktop_render
from .render_commands import read_commands
from .render_environment import render_environment, unset_since_start

__all__ = ["FARM_STATES", "FarmRequest", "farm_job", "read_request"]

FARM_STATES: Mapping[JobState, str] = {
    JobState.WAITING: FarmAPI.Job.State.kWaiting,
    JobState.RUNNING: FarmAPI.Job.State.kRunning,
    JobState.COMPLETED: FarmAPI.Job.State.kCompleted,
    JobState.CANCELLED: FarmAPI.Job.State.kCancelled,
    JobState.FAILED: FarmAPI.Job.State.kFailed,
}
"""FarmAPI's constant for each state of a job."""

PER_TASK_VARIABLE = "KQ_FRAMES_PER_TASK"
"""In a job's environment: how many frames one task renders at most."""
PRIORITY_VARIABLE = "KQ_PRIORITY"
"""In a job's environment: the job's priority; higher starts earlier."""
_LIVE = "liveRender"
_STANDBY_VARIABLE = "KQ_STANDBY_COMMAND"
"""In a job's environment: a command that loads the render program and then waits for one render."""


class FarmRequest(NamedTuple):
    """A parsed job request."""

    spec: JobSpec
    options: Mapping[str, str]
    """The `-key value` pairs of the render's command line, without the dash."""


def read_request(request: Any) -> FarmRequest:
    """Convert a `FarmAPI.FarmPluginManager.JobRequest` to a job of kq.

    Raises:
        BadInput: a command cannot be parsed, or a KQ_* number in its environment is no whole number.
    """
    node = str(request.nodeName or "")
    render = read_commands([str(each) for each in request.commands])
    context = str(request.renderContextName or "")
    frames = [int(frame) for frame in request.frames or ()]
    shown_frames = frames or catalog.frames_of(context, node)
    temp_dir = str(request.tempDir or "")
    given = {str(key): str(value) for key, value in (request.environment or {}).items()}
    environment = {**render_environment(os.environ), **given, **render.variables}
    standby = environment.pop(_STANDBY_VARIABLE, "")
    per_task = _whole_number(environment, PER_TASK_VARIABLE, 1)
    priority = _whole_number(environment, PRIORITY_VARIABLE, 0)
    variables = catalog.variables_of(context, node)
    spec = JobSpec(
        name=job_name(node, shown_frames, variables),
        commands=render.commands,
        environment=environment,
        unset=tuple(name for name in unset_since_start(os.environ) if name not in environment),
        cwd=temp_dir if Path(temp_dir).is_absolute() else "",
        temp_dir=temp_dir,
        renderer=render.options.get("renderer", ""),
        picture=render.options.get("renderOutputFile", ""),
        node=node,
        standby=tuple(split_command_line(standby)) if standby else (),
        stop_signal=catalog.stop_signal(render.options.get("renderer", "")),
        priority=priority,
        desktop=desktop_render(render.options, shown_frames, variables) if node else None,
        is_live=render.options.get("renderMethodType") == _LIVE,
        **(_tasks(frames, per_task) if render.has_frame_placeholder else _one_task(frames)),
    )
    return FarmRequest(spec, render.options)


def farm_job(record: JobRecord) -> FarmAPI.Job:
    """Convert a job of kq to FarmAPI's Job. Times are in whole seconds since the epoch; 0: not completed."""
    # FarmAPI.Job has no time of submission, so it is shown as the start until the job starts.
    started = record.submitted if record.started is None else record.started
    return FarmAPI.Job(
        record.id,
        record.name,
        int(started),
        int(record.completed or 0),
        FARM_STATES[record.state],
        record.log_file,
    )


def _tasks(frames: list[int], per_task: int) -> dict[str, Any]:
    """Return the `frames` and `chunk` fields of a JobSpec whose commands have a frame placeholder.

    The frames keep the request's order. Consecutive frames with the same step share a task, up to `per_task`.
    """
    tasks: list[list[int]] = []
    for frame in dict.fromkeys(frames):
        task = tasks[-1] if tasks else []
        is_next = task and frame > task[-1] and (len(task) < 2 or frame - task[-1] == task[1] - task[0])
        if is_next and len(task) < per_task:
            task.append(frame)
        else:
            tasks.append([frame])
    return {"frames": ",".join(map(_written, tasks)), "chunk": per_task}


def _written(task: list[int]) -> str:
    first, last = task[0], task[-1]
    if len(task) == 1:
        return str(first)
    step = task[1] - first
    return f"{first}-{last}" + (f"x{step}" if step > 1 else "")


def _whole_number(environment: dict[str, str], name: str, default: int) -> int:
    """Remove variable `name` from `environment` and return it as a number. Raises BadInput."""
    text = environment.pop(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        raise BadInput(
            f"{name} is {quoted(text[:40])} in the job's environment: use a whole number"
        ) from None


def _one_task(frames: list[int]) -> dict[str, Any]:
    """Return the `frames` and `chunk` fields of a JobSpec whose commands render all frames in one task.

    Empty for frames with gaps: kq would split those into several tasks, and each would render all frames.
    They are then shown only in the job's name.
    """
    distinct = sorted(set(frames))
    if not distinct or distinct[-1] - distinct[0] != len(distinct) - 1:
        return {}
    return {"frames": format_frames(distinct), "chunk": len(distinct)}
