"""Makes a farm job of a JobSpec, and the record of one that the engine lacks. On the farm's thread."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..frame_ranges import frames_label
from ..records import JobRecord, JobSpec
from ..states import TaskState, derive_job_state
from .engine import Option
from .job_folder import FarmJob, JobFolder
from .known_job import KnownJob
from .outputs import local_output

__all__ = ["create_job", "limits_of", "unsent_record"]


def create_job(
    farm_folder: Path,
    title: str,
    job_id: str,
    spec: JobSpec,
    options: Mapping[str, str],
    *,
    copy_files: bool,
) -> KnownJob:
    """Write the folder of a new job, without a submission. Raises BadInput, OSError.

    Args:
        farm_folder: contains the jobs' folders.
        title: the farm's display name.
        job_id: a new id.
        spec: the job.
        options: values by the name of an engine's Option.
        copy_files: whether to copy the spec's `temp_dir`.
    """
    chunks = spec.chunks()
    kept = FarmJob(
        job_id,
        spec.name,
        time.time(),
        [""] if chunks is None else [frames_label(frames) for frames in chunks],
        dict(options),
        node=spec.node,
        renderer=spec.renderer,
        warning=local_output(spec),
    )
    return KnownJob(title, JobFolder.create(farm_folder, kept, spec, copy_files=copy_files), kept)


def limits_of(spec: JobSpec, options: Iterable[Option]) -> dict[str, str]:
    """Return the spec's limits as values of `options`, where the engine has such options."""
    limits = {"max_parallel": spec.max_parallel, "minutes": math.ceil(spec.timeout_s / 60)}
    known = {option.name for option in options}
    return {name: str(value) for name, value in limits.items() if value and name in known}


def unsent_record(
    title: str, job_id: str, spec: JobSpec, reason: str, state: TaskState = TaskState.WAITING
) -> JobRecord:
    """Return the record of a job that the engine does not have: not yet, or because it was refused."""
    chunks = spec.chunks()
    count = 1 if chunks is None else len(chunks)
    is_failed = state is TaskState.FAILED
    return JobRecord(
        id=job_id,
        name=spec.name,
        state=derive_job_state({state: count}),
        submitted=time.time(),
        order=0,
        tasks=count,
        tasks_waiting=0 if is_failed else count,
        tasks_failed=count if is_failed else 0,
        reason=reason,
        node=spec.node,
        farm=title,
    )
