"""The desktop's side of remote Agents: checks, starts and stops them over SSH.

The only importer of paramiko. Import it late: it takes a quarter of a second and may be missing.
"""

from .host_store import HostStore
from .hosts import RemoteHost
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
    "look_up_host",
    "remote_choices",
]
