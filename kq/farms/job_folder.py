"""The folder of a farm job: what was submitted, the records of its attempts, their logs.

Everything that a job needs lies in it, so the machines of the farm need nothing else of ours.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import msgspec

from ..files import replace_file
from ..own_folders import OWNER_ONLY
from ..records import JobSpec, check_job_id, task_commands
from .decide import AttemptFile

__all__ = ["RUNNER", "FarmJob", "JobFolder", "Submission"]

RUNNER = Path(__file__).resolve().parents[2] / "resources" / "farm" / "run_task.py"
_RECORD = re.compile(r"(\d+)\.(\d+)\.(start|end)\.json")
_encode = msgspec.json.Encoder().encode


class Submission(msgspec.Struct):
    """Some tasks of a job, given to the engine together."""

    token: str
    """Names it in the engine's list, so that it is found though the engine's answer was not heard."""
    tasks: list[int]
    at: float
    offset: int = 0
    """What the engine calls task 0 of this submission is this one."""
    engine_id: str = ""
    """Empty until the engine's answer was heard."""


class FarmJob(msgspec.Struct):
    """What is kept of a job beside its records. Written whenever it changes."""

    id: str
    name: str
    created: float
    labels: list[str]
    """One a task: `frame 7`, `frames 1-10`, or empty."""
    options: dict[str, str] = {}
    submissions: list[Submission] = []
    stopped_at: float = 0.0
    """When the user stopped it; 0: not since the last submission."""
    error: str = ""
    """Why the last submission was refused; empty: it was not."""
    version: int = 1


class JobFolder:
    """`<data root>/farms/<farm>/<job id>`. To be used from one thread, never Qt's: it may be on a share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._attempts: dict[int, dict[int, AttemptFile]] = {}
        self._read: set[str] = set()

    @classmethod
    def create(cls, farm_folder: Path, job: FarmJob, spec: JobSpec) -> JobFolder:
        """Write the folder of a new job. Raises BadInput, OSError."""
        spec.check()
        check_job_id(job.id)
        folder = cls(farm_folder / job.id)
        farm_folder.mkdir(OWNER_ONLY, parents=True, exist_ok=True)
        for path in (folder.path, folder.path / "records", folder.path / "logs"):
            path.mkdir(OWNER_ONLY)
        shutil.copyfile(RUNNER, folder.path / RUNNER.name)
        chunks = spec.chunks()
        tasks = [task_commands(spec, frames) for frames in ([None] if chunks is None else chunks)]
        content = {
            "id": job.id,
            "cwd": spec.cwd,
            "environment": spec.environment,
            "tasks": [{"commands": commands} for commands in tasks],
        }
        folder._write("job.json", _encode(content))
        folder.save(job)
        return folder

    def load(self) -> FarmJob:
        """What `save` wrote last. Raises OSError, msgspec.DecodeError."""
        return msgspec.json.decode((self.path / "state.json").read_bytes(), type=FarmJob)

    def save(self, job: FarmJob) -> None:
        """Keep what is known of the job. Raises OSError."""
        self._write("state.json", _encode(job))

    def set_stop(self, *, wanted: bool) -> None:
        """Leave a mark that keeps tasks that wait from starting, or remove it. Raises OSError."""
        mark = self.path / "stop"
        if wanted:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    def attempts(self) -> dict[int, list[AttemptFile]]:
        """The records of all attempts by task, in the order of their numbers. Raises OSError."""
        with os.scandir(self.path / "records") as entries:
            names = [entry.name for entry in entries if entry.name not in self._read]
        # An end record replaces the start record of its attempt.
        for name in sorted(names, key=lambda each: ".end." in each):
            found = _RECORD.fullmatch(name)
            if found is None:
                continue  # a draft that is being written
            try:
                record = msgspec.json.decode((self.path / "records" / name).read_bytes(), type=AttemptFile)
            except (OSError, msgspec.DecodeError):
                continue  # not whole yet on this machine: read again next time
            self._read.add(name)
            self._attempts.setdefault(int(found[1]), {})[int(found[2])] = record
        return {
            task: [by_number[number] for number in sorted(by_number)]
            for task, by_number in self._attempts.items()
        }

    def log_file(self, task: int, attempt: int) -> Path:
        """The log of one attempt."""
        return self.path / "logs" / f"{task}.{attempt}.log"

    def _write(self, name: str, content: bytes) -> None:
        draft = self.path / f".{name}.{os.getpid()}"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            file.write(content)
        replace_file(draft, self.path / name)
