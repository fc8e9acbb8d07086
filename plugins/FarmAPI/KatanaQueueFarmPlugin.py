"""The farm plug-in "Katana Queue": maps FarmAPI's calls to kq.api. Calls return at once."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from Katana import FarmAPI

from ...kq.api import JobRecord, KqError, QueueClient, Session, Settings, current_session, not_saved_text
from .. import catalog, queue_session
from ..farm_requests import FARM_STATES, farm_job, read_request
from ..render_environment import render_environment

__all__ = ["KatanaQueueFarmPlugin", "running_session"]

_log = logging.getLogger("KatanaQueue")

recent_requests: dict[str, dict[str, Any]] = {}
"""The attributes of the latest job request, by `renderMethodType`; read by the probe of docs/katana.md."""


class KatanaQueueFarmPlugin(FarmAPI.BaseFarmPlugin):
    """Submits jobs to this UI session's queue. All methods run on Qt's thread and never wait for the queue.

    `*args` and `**kwargs` are ignored: they accept arguments that a later version of Katana may add.
    Every method that needs the queue raises FarmPluginException when it is not running.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self._temp_dirs: dict[str, Path] = {}

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Submit the commands of `jobRequest` to the queue as one job, which runs them in their order.

        Returns: the job's id, which is generated here, so that the caller does not wait for the queue.

        Raises:
            FarmPluginException: the request is invalid, or no queue runs.
        """
        client = _client()
        request: Any = (
            jobRequest  # Any, since the stubs type only the constructor; the attributes have the same names
        )
        try:
            asked = read_request(request)
            job_id, submitted = client.submit(asked.spec)
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        recent_requests[asked.options.get("renderMethodType", "other")] = dict(vars(request))
        catalog.remember(
            job_id,
            str(request.renderContextName or ""),
            asked.spec.node,
            sends_pixels="host" in asked.options,
        )
        submitted.add_done_callback(_report(f"job {asked.spec.name}"))
        submitted.add_done_callback(partial(_warn_if_not_saved, asked.spec.name))
        return job_id

    def startJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Run a finished job again. Raises JobNotFoundException.

        Where Katana can repeat the render itself, it does: the old command line sends pixels to a port that
        may be closed, for a Catalog item that may be deleted. Otherwise the queue runs the old commands.
        """
        client = _client()
        record = _record(client, jobId, "it cannot be started")
        if catalog.repeat(jobId):
            return
        client.start_jobs([jobId]).add_done_callback(_report(f"starting {record.name}"))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Request a stop; the job's state changes when it has stopped. Raises JobNotFoundException."""
        client = _client()
        record = _record(client, jobId, "it cannot be stopped")
        client.stop_jobs([jobId]).add_done_callback(_report(f"stopping {record.name}"))

    def getJobs(self, filters: list[Any] | None = None, *args: object, **kwargs: object) -> list[FarmAPI.Job]:
        """Return the jobs whose state, id or name is in `filters`; all jobs when it is empty or None."""
        wanted = {str(each) for each in filters or ()}
        records: Iterable[JobRecord] = _client().jobs()
        return [
            farm_job(record)
            for record in records
            if not wanted or wanted & {FARM_STATES[record.state], record.id, record.name}
        ]

    def getJobState(self, jobId: str, *args: object, **kwargs: object) -> str:
        """Return the job's state, a constant of FarmAPI.Job.State. Raises JobNotFoundException."""
        return FARM_STATES[_record(_client(), jobId, "its state is not known").state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """Return the log path of the latest attempt; None before the first. Raises JobNotFoundException."""
        return _record(_client(), jobId, "it has no render log").log_file or None

    def createTemporaryDirectory(self, renderContextName: str, *args: object, **kwargs: object) -> str:
        """Make a new folder below KQ_DATA_ROOT that only this user can read, and return its path.

        Raises:
            FarmPluginException: the folder cannot be made.
        """
        settings = running_session().settings or Settings.from_environment()
        folder = settings.data_root / "renders" / f"{_file_name(renderContextName)}-{secrets.token_hex(4)}"
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

        Raises:
            FarmPluginException: names the file that cannot be copied.
        """
        folder = self._temp_dirs.get(renderContextName)
        if folder is None:
            folder = Path(self.createTemporaryDirectory(renderContextName))
        copies = []
        for filename in filenames:
            copy = folder / Path(filename).name
            try:
                if not copy.exists() or not copy.samefile(filename):
                    shutil.copy2(filename, copy)
            except OSError as error:
                raise FarmAPI.FarmPluginException(
                    f"{filename} could not be copied to {folder}: {error.strerror or error}"
                ) from error
            copies.append(str(copy))
        return copies

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


def _client() -> QueueClient:
    return running_session().client


def _record(client: QueueClient, job_id: str, context: str) -> JobRecord:
    record = client.job(job_id)
    if record is None:
        raise FarmAPI.JobNotFoundException(job_id, f"Katana Queue has no job {job_id}: {context}")
    return record


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("._")[:80] or "render"


def _warn_if_not_saved(name: str, submitted: Future[bool]) -> None:
    if not submitted.cancelled() and submitted.exception() is None and not submitted.result():
        _log.warning("Katana Queue: %s", not_saved_text(f"job {name}"))


def _report(what: str) -> Any:
    """Return a callback for a future that logs its error, with `what` as the prefix.

    FarmAPI has no way to report an error after the call has returned.
    """

    def done(future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            _log.error("Katana Queue: %s: %s", what, error)

    return done
