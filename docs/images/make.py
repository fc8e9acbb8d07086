"""Makes the pictures in this folder from the running program: desktop, queue, Agents and renders are real.

Run it as `.venv/bin/python docs/images/make.py [NAME ...]` from the project's root. farm.png is of
tests/farms/test_sequence.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(ROOT))
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["KATANA_RESOURCES"] = os.pathsep.join(str(ROOT / name) for name in ("plugins", "resources"))

from PIL import Image  # noqa: E402
from PySide6.QtCore import QEventLoop, Qt, QTimer  # noqa: E402  the platform is chosen first
from PySide6.QtWidgets import QApplication, QWidget  # noqa: E402

from host.app import style  # noqa: E402
from host.app.desktop import Desktop  # noqa: E402
from host.nodes.project import Project  # noqa: E402

LONGEST_S = 900.0
_FRAMES = '''"""Stands for a renderer of several frames; frames 7 and 18 fail."""
import shutil, sys, time
first, last, picture, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
for frame in range(first, last + 1):
    time.sleep(0.5)
    if frame in (7, 18):
        sys.exit(f"Error: texture /show/tex/fog.{frame:04d}.tx does not exist")
    shutil.copy(picture, f"{folder}/fog.{frame:04d}.png")
    print(f"kq_picture: {folder}/fog.{frame:04d}.png")
    print(f"Progress: {100 * (frame - first + 1) // (last - first + 1)}%", flush=True)
'''
SCENE = ROOT / "resources" / "scenes" / "sample.usda"

_RENDER = '''"""Stands for a renderer: says how far it is, writes a picture, and may fail."""
import random, struct, sys, time, zlib
name, seconds, fails, seed = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "1", int(sys.argv[4])
rnd = random.Random(seed)
def write_picture(path, part):
    w, h = 96, 54
    hue = [rnd.randrange(40, 220) for _ in range(6)]
    rnd.seed(seed)
    rows = bytearray()
    for y in range(h):
        rows.append(0)
        for x in range(w):
            lit = y < h * part
            near = (x - w * 0.5) ** 2 + (y - h * 0.55) ** 2 < 260
            base = hue[3:] if near else hue[:3]
            rows += bytes(int(c * (0.4 + 0.6 * x / w) if lit else 24) for c in base)
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
    open(path, "wb").write(png + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))
print(f"rendering {name}", flush=True)
for mesh in range(40):
    print(f"loading mesh /root/world/geo/prop_{mesh:03} ({317 * mesh + 12} triangles)")
print("WARNING: texture /show/tex/wood_diffuse.tx has no mip levels; using the largest", flush=True)
path = f"{sys.argv[5]}/{name}.png"
for step in range(1, 11):
    time.sleep(seconds / 10)
    if fails and step == 7:
        print("Error: texture /show/tex/metal_rough.tx does not exist (material /root/materials/metal)")
        print("the render was given up", flush=True)
        sys.exit(1)
    if seconds or step == 10:
        write_picture(path, step / 10)
    print(f"kq_picture: {path}")
    print(f"Progress: {step * 10}%", flush=True)
'''


def wait(condition: Callable[[], bool], what: str) -> None:
    """Run events until `condition` holds; give up loudly."""
    loop, late = QEventLoop(), []
    timer, limit = QTimer(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(20)
    limit.setSingleShot(True)
    limit.timeout.connect(lambda: (late.append(True), loop.quit()))
    limit.start(int(LONGEST_S * 1000))
    loop.exec()
    if late and not condition():
        raise SystemExit(f"waited in vain for: {what}")


def pause(ms: int) -> None:
    """Let what was just told be drawn."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


