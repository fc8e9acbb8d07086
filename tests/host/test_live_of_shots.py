"""Live renders from *Start Multiple Renders*, with the real queue: each stays at its frame and variables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from host.app.render_state import Render
from host.Katana import CatalogAPI, RenderManager
from host.nodes import project as projects
from host.nodes.scene import active_scene
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_live_render_for_each_shot(
    make_desktop: MakeDesktop, qtbot: QtBot, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project goes to another frame and another shot, and a node changes: both take the node alone."""
    monkeypatch.setenv("KQ_NUM_AGENTS", "2")
    desktop = make_desktop(ROOT / "plugins", ROOT / "resources")
    scene = active_scene()
    scene.open_project(projects.load(ROOT / "resources" / "scenes" / "two_shots.kqproject"))
    for name, value in (("width", 32), ("height", 18), ("samples", 2)):
        scene.graph.node("RenderSettings").set_value(name, value)
    from katana_queue.kq.api import current_session
    from katana_queue.plugins.Shelves.KatanaQueue.dialogs.start_multiple_renders import (
        StartMultipleRendersDialog,
    )

    qtbot.waitUntil(lambda: (s := current_session()) is not None and s.ready is not None, timeout=4 * WAIT_MS)
    revisions: dict[int, int] = {}
    desktop.lives.shown.connect(lambda number, revision: revisions.update({number: revision}))
    dialog = StartMultipleRendersDialog()
    qtbot.addWidget(dialog)
    dialog.frames.setText("3")
    dialog.buttons[RenderManager.RenderModes.LIVE_RENDER].click()
    qtbot.waitUntil(lambda: len(desktop.renders.renders) == 2, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: dialog.progress is None, timeout=WAIT_MS)
    renders = list(desktop.renders.renders)

    def are_current() -> bool:
        return all(revisions.get(each.sequence_id) == desktop.lives.revision(each) > 0 for each in renders)

    qtbot.waitUntil(are_current, timeout=6 * WAIT_MS)
    expected = [(3.0, {"shot": "sh010"}), (3.0, {"shot": "sh020"})]
    assert _states(renders) == expected
    assert all(job.is_live for job in current_session().client.jobs())
    before = [desktop.lives.revision(each) for each in renders]
    scene.set_frame(9)
    scene.set_variables(tuple(replace(each, value="sh020") for each in scene.project.variables))
    scene.graph.node("RenderSettings").set_value("width", 48)
    qtbot.waitUntil(
        lambda: all(desktop.lives.revision(each) > was for each, was in zip(renders, before, strict=True)),
        timeout=6 * WAIT_MS,
    )
    qtbot.waitUntil(are_current, timeout=6 * WAIT_MS)
    assert _states(renders) == expected
    for each in renders:
        item = CatalogAPI.FindCatalogItemBySequenceID(each.sequence_id)
        assert item is not None and item.isLiveRender() and item.isFramePinned() and item.isGSVPinned("shot")
    desktop.renders.cancel_all()
    qtbot.waitUntil(lambda: all(each.ended for each in renders), timeout=6 * WAIT_MS)


def _states(renders: list[Render]) -> list[tuple[float, dict[str, str]]]:
    return [(each.frame, dict(each.variables)) for each in renders]
