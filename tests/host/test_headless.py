"""The main job without a display, in a process of its own, as `./start` runs it."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from host.app.headless import _copy
from host.app.main import _Once
from host.nodes import project as projects
from tests.host.conftest import DATA, SMALL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No display, and settings of the test alone."""
    environment = {
        **os.environ,
        "KATANA_RESOURCES": str(DATA / "resources"),
        "KATANA_USER_RESOURCE_DIRECTORY": str(tmp_path / "user"),
        "LOCAL_FARM_ROOT": str(tmp_path),
    }
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "LOCAL_FARM_REFUSES"):
        environment.pop(name, None)
    return environment


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """The small scene at the smallest size, as a saved project."""
    project = projects.usd_project(SMALL)
    for name, value in (("width", 48), ("height", 27), ("samples", 1)):
        project.graph.node("RenderSettings").set_value(name, value)
    path = tmp_path / "small.kqproject"
    projects.save(project, path)
    return path


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the desktop and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "host.app", *(str(argument) for argument in arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_it_renders_and_saves_picture_log_and_screenshot(
    environment: dict[str, str], small_project: Path, tmp_path: Path
) -> None:
    """Exit code 0, a few lines of what was done, and the window is in the screenshot."""
    out = tmp_path / "the results"
    done = run(environment, small_project, "--frame", 4, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (out / "picture.exr").read_bytes()[:4] == b"v/1\x01"
    assert "display" in done.stdout  # why there is no window
    assert "Render > Local Farm > Preview Render" in done.stdout
    assert "frame 4" in done.stdout
    picture = QImage(str(out / "picture.png"))
    assert (picture.width(), picture.height()) == (48, 27)
    assert (out / "render.log").stat().st_size > 0
    screenshot = QImage(str(out / "screenshot.png"))
    assert screenshot.width() >= 1000
    colors = {screenshot.pixelColor(x, y).rgb() for x in range(0, 1600, 16) for y in range(0, 960, 16)}
    assert len(colors) > 20
    assert not (tmp_path / "user").exists()


def test_a_render_that_fails_gives_its_reason_and_exit_code_1(
    environment: dict[str, str], small_project: Path, tmp_path: Path
) -> None:
    """What an earlier run left does not pass for this one's result."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "picture.png").write_text("of yesterday")
    done = run({**environment, "LOCAL_FARM_REFUSES": "the farm is full"}, small_project, "--out", out)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if "Local Farm" in line and "the farm is full" in line]
    assert not (out / "picture.png").exists()


def test_the_frame_of_a_usd_file_is_the_first_of_its_range(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """As in the window, though the range is read on another thread. The farm refuses: nothing is rendered."""
    scene = tmp_path / "shot.usda"
    scene.write_text('#usda 1.0\n(\n    startTimeCode = 3\n    endTimeCode = 3\n)\ndef Sphere "Ball" {}\n')
    refusing = {**environment, "LOCAL_FARM_REFUSES": "the farm is full"}
    assert "shot.usda, frame 3" in run(refusing, scene, "--out", tmp_path / "out").stdout
    assert "frame 7" in run(refusing, scene, "--frame", 7, "--out", tmp_path / "out").stdout


def test_names_that_the_terminal_cannot_write_are_written_all_the_same(
    environment: dict[str, str], small_project: Path, tmp_path: Path
) -> None:
    """Letters that it does not know stand there by their numbers."""
    project = small_project.rename(tmp_path / "größe.kqproject")
    refusing = {**environment, "LOCAL_FARM_REFUSES": "the farm is full", "PYTHONIOENCODING": "ascii"}
    done = run(refusing, project, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "gr\\xf6\\xdfe.kqproject" in done.stdout
    assert "the farm is full" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.usda"], 1, "no file"),
        (
            [SMALL, "--node", "Rendr"],
            1,
            "There is no node called 'Rendr' in this project; its nodes are: UsdIn, ",
        ),
        ([SMALL, "--agents", "0"], 2, "0 local Agents"),
        ([SMALL, "--agents", "-1"], 2, "'-1'"),
        ([SMALL, "--agents", "many"], 2, "'many' is not a whole number of 0 or more"),
        ([SMALL, "--frame", "now"], 2, "'now' is not a frame number"),
        ([SMALL, "--frame", "nan"], 2, "'nan' is not a frame number"),
        ([SMALL, "--frame", "inf"], 2, "'inf' is not a frame number"),
        ([SMALL, "--frame", "3e9"], 2, "to 1,000,000"),
        ([SMALL, "--out", "/dev/null/out"], 2, "The folder /dev/null/out for results cannot be made"),
        ([__file__], 1, "USD"),
    ],
)
def test_bad_input_is_refused_with_a_message(
    environment: dict[str, str], tmp_path: Path, arguments: list[object], code: int, message: str
) -> None:
    """And no traceback."""
    extra = [] if "--out" in arguments else ["--out", tmp_path / "out"]
    done = run(environment, *arguments, *extra)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_wrong_with_a_file_is_reported_once(environment: dict[str, str], tmp_path: Path) -> None:
    """When the file is opened, not again as a render of it is refused."""
    scene = tmp_path / "bad.usda"
    scene.write_text("#usda 1.0\ndef Xform {\n")
    done = run(environment, scene, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.count("as USD: line 2, column ") == 1, done.stderr
    assert "Preview Render" not in done.stdout  # no render is announced of a file that cannot be read


def test_without_a_farm_plugin_it_names_what_is_missing(environment: dict[str, str], tmp_path: Path) -> None:
    """KATANA_RESOURCES is what to look at."""
    done = run({**environment, "KATANA_RESOURCES": str(tmp_path)}, SMALL, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "KATANA_RESOURCES" in done.stderr and str(tmp_path) in done.stderr


def test_help_names_every_option(environment: dict[str, str]) -> None:
    """And needs no Qt; the help of the starters names them, too."""
    done = run(environment, "--help")
    assert done.returncode == 0
    without_ui = {"--batch", "--katana-file", "--render-node", "--frames", "--script"}
    options = set(re.findall(r"--[a-z-]+", done.stdout)) - without_ui
    assert {"--node", "--frame", "--out", "--agents", "--headless", "--denoise"} <= options
    for starter in ("start", "start.ps1"):
        missing = options - set(re.findall(r"--[a-z-]+", (ROOT / starter).read_text(encoding="utf-8")))
        assert not missing, f"{starter} --help does not name {missing}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    """The session ends as at any quit: plug-ins are notified, the cook process is gone."""
    told = tmp_path / "told"
    (tmp_path / "resources" / "Plugins").mkdir(parents=True)
    (tmp_path / "resources" / "Plugins" / "stall.py").write_text(
        "import pathlib\nfrom Katana import Callbacks, FarmAPI\n"
        "class Stall(FarmAPI.BaseFarmPlugin):\n"
        "    def createTemporaryDirectory(self, renderContextName):\n"
        f"        pathlib.Path({str(tmp_path)!r}, 'asked').touch()\n"
        "        import time; time.sleep(0.2)\n"
        f"        return {str(tmp_path)!r}\n"
        "    def copyRenderFiles(self, filenames, renderContextName): pass\n"
        "    def getEnvironmentForJob(self, renderContextName): return {}\n"
        "    def getRemoteInstallationMetadata(self): return self.InstallationMetadata('', None)\n"
        "    def submitJob(self, jobRequest): print('submitted', flush=True); return '1'\n"
        "    def getJobState(self, jobId): return FarmAPI.Job.State.kWaiting\n"
        "    def getRenderLogFilename(self, jobId): return None\n"
        "PluginRegistry = [('FarmPlugin', 1, 'Stall', Stall)]\n"
        "def note(**kwargs):\n"
        f"    pathlib.Path({str(told)!r}).touch()\n"
        "Callbacks.addCallback(Callbacks.Type.onShutdown, note)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "host.app", str(SMALL), "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env={**environment, "KATANA_RESOURCES": str(tmp_path / "resources")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "submitted" in line:
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"signal {int(number)}" in errors
    assert told.exists()


def test_size_samples_denoising_and_renderer_come_from_the_command_line(
    environment: dict[str, str], small_project: Path, tmp_path: Path
) -> None:
    """In place of the scene's own; what the renderer or a node cannot do is refused by its name."""
    arguments = (
        "--width",
        40,
        "--height",
        20,
        "--samples",
        2,
        "--denoise",
        "never",
        "--renderer",
        "mitsuba",
        "--out",
        tmp_path / "o",
    )
    done = run(environment, small_project, *arguments)
    assert done.returncode == 0, done.stderr
    picture = QImage(str(tmp_path / "o" / "picture.png"))
    assert (picture.width(), picture.height()) == (40, 20)
    assert "40 by 20, 2 samples" in (tmp_path / "o" / "render.log").read_text()
    assert picture.text("samples") == "2" and not picture.text("denoiser")
    # Where Blender is not installed, the error is that of Cycles; the Render node has Mitsuba.
    run(environment, small_project, "--renderer", "cycles", "--samples", 1, "--out", tmp_path / "c")
    log = (tmp_path / "c" / "render.log").read_text()
    assert "./start --install-cycles" in log or "Cycles" in log
    refused = run(environment, small_project, "--renderer", "arnold", "--out", tmp_path / "p")
    assert refused.returncode == 1 and "Renderer must be one of mitsuba" in refused.stderr
    assert run(environment, small_project, "--samples", 0).returncode == 2


def test_a_message_that_comes_again_is_counted() -> None:
    """The terminal has it once, and how often it came at the end."""
    once = _Once()
    record = logging.LogRecord("Katana", logging.WARNING, "", 0, "texture %s is missing", ("a.png",), None)
    assert [once.filter(record) for _ in range(3)] == [True, False, False]
    assert once.summary() == ["3 times: texture a.png is missing"]


def test_a_file_that_may_not_be_looked_for_is_not_copied(tmp_path: Path) -> None:
    """An error of the thread that saves the results would leave the end waiting for it."""
    assert _copy(Path("a" * 300), tmp_path / "picture.png") == []
