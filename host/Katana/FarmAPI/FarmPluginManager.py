"""Loads the farm plug-ins, keeps one instance of each, and makes all the desktop's calls to them.

`farm` is a plug-in's name in all functions; None means the default farm.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

from ... import command_line, session
from ...nodes.scene import active_scene
from ..Utils import Plugins
from ._job_request import JobRequest
from .BaseFarmPlugin import BaseFarmPlugin, Job

__all__ = [
    "CopyRenderFiles",
    "CreateRenderContextName",
    "CreateTemporaryDirectory",
    "FarmPluginManagerException",
    "GetDefaultFarm",
    "GetFarmPluginNames",
    "GetJobState",
    "GetJobs",
    "GetRenderLogFilename",
    "Initialize",
    "JobRequest",
    "LoadFarmPlugins",
    "PrepareRemoteCommand",
    "SetDefaultFarm",
    "StartJob",
    "StopJob",
    "SubmitJob",
]

_log = logging.getLogger("Katana.FarmAPI")

# Not documented: the plug-in type that Katana's own manager loads is from memory and not verified.
_PLUGIN_TYPE = "FarmPlugin"
_PLUGIN_API = 1

_farms: dict[str, BaseFarmPlugin] = {}
_default_farm = ""
_frames: dict[str, list[int]] = {}
_environments: dict[str, dict[str, str]] = {}
_counter = itertools.count(1)
_lock = threading.Lock()


class FarmPluginManagerException(Exception):
    """A farm plug-in is missing or returned an invalid value. The text is shown to the user."""


def Initialize() -> None:
    """Load the farm plug-ins."""
    LoadFarmPlugins()


def LoadFarmPlugins() -> None:
    """Create each farm plug-in found in the `Plugins` folders; one that raises is logged and skipped."""
    global _default_farm
    for plugin in Plugins.Load(_PLUGIN_TYPE, _PLUGIN_API, Plugins.DefaultPaths("Plugins")):
        if plugin.name in _farms:
            continue
        try:
            _farms[plugin.name] = plugin.data()
        except (Exception, SystemExit) as error:  # noqa: BLE001  one plug-in that fails must leave the others
            _log.error(
                "The farm plug-in %s of %s could not be made: %s: %s",
                plugin.name,
                plugin.path,
                type(error).__name__,
                error,
                exc_info=True,
            )
    if _default_farm not in _farms:
        _default_farm = next(iter(_farms), "")


def GetFarmPluginNames() -> list[str]:
    """Return the names of the farms, in the order they were found."""
    return list(_farms)


def GetDefaultFarm() -> str:
    """Return the name of the default farm, or an empty string where there is no farm."""
    return _default_farm


def SetDefaultFarm(farm: str) -> None:
    """Make `farm` the default; raises FarmPluginManagerException when there is no such farm."""
    global _default_farm
    _plugin(farm)
    _default_farm = farm


def CreateRenderContextName(sequenceID: object = None) -> str:
    """Return a new unique name for a render, valid as a folder name, and store the current frame under it."""
    with _lock:
        number = next(_counter)
        tail = f"_{sequenceID}" if sequenceID is not None else ""
        name = f"render_{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}_{number}{tail}"
        _frames[name] = [round(active_scene().frame)]
    return name


def _set_sequence(renderContextName: str, frames: list[int], environment: dict[str, str]) -> None:
    """Set the frames of the render's job, in place of the current one. Not in Katana's API.

    `environment` is added to the job's environment: settings of the sequence that a farm may read.
    """
    with _lock:
        _frames[renderContextName] = frames
        _environments[renderContextName] = environment


def _packs_scenes(farm: str | None) -> bool:
    """Return whether the farm's renders leave this site, so that a scene has to take all its files along.

    Not in Katana's API: the plug-in's attribute `packsScene`, where it has one.
    """
    return bool(getattr(_plugin(farm), "packsScene", False))


def _outlives_session(farm: str | None) -> bool:
    """Return whether the farm's jobs go on after the desktop has ended.

    Not in Katana's API: the plug-in's attribute `outlivesSession`, where it has one.
    """
    return bool(getattr(_plugin(farm), "outlivesSession", False))


def CreateTemporaryDirectory(renderContextName: str, farm: str | None = None) -> str:
    """Call the farm's createTemporaryDirectory and return the path. Not on Qt's thread: may wait for a share.

    Raises FarmPluginManagerException where the folder does not exist or is not writable.
    """
    folder = _plugin(farm).createTemporaryDirectory(renderContextName)
    if not folder or not Path(folder).is_dir():
        raise FarmPluginManagerException(f"{_name(farm)} made no folder for the render: it gave '{folder}'.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FarmPluginManagerException(f"The render's folder {folder} cannot be written to.")
    return folder


def CopyRenderFiles(
    renderFiles: list[str], renderContextName: str | None = None, farm: str | None = None
) -> None:
    """Call the farm's copyRenderFiles, which copies the files to where its machines read them."""
    _plugin(farm).copyRenderFiles(renderFiles, renderContextName or CreateRenderContextName())


