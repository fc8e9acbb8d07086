"""How long the tab keeps Qt's thread: with many jobs, while they change, while they are sorted and filtered.

The longest time between two turns of the event loop, on the clock and on the thread's own CPU time: on a busy
machine the first counts other programs too. No part of the product lives here.
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
from PySide6.QtCore import QEventLoop, QItemSelection, QItemSelectionModel, Qt, QTimer
from PySide6.QtWidgets import QApplication

from host import katana_alias

katana_alias.install()

from kq.api import ConnectionStatus, JobRecord, JobState, QueueChange  # noqa: E402

__all__ = ["run"]

FRAME_MS = 16.0


class _Stalls:
    """Notes how long Qt's thread was away from its event loop.

    It keeps no list of all turns: one of a million figures takes 10 ms of Qt's thread when it grows.
    """

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)  # a loop that never rests is one that the system's scheduler holds back
        self._timer.timeout.connect(self._beat)
        self._clock_s = self._cpu_s = 0.0
        self._collecting_s = 0.0
        self.collection_ms = 0.0
        gc.callbacks.append(self._on_collection)
        self.clock_ms = self.cpu_ms = 0.0
        self.over_frame = 0

    def _beat(self) -> None:
        clock_s, cpu_s = time.perf_counter(), time.thread_time()
        clock_ms = (clock_s - self._clock_s) * 1000
        self.clock_ms = max(self.clock_ms, clock_ms)
        self.cpu_ms = max(self.cpu_ms, (cpu_s - self._cpu_s) * 1000)
        self.over_frame += clock_ms > FRAME_MS
        self._clock_s, self._cpu_s = clock_s, cpu_s

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        """Python's search for cycles: it stands for whatever else the process holds."""
        if phase == "start":
            self._collecting_s = time.thread_time()
        else:
            self.collection_ms = max(self.collection_ms, (time.thread_time() - self._collecting_s) * 1000)

    def measure(self, until: Callable[[], bool], at_least_s: float) -> None:
        """Run events until something holds."""
        self.clock_ms = self.cpu_ms = self.collection_ms = 0.0
        self.over_frame = 0
        self._clock_s, self._cpu_s = time.perf_counter(), time.thread_time()
        self._timer.start()
        loop = QEventLoop()
        end_s = time.perf_counter() + at_least_s
        check = QTimer()
        check.setInterval(20)
        check.timeout.connect(lambda: loop.quit() if time.perf_counter() > end_s and until() else None)
        check.start()
        loop.exec()
        self._timer.stop()

    def row(self, what: str, seconds: float | None = None) -> dict[str, Any]:
        """The figures of what was measured."""
        return {
            "what": what,
            "longest_ms": round(self.clock_ms, 1),
            "longest_cpu_ms": round(self.cpu_ms, 1),
            "longest_collection_ms": round(self.collection_ms, 1),
            "over_16_ms": self.over_frame,
            "took_s": None if seconds is None else round(seconds, 2),
        }


class _Source:
    """A queue that only tells: coalesced to some 30 changes a second, as kq does, on a thread of its own."""

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
                    sentence="",
                    jobs=tuple(jobs),
                    removed_jobs=tuple(removed),
                    agents=(),
                    removed_agents=(),
                    queue=None,
                    reset=reset,
                )
            )

    def update(self, per_second: int, seconds: float) -> None:
        """Change so many jobs each second, and say so, for some seconds; on the caller's thread."""
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
        """Ids of so many jobs at most, spread over the list."""
        return self._ids[::10][:most]

    def stop_all(self) -> None:
        """Everything that waits or runs is cancelled, and told in one change."""
        threading.Thread(target=self._tell, args=(self._stopped,)).start()

    def remove(self, ids: list[str]) -> None:
        """These jobs are removed, and told in one change."""
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
    """Rows of figures; `small` for a quick look at 10,000 jobs instead of 100,000."""
    from PySide6.QtTest import QTest

    from plugins.Tabs.KatanaQueue.models.columns import Column
    from plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    _application = QApplication.instance() or QApplication([])
    count, seconds = (10_000, 2.0) if small else (100_000, 10.0)
    source = _Source(_jobs(count))
    tab = KatanaQueueTab(None)
    tab.resize(1600, 900)
    tab.show()
    QTest.qWaitForWindowExposed(tab)
    stalls, rows = _Stalls(), []
    name = f"{count:,} jobs"

    def timed(
        what: str, start: Callable[[], object], until: Callable[[], bool], at_least_s: float = 0.3
    ) -> None:
        begin_s = time.perf_counter()
        done: list[float] = []

        def over() -> bool:
            if until() and not done:
                done.append(time.perf_counter() - begin_s)
            return bool(done)

        # What the start of the process left is not the tab's; what the tab leaves is measured.
        gc.collect()
        QTimer.singleShot(0, start)
        stalls.measure(over, at_least_s)
        rows.append(stalls.row(f"{name}: {what}", done[0]))

    model, view = tab.model, tab.view
    timed("first shown", lambda: tab.attach(source), lambda: model.total == count and not model.is_rebuilding)
    updates = threading.Thread(target=source.update, args=(1000, seconds))
    timed("1,000 updates a second", updates.start, lambda: not updates.is_alive(), seconds)
    updates.join()
    timed(
        "sorted by name",
        lambda: view.sortByColumn(Column.NAME, Qt.SortOrder.AscendingOrder),
        lambda: not model.is_rebuilding,
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
    timed("selection given up", lambda: view.show_job(model.job_id(0)), lambda: not model.is_rebuilding, 1.0)
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
        lambda: not model.is_rebuilding and not model.count(JobState.RUNNING),
    )
    gone = source.every_tenth(5000)
    timed(
        f"{len(gone):,} removed",
        lambda: source.remove(gone),
        lambda: not model.is_rebuilding and model.total == count - len(gone),
    )
    timed("select all", view.selectAll, lambda: True)
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
