"""How long do our plug-ins hold Qt's thread while Katana starts, beside Katana's own `kq` and without it?

In a new process each time, with the stand-in's API: imports, registration, the tab, and the session's start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import LONGEST_S, figures

__all__ = ["run"]

ROOT = Path(__file__).resolve().parents[1]
_PARTS = ("farm plug-in", "tab: loaded", "session", "tab: made")
_PROGRAM = """
import json, os, sys, time
from PySide6 import QtCore, QtGui, QtWidgets  # in Katana they are there already
application = QtWidgets.QApplication([])
from host import katana_alias
from host.app import style
katana_alias.install()
style.apply(application)
foreign = sys.argv[1]
if foreign:
    sys.path.insert(0, foreign)
    import kq
    assert kq.OWNER == "Katana"
from Katana import Callbacks, Configuration, FarmAPI, UI4, Utils
from Katana.UI4.App import Tabs
from host.Katana._callbacks import ExecuteCallbacksForType
Configuration.set("KATANA_UI_MODE", "1")
moments = [(time.perf_counter(), time.thread_time())]
def part():
    moments.append((time.perf_counter(), time.thread_time()))
plugins = Utils.Plugins.Load("FarmPlugin", 1, Utils.Plugins.DefaultPaths("Plugins"))
part()
Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
part()
FarmAPI.FarmPluginManager.Initialize()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
part()
tab = Tabs.CreateTab(plugins[0].name, None)
part()
from katana_queue.kq.api import current_session
assert plugins[0].name == ("Katana Queue (Open)" if foreign else "Katana Queue"), plugins[0].name
session = current_session()
assert session.wait_ready(60), session.failure
tab.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
print(json.dumps([[(b[i] - a[i]) * 1000 for i in (0, 1)] for a, b in zip(moments, moments[1:])]), flush=True)
os._exit(0)  # not the threads of the tab, which no event loop ends
"""


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of milliseconds of Qt's thread: each part, the whole, and the whole's CPU time."""
    rows = []
    for title, is_beside in (("alone", False), ("beside another kq", True)):
        taken = [_start(is_beside) for _ in range(1 if small else 10)]
        rows += [
            figures(f"{title}: {part}, ms", "kq", [each[at][0] for each in taken])
            for at, part in enumerate(_PARTS)
        ]
        rows += [
            figures(f"{title}: all of it, ms", "kq", [sum(part[0] for part in each) for each in taken]),
            figures(f"{title}: of it computing, ms", "kq", [sum(part[1] for part in each) for each in taken]),
        ]
    return rows


def _start(is_beside: bool) -> list[tuple[float, float]]:
    """Return wall-clock and CPU milliseconds of each part of one start."""
    with tempfile.TemporaryDirectory(prefix="kq-benchmark-") as folder:
        foreign = Path(folder, "foreign")
        (foreign / "kq").mkdir(parents=True)
        (foreign / "kq" / "__init__.py").write_text("OWNER = 'Katana'\n")
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, str(foreign) if is_beside else ""],
            cwd=folder,
            env={
                **os.environ,
                "QT_QPA_PLATFORM": "offscreen",
                "PYTHONPATH": str(ROOT),
                "KATANA_RESOURCES": str(ROOT / "plugins"),
                "KQ_OPEN_DATA_ROOT": str(Path(folder, "data")),
            },
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the plug-ins did not start: {done.stderr[-2000:]}")
    return [(wall, cpu) for wall, cpu in json.loads(done.stdout.splitlines()[-1])]
