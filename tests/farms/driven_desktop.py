"""A program of the tests: the desktop off screen, driven by lines of JSON, as `DrivenDesktop` sends them.

`python -m tests.farms.driven_desktop PROJECT` answers each with a line of JSON after `> `. It may be killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_ANSWER = "> "


class DrivenDesktop:
    """The program as a child process. Use it in a `with` block, whose end kills it."""

    def __init__(self, environment: dict[str, str], project: Path) -> None:
        folders = os.pathsep.join(str(ROOT / name) for name in ("plugins", "resources"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.farms.driven_desktop", str(project)],
            cwd=ROOT,
            env={**environment, "QT_QPA_PLATFORM": "offscreen", "KATANA_RESOURCES": folders},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> DrivenDesktop:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait(60)

    def ask(self, what: str, **more: object) -> Any:
        """Have the desktop do something, and return its answer; None if it was killed meanwhile."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"what": what, **more}) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(_ANSWER):
                return json.loads(line.removeprefix(_ANSWER))
        return None


class _Program:
    """The desktop, its tab, and what can be asked of them."""

    def __init__(self, project: Path) -> None:
        from PySide6.QtWidgets import QApplication

        from host.app import style
        from host.app.desktop import Desktop
        from host.Katana.UI4.App import Tabs

        self.application = QApplication([])
        style.apply(self.application)
        self.desktop = Desktop(keeps_settings=False, asks=False)
        self.desktop.start()
        assert self.desktop.window.documents.open(project)
        self.tab = Tabs.FindTopTab("Katana Queue", True)

    def render(self, farm: str, frames: str, output: str) -> None:
        """*Disk Render Frames…* of the Render node."""
        from host.app.sequence_dialog import SequenceDialog
        from host.nodes.scene import active_scene

        active_scene().graph.node("Render").set_value("output", output)
        self.desktop.renders.ask_for_frames("Render", farm)
        [dialog] = [
            each
            for each in self.application.topLevelWidgets()
            if isinstance(each, SequenceDialog) and each.isVisible()
        ]
        dialog.frames.setText(frames)
        dialog.render_button.click()

    def renders(self) -> list[list[str]]:
        """Farm, phase and reason of the renders of this session."""
        return [[each.farm, each.phase.name, each.reason] for each in self.desktop.renders.renders]

    def rows(self) -> list[dict[str, Any]]:
        """The jobs in the tab: the text of each column, and of those on Slurm the tasks with their logs."""
        from katana_queue.plugins import site_farms
        from katana_queue.plugins.Tabs.KatanaQueue.models.columns import COLUMNS, Column

        slurm = site_farms.open_farms().farms.get("slurm")
        found = []
        for row in range(self.tab.model.rowCount()):
            job = self.tab.model.job(self.tab.model.job_id(row))
            if job is None:
                continue
            tasks = [] if slurm is None or not job.farm else slurm.tasks(job.id)
            found.append(
                {
                    "id": job.id,
                    **{COLUMNS[each].title: self.tab.model.text(row, each, 0.0) for each in Column},
                    "completed": job.tasks_completed,
                    "tasks": [
                        {
                            "state": each.state,
                            "attempts": each.attempts,
                            "agent": each.agent,
                            "reason": each.reason,
                            "log": Path(each.log_file).read_text() if each.log_file else "",
                        }
                        for each in tasks
                    ],
                }
            )
        return found

    def attempts(self, job: str) -> list[list[object]]:
        """Task, attempt, node and outcome of the job's attempts that are over."""
        from katana_queue.plugins import site_farms

        farm = site_farms.open_farms().farms["slurm"]
        return [[each.task, each.attempt, each.agent, each.outcome] for each in farm.attempts(job)]

    def refresh(self) -> None:
        """Have Slurm asked soon."""
        from katana_queue.plugins import site_farms

        site_farms.open_farms().farms["slurm"].refresh()

    def start_now(self, job: str, task: int) -> None:
        """*Start Now* of a task."""
        from katana_queue.plugins import site_farms

        site_farms.open_farms().farms["slurm"].start(job, [task])

    def show(self, job: str, path: str) -> None:
        """Open the job in the tab, with room for its tasks, and save a picture of the window."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QSplitter

        self.desktop.window.resize(1600, 1240)
        above = self.tab.parentWidget()
        while above is not None:
            if isinstance(above, QSplitter) and above.orientation() == Qt.Orientation.Vertical:
                above.setSizes([900, 150])
            above = above.parentWidget()
        self.tab.view.show_job(job)
        self.tab.model.expand(job)
        QTest.qWait(500)
        from katana_queue.plugins import site_farms

        tasks = site_farms.open_farms().farms["slurm"].tasks(job)
        running = [task.index for task in tasks if task.state == "Running"]
        row = self.tab.model.row(job) + 1 + max(running, default=0)
        self.tab.view.scrollTo(self.tab.model.index(row, 0))
        QTest.qWait(1500)  # pictures and logs are read on threads
        assert self.desktop.window.grab().save(path)


def main() -> None:
    """Answer the lines of standard input, one after the other, until it ends."""
    from PySide6.QtCore import QSocketNotifier

    program = _Program(Path(sys.argv[1]))

    def answer() -> None:
        line = sys.stdin.readline()
        if not line:
            program.application.quit()
            return
        asked = json.loads(line)
        done = getattr(program, asked.pop("what"))(**asked)
        print(_ANSWER + json.dumps(done), flush=True)

    notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(answer)
    program.application.exec()


if __name__ == "__main__":
    main()
