"""A program of the tests: a desktop that dies during a preview, and the next one, which starts it again.

`first SCENE`: saves SCENE, starts a preview of frame 5, shot sh010, and kills itself when it renders.
`second SCENE`: starts that job by `kq` and in the tab, in another scene and its own. Prints JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QApplication

from host.app import style
from host.app.desktop import Desktop
from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.UI4.App import Tabs
from host.nodes.scene import active_scene
from host.nodes.variables import Variable
from host.render_service import RenderMethod
from tests.host.stream_only_desktop import ROOT, until


def with_queue() -> tuple[Desktop, Any]:
    """A desktop, and the session of its queue."""
    desktop = Desktop(keeps_settings=False, asks=False)
    desktop.start()
    from katana_queue.kq.api import current_session

    until(lambda: current_session() is not None, "the session")
    queue = current_session()
    until(lambda: queue.ready is not None or queue.failure, "the Agents")
    assert queue.ready is not None, queue.failure
    return desktop, queue


def set_values(frame: float, shot: str) -> None:
    """Set the current frame and the graph state variable of the open scene."""
    active_scene().set_frame(frame)
    active_scene().set_variables((Variable("shot", shot, ("sh010", "sh020")),))


def first(scene: Path) -> None:
    """The desktop that dies."""
    desktop, queue = with_queue()
    assert desktop.window.documents.open(ROOT / "tests" / "host" / "data" / "small.usda")
    settings = active_scene().graph.node("RenderSettings")
    for name, value in (("width", 320), ("height", 180), ("samples", 65_536)):
        settings.set_value(name, value)
    set_values(5.0, "sh010")
    assert desktop.window.documents.save_to(scene)
    desktop.renders.start("Render", FarmPluginManager.GetDefaultFarm(), RenderMethod.PREVIEW)
    until(lambda: [job.state for job in queue.client.jobs()] == ["Running"], "the render to run")
    os.kill(os.getpid(), signal.SIGKILL)


def second(scene: Path) -> None:
    """The desktop after it."""
    desktop, queue = with_queue()
    tab: Any = Tabs.FindTopTab("Katana Queue", True)
    until(lambda: tab.model.total == 1, "the job of the session before")
    [job_id] = [job.id for job in queue.client.jobs()]
    before = queue.client.job(job_id)
    by_command = subprocess.run(
        [sys.executable, "-m", "kq", "start", job_id], cwd=ROOT, capture_output=True, text=True, check=False
    )

    def start() -> None:
        tab.view.show_job(job_id)
        tab.notice.refuse("")
        tab.actions_of_jobs.start.trigger()

    start()
    until(lambda: tab.notice.text(), "what another scene answers")
    elsewhere, jobs_elsewhere = tab.notice.text(), len(queue.client.jobs())

    assert desktop.window.documents.open(scene)
    active_scene().graph.node("RenderSettings").set_value("samples", 1)
    set_values(1.0, "sh020")
    start()
    until(lambda: len(queue.client.jobs()) == 2, "a new job")
    [new] = [job.id for job in queue.client.jobs() if job.id != job_id]
    until(lambda: queue.client.job(new).state == "Completed", "its end")
    until(lambda: "Katana" in tab.notice.text(), "what the tab says")
    shown = tab.notice.text()
    if os.environ.get("KQ_TEST_PICTURES"):
        desktop.window.grab().save(str(Path(os.environ["KQ_TEST_PICTURES"], "orphaned-preview.png")))
    spec = queue.client.spec(new).result(60)
    [render] = [command for command in spec.commands if "-host" in command]
    print(
        json.dumps(
            {
                "before": [str(before.state), before.needs_desktop, before.is_interrupted],
                "is offered": tab.banner.start.isVisible(),
                "kq start": [by_command.returncode, by_command.stderr],
                "elsewhere": [elsewhere, jobs_elsewhere],
                "shown": shown,
                "unharmed": queue.client.job(job_id) == before,
                "new": [spec.name, render[render.index("-frame") + 1]],
                "host is its own": render[render.index("-host") + 1] == desktop.renders._pixels.address,
                "scene now": [active_scene().frame, active_scene().project.variables[0].value],
            }
        )
    )
    desktop.window.close()
    desktop.close()
    assert queue.wait(60)
    for thread in (tab.log.reader, tab.pictures):
        thread.close()
        assert thread.wait(60)


if __name__ == "__main__":
    style.apply(QApplication([]))
    {"first": first, "second": second}[sys.argv[1]](Path(sys.argv[2]))
