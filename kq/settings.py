"""Every setting, read in one place from KQ_OPEN_* and KQ_* variables. A leaf: no file is opened here.

Katana's own queue reads KQ_* too, so that beside it KQ_OPEN_* gives ours values of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .errors import BadSetting
from .plain_text import quoted

__all__ = ["MAX_AGENTS", "Settings", "default_data_root"]

MAX_AGENTS = 1000
"""Local Agents of a session, or Agents of one other machine: more would be a mistake in typing."""


class Settings(NamedTuple):
    """The settings of one session. Durations are in seconds, sizes in bytes."""

    data_root: Path
    """KQ_DATA_ROOT: journals, logs and temporary folders live below it."""
    num_agents: int = 2
    """KQ_NUM_AGENTS: how many local Agents are kept alive; 0: those of other machines do all the work."""
    host: str = "127.0.0.1"
    """KQ_HOST: the address at which remote Agents reach this machine."""
    request_port: int = 0
    update_port: int = 0
    broadcast_port: int = 0
    """KQ_REQUEST_PORT, KQ_UPDATE_PORT, KQ_BROADCAST_PORT: 0 lets the system choose."""
    grace_s: float = 2.0
    """KQ_GRACE_S: how long a render that was asked to stop may take before it is killed."""
    heartbeat_s: float = 1.0
    """KQ_HEARTBEAT_S: how often an Agent says what it holds."""
    lease_s: float = 10.0
    """KQ_LEASE_S: an Agent unheard for this long loses its task, and ends it on its own side."""
    max_agent_losses: int = 3
    """KQ_MAX_AGENT_LOSSES: how often a task is queued again after its Agent died."""
    history_jobs: int = 10_000
    """KQ_HISTORY_JOBS: finished jobs kept in the journal."""
    history_days: float = 30.0
    """KQ_HISTORY_DAYS: and for how long."""
    nice: int = 5
    """KQ_NICE: by how much renders yield to the desktop (0 to 19)."""
    standby_s: float = 300.0
    """KQ_STANDBY_S: how long after a render an Agent keeps a process ready for the next; 0: not at all."""
    standby_memory: int = 2**30
    """KQ_STANDBY_MEMORY: a ready process that holds more bytes than this is not kept."""
    log_level: str = "info"
    """KQ_LOG: debug, info, warning or error."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
        """The settings that `environment` (default: this process's) gives; `overrides` win when not None.

        Raises:
            BadSetting: names the variable, its value and what it should be.
        """
        env = os.environ if environment is None else environment
        given = {name: value for name, value in overrides.items() if value is not None}
        root = (
            given.pop("data_root", None) or env.get(_variable(env, "KQ_DATA_ROOT")) or default_data_root(env)
        )
        values: dict[str, object] = {
            "data_root": _absolute(str(root), _variable(env, "KQ_DATA_ROOT")),
            "num_agents": _whole(env, "KQ_NUM_AGENTS", 2, 0, MAX_AGENTS, "a number"),
            "host": env.get(_variable(env, "KQ_HOST")) or "127.0.0.1",
            "request_port": _whole(env, "KQ_REQUEST_PORT", 0, 0, 65535, "a port number"),
            "update_port": _whole(env, "KQ_UPDATE_PORT", 0, 0, 65535, "a port number"),
            "broadcast_port": _whole(env, "KQ_BROADCAST_PORT", 0, 0, 65535, "a port number"),
            "grace_s": _seconds(env, "KQ_GRACE_S", 2.0),
            "heartbeat_s": _seconds(env, "KQ_HEARTBEAT_S", 1.0, least=0.05),
            "lease_s": _seconds(env, "KQ_LEASE_S", 10.0, least=0.5),
            "max_agent_losses": _whole(env, "KQ_MAX_AGENT_LOSSES", 3, 0, 100, "a number of times"),
            "history_jobs": _whole(env, "KQ_HISTORY_JOBS", 10_000, 0, 10**7, "a number of jobs"),
            "history_days": _seconds(env, "KQ_HISTORY_DAYS", 30.0),
            "nice": _whole(env, "KQ_NICE", 5, 0, 19, "a number"),
            "standby_s": _seconds(env, "KQ_STANDBY_S", 300.0),
            "standby_memory": _whole(env, "KQ_STANDBY_MEMORY", 2**30, 0, 2**62, "a number of bytes"),
            "log_level": (env.get(_variable(env, "KQ_LOG")) or "info").lower(),
        }
        values.update(given)
        settings = cls(**values)  # type: ignore[arg-type]  # each value was read for its field above
        if settings.log_level not in ("debug", "info", "warning", "error"):
            raise BadSetting(
                f"{_variable(env, 'KQ_LOG')} is {quoted(settings.log_level)}: "
                f"use debug, info, warning or error"
            )
        return settings

    @staticmethod
    def variable_of(field: str) -> str:
        """The KQ_* variable that gives a field of this class."""
        return "KQ_LOG" if field == "log_level" else f"KQ_{field.upper()}"

    @classmethod
    def variables_of(cls, field: str) -> tuple[str, str]:
        """The variables that may give a field, the one that wins first."""
        variable = cls.variable_of(field)
        return _open_variable(variable), variable

    def as_environment(self) -> dict[str, str]:
        """The KQ_* variables from which `from_environment` makes these settings again."""
        return {self.variable_of(name): str(getattr(self, name)) for name in self._fields}


def _open_variable(name: str) -> str:
    """`KQ_OPEN_X` for `KQ_X`."""
    return f"KQ_OPEN_{name.removeprefix('KQ_')}"


def _variable(env: Mapping[str, str], name: str) -> str:
    """Which variable gives a setting: KQ_OPEN_X where that has a value, else KQ_X."""
    ours = _open_variable(name)
    return ours if env.get(ours, "").strip() else name


def default_data_root(environment: Mapping[str, str]) -> Path:
    """The per-user folder that holds kq's data when KQ_DATA_ROOT is not set. Raises BadSetting."""
    try:
        return _folder_of_the_user(environment)
    except RuntimeError as error:  # a user of a container may have no home
        raise BadSetting("KQ_DATA_ROOT is not set, and the user has no home folder: set it") from error


def _folder_of_the_user(environment: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        base = environment.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "katana-queue"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "katana-queue"
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "katana-queue"


def _absolute(root: str, name: str) -> Path:
    try:
        return Path(root).expanduser().absolute()
    except FileNotFoundError:
        raise BadSetting(
            f"{name} is {quoted(root)}, and the folder that this runs in is gone: give a whole path"
        ) from None
    except RuntimeError as error:  # there is no such home
        raise BadSetting(f"{name} is {quoted(root)}: {error}") from None


def _whole(env: Mapping[str, str], name: str, default: int, least: int, most: int, wanted: str) -> int:
    name = _variable(env, name)
    text = env.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BadSetting(
            f"{name} is {quoted(text)}: it must be {wanted} from {least} to {most}, or be left unset"
        )
    return int(text)


def _seconds(env: Mapping[str, str], name: str, default: float, least: float = 0.0) -> float:
    name = _variable(env, name)
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value < 1e9:
        raise BadSetting(
            f"{name} is {quoted(text)}: it must be a number of at least {least:g}, or be left unset"
        )
    return value
