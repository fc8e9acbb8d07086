"""A farm plug-in for tests: it runs a job's command as a child of the desktop and keeps its output in a file.

The smallest that a plug-in can be; what a real farm adds is not here.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

from Katana import FarmAPI


def _in_order(commands: list[str]) -> list[str]:
    """One process that runs the commands in their order, until one fails; a stop reaches the one that runs."""
    if len(commands) == 1:
        return shlex.split(commands[0])
    program = (
        "import json, signal, subprocess, sys, time\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    child = subprocess.Popen(command)\n"
        "    signal.signal(signal.SIGTERM, lambda *_: child.terminate())\n"
        "    while child.poll() is None: time.sleep(0.05)\n"
        "    if child.returncode: sys.exit(child.returncode)\n"
    )
    return [sys.executable, "-c", program, json.dumps([shlex.split(each) for each in commands])]


class LocalFarm(FarmAPI.BaseFarmPlugin):
    """Runs jobs at once, each in a process of its own."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[str, subprocess.Popen[bytes], str, int]] = {}

    def createTemporaryDirectory(self, renderContextName: str) -> str:
        root = os.environ.get("LOCAL_FARM_ROOT")
        return tempfile.mkdtemp(prefix=renderContextName, dir=root)

    def copyRenderFiles(self, filenames: list[str], renderContextName: str) -> None:
        for filename in filenames:
            if not os.path.isfile(filename):
                raise FarmAPI.FarmPluginException(f"{filename} is not there")

    def getEnvironmentForJob(self, renderContextName: str) -> dict[str, str]:
        return {"LOCAL_FARM_CONTEXT": renderContextName}

    def getRemoteInstallationMetadata(self) -> FarmAPI.BaseFarmPlugin.InstallationMetadata:
        return FarmAPI.BaseFarmPlugin.InstallationMetadata(os.environ.get("KATANA_ROOT", ""), [])

    def submitJob(self, jobRequest) -> str:  # type: ignore[no-untyped-def]  # as the stubs leave it
        if os.environ.get("LOCAL_FARM_REFUSES"):
            raise FarmAPI.FarmPluginException(os.environ["LOCAL_FARM_REFUSES"])
        log = os.path.join(jobRequest.tempDir, "render.log")
        with open(log, "wb") as stream:
            process = subprocess.Popen(
                _in_order(jobRequest.commands),
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **jobRequest.environment},
            )
        job_id = f"local-{len(self._jobs) + 1}"
        self._jobs[job_id] = (jobRequest.nodeName, process, log, int(time.time()))
        return job_id

    def stopJob(self, jobId: str) -> None:
        self._jobs[jobId][1].terminate()

    def getJobState(self, jobId: str) -> str:
        if jobId not in self._jobs:
            raise FarmAPI.JobNotFoundException(jobId, "it was never submitted")
        code = self._jobs[jobId][1].poll()
        state = FarmAPI.Job.State
        if code is None:
            return state.kRunning
        return state.kCompleted if code == 0 else state.kFailed

    def getJobs(self, filters: list) -> list:  # type: ignore[type-arg]  # as the stubs leave it
        return [
            FarmAPI.Job(job_id, name, started, 0, self.getJobState(job_id), log)
            for job_id, (name, _process, log, started) in self._jobs.items()
        ]

    def getRenderLogFilename(self, jobId: str) -> str | None:
        return self._jobs[jobId][2] if jobId in self._jobs else None


PluginRegistry = [("FarmPlugin", 1, "Local Farm", LocalFarm)]