class Pictures:
    """Takes the pictures, in an order in which each state is reached by use."""

    def __init__(self, wanted: list[str], folder: Path) -> None:
        self._wanted = wanted
        self._folder = folder
        self.desktop = Desktop(keeps_settings=False, asks=False)
        self.desktop.start()
        # The desktop makes Katana's modules, and its plug-ins ours.
        from katana_queue.kq.api import JobState, current_session
        from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

        wait(lambda: current_session() is not None, "the session")
        session = current_session()
        assert session is not None
        self.session, self.client, self.states = session, session.client, JobState
        wait(lambda: session.ready is not None or bool(session.failure), "the Agents")
        if session.ready is None:
            raise SystemExit(session.failure)
        self.tab = KatanaQueueTab(None)
        self.tab.resize(1280, 660)
        self.tab.notify_action.setChecked(False)  # how long it took here is nobody's interest
        self.tab.show()
        self._script = folder / "render.py"
        self._script.write_text(_RENDER)

    def _wants(self, name: str) -> bool:
        return not self._wanted or name in self._wanted

    def take(self, name: str, widget: QWidget) -> None:
        """Save what `widget` shows."""
        if self._wants(name):
            pause(400)
            widget.grab().save(str(FOLDER / f"{name}.png"))
            print(f"docs/images/{name}.png")

    def submit(self, name: str, seconds: float, fails: bool = False, seed: int = 1, **fields: Any) -> str:
        """Queue a job that renders for `seconds`."""
        from katana_queue.kq.api import JobSpec

        command = (
            sys.executable,
            str(self._script),
            name.replace("/", "_") + ("{frame}" if "frames" in fields else ""),
            str(seconds),
            str(int(fails)),
            str(seed),
            str(self._folder),
        )
        return self.client.submit(JobSpec(name=name, commands=(command,), node="Render", **fields))[0]

    def state(self, job_id: str) -> Any:
        """The JobState of a job; None before it is known."""
        job = self.client.job(job_id)
        return None if job is None else job.state

    def all(self) -> None:
        """Take all of them."""
        tab = self.tab
        wait(lambda: len(tab.agents.agents()) == 2 and not tab.banner.isVisible(), "the tab")
        self.take("tab-empty", tab)
        if self._wants("tab-chunks"):
            self._chunks()
        if self._wants("desktop"):
            self._desktop_rendering()
        if self._wants("live"):
            self._live()
        self._dialogs()
        job_id = self.submit("hero_beauty", 8)
        tab.view.setFocus()
        wait(lambda: ((tab.model.job(job_id) or _NOTHING).progress or 0) >= 0.6, "a render at 60 percent")
        self.take("tab-running", tab)
        failing = self.submit("lookdev_metal", 0.5, fails=True, seed=4)
        wait(lambda: self.state(failing) is self.states.FAILED, "a failed render")
        tab.view.show_job(failing)
        wait(
            lambda: (
                tab.log.path == (tab.model.job(failing) or _NOTHING).log_file and tab.log._state.is_scanned
            ),
            "the log of the failed render",
        )
        pause(500)
        tab.log.next_problem.trigger()
        self.take("tab-failed", tab)
        self._compared(failing)
        turntable = self.submit("turntable", 1.0, frames="1-24", seed=9)
        wait(lambda: (tab.model.job(turntable) or _NOTHING).tasks_completed >= 5, "a part of the frames")
        tab.view.show_job(turntable)
        tab.model.expand(turntable)
        log = tab.log
        wait(lambda: log._state.line_count and log.view.line(log._state.line_count - 1), "a frame's log")
        self.take("tab-tasks", tab)
        wait(lambda: self.state(turntable) is self.states.COMPLETED, "the turntable")
        long = [self.submit(f"env_fog_{n}", 12, seed=n) for n in (1, 2)]
        self._agents()
        self.client.stop_jobs(long)
        self._thousand()

    def _chunks(self) -> None:
        """A job of six frames a task, of which two tasks have failed half-way."""
        from katana_queue.kq.api import JobSpec

        script = self._folder / "frames.py"
        script.write_text(_FRAMES)
        given = (str(FOLDER / "live.png"), str(self._folder))
        job_id, _ = self.client.submit(
            JobSpec(
                name="env_fog",
                commands=((sys.executable, str(script), "{start}", "{end}", *given),),
                frames="1-24",
                chunk=6,
                picture=f"{self._folder}/fog.####.png",
            )
        )
        wait(lambda: self.client.job(job_id).tasks_failed == 2, "two failed tasks")
        self.tab.view.show_job(job_id)
        self.tab.model.expand(job_id)
        pause(1500)
        self.take("tab-chunks", self.tab)
        wait(lambda: self.state(job_id) == "Failed", "the end of the frames")
        self.client.remove_jobs([job_id])

    def _dialogs(self) -> None:
        """The dialogs that ask what is rendered, over a project with three nodes and two variables."""
        from katana_queue.plugins.Shelves.KatanaQueue.dialogs.start_multiple_renders import (
            StartMultipleRendersDialog,
        )

        from host.app.project_settings import ProjectSettingsTab
        from host.app.sequence_dialog import SequenceDialog
        from host.nodes.scene import active_scene
        from host.nodes.types import node_type
        from host.nodes.variables import Variable

        scene = active_scene()
        for name in ("Beauty", "Matte", "Shadow"):
            scene.graph.create(node_type("Render"), name)
        shots = tuple(f"sh0{number}0" for number in range(1, 5))
        scene.set_variables((Variable("shot", "sh010", shots), Variable("look", "day", ("day", "night"))))
        scene.set_range(1.0, 24.0)
        frames = SequenceDialog("Beauty", "Katana Queue", "/show/sh010/beauty.####.exr", 1, (1, 24), None)
        frames.per_task.setValue(4)
        variables = ProjectSettingsTab(None)
        variables.resize(560, 240)
        several = StartMultipleRendersDialog()
        several.frames.setText("1,24")
        for name, widget in (("frames", frames), ("variables", variables), ("start-multiple", several)):
            widget.show()
            self.take(name, widget)
            widget.close()
        scene.open_project(Project())

    def _desktop_rendering(self) -> None:
        from host.Katana.FarmAPI import FarmPluginManager
        from host.nodes.scene import active_scene
        from host.render_service import RenderMethod

        window = self.desktop.window
        window.resize(1600, 960)
        if not window.documents.open(SCENE):
            raise SystemExit(f"{SCENE} could not be opened")
        node = next(node for node in active_scene().graph.nodes if node.type.is_render_node)
        farm = FarmPluginManager.GetDefaultFarm()
        self.desktop.renders.start(node.name, farm, RenderMethod.PREVIEW)

        def far_enough() -> bool:
            return any((job.progress or 0) >= 0.5 for job in self.client.jobs())

        wait(far_enough, "the sample scene's render")
        self.take("desktop", window)
        rendering = [job.id for job in self.client.jobs() if not job.state.is_terminal]
        wait(
            lambda: all(self.state(job_id) is self.states.COMPLETED for job_id in rendering),
            "the sample scene",
        )

    def _live(self) -> None:
        """The Monitor with a live render, a while after a change."""
        from host.Katana.FarmAPI import FarmPluginManager
        from host.Katana.UI4.App import Tabs
        from host.nodes.scene import active_scene
        from host.nodes.types.render import RENDER_SETTINGS
        from host.render_service import RenderMethod

        window, lives = self.desktop.window, self.desktop.lives
        window.resize(1600, 960)
        if not window.documents.open(SCENE):
            raise SystemExit(f"{SCENE} could not be opened")
        graph = active_scene().graph
        node = next(node for node in graph.nodes if node.type.is_render_node)
        shown: list[int] = []
        lives.shown.connect(lambda _number, revision: shown.append(revision))
        render = self.desktop.renders.start(node.name, FarmPluginManager.GetDefaultFarm(), RenderMethod.LIVE)
        wait(lambda: bool(shown), "the live render")
        settings = next(node for node in graph.nodes if node.type is RENDER_SETTINGS)
        settings.set_value("samples", 64)
        wait(lambda: shown[-1] > 1, "the change")
        pause(15_000)
        monitor = Tabs.FindTopTab("Monitor")
        assert monitor is not None
        self.take("live", monitor)
        self.desktop.renders.cancel(render)
        wait(lambda: render.ended, "the end of the live render")

    def _compared(self, failing: str) -> None:
        """Before and after, with the line between them."""
        tab = self.tab
        jobs = [self.submit(f"hero_beauty_v{n:03}", 0.0, seed=n + 2) for n in (11, 12)]
        wait(lambda: all(self.state(each) is self.states.COMPLETED for each in jobs), "two versions")
        tab.details.show_page("Picture")
        tab.view.show_job(jobs[0])
        tab.view.chosen.select(jobs)
        wait(lambda: tab.picture.canvas.compares, "both pictures")
        self.take("tab-compare", tab)
        tab.details.show_page("Log")
        tab.view.show_job(failing)

    def _agents(self) -> None:
        """The Agents page, with both at work."""
        tab = self.tab
        tab.details.show_page("Agents")
        wait(lambda: all(agent.cpu_percent is not None for agent in tab.agents.agents()), "the Agents' load")
        tab.agents_panel.table.selectRow(0)
        self.take("tab-agents", tab)
        tab.details.show_page("Log")

    def _thousand(self) -> None:
        names = ("hero_beauty", "hero_shadow", "env_fog", "crowd_a", "lookdev_car", "fx_smoke")
        jobs = [
            self.submit(f"{names[n % 6]}_v{n:03}", 0.0, fails=n % 11 == 3, seed=n, priority=n % 3)
            for n in range(1, 990)
        ]
        wait(
            lambda: all(self.state(job_id) in (self.states.COMPLETED, self.states.FAILED) for job_id in jobs),
            "a thousand jobs",
        )
        for n in range(990, 995):
            self.submit(f"{names[n % 6]}_v{n:03}", 60.0 if n < 992 else 1.0, seed=n)
        wait(
            lambda: sum((job.progress or 0) == 0.1 for job in self.client.jobs()) == 2, "two renders at work"
        )
        rendering = next(job.id for job in self.client.jobs() if job.state is self.states.RUNNING)
        self.tab.view.show_job(rendering)
        self.take("tab-1000-jobs", self.tab)

    def close(self) -> None:
        """End the session and all it runs."""
        self.tab.close()
        self.desktop.close()
        self.desktop.window.close()
        self.session.wait(30)


