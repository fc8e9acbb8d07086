"""How the states of renders come to the desktop: of many at once, and while scenes are prepared."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from host.app import rendering
from host.app.desktop import Desktop
from host.app.frame_sequence import FrameRequest, Order
from host.app.render_state import Phase, Render
from host.app.submission import Prepared, Submission
from host.Katana import CatalogAPI
from host.Katana.CatalogAPI.CatalogItem import CatalogItem
from host.Katana.FarmAPI import FarmPluginManager, Job
from host.nodes.errors import CookError
from host.nodes.scene import active_scene
from host.render_service import RenderMethod
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, monitor, open_small

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


def test_a_render_that_is_cancelled_while_it_is_prepared_leaves_nothing(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job would delete its scene. One that failed is not kept, one that waits not prepared."""
    desktop = make_desktop()
    open_small(desktop)
    folders, gate, cook = list[Path](), threading.Event(), desktop.cook.request
    make = FarmPluginManager.CreateTemporaryDirectory

    def noted(*asked: str) -> str:
        folders.append(Path(make(*asked)))
        return str(folders[-1])

    def cook_late(**asked: Any) -> dict[str, Any]:
        answer = cook(**asked)
        gate.wait(WAIT_MS / 1000)
        if len(folders) > 1:
            raise CookError("the scene is damaged")
        return answer

    monkeypatch.setattr(FarmPluginManager, "CreateTemporaryDirectory", noted)
    monkeypatch.setattr(desktop.cook, "request", cook_late)
    first, second = (desktop.renders.start("Render", FARM, RenderMethod.PREVIEW) for _ in range(2))
    qtbot.waitUntil(lambda: bool(folders) and (folders[0] / "Render.usdc").is_file(), timeout=WAIT_MS)
    for each in (first, second):
        desktop.renders.cancel(each)
    gate.set()
    qtbot.waitUntil(lambda: not folders[0].exists(), timeout=WAIT_MS)
    failed = desktop.renders.start("Render", FARM, RenderMethod.PREVIEW)
    qtbot.waitUntil(lambda: failed.ended, timeout=WAIT_MS)
    assert failed.phase is Phase.REFUSED and len(folders) == 2
    assert not folders[1].exists()


