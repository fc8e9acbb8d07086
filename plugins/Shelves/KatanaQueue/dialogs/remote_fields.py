"""Whether what the fields say about a machine makes sense, before anything is tried. Pure."""

from __future__ import annotations

import re

from .....kq.api import BadInput, RemoteHost

__all__ = ["problem_with", "warning_about"]

_MANY_AGENTS = 32


def problem_with(host: RemoteHost) -> str:
    """Why this cannot be tried, in a sentence; empty when it can.

    The dialog wants more than `RemoteHost.check` does: its fields show what would be filled in otherwise.
    """
    if not host.host:
        return "Name the machine on which the Agents are to run."
    try:
        host.check()
    except BadInput as error:
        message = str(error)
        return f"{message[:1].upper()}{message[1:]}."
    if re.search(r"\s", host.user):
        return "The user's name contains a space."
    if not host.data_root:
        return "Say where KQ_DATA_ROOT is on the other machine."
    if not host.kq_host and not host.tunnel:
        return "Say at which address the other machine reaches this one (KQ Host)."
    return ""


def warning_about(host: RemoteHost) -> str:
    """What looks unusual, and is tried all the same; empty when nothing does."""
    if host.num_agents > _MANY_AGENTS:
        return f"{host.num_agents} Agents run as many renders at once: is the machine large enough?"
    return ""
