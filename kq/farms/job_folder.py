"""The folder of a farm job: its spec, state, attempt records and logs.

It contains everything that the job needs, so the farm's machines need no installation of kq.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

import msgspec

from ..files import open_to_read
from ..own_files import OwnFolder, read_own, remove_own_tree
from ..placeholders import fill_picture
from ..records import JobSpec, check_job_id
from .decide import AttemptFile

__all__ = ["RUNNER", "FarmJob", "JobFolder", "Submission", "mark_of"]

RUNNER = Path(__file__).resolve().parents[2] / "resources" / "farm" / "run_task.py"
_STATE = "state.json"
_RECORD = re.compile(r"(\d+)\.(\d+)\.(start|end)\.json")
_encode = msgspec.json.Encoder().encode


class Submission(msgspec.Struct):
    """Tasks of a job that were submitted to the engine together."""

    token: str
    """Identifies it in the engine's list, to find it if the engine's reply was lost."""
    tasks: list[int]
    at: float
    offset: int = 0
    """The number of the task that is the engine's task 0."""
    engine_id: str = ""
    """Empty until the engine's reply has arrived."""


class FarmJob(msgspec.Struct):
    """The state of a job that is saved besides its attempt records."""

    id: str
    name: str
    created: float
    labels: list[str]
    """The label of each task: `frame 7`, `frames 1-10`, or empty."""
    options: dict[str, str] = {}
    submissions: list[Submission] = []
    stopped_at: float = 0.0
    """Time at which the user stopped it; 0: not since the last submission."""
    stopped_tasks: list[int] = []
    """Tasks that the user stopped one by one since their last submission."""
    error: str = ""
    """Why the last submission was refused; empty if it was not."""
    node: str = ""
    renderer: str = ""
    """Name of the output patterns for its logs."""
    cwd: str = ""
    """The folder to which picture paths in its logs are relative."""
    output: str = ""
    """The folder of its pictures; empty: not known."""
    warning: str = ""
    temp_dir: str = ""
    """The folder that it was submitted with, which is removed with the job if it is in the data root."""
    version: int = 1


class JobFolder:
    """`<data root>/farms/<farm>/<job id>`. To be used from one thread, not Qt's: it may be on a share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._attempts: dict[int, dict[int, AttemptFile]] = {}
        self._by_task: dict[int, list[AttemptFile]] = {}
        self._read: set[str] = set()
        self._state_seen: tuple[int, int] = (0, 0)
        """Inode and time of the state that was read or written last."""

    @classmethod
    def create(cls, farm_folder: Path, job: FarmJob, spec: JobSpec, *, copy_files: bool = False) -> JobFolder:
        """Write a new job's folder atomically. Sets `cwd` and `output` of `job`. Raises BadInput, OSError.

        Args:
            farm_folder: the parent of the new folder.
            job, spec: its content.
            copy_files: whether to copy the spec's `temp_dir` into it.
        """
        spec.check()
        check_job_id(job.id)
        draft, final = cls(farm_folder / f".new-{job.id}"), farm_folder / job.id
        try:
            for path in (draft.path, draft.path / "records", draft.path / "logs"):
                OwnFolder(path, create=True).close()
            shutil.copyfile(RUNNER, draft.path / RUNNER.name)
            if copy_files and spec.temp_dir:
                spec = _copy_of_files(spec, draft.path / "files", final / "files")
            job.cwd = spec.cwd or spec.temp_dir
            job.temp_dir = spec.temp_dir
            chunks = spec.chunks()
            if spec.picture:
                first = fill_picture(spec.picture, None if chunks is None else chunks[0])
                job.output = str(Path(job.cwd, first).parent)
            # Each task reads the whole file, so it has the commands once, not filled in for every task.
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
            with OwnFolder(farm_folder) as folder:
                folder.replace(draft.path.name, final.name)
        except BaseException:
            with contextlib.suppress(OSError):
                remove_own_tree(draft.path)
            raise
        draft.path = final
        return draft

    def load(self) -> FarmJob:
        """Read the state that `save` wrote last. Raises OSError, msgspec.DecodeError."""
        self._state_seen = (0, 0)
        found = self.load_if_changed()
        assert found is not None
        return found

    def load_if_changed(self) -> FarmJob | None:
        """Read the state if another process has saved it since; else None. Raises as `load`."""
        # Opened rather than examined by its path: NFS then asks the server for the current file.
        with open(open_to_read(self.path / _STATE), "rb") as file:
            identity = _identity(os.fstat(file.fileno()))
            if identity == self._state_seen:
                return None
            found = msgspec.json.decode(file.read(), type=FarmJob)
        self._state_seen = identity
        return found

    def spec(self) -> JobSpec:
        """Read the spec as it was submitted. Raises OSError, msgspec.DecodeError."""
        return msgspec.json.decode(read_own(self.path / "spec.json"), type=JobSpec)

    def save(self, job: FarmJob) -> None:
        """Write the job's state. Raises OSError."""
        self._write(_STATE, _encode(job))
        self._state_seen = _identity((self.path / _STATE).stat())

    def set_stop(self, *, wanted: bool) -> None:
        """Create or remove the file that keeps waiting tasks from starting. Raises OSError."""
        mark = self.path / "stop"
        if wanted:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    def set_output_mark(self, job: FarmJob, *, wanted: bool) -> None:
        """Create or remove the file by which tasks check that their machine shares the folder of pictures.

        If it cannot be created, tasks do not check.
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
            pass  # the folder does not exist or is not writable, which the render reports

    def attempts(self) -> dict[int, list[AttemptFile]]:
        """Return the records of all attempts by task, in the order of their numbers; the same object as last
        time if there are no new ones. Raises OSError.
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
                continue  # not complete on this machine yet: read again next time
            self._read.add(name)
            self._attempts.setdefault(int(found[1]), {})[int(found[2])] = record
        if len(self._read) != known:
            self._by_task = {
                task: [by_number[number] for number in sorted(by_number)]
                for task, by_number in self._attempts.items()
            }
        return self._by_task

    def log_file(self, task: int, attempt: int) -> Path:
        """Return the path of an attempt's log."""
        return self.path / "logs" / f"{task}.{attempt}.log"

    def _write(self, name: str, content: bytes) -> None:
        with OwnFolder(self.path) as folder:
            folder.write(name, content)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_ino, found.st_mtime_ns


def mark_of(job: FarmJob) -> str:
    """Return the path of the file of `set_output_mark`; empty if the folder of pictures is not known."""
    return str(Path(job.output) / f".kq-{job.id}") if job.output else ""


def _copy_of_files(spec: JobSpec, folder: Path, final: Path) -> JobSpec:
    """Copy the spec's temporary folder to `folder`, which will be renamed to `final`. Returns the spec with
    paths in `final`. Raises OSError.
    """
    shutil.copytree(spec.temp_dir, folder)
    before = re.compile(rf"{re.escape(spec.temp_dir.rstrip('/'))}(?![^/\s\"':;,])")

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
