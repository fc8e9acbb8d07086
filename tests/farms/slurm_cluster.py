"""A private Slurm cluster of three nodes on this machine: real daemons, as children of the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.ports import free_ports

__all__ = ["NODES", "SlurmCluster", "why_not_here"]

NODES = ("n1", "n2", "n3")
_START_TIMEOUT_S = 120.0
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")

_CONFIG = """ClusterName=kqtest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmdLogFile={folder}/log/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=5
SlurmctldTimeout=15
InactiveLimit=0
KillWait=5
MinJobAge={min_job_age}
MaxJobCount={max_jobs}
MaxArraySize={max_array}
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=1,sched_min_interval=0,bf_interval=5
JobRequeue=1
PropagateResourceLimits=NONE
NodeName=DEFAULT CPUs=2 RealMemory=4000 State=UNKNOWN
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}]
PartitionName=render Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=200
PartitionName=short Nodes=n1 MaxTime=5 State=UP DefMemPerCPU=200
"""


def why_not_here() -> str:
    """Why Slurm's daemons cannot run on this machine; "" where they can."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"{missing[0]} is not installed (packages slurmctld, slurmd, slurm-client, munge)"
    if not Path("/sys/fs/cgroup").is_mount():
        return "slurmd needs control groups, and none are mounted at /sys/fs/cgroup"
    return ""


class SlurmCluster:
    """Starts the daemons; `environment` leads Slurm's commands to them."""

    def __init__(
        self, folder: Path, *, min_job_age: int = 300, max_array: int = 10001, max_jobs: int = 20000
    ) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "log", "run", *(f"spool/{node}" for node in NODES)):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        (folder / "run" / "munge.key").write_bytes(os.urandom(1024))
        (folder / "run" / "munge.key").chmod(0o600)
        (folder / "run").chmod(0o755)
        port = free_ports(len(NODES) + 1)
        host = socket.gethostname().partition(".")[0]
        (folder / "slurm.conf").write_text(
            _CONFIG.format(
                host=host, port=port, first=port + 1, last=port + len(NODES), folder=folder, user=_user(),
                min_job_age=min_job_age, max_array=max_array, max_jobs=max_jobs,
            )
        )  # fmt: skip
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
        }

    def start(self) -> None:
        """Start all daemons and wait until the nodes are idle."""
        run = self.folder / "run"
        self._start(
            "munged", "munged", "--foreground", "--force", f"--key-file={run / 'munge.key'}",
            f"--socket={run / 'munge.socket'}", f"--pid-file={run / 'munge.pid'}",
            f"--log-file={self.folder / 'log' / 'munge.log'}", f"--seed-file={run / 'munge.seed'}",
            "--num-threads=2",
        )  # fmt: skip
        _wait(lambda: (run / "munge.socket").exists(), "munged's socket")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        _wait(lambda: self._idle() == len(NODES), "idle nodes")

    def start_controller(self) -> None:
        """Start slurmctld."""
        self._start("slurmctld", "slurmctld", "-D")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start(node, "slurmd", "-D", "-N", node)

    def run(self, *command: str) -> str:
        """The output of one of Slurm's commands, which must succeed."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    @contextlib.contextmanager
    def frozen_controller(self) -> Iterator[None]:
        """The controller stands still meanwhile."""
        pid = self._daemons["slurmctld"].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill_controller(self) -> None:
        """End slurmctld by SIGKILL."""
        self._end("slurmctld")

    def lose_slurmd(self, node: str) -> None:
        """Its slurmd alone is gone: what it started runs on."""
        self._end(node)

    def lose_node(self, node: str) -> None:
        """As when the power fails: its slurmd, its slurmstepds and all that they run are gone."""
        self._end(node)
        for process in psutil.process_iter(["name", "environ"]):
            if process.info["name"] == "slurmstepd" and self._is_ours(process):
                for child in process.children(recursive=True):
                    if (_environ(child)).get("SLURMD_NODENAME") == node:
                        _kill(process)
                        _kill(child)

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(
                ["scancel", "--me"], env=self.environment, timeout=60, check=False, capture_output=True
            )
        for name in (*NODES, "slurmctld", "munged"):
            if name in self._daemons:
                self._end(name)
        for process in psutil.process_iter():
            if self._is_ours(process):
                _kill(process)

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        if _environ(process).get("SLURM_CONF") == self.environment["SLURM_CONF"]:
            return True
        try:
            # A slurmstepd has no environment of its own to see, and logs to its slurmd's log.
            return process.name() == "slurmstepd" and any(
                each.path.startswith(f"{self.folder}/") for each in process.open_files()
            )
        except psutil.Error:
            return False

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait(60)

    def _idle(self) -> int:
        shown = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--partition=render", "--format=%t"],
            env=self.environment, capture_output=True, text=True, check=False, timeout=60,
        ).stdout  # fmt: skip
        return shown.split().count("idle")


def _wait(condition: object, what: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            pytest.fail(f"waited for {what} in vain")
        time.sleep(0.1)


def _environ(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()
        process.wait(60)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
