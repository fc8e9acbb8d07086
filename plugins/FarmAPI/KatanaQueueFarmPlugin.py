"""The farm plug-in "Katana Queue": maps FarmAPI's calls to kq.api. Calls return at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any

from Katana import FarmAPI

from ...kq.api import JobRecord, JobSpec, KqError, QueueClient, not_saved_text
from .. import catalog
from ..farm_requests import read_request
from ..qt_dispatch import when_done
from ..render_again import render_again
from .FarmPluginBase import FarmPluginBase, report, running_session

__all__ = ["KatanaQueueFarmPlugin"]

_log = logging.getLogger("KatanaQueue")

recent_requests: dict[str, dict[str, Any]] = {}
"""The attributes of the latest job request, by `renderMethodType`; read by the probe of docs/katana.md."""


class KatanaQueueFarmPlugin(FarmPluginBase):
    """Submits jobs to this UI session's queue. All methods run on Qt's thread and never wait for the queue.

    Every method that needs the queue raises FarmPluginException when it is not running.
    """

    title = "Katana Queue"

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Submit the commands of `jobRequest` to the queue as one job, which runs them in their order.

        Returns: the job's id, which is generated here, so that the caller does not wait for the queue.

        Raises:
            FarmPluginException: the request is invalid, no queue runs, or it ends with the desktop.
        """
        session = running_session()
        if session.is_closing:
            raise FarmAPI.FarmPluginException("Katana Queue takes no more jobs: it ends with the desktop")
        request: Any = (
            jobRequest  # Any, since the stubs type only the constructor; the attributes have the same names
        )
        try:
            asked = read_request(request)
            job_id, submitted = session.client.submit(asked.spec)
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        method = asked.options.get("renderMethodType", "other")
        recent_requests[method] = dict(getattr(request, "__dict__", {}))
        catalog.remember(job_id, str(request.renderContextName or ""), asked.spec.node)
        submitted.add_done_callback(report(f"Katana Queue: job {asked.spec.name}"))
        submitted.add_done_callback(partial(_warn_if_not_saved, asked.spec.name))
        return job_id

    def startJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Run a finished job again.

        If the old command line only sends pixels to a Katana, for a Catalog item that may be deleted, this
        Katana renders the node again as a new job. The log has the reason where it cannot.

        Raises:
            JobNotFoundException: there is no such job.
            FarmPluginException: no queue runs.
        """
        client = _client()
        record = self.record(jobId)
        if record.needs_desktop:
            when_done(client.spec(jobId), partial(_render_again, record))
            return
        client.start_jobs([jobId]).add_done_callback(report(f"Katana Queue: starting {record.name}"))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Request a stop; the job's state changes when it has stopped. Raises JobNotFoundException."""
        client = _client()
        record = self.record(jobId)
        client.stop_jobs([jobId]).add_done_callback(report(f"Katana Queue: stopping {record.name}"))

    def records(self) -> Iterable[JobRecord]:
        """Return the records of the queue's jobs. Raises FarmPluginException."""
        return _client().jobs()

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job's record, or None. Raises FarmPluginException."""
        return _client().job(job_id)


def _client() -> QueueClient:
    return running_session().client


def _render_again(record: JobRecord, fetched: Future[JobSpec]) -> None:
    try:
        render = fetched.result().desktop
        if render is not None:
            render_again(record, render)
    except KqError as error:
        _log.error("Katana Queue: %s", error)


def _warn_if_not_saved(name: str, submitted: Future[bool]) -> None:
    if not submitted.cancelled() and submitted.exception() is None and not submitted.result():
        _log.warning("Katana Queue: %s", not_saved_text(f"job {name}"))
