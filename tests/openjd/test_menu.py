"""*OpenJD > Disk Render Frames…* on a node writes a bundle, which the real `openjd` renders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from host.app.render_state import Phase
from host.nodes.scene import active_scene
from tests.host.conftest import SMALL, MakeDesktop
from tests.host.conftest import fresh as fresh  # a fixture
from tests.host.conftest import make_desktop as make_desktop  # likewise
from tests.host.driving import OURS, open_small, render_frames
from tests.openjd.test_render import openjd

_SCENE = """#usda 1.0
(
    subLayers = [@{small}@]
)
def DomeLight "Sky" {{
    asset inputs:texture:file = @./sky.png@
}}
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_node_is_exported_from_its_menu(
    make_desktop: MakeDesktop,
    qtbot: QtBot,
    data_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With all files of its scene. Nothing is rendered here; elsewhere, without those files, it is."""
    monkeypatch.setenv("KQ_OPENJD_FOLDER", str(tmp_path / "bundles"))
    monkeypatch.setenv("KQ_SHARED_ROOTS", str(tmp_path))  # of this site: the other one lacks them, too
    work = tmp_path / "work"
    work.mkdir()
    sky = QImage(8, 4, QImage.Format.Format_RGB32)
    sky.fill(QColor(200, 120, 40))
    assert sky.save(str(work / "sky.png"))
    (work / "shot.usda").write_text(_SCENE.format(small=SMALL))
    desktop = make_desktop(*OURS)
    open_small(desktop, scene=work / "shot.usda")
    active_scene().graph.node("Render").set_value("output", str(tmp_path / "out" / "beauty.####.png"))
    render_frames(qtbot, "OpenJD", "1-2")
    [render] = desktop.renders.renders
    qtbot.waitUntil(lambda: render.ended, timeout=100_000)
    [bundle] = [path for path in (tmp_path / "bundles").iterdir() if path.is_dir()]
    assert render.phase is Phase.COMPLETED, (render.reason, Path(f"{bundle}.log").read_text())
    assert not list((tmp_path / "out").glob("*"))
    assert len(list(bundle.glob("scene/assets/*/sky.png"))) == 1
    shutil.rmtree(data_root / "renders")
    (work / "sky.png").rename(tmp_path / "kept.png")
    template = json.loads((bundle / "template.json").read_text())
    assert "Node Render" in template["description"]
    rendered = openjd("run", str(bundle / "template.json"), cwd=tmp_path)
    assert rendered.returncode == 0, rendered.stdout + rendered.stderr
    assert not QImage(str(bundle / "output" / "beauty.0002.png")).isNull()

    render_frames(qtbot, "OpenJD", "1")
    qtbot.waitUntil(lambda: len(desktop.renders.renders) == 2, timeout=60_000)
    incomplete = next(each for each in desktop.renders.renders if each is not render)
    qtbot.waitUntil(lambda: incomplete.ended, timeout=100_000)
    assert incomplete.phase is Phase.REFUSED and str(work / "sky.png") in incomplete.reason

    (tmp_path / "kept.png").rename(work / "sky.png")
    shutil.rmtree(tmp_path / "bundles")
    (tmp_path / "bundles").touch()
    render_frames(qtbot, "OpenJD", "1")
    qtbot.waitUntil(lambda: len(desktop.renders.renders) == 3, timeout=60_000)
    failed = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: failed.ended, timeout=100_000)
    assert failed.phase is Phase.FAILED
