"""A program of the tests: a process as Katana's is on Windows, that loads our folder, renders, and ends.

Run by a CPython for Windows without packages but Katana's PySide6 6.5.3; the stand-in offers Katana's API.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import time
from pathlib import Path

where = json.loads(sys.argv[1])
PACKAGES = ("zmq", "msgspec", "psutil", "paramiko", "cryptography", "nacl")
assert not [name for name in PACKAGES if importlib.util.find_spec(name)], "this Python has packages of kq's"
root = Path(where["katana_root"])
sys.executable = str(root / "bin" / "katanaBin.exe")
sys.prefix = str(root)
os.environ.update(
    KATANA_ROOT=str(root),
    KQ_OPEN_NUM_AGENTS="2",
    KQ_OPEN_DATA_ROOT=where["data_root"],
    LOCALAPPDATA=where["local"],
    KATANA_RESOURCES=where["folder"],
    QT_QPA_PLATFORM="offscreen",  # Wine passes no QT_ variable on
    QT_QPA_FONTDIR="C:\\windows\\Fonts",
)
logging.basicConfig(format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)
from host import katana_alias  # noqa: E402

katana_alias.install()
from Katana import Callbacks, Configuration, FarmAPI, Shelves, Utils  # noqa: E402
from Katana.UI4.App import Tabs  # noqa: E402
from PySide6 import __version__ as qt_version  # noqa: E402
from PySide6.QtCore import QEventLoop, QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from host.Katana._callbacks import ExecuteCallbacksForType  # noqa: E402

application = QApplication([])
Configuration.set("KATANA_UI_MODE", "1")
State = FarmAPI.Job.State
Manager = FarmAPI.FarmPluginManager


def until(true: object, what: str) -> None:
    """Run Qt's loop until `true()`, or fail."""
    loop = QEventLoop()
    give_up = time.monotonic() + 300
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if true() or time.monotonic() > give_up else None)
    timer.start(20)
    loop.exec()
    assert true(), f"not seen in time: {what}"


plugins = Utils.Plugins.Load("FarmPlugin", 1, Utils.Plugins.DefaultPaths("Plugins"))
tabs = Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
Manager.Initialize()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
name = plugins[0].name
shelves = [item.getName() for each in Shelves.GetBuiltinShelves() for item in each.getItems()]

from katana_queue.kq.api import ConnectionStatus, current_session  # type: ignore[import-not-found]  # noqa: E402

session = current_session()
holder = Tabs.CreateTab(name, None)
tab = holder.getWidget()
holder.show()
until(lambda: session.client.status is ConnectionStatus.CONNECTED or session.failure, "the connection")
assert not session.failure, session.failure
until(lambda: sum(agent.state == "Idle" for agent in session.client.agents()) == 2, "two Agents")
import psutil  # noqa: E402

lines = [each.info["cmdline"] or [""] for each in psutil.process_iter(["cmdline"])]
programs = [words[0] for words in lines if "katana_queue" in " ".join(words)]
picture = Path(where["data_root"], "beauty.png")
command = (
    f'"{root}\\bin\\renderboot.exe" -geolib3OpTree "{where["scene"]}" -renderOutputFile "{picture}" '
    "-width 160 -height 90 -samples 4"
)
context = Manager.CreateRenderContextName(41)
folder = Manager.CreateTemporaryDirectory(context, name)
job = Manager.SubmitJob("Render", context, folder, [command], name)
until(lambda: Manager.GetJobState(job, name) in (State.kCompleted, State.kFailed), "the render")
log = Path(Manager.GetRenderLogFilename(job, name)).read_text(encoding="utf-8")
print(log)
assert Manager.GetJobState(job, name) == State.kCompleted, log
holder.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(300)
tab.log.reader.wait(60)
tab.pictures.wait(60)
facts = {
    "qt": qt_version,
    "farms": list(Manager.GetFarmPluginNames()),
    "tabs": sorted(tabs),
    "shelves": shelves,
    "kq": sys.modules["katana_queue.kq.api"].__file__,
    "packages": {name: importlib.import_module(name).__file__ for name in PACKAGES},
    "programs": programs,
}
print("facts:", json.dumps(facts))
