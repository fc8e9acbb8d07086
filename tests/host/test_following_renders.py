"""How the states of renders come to the desktop: of many at once, and while scenes are prepared."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from host.app import rendering
from host.app.render_state import Phase
from host.app.submission import Prepared, Submission
from host.Katana import CatalogAPI
from host.Katana.FarmAPI import FarmPluginManager, Job
from host.nodes.scene import active_scene
from host.render_service import RenderMethod
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, open_small

FARM = "Local Farm"


def prepared(submission: Submission) -> Prepared:
    return Prepared(submission, "", Path("none.png"), "", (), (), None, None, "", None, ())


def without_farm(monkeypatch: pytest.MonkeyPatch, states: dict[str, str], log: str = "") -> None:
    """Replace the submission, by job IDs job-1, job-2 …, and the farm's answers, by those of `states`."""
    monkeypatch.setattr(rendering, "prepare", lambda submission, _cook: prepared(submission))

    def hand_in(_prepared: Prepared) -> str:
        states[f"job-{len(states) + 1}"] = Job.State.kWaiting
        return f"job-{len(states)}"

    monkeypatch.setattr(rendering, "hand_in", hand_in)
    monkeypatch.setattr(FarmPluginManager, "GetJobState", lambda job_id, _farm: states[job_id])
    monkeypatch.setattr(FarmPluginManager, "GetRenderLogFilename", lambda _job_id, _farm: log)


def test_each_of_many_unfinished_renders_is_followed(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that were started before the latest hundred, which a farm runs first."""
    states: dict[str, str] = {}
    without_farm(monkeypatch, states)
    monkeypatch.setattr(rendering, "_FOLLOWED", 4)
    desktop = make_desktop()
    open_small(desktop)
    renders = [desktop.renders.start("Render", FARM, RenderMethod.PREVIEW) for _ in range(15)]
    qtbot.waitUntil(lambda: all(each.job_id for each in renders), timeout=WAIT_MS)
    states.update(dict.fromkeys(states, Job.State.kCompleted))
    qtbot.waitUntil(lambda: {each.phase for each in renders} == {Phase.COMPLETED}, timeout=WAIT_MS)
    assert not any(item.isInProgress() for item in CatalogAPI.GetCatalogItems())


def test_a_failure_is_shown_while_another_scene_is_prepared(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its reason is read by a thread that no slow scene keeps waiting."""
    log = tmp_path / "render.log"
    log.write_text("error: the sky is missing\n")
    states: dict[str, str] = {}
    without_farm(monkeypatch, states, str(log))
    desktop = make_desktop()
    open_small(desktop)
    first = desktop.renders.start("Render", FARM, RenderMethod.PREVIEW)
    qtbot.waitUntil(lambda: bool(first.job_id), timeout=WAIT_MS)
    slow = threading.Event()

    def prepare(submission: Submission, _cook: object) -> Prepared:
        slow.wait(WAIT_MS / 1000)
        return prepared(submission)

    monkeypatch.setattr(rendering, "prepare", prepare)
    desktop.renders.start("Render", FARM, RenderMethod.PREVIEW)
    states[first.job_id] = Job.State.kFailed
    try:
        qtbot.waitUntil(lambda: first.reason == "error: the sky is missing", timeout=WAIT_MS // 2)
    finally:
        slow.set()


def test_an_output_of_a_user_who_does_not_exist_refuses_the_render(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """As an error of the render, which has ended, and of the dialog for frames, which does not open."""
    desktop = make_desktop()
    open_small(desktop)
    active_scene().graph.node("Render").set_value("output", "~no_such_user/beauty.####.exr")
    render = desktop.renders.start("Render", FARM, RenderMethod.DISK)
    assert render.phase is Phase.REFUSED and "~no_such_user" in render.reason
    desktop.renders.ask_for_frames("Render", FARM)
    assert desktop.renders._frames_dialog is None
    assert "~no_such_user" in desktop.window.statusBar().currentMessage()


def test_a_job_that_is_started_again_begins_anew_in_the_catalog(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the error and the times of its first run."""
    states: dict[str, str] = {}
    without_farm(monkeypatch, states)
    desktop = make_desktop()
    open_small(desktop)
    render = desktop.renders.start("Render", FARM, RenderMethod.PREVIEW)
    item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
    assert item is not None
    qtbot.waitUntil(lambda: bool(render.job_id), timeout=WAIT_MS)
    states[render.job_id] = Job.State.kFailed
    qtbot.waitUntil(lambda: item.getRenderError() is not None, timeout=WAIT_MS)
    item.setRenderStartTime(1000.0)
    states[render.job_id] = Job.State.kRunning
    qtbot.waitUntil(item.isInProgress, timeout=WAIT_MS)
    assert item.getRenderError() is None
    assert item.getRenderStartTime() > 1000.0 and item.getRenderEndTime() == 0.0
