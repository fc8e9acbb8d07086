"""JobRequest, which scripts reach as FarmPluginManager.JobRequest."""

from __future__ import annotations

from typing import Any

__all__ = ["JobRequest"]


class JobRequest:
    """A job to be submitted: `commands`, run in order with `environment`, for the frames `frames`."""

    def __init__(
        self,
        nodeName: str,
        renderContextName: str,
        frames: list[int],
        commands: list[str],
        environment: Any,
        tempDir: str,
    ) -> None:
        self.nodeName = nodeName
        self.renderContextName = renderContextName
        self.frames = frames
        self.commands = commands
        self.environment = environment
        self.tempDir = tempDir
