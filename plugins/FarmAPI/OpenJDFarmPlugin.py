"""The farm plug-in "OpenJD": writes a render as a bundle for another site, below KQ_OPENJD_FOLDER."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from Katana import FarmAPI

from ...kq.api import JobRecord, JobSpec, JobState, KqError, new_job_id, write_bundle
from ..farm_requests import read_request
from .FarmPluginBase import FarmPluginBase

__all__ = ["FARM_NAME", "OpenJDFarmPlugin", "farm_plugins"]

FARM_NAME = "OpenJD"
FOLDER_VARIABLE = "KQ_OPENJD_FOLDER"
"""The environment variable with the folder to write bundles to; each render gets its own subfolder."""

_log = logging.getLogger("KatanaQueue")


class _Export(NamedTuple):
    """One bundle and its state. Immutable: a change of state replaces it."""

    spec: JobSpec
    folder: Path
    record: JobRecord


class OpenJDFarmPlugin(FarmPluginBase):
    """Writes each job as an OpenJD bundle. `startJob` writes a failed one again.

    All methods run on Qt's thread and never wait: each bundle is written on its own thread.
    """

    title = FARM_NAME
    packsScene = True
    """Not in FarmAPI: has the stand-in desktop copy all files that the scene names into its folder."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self._exports: dict[str, _Export] = {}
        self._lock = threading.Lock()

    def submitJob(
        self, jobRequest: FarmAPI.FarmPluginManager.JobRequest, *args: object, **kwargs: object
    ) -> str:
        """Start to write the bundle of `jobRequest`.

        Returns: the job's id. The job is Completed when the bundle has been written.

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
        """Write a bundle again if it failed; otherwise do nothing. Raises JobNotFoundException."""
        if self.record(jobId).state is JobState.FAILED:
            with self._lock:
                export = self._exports[jobId]
            running = {"state": JobState.RUNNING, "submitted": time.time(), "completed": None}
            self._start(export._replace(record=_changed(export.record, **running)))

    def stopJob(self, jobId: str, *args: object, **kwargs: object) -> None:
        """Do nothing: writing a bundle takes too little time to be stopped. Raises JobNotFoundException."""
        self.record(jobId)

    def records(self) -> Iterable[JobRecord]:
        """Return the records of this session's bundles."""
        with self._lock:
            return [export.record for export in self._exports.values()]

    def find(self, job_id: str) -> JobRecord | None:
        """Return a bundle's record, or None."""
        with self._lock:
            export = self._exports.get(job_id)
        return None if export is None else export.record

    def _start(self, export: _Export) -> None:
        self._keep(export)
        threading.Thread(target=self._write, args=(export,), name="openjd-export", daemon=True).start()

    def _keep(self, export: _Export) -> None:
        with self._lock:
            self._exports[export.record.id] = export

    def _write(self, export: _Export) -> None:
        """Write the bundle and its log. Runs on the export's own thread."""
        lines = []
        try:
            export.folder.parent.mkdir(parents=True, exist_ok=True)
            written = write_bundle(f"Node {export.spec.node}", export.spec, export.folder)
            lines = [f"{written.folder}: {written.files} files", *written.notes()]
            state = JobState.COMPLETED
        except Exception as error:  # noqa: BLE001  any error ends the job, which would run for ever otherwise
            kind = "" if isinstance(error, KqError | OSError) else f"{type(error).__name__}: "
            lines = [f"ERROR: {kind}{error}"]
            state = JobState.FAILED
            _log.error("%s: %s: %s", FARM_NAME, export.spec.name, error)
        try:
            # Paths may have bytes that are not UTF-8.
            log = ("\n".join(lines) + "\n").encode(errors="backslashreplace")
            Path(export.record.log_file).write_bytes(log)
        except OSError as error:
            _log.error("%s: %s: %s", FARM_NAME, export.spec.name, error)
        if state is JobState.COMPLETED and Path(export.spec.temp_dir) in list(self._temp_dirs.values()):
            shutil.rmtree(export.spec.temp_dir, ignore_errors=True)
        now = time.time()
        record = _changed(export.record, state=state, started=export.record.submitted, completed=now)
        self._keep(export._replace(record=record))


def farm_plugins(environment: Mapping[str, str] | None = None) -> dict[str, type[OpenJDFarmPlugin]]:
    """Return the farm plug-in, by its name in menus, if KQ_OPENJD_FOLDER is set; else an empty dict.

    Args:
        environment: the variables to read; None: those of this process.
    """
    given = os.environ if environment is None else environment
    return {FARM_NAME: OpenJDFarmPlugin} if given.get(FOLDER_VARIABLE, "").strip() else {}


def _changed(record: JobRecord, **fields: object) -> JobRecord:
    return JobRecord(**{name: getattr(record, name) for name in record.__struct_fields__} | fields)