def test_a_relative_output_is_in_the_projects_folder(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """Not in the job's own, which *Remove* deletes; without a folder it is refused."""
    desktop = make_desktop()
    open_small(desktop)
    active_scene().graph.node("Render").set_value("output", "out/beauty.####.png")
    refused = desktop.renders.start("Render", FARM, RenderMethod.DISK)
    assert refused.phase is Phase.REFUSED and "save the project first" in refused.reason
    (tmp_path / "out").mkdir()
    assert desktop.window.documents.save_to(tmp_path / "shot.kqproject")
    active_scene().graph.node("Render").set_value("output", "out/beauty.####.png")
    render = desktop.renders.start("Render", FARM, RenderMethod.DISK)
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert (render.phase, render.reason) == (Phase.COMPLETED, "")
    assert (tmp_path / "out" / "beauty.0001.png").is_file()


def test_a_sequence_whose_values_depend_on_the_frame_is_refused(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """All its frames would have those of the first; others are submitted."""
    desktop = make_desktop()
    open_small(desktop)
    graph = active_scene().graph
    graph.node("Render").set_value("output", str(tmp_path / "beauty.####.png"))
    graph.node("RenderSettings").set_expression("samples", "frame")
    request = FrameRequest((1, 2), "", Order.FORWARD, skip_existing=False, make_folders=False)
    refused = desktop.renders.start("Render", FARM, RenderMethod.DISK, sequence=request)
    qtbot.waitUntil(lambda: refused.ended, timeout=WAIT_MS)
    assert refused.phase is Phase.REFUSED
    assert "RenderSettings.samples depends on the frame" in refused.reason
    graph.node("RenderSettings").set_expression("samples", "1 + 1")
    render = desktop.renders.start("Render", FARM, RenderMethod.DISK, sequence=request)
    qtbot.waitUntil(lambda: bool(render.job_id) or render.ended, timeout=WAIT_MS)
    assert render.job_id, render.reason
    desktop.renders.cancel(render)
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)


def test_a_render_keeps_its_picture_when_a_later_one_writes_to_its_file(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of renders that send none. Where it is not in memory, that is said; started again, it is shown."""
    states: dict[str, str] = {}
    without_farm(monkeypatch, states)
    file = tmp_path / "key.png"
    monkeypatch.setattr(
        rendering, "prepare", lambda submission, _cook: replace(prepared(submission), picture=file)
    )
    desktop = make_desktop()
    open_small(desktop)

    def start() -> Render:
        render = desktop.renders.start("Render", FARM, RenderMethod.DISK)
        qtbot.waitUntil(lambda: bool(render.job_id), timeout=WAIT_MS)
        return render

    def run(render: Render, colour: str) -> None:
        states[render.job_id] = Job.State.kRunning
        qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)
        image = QImage(4, 4, QImage.Format.Format_RGB32)
        image.fill(QColor(colour))
        assert image.save(str(file))
        states[render.job_id] = Job.State.kCompleted
        qtbot.waitUntil(lambda: shown() == colour and monitor().settled, timeout=WAIT_MS)

    def shown() -> str:
        image = monitor().view.image
        return image.pixelColor(1, 1).name() if not image.isNull() else monitor().view.notice

    def show(render: Render) -> None:
        item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
        CatalogAPI.SetClientCatalogItem(CatalogAPI.GetPrimaryClientKey(), CatalogAPI.kPrimaryView, item)
        qtbot.waitUntil(lambda: monitor().shown_render is render and monitor().settled, timeout=WAIT_MS)
        qtbot.wait(100)  # the file would have been read by now

    active_scene().graph.node("Render").set_value("output", str(file))
    first = start()
    run(first, "#ff0000")
    second = start()
    run(second, "#0000ff")
    show(first)
    assert shown() == "#ff0000"
    assert desktop.pictures.image(first.sequence_id).pixelColor(1, 1).name() == "#ff0000"
    third = start()
    desktop.renders.cancel(third)
    states[third.job_id] = Job.State.kCancelled  # before it ran: the file is still that of the second
    qtbot.waitUntil(lambda: third.ended, timeout=WAIT_MS)
    show(second)
    assert shown() == "#0000ff" and not desktop.pictures.is_overwritten(second)
    del desktop.pictures._images[first.sequence_id]  # as where there are many large pictures
    show(first)
    assert "a later render" in shown() and str(file) in shown()
    run(first, "#00ff00")


def submitted(desktop: Desktop, qtbot: QtBot) -> tuple[Render, CatalogItem]:
    """Start a preview on the farm; return it once it has a job, with its item in the Catalog."""
    open_small(desktop)
    render = desktop.renders.start("Render", FARM, RenderMethod.PREVIEW)
    item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
    assert item is not None
    qtbot.waitUntil(lambda: bool(render.job_id), timeout=WAIT_MS)
    return render, item


def test_a_job_that_is_started_again_begins_anew_in_the_catalog(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the error and the times of its first run."""
    states: dict[str, str] = {}
    without_farm(monkeypatch, states)
    desktop = make_desktop()
    render, item = submitted(desktop, qtbot)
    states[render.job_id] = Job.State.kFailed
    qtbot.waitUntil(lambda: item.getRenderError() is not None, timeout=WAIT_MS)
    item.setRenderStartTime(1000.0)
    states[render.job_id] = Job.State.kRunning
    qtbot.waitUntil(item.isInProgress, timeout=WAIT_MS)
    assert item.getRenderError() is None
    assert item.getRenderStartTime() > 1000.0 and item.getRenderEndTime() == 0.0


def test_a_job_that_is_started_again_and_ends_between_two_polls_has_nothing_of_its_first_run(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither the error nor the elapsed time; a second failure has its own reason, by its own log."""
    states: dict[str, str] = {}
    logs = [tmp_path / f"{number}.log" for number in (1, 2)]
    for log, cause in zip(logs, ("sky", "sun"), strict=True):
        log.write_text(f"error: the {cause} is missing\n")
    without_farm(monkeypatch, states)
    log_files = [str(logs[0])]
    monkeypatch.setattr(FarmPluginManager, "GetRenderLogFilename", lambda _job, _farm: log_files[-1])
    desktop = make_desktop()
    render, item = submitted(desktop, qtbot)
    states[render.job_id] = Job.State.kRunning
    qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)
    states[render.job_id] = Job.State.kFailed
    qtbot.waitUntil(lambda: "sky" in render.reason, timeout=WAIT_MS)
    log_files.append(str(logs[1]))  # started again, it has failed again
    desktop.renders._on_poll()
    qtbot.waitUntil(lambda: "sun" in render.reason, timeout=5000)
    assert item.getRenderError() == (1, "Render", "error: the sun is missing")
    item.setRenderStartTime(1000.0)
    states[render.job_id] = Job.State.kCompleted
    desktop.renders._on_poll()
    assert render.phase is Phase.COMPLETED
    assert render.reason == "" and item.getRenderError() is None
    assert item.getRenderElapsedTime() < 60 and render.started_at == 0.0
