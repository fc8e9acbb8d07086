"""A sequence on two machines: stopped half-way, one frame deleted, resumed. Prints frames and attempts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import session
from host.app.frame_sequence import Order, in_order
from host.nodes import cooking
from host.nodes.project import load, resolved, with_values
from kq.api import JobSpec, tasks_to_render
from kq.remote import HostStore, RemoteLauncher
from kq.settings import Settings
from tests.remote.machines import Answers, Reports, SecondMachine, why_no_second
from tests.support.live_queue import ROOT, LiveQueue, until

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(1800)]

FRAMES = range(1, 25)
LIMIT_S = 900.0
PROJECT = ROOT / "resources" / "scenes" / "two_shots.kqproject"


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[LiveQueue]:
    """Two Agents here, and a data root that the other machine does not see."""
    with LiveQueue(tmp_path / "hidden" / "data", 2) as live:
        live.await_agents()
        yield live


@pytest.fixture
def second(tmp_path: Path) -> Iterator[SecondMachine]:
    """A machine in a namespace of its own."""
    reason = why_no_second()
    if reason:
        pytest.skip(reason)
    hidden = tmp_path / "hidden"
    hidden.mkdir(exist_ok=True)
    with SecondMachine(tmp_path / "second", hidden=hidden, number=5) as machine:
        yield machine


def spec_of(folder: Path, out: Path) -> JobSpec:
    """Shot sh020 of the sample project, as the desktop submits it."""
    project = with_values(load(PROJECT), {"shot": "sh020"})
    scene = cooking.cook(resolved(project, "Render", 1.0), "Render", 1.0)
    stage = folder / "Render.usdc"
    cooking.export(scene, str(stage))
    picture = f"{out.as_posix()}/wave_study.{{frame:04d}}.exr"
    render = [
        *session.renderboot_command(),
        *("-geolib3OpTree", str(stage), "-renderMethodType", "diskRender", "-renderMethodName", "disk"),
        *("-nodeName", "Render", "-tempDir", str(folder), "-frame", "{frame}", "-renderOutputFile", picture),
        *("-camera", "/World/Cameras/Detail", "-width", "120", "-height", "68", "-samples", "4"),
    ]
    return JobSpec(
        name="Render, frames 1-24, shot=sh020",
        commands=(
            tuple(session.check_command("stage", str(stage))),
            tuple(render),
            tuple(session.check_command("picture", picture)),
        ),
        frames=",".join(str(frame) for frame in in_order(FRAMES, Order.HALVING)),
        environment={**session.render_environment(), "KQ_THREADS": "1"},
        cwd=str(folder),
        temp_dir=str(folder),
        picture=picture,
        renderer="mitsuba",
        node="Render",
    )


def test_a_sequence_is_stopped_and_resumed_on_two_machines(
    second: SecondMachine, queue: LiveQueue, own_home: Path, tmp_path: Path
) -> None:
    """What was whole is left alone; what was stopped, and the frame that was deleted, is rendered again."""
    out, folder = tmp_path / "hidden" / "out", queue.data_root / "renders" / "sequence"
    out.mkdir(parents=True)
    folder.mkdir(parents=True)
    settings = Settings.from_environment(queue.environment)
    launcher = RemoteLauncher(queue.client, settings, Answers(), HostStore(own_home / "hosts.json"))
    reports = Reports()
    assert launcher.start(second.target(), reports).ok, reports.text()
    try:
        until(lambda: len(queue.client.agents()) == 4, "four Agents", LIMIT_S)
        job_id, submitted = queue.client.submit(spec_of(folder, out))
        submitted.result(60)
        until(lambda: queue.job(job_id).tasks_completed >= 12, "half of the frames", LIMIT_S)
        queue.client.stop_jobs([job_id]).result(60)
        queue.await_job(job_id, "Cancelled")
        before = queue.client.tasks(job_id).result(60)
        whole = {path: path.stat().st_mtime_ns for path in out.glob("*.exr")}
        assert len(whole) == queue.job(job_id).tasks_completed < 24, "what was stopped leaves no EXR"
        deleted = min(whole)
        del whole[deleted]
        deleted.unlink()
        spec = queue.client.spec(job_id).result(60)
        missing = tasks_to_render(spec, queue.client.task_states(job_id).result(60), Path.exists)
        assert len(missing) == 24 - len(whole)
        queue.client.start_tasks(job_id, missing).result(60)
        until(lambda: queue.job(job_id).state.is_terminal, "the rest of the frames", LIMIT_S)
        after = queue.client.tasks(job_id).result(60)
        attempts = queue.client.attempts(job_id).result(60)
    finally:
        launcher.stop(second.target(), Reports())
        launcher.close()
    hosts = {each.agent: each.host for each in attempts}
    ran = {each.index: [] for each in after}
    for each in attempts:
        ran[each.task].append(f"{each.outcome} on {hosts[each.agent]}")
    for task in sorted(after, key=lambda each: int(each.label.split()[-1])):
        print(f"{task.label:9} {before[task.index].state:9} → {task.state:9}  {'; '.join(ran[task.index])}")
    assert all(task.state == "Completed" for task in after), [task.reason for task in after]
    assert {path.name for path in out.glob("*.exr")} == {f"wave_study.{frame:04d}.exr" for frame in FRAMES}
    assert {path: path.stat().st_mtime_ns for path in whole} == whole
    assert all(task.attempts == before[task.index].attempts + (task.index in missing) for task in after)
    assert len(set(hosts.values())) == 2 and sys.platform == "linux"
