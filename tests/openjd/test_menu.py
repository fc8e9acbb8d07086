"""*OpenJD > Disk Render Frames…* on a node writes a bundle, which the real `openjd` renders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from host.app.render_state import Phase
from host.nodes.scene import active_scene
from tests.host.conftest import MakeDesktop
from tests.host.conftest import fresh as fresh  # a fixture
from tests.host.conftest import make_desktop as make_desktop  # likewise
from tests.host.driving import click_item, graph_tab, open_small, right_click
from tests.host.test_disk_frames import ROOT, shown_dialog
from tests.openjd.test_render import openjd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def choose_frames(qtbot: QtBot, frames: str) -> None:
    """By the menu of the Render node, as an artist does."""
    tab = graph_tab()
    menu = right_click(tab, tab.place_of(active_scene().graph.node("Render")), qtbot)
    submenu = click_item(menu, "OpenJD", qtbot)
    assert submenu is not None
    click_item(submenu, "Disk Render Frames…", qtbot)
    dialog = shown_dialog()
    dialog.frames.setText(frames)
    dialog.render_button.click()


def test_a_node_is_exported_from_its_menu(
    make_desktop: MakeDesktop,
    qtbot: QtBot,
    data_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is rendered here; elsewhere, without the render's folder, it is. A failure says why."""
    monkeypatch.setenv("KQ_OPENJD_FOLDER", str(tmp_path / "bundles"))
    desktop = make_desktop(ROOT / "plugins", ROOT / "resources")
    open_small(desktop)
    active_scene().graph.node("Render").set_value("output", str(tmp_path / "out" / "beauty.####.png"))
    choose_frames(qtbot, "1-2")
    [render] = desktop.renders.renders
    qtbot.waitUntil(lambda: render.ended, timeout=100_000)
    [bundle] = [path for path in (tmp_path / "bundles").iterdir() if path.is_dir()]
    assert render.phase is Phase.COMPLETED, (render.reason, Path(f"{bundle}.log").read_text())
    assert not list((tmp_path / "out").glob("*"))
    shutil.rmtree(data_root / "renders")
    template = json.loads((bundle / "template.json").read_text())
    assert "Node Render" in template["description"]
    rendered = openjd("run", str(bundle / "template.json"), cwd=tmp_path)
    assert rendered.returncode == 0, rendered.stdout + rendered.stderr
    assert not QImage(str(bundle / "output" / "beauty.0002.png")).isNull()

    shutil.rmtree(tmp_path / "bundles")
    (tmp_path / "bundles").touch()
    choose_frames(qtbot, "1")
    qtbot.waitUntil(lambda: len(desktop.renders.renders) == 2, timeout=60_000)
    failed = next(each for each in desktop.renders.renders if each is not render)
    qtbot.waitUntil(lambda: failed.ended, timeout=100_000)
    assert failed.phase is Phase.FAILED
