"""Renders that only send their pixels to Katana: what is recorded, and when they are rendered again."""

from __future__ import annotations

from typing import Any

import pytest
from Katana import Callbacks, FarmAPI, NodegraphAPI
from katana_queue.kq.api import DesktopRender
from katana_queue.plugins import render_again
from katana_queue.plugins.render_again import Obstacle, desktop_render, obstacle

from host.nodes import scene
from tests.plugins.test_farm_plugin import python, request, wait_for
from tests.plugins.test_start_multiple_renders import Service, service  # noqa: F401  a fixture
from tests.tab.fake_queue import make_job

PREVIEW = {"renderMethodType": "previewRender", "host": "127.0.0.1:1"}
RENDER = DesktopRender(method="previewRender", scene="/show/a.katana", scene_id="one")
UNSAVED = DesktopRender(method="previewRender", scene="", scene_id="one")


@pytest.mark.parametrize(
    ("render", "file", "scene_id", "has_node", "found"),
    [
        (RENDER, "/show/a.katana", "one", True, None),
        (RENDER, "/show/a_v2.katana", "one", True, None),  # saved under another name since
        (RENDER, "/show/../show/a.katana", "two", True, None),  # the next session
        (RENDER, "/show/b.katana", "two", True, Obstacle.OTHER_SCENE),
        (RENDER, "", "two", True, Obstacle.OTHER_SCENE),
        (RENDER, "/show/a.katana", "two", False, Obstacle.NO_NODE),
        (RENDER, "/show/a.katana", "one", False, Obstacle.NO_NODE),
        (UNSAVED, "", "one", True, None),
        (UNSAVED, "/show/a.katana", "one", True, None),
        (UNSAVED, "", "two", True, Obstacle.UNSAVED_SCENE),
        (UNSAVED, "/show/a.katana", "two", True, Obstacle.UNSAVED_SCENE),
    ],
)
def test_a_render_is_started_again_in_its_own_scene(
    render: DesktopRender, file: str, scene_id: str, has_node: bool, found: Obstacle | None
) -> None:
    """Known by its file, and while it stays open, whatever its file is called."""
    assert obstacle(render, scene=file, scene_id=scene_id, has_node=has_node) is found


@pytest.mark.parametrize(
    ("options", "is_bound"),
    [
        (PREVIEW, True),
        ({**PREVIEW, "renderMethodType": "liveRender"}, True),
        ({**PREVIEW, "renderMethodType": "diskRender"}, False),
        ({**PREVIEW, "renderOutputFile": "/out/a.exr"}, False),
        ({"renderMethodType": "previewRender"}, False),
        ({"host": "127.0.0.1:1"}, False),
    ],
)
def test_only_what_has_no_other_result_needs_its_desktop(options: dict[str, str], is_bound: bool) -> None:
    """A render that writes a file can be run again by its commands."""
    found = desktop_render(options, [12], {"shot": "sh010"})
    assert (found is not None) is is_bound
    if found is not None:
        assert (found.method, found.frame, found.variables) == (
            options["renderMethodType"],
            12,
            {"shot": "sh010"},
        )


def test_katana_renders_again_what_sends_its_pixels_to_it(
    service: Service,  # noqa: F811  the fixture
    farm: Any,
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    qtbot: Any,
) -> None:
    """With the frame and variables of then; where it cannot, the log has why, and the job is unharmed.

    Another plug-in starts it: what it needs is in the job, as in a later session.
    """
    farm, submitter = type(farm)(), farm
    command = python("pass", "-renderMethodType", "previewRender", "-host", "127.0.0.1:1")
    job_id = submitter.submitJob(request(command, nodeName="Beauty", frames=[12]))
    wait_for(session, farm, job_id, FarmAPI.Job.State.kCompleted)
    record = session.client.job(job_id)
    assert record.needs_desktop
    scene.active_scene().set_variables(
        tuple(each if each.name != "shot" else type(each)("shot", "sh040", each.options)
              for each in scene.active_scene().project.variables)
    )  # fmt: skip
    farm.startJob(job_id)
    qtbot.waitUntil(lambda: bool(service.started), timeout=60_000)
    assert service.started == [("Beauty", "Katana Queue", "previewRender", 12.0, "sh020")]
    assert NodegraphAPI.GetCurrentTime() == 7.0
    service.refused_node = "Beauty"
    farm.startJob(job_id)
    qtbot.waitUntil(lambda: "no such camera" in caplog.text, timeout=60_000)
    service.refused_node = ""
    monkeypatch.setattr(render_again, "_scene_id", render_again._scene_id)  # restored at the end
    render_again._on_scene_replaced()
    caplog.clear()
    farm.startJob(job_id)
    qtbot.waitUntil(lambda: record.name in caplog.text, timeout=60_000)
    assert "no such camera" not in caplog.text
    assert len(service.started) == 1 and session.client.job(job_id) == record
    plain = farm.submitJob(request(python("pass"), nodeName="Beauty"))
    wait_for(session, farm, plain, FarmAPI.Job.State.kCompleted)
    farm.startJob(plain)
    wait_for(session, farm, plain, FarmAPI.Job.State.kCompleted)
    assert len(service.started) == 1


@pytest.mark.parametrize(
    ("method", "mode"), [("previewRender", "PREVIEW_RENDER"), ("liveRender", "LIVE_RENDER")]
)
def test_katanas_own_constant_is_passed(monkeypatch: pytest.MonkeyPatch, method: str, mode: str) -> None:
    """Its value may differ from that of the command line's option."""
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(render_again, "start_render", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(render_again.NodegraphAPI, "GetNode", lambda _name: object())
    monkeypatch.setattr(render_again.RenderManager.RenderModes, mode, "Katana's")
    render = DesktopRender(method=method, scene_id=render_again._scene_id, frame=3)
    render_again.render_again(make_job(1, node="Render"), render)
    assert [each[:4] for each in started] == [("Render", 3, {}, "Katana's")]


def test_a_new_or_loaded_scene_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is saved is the same."""
    listed: list[Any] = []
    monkeypatch.setattr(Callbacks, "addCallback", lambda event, _call: listed.append(event))
    render_again.follow_scenes()
    assert listed == [Callbacks.Type.onNewScene, Callbacks.Type.onSceneLoad]
