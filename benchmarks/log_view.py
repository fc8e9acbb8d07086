"""How soon a very large log is visible and fully indexed, and its cost in memory and stalls.

No part of the product lives here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtWidgets import QApplication

from host import katana_alias

katana_alias.install()

from benchmarks.turns import Turns  # noqa: E402

__all__ = ["run"]

_LINE = b"[12:34:56] mitsuba: rendering tile %07d of 9999999, 64 samples, 1.23 s so far\n"


class _Memory:
    """Peak memory of this process while it is watched, relative to the start."""

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
        """Stop watching; returns the peak increase in megabytes."""
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


def _flooded(turns: Turns, panel: Any, folder: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Measure a followed log to which a render writes 100 MB/s."""
    path = folder / "flooded.log"
    path.write_bytes(b"begin\n")
    panel.show_log(str(path))
    turns.run(lambda: panel._state.line_count == 1)
    memory = _Memory()
    command = [sys.executable, "-c", _WRITER, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        took_s = turns.run(lambda: writer.poll() is not None)
        written = int(writer.stdout.read()) if writer.stdout is not None else 0
    yield _row(turns, f"{written / took_s / 1e6:.0f} MB/s written into the log in sight", took_s)
    caught_up_s = turns.run(lambda: panel._state.is_complete and panel._state.size == path.stat().st_size)
    path.unlink()
    yield {**_row(turns, "its end caught up with", caught_up_s), "added_mb": round(memory.end(), 1)}


def _row(turns: Turns, what: str, took_s: float) -> dict[str, Any]:
    return {"what": what, "took_s": round(took_s, 3), **turns.figures()}


def _read(turns: Turns, panel: Any, path: Path, count: int) -> Iterator[dict[str, Any]]:
    """Measure opening a log of `count` lines, scrolling to its middle, finding errors, searching."""
    from katana_queue.plugins.Tabs.KatanaQueue.models.log_scan import Search

    view = panel.view

    def end_in_sight() -> bool:
        if view._tail is not None:
            return bool(view._tail[-1].text == "the end")
        last = view.line(count - 1)
        return last is not None and last.text == "the end"

    memory = _Memory()
    panel.show_log(str(path))
    yield _row(turns, f"{path.stat().st_size / 1e9:.1f} GB: its end in sight", turns.run(end_in_sight))
    known_s = turns.run(lambda: panel._state.line_count == count)
    yield _row(turns, f"all {count:,} lines known", known_s)
    view.go_to_line(count // 2)
    yield _row(turns, "its middle in sight", turns.run(lambda: view.line(count // 2) is not None))
    yield _row(turns, "errors counted", turns.run(lambda: panel._state.is_scanned))
    panel.reader.search(search := Search("tile 0009999"))
    found: list[int] = []
    panel.reader.found_changed.connect(
        lambda what, marks, through: found.append(marks.count) if through and what is search else None
    )
    searched_s = turns.run(lambda: bool(found))
    searched = _row(turns, f"searched, {found[0] if found else 0:,} found", searched_s)
    yield {**searched, "added_mb": round(memory.end(), 1)}
    panel.reader.search(None)


def run(small: bool) -> list[dict[str, Any]]:
    """Rows of figures; `small` for a quick look at 50 MB instead of 1 GB."""
    from katana_queue.plugins.Tabs.KatanaQueue.views.log_panel import LogPanel

    _application = QApplication.instance() or QApplication([])
    turns = Turns()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "render.log"
        count = _write(path, 50_000_000 if small else 1_000_000_000)
        panel = LogPanel()
        panel.resize(1200, 600)
        panel.show()
        turns.run(panel.isVisible)
        rows = [
            turns.bare(1.0 if small else 10.0),
            *_read(turns, panel, path, count),
            *_flooded(turns, panel, Path(folder), 1.0 if small else 5.0),
        ]
        panel.reader.close()
        panel.reader.wait(5)
        panel.deleteLater()
    return rows


if __name__ == "__main__":
    for each in run("--small" in sys.argv):
        print(each)
