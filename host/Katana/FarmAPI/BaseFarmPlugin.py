"""The base class of farm plug-ins, and the jobs that they report.

A method that a plug-in does not implement raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ._job_request import JobRequest

__all__ = ["BaseFarmPlugin", "FarmPluginException", "Job", "JobNotFoundException"]


class FarmPluginException(Exception):
    """A farm plug-in could not carry out a call."""


class JobNotFoundException(FarmPluginException):
    """The farm has no job with the given ID."""

    def __init__(self, jobId: str, contextMessage: str) -> None:
        super().__init__(contextMessage or f"There is no job {jobId}.")
        self.jobId = jobId
        self.contextMessage = contextMessage


class Job:
    """A job of a farm, as reported by its plug-in. Times are in epoch seconds, 0 while unknown."""

    class State:
        """The five states of a job. Compare the constants; their values may change."""

        kWaiting: ClassVar[str] = "waiting"
        kRunning: ClassVar[str] = "running"
        kCompleted: ClassVar[str] = "completed"
        kCancelled: ClassVar[str] = "cancelled"
        kFailed: ClassVar[str] = "failed"
        kAllStates: ClassVar[tuple[str, ...]] = (kWaiting, kRunning, kCompleted, kCancelled, kFailed)

    def __init__(
        self, jobId: str, name: str, startTime: int, endTime: int, state: str, renderLogFilename: str
    ) -> None:
        self.jobId = jobId
        self.name = name
        self.startTime = startTime
        self.endTime = endTime
        self.state = state
        self.renderLogFilename = renderLogFilename


class BaseFarmPlugin:
    """Base of farm plug-ins. The desktop makes one of each and calls it from its render thread."""

    class InstallationMetadata:
        """The installation paths on the farm's machines.

        `renderbootCommand`, a string or a list of arguments, replaces this machine's where it is given.
        """

        def __init__(self, katanaRoot: str, renderPluginDsoPaths: Any, renderbootCommand: Any = None) -> None:
            self.katanaRoot = katanaRoot
            self.renderPluginDsoPaths = renderPluginDsoPaths
            self.renderbootCommand = renderbootCommand

    def copyRenderFiles(self, filenames: list[str], renderContextName: str) -> None:
        """Copy the files of a render to where the farm's machines read them."""
        raise NotImplementedError(f"{type(self).__name__} has no copyRenderFiles")

    def createTemporaryDirectory(self, renderContextName: str) -> str:
        """Make a temporary folder for a render and return its path."""
        raise NotImplementedError(f"{type(self).__name__} has no createTemporaryDirectory")

    def getEnvironmentForJob(self, renderContextName: str) -> dict[str, str]:
        """Return the environment variables to add to the job's environment."""
        raise NotImplementedError(f"{type(self).__name__} has no getEnvironmentForJob")

    def getJobState(self, jobId: str) -> str:
        """Return the state of a job, one of Job.State; raises JobNotFoundException."""
        raise NotImplementedError(f"{type(self).__name__} has no getJobState")

    def getJobs(self, filters: list[Any]) -> list[Job]:
        """Return the jobs that pass `filters`."""
        raise NotImplementedError(f"{type(self).__name__} has no getJobs")

    def getRemoteInstallationMetadata(self) -> BaseFarmPlugin.InstallationMetadata:
        """Return the installation paths on the farm's machines."""
        raise NotImplementedError(f"{type(self).__name__} has no getRemoteInstallationMetadata")

    def getRenderLogFilename(self, jobId: str) -> str | None:
        """Return the log file of a job, or None while there is none."""
        raise NotImplementedError(f"{type(self).__name__} has no getRenderLogFilename")

    def startJob(self, jobId: str) -> None:
        """Start a job, or restart one that has ended."""
        raise NotImplementedError(f"{type(self).__name__} has no startJob")

    def stopJob(self, jobId: str) -> None:
        """Stop a job."""
        raise NotImplementedError(f"{type(self).__name__} has no stopJob")

    def submitJob(self, jobRequest: JobRequest) -> str:
        """Submit a job and return its ID."""
        raise NotImplementedError(f"{type(self).__name__} has no submitJob")
