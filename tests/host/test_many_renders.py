"""*Start Multiple Renders* in the desktop, with the real queue: the jobs' names, and the Catalog after."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from host.app.render_state import Phase
from host.Katana import CatalogAPI, RenderManager
from host.nodes.scene import active_scene
from host.nodes.types import node_type
from host.nodes.variables import Variable
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, open_small

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ("sh010", "sh020", "sh030", "sh040")
NODES = ("Render", "Matte", "Shadow")

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(1200)]


def test_three_nodes_four_shots_two_frames(make_desktop: MakeDesktop, qtbot: QtBot, data_root: Path) -> None:
    """24 renders from the shelf; each job and item tells node, frame and variables, and is pinned to them."""
    desktop = make_desktop(ROOT / "plugins", ROOT / "resources")
    open_small(desktop)
    scene = active_scene()
    settings = scene.graph.node("RenderSettings")
    for name in NODES[1:]:
        scene.graph.connect(settings, scene.graph.create(node_type("Render"), name))
    scene.set_variables((Variable("shot", "sh020", SHOTS),))
    from katana_queue.kq.api import current_session
    from katana_queue.plugins.Shelves.KatanaQueue.dialogs.start_multiple_renders import (
        StartMultipleRendersDialog,
    )

    session = current_session
    qtbot.waitUntil(lambda: session() is not None and session().ready is not None, timeout=4 * WAIT_MS)
    [action] = [each for each in desktop.window.shelf_bar.actions() if "Multiple" in each.text()]
    action.trigger()
    dialog = StartMultipleRendersDialog._open.get(StartMultipleRendersDialog)
    assert isinstance(dialog, StartMultipleRendersDialog)
    qtbot.addWidget(dialog)
    dialog.frames.setText("1,3")
    assert dialog.count.text().startswith("24 renders")
    dialog.buttons[RenderManager.RenderModes.PREVIEW_RENDER].click()
    qtbot.waitUntil(lambda: len(desktop.renders.renders) == 24, timeout=4 * WAIT_MS)
    qtbot.waitUntil(lambda: all(each.ended for each in desktop.renders.renders), timeout=30 * WAIT_MS)
    assert {each.phase for each in desktop.renders.renders} == {Phase.COMPLETED}
    expected = {f"{n}, frame {f}, shot={s}" for n in NODES for f in (1, 3) for s in SHOTS}
    assert {job.name for job in session().client.jobs()} == expected
    items = CatalogAPI.GetCatalogItems()
    for each in items:
        print(
            each.getShortDescription(), each.getRenderState(), each.isFramePinned(), each.isGSVPinned("shot")
        )
    assert {each.getShortDescription() for each in items} == expected
    assert all(each.isFramePinned() and each.isGSVPinned("shot") for each in items)
    assert scene.project.variables[0].value == "sh020"
    dialog.close()
