"""The farm plug-in "OpenJD": writes a render as a bundle for another site, below KQ_OPENJD_FOLDER."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from Katana import FarmAPI

from ...kq.api import JobRecord, JobSpec, JobState, KqError, new_job_id, write_bundle
from ..farm_requests import FARM_STATES, farm_job, read_request
from .KatanaQueueFarmPlugin import KatanaQueueFarmPlugin

__all__ = ["FARM_NAME", "OpenJDFarmPlugin", "farm_plugins"]

FARM_NAME = "OpenJD"
FOLDER_VARIABLE = "KQ_OPENJD_FOLDER"
"""The folder that gets the bundles, a folder a render."""

_log = logging.getLogger("KatanaQueue")


class _Export(NamedTuple):
    """One bundle; replaced as its state changes."""

    spec: JobSpec
    folder: Path
    record: JobRecord


class OpenJDFarmPlugin(KatanaQueueFarmPlugin):
    """Writes bundles. Folders and files are made as for the queue.

    All methods: Qt's thread, never waiting: a bundle is written on a thread of its own.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self._exports: dict[str, _Export] = {}
        self._lock = threading.Lock()

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Write the bundle of `jobRequest`. Returns an id; the job is Completed when the bundle is whole.

        Raises:
            FarmPluginException: the request is invalid, or KQ_OPENJD_FOLDER is no absolute path.
        """
        request: Any = jobRequest
        root = Path(os.environ.get(FOLDER_VARIABLE, ""))
        if not root.is_absolute():
            raise FarmAPI.FarmPluginException(f"{FARM_NAME}: {FOLDER_VARIABLE} must be an absolute path")
        try:
            spec = read_request(request).spec
            spec.check()
        except KqError as error:
            raise FarmAPI.FarmPluginException(str(error)) from error
        job_id = new_job_id()
        name = re.sub(r"[^\w.-]+", "_", spec.name).strip("._")[:80] or "render"
        record = JobRecord(
            id=job_id,
            name=spec.name,
            state=JobState.RUNNING,
            submitted=time.time(),
            order=0,
            log_file=str(root / f"{name}-{job_id}.log"),
            node=spec.node,
        )
        self._start(_Export(spec, root / f"{name}-{job_id}", record))
        return job_id

    def startJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Write a bundle that failed once more. Raises JobNotFoundException."""
        export = self._export(jobId)
        if export.record.state is JobState.FAILED:
            running = {"state": JobState.RUNNING, "submitted": time.time(), "completed": None}
            self._start(export._replace(record=_changed(export.record, **running)))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """A bundle that is being written is soon over: nothing is stopped. Raises JobNotFoundException."""
        self._export(jobId)

    def getJobs(self, filters: list[Any] | None = None, *args: object, **kwargs: object) -> list[FarmAPI.Job]:
        """The bundles whose state, id or name is in `filters`; all of this session when it is empty."""
        wanted = {str(each) for each in filters or ()}
        with self._lock:
            records = [export.record for export in self._exports.values()]
        return [
            farm_job(record)
            for record in records
            if not wanted or wanted & {FARM_STATES[record.state], record.id, record.name}
        ]

    def getJobState(self, jobId: str, *args: object, **kwargs: object) -> str:
        """One of FarmAPI.Job.State. Raises JobNotFoundException."""
        return FARM_STATES[self._export(jobId).record.state]

    def getRenderLogFilename(self, jobId: str, *args: object, **kwargs: object) -> str | None:
        """What was written, or why not. Raises JobNotFoundException."""
        return self._export(jobId).record.log_file

    def _export(self, job_id: str) -> _Export:
        with self._lock:
            export = self._exports.get(job_id)
        if export is None:
            raise FarmAPI.JobNotFoundException(job_id, f"{FARM_NAME} has no job {job_id}")
        return export

    def _start(self, export: _Export) -> None:
        self._keep(export)
        threading.Thread(target=self._write, args=(export,), name="openjd-export", daemon=True).start()

    def _keep(self, export: _Export) -> None:
        with self._lock:
            self._exports[export.record.id] = export

    def _write(self, export: _Export) -> None:
        """Write the bundle and its log. Runs on a thread of its own."""
        lines = []
        try:
            export.folder.parent.mkdir(parents=True, exist_ok=True)
            written = write_bundle(f"Node {export.spec.node}", export.spec, export.folder)
            lines = [f"{written.folder}: {written.files} files", *written.notes()]
            state = JobState.COMPLETED
        except (KqError, OSError) as error:
            lines = [f"ERROR: {error}"]
            state = JobState.FAILED
            _log.error("%s: %s: %s", FARM_NAME, export.spec.name, error)
        try:
            Path(export.record.log_file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            _log.error("%s: %s: %s", FARM_NAME, export.spec.name, error)
        if state is JobState.COMPLETED and Path(export.spec.temp_dir) in self._temp_dirs.values():
            shutil.rmtree(export.spec.temp_dir, ignore_errors=True)
        now = time.time()
        record = _changed(export.record, state=state, started=export.record.submitted, completed=now)
        self._keep(export._replace(record=record))


def farm_plugins(environment: Mapping[str, str] | None = None) -> dict[str, type[OpenJDFarmPlugin]]:
    """The farm plug-in by its name in menus, where KQ_OPENJD_FOLDER is set."""
    given = os.environ if environment is None else environment
    return {FARM_NAME: OpenJDFarmPlugin} if given.get(FOLDER_VARIABLE, "").strip() else {}


def _changed(record: JobRecord, **fields: object) -> JobRecord:
    return JobRecord(**{name: getattr(record, name) for name in record.__struct_fields__} | fields)
