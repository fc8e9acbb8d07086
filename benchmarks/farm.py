"""What a farm costs the desktop: CPU of a submission and of a poll of 1,000 tasks, and stalls of Qt's thread.

On a private Slurm of three nodes on this machine, whose controller is frozen for the last row.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from host import katana_alias

katana_alias.install()

from katana_queue.kq.api import ConnectionStatus, Farm, JobSpec, JobState, new_job_id  # noqa: E402
from katana_queue.kq.farms.slurm import Slurm  # noqa: E402

from benchmarks.measuring import connected_session, until  # noqa: E402
from benchmarks.turns import Turns  # noqa: E402
from host.app.interactive import settle  # noqa: E402
from tests.farms.slurm_cluster import SlurmCluster, why_not_here  # noqa: E402

__all__ = ["run"]

_POLLS = 20
_SLEEPS = "import time; time.sleep(3600)"


def run(small: bool) -> list[dict[str, Any]]:
    """Rows of figures; `small` for a quick look: 50 tasks, and a controller that is frozen for 2 s."""
    if why := why_not_here():
        return [{"what": f"not measured: {why}"}]
    count, frozen_s = (50, 2.0) if small else (1_000, 30.0)
    with tempfile.TemporaryDirectory(prefix="kq-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = SlurmCluster(folder / "slurm")
        try:
            cluster.start()
            farm = Farm("slurm", folder / "farm", Slurm(cluster.environment), "Slurm")
            try:
                rows, job = _tasks(farm, count)
                rows.append(_found_again(folder, cluster, count))
                rows += _frozen(farm, cluster, job, frozen_s)
                farm.stop(job).result(60)
            finally:
                farm.close(60)
        finally:
            cluster.close()
    return rows


def _row(what: str, work: Callable[[], object], times: int = 1) -> dict[str, Any]:
    """Measure CPU time and elapsed time of `work`; the worst of `times` runs."""
    cpu_ms, clock_ms = 0.0, 0.0
    for _ in range(times):
        cpu_s, clock_s = time.process_time(), time.perf_counter()
        work()
        cpu_ms = max(cpu_ms, (time.process_time() - cpu_s) * 1000)
        clock_ms = max(clock_ms, (time.perf_counter() - clock_s) * 1000)
    return {"what": what, "own_cpu_ms": round(cpu_ms, 1), "clock_ms": round(clock_ms, 1)}


def _tasks(farm: Farm, count: int) -> tuple[list[dict[str, Any]], str]:
    job = new_job_id()
    spec = JobSpec(name="many", commands=((sys.executable, "-c", _SLEEPS),), frames=f"1-{count}")
    rows = [_row(f"a submission of {count:,} tasks", lambda: farm.submit(job, spec).result(60))]

    def running() -> bool:
        farm.refresh().result(60)
        record = farm.job(job)
        return record is not None and record.state is JobState.RUNNING and bool(record.log_file)

    until(running, every_s=0.5)
    rows.append(
        _row(f"a poll of {count:,} tasks, worst of {_POLLS}", lambda: farm.refresh().result(60), _POLLS)
    )
    return rows, job


def _found_again(folder: Path, cluster: SlurmCluster, count: int) -> dict[str, Any]:
    def found() -> None:
        farm = Farm("slurm", folder / "farm", Slurm(cluster.environment), "Slurm")
        until(lambda: any(job.state is JobState.RUNNING for job in farm.jobs()))
        farm.close(60)

    return _row(f"another desktop finds {count:,} tasks, and polls", found)


def _frozen(farm: Farm, cluster: SlurmCluster, job: str, frozen_s: float) -> list[dict[str, Any]]:
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab
    from PySide6.QtTest import QTest

    _application = QApplication.instance() or QApplication([])
    with connected_session(agents=1) as (session, _folder):
        tab = KatanaQueueTab(None)
        tab.resize(1600, 900)
        tab.show()
        QTest.qWaitForWindowExposed(tab)
        tab.attach(session.client, {"slurm": farm})
        settle()
        turns = Turns()
        turns.run(lambda: tab._status == ConnectionStatus.CONNECTED and tab.model.total == 1, 1.0)
        tab.model.expand(job)
        turns.run(lambda: True, 1.0)
        rows = [turns.bare(min(frozen_s, 10.0))]
        failed: set[str] = set()

        def watched() -> bool:
            record = farm.job(job)
            if record is None or record.state is not JobState.RUNNING:
                failed.add("none" if record is None else record.state.value)
            return True

        with cluster.frozen_controller():
            farm.refresh()  # and one that was under way
            turns.run(watched, frozen_s)
            record = farm.job(job)
            silent = record is not None and "has not answered" in record.reason
        watched()
        rows.append(
            {
                "what": f"the controller frozen for {frozen_s:.0f} s: Qt's turns",
                **turns.figures(),
                "silence_shown": silent,
                "false_states": ", ".join(sorted(failed)) or "none",
            }
        )
        tab.close()
        tab.log.reader.wait(5)
        tab.deleteLater()
    return rows


if __name__ == "__main__":
    for each in run("--small" in sys.argv):
        print(each)
