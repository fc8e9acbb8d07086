"""Selects the environment variables of the desktop that are sent with a job when it is submitted.

Local renders inherit the other variables as they were when the desktop started; remote ones do not get them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from . import interpreter

__all__ = ["LEFT_OUT", "is_left_out", "note_start", "render_environment", "unset_since_start"]

LEFT_OUT = (
    # Settings of the queue itself.
    "KQ_.*",
    # Specific to this machine, user or login: a remote machine has its own values.
    "HOME|USER|USERNAME|USERPROFILE|USERDOMAIN.*|LOGNAME|SHELL|MAIL|HOSTNAME|COMPUTERNAME|LOGONSERVER",
    "PWD|OLDPWD|SHLVL|_|TERM.*|COLUMNS|LINES|LS_COLORS|PS[1-4]|BASH_FUNC_.*|PROMPT_COMMAND",
    "DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_.*|DBUS_.*|SESSION.*|GNOME_.*|KDE_.*|GTK_.*|QT_.*|DESKTOP_.*",
    "SSH_.*|SUDO_.*|GPG_.*|TMUX.*|STY|TMP|TEMP|TMPDIR",
    "APPDATA|LOCALAPPDATA|PROGRAMDATA|ALLUSERSPROFILE|PUBLIC|HOMEDRIVE|HOMEPATH|ONEDRIVE.*|COMMONPROGRAM.*",
    "SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|OS|PROCESSOR_.*|NUMBER_OF_PROCESSORS|PSMODULEPATH",
    # Of a farm's job that this desktop runs in, and its graphics cards: a job elsewhere has its own.
    "SLURM_.*|SLURMD_.*|CUE_.*|(CUDA|NVIDIA|ROCR|HIP)_VISIBLE_DEVICES",
    # Secrets: must not be written to the journal or sent over the network.
    ".*(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_?KEY|PRIVATE_KEY|ACCESS_KEY).*",
)
"""Regular expressions of variable names that are not sent with a job; docs/katana.md lists them for users."""

_LEFT_OUT = re.compile("|".join(LEFT_OUT), re.IGNORECASE)


def is_left_out(name: str) -> bool:
    """Whether a variable of this name matches LEFT_OUT and so is not sent with a job."""
    return _LEFT_OUT.fullmatch(name) is not None


def render_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `environment` (the desktop's) to send with a job."""
    # When kq runs with this process's Python, renders inherit the desktop's variables of Python anyway.
    inherited = interpreter.POISON if interpreter.is_own_python() else ()
    return {
        name: value
        for name, value in environment.items()
        if name not in inherited and not is_left_out(name) and _can_be_sent(name) and _can_be_sent(value)
    }


def note_start(environment: Mapping[str, str]) -> None:
    """Record which variables the desktop has while the queue starts: local renders inherit them."""
    global _at_start  # one queue session at a time in a process
    _at_start = frozenset(render_environment(environment))


def unset_since_start(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of variables that `environment` (the desktop's) has no longer, sorted.

    Those that `render_environment` leaves out are not among them.
    """
    return tuple(sorted(_at_start.difference(environment)))


_at_start: frozenset[str] = frozenset()


def _can_be_sent(text: str) -> bool:
    """Whether `text` is valid UTF-8 and no hidden Windows variable (`=C:`, a drive's current folder)."""
    return not text.startswith("=") and not any("\ud800" <= letter <= "\udfff" for letter in text)
