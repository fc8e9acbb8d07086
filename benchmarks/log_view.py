"""How soon a very large log is in sight, how soon all of it is known, and what it costs in memory and stalls.

No part of the product lives here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication

from host import katana_alias

katana_alias.install()

__all__ = ["run"]

_LINE = b"[12:34:56] mitsuba: rendering tile %07d of 9999999, 64 samples, 1.23 s so far\n"


class _Memory:
    """The most memory of this process while it is watched, over what it was before."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._most = self._process.memory_info().rss
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self._most = max(self._most, self._process.memory_info().rss)

    def end(self) -> float:
        """Megabytes added at most."""
        self._ended.set()
        self._thread.join()
        return (self._most - self._before) / 1e6


def _write(path: Path, size: int) -> int:
    """A log of about `size` bytes, with an error in every hundred thousandth line; returns its lines."""
    block = b"".join(_LINE % number for number in range(10_000))
    error = b"Error: texture /show/tex/wood.exr does not exist\n"
    lines = 0
    with path.open("wb") as out:
        while out.tell() < size:
            out.write(block)
            lines += 10_000
            if lines % 100_000 == 0:
                out.write(error)
                lines += 1
        out.write(b"the end\n")
    return lines + 1


def _until(condition: Callable[[], bool], longest_s: float = 120.0) -> tuple[float, float, float]:
    """Run events until `condition`; returns seconds, and the longest turn of the loop in ms (clock, CPU)."""
    loop, begin_s = QEventLoop(), time.perf_counter()
    stall = [0.0, time.perf_counter()]
    cpu = [0.0, time.thread_time()]

    def beat() -> None:
        now_s, spent_s = time.perf_counter(), time.thread_time()
        stall[0], stall[1] = max(stall[0], now_s - stall[1]), now_s
        cpu[0], cpu[1] = max(cpu[0], spent_s - cpu[1]), spent_s
        if condition() or now_s - begin_s > longest_s:
            loop.quit()

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(1)
    timer.timeout.connect(beat)
    timer.start()
    loop.exec()
    return time.perf_counter() - begin_s, stall[0] * 1000, cpu[0] * 1000


_WRITER = """
import sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
block = b"".join(b"[12:34:56] mitsuba: tile %07d of 9999999, 64 samples\\n" % n for n in range(16_000))
block += b"WARNING: texture /show/tex/wood.tx has no mip levels\\n"
begin, written = time.monotonic(), 0
with open(path, "ab", buffering=0) as out:
    while time.monotonic() - begin < seconds:
        out.write(block)
        written += len(block)
        time.sleep(max(0.0, written / 100e6 - (time.monotonic() - begin)))
print(written)
"""


def _flooded(panel: Any, folder: Path, seconds: float) -> dict[str, Any]:
    """A render writes 100 MB a second into the log that is shown, and followed."""
    path = folder / "flooded.log"
    path.write_bytes(b"begin\n")
    panel.show_log(str(path))
    _until(lambda: panel._state.line_count == 1)
    memory = _Memory()
    command = [sys.executable, "-c", _WRITER, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        took_s, stall, cpu = _until(lambda: writer.poll() is not None)
        written = int(writer.stdout.read()) if writer.stdout is not None else 0
    caught_up_s, _, _ = _until(lambda: panel._state.is_complete and panel._state.size == path.stat().st_size)
    path.unlink()
    return {
        "what": f"{written / took_s / 1e6:.0f} MB/s written into the log in sight, for {took_s:.1f} s",
        "caught_up_s": round(caught_up_s, 2),
        "added_mb": round(memory.end(), 1),
        "longest_stall_ms": round(stall, 1),
        "longest_cpu_ms": round(cpu, 1),
    }


def run(small: bool) -> list[dict[str, Any]]:
    """Rows of figures; `small` for a quick look at 50 MB instead of 1 GB."""
    from plugins.Tabs.KatanaQueue.models.log_scan import Search
    from plugins.Tabs.KatanaQueue.views.log_panel import LogPanel

    _application = QApplication.instance() or QApplication([])
    size = 50_000_000 if small else 1_000_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "render.log"
        count = _write(path, size)
        panel = LogPanel()
        panel.resize(1200, 600)
        panel.show()
        _until(lambda: panel.isVisible())
        memory = _Memory()
        view = panel.view

        def end_in_sight() -> bool:
            if view._tail is not None:
                return view._tail[-1].text == "the end"
            last = view.line(count - 1)
            return last is not None and last.text == "the end"

        panel.show_log(str(path))
        seen_s, _, _ = _until(end_in_sight)
        known_s, known_stall, known_cpu = _until(lambda: panel._state.line_count == count)
        view.go_to_line(count // 2)
        middle_s, _, _ = _until(lambda: view.line(count // 2) is not None)
        scanned_s, scan_stall, scan_cpu = _until(lambda: panel._state.is_scanned)
        panel.reader.search(search := Search("tile 0009999"))
        found: list[int] = []
        panel.reader.found_changed.connect(
            lambda what, marks, through: found.append(marks.count) if through and what is search else None
        )
        search_s, search_stall, search_cpu = _until(lambda: bool(found))
        added = memory.end()
        panel.reader.search(None)
        flooded = _flooded(panel, Path(folder), 1.0 if small else 5.0)
        panel.reader.close()
        panel.reader.wait(5)
        panel.deleteLater()
    return [
        {
            "what": f"log of {size / 1e9:g} GB, {count:,} lines",
            "end_in_sight_s": round(seen_s, 3),
            "all_lines_known_s": round(known_s, 2),
            "middle_in_sight_s": round(middle_s, 3),
            "errors_counted_s": round(scanned_s, 2),
            "searched_s": round(search_s, 2),
            "found": found[0] if found else None,
            "added_mb": round(added, 1),
            "longest_stall_ms": round(max(known_stall, scan_stall, search_stall), 1),
            "longest_cpu_ms": round(max(known_cpu, scan_cpu, search_cpu), 1),
        },
        flooded,
    ]


if __name__ == "__main__":
    for each in run("--small" in sys.argv):
        print(each)
