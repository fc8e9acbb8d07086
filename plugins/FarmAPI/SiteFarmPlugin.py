"""Farm plug-ins that submit Katana's renders to the site's own farms, one for each farm in KQ_FARMS."""

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
    """Submits jobs to one of the site's farms. `farm_plugins` makes a subclass for each.

    Temporary folders are below KQ_DATA_ROOT, which must be on a file share that the farm's machines mount.
    All methods run on Qt's thread and never wait for the farm: its commands run on the farm's own thread.
    """

    farm_name = ""
    """The farm's name in KQ_FARMS."""

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Submit the commands of `jobRequest` to the farm.

        Returns: the job's id, which is generated here, so that the caller does not wait for the farm.

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
        """Run the job's failed and cancelled frames again. Raises JobNotFoundException."""
        record = self._record(jobId)
        self._farm().start(jobId).add_done_callback(_report(f"starting {record.name}"))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Cancel the job on the farm. Raises JobNotFoundException."""
        record = self._record(jobId)
        self._farm().stop(jobId).add_done_callback(_report(f"stopping {record.name}"))

    def getJobs(self, filters: list[Any] | None = None, *args: object, **kwargs: object) -> list[FarmAPI.Job]:
        """Return the jobs whose state, id or name is in `filters`; all jobs when it is empty or None."""
        wanted = {str(each) for each in filters or ()}
        return [
            farm_job(record)
            for record in self._farm().jobs()
            if not wanted or wanted & {FARM_STATES[record.state], record.id, record.name}
        ]

    def getJobState(self, jobId: str, *args: object, **kwargs: object) -> str:
        """Return the job's state, a constant of FarmAPI.Job.State. Raises JobNotFoundException."""
        return FARM_STATES[self._record(jobId).state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """Return the log path of the latest attempt; None before the first. Raises JobNotFoundException."""
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
    """Return a subclass of SiteFarmPlugin for each farm in KQ_FARMS, by its name in menus.

    Logs an error for names in KQ_FARMS that kq has no farm for.
    """
    if problem := site_farms.unknown_farms():
        _log.error("%s.", problem)
    return {
        FARM_TITLES[name]: type(f"{FARM_TITLES[name]}FarmPlugin", (SiteFarmPlugin,), {"farm_name": name})
        for name in site_farms.named_farms()
    }


def _report(what: str) -> Any:
    """Return a callback for a future that logs its error, with `what` as the prefix.

    The job's row in the tab shows the error, too.
    """

    def done(future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            _log.error("%s: %s", what, error)

    return done
