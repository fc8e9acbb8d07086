"""Validation of the dialog's fields, before anything is tried. Pure."""

from __future__ import annotations

import re

from .....kq.api import BadInput, RemoteHost

__all__ = ["problem_with", "warning_about"]

_MANY_AGENTS = 32


def problem_with(host: RemoteHost) -> str:
    """Why this cannot be tried; empty when it can.

    The dialog requires more than `RemoteHost.check` does: its fields show what would be filled in otherwise.
    """
    if not host.host:
        return "Enter the host that the Agents are to run on."
    try:
        host.check()
    except BadInput as error:
        message = str(error)
        return f"{message[:1].upper()}{message[1:]}."
    if re.search(r"\s", host.user):
        return "The user name contains a space."
    if not host.data_root:
        return "Enter the folder of KQ_DATA_ROOT on the host."
    if not host.kq_host and not host.tunnel:
        return "Enter the address at which the host reaches this machine (KQ Host)."
    return ""


def warning_about(host: RemoteHost) -> str:
    """What is unusual, and is tried nevertheless; empty when nothing is."""
    if host.num_agents > _MANY_AGENTS:
        return f"{host.num_agents} Agents run as many renders at once: check that the host is large enough."
    return ""