def PrepareRemoteCommand(
    localCommandLine: str, renderContextName: str, remoteTempDirectory: str, farm: str | None = None
) -> str:
    """Return `localCommandLine` converted for the farm's machines.

    The farm's renderboot command, installation and temporary folder replace this machine's.
    """
    del renderContextName
    metadata = _plugin(farm).getRemoteInstallationMetadata()
    arguments = command_line.split(localCommandLine)
    local = session.renderboot_command()
    if metadata.renderbootCommand and arguments[: len(local)] == local:
        command = metadata.renderbootCommand
        head = command_line.split(command) if isinstance(command, str) else [str(part) for part in command]
        arguments = [*head, *arguments[len(local) :]]
    _replace(arguments, "-katanaRoot", metadata.katanaRoot)
    _replace(arguments, "-tempDir", remoteTempDirectory)
    for folder in _folders(metadata.renderPluginDsoPaths):
        arguments += ["-pluginDsoPath", folder]
    return command_line.join(arguments)


def SubmitJob(
    nodeName: str, renderContextName: str, remoteTempDir: str, commands: list[str], farm: str | None = None
) -> str:
    """Submit a job to the farm and return its ID.

    Raises FarmPluginManagerException where there is no such farm or it returns no ID.
    """
    plugin = _plugin(farm)
    environment = dict(session.render_environment())
    # Read by a farm with standby processes; others ignore it.
    environment["KQ_STANDBY_COMMAND"] = command_line.join(session.standby_command())
    environment.update(plugin.getEnvironmentForJob(renderContextName) or {})
    with _lock:
        environment.update(_environments.pop(renderContextName, {}))
        frames = _frames.pop(renderContextName, None) or [round(active_scene().frame)]
    request = JobRequest(nodeName, renderContextName, frames, commands, environment, remoteTempDir)
    job_id = plugin.submitJob(request)
    if not job_id:
        raise FarmPluginManagerException(f"{_name(farm)} took the job but gave no id for it.")
    return str(job_id)


def StartJob(jobId: str, farm: str | None = None) -> None:
    """Start a job, or restart one that has ended."""
    _plugin(farm).startJob(jobId)


def StopJob(jobId: str, farm: str | None = None) -> None:
    """Stop a job."""
    _plugin(farm).stopJob(jobId)


def GetJobState(jobId: str, farm: str | None = None) -> str:
    """Return the state of a job, one of Job.State."""
    return _plugin(farm).getJobState(jobId)


def GetRenderLogFilename(jobId: str, farm: str | None = None) -> str | None:
    """Return the path of a job's log file, or None while there is none."""
    return _plugin(farm).getRenderLogFilename(jobId)


def GetJobs(filters: list[Any] | None = None, farm: str | None = None) -> list[Job]:
    """Return the farm's jobs that pass `filters`."""
    return _plugin(farm).getJobs(filters or [])


def _name(farm: str | None) -> str:
    return farm or _default_farm


def _plugin(farm: str | None) -> BaseFarmPlugin:
    name = _name(farm)
    if name in _farms:
        return _farms[name]
    if not _farms:
        raise FarmPluginManagerException(
            "No farm plug-in is registered: KATANA_RESOURCES names no folder whose Plugins hold one."
        )
    raise FarmPluginManagerException(f"There is no farm called {name!r}; there are: {', '.join(_farms)}.")


def _replace(arguments: list[str], key: str, value: str) -> None:
    if value and key in arguments[:-1]:
        arguments[arguments.index(key) + 1] = value


def _folders(paths: Any) -> list[str]:
    if not paths:
        return []
    if isinstance(paths, str):
        return [part for part in paths.split(os.pathsep) if part]
    return [str(path) for path in paths]
