"""Validates the fields of *Launch Remote Agents* before a connection is made. Pure."""

from __future__ import annotations

import re

from .....kq.api import BadInput, RemoteHost

__all__ = ["problem_with", "warning_about"]

_MANY_AGENTS = 32


def problem_with(host: RemoteHost) -> str:
    """Return an error message for the first invalid field; empty when all are valid.

    The dialog requires more than `RemoteHost.check`: that accepts empty fields and uses defaults for them.
    """
    if not host.host:
        return "Enter the host on which to run Agents."
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
    """Return a warning about an unusual but valid value; empty when there is none."""
    if host.num_agents > _MANY_AGENTS:
        return f"{host.num_agents} Agents run as many renders at once: check that the host is large enough."
    return ""
