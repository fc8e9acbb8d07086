"""Farm plug-ins that submit Katana's renders to the site's own farms, one for each farm in KQ_FARMS."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from Katana import FarmAPI

from ...kq.api import FARM_TITLES, Farm, JobRecord, KqError, new_job_id
from .. import site_farms
from ..farm_requests import read_request
from .FarmPluginBase import FarmPluginBase, report

__all__ = ["SiteFarmPlugin", "farm_plugins"]

_log = logging.getLogger("KatanaQueue")


class SiteFarmPlugin(FarmPluginBase):
    """Submits jobs to one of the site's farms. `farm_plugins` makes a subclass for each.

    Temporary folders are below KQ_DATA_ROOT, which must be on a file share that the farm's machines mount.
    All methods run on Qt's thread and never wait for the farm: its commands run on the farm's own thread.
    """

    farm_name = ""
    """The farm's name in KQ_FARMS."""
    outlivesSession = True
    """Read by the stand-in desktop when it closes: its jobs go on. Katana ignores it."""

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Submit the commands of `jobRequest` to the farm.

        Returns: the job's id, which is generated here, so that the caller does not wait for the farm.

        Raises:
            FarmPluginException: the request is invalid, or the data root is not known yet.
        """
        request: Any = jobRequest
        self._farm()  # raises where it cannot be used yet
        try:
            spec = read_request(request).spec
            spec.check()
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        job_id = new_job_id()
        site_farms.submit(self.farm_name, job_id, spec).add_done_callback(
            report(f"{self.title}: {spec.name}")
        )
        return job_id

    def startJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Run the job's failed and cancelled frames again. Raises JobNotFoundException."""
        record = self.record(jobId)
        self._farm().start(jobId).add_done_callback(report(f"{self.title}: starting {record.name}"))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Cancel the job on the farm. Raises JobNotFoundException."""
        record = self.record(jobId)
        self._farm().stop(jobId).add_done_callback(report(f"{self.title}: stopping {record.name}"))

    def records(self) -> Iterable[JobRecord]:
        """Return the records of the farm's jobs. Raises FarmPluginException."""
        return self._farm().jobs()

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job's record, or None. Raises FarmPluginException."""
        return self._farm().job(job_id)

    def _farm(self) -> Farm:
        farm = site_farms.open_farms().farms.get(self.farm_name)
        if farm is None:
            raise FarmAPI.FarmPluginException(
                f"{self.title}: KQ_DATA_ROOT is not known yet: try again in a moment"
            )
        return farm


def farm_plugins() -> dict[str, type[SiteFarmPlugin]]:
    """Return a subclass of SiteFarmPlugin for each farm in KQ_FARMS, by its name in menus.

    Logs an error for names in KQ_FARMS that kq has no farm for.
    """
    if problem := site_farms.unknown_farms():
        _log.error("%s.", problem)
    return {
        FARM_TITLES[name]: type(
            f"{FARM_TITLES[name]}FarmPlugin",
            (SiteFarmPlugin,),
            {"farm_name": name, "title": FARM_TITLES[name]},
        )
        for name in site_farms.named_farms()
    }
