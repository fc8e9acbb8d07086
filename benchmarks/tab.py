"""How long the tab blocks Qt's thread: with many jobs, while they change, are sorted and filtered.

No part of the product lives here.
"""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import msgspec
from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt, QTimer
from PySide6.QtWidgets import QApplication, QMessageBox

from host import katana_alias

katana_alias.install()

from katana_queue.kq.api import ConnectionStatus, JobRecord, JobState, QueueChange  # noqa: E402

from benchmarks.turns import Turns  # noqa: E402
from host.app.interactive import settle  # noqa: E402

__all__ = ["run"]


class _Collecting:
    """Time spent in Python's cyclic garbage collector, which grows with the number of objects."""

    def __init__(self) -> None:
        self.longest_ms = self._began_s = 0.0
        gc.callbacks.append(self._on_collection)

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = time.thread_time()
        else:
            self.longest_ms = max(self.longest_ms, (time.thread_time() - self._began_s) * 1000)


class _Source:
    """A fake queue that only sends changes, coalesced to about 30 a second as kq does, from a thread."""

    def __init__(self, jobs: list[JobRecord]) -> None:
        self.jobs_by_id = {job.id: job for job in jobs}
        self._ids = list(self.jobs_by_id)
        self._stopped = [
            msgspec.structs.replace(job, state=JobState.CANCELLED, completed=job.submitted + 9)
            for job in jobs
        ]
        self._listener: Callable[[QueueChange], None] | None = None
        self._ended = threading.Event()
        self.updates = 0

    def add_listener(self, listener: Callable[[QueueChange], None]) -> Callable[[], None]:
        self._listener = listener
        threading.Thread(target=self._tell, args=(list(self.jobs_by_id.values()), True)).start()
        return lambda: None

    def _tell(self, jobs: Iterable[JobRecord], reset: bool = False, removed: Iterable[str] = ()) -> None:
        if self._listener is not None:
            self._listener(
                QueueChange(
                    status=ConnectionStatus.CONNECTED,
                    message="",
                    jobs=tuple(jobs),
                    removed_jobs=tuple(removed),
                    agents=(),
                    removed_agents=(),
                    queue=None,
                    reset=reset,
                )
            )

    def update(self, per_second: int, seconds: float) -> None:
        """Change `per_second` jobs a second for `seconds`, and notify listeners; on the caller's thread."""
        rnd = random.Random(1)
        states = list(JobState)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            changed = []
            for _ in range(per_second // 30):
                old = self.jobs_by_id[rnd.choice(self._ids)]
                state = rnd.choice(states)
                new = msgspec.structs.replace(
                    old, state=state, progress=rnd.random(), agent=f"a{rnd.randrange(9)}"
                )
                self.jobs_by_id[new.id] = new
                changed.append(new)
            self._tell(changed)
            self.updates += len(changed)
            time.sleep(1 / 30)

    def every_tenth(self, most: int) -> list[str]:
        """Return the ids of every tenth job, at most `most`."""
        return self._ids[::10][:most]

    def stop_all(self) -> None:
        """Cancel all waiting and running jobs, reported in one change."""
        threading.Thread(target=self._tell, args=(self._stopped,)).start()

    def remove(self, ids: list[str]) -> None:
        """Remove these jobs, reported in one change."""
        threading.Thread(target=self._tell, args=((), False, ids)).start()

    def spec(self, job_id: str) -> Any:
        from concurrent.futures import Future

        return Future()

    attempts = tasks = spec


def _jobs(count: int) -> list[JobRecord]:
    rnd = random.Random(2)
    states = list(JobState)
    return [
        JobRecord(
            id=f"job{number:07}",
            name=f"shot_{rnd.randrange(900):03}_beauty_v{number % 50:03}",
            state=rnd.choice(states),
            submitted=1_760_000_000.0 + number,
            started=1_760_000_001.0 + number,
            order=number,
            progress=rnd.random(),
            agent=f"workstation-{number % 4}",
            log_file="",
            reason="",
        )
        for number in range(count)
    ]


def run(small: bool) -> list[dict[str, Any]]:
    """Rows of figures: 20,000 jobs, which is many, and 100,000; `small` for a quick look at 5,000."""
    _application = QApplication.instance() or QApplication([])
    seconds = 2.0 if small else 4.0
    rows = [Turns().bare(seconds)]
    for count in (5_000,) if small else (20_000, 100_000):
        rows += _measured(count, seconds)
    return rows


def _measured(count: int, seconds: float) -> list[dict[str, Any]]:
    """Measure, on a tab with `count` jobs, how long each operation blocks Qt's thread."""
    from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab
    from PySide6.QtTest import QTest

    source = _Source(_jobs(count))
    tab = KatanaQueueTab(None)
    tab.resize(1600, 900)
    tab.show()
    QTest.qWaitForWindowExposed(tab)
    settle()
    turns, collecting = Turns(), _Collecting()
    rows: list[dict[str, Any]] = []
    name = f"{count:,} jobs"

    def timed(
        what: str, start: Callable[[], object], until: Callable[[], bool], at_least_s: float = 0.3
    ) -> None:
        collecting.longest_ms = 0.0
        QTimer.singleShot(0, start)
        took_s = turns.run(until, at_least_s)
        rows.append(
            {
                "what": f"{name}: {what}",
                **turns.figures(),
                "collection_ms": round(collecting.longest_ms, 1),
                "took_s": round(took_s, 2),
            }
        )

    model, view = tab.model, tab.view
    timed("first shown", lambda: tab.attach(source), lambda: model.total == count)
    updates = threading.Thread(target=source.update, args=(1000, seconds))
    timed("1,000 updates a second", updates.start, lambda: not updates.is_alive(), seconds)
    updates.join()
    timed(
        "sorted by name",
        lambda: view.sortByColumn(Column.NAME, Qt.SortOrder.AscendingOrder),
        lambda: True,
    )
    by_state = threading.Thread(target=source.update, args=(1000, seconds))
    view.sortByColumn(Column.STATE, Qt.SortOrder.AscendingOrder)
    timed("1,000 updates a second, sorted by state", by_state.start, lambda: not by_state.is_alive(), seconds)
    by_state.join()
    half = QItemSelection(model.index(10, 0), model.index(count // 2, len(Column) - 1))
    timed(
        "half of them selected",
        lambda: view.selectionModel().select(half, QItemSelectionModel.SelectionFlag.ClearAndSelect),
        lambda: True,
    )
    selected = threading.Thread(target=source.update, args=(1000, seconds / 2))
    timed(
        "1,000 updates a second, half selected, sorted by state",
        selected.start,
        lambda: not selected.is_alive(),
        seconds / 2,
    )
    selected.join()
    timed("selection given up", lambda: view.show_job(model.job_id(0)), lambda: True, 1.0)
    timed(
        "filtered by a word",
        lambda: tab.filter_bar.field.setText("shot_42"),
        lambda: 0 < model.shown < count / 2,
    )
    timed("all that match selected", view.selectAll, lambda: True)
    timed("filter cleared", tab.filter_bar.clear, lambda: model.shown == model.total)
    timed(
        "all of them changed at once",
        source.stop_all,
        lambda: True and not model.count(JobState.RUNNING),
    )
    gone = source.every_tenth(5000)
    timed(
        f"{len(gone):,} removed",
        lambda: source.remove(gone),
        lambda: True and model.total == count - len(gone),
    )
    timed("select all", view.selectAll, lambda: True)
    timed(
        "Remove chosen for all",
        tab.actions_of_jobs.remove.trigger,
        lambda: tab.findChild(QMessageBox) is not None,
    )
    tab.findChild(QMessageBox).reject()
    bar = view.verticalScrollBar()
    timed("scrolled to the end", lambda: bar.setValue(bar.maximum()), lambda: True)
    timed("one page up", lambda: QTest.keyClick(view, Qt.Key.Key_PageUp), lambda: True)
    timed("drawn anew", view.viewport().update, lambda: True)
    tab.close()
    tab.log.reader.wait(5)
    tab.deleteLater()
    return rows


if __name__ == "__main__":
    import sys

    for each in run("--small" in sys.argv):
        print(each)
