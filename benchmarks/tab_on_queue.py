"""How long a tab on a real queue with very many jobs blocks Qt's thread.

End to end: server, messages, the client's thread, the tab. No part of the product lives here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from host import katana_alias

katana_alias.install()

from katana_queue.kq.api import JobSpec, JobState, QueueClient, find_session  # noqa: E402

from benchmarks.measuring import connected_session  # noqa: E402
from benchmarks.turns import Turns  # noqa: E402
from host.app.interactive import settle  # noqa: E402

__all__ = ["run"]

_CHANGER = """
import random, sys, time
from pathlib import Path
from kq.api import ConnectionStatus, QueueClient, find_session
root, seconds, a_second = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
client = QueueClient()
client.connect(find_session(root))
while client.status is not ConnectionStatus.CONNECTED:
    time.sleep(0.05)
ids = [job.id for job in client.jobs()]
chosen = random.Random(1)
print("begun", flush=True)
began = time.monotonic()
step = 0
while time.monotonic() - began < seconds:
    step += 1
    client.set_priority(chosen.sample(ids, a_second // 30), step).result(60)
    time.sleep(max(0.0, step / 30 - (time.monotonic() - began)))
print(step * (a_second // 30), flush=True)
client.close()
"""
"""A program that changes jobs about 30 times a second, as another user's client would."""


def run(small: bool) -> list[dict[str, Any]]:
    """Rows of figures; `small` for a quick look at 5,000 jobs instead of 20,000."""
    from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab
    from PySide6.QtTest import QTest

    _application = QApplication.instance() or QApplication([])
    count, seconds = (5_000, 2.0) if small else (20_000, 10.0)
    with connected_session(agents=1) as (session, folder):
        session.client.pause_queue(True).result(60)
        wait(
            [
                session.client.submit(
                    JobSpec(name=f"shot_{number % 900:03}_beauty_v{number % 50:03}", commands=(("true",),))
                )[1]
                for number in range(count)
            ]
        )
        session.client.close()  # a desktop has one client: the tab's
        session.client.join(60)
        tab = KatanaQueueTab(None)
        tab.resize(1600, 900)
        tab.show()
        QTest.qWaitForWindowExposed(tab)
        settle()
        turns, model = Turns(), tab.model
        rows = [turns.bare(seconds)]
        client = QueueClient()

        def timed(what: str, start: Callable[[], object], until: Callable[[], bool]) -> None:
            QTimer.singleShot(0, start)
            took_s = turns.run(until, 0.3)
            rows.append({"what": f"{count:,} jobs: {what}", "took_s": round(took_s, 2), **turns.figures()})

        def connect() -> None:
            client.connect(find_session(folder / "data"))
            tab.attach(client)

        def changed(what: str, a_second: int) -> None:
            arguments = [str(folder / "data"), str(seconds), str(a_second)]
            command = [sys.executable, "-c", _CHANGER, *arguments]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as changer:
                assert changer.stdout is not None
                changer.stdout.readline()
                timed(what, lambda: None, lambda: changer.poll() is not None)
                shown_texts = changer.stdout.read().strip()
            rows[-1]["what"] += f" ({int(shown_texts) / rows[-1]['took_s']:.0f}/s)"

        timed("connected and first shown", connect, lambda: model.shown == count)
        changed("1,000 changes a second", 1000)
        tab.view.sortByColumn(Column.PRIORITY, Qt.SortOrder.DescendingOrder)
        turns.run(lambda: True, 1.0)
        changed("1,000 changes a second, sorted by what changes", 1000)
        tab.view.sortByColumn(Column.SUBMITTED, Qt.SortOrder.DescendingOrder)
        turns.run(lambda: True, 1.0)
        timed(
            "all of them stopped",
            client.stop_all_jobs,
            lambda: model.count(JobState.CANCELLED) == count,
        )
        gone = [model.job_id(row) for row in range(0, count, 20)]
        timed(
            f"{len(gone):,} removed",
            lambda: client.remove_jobs(gone),
            lambda: model.shown == count - len(gone),
        )
        tab.close()
        tab.log.reader.wait(5)
        client.close()
        client.join(60)
        tab.deleteLater()
    return rows


if __name__ == "__main__":
    for each in run("--small" in sys.argv):
        print(each)
