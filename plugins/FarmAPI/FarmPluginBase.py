"""What all our farm plug-ins have in common: temporary folders, and FarmAPI's answers from kq's records."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from Katana import FarmAPI

from ...kq.api import JobRecord, KqError, Session, Settings, current_session, own_data_root
from .. import queue_session
from ..farm_requests import FARM_STATES, farm_job
from ..render_environment import render_environment

__all__ = ["FarmPluginBase", "report", "running_session"]

_log = logging.getLogger("KatanaQueue")


class FarmPluginBase(FarmAPI.BaseFarmPlugin):
    """A farm whose jobs have records of kq. Methods run on Qt's thread and wait for no more than a copy.

    A subclass has `title`, `records` and `find`, and FarmAPI's submitJob, startJob and stopJob. `*args` and
    `**kwargs` are ignored: they accept arguments that a later version of Katana may add.
    """

    title = ""
    """The farm's name in messages."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self._temp_dirs: dict[str, Path] = {}
        self._sources: dict[str, str] = {}
        """The file that each copy in a temporary folder was made of, by the copy's path in lower case."""

    # --- What a subclass has ---

    @abstractmethod
    def records(self) -> Iterable[JobRecord]:
        """Return the records of all jobs. Raises FarmPluginException where the farm cannot be used."""

    @abstractmethod
    def find(self, job_id: str) -> JobRecord | None:
        """Return a job's record, or None. Raises FarmPluginException where the farm cannot be used."""

    def record(self, job_id: str) -> JobRecord:
        """Return a job's record. Raises JobNotFoundException."""
        record = self.find(job_id)
        if record is None:
            raise FarmAPI.JobNotFoundException(job_id, f"{self.title} has no job {job_id}")
        return record

    # --- FarmAPI ---

    def getJobs(self, filters: list[Any] | None = None, *args: object, **kwargs: object) -> list[FarmAPI.Job]:
        """Return the jobs whose state, id or name is in `filters`; all jobs when it is empty or None."""
        wanted = {str(each) for each in filters or ()}
        return [
            farm_job(record)
            for record in self.records()
            if not wanted or wanted & {FARM_STATES[record.state], record.id, record.name}
        ]

    def getJobState(self, jobId: str, *args: object, **kwargs: object) -> str:
        """Return the job's state, a constant of FarmAPI.Job.State. Raises JobNotFoundException."""
        return FARM_STATES[self.record(jobId).state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """Return the log path of the latest attempt; None before the first. Raises JobNotFoundException."""
        return self.record(jobId).log_file or None

    def createTemporaryDirectory(self, renderContextName: str, *args: object, **kwargs: object) -> str:
        """Make a new folder below KQ_DATA_ROOT that only this user can read, and return its path.

        Raises:
            FarmPluginException: the folder cannot be made.
        """
        settings = running_session().settings
        try:
            # The session may not know its root yet: finding it takes no longer than making a folder in it.
            root = settings.data_root if settings else own_data_root(Settings.from_environment().data_root)
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        folder = root / "renders" / f"{_file_name(renderContextName)}-{secrets.token_hex(4)}"
        try:
            folder.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise FarmAPI.FarmPluginException(
                f"no temporary folder could be made at {folder}: {error.strerror}; make KQ_DATA_ROOT writable"
            ) from error
        self._temp_dirs[renderContextName] = folder
        return str(folder)

    def copyRenderFiles(
        self, filenames: list[str], renderContextName: str, *args: object, **kwargs: object
    ) -> list[str]:
        """Copy `filenames` to the temporary folder of `renderContextName`; returns their new paths.

        A file that is copied again has the same path again; files of one name have different ones.

        Raises:
            FarmPluginException: names the file that cannot be copied.
        """
        folder = self._temp_dirs.get(renderContextName)
        if folder is None:
            folder = Path(self.createTemporaryDirectory(renderContextName))
        copies: list[str] = []
        for filename in filenames:
            source = Path(filename).absolute()
            copy = folder / source.name
            try:
                while self._is_taken(copy, source):
                    copy = folder / f"{copy.stem}_{source.suffix}"
                if not copy.exists() or not copy.samefile(source):
                    shutil.copy2(source, copy)
                    self._sources[str(copy).casefold()] = str(source)
            except OSError as error:
                raise FarmAPI.FarmPluginException(
                    f"{filename} could not be copied to {folder}: {error.strerror or error}"
                ) from error
            copies.append(str(copy))
        return copies

    def _is_taken(self, copy: Path, source: Path) -> bool:
        """Whether another file than `source` has the path `copy`, or one that differs only in its case."""
        known = self._sources.get(str(copy).casefold())
        if known is None:
            return copy.exists() and not copy.samefile(source)
        return known != str(source) and copy != source

    def getEnvironmentForJob(self, renderContextName: str, *args: object, **kwargs: object) -> dict[str, str]:
        """Return this process's current environment without the variables that `render_environment` drops."""
        return render_environment(os.environ)

    def getRemoteInstallationMetadata(
        self, *args: object, **kwargs: object
    ) -> FarmAPI.BaseFarmPlugin.InstallationMetadata:
        """Return where Agents find Katana: at the same paths as on this machine."""
        resources = os.environ.get("KATANA_RESOURCES", "").split(os.pathsep)
        libraries = [
            str(Path(folder) / "Libs") for folder in resources if folder and (Path(folder) / "Libs").is_dir()
        ]
        return FarmAPI.BaseFarmPlugin.InstallationMetadata(os.environ.get("KATANA_ROOT", ""), libraries, None)


def running_session() -> Session:
    """Return the queue session of this UI session. Raises FarmPluginException when none is running."""
    session = current_session()
    if session is None:
        reason = queue_session.problem() or "it starts when the desktop has started"
        raise FarmAPI.FarmPluginException(f"Katana Queue is not running: {reason}")
    if session.failure:  # the queue will never start, so a submitted job would wait for ever
        raise FarmAPI.FarmPluginException(f"Katana Queue is not running: {session.failure}")
    return session


def report(what: str) -> Callable[[Future[Any]], None]:
    """Return a callback for a future that logs its error, with `what` as the prefix.

    FarmAPI has no way to report an error after the call has returned; the job's row in the tab shows it, too.
    """

    def done(future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            _log.error("%s: %s", what, error)

    return done


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("._")[:80] or "render"
