"""What does polling cost a farm's controller, and what do a job's files cost the file share?

CPU of slurmctld for one `squeue` of ours, on a private Slurm; the files of a job, in a folder here.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from kq.farms.job_folder import FarmJob, JobFolder
from kq.farms.slurm import Slurm
from kq.records import JobSpec, new_job_id
from tests.farms.slurm_cluster import SlurmCluster, why_not_here

__all__ = ["run"]

_TASKS_A_JOB = 1_000
_COMMAND = ("renderboot", *("-an-option", "a value of thirty-two letters...") * 12, "-frame", "{frame}")


def run(*, small: bool) -> list[dict[str, object]]:
    """A row a number of tasks; `small`: 100 tasks, two questions."""
    sizes = (100,) if small else (1_000, 4_000)
    rows = list(_share(sizes if small else (100, 1_000, 10_000)))
    if why := why_not_here():
        return [*rows, {"what": f"not measured: {why}"}]
    with tempfile.TemporaryDirectory(prefix="kq-benchmark-") as name:
        Path(name).chmod(0o755)
        cluster = SlurmCluster(Path(name))
        try:
            cluster.start()
            controller = next(each for each in psutil.process_iter() if _is_controller(each, cluster))
            for is_split in (False, True):
                rows += _questions(cluster, controller, sizes, is_split=is_split, times=2 if small else 50)
        finally:
            cluster.close()
    return rows


def _is_controller(process: psutil.Process, cluster: SlurmCluster) -> bool:
    try:
        return (
            process.name() == "slurmctld"
            and process.environ().get("SLURM_CONF") == cluster.environment["SLURM_CONF"]
        )
    except psutil.Error:
        return False


def _questions(
    cluster: SlurmCluster, controller: psutil.Process, sizes: tuple[int, ...], *, is_split: bool, times: int
) -> Iterator[dict[str, object]]:
    slurm = Slurm(cluster.environment)
    held = 0
    for size in sizes:
        while held < size:
            count = min(_TASKS_A_JOB, size - held)
            command = ["sbatch", "--parsable", f"--array=0-{count - 1}", "--hold", "--comment=kq:load"]
            made = _slurm(cluster, *command, "--output=/dev/null", "--wrap=true").strip()
            if is_split:
                # Split the array into single records, as started tasks are. All but one, or it stays whole.
                _slurm(cluster, "scontrol", "update", f"jobid={made}_[0-{count - 2}]", "nice=5")
            held += count
        spent_s, began_s = _cpu_s(controller), time.perf_counter()
        for _ in range(times):
            assert len(slurm.list_tasks()) >= size
        kind = "with records of their own" if is_split else "in waiting arrays"
        yield {
            "what": f"one question, {size:,} tasks {kind}",
            "controller_cpu_ms": round((_cpu_s(controller) - spent_s) / times * 1000, 2),
            "clock_ms": round((time.perf_counter() - began_s) / times * 1000, 1),
        }
    _slurm(cluster, "scancel", "--me")


def _cpu_s(process: psutil.Process) -> float:
    """Return CPU seconds, ended threads included: the controller starts a thread for each query."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _slurm(cluster: SlurmCluster, *command: str) -> str:
    return subprocess.run(
        command, env=cluster.environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout


def _share(sizes: tuple[int, ...]) -> Iterator[dict[str, object]]:
    environment = {f"VARIABLE_{number}": "x" * 80 for number in range(60)}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="kq-benchmark-") as name:
            job = FarmJob(new_job_id(), "load", time.time(), [f"frame {number}" for number in range(size)])
            spec = JobSpec(name="load", commands=(_COMMAND,), frames=f"1-{size}", environment=environment)
            began_s = time.perf_counter()
            folder = JobFolder.create(Path(name) / "farm", job, spec)
            written_ms = (time.perf_counter() - began_s) * 1000
            for task in range(size):
                for which in ("start", "end"):
                    record = f'{{"task": {task}, "attempt": 1, "started": 1.0, "tail": "{"x" * 2048}"}}'
                    (folder.path / "records" / f"{task}.1.{which}.json").write_text(record)
            folder.attempts()
            began_s = time.perf_counter()
            folder.attempts()
            yield {
                "what": f"the folder of a job of {size:,} tasks",
                "written_ms": round(written_ms, 1),
                "job_json_kb": (folder.path / "job.json").stat().st_size // 1000,
                "read_again_ms": round((time.perf_counter() - began_s) * 1000, 2),
            }
