"""A program of the tests: a process as Katana's is when it meets our folder, and a render's whole life in it.

Run by a Python that has PySide6 6.5.3, Katana's API as the stand-in offers it, and nothing of ours.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from pathlib import Path

where = json.loads(sys.argv[1])
# --- What is there before any plug-in: Katana's own queue and pyzmq, an environment for Katana alone ---
sys.path[:0] = [where["foreign"], *([where["old_zmq"]] if where["old_zmq"] else [])]
if where["foreign"]:
    import kq

    assert kq.OWNER == "Katana"
if where["old_zmq"]:
    pass
root = Path(where["katana_root"])
sys.executable = str(root / "bin" / "katanaBin")
sys.prefix = str(root)
theirs = socket.socket()
theirs.bind(("127.0.0.1", 0))
theirs.listen()
os.environ.update(
    KATANA_ROOT=str(root),
    PYTHONHOME="/poison/home",
    PYTHONPATH="/poison/modules",
    LD_LIBRARY_PATH="/poison/libraries",
    KQ_NUM_AGENTS="7",
    KQ_DATA_ROOT="/no such folder of Katana's own queue",
    KQ_OPEN_NUM_AGENTS="2",
    KQ_OPEN_DATA_ROOT=where["data_root"],
    KATANA_RESOURCES=where["folder"],
)
if where["foreign"]:
    os.environ["KQ_REQUEST_PORT"] = str(theirs.getsockname()[1])
logging.basicConfig(format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)
from host import katana_alias  # noqa: E402

katana_alias.install()
from Katana import Callbacks, Configuration, FarmAPI, Shelves, Utils  # noqa: E402
from Katana.UI4.App import Tabs  # noqa: E402
from PySide6 import __version__ as qt_version  # noqa: E402
from PySide6.QtCore import QEventLoop, QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication, QFrame  # noqa: E402

from host.Katana._callbacks import ExecuteCallbacksForType  # noqa: E402

application = QApplication([])
try:
    QFrame(None, 0)  # type: ignore[call-overload]  # Qt refuses an int as flags: no plug-in may pass one
except TypeError:
    print("Qt:", qt_version, "refuses QFrame(parent, 0)")
Configuration.set("KATANA_UI_MODE", "1")
State = FarmAPI.Job.State
Manager = FarmAPI.FarmPluginManager


def until(true: object, what: str) -> None:
    """Run Qt's loop until `true()`, or fail."""
    loop = QEventLoop()
    give_up = time.monotonic() + 60
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if true() or time.monotonic() > give_up else None)
    timer.start(5)
    loop.exec()
    assert true(), f"not seen within a minute: {what}"


# --- Start-up, timed on Qt's thread ---
began = time.perf_counter()
plugins = Utils.Plugins.Load("FarmPlugin", 1, Utils.Plugins.DefaultPaths("Plugins"))
loaded = time.perf_counter()
tabs = Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
tabs_loaded = time.perf_counter()
Manager.Initialize()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
done = time.perf_counter()
name = plugins[0].name
print(
    f"start-up on Qt's thread: {(loaded - began) * 1000:.0f} ms farm plug-in, "
    f"{(tabs_loaded - loaded) * 1000:.0f} ms tab, {(done - tabs_loaded) * 1000:.0f} ms session"
)
print("farms:", Manager.GetFarmPluginNames(), "tabs:", sorted(tabs))
print("shelves:", [(each.getName(), [item.getName() for item in each.getItems()])
                   for each in Shelves.GetBuiltinShelves()])  # fmt: skip

from katana_queue.kq.api import ConnectionStatus, current_session  # type: ignore[import-not-found]  # noqa: E402

session = current_session()
holder = Tabs.CreateTab(name, None)
assert holder is not None
tab = holder.getWidget()
holder.show()
until(lambda: session.client.status is ConnectionStatus.CONNECTED or session.failure, "the connection")
assert not session.failure, session.failure
until(lambda: sum(agent.state == "Idle" for agent in session.client.agents()) == 2, "two Agents")
print("agents:", len(session.client.agents()), "zmq:", sys.modules["zmq"].__version__)
print("banner:", repr(tab.banner.text))

# --- Preview, stop, repeat ---
os.environ["RENDERER_SETTING"] = "changed since the start"
commands = [
    f'"{root}/bin/copy" before "{where["data_root"]}/before"',
    f'"{root}/bin/renderboot" -renderer dl -renderMethodName preview -host 127.0.0.1:1',
    f'"{root}/bin/copy" after "{where["data_root"]}/after"',
]
context = Manager.CreateRenderContextName(41)
folder = Manager.CreateTemporaryDirectory(context, name)
job = Manager.SubmitJob("Render", context, folder, commands, name)
until(lambda: Manager.GetJobState(job, name) == State.kRunning, "running")
log = None


def log_text() -> str:
    """The render log, as far as it is written."""
    path = Manager.GetRenderLogFilename(job, name)
    return Path(path).read_text(encoding="utf-8") if path and Path(path).exists() else ""


until(lambda: "rendering" in log_text(), "the renderer's line")
print("log:", [line for line in log_text().splitlines() if "=" in line])
until(lambda: job in {each.id for each in tab.model.shown_jobs()} if hasattr(tab.model, "shown_jobs")
      else tab.model.job(job) is not None, "the job in the tab")  # fmt: skip
Manager.StopJob(job, name)
until(lambda: Manager.GetJobState(job, name) == State.kCancelled, "cancelled")
print("preview, stop:", session.client.job(job).name, Manager.GetJobState(job, name))
Path(where["data_root"], "finish").touch()
Manager.StartJob(job, name)
until(lambda: Manager.GetJobState(job, name) == State.kCompleted, "completed")
assert Path(where["data_root"], "before").exists()
assert Path(where["data_root"], "after").exists()
print("repeat:", Manager.GetJobState(job, name))

# --- The shelf's item, whose dialog needs paramiko ---
Shelves.GetBuiltinShelves()[0].getItems()[0].run()
dialogs = [each for each in application.topLevelWidgets() if "RemoteAgents" in type(each).__name__]
print("dialogs:", [type(each).__name__ for each in dialogs], "paramiko" in sys.modules)
for each in dialogs:
    each.close()

# --- Close ---
holder.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(30)
tab.log.reader.wait(5)
tab.pictures.wait(5)
if where["foreign"]:
    print("theirs:", kq.late(), "port still theirs:", theirs.getsockname()[1] > 0)
print("closed")
