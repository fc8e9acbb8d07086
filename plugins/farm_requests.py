"""What FarmAPI asks for, as a job of kq, and a job of kq as FarmAPI shows it: for every farm plug-in of ours.

All functions: Qt's thread. Nothing is submitted here.
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
from .render_commands import read_commands
from .render_environment import render_environment

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
PRIORITY_VARIABLE = "KQ_PRIORITY"
"""In a job's environment: how many frames a task of it renders, and how early it starts."""
_STANDBY_VARIABLE = "KQ_STANDBY_COMMAND"
"""In a job's environment: a command that loads the render program and then waits for one render."""


class FarmRequest(NamedTuple):
    """A job request that was read."""

    spec: JobSpec
    options: Mapping[str, str]
    """The `-key value` pairs of its render."""


def read_request(request: Any) -> FarmRequest:
    """The job that a `FarmPluginManager.JobRequest` describes.

    Raises:
        BadInput: a command cannot be read.
    """
    node = str(request.nodeName or "")
    render = read_commands([str(each) for each in request.commands])
    frames = [int(frame) for frame in request.frames or ()]
    temp_dir = str(request.tempDir or "")
    given = {str(key): str(value) for key, value in (request.environment or {}).items()}
    environment = {**render_environment(os.environ), **given, **render.variables}
    standby = environment.pop(_STANDBY_VARIABLE, "")
    per_task = _whole_number(environment, PER_TASK_VARIABLE, 1)
    priority = _whole_number(environment, PRIORITY_VARIABLE, 0)
    spec = JobSpec(
        name=job_name(node, frames, catalog.variables_of(str(request.renderContextName or ""), node)),
        commands=render.commands,
        environment=environment,
        cwd=temp_dir if Path(temp_dir).is_absolute() else "",
        temp_dir=temp_dir,
        renderer=render.options.get("renderer", ""),
        picture=render.options.get("renderOutputFile", ""),
        node=node,
        standby=tuple(split_command_line(standby)) if standby else (),
        stop_signal=catalog.stop_signal(render.options.get("renderer", "")),
        priority=priority,
        **(_tasks(frames, per_task) if render.has_frame_placeholder else _one_task(frames)),
    )
    return FarmRequest(spec, render.options)


def farm_job(record: JobRecord) -> FarmAPI.Job:
    """A job as FarmAPI shows jobs."""
    # FarmAPI knows no time of submission; until a job starts, that is the time to show.
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
    """The frames of a job whose commands hold a placeholder for them, in the order asked for.

    Neighbours with the same step share a task, `per_task` of them at most.
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
    """Take a number out of a job's environment. Raises BadInput."""
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
    """The frames of a job whose commands render all of them: one task, which is labelled with them.

    Frames with gaps would be split into tasks, each with all commands: of those only the name tells.
    """
    distinct = sorted(set(frames))
    if not distinct or distinct[-1] - distinct[0] != len(distinct) - 1:
        return {}
    return {"frames": format_frames(distinct), "chunk": len(distinct)}
