"""What a render gets to see of the desktop's environment, as it is when the render is submitted.

Renders on this machine inherit what is left out, as it was when the desktop started; those elsewhere do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from . import interpreter

__all__ = ["LEFT_OUT", "is_left_out", "render_environment"]

LEFT_OUT = (
    # The queue's own.
    "KQ_.*",
    # Of this machine, this user and this login: another machine has its own.
    "HOME|USER|USERNAME|USERPROFILE|USERDOMAIN.*|LOGNAME|SHELL|MAIL|HOSTNAME|COMPUTERNAME|LOGONSERVER",
    "PWD|OLDPWD|SHLVL|_|TERM.*|COLUMNS|LINES|LS_COLORS|PS[1-4]|BASH_FUNC_.*|PROMPT_COMMAND",
    "DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_.*|DBUS_.*|SESSION.*|GNOME_.*|KDE_.*|GTK_.*|QT_.*|DESKTOP_.*",
    "SSH_.*|SUDO_.*|GPG_.*|TMUX.*|STY|TMP|TEMP|TMPDIR",
    "APPDATA|LOCALAPPDATA|PROGRAMDATA|ALLUSERSPROFILE|PUBLIC|HOMEDRIVE|HOMEPATH|ONEDRIVE.*|COMMONPROGRAM.*",
    "SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|OS|PROCESSOR_.*|NUMBER_OF_PROCESSORS|PSMODULEPATH",
    # What must not be written into a journal or sent over a network.
    ".*(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_?KEY|PRIVATE_KEY|ACCESS_KEY).*",
)
"""Names of variables that are not sent with a job, as patterns; docs/katana.md lists them for users."""

_LEFT_OUT = re.compile("|".join(LEFT_OUT), re.IGNORECASE)


def is_left_out(name: str) -> bool:
    """Whether a variable of this name stays with the desktop."""
    return _LEFT_OUT.fullmatch(name) is not None


def render_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environment`, the desktop's, that go with a job."""
    # Where the queue's processes have Python's variables from the desktop, so do renders.
    inherited = interpreter.POISON if interpreter.is_own_python() else ()
    return {
        name: value
        for name, value in environment.items()
        if name not in inherited and not is_left_out(name) and _can_be_sent(name) and _can_be_sent(value)
    }


def _can_be_sent(text: str) -> bool:
    """Whether it is text: a variable may hold bytes that are no UTF-8, or be Windows' note of a folder."""
    return not text.startswith("=") and not any("\ud800" <= letter <= "\udfff" for letter in text)
