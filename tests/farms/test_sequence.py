"""A sequence from the real desktop to a real Slurm: nodes and the desktop itself are killed meanwhile."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host.nodes import project as projects
from tests.farms.driven_desktop import DrivenDesktop
from tests.farms.slurm_cluster import SlurmCluster
from tests.host.conftest import SMALL
from tests.openjd.test_render import openjd
from tests.support.exr_files import without_times

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_KILLS_ITS_CALLER = """#!/bin/sh
case " $* " in *" --test-only "*) exec {sbatch} "$@" ;; esac
[ -e "$0.answer" ] && exec {sbatch} "$@"
{sbatch} "$@" > "$0.answer"
kill -9 "$PPID"
"""
"""An sbatch whose caller does not live to hear the answer, the first time."""


def environment_of(cluster: SlurmCluster, share: Path) -> dict[str, str]:
    """A desktop's environment, with the cluster as its farm."""
    found = {name: value for name, value in cluster.environment.items() if not name.startswith("KQ_")}
    return {
        **found,
        "KATANA_USER_RESOURCE_DIRECTORY": str(share / "user"),
        "KQ_DATA_ROOT": str(share / "root"),
        "KQ_NUM_AGENTS": "2",
        "KQ_FARMS": "slurm",
        "KQ_SLURM_OPTIONS": "partition=render,cpus=1",
        "KQ_OPENJD_FOLDER": str(share / "bundles"),
        "KQ_THREADS": "1",
    }


def saved_project(folder: Path, width: int, height: int, samples: int) -> Path:
    """The small scene, with that size of picture, as an artist's file."""
    project = projects.usd_project(SMALL)
    for name, value in (("width", width), ("height", height), ("samples", samples)):
        project.graph.node("RenderSettings").set_value(name, value)
    path = folder / "shot.kqproject"
    projects.save(project, path)
    return path


