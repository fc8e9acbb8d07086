"""What is asked for when Agents are launched on another machine, and whether it makes sense. Pure.

`RemoteSteps` is the seam to what does the work.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Protocol

from kq.api import quoted

__all__ = ["RemoteSteps", "RemoteTarget", "Step", "StepState"]

StepState = str
"""running, done, note (it went well enough, and something should be known), or failed."""

_HOST = re.compile(r"[A-Za-z0-9._:%\[\]-]+")
MANY_AGENTS = 32


@dataclass(frozen=True)
class RemoteTarget:
    """A machine, how to get there, and what to start on it."""

    host: str
    port: int = 22
    user: str = ""
    private_key: str = ""
    """A file; empty: whatever ssh-agent and `~/.ssh` offer."""
    num_agents: int = 2
    katana_root: str = ""
    data_root: str = ""
    kq_host: str = ""
    """The address of this machine that the other is to call."""
    tunnel: bool = False
    """Whether the queue's ports are led through the SSH connection."""
    kq_root: str = ""
    """The folder that holds kq there; empty: the same path as here, or Katana's."""
    python: str = ""
    """The interpreter there; empty: it is looked for."""

    def problems(self) -> list[str]:
        """One sentence for each field that makes no sense; empty when it can be tried."""
        found = []
        if not self.host.strip():
            found.append("Name the machine on which the Agents are to run.")
        elif not _HOST.fullmatch(self.host.strip()):
            found.append(f"{quoted(self.host)} is no name or address of a machine.")
        if not 1 <= self.port <= 65535:
            found.append("The SSH port is a number from 1 to 65535; it is 22 unless somebody changed it.")
        if re.search(r"\s", self.user.strip()):
            found.append("The user's name holds a blank.")
        if self.num_agents < 1:
            found.append("Start at least one Agent.")
        for label, path in (("Katana's folder", self.katana_root), ("KQ_DATA_ROOT", self.data_root)):
            absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
            if path.strip() and not absolute:
                found.append(f"{label} must be a whole path, as it is on the other machine.")
        if not self.data_root.strip():
            found.append("Say where KQ_DATA_ROOT is on the other machine.")
        if not self.kq_host.strip() and not self.tunnel:
            found.append("Say at which address the other machine reaches this one (KQ Host).")
        return found

    def warnings(self) -> list[str]:
        """What looks unusual, and is tried all the same."""
        if self.num_agents > MANY_AGENTS:
            return [f"{self.num_agents} Agents run as many renders at once: is the machine large enough?"]
        return []


@dataclass(frozen=True)
class Step:
    """One rung of a ladder: what is tried, and how it went."""

    name: str
    state: StepState
    sentence: str = ""
    """What was found, or what is wrong and what to do about it."""


class RemoteSteps(Protocol):
    """Checks, starts and stops. Each is called on a thread of its own and may take its time.

    `report` may be called from that thread; it returns soon. When `cancelled` is set, the call undoes what is
    half done and returns.
    """

    def check(self, target: RemoteTarget, report: Callable[[Step], None], cancelled: threading.Event) -> None:
        """Go down the ladder and stop at the first broken rung."""

    def start(self, target: RemoteTarget, report: Callable[[Step], None], cancelled: threading.Event) -> None:
        """Start the Agents."""

    def stop(self, target: RemoteTarget, report: Callable[[Step], None], cancelled: threading.Event) -> None:
        """Stop the Agents of this session on that machine, and no others."""
