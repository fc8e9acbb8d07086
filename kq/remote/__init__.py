"""Agents on other machines, from the desktop's side: checked, started, stopped over SSH.

The only importer of paramiko, which takes a quarter of a second and may be missing: so it comes late.
"""

from .host_store import HostStore
from .hosts import RemoteHost, local_user
from .launcher import RemoteLauncher
from .steps import RemoteQuestions, RemoteResult, RemoteStep, StepState
from .suggestions import FoundHost, RemoteChoices, look_up_host, remote_choices

__all__ = [
    "FoundHost",
    "HostStore",
    "RemoteChoices",
    "RemoteHost",
    "RemoteLauncher",
    "RemoteQuestions",
    "RemoteResult",
    "RemoteStep",
    "StepState",
    "local_user",
    "look_up_host",
    "remote_choices",
]
