"""The farm behind the menu: *Slurm > Disk Render Frames…* on a node renders the frames on a real Slurm."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from katana_queue.kq.api import JobRecord, current_session
from pytestqt.qtbot import QtBot

from host.app.desktop import Desktop
from host.app.render_state import Phase
from host.Katana.UI4.App import Tabs
from host.nodes.scene import active_scene
from tests.farms.slurm_cluster import SlurmCluster
from tests.host.conftest import MakeDesktop, forget_session, shut
from tests.host.conftest import fresh as fresh  # a fixture
from tests.host.conftest import make_desktop as make_desktop  # likewise
from tests.host.driving import OURS, open_small, render_frames

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_frames_rendered_on_slurm_from_the_menu(
    cluster: SlurmCluster,
    make_desktop: MakeDesktop,
    qtbot: QtBot,
    data_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its pictures are where the node's Output says; the tab shows the job, as the next desktop's does."""
    monkeypatch.setenv("KQ_FARMS", "slurm")
    monkeypatch.setenv("KQ_SLURM_OPTIONS", "partition=render,cpus=1")
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    desktop = make_desktop(*OURS)
    open_small(desktop)
    active_scene().graph.node("Render").set_value("output", str(tmp_path / "out" / "beauty.####.png"))
    render_frames(qtbot, "Slurm", "1-3")
    [render] = desktop.renders.renders
    qtbot.waitUntil(lambda: render.ended, timeout=200_000)
    assert (render.phase, render.reason) == (Phase.COMPLETED, "")
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        f"beauty.{frame:04d}.png" for frame in (1, 2, 3)
    }
    [record] = shown_job(qtbot, desktop)
    assert (record.farm, record.state, record.tasks_completed) == ("Slurm", "Completed", 3)
    assert record.picture.startswith(str(tmp_path / "out")) and Path(record.log_file).is_file()
    session = current_session()
    shut(desktop)
    assert session is not None and session.wait(60)
    forget_session()
    again = make_desktop(*OURS)
    [found] = shown_job(qtbot, again)
    assert found.from_history
    assert msgspec.structs.replace(found, from_history=False) == record


def shown_job(qtbot: QtBot, desktop: Desktop) -> list[JobRecord]:
    """The farm's jobs in the desktop's Katana Queue tab, when it has some."""
    tab = Tabs.FindTopTab("Katana Queue") or Tabs.CreateTab("Katana Queue", None)

    def jobs() -> list[JobRecord]:
        listed = (tab.model.job(tab.model.job_id(row)) for row in range(tab.model.rowCount()))
        return [job for job in listed if job is not None and job.farm]

    qtbot.waitUntil(lambda: bool(jobs()), timeout=60_000)
    return jobs()
