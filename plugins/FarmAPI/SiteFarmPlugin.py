"""The farm plug-ins of the farms that KQ_FARMS names: the same menu, for what the site runs."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any

from Katana import FarmAPI

from ...kq.api import FARM_TITLES, Farm, JobRecord, KqError, new_job_id
from .. import site_farms
from ..farm_requests import FARM_STATES, farm_job, read_request
from .KatanaQueueFarmPlugin import KatanaQueueFarmPlugin

__all__ = ["SiteFarmPlugin", "farm_plugins"]

_log = logging.getLogger("KatanaQueue")


class SiteFarmPlugin(KatanaQueueFarmPlugin):
    """Submits to a farm of the site. Folders and files are made as for the queue: KQ_DATA_ROOT must be on
    a file share.

    All methods: Qt's thread, never waiting for the farm, which has a thread of its own.
    """

    farm_name = ""

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Give the commands of `jobRequest` to the farm, a task a frame.

        Returns: the job's id, made here, so that the caller does not wait for the farm.

        Raises:
            FarmPluginException: the request is invalid, or the data root is not known yet.
        """
        request: Any = jobRequest
        farm = self._farm()
        try:
            spec = read_request(request).spec
            spec.check()
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        job_id = new_job_id()
        site_farms.submit(self.farm_name, job_id, spec).add_done_callback(
            _report(f"{farm.title}: {spec.name}")
        )
        return job_id

    def startJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Run failed and cancelled frames again. Raises JobNotFoundException."""
        record = self._record(jobId)
        self._farm().start(jobId).add_done_callback(_report(f"starting {record.name}"))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Cancel the job on the farm. Raises JobNotFoundException."""
        record = self._record(jobId)
        self._farm().stop(jobId).add_done_callback(_report(f"stopping {record.name}"))

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
        return FARM_STATES[self._record(jobId).state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """The log of the job's latest attempt; None before the first. Raises JobNotFoundException."""
        return self._record(jobId).log_file or None

    def _farm(self) -> Farm:
        farm = site_farms.open_farms().farms.get(self.farm_name)
        if farm is None:
            title = FARM_TITLES[self.farm_name]
            raise FarmAPI.FarmPluginException(
                f"{title}: KQ_DATA_ROOT is not known yet: try again in a moment"
            )
        return farm

    def _record(self, job_id: str) -> JobRecord:
        farm = self._farm()
        record = farm.job(job_id)
        if record is None:
            raise FarmAPI.JobNotFoundException(job_id, f"{farm.title} has no job {job_id}")
        return record


def farm_plugins() -> dict[str, type[SiteFarmPlugin]]:
    """A farm plug-in for each farm of KQ_FARMS, by the name that it has in menus."""
    if problem := site_farms.unknown_farms():
        _log.error("%s.", problem)
    return {
        FARM_TITLES[name]: type(f"{FARM_TITLES[name]}FarmPlugin", (SiteFarmPlugin,), {"farm_name": name})
        for name in site_farms.named_farms()
    }


def _report(what: str) -> Any:
    """A callback that logs why `what` failed. The job's row in the tab says so, too."""

    def done(future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            _log.error("%s: %s", what, error)

    return done
