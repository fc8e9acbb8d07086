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
"""The attributes of the latest request of each render method, for the probe (see docs/katana.md)."""


class KatanaQueueFarmPlugin(FarmAPI.BaseFarmPlugin):
    """Submits to the queue of this UI session. All methods: Qt's thread, never waiting for the queue.

    Later versions of Katana may pass more arguments than are named here; they are accepted and not used.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self._temp_dirs: dict[str, Path] = {}

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Queue the commands of `jobRequest` as one job, in their order.

        Returns: the job's id, made here, so that the caller does not wait for the queue.

        Raises:
            FarmPluginException: the request is invalid, or no queue runs.
        """
        client = _client()
        request: Any = (
            jobRequest  # the stubs name the constructor's arguments; the attributes bear the same names
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
        """Start a job that is over once more. Raises JobNotFoundException.

        Katana renders it again itself where it can: the old command line sends its pixels to a port that may
        be gone, for an item of the Catalog that may be deleted.
        """
        client = _client()
        record = _record(client, jobId, "it cannot be started")
        if catalog.repeat(jobId):
            return
        client.start_jobs([jobId]).add_done_callback(_report(f"starting {record.name}"))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Ask for a stop; the job's state tells when it is complete. Raises JobNotFoundException."""
        client = _client()
        record = _record(client, jobId, "it cannot be stopped")
        client.stop_jobs([jobId]).add_done_callback(_report(f"stopping {record.name}"))

    def getJobs(self, filters: list[Any] | None = None, *args: object, **kwargs: object) -> list[FarmAPI.Job]:
        """The jobs whose state, id or name is in `filters`; all of them when it is empty."""
        wanted = {str(each) for each in filters or ()}
        records: Iterable[JobRecord] = _client().jobs()
        return [
            farm_job(record)
            for record in records
            if not wanted or wanted & {FARM_STATES[record.state], record.id, record.name}
        ]

    def getJobState(self, jobId: str, *args: object, **kwargs: object) -> str:
        """One of FarmAPI.Job.State. Raises JobNotFoundException."""
        return FARM_STATES[_record(_client(), jobId, "its state is not known").state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """The log of the job's latest attempt; None before the first. Raises JobNotFoundException."""
        return _record(_client(), jobId, "it has no render log").log_file or None

    def createTemporaryDirectory(self, renderContextName: str, *args: object, **kwargs: object) -> str:
        """A new folder below KQ_DATA_ROOT that only this user can read. Raises FarmPluginException."""
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
        """The variables of this desktop, as they are now: see `render_environment` for what is left out."""
        return render_environment(os.environ)

    def getRemoteInstallationMetadata(
        self, *args: object, **kwargs: object
    ) -> FarmAPI.BaseFarmPlugin.InstallationMetadata:
        """Where Agents find Katana: the same paths as here."""
        resources = os.environ.get("KATANA_RESOURCES", "").split(os.pathsep)
        libraries = [
            str(Path(folder) / "Libs") for folder in resources if folder and (Path(folder) / "Libs").is_dir()
        ]
        return FarmAPI.BaseFarmPlugin.InstallationMetadata(os.environ.get("KATANA_ROOT", ""), libraries, None)


def running_session() -> Session:
    """The queue of this UI session. Raises FarmPluginException where there is none."""
    session = current_session()
    if session is None:
        reason = queue_session.problem() or "it starts when the desktop has started"
        raise FarmAPI.FarmPluginException(f"Katana Queue is not running: {reason}")
    if session.failure:  # a job would wait for a queue that does not come
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
    """A callback that logs why `what` failed: FarmAPI offers no way to say so after the call."""

    def done(future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            _log.error("Katana Queue: %s: %s", what, error)

    return done