def await_row(desktop: DrivenDesktop, farm: str, done: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The farm's one job in the tab, when `done` holds of it. Tasks that Slurm holds back are started."""
    deadline = time.monotonic() + 800
    row: dict[str, Any] = {}
    while time.monotonic() < deadline:
        rows = desktop.ask("rows")
        assert rows is not None, "the desktop has died"
        for row in rows:
            if row["Farm"] == farm and done(row):
                return row
            for number, task in enumerate(row["tasks"]):
                if "Start Now" in task["reason"] and task["state"] == "Waiting":
                    desktop.ask("start_now", job=row["id"], task=number)
        desktop.ask("refresh")
        time.sleep(0.5)
    pytest.fail(f"waited in vain: {row}")


def is_victim(task: dict[str, Any]) -> bool:
    """Whether a task has begun on n2 and is far from its end."""
    progress = re.findall(r"ALF_PROGRESS (\d+)%", task["log"])
    return task["agent"] == "n2" and bool(progress) and int(progress[-1]) < 50


def await_renders(desktop: DrivenDesktop) -> None:
    """Wait until all renders of the session have ended well."""
    deadline = time.monotonic() + 800
    while any(phase in ("PREPARING", "WAITING", "RUNNING") for _, phase, _ in desktop.ask("renders")):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert {phase for _, phase, _ in desktop.ask("renders")} == {"COMPLETED"}, desktop.ask("renders")


def test_a_desktop_that_is_killed_finds_its_jobs_again(
    cluster: SlurmCluster, share: Path, tmp_path: Path
) -> None:
    """Between sbatch and its answer, and at a third of the frames: same job, states, logs; nothing twice."""
    sbatch = share / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(_KILLS_ITS_CALLER.format(sbatch=shutil.which("sbatch")))
    sbatch.chmod(0o755)
    environment = environment_of(cluster, share)
    environment["PATH"] = f"{sbatch.parent}:{environment['PATH']}"
    project = saved_project(share, 32, 18, 1)
    out = share / "out"
    with DrivenDesktop(environment, project) as desktop:
        desktop.ask("render", farm="Slurm", frames="1-6", output=str(out / "beauty.####.png"))
        assert desktop.process.wait(300) == -signal.SIGKILL
    engine_id = Path(f"{sbatch}.answer").read_text().strip()
    with DrivenDesktop(environment, project) as desktop:
        before = await_row(desktop, "Slurm", lambda row: row["completed"] >= 2)
        assert (
            cluster.run("squeue", "--noheader", "--me", "--states=all", "--format=%F")
            .split()
            .count(engine_id)
        )
        desktop.kill()
    with DrivenDesktop(environment, project) as desktop:
        first = await_row(desktop, "Slurm", lambda row: True)
        assert (first["id"], first["Name"]) == (before["id"], before["Name"])
        for old, new in zip(before["tasks"], first["tasks"], strict=True):
            if old["state"] == "Completed":
                assert new == old
        after = await_row(desktop, "Slurm", lambda row: row["State"] not in ("Waiting", "Running"))
        assert after["State"] == "Completed"
        assert [task["attempts"] for task in after["tasks"]] == [1] * 6
        assert all("frame" in task["log"] for task in after["tasks"])
        assert [row["id"] for row in desktop.ask("rows")] == [before["id"]]
        desktop.ask("show", job=after["id"], path=str(tmp_path / "found-again.png"))
    listed = cluster.run("squeue", "--noheader", "--me", "--states=all", "--format=%F").split()
    assert set(listed) == {engine_id}
    assert len(list(out.glob("beauty.*.exr"))) == 6


@pytest.mark.nightly
@pytest.mark.timeout(2400)
def test_a_sequence_whose_node_is_lost_is_that_of_the_queue_and_of_openjd(
    own_cluster: SlurmCluster, share: Path, tmp_path: Path
) -> None:
    """24 frames on three nodes, one of which is killed at a third: every byte, but for the two times."""
    project = saved_project(share, 240, 135, 64)  # seconds a frame: the node has some when it is killed
    made = {name: share / name for name in ("Slurm", "Katana Queue", "OpenJD")}
    picture = "beauty.####.exr"
    with DrivenDesktop(environment_of(own_cluster, share), project) as desktop:
        desktop.ask("render", farm="Slurm", frames="1-24", output=str(made["Slurm"] / picture))
        await_row(desktop, "Slurm", lambda row: row["completed"] >= 8 and any(map(is_victim, row["tasks"])))
        own_cluster.lose_node("n2")
        half = await_row(desktop, "Slurm", lambda row: row["completed"] >= 12)
        desktop.ask("show", job=half["id"], path=str(tmp_path / "half-way.png"))
        row = await_row(desktop, "Slurm", lambda row: row["State"] not in ("Waiting", "Running"))
        assert row["State"] == "Completed"
        attempts = desktop.ask("attempts", job=row["id"])
        print(Counter((node, outcome) for _task, _attempt, node, outcome in attempts))
        assert any(outcome == "agent-lost" for *_, outcome in attempts), attempts
        for farm in ("Katana Queue", "OpenJD"):
            desktop.ask("render", farm=farm, frames="1-24", output=str(made[farm] / picture))
        await_renders(desktop)
    [bundle] = [path for path in (share / "bundles").iterdir() if path.is_dir()]
    output = f"OutputFolder={made['OpenJD']}"
    rendered = openjd("run", str(bundle / "template.json"), "-p", output, cwd=tmp_path, timeout_s=1200)
    assert rendered.returncode == 0, rendered.stdout + rendered.stderr
    names = sorted(path.name for path in made["Katana Queue"].glob("*.exr"))
    assert len(names) == 24
    for name in names:
        [expected, *others] = [
            without_times(made[farm] / name) for farm in ("Katana Queue", "Slurm", "OpenJD")
        ]
        assert str(project).encode() in expected
        assert others == [expected] * 2, name
