"""The farm plug-in "Slurm": the same menu, for a cluster that the site runs, where KQ_FARMS names it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from Katana import Callbacks, FarmAPI

from ...kq.api import Farm, JobRecord, KqError, new_job_id, open_farm
from ..farm_requests import FARM_STATES, farm_job, read_request
from .KatanaQueueFarmPlugin import KatanaQueueFarmPlugin, running_session

__all__ = ["FARM_NAME", "SlurmFarmPlugin", "slurm_options"]

FARM_NAME = "Slurm"
OPTIONS_VARIABLE = "KQ_SLURM_OPTIONS"
"""What every job asks of Slurm, for example `partition=render,memory=8G,minutes=60`; see docs/farms.md."""

_log = logging.getLogger("KatanaQueue")


class SlurmFarmPlugin(KatanaQueueFarmPlugin):
    """Submits to Slurm. Folders and files are made as for the queue: KQ_DATA_ROOT must be on a file share.

    All methods: Qt's thread, never waiting for Slurm: a farm has a thread of its own.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self._opened: Farm | None = None
        self._handed_over: set[str] = set()
        """Jobs whose folder may not be written yet."""
        self._refused: set[str] = set()
        """Jobs that Slurm did not take; the log says why."""

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Give the commands of `jobRequest` to Slurm as one array, a task a frame.

        Returns: the job's id, made here, so that the caller does not wait for Slurm.

        Raises:
            FarmPluginException: the request is invalid, or the data root is not known yet.
        """
        request: Any = jobRequest
        try:
            spec = read_request(request).spec
            spec.check()
            options = slurm_options(os.environ)
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        job_id = new_job_id()
        self._handed_over.add(job_id)
        self._farm().submit(job_id, spec, options).add_done_callback(self._reporter(job_id, spec.name))
        return job_id

    def startJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Run failed and cancelled frames again. Raises JobNotFoundException."""
        record = self._record(jobId)
        self._farm().start(jobId).add_done_callback(self._reporter("", record.name))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Cancel the job on the farm. Raises JobNotFoundException."""
        record = self._record(jobId)
        self._farm().stop(jobId).add_done_callback(self._reporter("", record.name))

    def getJobs(self, filters: list[Any] | None = None, *args: object, **kwargs: object) -> list[FarmAPI.Job]:
        """The jobs whose state, id or name is in `filters`; all of them when it is empty."""
        wanted = {str(each) for each in filters or ()}
        return [
            farm_job(record)
            for record in self._farm().jobs()
            if not wanted or wanted & {FARM_STATES[record.state], record.id, record.name}
        ]

    def getJobState(self, jobId: str, *args: object, **kwargs: object) -> str:
        """One of FarmAPI.Job.State. Raises JobNotFoundException."""
        if jobId in self._refused:
            return FarmAPI.Job.State.kFailed
        if jobId in self._handed_over and self._farm().job(jobId) is None:
            return FarmAPI.Job.State.kWaiting
        return FARM_STATES[self._record(jobId).state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """The log of the job's latest attempt; None before the first. Raises JobNotFoundException."""
        if jobId in self._handed_over and self._farm().job(jobId) is None:
            return None
        return self._record(jobId).log_file or None

    def _farm(self) -> Farm:
        if self._opened is None:
            settings = running_session().settings
            if settings is None:
                raise FarmAPI.FarmPluginException(
                    "Slurm: KQ_DATA_ROOT is not known yet: try again in a moment"
                )
            self._opened = open_farm("slurm", settings.data_root)
            Callbacks.addCallback(Callbacks.Type.onShutdown, self._on_shutdown)
        return self._opened

    def _on_shutdown(self, objectHash: object = None, **_kwargs: object) -> None:
        if self._opened is not None:
            self._opened.close(0)  # not waited for: jobs go on at the farm

    def _record(self, job_id: str) -> JobRecord:
        record = self._farm().job(job_id)
        if record is None:
            raise FarmAPI.JobNotFoundException(job_id, f"Slurm has no job {job_id}")
        return record

    def _reporter(self, job_id: str, name: str) -> Any:
        def done(future: Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                if job_id and self._opened is not None and self._opened.job(job_id) is None:
                    self._refused.add(job_id)
                _log.error("Slurm: %s: %s", name, error)

        return done


def slurm_options(environment: Mapping[str, str]) -> dict[str, str]:
    """The options of KQ_SLURM_OPTIONS; parts without `=` are left out, with a line in the log."""
    found = {}
    for part in environment.get(OPTIONS_VARIABLE, "").split(","):
        name, equals, value = part.strip().partition("=")
        if equals and name:
            found[name.strip()] = value.strip()
        elif part.strip():
            _log.warning("%s: %r is not understood: write name=value", OPTIONS_VARIABLE, part.strip())
    return found
