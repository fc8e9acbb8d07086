"""A job of the real queue, exported and rendered by the real `openjd`, with the real renderer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage

from kq.api import JobSpec
from tests.support.exr_files import read_exr
from tests.support.live_queue import ROOT, LiveQueue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_STAGE = """#usda 1.0
(
    defaultPrim = "World"
    customLayerData = { string katanaQueueScene = "/shows/aurora/shot.kqproject" }
)
def Xform "World" {
    def Camera "Camera" {
        float focalLength = 50
        double3 xformOp:translate.timeSamples = { 1: (0, 0, 10), 7: (2, 0, 10) }
        uniform token[] xformOpOrder = ["xformOp:translate"]
    }
    def DomeLight "Dome" {
        asset inputs:texture:file = @./assets/sky.png@
    }
    def Sphere "Ball" {}
}
"""


def openjd(*arguments: str, cwd: Path, timeout_s: float = 200) -> subprocess.CompletedProcess[str]:
    """Run OpenJD's own command, with nothing of this checkout in its environment."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KQ_", "PYTHON"))}
    (cwd / "temporary").mkdir(exist_ok=True)
    environment["TMPDIR"] = str(cwd / "temporary")  # it leaves a folder there
    command = [sys.executable, "-m", "openjd", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_openjd_renders_the_same_picture(tmp_path: Path) -> None:
    """Elsewhere, when the job's own folder is gone; in chunks as the job's; without its secrets."""
    scene = tmp_path / "scene {{of}} ü"
    (scene / "assets").mkdir(parents=True)
    (scene / "shot.usda").write_text(_STAGE)
    (scene / ".pixel_stream.json").write_text('{"token": "hidden"}')
    sky = QImage(8, 4, QImage.Format.Format_RGB32)
    sky.fill(QColor(200, 120, 40))
    assert sky.save(str(scene / "assets" / "sky.png"))
    out = tmp_path / "out"
    out.mkdir()
    picture = str(out / "beauty.{frame:04d}.exr")
    check = (sys.executable, "-m", "host.renderboot.check_files", "picture", picture)
    render = (
        *(sys.executable, "-m", "host.renderboot", "-geolib3OpTree", str(scene / "shot.usda")),
        *("-tempDir", str(scene), "-frame", "{frame}", "-renderOutputFile", picture),
        *("-width", "32", "-height", "24", "-samples", "2", "-threads", "1"),
    )
    spec = JobSpec(
        name="beauty {{shot}}\nof 'seq'",
        commands=(render, check),
        frames="1,3-4,7",
        cwd=str(scene),
        temp_dir=str(scene),
        picture=picture,
        environment={"PYTHONPATH": str(ROOT), "FARM_TOKEN": "hidden", "SITE": "hidden"},
    )
    bundle = tmp_path / "elsewhere" / "bundle"
    with LiveQueue(tmp_path / "data", 1) as queue:
        job, submitted = queue.client.submit(spec)
        submitted.result(60)
        assert queue.await_job(job, timeout_s=200).state == "Completed"
        exported = queue.kq("export", job, "-o", str(tmp_path / "bundle"))
        assert exported.returncode == 0, exported.stderr
        assert "FARM_TOKEN, SITE" in exported.stderr
        again = queue.kq("export", job, "-o", str(tmp_path / "bundle"))
        assert again.returncode != 0 and str(tmp_path / "bundle") in again.stderr
        secret = queue.kq("export", job, "-o", str(tmp_path / "other"), "--variables", "FARM_TOKEN")
        assert secret.returncode != 0 and not (tmp_path / "other").exists()
    shutil.rmtree(scene)
    (tmp_path / "bundle").rename(tmp_path / "moved")
    bundle.parent.mkdir()
    (tmp_path / "moved").rename(bundle)
    assert not [path for path in bundle.rglob("*") if path.is_file() and b"hidden" in path.read_bytes()]

    template = str(bundle / "template.json")
    checked = openjd("check", template, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rendered = openjd("run", template, cwd=tmp_path)
    assert rendered.returncode == 0, rendered.stdout + rendered.stderr
    assert "openjd_progress: 100" in rendered.stdout
    names = [f"beauty.{frame:04d}.exr" for frame in (1, 3, 4, 7)]
    made = sorted(path.name for path in (bundle / "output").glob("*.exr"))
    assert made == sorted(path.name for path in out.glob("*.exr")) == names
    for name in names:
        assert read_exr(bundle / "output" / name) == read_exr(out / name), name
        assert b"/shows/aurora/shot.kqproject" in read_exr(out / name).attributes["scene"]
    values = json.loads((bundle / "parameter_values.json").read_text())["parameterValues"]
    assert {"name": "OutputFolder", "value": str(out)} in values