class _Nothing:
    progress = None
    log_file = None
    tasks_completed = 0


_NOTHING: Any = _Nothing()


def take_denoised(folder: Path) -> None:
    """Save the middle of the sample scene at 8 samples: as rendered, and denoised."""
    halves = Image.new("RGB", (800, 360))
    for number, when in enumerate(("never", "always")):
        stage, picture = folder / f"{when}.usda", folder / f"{when}.png"
        settings = f'over "Settings" {{\n    custom token katana:denoise = "{when}"\n}}'
        stage.write_text(
            f'#usda 1.0\n(\n    subLayers = [@{SCENE.as_posix()}@]\n)\nover "Render" {{\n{settings}\n}}\n'
        )
        command = [sys.executable, "-m", "host.renderboot", "-geolib3OpTree", str(stage), "-samples", "8"]
        subprocess.run([*command, "-renderOutputFile", str(picture)], check=True, cwd=ROOT)
        with Image.open(picture) as image:
            halves.paste(image.crop((120, 0, 520, 360)), (400 * number, 0))
    halves.save(FOLDER / "denoised.png", optimize=True)
    print("docs/images/denoised.png")


def main() -> None:
    """Take the pictures that are named, or all of them."""
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    application = QApplication(sys.argv[:1])
    style.apply(application)
    with tempfile.TemporaryDirectory(prefix="katana-queue-") as folder:
        os.environ["KQ_DATA_ROOT"] = str(Path(folder) / "data")
        os.environ["KATANA_USER_RESOURCE_DIRECTORY"] = str(Path(folder) / "user")
        if not sys.argv[1:] or "denoised" in sys.argv[1:]:
            take_denoised(Path(folder))
        if sys.argv[1:] == ["denoised"]:
            return
        pictures = Pictures(sys.argv[1:], Path(folder))
        try:
            pictures.all()
        finally:
            pictures.close()


if __name__ == "__main__":
    main()
