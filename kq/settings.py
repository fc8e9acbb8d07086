"""All settings, read from KQ_OPEN_* and KQ_* variables. A leaf: opens no files.

Katana's own queue reads KQ_* too, so KQ_OPEN_* overrides them for kq alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from .errors import BadSetting
from .plain_text import quoted

__all__ = ["MAX_AGENTS", "Settings", "default_data_root"]

MAX_AGENTS = 1000
"""Most local Agents of a session, and most Agents of a remote machine: more would be a typing error."""


_Bytes = Annotated[int, Meta(ge=0, le=2**62)]
_Count = Annotated[int, Meta(ge=0, le=10**7)]
_Port = Annotated[int, Meta(ge=0, le=65535)]
_Seconds = Annotated[float, Meta(ge=0, lt=1e9)]


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one session, with their limits. Durations are in seconds, sizes in bytes."""

    data_root: Path
    """KQ_DATA_ROOT: folder of journals, logs and temporary folders."""
    num_agents: Annotated[int, Meta(ge=0, le=MAX_AGENTS)] = 2
    """KQ_NUM_AGENTS: number of local Agents; 0: only remote Agents render."""
    host: str = "127.0.0.1"
    """KQ_HOST: the address at which remote Agents reach this machine."""
    request_port: _Port = 0
    update_port: _Port = 0
    broadcast_port: _Port = 0
    """KQ_REQUEST_PORT, KQ_UPDATE_PORT, KQ_BROADCAST_PORT: 0 lets the system choose."""
    grace_s: _Seconds = 2.0
    """KQ_GRACE_S: time between a stop request to a render and killing it."""
    heartbeat_s: Annotated[float, Meta(ge=0.05, lt=1e9)] = 1.0
    """KQ_HEARTBEAT_S: interval of an Agent's heartbeats."""
    lease_s: Annotated[float, Meta(ge=0.5, lt=1e9)] = 10.0
    """KQ_LEASE_S: how long an Agent and the server may be out of contact before both give up its task."""
    max_agent_losses: Annotated[int, Meta(ge=0, le=100)] = 3
    """KQ_MAX_AGENT_LOSSES: how often a task is queued again after its Agent died."""
    history_jobs: _Count = 10_000
    """KQ_HISTORY_JOBS: finished jobs kept in the journal."""
    history_days: _Seconds = 30.0
    """KQ_HISTORY_DAYS: days for which finished jobs are kept."""
    nice: Annotated[int, Meta(ge=0, le=19)] = 5
    """KQ_NICE: nice value of renders (0 to 19)."""
    standby_s: _Seconds = 300.0
    """KQ_STANDBY_S: how long an Agent keeps a standby after a render; 0: none."""
    standby_memory: _Bytes = 2**30
    """KQ_STANDBY_MEMORY: memory limit of a standby."""
    max_log_bytes: _Bytes = 2**30
    """KQ_MAX_LOG_BYTES: largest log that a remote Agent may send, per attempt."""
    max_returned_files: _Count = 10_000
    """KQ_MAX_RETURNED_FILES: most files that a remote Agent may send, per attempt."""
    max_returned_bytes: _Bytes = 2**36
    """KQ_MAX_RETURNED_BYTES: largest total size of these files."""
    min_free_bytes: _Bytes = 2**29
    """KQ_MIN_FREE_BYTES: free space that logs, and files from remote Agents, must leave on a disk."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """KQ_LOG: debug, info, warning or error."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
        """Read the settings from `environment`.

        Args:
            environment: default: this process's.
            overrides: values by field name; None: not overridden.

        Raises:
            BadSetting: the message has the variable, its value and the accepted ones.
        """
        env = os.environ if environment is None else environment
        given: dict[str, object] = {}
        for field in cls.__struct_fields__:
            text = env.get(_variable(env, cls.variable_of(field)), "").strip()
            value = text if overrides.get(field) is None else overrides[field]
            if value != "":
                given[field] = value
        values = {field: _parsed(field, value) for field, value in given.items()}
        root = values.get("data_root") or default_data_root(env)
        values["data_root"] = _absolute(str(root), _variable(env, "KQ_DATA_ROOT"))
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            field = str(error).rpartition("`$.")[2].rstrip("`")
            raise BadSetting(
                f"{_variable(env, cls.variable_of(field))} is {quoted(str(given[field]))}: "
                f"it must be {_accepted(cls, field)}, or be left unset"
            ) from None

    @staticmethod
    def variable_of(field: str) -> str:
        """Return the KQ_* variable of a field of this class."""
        return "KQ_LOG" if field == "log_level" else f"KQ_{field.upper()}"

    @classmethod
    def variables_of(cls, field: str) -> tuple[str, str]:
        """Return the two variables of a field, the overriding one first."""
        variable = cls.variable_of(field)
        return _open_variable(variable), variable

    def as_environment(self) -> dict[str, str]:
        """Return the KQ_* variables from which `from_environment` restores these settings."""
        return {self.variable_of(name): str(getattr(self, name)) for name in self.__struct_fields__}


def _open_variable(name: str) -> str:
    """`KQ_OPEN_X` for `KQ_X`."""
    return f"KQ_OPEN_{name.removeprefix('KQ_')}"


def _variable(env: Mapping[str, str], name: str) -> str:
    """Return the variable to read for KQ_X: KQ_OPEN_X if it has a value, else KQ_X."""
    ours = _open_variable(name)
    return ours if env.get(ours, "").strip() else name


def default_data_root(environment: Mapping[str, str]) -> Path:
    """Return the user's folder that is used without KQ_DATA_ROOT. Raises BadSetting."""
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
        found = Path(root).expanduser().absolute()
        str(found).encode()
        return found
    except UnicodeEncodeError:
        raise BadSetting(
            f"{name} is {root!a}, which is not UTF-8: no message could name its files. Use another folder"
        ) from None
    except FileNotFoundError:
        raise BadSetting(
            f"{name} is {quoted(root)}, and the current folder no longer exists: give an absolute path"
        ) from None
    except RuntimeError as error:  # there is no such home
        raise BadSetting(f"{name} is {quoted(root)}: {error}") from None


def _parsed(field: str, value: object) -> object:
    """Convert the text of a number; other text is returned for validation, in lower case."""
    if field in ("data_root", "host") or not isinstance(value, str) or not value.isascii():
        return value
    for parse in (int, float):
        try:
            return parse(value)
        except ValueError:
            continue
    return value.lower()


def _accepted(settings: type[Settings], name: str) -> str:
    """Return a description of a field's accepted values, for messages."""
    info = msgspec.inspect.type_info(settings)
    assert isinstance(info, msgspec.inspect.StructType)
    kinds = {field.name: field.type for field in info.fields}
    match kinds[name]:
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case msgspec.inspect.FloatType(ge=least):
            return f"a number of at least {least:g}"
        case msgspec.inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
    return "text"
