"""What kq runs on, and how it is set: versions, and every KQ_* setting with where it comes from."""

from __future__ import annotations

import difflib
import platform
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..errors import BadSetting
from ..messages import PROTOCOL_VERSION
from ..settings import Settings
from ..wire.probe import libzmq_version
from .report import Finding, Setting, Verdict

__all__ = [
    "check_environment",
    "check_packages",
    "check_ports",
    "settings_of",
    "versions",
    "without_mistakes",
]

_PACKAGES = ("pyzmq", "msgspec", "psutil", "paramiko")
_QT = ("PySide6", "PySide6-Essentials")
_MADE_BY_KQ = (
    "KQ_AGENT", "KQ_ATTEMPT", "KQ_CONNECTION", "KQ_DESKTOP_ROOT", "KQ_FIRST_LOG", "KQ_JOB", "KQ_OPEN_PYTHON",
    "KQ_PYTHON", "KQ_REMOTE", "KQ_REMOTE_DIR", "KQ_ROLE", "KQ_ROOT", "KQ_SESSION", "KQ_STANDBY_BEFORE",
    "KQ_STANDBY_COMMAND", "KQ_TASK", "KQ_THREADS", "KQ_TOKEN",
)  # fmt: skip
"""Variables that kq's own programs and scripts set; users need not."""
_READ_BY_PLUGINS = (
    "KQ_FARMS",
    "KQ_FRAMES_PER_TASK",
    "KQ_OPENCUE_OPTIONS",
    "KQ_OPENCUE_USER",
    "KQ_OPENJD_FOLDER",
    "KQ_PRIORITY",
    "KQ_SHARED_ROOTS",
    "KQ_SLURM_OPTIONS",
)
"""Variables that users set for the plug-ins, and that are no settings of a session."""
_PORTS = ("request_port", "update_port", "broadcast_port")


def versions() -> dict[str, str]:
    """Of kq and its dependencies; empty where something is not installed."""
    found = {
        "kq": f"{__version__} ({Path(__file__).resolve().parents[1]})",
        "protocol": str(PROTOCOL_VERSION),
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
    }
    for name in _PACKAGES:
        found[name] = _version_of(name)
    found["libzmq"] = libzmq_version()
    found["PySide6"] = next((version for name in _QT if (version := _version_of(name))), "")
    return found


def _version_of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def check_packages(found: Mapping[str, str]) -> Iterator[Finding]:
    """Is all there that some part of kq needs?"""
    if "without" in found["libzmq"]:
        yield Finding(
            Verdict.WRONG,
            "versions",
            "this libzmq has no CURVE: nothing that kq sends could be encrypted",
            f"{sys.executable} -m pip install --force-reinstall --only-binary :all: pyzmq",
        )
    if not found["paramiko"]:
        yield Finding(
            Verdict.NOTE,
            "versions",
            "paramiko is not installed: no Agents can be started on other machines",
            f"{sys.executable} -m pip install paramiko",
        )


def without_mistakes(environment: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """The environment less the invalid settings, and what is wrong with those."""
    good, wrong = {}, []
    for name, value in environment.items():
        if name in _names():
            try:
                Settings.from_environment({"KQ_DATA_ROOT": "/", name: value})
            except BadSetting as error:
                wrong.append(
                    Finding(
                        Verdict.WRONG,
                        "settings",
                        str(error),
                        f"change or unset {name}: no queue can start",
                    )
                )
                continue
        good[name] = value
    return good, wrong


def _names() -> dict[str, str]:
    """The field of Settings by its variable."""
    return {Settings.variable_of(field): field for field in Settings.__struct_fields__}


def settings_of(settings: Settings, environment: Mapping[str, str], data_root: str | None) -> list[Setting]:
    """Every setting, its value, and who gave it."""
    found = []
    for name, field in _names().items():
        given = [each for each in Settings.variables_of(field) if environment.get(each, "").strip()]
        source = "environment" if given else "default"
        if field == "data_root" and data_root is not None:
            source = "command line"
        found.append(Setting(name, str(getattr(settings, field)), source))
    return found


def check_environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Are there variables that look like settings, and are none? Their values are not shown."""
    settings = [name for field in Settings.__struct_fields__ for name in Settings.variables_of(field)]
    known = {*settings, *_MADE_BY_KQ, *_READ_BY_PLUGINS}
    for name in sorted(environment):
        if name.startswith("KQ_") and name not in known:
            meant = difflib.get_close_matches(name, _names(), 1)
            yield Finding(
                Verdict.NOTE,
                "settings",
                f"{name} is set, but kq has no such setting",
                f"did you mean {meant[0]}?" if meant else "",
            )


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Are the ports that were asked for free? To be asked where no queue runs."""
    for field in _PORTS:
        port = getattr(settings, field)
        if not port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                yield Finding(
                    Verdict.WRONG,
                    "ports",
                    f"{Settings.variable_of(field)} is {port}, but that port is not free: {error.strerror}",
                    "choose another port, end the program that uses it, or unset the variable",
                )
