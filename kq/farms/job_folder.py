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
from ..placeholders import fill_picture
from ..records import JobSpec, check_job_id
from .decide import AttemptFile

__all__ = ["RUNNER", "FarmJob", "JobFolder", "Submission", "mark_of"]

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
    stopped_tasks: list[int] = []
    """Tasks that the user stopped by themselves since they were submitted last."""
    error: str = ""
    """Why the last submission was refused; empty: it was not."""
    node: str = ""
    renderer: str = ""
    """By whose patterns its logs are read."""
    cwd: str = ""
    """What a picture's path in a log is relative to."""
    output: str = ""
    """The folder that its pictures are written to; empty: not known."""
    warning: str = ""
    version: int = 1


class JobFolder:
    """`<data root>/farms/<farm>/<job id>`. To be used from one thread, never Qt's: it may be on a share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._attempts: dict[int, dict[int, AttemptFile]] = {}
        self._by_task: dict[int, list[AttemptFile]] = {}
        self._read: set[str] = set()

    @classmethod
    def create(cls, farm_folder: Path, job: FarmJob, spec: JobSpec, *, copy_files: bool = False) -> JobFolder:
        """Write the folder of a new job, whole or not at all; sets `job.cwd`. Raises BadInput, OSError.

        Args:
            farm_folder: where the folders of all jobs are.
            job, spec: what is written.
            copy_files: whether it gets a copy of the spec's `temp_dir`.
        """
        spec.check()
        check_job_id(job.id)
        farm_folder.mkdir(OWNER_ONLY, parents=True, exist_ok=True)
        draft, final = cls(farm_folder / f".new-{job.id}"), farm_folder / job.id
        try:
            for path in (draft.path, draft.path / "records", draft.path / "logs"):
                path.mkdir(OWNER_ONLY)
            shutil.copyfile(RUNNER, draft.path / RUNNER.name)
            if copy_files and spec.temp_dir:
                spec = _copy_of_files(spec, draft.path / "files", final / "files")
            job.cwd = spec.cwd or spec.temp_dir
            chunks = spec.chunks()
            if spec.picture:
                first = fill_picture(spec.picture, None if chunks is None else chunks[0])
                job.output = str(Path(job.cwd, first).parent)
            # Each task reads all of it: so the commands are in it once, and not for every task.
            content = {
                "id": job.id,
                "cwd": job.cwd,
                "environment": spec.environment,
                "output": job.output,
                "mark": mark_of(job),
                "commands": spec.commands,
                "picture": spec.picture,
                "tasks": [[]] if chunks is None else [[each[0], each[-1], each.step] for each in chunks],
            }
            draft._write("job.json", _encode(content))
            draft._write("spec.json", _encode(spec))
            draft.save(job)
            draft.path.rename(final)
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise
        return cls(final)

    def load(self) -> FarmJob:
        """What `save` wrote last. Raises OSError, msgspec.DecodeError."""
        return msgspec.json.decode((self.path / "state.json").read_bytes(), type=FarmJob)

    def spec(self) -> JobSpec:
        """What was submitted. Raises OSError, msgspec.DecodeError."""
        return msgspec.json.decode((self.path / "spec.json").read_bytes(), type=JobSpec)

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

    def set_output_mark(self, job: FarmJob, *, wanted: bool) -> None:
        """Leave a file in the folder for pictures by which tasks know it again, or remove it.

        Where it cannot be written, tasks do not look for it.
        """
        mark = mark_of(job)
        try:
            if wanted and mark:
                Path(mark).touch()
                (self.path / "marked").touch()
            elif mark and (self.path / "marked").exists():
                (self.path / "marked").unlink()
                Path(mark).unlink()
        except OSError:
            pass  # there is no such folder, or it is not ours to write to: the render says so

    def attempts(self) -> dict[int, list[AttemptFile]]:
        """The records of all attempts by task, in the order of their numbers; the same object as before where
        nothing was recorded since. Raises OSError.
        """
        with os.scandir(self.path / "records") as entries:
            names = [entry.name for entry in entries if entry.name not in self._read]
        known = len(self._read)
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
        if len(self._read) != known:
            self._by_task = {
                task: [by_number[number] for number in sorted(by_number)]
                for task, by_number in self._attempts.items()
            }
        return self._by_task

    def log_file(self, task: int, attempt: int) -> Path:
        """The log of one attempt."""
        return self.path / "logs" / f"{task}.{attempt}.log"

    def _write(self, name: str, content: bytes) -> None:
        draft = self.path / f".{name}.{os.getpid()}"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            file.write(content)
        replace_file(draft, self.path / name)


def mark_of(job: FarmJob) -> str:
    """The file by which the job's tasks know its folder for pictures; empty where there is none."""
    return str(Path(job.output) / f".kq-{job.id}") if job.output else ""


def _copy_of_files(spec: JobSpec, folder: Path, final: Path) -> JobSpec:
    """`spec` with a copy of its temporary folder at `folder`, which is going to be `final`, and is named as
    that wherever the spec named the other one. Raises OSError.
    """
    shutil.copytree(spec.temp_dir, folder)
    before = re.compile(rf"{re.escape(spec.temp_dir.rstrip('/'))}(?=/|$)")

    def there(text: str) -> str:
        return before.sub(lambda _found: str(final), text)

    return msgspec.structs.replace(
        spec,
        commands=tuple(tuple(there(each) for each in command) for command in spec.commands),
        environment={name: there(value) for name, value in spec.environment.items()},
        picture=there(spec.picture),
        cwd=there(spec.cwd),
        temp_dir=str(final),
    )
